"""What an action is."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

from chatservice import answers
from chatservice.domain.chat import Chat
from chatservice.domain.places import Session

Args = Mapping[str, Any]
"""A request's arguments, as the table of commands names them."""

Action = Callable[[Chat, Session, Args], answers.Answer | Awaitable[answers.Answer]]
"""It answers at once or later, and may raise `Refusal`."""


async def awaited(answer: answers.Answer | Awaitable[answers.Answer]) -> answers.Answer:
    """Return what an action answers, at once or later."""
    return await answer if isawaitable(answer) else answer
