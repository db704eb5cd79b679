"""A cursor feeding a transport: how a reader gets what is behind it, at its own pace.

The transport says when it is full (it holds more than its `bufferSize`) and when it can take more.
While it is full the cursors stand still, and nothing is queued: what a slow reader has not been
given is in the log, in memory or in storage. That is why it costs nobody anything.
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
    """How entries and events are rendered: `live` ones, and `replayed` ones, which happened before
    the reader came. Readers of some dialects are offered to `skip` what they are far behind."""

    live: Encoder
    replayed: Encoder
    event: Callable[[Event], bytes]
    skip: Callable[[str, int], bytes] | None = None


class SubscriptionOwner(Protocol):
    """What a feed is on."""

    transport: Any

    @property
    def peer(self) -> str:
        """Where it comes from."""

    @property
    def address(self) -> str:
        """The address that this is; empty where there is none."""

    def drained(self) -> None:
        """The transport was full, and can take more."""


class ReplaySource(Protocol):
    """Where a feed reads on, of what is no longer in memory: `chatservice.domain.chat.Chat`."""

    limits: Limits

    def replay(self, log: Log, after: int) -> Awaitable[Sequence[Block]]:
        """Return blocks behind a position."""

    def save_read_position(self, cursor: Cursor) -> None:
        """A reader was shown a log that is `kept` up to where its cursor stands."""


@implementer(IPushProducer)
class Subscription:
    """A `chatservice.domain.log.Peer` on a connection, of whose transport it is the streaming
    producer."""

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
        """Offer to skip what is behind a room's cursor, each time that it has fallen far behind."""
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
        """Let a file have the transport, which is full for all else: cursors stand still."""
        self.full = True
        self._connection.transport.unregisterProducer()

    def take_transport_back(self) -> None:
        """Go on after a file."""
        self.full = False
        self.start()
        self.wake(())
        self._connection.drained()

    def stop(self) -> None:
        """Show nothing more: the connection is to end once what was written has gone."""
        if not self._ended:
            self.stopProducing()
            self._connection.transport.unregisterProducer()

    # -- the domain's side -----------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """Where its connection comes from."""
        return self._connection.peer

    @property
    def address(self) -> str:
        """The address of its other side; empty where it has none."""
        return self._connection.address

    def tell(self, news: EventBatch) -> None:
        """Show news, unless the reader cannot take them now."""
        if not (self.full or self._held or self._ended):
            self._connection.transport.write(news.encoded(self._dialect.event))

    def end(self, sentence: str, why: EndReason) -> None:
        """Tell `sentence`, then end the connection; at once, where nothing can be told."""
        self.tell(EventBatch((Notice(sentence, why),)))
        full = self.full
        self.stop()
        if full:
            self._connection.transport.abortConnection()
        else:
            self._connection.transport.loseConnection()

    def wake(self, cursors: tuple[Cursor, ...]) -> None:
        """Write what is behind these cursors, as far as the transport takes it.

        An error in one reader's feed ends that reader's connection, and is nobody else's.
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
        """Write the newest block of a log, if that is all that its reader lacks, and they want all
        of it: the short way, which nearly all that is ever read goes. Else return False."""
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
        """Read what is behind all cursors, in pieces of about `WRITE_BYTES`, each one write."""
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
        """Read on from storage, for a cursor that fell off what is in memory."""
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
        """Return what of a block is for this cursor, about `room` bytes of it, and move it on."""
        fresh = block.first > cursor.position and block.first > cursor.live_from
        if fresh and cursor.own_runs is None and not cursor.owner.ignored:
            data = block.encoded(self._dialect.live, cursor.log.name)
            if len(data) <= room:
                cursor.position = block.last
                return data
        return self._picked(cursor, block, room)

    def _picked(self, cursor: Cursor, block: Block, room: int) -> bytes:
        """The same, a run at a time: for who has read some of it, wrote some of it, or does not
        want all of it."""
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
