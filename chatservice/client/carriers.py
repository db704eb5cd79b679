"""Connections that carry one file for a ticket, beside the talk."""

from typing import Any, BinaryIO

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.basic import FileSender
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from chatservice import names
from chatservice.client.connection import Lost
from chatservice.client.progress import Progress
from chatservice.client.saving import Saving
from chatservice.errors import Code, Refusal

STALLED_SECONDS = 120.0
"""A transfer on which nothing moves for so long has ended. The server may hash in between."""

ANSWER_BYTES = 4096
"""More than any line that answers a transfer has."""


class _Sender(FileSender):
    CHUNK_SIZE = 1 << 18


class _Carrier(Protocol, TimeoutMixin):
    """What both ways share. A ticket is good once, so nothing is sent before `begin`: of several
    addresses of a server more than one may be connected to, and one is chosen."""

    transport: Any

    def __init__(self, clock: Any, first_line: str) -> None:
        self._clock = clock
        self._finished: Deferred[Any] = Deferred()
        self._begun = False
        self._first_line = first_line.encode() + b"\n"

    def begin(self) -> "Deferred[Any]":
        """Say what this connection is for. The Deferred is called back when the file is there, or
        fails with `Refusal` or `Lost`."""
        self._begun = True
        self.setTimeout(STALLED_SECONDS)
        self.transport.write(self._first_line)
        return self._finished

    def callLater(self, period: float, func: Any) -> Any:
        """What `TimeoutMixin` tells the time by."""
        return self._clock.callLater(period, func)

    def stop(self) -> None:
        """Carry nothing more."""
        self.transport.abortConnection()

    def timeoutConnection(self) -> None:
        """Nothing moves any more."""
        self.stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell how it ended, unless that was told."""
        self.setTimeout(None)
        self._finish(Failure(Lost("The connection broke.")))

    def _finish(self, result: Any) -> None:
        if self._finished.called or not self._begun:
            return
        if isinstance(result, Failure):
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()
        self._finished.callback(result)


class Upload(_Carrier):
    """Sends what is left of an open file. The result is the line that says it is stored."""

    def __init__(self, clock: Any, ticket: str, file: BinaryIO, progress: Progress) -> None:
        super().__init__(clock, f"PUT {ticket} {progress.done}")
        self._file = file
        self._progress = progress
        self._answer = b""

    def begin(self) -> "Deferred[Any]":
        """Send the file, at the pace of the connection."""
        finished = super().begin()
        _Sender().beginFileTransfer(self, self.transport).addErrback(lambda _: None)
        return finished

    def read(self, count: int) -> bytes:
        """Return the next bytes of the file, and no more than were declared."""
        self.resetTimeout()
        data = self._file.read(min(count, self._progress.left))
        self._progress.done += len(data)
        if not data and self._progress.left:
            self._finish(Failure(Refusal(Code.INCOMPLETE, "It became shorter while it was sent.")))
        return data

    def dataReceived(self, data: bytes) -> None:
        """Take the answer: `= SIZE SHA256 NAME`, or `! why not`."""
        self._answer += data
        if b"\n" in self._answer or len(self._answer) > ANSWER_BYTES:
            line = self._answer.partition(b"\n")[0].decode(errors="replace")
            self._finish(line if line.startswith("= ") else _refused(line))


class Download(_Carrier):
    """Receives what is missing of a file. The result is None, when all of it is there.

    Where the server refuses, its sentence comes in place of the bytes.
    """

    def __init__(self, clock: Any, ticket: str, saving: Saving, progress: Progress) -> None:
        super().__init__(clock, f"GET {ticket} {progress.done}")
        self._saving = saving
        self._progress = progress
        self._start = b""
        self._more = False

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self.resetTimeout()
        if len(self._start) < ANSWER_BYTES:
            self._start += data[: ANSWER_BYTES - len(self._start)]
        mine = data[: self._progress.left]
        self._more = self._more or len(data) > len(mine)
        try:
            self._saving.write(mine)
        except Refusal as refusal:
            self._finish(Failure(refusal))
            return
        self._progress.done += len(mine)
        if not self._progress.left and not self._looks_refused:
            self._finish(None)

    @property
    def _looks_refused(self) -> bool:
        return self._start.startswith(b"! ") and self._start.find(b"\n") == len(self._start) - 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """No more comes: that was all of it, or a refusal, or too little."""
        if self._looks_refused and not self._is_whole():
            self._finish(_refused(self._start.decode(errors="replace")))
        elif not self._progress.left and not self._more:
            self._finish(None)
        super().connectionLost(reason)

    def _is_whole(self) -> bool:
        return not self._more and self._saving.sha256 == self._progress.sha256


def _refused(line: str) -> Failure:
    sentence = names.one_line(line.removeprefix("! ").strip()) or "The server did not say why."
    return Failure(Refusal(Code.INCOMPLETE, sentence))
