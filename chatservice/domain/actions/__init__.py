"""What each command does, whichever dialect it came in: the table of commands, in deeds.

An action answers at once or later. What a dialect does in its own way stands in that dialect:
`hello` and `quit`, the bytes of `put` and `get`, and `say` and `me`, which are many and whose
answers are not waited for.
"""

from collections.abc import Awaitable, Callable, Mapping

from chatservice import answers
from chatservice.domain.actions.kinds import Action, Args, awaited
from chatservice.domain.actions.operating import OPERATING
from chatservice.domain.actions.ordering import ORDERING
from chatservice.domain.actions.registering import REGISTERING
from chatservice.domain.actions.sharing import SHARING, put_ticket
from chatservice.domain.actions.talking import TALKING, joined, leave, talk
from chatservice.domain.chat import Chat
from chatservice.domain.places import Session
from chatservice.grammar.commands import COMMANDS, Request

__all__ = ["ACTIONS", "joined", "leave", "link", "put_ticket", "talk"]

Later = Callable[[Chat, Session, Args], Awaitable[answers.Answer]]

_READ = ("history", "search", "files", "versions", "link", "record")
"""Commands that wait for what they read."""


def _while_one_may(name: str, action: Action) -> Later:
    """Return a command's action that answers only who still may read what was read."""

    async def read(chat: Chat, session: Session, args: Args) -> answers.Answer:
        request = Request(COMMANDS[name], args)
        answer = await awaited(action(chat, session, args))
        chat.permit(session, request)
        return answer

    return read


_ALL: Mapping[str, Action] = {**TALKING, **SHARING, **ORDERING, **REGISTERING, **OPERATING}

_READING = {name: _while_one_may(name, _ALL[name]) for name in _READ}

ACTIONS: Mapping[str, Action] = {**_ALL, **_READING}
"""Each command's action, but for those that a dialect does in its own way."""

link = _READING["link"]
