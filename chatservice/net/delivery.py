"""Delivery: a subscription hands the entries after a session's cursors to its connection.

The outlet says when it is full (it holds more than its `bufferSize`) and when it is ready. While it
is full the cursors stand still, and nothing is queued: unread entries are in the log, in memory
or in storage. So a slow reader costs nobody anything. One that has caught up by a piece waits for
the next turn of the reactor: it may read as fast as it is written to, and others want their turn.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from chatservice import names
from chatservice.domain.figures import Deliveries
from chatservice.domain.ignoring import heard_quote
from chatservice.domain.log import Block, Cursor, Encoder, EventBatch, Log
from chatservice.events import EndReason, Event, Notice
from chatservice.limits import Limits
from chatservice.net import outlet
from chatservice.net.flow import deferred
from chatservice.net.outlet import Outlet


@dataclass(frozen=True, slots=True)
class EntryFormat:
    """The encoders of a format: for `live` entries, for `replayed` ones from before the reader
    came, for events, and for the offer to `skip`, if the format has one. `closing` are the bytes
    with which the server ends a connection, if the format has some."""

    live: Encoder
    replayed: Encoder
    event: Callable[[Event], bytes]
    skip: Callable[[str, int], bytes] | None = None
    closing: bytes = b""


class ReplaySource(Protocol):
    """The source of entries that are no longer in memory: `chatservice.domain.chat.Chat`."""

    limits: Limits
    deliveries: Deliveries

    def replay(self, log: Log, after: int) -> Awaitable[Sequence[Block]]:
        """Return blocks after a position."""

    def save_read_position(self, cursor: Cursor) -> None:
        """Store the position of a cursor as the read position of its log."""


@implementer(IPushProducer)
class Subscription:
    """A `chatservice.domain.log.Peer` with an outlet, of which it is the streaming producer.

    It is `full`, and writes nothing, until `start`, and whenever its outlet is. `source` has the
    entries that are no longer in memory. Its `format` may change at any time.
    """

    log = Logger()
    __slots__ = (
        *("_behind", "_ended", "_offered", "_on_writable", "_outlet", "_reactor", "_source"),
        *("_yielded", "format", "full"),
    )

    def __init__(
        self, transport: Outlet, format_: EntryFormat, source: ReplaySource, reactor: Any
    ) -> None:
        self.full = True
        self._reactor = reactor
        self._yielded = False
        self._outlet = transport
        self.format = format_
        self._source = source
        self._behind: tuple[Cursor, ...] = ()
        self._ended = False
        self._offered = False
        self._on_writable: Callable[[], None] | None = None

    # -- the outlet's side -----------------------------------------------------------------------

    def start(self) -> None:
        """Write from now on."""
        self._outlet.registerProducer(self, True)
        self.resumeProducing()

    def pause(self) -> None:
        """Lend the outlet to a download, until `start`: the cursors stand still."""
        self.full = True
        self._outlet.unregisterProducer()

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once when the outlet, which is full, can take more."""
        self._on_writable = call

    def pauseProducing(self) -> None:
        """The outlet is full."""
        self.full = True

    def resumeProducing(self) -> None:
        """The outlet can take more."""
        self.full = False
        if self.format.skip is not None:
            self._offer(self.format.skip)
        self.wake(())
        if (call := self._on_writable) is not None:
            self._on_writable = None
            call()

    def _offer(self, skip: Callable[[str, int], bytes]) -> None:
        """Offer to skip the unread entries of a room, each time that its cursor has fallen far
        behind."""
        far = self._source.limits.far_behind
        behind = [c for c in self._behind if c.log.last - c.position >= far]
        if behind and not self._offered:
            log = behind[0].log
            self._outlet.write(skip(log.name, log.last - behind[0].position))
        self._offered = bool(behind)

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._ended = True
        self._behind = ()
        self._on_writable = None

    def stop(self) -> None:
        """Write nothing more."""
        if not self._ended:
            self.stopProducing()
            self._outlet.unregisterProducer()

    # -- the domain's side -----------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """The address and port of the other side."""
        return outlet.origin(self._outlet)

    @property
    def address(self) -> str:
        """The address of the other side; empty on this machine."""
        return outlet.address(self._outlet)

    def tell(self, news: EventBatch) -> None:
        """Show events, unless the transport is full."""
        data = b"" if self.full or self._ended else news.encoded(self.format.event)
        if data:
            self._outlet.write(data)

    def end(self, sentence: str, why: EndReason) -> None:
        """Show `sentence`, then end the connection; at once, if nothing can be shown."""
        self.tell(EventBatch((Notice(sentence, why),)))
        full = self.full
        self.stop()
        if full:
            self._outlet.abortConnection()
        else:
            if self.format.closing:
                self._outlet.write(self.format.closing)
            self._outlet.loseConnection()

    def wake(self, cursors: tuple[Cursor, ...]) -> int:
        """Write the entries after these cursors, as far as the transport takes them. Return the
        bytes, if these are just the newest block of a log; others are counted here.

        An error in one subscription ends its own connection only.
        """
        if self._ended:
            return 0
        try:
            if self._behind:
                new = (cursor for cursor in cursors if cursor not in self._behind)
                self._behind = (*self._behind, *new)
            elif len(cursors) == 1 and (written := self._wake_live(cursors[0])) is not None:
                return written
            else:
                self._behind = cursors
            self._read_on()
        except Exception:
            self._failed()
        return 0

    def _failed(self) -> None:
        self.log.failure("feeding a reader failed")
        self.end("Something went wrong in the server; connect again to go on.", EndReason.FAILED)

    def _wake_live(self, cursor: Cursor) -> int | None:
        """Write the newest block of a log if its reader lacks nothing else and leaves out nothing:
        the fast path, for nearly all deliveries. Return its bytes; or None, if that is not so."""
        log = cursor.log
        block = log.newest
        if (
            self.full
            or block is None
            or not cursor.live_from <= cursor.position == log.newest_after
            or cursor.owner.ignored
            or log.name == "@"
        ):
            return None
        if cursor.own_runs is not None:
            return 0 if cursor.skip_own_block(block) else None
        data = block.encoded(self.format.live, log.name)
        size = len(data)
        if size > self._source.limits.write_bytes:
            return None
        cursor.position = block.last
        self._outlet.write(data)
        return size

    def _read_on(self) -> None:
        """Read the entries after all cursors, in pieces of about `write_bytes`, each one write and
        in a turn of its own."""
        if self.full or self._yielded or not self._behind:
            return
        self._write(self._next_piece())
        if self._behind and not self.full:
            self._yielded = True
            self._reactor.callLater(0, self._read_further)

    def _write(self, piece: bytes) -> None:
        """Write entries, if there are any."""
        if piece:
            self._source.deliveries.bytes += len(piece)
            self._outlet.write(piece)

    def _read_further(self) -> None:
        self._yielded = False
        self.wake(())

    def _next_piece(self) -> bytes:
        pieces: list[bytes] = []
        budget = self._source.limits.write_bytes
        for at, cursor in enumerate(self._behind):
            budget = self._take(cursor, self._blocks(cursor), budget, pieces)
            if budget <= 0:
                self._behind = (*self._behind[at + 1 :], cursor)  # who waited comes first
                break
        else:
            self._behind = ()
        return b"".join(pieces)

    def _blocks(self, cursor: Cursor) -> Iterator[Block]:
        """Iterate over the blocks after a cursor, as far as they are in memory."""
        log = cursor.log
        while cursor.position < log.last and cursor.open:
            block = log.block_after(cursor.position)
            if block is None:
                self._read_stored(cursor)
                return
            yield block

    def _take(
        self, cursor: Cursor, blocks: Iterable[Block], budget: int, pieces: list[bytes]
    ) -> int:
        """Move a cursor on, and add what it passes to `pieces`. Return the
        rest of the budget."""
        before = cursor.position
        for block in blocks:
            pieces.append(self._pass_block(cursor, block, budget))
            budget -= len(pieces[-1])
            if budget <= 0:
                break
        if cursor.log.saves_read_position and cursor.position != before:
            self._source.save_read_position(cursor)
        return budget

    def _read_stored(self, cursor: Cursor) -> None:
        """Read on from storage, for a cursor that is behind the entries in memory."""
        if not cursor.replaying:
            cursor.replaying = True
            log = cursor.log
            found = self._source.replay(log, cursor.position)
            reading = deferred(found)
            reading.addCallback(self._stored, cursor, log.memory_from)
            reading.addErrback(self._unreadable, cursor)

    def _stored(self, blocks: Sequence[Block], cursor: Cursor, memory_from: int) -> None:
        cursor.replaying = False
        if self._ended or not cursor.open:
            return
        if not self.full:  # else it came too late: it is read again
            if not blocks:  # what it has not read is no longer kept
                cursor.advance(max(cursor.position, memory_from))
            pieces: list[bytes] = []
            self._take(cursor, blocks, self._source.limits.write_bytes, pieces)
            self._write(b"".join(pieces))
        self.wake((cursor,))

    def _unreadable(self, failure: Any, cursor: Cursor) -> None:
        cursor.replaying = False
        self.log.failure("reading log {name} failed", failure, name=cursor.log.name)
        self.end(
            "What was said before could not be read; connect again to go on.", EndReason.FAILED
        )

    def _encoders(self, log: Log) -> tuple[Encoder, Encoder]:
        """Return the encoders of the live and of the replayed entries of a log."""
        return self.format.live, self.format.replayed

    def _pass_block(self, cursor: Cursor, block: Block, budget: int) -> bytes:
        """Move a cursor past a block, or about `budget` bytes of it, and return these."""
        fresh = block.first > cursor.position and block.first > cursor.live_from
        if fresh and cursor.own_runs is None and not cursor.owner.ignored:
            data = block.encoded(self._encoders(cursor.log)[0], cursor.log.name)
            if len(data) <= budget:
                self._source.deliveries.entries += block.last + 1 - block.first
                cursor.position = block.last
                return data
        return self._pass_runs(cursor, block, budget)

    def _pass_runs(self, cursor: Cursor, block: Block, budget: int) -> bytes:
        """The same, a run at a time: for a reader that has read some of it, wrote some of it, or
        leaves out some of it."""
        name, own, picked = cursor.log.name, cursor.own_runs or (), []
        ignored = cursor.owner.ignored
        live, replayed = self._encoders(cursor.log)
        pieces = block.encoded_runs(live, name)
        for (first, run), piece in zip(block.runs, pieces, strict=True):
            last = first + len(run.texts) - 1
            if last <= cursor.position:
                continue
            if budget <= 0:
                break
            if ignored and run.quote is not None:
                run = run._replace(quote=heard_quote(run.quote, ignored))
                piece = live(first, run, name)
            if not (first in own or (ignored and names.key(run.who) in ignored)):
                if first <= cursor.position:
                    run = run._replace(texts=run.texts[cursor.position + 1 - first :])
                    first = cursor.position + 1
                    piece = live(first, run, name)
                if first <= cursor.live_from:
                    piece = replayed(first, run, name)
                picked.append(piece)
                self._source.deliveries.entries += last + 1 - first
                budget -= len(piece)
            cursor.advance(last)
        return b"".join(picked)
