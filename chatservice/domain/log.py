"""A room is a log, a reader is a cursor.

    entries      | 1 | 2 | 3 | 4 | 5 |          a log of five; `last` is 5
    cursor                 ^                    at position 3: 3 was read, 4 comes next

A cursor is a position between two entries, and every reader is one: live talk, history and catching
up differ only in where it starts. A reader that cannot take more leaves its cursor where it is, and
costs nothing else.

Invariants:

* `Log.last` only ever increases, and an entry is in a `Log` only when it is stored.
* All entries behind `Log.memory_from` are in memory; earlier ones are read from storage.
* Positions increase from entry to entry. Engines make them dense, but nothing here relies on it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, Protocol, TypeVar

from chatservice.domain.figures import Deliveries
from chatservice.domain.ignoring import heard_events
from chatservice.entries import Entry, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason, Event, UserLeft, UserRenamed
from chatservice.limits import Limits

T = TypeVar("T")

Encoder = Callable[[int, Run, str], bytes]
"""Encodes a run in one format: called with its first position, itself, and its log's name. It is a
value: equal ones make the same bytes, as two of a frozen dataclass with equal capabilities do."""

_FORMATS = 32
"""Formats of which a block keeps bytes. Clients that negotiate capabilities use about four sets."""

_ENTRY_BYTES = 64
"""The memory of an entry beside its text, about (Python 3.11: a string's head, and its place)."""


class Peer(Protocol):
    """A session's connection, as the domain sees it."""

    @property
    def origin(self) -> str:
        """The connection's origin, for the operator."""

    @property
    def address(self) -> str:
        """The remote address; empty for a local socket."""

    def wake(self, cursors: "tuple[Cursor, ...]") -> int:
        """Read on: there is more behind these cursors. Return the bytes that were written, if they
        are the newest block of a log, and 0 otherwise."""

    def tell(self, news: "EventBatch") -> None:
        """Show events, unless the connection is full: nothing is stored for slow readers."""

    def end(self, sentence: str, why: EndReason) -> None:
        """Show a sentence and its reason, then end the connection."""


class CursorOwner(Protocol):
    """The owner of a cursor: a session. It does not hear the users in `ignored` (`names.key`)."""

    peer: Peer
    ignored: frozenset[str]


class EventBatch:
    """Events that are shown together, encoded once for each format."""

    __slots__ = ("_bytes", "events")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self._bytes: dict[Callable[[Event], bytes], bytes] = {}

    def encoded(self, render: Callable[[Event], bytes]) -> bytes:
        """Return the bytes of all of them."""
        found = self._bytes.get(render)
        if found is None:
            found = self._bytes[render] = b"".join(map(render, self.events))
        return found


class Block:
    """Runs of entries that became durable together, each with the position of its first entry.

    The bytes for a format are made when its first reader asks, and kept, so that all readers at the
    same position get the same object. `memory_size` estimates the memory of the block and its
    encoded forms, in bytes; `cache` is told when it grows.
    """

    __slots__ = ("_joined", "_pieces", "cache", "first", "last", "memory_size", "runs")

    def __init__(self, runs: Sequence[tuple[int, Run]]) -> None:
        self.runs = runs
        self.first = runs[0][0]
        start, run = runs[-1]
        self.last = start + len(run.texts) - 1
        self._pieces: dict[Encoder, list[bytes]] = {}
        self._joined: dict[Encoder, bytes] = {}
        self.cache: BlockCache | None = None
        self.memory_size = sum([_weight(run.texts) for _, run in runs])

    def _grow(self, by: int) -> None:
        self.memory_size += by
        if self.cache is not None:
            self.cache.grow(by)

    def encoded_runs(self, render: Encoder, log: str) -> list[bytes]:
        """Return the encoded runs."""
        pieces = self._pieces.get(render)
        if pieces is None:
            pieces = self._pieces[render] = [render(first, run, log) for first, run in self.runs]
            former = _former(self._pieces)
            self._grow(sum(map(len, pieces)) - sum(map(len, former or ())))
        return pieces

    def encoded(self, render: Encoder, log: str) -> bytes:
        """Return the bytes of all of them."""
        joined = self._joined.get(render)
        if joined is None:
            joined = b"".join([render(first, run, log) for first, run in self.runs])
            self._joined[render] = joined
            former = _former(self._joined)
            self._grow(len(joined) - len(former or b""))
        return joined

    @property
    def others(self) -> Collection[int]:
        """The positions of the entries that it quotes or edits."""
        runs = (run for _, run in self.runs)
        return {it.about for it in runs if it.quote is not None or it.kind == Kind.EDIT}

    def text_at(self, position: int) -> str | None:
        """Return the text of the entry at a position, or None if it is in another block."""
        for first, run in self.runs:
            if 0 <= position - first < len(run.texts):
                return run.texts[position - first]
        return None

    def refreshed(self, about: int, text: str | None) -> "Block":
        """Return the block as it is when the entry at a position has changed: without quotes of it,
        and with its text, if that is given, in edits of it."""
        return Block(
            [(at, _refreshed(it, text) if it.about == about else it) for at, it in self.runs]
        )

    def entries(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Iterate over the entries behind a position."""
        for first, run in self.runs:
            if first + len(run.texts) - 1 > after:
                for pair in run.entries(first):
                    if pair[0] > after:
                        yield pair


def _refreshed(run: Run, text: str | None) -> Run:
    """Return a run about another entry that has changed, and has another text, if one is given."""
    if run.kind != Kind.EDIT:
        return run._replace(quote=None)
    return run if text is None else run._replace(texts=(text,))


def _former(kept: dict[Encoder, T]) -> T | None:
    """Take out the bytes of the oldest format, whose readers are probably gone, if there are too
    many."""
    return kept.pop(next(iter(kept))) if len(kept) > _FORMATS else None


def _weight(texts: Sequence[str]) -> int:
    """Return an estimate of the memory of texts: Python uses one, two or four bytes for each
    character of a string."""
    text = "".join(texts)
    width = 1 if text.isascii() else 4
    return width * len(text) + _ENTRY_BYTES * len(texts)


class BlockCache:
    """The newest blocks of all logs, up to `tail_bytes` together.

    The oldest block of any log goes first, so a busy server remembers less of the past.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._held = 0
        self._order: deque[Log] = deque()

    @property
    def size(self) -> int:
        """The memory of all blocks, in bytes."""
        return self._held

    def add(self, log: "Log", block: Block) -> None:
        """Add a log's new block, and drop the oldest ones."""
        self._order.append(log)
        block.cache = self
        self.grow(block.memory_size)

    def grow(self, by: int) -> None:
        """Count more bytes, and drop the oldest blocks."""
        self._held += by
        limit = self.limits.tail_bytes
        while self._held > limit and len(self._order) > 1:
            self._evict_oldest()

    def drop_expired(self, positions: Mapping[int, int]) -> None:
        """Drop blocks of entries that retention has deleted, up to a position in each log's number.

        These are the first ones, except those of guests' inboxes (negative numbers), which last as
        long as the guest.
        """
        guests: list[Log] = []
        while self._order:
            log = self._order[0]
            if log.id < 0:
                guests.append(self._order.popleft())
            elif log.oldest_position <= positions.get(log.id, 0):
                self._evict_oldest()
            else:
                break
        self._order.extendleft(reversed(guests))

    def _evict_oldest(self) -> None:
        block = self._order.popleft().evict_oldest()
        block.cache = None
        self._held -= block.memory_size


class Log:
    """The entries of a room or an inbox, in order.

    `id` is its number in storage (a guest's inbox gets another one with an account); `name` is the
    room's, or `@` for an inbox. With `saves_read_position`, the engine stores how far it was shown.
    `newest` is the newest block, if in memory, and `newest_after` the position before it. Nothing
    can be said in a `removed` room. `erasures` counts what was erased.
    """

    __slots__ = (
        *("__weakref__", "_blocks", "cache", "_events", "_evicted", "cursors", "id", "last"),
        *("memory_from", "name", "newest", "newest_after", "_others", "removed", "erasures"),
        *("saves_read_position", "_departures"),
    )

    def __init__(self, id_: int, name: str, last: int, cache: BlockCache) -> None:
        self.id = id_
        self.name = name
        self.last = last
        self.memory_from = last
        self.saves_read_position = False
        self.removed = False
        self.erasures = 0
        self.newest: Block | None = None
        self.newest_after = last
        self.cursors: dict[Any, Cursor] = {}
        self.cache = cache
        self._blocks: list[Block | None] = []
        self._evicted = 0  # so many at the beginning of `_blocks` are gone
        self._events: list[Event] = []
        self._departures: dict[str, Event] | None = None
        # The first positions of the blocks that quote or edit an entry, by its position.
        self._others: dict[int, list[int]] | None = None

    def extend(self, block: Block) -> None:
        """Append a stored block. The caller wakes the readers (`wake`)."""
        self._blocks.append(block)
        self.newest = block
        self.newest_after = self.last
        self.last = block.last
        self.cache.add(self, block)

    def evict_oldest(self) -> Block:
        """Drop the oldest block in memory, and return it."""
        oldest = self._blocks[self._evicted]
        assert oldest is not None
        self.memory_from = oldest.last
        if oldest is self.newest:
            self.newest = None
        self._forget_others(oldest)
        self._blocks[self._evicted] = None
        self._evicted += 1
        if self._evicted > len(self._blocks) // 2:
            del self._blocks[: self._evicted]
            self._evicted = 0
        return oldest

    def replace(self, block: Block, changed: Collection[int] = ()) -> None:
        """Replace a block in memory by its present form. Entries there that have `changed`, by
        their positions, were edited, reassigned or erased: drop the quotes of them, and give their
        newest text to former edits of them."""
        gone = (first for first, run in block.runs if run.kind == Kind.GONE)
        self.erasures += not changed or any(first in changed for first in gone)
        self._put(block.first, lambda former: block)
        for about in changed if self._others else ():
            self._refresh(about, block.text_at(about))

    def end(self, position: int) -> None:
        """Drop the quotes of entries up to a position, which are no longer kept."""
        for about in [it for it in self._others or () if it <= position]:
            self._refresh(about, None)

    def _refresh(self, about: int, text: str | None) -> None:
        for first in tuple((self._others or {}).get(about, ())):
            self._put(first, lambda it: it.refreshed(about, text))

    def _put(self, first: int, changed: Callable[[Block], Block]) -> None:
        """Put another block into the place of the one that begins at a position, if it is in
        memory."""
        at = bisect_right(self._blocks, first - 1, lo=self._evicted, key=_last)
        if at < len(self._blocks) and _first(self._blocks[at]) == first:
            former = self._blocks[at]
            assert former is not None
            block = changed(former)
            if former is self.newest:
                self.newest = block
            self._forget_others(former)
            self._blocks[at] = block
            self.note_others(block)
            block.cache, former.cache = self.cache, None
            self.cache.grow(block.memory_size - former.memory_size)

    def note_others(self, block: Block) -> None:
        """Note which entries a block in memory quotes or edits: they may change."""
        for about in block.others:
            if self._others is None:
                self._others = {}
            self._others.setdefault(about, []).append(block.first)

    def _forget_others(self, block: Block) -> None:
        if self._others is not None:
            for about in block.others:
                self._others[about].remove(block.first)
                if not self._others[about]:
                    del self._others[about]

    @property
    def oldest_position(self) -> int:
        """The last position of the oldest block in memory (there must be one)."""
        return _last(self._blocks[self._evicted])

    def block_after(self, position: int) -> Block | None:
        """Return the block with the next entry behind a position (there must be one), or None if it
        is not in memory."""
        if position < self.memory_from:
            return None
        if position >= self.newest_after:
            return self.newest
        return self._blocks[bisect_right(self._blocks, position, lo=self._evicted, key=_last)]

    def announce(self, event: Event, but: "Cursor | None" = None) -> None:
        """Show an event to all readers of now, except one, at the next `send_events`."""
        if but is not None:
            self.send_events()
            but.events_seen = 1
        self._events.append(event)
        if isinstance(event, (UserLeft, UserRenamed)):
            self._departures = self._departures or {}
            self._departures[event.who] = event

    def departure(self, who: str) -> Event | None:
        """Return the gathered event by which a name leaves, or is another one; None without one.
        A reader in several rooms, who is to be told once, asks for it."""
        return self._departures.get(who) if self._departures is not None else None

    def send_events(self) -> None:
        """Show the gathered events, each to those who were here when it happened.

        When a network comes back, many users join at once: so each reader gets one write.
        """
        if not self._events:
            return
        all_, self._events, self._departures = self._events, [], None
        parts = {0: EventBatch(all_)}
        for cursor in tuple(self.cursors.values()):
            told, cursor.events_seen = cursor.events_seen, 0
            if cursor.owner.ignored:
                heard = heard_events(all_[told:], cursor.owner.ignored)
                if heard:
                    cursor.owner.peer.tell(EventBatch(heard))
            elif told < len(all_):
                if told not in parts:
                    parts[told] = EventBatch(all_[told:])
                cursor.owner.peer.tell(parts[told])

    @property
    def pending_events(self) -> int:
        """The number of gathered events."""
        return len(self._events)


def _last(block: Block | None) -> int:
    return block.last if block is not None else 0


def _first(block: Block | None) -> int:
    return block.first if block is not None else 0


async def reread_if_erased(logs: Collection[Log], read: Callable[[], Awaitable[T]]) -> T:
    """Read of some logs, again if something was erased there meanwhile: so nobody is shown an
    erased entry once that is acknowledged. A guest's inbox may get another number meanwhile.

    Raises `Refusal` (too-slow) if the end of that does not come.
    """
    for _ in range(_READS):
        before = [(log.erasures, log.id) for log in logs]
        found = await read()
        if before == [(log.erasures, log.id) for log in logs]:
            return found
    raise Refusal(
        Code.TOO_SLOW, "Too much is being erased there at the moment; try again a little later."
    )


_READS = 20
"""Reads before it is given up, while somebody goes on erasing. A search in a million entries takes
a few milliseconds, so its reader hardly ever reads three times."""


def wake(logs: Collection[Log], deliveries: Deliveries) -> None:
    """Wake the readers of these logs, each once, and count what they are written at once."""
    for log in logs:
        log.send_events()  # who came in is seen to come before they speak
    if len(logs) == 1:  # then each reader is there once
        sizes = [cursor.owner.peer.wake((cursor,)) for cursor in tuple(log.cursors.values())]
        readers = len(sizes) - sizes.count(0)
        deliveries.add(readers * (log.last - log.newest_after), sum(sizes))
        return
    woken: dict[Peer, tuple[Cursor, ...]] = {}
    for log in logs:
        for cursor in log.cursors.values():
            reader = cursor.owner.peer
            others = woken.get(reader)
            woken[reader] = (cursor,) if others is None else (*others, cursor)
    for reader, cursors in woken.items():
        if written := reader.wake(cursors):
            log = cursors[0].log
            deliveries.add(log.last - log.newest_after, written)


class Cursor:
    """The position of one session in one log.

    `live_from` is the log's end when the reader came: earlier entries are replayed. `own_runs` has
    the positions ahead at which the reader's own runs begin, which are not shown to it.
    `events_seen` counts the gathered events that are older than the cursor. `replaying` says that
    the reader waits for storage. `last_said` is the position of the reader's last entry, or 0.
    """

    __slots__ = (
        *("events_seen", "last_said", "live_from", "log", "open", "own_runs", "owner"),
        *("position", "replaying"),
    )

    def __init__(self, log: Log, owner: CursorOwner, after: int | None = None) -> None:
        self.log = log
        self.owner = owner
        self.live_from = log.last
        self.position = log.last if after is None else min(after, log.last)
        self.own_runs: deque[int] | None = None
        self.events_seen = log.pending_events
        self.replaying = False
        self.open = True
        self.last_said = 0
        log.cursors[owner] = self

    def close(self) -> None:
        """Stop reading."""
        if self.open:
            self.open = False
            del self.log.cursors[self.owner]

    def add_own_run(self, position: int) -> None:
        """Remember that the reader wrote the run at a position."""
        if self.own_runs is None:
            self.own_runs = deque(maxlen=self.log.cache.limits.own_runs)
        self.own_runs.append(position)

    def skip_own_block(self, block: Block) -> bool:
        """Move behind a block that is one run of the reader's own. Return whether it is."""
        if self.own_runs is None or len(block.runs) > 1 or self.own_runs[0] != block.first:
            return False
        self.advance(block.last)
        return True

    def advance(self, position: int) -> None:
        """Move to `position`."""
        self.position = position
        if self.own_runs is not None:
            while self.own_runs and self.own_runs[0] <= position:
                self.own_runs.popleft()
            if not self.own_runs:
                self.own_runs = None
