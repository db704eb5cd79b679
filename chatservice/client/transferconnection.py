"""The connection that carries one file for a ticket, and the progress that it makes."""

from collections import deque
from typing import Any, BinaryIO

from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import FileSender
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from chatservice import names
from chatservice.client.jsonconnection import Lost
from chatservice.client.partialdownload import PartialDownload
from chatservice.client.wrapping import shortened, width
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

WIDTH, NARROW = 80, 60
"""Columns for a line of progress. On a terminal with fewer than the second, the line is short."""

BAR = 10
NAME_LEAST = 8

RECENT_SECONDS = 5.0
"""The rate is measured over the last few seconds: what people see as now."""

STALLED_SECONDS = 120.0
"""A transfer that moves nothing for so long has failed. The server may hash in between."""

REPLY_BYTES = 4096
"""More than the longest line that answers a transfer."""


class Progress:
    """The progress of a transfer: `done` of `size` bytes are there. `stopped` is not empty once the
    user has cancelled it. `is_greeted` says that what looked like a greeting was left out."""

    def __init__(self, name: str, size: int, sha256: str) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.done = 0
        self.stopped: list[bool] = []
        self.is_greeted = False
        self._samples: deque[tuple[float, int]] = deque()

    def begin(self, done: int, now: float) -> None:
        """Begin to measure at `now` (seconds), behind the first `done` bytes."""
        self.done = done
        self._samples = deque([(now, done)])

    @property
    def left(self) -> int:
        """The number of bytes that are still to move."""
        return self.size - self.done

    @property
    def percent(self) -> int:
        """The share of the bytes that are there, from 0 to 100."""
        return 100 * self.done // self.size if self.size else 100

    def rate(self, now: float) -> float | None:
        """Return the bytes per second of the last calls; None at the start."""
        if self._samples and now > self._samples[-1][0]:
            self._samples.append((now, self.done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - RECENT_SECONDS:
            self._samples.popleft()
        if len(self._samples) < 2:
            return None
        (then, before), (last, done) = self._samples[0], self._samples[-1]
        return (done - before) / (last - then)

    def line(self, now: float, columns: int = WIDTH, name_columns: int = 0) -> str:
        """Return `report.pdf [#####-----] 45%  12.3 MB/s  3 min left`, in at most `columns`. The
        name takes at least `name_columns`, if there is room."""
        narrow = columns < NARROW
        bar = BAR // 2 if narrow else BAR
        full = bar * self.done // self.size if self.size else bar
        gap, left = (" ", "") if narrow else ("  ", " left")
        end = f" [{'#' * full}{'-' * (bar - full)}] {self.percent}%"
        rate = self.rate(now)
        if rate is not None:
            end += f"{gap}{textformat.size(round(rate))}/s"
            if rate:
                end += f"{gap}{textformat.duration(self.left / rate)}{left}"
        most = max(columns - len(end), NAME_LEAST)
        name = shortened(self.name, most)
        return name + " " * (min(name_columns, most) - width(name)) + end


class Reading(Progress):
    """A file that is read before it is sent, until `stopped` is not empty."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 0, "")

    def line(self, now: float, columns: int = WIDTH, name_columns: int = 0) -> str:
        """Return `reading report.pdf`, in at most `columns`."""
        return shortened(f"reading {self.name}", columns)


class _ChunkSender(FileSender):
    CHUNK_SIZE = 1 << 18


class _TransferProtocol(protocol.Protocol, TimeoutMixin):
    """The base of both ways. A ticket is valid once, and several addresses of a server may be
    connected before one is chosen. So nothing is sent before `begin`."""

    transport: Any

    def __init__(self, clock: Any, first_line: str) -> None:
        self.callLater = clock.callLater  # type: ignore[method-assign]  # for TimeoutMixin
        self._finished: Deferred[Any] = Deferred()
        self._is_begun = False
        self._first_line = first_line.encode() + b"\n"

    def begin(self) -> "Deferred[Any]":
        """Send the ticket. The Deferred is called back when all bytes have moved, or fails with
        `Refusal` or `Lost`."""
        self._is_begun = True
        self.setTimeout(STALLED_SECONDS)
        self.transport.write(self._first_line)
        return self._finished

    def stop(self) -> None:
        """End the connection at once."""
        self.transport.abortConnection()

    def timeoutConnection(self) -> None:
        """End a transfer that moves nothing."""
        self.stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail, unless the transfer has finished."""
        self.setTimeout(None)
        self._finish(Failure(Lost("The connection broke.")))

    def _finish(self, result: Any) -> None:
        if self._finished.called or not self._is_begun:
            return
        if isinstance(result, Failure):
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()
        self._finished.callback(result)


class UploadProtocol(_TransferProtocol):
    """Sends the rest of an open file. The result is the line that says that it is stored."""

    def __init__(self, clock: Any, ticket: str, file: BinaryIO, progress: Progress) -> None:
        super().__init__(clock, f"PUT {ticket} {progress.done}")
        self._file = file
        self._progress = progress
        self._reply = b""

    def begin(self) -> "Deferred[Any]":
        """Send the ticket, and the file at the pace of the connection."""
        finished = super().begin()
        _ChunkSender().beginFileTransfer(self, self.transport).addErrback(lambda _: None)
        return finished

    def read(self, count: int) -> bytes:
        """Return the next bytes of the file, for `FileSender`; never more than were declared."""
        self.resetTimeout()
        data = self._file.read(min(count, self._progress.left))
        self._progress.done += len(data)
        if not data and self._progress.left:
            self._finish(Failure(Refusal(Code.INCOMPLETE, "It became shorter while it was sent.")))
        return data

    def dataReceived(self, data: bytes) -> None:
        """Take the reply: `= SIZE SHA256 NAME`, or `!` and a sentence. A greeting may come before
        it: where the first line takes long, the server takes the client for a person."""
        self._reply += data
        while self._reply.startswith(b"* ") and b"\n" in self._reply:
            self._reply = self._reply.partition(b"\n")[2]
        if b"\n" in self._reply or len(self._reply) > REPLY_BYTES:
            line = self._reply.partition(b"\n")[0].decode(errors="replace")
            self._finish(line if line.startswith("= ") else _refused(line))


class DownloadProtocol(_TransferProtocol):
    """Receives the rest of a file into `part`. The result is None. A refusal of the server's comes
    in place of the bytes, as `!` and a sentence.

    The bytes that `greeting` has are left out at the beginning, and the progress says so: where the
    first line takes long, the server takes the client for a person, and greets it.
    """

    def __init__(
        self, clock: Any, ticket: str, part: PartialDownload, progress: Progress, greeting: bytes
    ) -> None:
        super().__init__(clock, f"GET {ticket} {progress.done}")
        self._part = part
        self._progress = progress
        self._greeting = greeting
        self._held = b""
        self._left_out = 0
        self._first_bytes = b""
        self._has_excess = False

    def dataReceived(self, data: bytes) -> None:
        """Write bytes to the file."""
        self.resetTimeout()
        if data := self._without_greeting(data):
            self._take(data)

    def _without_greeting(self, data: bytes) -> bytes:
        """Return the next bytes of the file; none while they may begin a greeting."""
        if not self._greeting:
            return data
        data = self._held + data
        if len(data) < len(self._greeting) and self._greeting.startswith(data):
            self._held = data
            return b""
        if data.startswith(self._greeting):
            self._progress.is_greeted, self._left_out = True, len(self._greeting)
        self._greeting = self._held = b""
        return data[self._left_out :]

    def _take(self, data: bytes) -> None:
        if len(self._first_bytes) < REPLY_BYTES:
            self._first_bytes += data[: REPLY_BYTES - len(self._first_bytes)]
        mine = data[: self._progress.left]
        self._has_excess = self._has_excess or len(data) > len(mine)
        try:
            self._part.write(mine)
        except Refusal as refusal:
            self._finish(Failure(refusal))
            return
        self._progress.done += len(mine)
        if not self._progress.left and not self._may_be_refusal:
            self._finish(None)

    @property
    def _may_be_refusal(self) -> bool:
        return (
            self._first_bytes.startswith(b"! ")
            and self._first_bytes.find(b"\n") == len(self._first_bytes) - 1
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Finish: the bytes were the whole file, a refusal, or too few."""
        if self._held:
            self._take(self._held)
        whole = not self._has_excess and self._part.sha256 == self._progress.sha256
        if self._may_be_refusal and not whole:
            self._finish(_refused(self._first_bytes.decode(errors="replace")))
        elif self._progress.left in (0, self._left_out) and not self._has_excess:
            self._finish(None)
        super().connectionLost(reason)


def _refused(line: str) -> Failure:
    sentence = names.one_line(line.removeprefix("! ").strip()) or "The server did not say why."
    return Failure(Refusal(Code.INCOMPLETE, sentence))
