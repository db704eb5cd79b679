"""A cursor feeding a transport: how a reader gets what is behind it, at its own pace.

The transport says when it is full (it holds more than its `bufferSize`) and when it can take more.
While it is full the cursors stand still, and nothing is queued: what a slow reader has not been
given is in the log, in memory or in storage. That is why it costs nobody anything.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from chatservice import limits, names
from chatservice.domain.log import Block, Cursor, Log, Render
from chatservice.events import Event, Notice
from chatservice.protocols.direct import write


@dataclass(frozen=True, slots=True)
class Dialect:
    """How entries and events are rendered: `live` ones, and `replayed` ones, which happened before
    the reader came."""

    live: Render
    replayed: Render
    event: Callable[[Event], bytes]


Replay = Callable[[Log, int], Awaitable[Sequence[Block]]]


@implementer(IPushProducer)
class Feed:
    """A `chatservice.domain.log.Reader` on a transport, of which it is the streaming producer.

    `drained` is called when a full transport can take more, `shown` with a cursor that moved.
    `ignored` holds the keys (`names.key`) of users whose entries are left out.
    """

    log = Logger()

    def __init__(
        self,
        transport: Any,
        dialect: Dialect,
        replay: Replay,
        shown: Callable[[Cursor], None],
        drained: Callable[[], None],
    ) -> None:
        self.full = False
        self.ignored: set[str] = set()
        self._transport = transport
        self._dialect = dialect
        self._replay = replay
        self._shown = shown
        self._drained = drained
        self._held = False
        self._behind: dict[Cursor, None] = {}
        self._replaying: set[Cursor] = set()
        self._ended = False

    # -- the transport's side --------------------------------------------------------------------

    def start(self) -> None:
        """Become the transport's producer."""
        self._transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """The transport is full."""
        self.full = True

    def resumeProducing(self) -> None:
        """The transport can take more."""
        self.full = False
        self._read_on()
        self._drained()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._ended = True
        self._behind.clear()

    def cork(self) -> None:
        """Write nothing yet."""
        self._held = True

    def uncork(self) -> None:
        """Write from now on."""
        self._held = False
        self._read_on()

    def hold(self) -> None:
        """Let a file's bytes have the transport: cursors stand still."""
        self._held = True
        self._transport.unregisterProducer()

    def release(self) -> None:
        """Go on after a file."""
        self.full = False
        self.start()
        self.uncork()
        self._drained()

    def stop(self) -> None:
        """Show nothing more: the connection is to end once what was written has gone."""
        if not self._ended:
            self.stopProducing()
            self._transport.unregisterProducer()

    # -- the domain's side -----------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Show an event, unless the reader cannot take it now."""
        if not (self.full or self._held or self._ended):
            self._transport.write(self._dialect.event(event))

    def end(self, sentence: str) -> None:
        """Tell `sentence`, then end the connection."""
        self.tell(Notice(sentence))
        full = self.full
        self.stop()
        if full:
            self._transport.abortConnection()
        else:
            self._transport.loseConnection()

    def wake(self, cursors: Iterable[Cursor]) -> None:
        """Write what is behind these cursors, as far as the transport takes it."""
        if not self._ended:
            for cursor in cursors:
                self._behind[cursor] = None
            self._read_on()

    def _read_on(self) -> None:
        """Read what is behind all cursors, in pieces of about `WRITE_BYTES`, each one write.

        An error in one reader's feed ends that reader's connection, and is nobody else's.
        """
        try:
            while self._behind and not (self.full or self._held):
                piece = self._next_piece()
                if piece:
                    write(self._transport, piece)
        except Exception:
            self.log.failure("feeding a reader failed")
            self.end("Something went wrong in the server; connect again to go on.")

    def _next_piece(self) -> bytes:
        parts: list[bytes] = []
        room = limits.WRITE_BYTES
        for cursor in tuple(self._behind):
            log = cursor.log
            if cursor in log.cursors:
                while cursor.position < log.last:
                    block = log.since(cursor.position)
                    if block is None:
                        self._read_stored(cursor)
                        break
                    parts.append(self._rendered(cursor, block, room))
                    room -= len(parts[-1])
                    if room <= 0:
                        self._shown(cursor)
                        return b"".join(parts)
                self._shown(cursor)
            del self._behind[cursor]
        return b"".join(parts)

    def _read_stored(self, cursor: Cursor) -> None:
        """Read on from storage, for a cursor that fell off what is in memory."""
        if cursor not in self._replaying:
            self._replaying.add(cursor)
            reading = Deferred.fromCoroutine(self._replayed(cursor.log, cursor.position))
            reading.addCallback(self._stored, cursor).addErrback(self._unreadable, cursor)

    async def _replayed(self, log: Log, position: int) -> Sequence[Block]:
        return await self._replay(log, position)

    def _stored(self, blocks: Sequence[Block], cursor: Cursor) -> None:
        self._replaying.discard(cursor)
        if self._ended or cursor not in cursor.log.cursors:
            return
        if not (self.full or self._held):  # else it came too late: it is read again
            if not blocks:  # what it has not read is no longer kept
                cursor.pass_over(cursor.log.memory_from)
            self._write_stored(cursor, blocks)
        self.wake((cursor,))

    def _write_stored(self, cursor: Cursor, blocks: Sequence[Block]) -> None:
        parts: list[bytes] = []
        room = limits.WRITE_BYTES
        for block in blocks:
            parts.append(self._rendered(cursor, block, room))
            room -= len(parts[-1])
            if room <= 0:
                break
        piece = b"".join(parts)
        if piece:
            write(self._transport, piece)
        self._shown(cursor)

    def _unreadable(self, failure: Any, cursor: Cursor) -> None:
        self._replaying.discard(cursor)
        self.log.failure("reading log {name} failed", failure, name=cursor.log.name)
        self.end("What was said before could not be read; connect again to go on.")

    def _rendered(self, cursor: Cursor, block: Block, room: int) -> bytes:
        """Return what of a block is for this cursor, about `room` bytes of it, and move it on."""
        fresh = block.first > cursor.position and block.first > cursor.live_from
        if fresh and cursor.own is None and not self.ignored:
            data = block.joined(self._dialect.live, cursor.log.name)
            if len(data) <= room:
                cursor.position = block.last
                return data
        return self._picked(cursor, block, room)

    def _picked(self, cursor: Cursor, block: Block, room: int) -> bytes:
        """The same, a run at a time: for who has read some of it, wrote some of it, or does not
        want all of it."""
        name, own, picked = cursor.log.name, cursor.own or (), []
        live = block.pieces(self._dialect.live, name)
        for (first, run), piece in zip(block.runs, live, strict=True):
            last = first + len(run.texts) - 1
            if last <= cursor.position:
                continue
            if room <= 0:
                break
            if not (first in own or (self.ignored and names.key(run.who) in self.ignored)):
                if first <= cursor.position:
                    run = run._replace(texts=run.texts[cursor.position + 1 - first :])
                    first = cursor.position + 1
                    piece = self._dialect.live(first, run, name)
                if first <= cursor.live_from:
                    piece = self._dialect.replayed(first, run, name)
                picked.append(piece)
                room -= len(piece)
            cursor.pass_over(last)
        return b"".join(picked)
