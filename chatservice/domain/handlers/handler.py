"""The type of a handler: what a command does."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

from chatservice import replies
from chatservice.domain.chat import Chat
from chatservice.domain.model import Session
from chatservice.domain.ports import FileReader
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark

Arguments = Mapping[str, Any]
"""The arguments of a request, named as in the table of commands."""

Answer = replies.Reply | UploadTicket | FileReader | FileMark
"""A reply; or, for a session whose connection carries its files: the right to send one, one to
read, or the mark of one that is here already."""

Handler = Callable[[Chat, Session, Arguments], Answer | Awaitable[Answer]]
"""A handler answers now or later, and may raise `Refusal`."""


async def awaited(answer: Answer | Awaitable[Answer]) -> Answer:
    """Return what a handler answers, now or later."""
    return await answer if isawaitable(answer) else answer
