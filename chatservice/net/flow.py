"""Flow control: a connection is not read while something must finish first.

A connection does one thing after another. While a command waits for the disk, a password's hash or
a transfer, no further input is read. So answers come in the order of the requests, and a client
that asks without reading stops only itself. Talk alone does not wait.
"""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from types import CoroutineType
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.domain.model import PauseReason
from chatservice.errors import Code, Refusal

T = TypeVar("T")
Refuse = Callable[[Refusal], None]

SERVER_ERROR = Refusal(
    Code.SERVER_ERROR,
    "Something went wrong in the server; its operator finds it in the log. Try again.",
)


class Readable(Protocol):
    """The reading side of a connection. `factory` has what connections share."""

    factory: Any

    @property
    def peer(self) -> str:
        """Its address and port, for the log."""

    def pauseProducing(self) -> None:
        """Read nothing more."""

    def read_on(self) -> None:
        """Handle the input that was read already, and read on."""


class FlowControl:
    """The reasons for which a connection is not read.

    It is a `chatservice.domain.model.FlowControl`. `connection` is None once the connection is
    gone.
    """

    log = Logger()
    __slots__ = ("connection", "reasons")

    def __init__(self, connection: Readable) -> None:
        self.connection: Readable | None = connection
        self.reasons: tuple[PauseReason, ...] = ()

    def note_pause(self, reason: PauseReason) -> None:
        """Note a reason not to read, for a connection that pauses itself."""
        self.reasons = (*self.reasons, reason)

    def pause_reading(self, reason: PauseReason) -> None:
        """Read nothing more. Each pause needs a `resume_reading` with the same reason."""
        self.note_pause(reason)
        if self.connection is not None:
            self.connection.pauseProducing()

    def resume_reading(self, reason: PauseReason) -> None:
        """Take one pause with that reason back, if there is one. Read on when no reason is left."""
        if reason not in self.reasons:
            return
        at = self.reasons.index(reason)
        self.reasons = (*self.reasons[:at], *self.reasons[at + 1 :])
        if not self.reasons and self.connection is not None:
            self.connection.read_on()

    def resume_all(self) -> None:
        """Take all pauses back."""
        self.reasons = ()
        if self.connection is not None:
            self.connection.read_on()

    def when_answered(self, result: Any, answer: Callable[[Any], None], refuse: Refuse) -> None:
        """Call `answer` with a result, or with that of an awaitable, which pauses the reading until
        it is there. Call `refuse` with a refusal, or if anything fails, `answer` too."""
        if not isawaitable(result):
            try:
                answer(result)
            except Exception:
                self.refused(Failure(), refuse)
            return
        waiting = deferred(result).addCallback(answer).addErrback(self.refused, refuse)
        if not waiting.called:
            self.pause_reading(PauseReason.ANSWER)
            waiting.addBoth(lambda _: self.resume_reading(PauseReason.ANSWER))

    def refused(self, failure: Failure, refuse: Refuse) -> None:
        """Call `refuse` with a refusal; with one for everything else, which is logged."""
        if isinstance(failure.value, Refusal):
            refuse(failure.value)
            return
        peer = self.connection.peer if self.connection is not None else "a former connection"
        self.log.failure("a request from {peer} failed", failure, peer=peer)
        refuse(SERVER_ERROR)

    def slow_down(self, seconds: float) -> None:
        """Read nothing for so long."""
        if self.connection is not None:
            rate = PauseReason.RATE
            self.pause_reading(rate)
            self.connection.factory.reactor.callLater(seconds, self.resume_reading, rate)


def deferred(result: Awaitable[T]) -> "Deferred[T]":
    """Return any awaitable as a Deferred."""
    if isinstance(result, CoroutineType):
        return Deferred.fromCoroutine(result)
    return result if isinstance(result, Deferred) else Deferred.fromCoroutine(_awaited(result))


async def _awaited(result: Awaitable[T]) -> T:
    return await result
