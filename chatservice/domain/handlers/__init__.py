"""What each command does, whichever dialect it came in: the table of commands, in deeds.

An action answers at once or later. What a dialect does in its own way stands in that dialect:
`hello` and `quit`, the bytes of `put` and `get`, and `say` and `me`, which are many and whose
answers are not waited for.
"""

from collections.abc import Awaitable, Callable, Mapping

from chatservice import replies
from chatservice.domain.chat import Chat
from chatservice.domain.handlers.account_handlers import ACCOUNT_HANDLERS
from chatservice.domain.handlers.file_handlers import FILE_HANDLERS, put_ticket
from chatservice.domain.handlers.handler import Arguments, Handler, awaited
from chatservice.domain.handlers.moderation_handlers import MODERATION_HANDLERS
from chatservice.domain.handlers.operator_handlers import OPERATOR_HANDLERS
from chatservice.domain.handlers.room_handlers import ROOM_HANDLERS, joined, leave, talk
from chatservice.domain.model import Session
from chatservice.grammar.commands import COMMANDS, Request

__all__ = ["HANDLERS", "joined", "leave", "link", "put_ticket", "talk"]

AsyncHandler = Callable[[Chat, Session, Arguments], Awaitable[replies.Reply]]

_READ = ("history", "search", "files", "versions", "link", "record")
"""Commands that wait for what they read."""


def _recheck_after(name: str, action: Handler) -> AsyncHandler:
    """Return a command's action that answers only who still may read what was read."""

    async def read(chat: Chat, session: Session, args: Arguments) -> replies.Reply:
        request = Request(COMMANDS[name], args)
        answer = await awaited(action(chat, session, args))
        chat.check(session, request)
        return answer

    return read


_ALL: Mapping[str, Handler] = {
    **ROOM_HANDLERS,
    **FILE_HANDLERS,
    **MODERATION_HANDLERS,
    **ACCOUNT_HANDLERS,
    **OPERATOR_HANDLERS,
}

_READING = {name: _recheck_after(name, _ALL[name]) for name in _READ}

HANDLERS: Mapping[str, Handler] = {**_ALL, **_READING}
"""Each command's action, but for those that a dialect does in its own way."""

link = _READING["link"]
