"""What an action is."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

from chatservice import replies
from chatservice.domain.chat import Chat
from chatservice.domain.model import Session

Arguments = Mapping[str, Any]
"""A request's arguments, as the table of commands names them."""

Handler = Callable[[Chat, Session, Arguments], replies.Reply | Awaitable[replies.Reply]]
"""It answers at once or later, and may raise `Refusal`."""


async def awaited(answer: replies.Reply | Awaitable[replies.Reply]) -> replies.Reply:
    """Return what an action answers, at once or later."""
    return await answer if isawaitable(answer) else answer
