"""The connection that carries one file for a ticket, and the progress that it makes."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, BinaryIO, Protocol, TypeVar

from twisted.internet import protocol
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import connectionDone
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.protocols.basic import FileSender
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from chatservice import names
from chatservice.client.jsonconnection import Lost
from chatservice.client.partialdownload import PartialDownload
from chatservice.client.transferjournal import TransferClaim
from chatservice.client.wrapping import shortened, width
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar import textformat

WIDTH, NARROW = 80, 60
"""Columns for a line of progress. On a terminal with fewer than the second, the line is short."""

BAR = 10
NAME_LEAST = 8

RECENT_SECONDS = 5.0
"""The rate is measured over the last few seconds: what people see as now."""

STATUS_SECONDS = 0.25
"""Progress is shown so often."""

FRUITLESS_ATTEMPTS = 10
"""A transfer fails after so many connections in a row that moved nothing."""

STALLED_SECONDS = 120.0
"""A transfer that moves nothing for so long has failed. The server may hash in between."""

REPLY_BYTES = 4096
"""More than the longest line that answers a transfer."""

T = TypeVar("T")


class Progress:
    """The progress of a transfer: `done` of `size` bytes are there."""

    def __init__(self, name: str, size: int, sha256: str) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.done = 0
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


class TransferServer(Protocol):
    """A server, as transfers need it: it gives tickets and takes connections."""

    def ask(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Send a request on the session's connection."""

    def connect(self, make: Callable[[], Any]) -> Awaitable[Any]:
        """Connect a protocol that `make` makes, and return it."""


class TransferDisplay(Protocol):
    """A display of the progress of transfers."""

    def show(self, lines: bytes, /) -> None:
        """Show lines, as `chatservice.grammar.textformat` makes them."""

    def show_transfers(self, running: Sequence[Progress], waiting: int, now: float, /) -> None:
        """Show the running transfers at `now` (seconds), and the number of those that wait."""


class NotInRoomYet(Exception):
    """A transfer cannot go on before the user is in its room. It keeps its `claim`."""

    def __init__(self, claim: TransferClaim) -> None:
        super().__init__(claim)
        self.claim = claim


class TransferRunner:
    """Runs transfers on connections and in threads, and shows their progress. `count` returns the
    number of all transfers, those that wait included."""

    def __init__(
        self,
        reactor: Any,
        server: TransferServer,
        display: TransferDisplay,
        count: Callable[[], int],
    ) -> None:
        self.reactor = reactor
        self.ask = server.ask
        self._server = server
        self._display = display
        self._count = count
        self._running: list[Progress] = []
        self._ticking = LoopingCall(self._show_progress)
        self._ticking.clock = reactor

    def in_thread(self, work: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Call a function that waits for the disk, in a thread."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work, *args)

    async def read_in_thread(self, read: Callable[..., T], *args: Any) -> T:
        """Call a function that reads long, in a thread. Its last argument is a list that is not
        empty once it shall end early."""
        stopped: list[bool] = []
        try:
            return await self.in_thread(read, *args, stopped)
        except CancelledError:
            stopped.append(True)
            raise

    async def run(self, make: Callable[[], Any], progress: Progress, done: int) -> Any:
        """Connect a transfer protocol that `make` makes, and let it move what is behind the first
        `done` bytes. Return its result. Raises `Refusal` and `Lost`."""
        progress.begin(done, self.reactor.seconds())
        self._running.append(progress)
        if not self._ticking.running:
            self._ticking.start(STATUS_SECONDS)
        connection = None
        try:
            connection = await self._server.connect(make)
            return await connection.begin()
        except CancelledError:
            if connection is not None:
                connection.stop()
            raise
        finally:
            self._running.remove(progress)
            self._show_progress()
            if not self._running:
                self._ticking.stop()

    def tell(self, text: str) -> None:
        """Show a sentence."""
        self._display.show(textformat.event(Notice(names.clean(text))))

    def tell_resumed(self, it: Progress, done: int) -> None:
        """Show that a transfer goes on behind the first `done` bytes."""
        percent = 100 * done // it.size if it.size else 0
        self.tell(f"going on with {it.name} ({percent}% of {textformat.size(it.size)})")

    def tell_failure(self, sentence: str) -> None:
        """Show a sentence about a transfer that failed."""
        self._display.show(textformat.refusal(Refusal(Code.INCOMPLETE, names.clean(sentence))))

    def _show_progress(self) -> None:
        waiting = self._count() - len(self._running)
        self._display.show_transfers(tuple(self._running), waiting, self.reactor.seconds())


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
        """Take the reply: `= SIZE SHA256 NAME`, or `!` and a sentence."""
        self._reply += data
        if b"\n" in self._reply or len(self._reply) > REPLY_BYTES:
            line = self._reply.partition(b"\n")[0].decode(errors="replace")
            self._finish(line if line.startswith("= ") else _refused(line))


class DownloadProtocol(_TransferProtocol):
    """Receives the rest of a file into `part`. The result is None. A refusal of the server's comes
    in place of the bytes, as `!` and a sentence."""

    def __init__(self, clock: Any, ticket: str, part: PartialDownload, progress: Progress) -> None:
        super().__init__(clock, f"GET {ticket} {progress.done}")
        self._part = part
        self._progress = progress
        self._first_bytes = b""
        self._has_excess = False

    def dataReceived(self, data: bytes) -> None:
        """Write bytes to the file."""
        self.resetTimeout()
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
        if self._may_be_refusal and not self._is_whole():
            self._finish(_refused(self._first_bytes.decode(errors="replace")))
        elif not self._progress.left and not self._has_excess:
            self._finish(None)
        super().connectionLost(reason)

    def _is_whole(self) -> bool:
        return not self._has_excess and self._part.sha256 == self._progress.sha256


def _refused(line: str) -> Failure:
    sentence = names.one_line(line.removeprefix("! ").strip()) or "The server did not say why."
    return Failure(Refusal(Code.INCOMPLETE, sentence))
