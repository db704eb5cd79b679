"""The handler of each command. `chatservice.domain.dispatch` runs them, for every protocol."""

from collections.abc import Mapping

from chatservice.domain.chat import Handler
from chatservice.domain.handlers.account_handlers import ACCOUNT_HANDLERS
from chatservice.domain.handlers.annotation_handlers import ANNOTATION_HANDLERS
from chatservice.domain.handlers.file_handlers import FILE_HANDLERS
from chatservice.domain.handlers.moderation_handlers import MODERATION_HANDLERS
from chatservice.domain.handlers.room_handlers import ROOM_HANDLERS, joined

__all__ = ["HANDLERS", "joined"]

HANDLERS: Mapping[str, Handler] = {
    **ROOM_HANDLERS,
    **FILE_HANDLERS,
    **MODERATION_HANDLERS,
    **ANNOTATION_HANDLERS,
    **ACCOUNT_HANDLERS,
}
"""The handler of each command but talk (`say`, `me`, `reply`), which `dispatch` hands to the
publisher."""
