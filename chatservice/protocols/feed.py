"""A cursor feeding a transport: how a reader gets what is behind it, at its own pace.

The transport says when it is full (it holds more than its `bufferSize`) and when it can take more.
While it is full the cursors stand still, and nothing is queued: what a slow reader has not been
given is in the log, in memory or in storage. That is why it costs nobody anything.
"""

from bisect import bisect_right
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
        self._catch_up()
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
        self._catch_up()

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

    def wake(self, cursor: Cursor) -> None:
        """Write what is behind a cursor, as far as the transport takes it.

        An error in one reader's feed ends that reader's connection, and is nobody else's.
        """
        try:
            self._read_on(cursor)
        except Exception:
            self.log.failure("feeding a reader of {name} failed", name=cursor.log.name)
            self.end("Something went wrong in the server; connect again to go on.")

    def _read_on(self, cursor: Cursor) -> None:
        if self._ended or cursor in self._replaying:
            return
        while not (self.full or self._held):
            blocks = cursor.log.since(cursor.position)
            if blocks is None:
                self._read_stored(cursor)
                return
            if not blocks:
                return
            self._write(cursor, blocks)
        self._behind[cursor] = None

    def _catch_up(self) -> None:
        behind, self._behind = self._behind, {}
        for cursor in behind:
            if cursor in cursor.log.cursors:
                self.wake(cursor)

    def _read_stored(self, cursor: Cursor) -> None:
        """Read on from storage, for a cursor that fell off what is in memory."""
        self._replaying.add(cursor)
        reading = Deferred.fromCoroutine(self._replayed(cursor.log, cursor.position))
        reading.addCallbacks(self._stored, self._unreadable, (cursor,), errbackArgs=(cursor,))

    async def _replayed(self, log: Log, position: int) -> Sequence[Block]:
        return await self._replay(log, position)

    def _stored(self, blocks: Sequence[Block], cursor: Cursor) -> None:
        self._replaying.discard(cursor)
        if self._ended or cursor not in cursor.log.cursors:
            return
        if self.full or self._held:  # it has come too late: read it again when there is room
            self._behind[cursor] = None
            return
        if blocks:
            self._write(cursor, blocks)
        else:  # what it has not read is no longer kept
            cursor.pass_over(cursor.log.memory_from)
        self.wake(cursor)

    def _unreadable(self, failure: Any, cursor: Cursor) -> None:
        self._replaying.discard(cursor)
        self.log.failure("reading log {name} failed", failure, name=cursor.log.name)
        self.end("What was said before could not be read; connect again to go on.")

    def _write(self, cursor: Cursor, blocks: Iterable[Block]) -> None:
        parts, room = [], limits.WRITE_BYTES
        for block in blocks:
            parts.append(self._rendered(cursor, block, room))
            room -= len(parts[-1])
            if room <= 0 or cursor.position < block.last:
                break
        data = b"".join(parts)
        if data:
            self._transport.write(data)
        self._shown(cursor)

    def _rendered(self, cursor: Cursor, block: Block, room: int) -> bytes:
        """Return what of a block is for this cursor, about `room` bytes of it, and move it on."""
        fresh = block.positions[0] > max(cursor.position, cursor.live_from)
        if fresh and not cursor.own and not self.ignored:
            data = block.joined(self._dialect.live, cursor.log.name)
            if len(data) <= room:
                cursor.pass_over(block.last)
                return data
        return self._picked(cursor, block, room)

    def _picked(self, cursor: Cursor, block: Block, room: int) -> bytes:
        """The same, an entry at a time: for who has read some of it, wrote some of it, or does not
        want all of it."""
        name, own, picked = cursor.log.name, set(cursor.own), []
        live = block.lines(self._dialect.live, name)
        start = bisect_right(block.positions, cursor.position)
        for position, entry, line in zip(
            block.positions[start:], block.entries[start:], live[start:], strict=True
        ):
            if room <= 0:
                break
            if position not in own and names.key(entry.who) not in self.ignored:
                replayed = position <= cursor.live_from
                picked.append(self._dialect.replayed(position, entry, name) if replayed else line)
                room -= len(picked[-1])
            cursor.pass_over(position)
        return b"".join(picked)
