"""The handler of each command. `chatservice.domain.dispatch` runs them, for every protocol."""

from collections.abc import Mapping

from chatservice.domain.chat import Handler
from chatservice.domain.handlers.account_handlers import ACCOUNT_HANDLERS
from chatservice.domain.handlers.annotation_handlers import ANNOTATION_HANDLERS
from chatservice.domain.handlers.file_handlers import FILE_HANDLERS
from chatservice.domain.handlers.moderation_handlers import MODERATION_HANDLERS
from chatservice.domain.handlers.operator_handlers import OPERATOR_HANDLERS
from chatservice.domain.handlers.room_handlers import ROOM_HANDLERS, joined
from chatservice.domain.handlers.talk_handlers import TALK_HANDLERS

__all__ = ["HANDLERS", "joined"]

HANDLERS: Mapping[str, Handler] = {
    **ROOM_HANDLERS,
    **TALK_HANDLERS,
    **FILE_HANDLERS,
    **ANNOTATION_HANDLERS,
    **MODERATION_HANDLERS,
    **OPERATOR_HANDLERS,
    **ACCOUNT_HANDLERS,
}
"""The handler of each command but talk (`say`, `me`, `reply`), which `dispatch` hands to the
publisher."""
