"""Flow control: a connection is not read while something must finish first.

A connection does one thing after another. While a command waits for the disk, a password's hash or
a transfer, no further input is read. So answers come in the order of the requests, and a client
that asks without reading stops only itself. Talk alone does not wait.
"""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.errors import Code, Refusal
from chatservice.net.linereader import LineReader

T = TypeVar("T")
Refuse = Callable[[Refusal], None]

SERVER_ERROR = "Something went wrong in the server; its operator finds it in the log. Try again."


class FlowControl(LineReader):
    """Lines whose reading can be paused. `factory` is the
    `chatservice.protocols.factory.ChatFactory`."""

    log = Logger()
    factory: Any
    _input_ended = False

    def __init__(self) -> None:
        super().__init__()
        self._holds: tuple[str, ...] = ()

    @property
    def MAX_LENGTH(self) -> int:  # type: ignore[override]
        """The length of the longest line that this server takes."""
        return int(self.factory.limits.line_bytes)

    @property
    def peer(self) -> str:
        """Its address and port, for the log."""
        raise NotImplementedError

    def went_on(self) -> None:
        """All input that could be read is handled."""
        raise NotImplementedError

    def pause_reading(self, why: str) -> None:
        """Read nothing more. Each pause needs a `resume_reading` with the same reason."""
        self._holds = (*self._holds, why)
        self.pauseProducing()

    def resume_reading(self, why: str) -> None:
        """Take one pause with that reason back, if there is one; without any, read on."""
        if why not in self._holds:
            return
        at = self._holds.index(why)
        self._holds = (*self._holds[:at], *self._holds[at + 1 :])
        if not self._holds and self.connected:
            self._read_on()

    def drained(self) -> None:
        """The client reads again: go on with its requests."""
        self.resume_reading("full")

    def _read_on(self) -> None:
        self.paused = False
        if not self._input_ended:
            self.transport.resumeProducing()
        self.dataReceived(b"")
        self.went_on()

    def when_answered(self, result: Any, answer: Callable[[Any], None], refuse: Refuse) -> None:
        """Call `answer` with a result, now or later, or `refuse` with a refusal."""
        if not isawaitable(result):
            answer(result)
            return
        waiting = Deferred.fromCoroutine(awaited(result))
        waiting.addCallback(answer)
        waiting.addErrback(self._refused, refuse)
        if not waiting.called:
            self.pause_reading("answer")
            waiting.addBoth(lambda _: self.resume_reading("answer"))

    def _refused(self, failure: Failure, refuse: Refuse) -> None:
        if isinstance(failure.value, Refusal):
            refuse(failure.value)
            return
        self.log.failure("a request from {peer} failed", failure, peer=self.peer)
        refuse(Refusal(Code.SERVER_ERROR, SERVER_ERROR))

    def is_paused(self, reason: str) -> bool:
        """Return whether reading is paused for that reason."""
        return reason in self._holds

    def reply_written(self, full: bool) -> None:
        """Note a reply. While the client does not read, its requests are not read either."""
        if full and "full" not in self._holds:
            self.pause_reading("full")

    def gathered(self, size: int) -> None:
        """Note so many bytes held back for the client. Above a limit, reading is paused until they
        go."""
        if size > self.factory.limits.write_bytes and "cork" not in self._holds:
            self.pause_reading("cork")

    def slow_down(self, seconds: float) -> None:
        """Read nothing for so long."""
        self.pause_reading("rate")
        self.factory.reactor.callLater(seconds, self.resume_reading, "rate")

    def note_talk(self) -> None:
        """Note that something was said here."""
        self.factory.timeslices.note_talk()

    def may_take(self) -> bool:
        """Return whether it is this connection's turn; otherwise wait for it."""
        slices = self.factory.timeslices
        if not slices.is_over():
            return True
        # Most wait with one request only: the transport need not be told, unless more comes.
        self._holds = (*self._holds, "turn")
        self.paused = True
        slices.enqueue(self)
        return False


async def awaited(result: Awaitable[T]) -> T:
    """Return the result of any awaitable, as a coroutine."""
    return await result
