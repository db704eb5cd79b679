"""Lines of which one is looked at after another: what waits, and for what.

A connection does one thing after another. What has to wait (for the disk, a password's hash, a file
on its way) holds the reading of further input, so that answers come in the order of the questions
and a client that asks without reading stops itself and nobody else. Talk alone does not wait.
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
    """A stream of lines that can be held. `factory` is the
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
        """Where it comes from, as the log has it."""
        raise NotImplementedError

    def went_on(self) -> None:
        """What could be read is read, as far as nothing holds it."""
        raise NotImplementedError

    def pause_reading(self, why: str) -> None:
        """Read nothing more until `resume_reading` was called as often with the same reason."""
        self._holds = (*self._holds, why)
        self.pauseProducing()

    def resume_reading(self, why: str) -> None:
        """Read on, unless there is another reason not to."""
        if why not in self._holds:
            return
        at = self._holds.index(why)
        self._holds = (*self._holds[:at], *self._holds[at + 1 :])
        if not self._holds and self.connected:
            self._read_on()

    def drained(self) -> None:
        """The other side reads again: what it asks for may be answered."""
        self.resume_reading("full")

    def _read_on(self) -> None:
        self.paused = False
        if not self._input_ended:
            self.transport.resumeProducing()
        self.dataReceived(b"")
        self.went_on()

    def when_answered(self, result: Any, answer: Callable[[Any], None], refuse: Refuse) -> None:
        """Call `answer` with a result, now or when it is there, or `refuse` if there is none."""
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
        """Return whether nothing is read for that reason."""
        return reason in self._holds

    def reply_written(self, full: bool) -> None:
        """An answer was written. While the other side does not read, it is asked for no more."""
        if full and "full" not in self._holds:
            self.pause_reading("full")

    def gathered(self, size: int) -> None:
        """So many bytes are kept back for the other side. Beyond a bound, it is read no further
        until they go."""
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
        """Return whether it is this connection's turn; else it waits for it."""
        slices = self.factory.timeslices
        if not slices.is_over():
            return True
        # Most wait with one request only: the transport need not be told, unless more comes.
        self._holds = (*self._holds, "turn")
        self.paused = True
        slices.enqueue(self)
        return False


async def awaited(result: Awaitable[T]) -> T:
    """Return what `result` comes to: a coroutine, of anything that can be awaited."""
    return await result
