"""Delivery: a subscription hands the entries after a session's cursors to its connection.

The transport says when it is full (it holds more than its `bufferSize`) and when it is ready. While
it is full the cursors stand still, and nothing is queued: unread entries are in the log, in memory
or in storage. So a slow reader costs nobody anything.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from chatservice import names
from chatservice.domain.log import Block, Cursor, Encoder, EventBatch, Log
from chatservice.events import EndReason, Event, Notice
from chatservice.limits import Limits


@dataclass(frozen=True, slots=True)
class EntryFormat:
    """The encoders of a format: for `live` entries, for `replayed` ones from before the reader
    came, for events, and for the offer to `skip`, if the format has one."""

    live: Encoder
    replayed: Encoder
    event: Callable[[Event], bytes]
    skip: Callable[[str, int], bytes] | None = None


class SubscriptionOwner(Protocol):
    """The connection of a subscription."""

    transport: Any

    @property
    def peer(self) -> str:
        """Its address and port."""

    @property
    def address(self) -> str:
        """Its address; empty for one on this machine."""

    def drained(self) -> None:
        """The transport was full, and is ready again."""


class ReplaySource(Protocol):
    """The source of entries that are no longer in memory: `chatservice.domain.chat.Chat`."""

    limits: Limits

    def replay(self, log: Log, after: int) -> Awaitable[Sequence[Block]]:
        """Return blocks after a position."""

    def save_read_position(self, cursor: Cursor) -> None:
        """Store the position of a cursor as the read position of its log."""


@implementer(IPushProducer)
class Subscription:
    """A `chatservice.domain.log.Peer` on a connection; the streaming producer of its transport."""

    log = Logger()
    __slots__ = (
        "_behind",
        "_connection",
        "_dialect",
        "_ended",
        "_held",
        "_offered",
        "_past",
        "full",
    )

    def __init__(
        self, connection: SubscriptionOwner, dialect: EntryFormat, past: ReplaySource
    ) -> None:
        self.full = False
        self._connection = connection
        self._dialect = dialect
        self._past = past
        self._held = False
        self._behind: tuple[Cursor, ...] = ()
        self._ended = False
        self._offered = False

    # -- the transport's side --------------------------------------------------------------------

    def start(self) -> None:
        """Become the transport's producer."""
        self._connection.transport.registerProducer(self, True)

    def pauseProducing(self) -> None:
        """The transport is full."""
        self.full = True

    def resumeProducing(self) -> None:
        """The transport can take more."""
        self.full = False
        if self._dialect.skip is not None:
            self._offer(self._dialect.skip)
        self.wake(())
        self._connection.drained()

    def _offer(self, skip: Callable[[str, int], bytes]) -> None:
        """Offer to skip the unread entries of a room, each time that its cursor has fallen far
        behind."""
        behind = [
            c for c in self._behind if c.log.last - c.position >= self._past.limits.far_behind
        ]
        if behind and not self._offered:
            log = behind[0].log
            self._connection.transport.write(skip(log.name, log.last - behind[0].position))
        self._offered = bool(behind)

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._ended = True
        self._behind = ()

    def pause(self) -> None:
        """Write nothing yet."""
        self._held = True

    def resume(self) -> None:
        """Write from now on."""
        self._held = False
        self.wake(())

    def lend_transport(self) -> None:
        """Lend the transport to a download: it counts as full, and the cursors stand still."""
        self.full = True
        self._connection.transport.unregisterProducer()

    def take_transport_back(self) -> None:
        """Go on after a download."""
        self.full = False
        self.start()
        self.wake(())
        self._connection.drained()

    def stop(self) -> None:
        """Show nothing more: the connection ends once everything written has gone."""
        if not self._ended:
            self.stopProducing()
            self._connection.transport.unregisterProducer()

    # -- the domain's side -----------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """The address and port of its connection."""
        return self._connection.peer

    @property
    def address(self) -> str:
        """The address of its peer; empty for one on this machine."""
        return self._connection.address

    def tell(self, news: EventBatch) -> None:
        """Show events, unless the transport is full."""
        if not (self.full or self._held or self._ended):
            self._connection.transport.write(news.encoded(self._dialect.event))

    def end(self, sentence: str, why: EndReason) -> None:
        """Show `sentence`, then end the connection; at once, if nothing can be shown."""
        self.tell(EventBatch((Notice(sentence, why),)))
        full = self.full
        self.stop()
        if full:
            self._connection.transport.abortConnection()
        else:
            self._connection.transport.loseConnection()

    def wake(self, cursors: tuple[Cursor, ...]) -> None:
        """Write the entries after these cursors, as far as the transport takes them.

        An error in one subscription ends its own connection only.
        """
        if self._ended:
            return
        try:
            if self._behind:
                new = (cursor for cursor in cursors if cursor not in self._behind)
                self._behind = (*self._behind, *new)
            elif len(cursors) == 1 and self._wake_live(cursors[0]):
                return
            else:
                self._behind = cursors
            self._read_on()
        except Exception:
            self._failed()

    def _failed(self) -> None:
        self.log.failure("feeding a reader failed")
        self.end("Something went wrong in the server; connect again to go on.", EndReason.FAILED)

    def _wake_live(self, cursor: Cursor) -> bool:
        """Write the newest block of a log if its reader lacks nothing else and leaves out nothing:
        the fast path, for nearly all deliveries. Otherwise return False."""
        log = cursor.log
        block = log.newest
        if (
            self.full
            or self._held
            or block is None
            or not cursor.live_from <= cursor.position == log.newest_after
            or cursor.owner.ignored
            or log.saves_read_position
        ):
            return False
        if cursor.own_runs is not None:
            return cursor.skip_own_block(block)
        data = block.encoded(self._dialect.live, log.name)
        if len(data) > self._past.limits.write_bytes:
            return False
        cursor.position = block.last
        self._connection.transport.write(data)
        return True

    def _read_on(self) -> None:
        """Read the entries after all cursors, in pieces of about `write_bytes`, each one write."""
        while self._behind and not (self.full or self._held):
            piece = self._next_piece()
            if piece:
                self._connection.transport.write(piece)

    def _next_piece(self) -> bytes:
        piece, room = b"", self._past.limits.write_bytes
        for at, cursor in enumerate(self._behind):
            log = cursor.log
            while cursor.position < log.last and cursor.open:
                block = log.block_after(cursor.position)
                if block is None:
                    self._read_stored(cursor)
                    break
                more = self._rendered(cursor, block, room)
                piece = piece + more if piece else more
                room -= len(more)
                if room <= 0:
                    self._behind = (*self._behind[at + 1 :], cursor)  # who waited comes first
                    self._note(cursor)
                    return piece
            self._note(cursor)
        self._behind = ()
        return piece

    def _note(self, cursor: Cursor) -> None:
        if cursor.log.saves_read_position:
            self._past.save_read_position(cursor)

    def _read_stored(self, cursor: Cursor) -> None:
        """Read on from storage, for a cursor that is behind the entries in memory."""
        if not cursor.replaying:
            cursor.replaying = True
            log = cursor.log
            reading = Deferred.fromCoroutine(self._replayed(log, cursor.position))
            reading.addCallback(self._stored, cursor, log.memory_from)
            reading.addErrback(self._unreadable, cursor)

    async def _replayed(self, log: Log, position: int) -> Sequence[Block]:
        return await self._past.replay(log, position)

    def _stored(self, blocks: Sequence[Block], cursor: Cursor, memory_from: int) -> None:
        cursor.replaying = False
        if self._ended or not cursor.open:
            return
        if not (self.full or self._held):  # else it came too late: it is read again
            if not blocks:  # what it has not read is no longer kept
                cursor.advance(max(cursor.position, memory_from))
            self._write_stored(cursor, blocks)
        self.wake((cursor,))

    def _unreadable(self, failure: Any, cursor: Cursor) -> None:
        cursor.replaying = False
        self.log.failure("reading log {name} failed", failure, name=cursor.log.name)
        self.end(
            "What was said before could not be read; connect again to go on.", EndReason.FAILED
        )

    def _write_stored(self, cursor: Cursor, blocks: Sequence[Block]) -> None:
        parts: list[bytes] = []
        room = self._past.limits.write_bytes
        for block in blocks:
            parts.append(self._rendered(cursor, block, room))
            room -= len(parts[-1])
            if room <= 0:
                break
        piece = b"".join(parts)
        if piece:
            self._connection.transport.write(piece)
        self._note(cursor)

    def _rendered(self, cursor: Cursor, block: Block, room: int) -> bytes:
        """Return about `room` bytes of a block for this cursor, and move the cursor on."""
        fresh = block.first > cursor.position and block.first > cursor.live_from
        if fresh and cursor.own_runs is None and not cursor.owner.ignored:
            data = block.encoded(self._dialect.live, cursor.log.name)
            if len(data) <= room:
                cursor.position = block.last
                return data
        return self._picked(cursor, block, room)

    def _picked(self, cursor: Cursor, block: Block, room: int) -> bytes:
        """The same, a run at a time: for a reader that has read some of it, wrote some of it, or
        leaves out some of it."""
        name, own, picked = cursor.log.name, cursor.own_runs or (), []
        ignored = cursor.owner.ignored
        live = block.encoded_runs(self._dialect.live, name)
        for (first, run), piece in zip(block.runs, live, strict=True):
            last = first + len(run.texts) - 1
            if last <= cursor.position:
                continue
            if room <= 0:
                break
            if not (first in own or (ignored and names.key(run.who) in ignored)):
                if first <= cursor.position:
                    run = run._replace(texts=run.texts[cursor.position + 1 - first :])
                    first = cursor.position + 1
                    piece = self._dialect.live(first, run, name)
                if first <= cursor.live_from:
                    piece = self._dialect.replayed(first, run, name)
                picked.append(piece)
                room -= len(piece)
            cursor.advance(last)
        return b"".join(picked)
