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
"""Columns that a line of progress fits in; where there are fewer than the second, it is terse."""

BAR = 10
NAME_LEAST = 8
RECENT_SECONDS = 5.0
"""The rate is that of the last few seconds: what people see as now."""


class Progress:
    """A transfer of `size` bytes; `done` of them are there."""

    def __init__(self, name: str, size: int, sha256: str) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.done = 0
        self._seen: deque[tuple[float, int]] = deque()

    def begin(self, done: int, now: float) -> None:
        """Bytes begin to move at `now` (seconds), behind the first `done`, which did not."""
        self.done = done
        self._seen = deque([(now, done)])

    @property
    def left(self) -> int:
        """How many bytes have still to move."""
        return self.size - self.done

    @property
    def percent(self) -> int:
        """How much is there."""
        return 100 * self.done // self.size if self.size else 100

    def rate(self, now: float) -> float | None:
        """Return how many bytes a second moved lately, as far as was asked; None at the start."""
        if self._seen and now > self._seen[-1][0]:
            self._seen.append((now, self.done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RECENT_SECONDS:
            self._seen.popleft()
        if len(self._seen) < 2:
            return None
        (then, before), (last, done) = self._seen[0], self._seen[-1]
        return (done - before) / (last - then)

    def line(self, now: float, columns: int = WIDTH, name_columns: int = 0) -> str:
        """Return `report.pdf [#####-----] 45%  12.3 MB/s  3 min left`, in at most so many columns.
        What is not known yet is left out; on narrow terminals, all is shorter. The name takes at
        least `name_columns`, if there is room."""
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


T = TypeVar("T")

STATUS_SECONDS = 0.25

FRUITLESS_ATTEMPTS = 10
"""How often in a row a transfer goes on from where its connection broke without getting further."""


class TransferServer(Protocol):
    """What transfers need of the server: tickets, and connections to use them on."""

    def ask(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Ask for something on the connection for talk."""

    def connect(self, make: Callable[[], Any]) -> Awaitable[Any]:
        """Connect a protocol that `make` makes, and return it."""


class TransferDisplay(Protocol):
    """Where it is shown how transfers stand."""

    def show(self, lines: bytes, /) -> None:
        """Show lines, as `chatservice.grammar.textformat` makes them."""

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float, /) -> None:
        """Show how the transfers stand at `now` (seconds), and how many more wait their turn."""


class NotInRoomYet(Exception):
    """A transfer goes on once one is in its room, and not before. It keeps its `claim`."""

    def __init__(self, claim: TransferClaim) -> None:
        super().__init__(claim)
        self.claim = claim


class TransferRunner:
    """`count` tells how many transfers there are, with those that wait their turn."""

    def __init__(
        self,
        reactor: Any,
        server: TransferServer,
        screen: TransferDisplay,
        count: Callable[[], int],
    ) -> None:
        self.reactor = reactor
        self.ask = server.ask
        self._server = server
        self._screen = screen
        self._count = count
        self._under_way: list[Progress] = []
        self._ticking = LoopingCall(self._show_status)
        self._ticking.clock = reactor

    def in_thread(self, work: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Do something that waits for the disk."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work, *args)

    async def read_in_thread(self, read: Callable[..., T], *args: Any) -> T:
        """Do something that reads long. Its last argument is a list, in which something is put
        when it shall end early."""
        stopped: list[bool] = []
        try:
            return await self.in_thread(read, *args, stopped)
        except CancelledError:
            stopped.append(True)
            raise

    async def run(self, make: Callable[[], Any], progress: Progress, done: int) -> Any:
        """Let a carrier that `make` makes move what is behind the first `done` bytes, and show how
        far it is. Return its result. Raises `Refusal`, and `Lost` if its connection breaks."""
        progress.begin(done, self.reactor.seconds())
        self._under_way.append(progress)
        if not self._ticking.running:
            self._ticking.start(STATUS_SECONDS)
        carrier = None
        try:
            carrier = await self._server.connect(make)
            return await carrier.begin()
        except CancelledError:
            if carrier is not None:
                carrier.stop()
            raise
        finally:
            self._under_way.remove(progress)
            self._show_status()
            if not self._under_way:
                self._ticking.stop()

    # -- what is shown ---------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """Show a sentence."""
        self._screen.show(textformat.event(Notice(names.clean(text))))

    def tell_resumed(self, it: Progress, done: int) -> None:
        """Show that a transfer goes on behind the first `done` bytes."""
        percent = 100 * done // it.size if it.size else 0
        self.tell(f"going on with {it.name} ({percent}% of {textformat.size(it.size)})")

    def tell_failure(self, sentence: str) -> None:
        """Show a sentence about something that is not done."""
        self._screen.show(textformat.refusal(Refusal(Code.INCOMPLETE, names.clean(sentence))))

    def _show_status(self) -> None:
        """Show those under way, and how many wait."""
        waiting = self._count() - len(self._under_way)
        self._screen.show_transfers(tuple(self._under_way), waiting, self.reactor.seconds())


STALLED_SECONDS = 120.0
"""A transfer on which nothing moves for so long has ended. The server may hash in between."""

REPLY_BYTES = 4096
"""More than any line that answers a transfer has."""


class _ChunkSender(FileSender):
    CHUNK_SIZE = 1 << 18


class _TransferProtocol(protocol.Protocol, TimeoutMixin):
    """What both ways share. A ticket is good once, so nothing is sent before `begin`: of several
    addresses of a server more than one may be connected to, and one is chosen."""

    transport: Any

    def __init__(self, clock: Any, first_line: str) -> None:
        self._clock = clock
        self._finished: Deferred[Any] = Deferred()
        self._is_begun = False
        self._first_line = first_line.encode() + b"\n"

    def begin(self) -> "Deferred[Any]":
        """Say what this connection is for. The Deferred is called back when the file is there, or
        fails with `Refusal` or `Lost`."""
        self._is_begun = True
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
        if self._finished.called or not self._is_begun:
            return
        if isinstance(result, Failure):
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()
        self._finished.callback(result)


class UploadProtocol(_TransferProtocol):
    """Sends what is left of an open file. The result is the line that says it is stored."""

    def __init__(self, clock: Any, ticket: str, file: BinaryIO, progress: Progress) -> None:
        super().__init__(clock, f"PUT {ticket} {progress.done}")
        self._file = file
        self._progress = progress
        self._answer = b""

    def begin(self) -> "Deferred[Any]":
        """Send the file, at the pace of the connection."""
        finished = super().begin()
        _ChunkSender().beginFileTransfer(self, self.transport).addErrback(lambda _: None)
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
        if b"\n" in self._answer or len(self._answer) > REPLY_BYTES:
            line = self._answer.partition(b"\n")[0].decode(errors="replace")
            self._finish(line if line.startswith("= ") else _refused(line))


class DownloadProtocol(_TransferProtocol):
    """Receives what is missing of a file. The result is None, when all of it is there.

    Where the server refuses, its sentence comes in place of the bytes.
    """

    def __init__(
        self, clock: Any, ticket: str, saving: PartialDownload, progress: Progress
    ) -> None:
        super().__init__(clock, f"GET {ticket} {progress.done}")
        self._saving = saving
        self._progress = progress
        self._first_bytes = b""
        self._has_excess = False

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self.resetTimeout()
        if len(self._first_bytes) < REPLY_BYTES:
            self._first_bytes += data[: REPLY_BYTES - len(self._first_bytes)]
        mine = data[: self._progress.left]
        self._has_excess = self._has_excess or len(data) > len(mine)
        try:
            self._saving.write(mine)
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
        """No more comes: that was all of it, or a refusal, or too little."""
        if self._may_be_refusal and not self._is_whole():
            self._finish(_refused(self._first_bytes.decode(errors="replace")))
        elif not self._progress.left and not self._has_excess:
            self._finish(None)
        super().connectionLost(reason)

    def _is_whole(self) -> bool:
        return not self._has_excess and self._saving.sha256 == self._progress.sha256


def _refused(line: str) -> Failure:
    sentence = names.one_line(line.removeprefix("! ").strip()) or "The server did not say why."
    return Failure(Refusal(Code.INCOMPLETE, sentence))
