"""A room is a log, a reader is a cursor.

    entries      | 1 | 2 | 3 | 4 | 5 |          a log of five; `last` is 5
    cursor                 ^                    at position 3: 3 was read, 4 comes next

A cursor is a position between two entries. Whoever reads, however connected, is one: live talk,
history and catching up differ only in where it starts. A reader that cannot take more leaves its
cursor where it is, and that is all that it costs.

Invariants:

* `Log.last` only ever increases, and an entry is in a `Log` only when it is stored.
* Everything behind `Log.memory_from` is in memory; what lies before is read from storage.
* Positions increase from entry to entry. Nothing here takes them to be dense.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from chatservice import limits, names
from chatservice.entries import Entry, Run
from chatservice.events import EndReason, Event, UserLeft, UserRenamed

Encoder = Callable[[int, Run, str], bytes]
"""Makes a run's bytes in one dialect, of the position of its first entry, itself, and its log's
name."""

_ENTRY_BYTES = 64
"""About what an entry takes beside its text (Python 3.11: a string's head, and its place)."""


class Peer(Protocol):
    """Where what is read goes to: a connection, as the domain sees it."""

    @property
    def origin(self) -> str:
        """Where the connection comes from, for the operator."""

    @property
    def address(self) -> str:
        """The address of its other side; empty where it has none: on this machine."""

    def wake(self, cursors: "tuple[Cursor, ...]") -> None:
        """There is more behind these cursors."""

    def tell(self, news: "EventBatch") -> None:
        """Show news, if there is room for them now: they are not kept for the slow."""

    def end(self, sentence: str, why: EndReason) -> None:
        """Tell `sentence`, and why it is, then end the connection."""


class CursorOwner(Protocol):
    """Whom a cursor belongs to: a session. It does not hear those in `ignored` (`names.key`)."""

    reader: Peer
    ignored: frozenset[str]


class EventBatch:
    """Events that are shown together, each dialect's bytes made once."""

    __slots__ = ("_bytes", "events")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self._bytes: dict[Callable[[Event], bytes], bytes] = {}

    def rendered(self, render: Callable[[Event], bytes]) -> bytes:
        """Return the bytes of all of them."""
        found = self._bytes.get(render)
        if found is None:
            found = self._bytes[render] = b"".join(map(render, self.events))
        return found


class Block:
    """Runs of entries that became durable together, each with the position of its first entry.

    A dialect's bytes are made when the first reader of that dialect asks, and kept, so that
    everybody at the same cursor is handed the same object. `weight` is about how much memory it
    takes, in bytes, with all that was made of it. What grows is told to `tails`, if those hold it.
    """

    __slots__ = ("_joined", "_pieces", "first", "last", "runs", "tails", "weight")

    def __init__(self, runs: Sequence[tuple[int, Run]]) -> None:
        self.runs = runs
        self.first = runs[0][0]
        start, run = runs[-1]
        self.last = start + len(run.texts) - 1
        self._pieces: dict[Encoder, list[bytes]] = {}
        self._joined: dict[Encoder, bytes] = {}
        self.tails: BlockCache | None = None
        self.weight = sum([_weight(run.texts) for _, run in runs])

    def _grow(self, by: int) -> None:
        self.weight += by
        if self.tails is not None:
            self.tails.grow(by)

    def pieces(self, render: Encoder, log: str) -> list[bytes]:
        """Return the bytes of each run."""
        pieces = self._pieces.get(render)
        if pieces is None:
            pieces = self._pieces[render] = [render(first, run, log) for first, run in self.runs]
            self._grow(sum(map(len, pieces)))
        return pieces

    def joined(self, render: Encoder, log: str) -> bytes:
        """Return the bytes of all of them."""
        joined = self._joined.get(render)
        if joined is None:
            joined = b"".join([render(first, run, log) for first, run in self.runs])
            self._joined[render] = joined
            self._grow(len(joined))
        return joined

    def entries(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Iterate over the entries behind a position."""
        for first, run in self.runs:
            if first + len(run.texts) - 1 > after:
                for pair in run.entries(first):
                    if pair[0] > after:
                        yield pair


def _weight(texts: Sequence[str]) -> int:
    """Return about how much memory texts take: Python keeps the characters of one in one, two or
    four bytes each, by the largest of them."""
    text = "".join(texts)
    width = 1 if text.isascii() else 4
    return width * len(text) + _ENTRY_BYTES * len(texts)


class BlockCache:
    """The newest blocks of all logs, with what was rendered of them: up to `limit` bytes together
    (`limits.TAIL_BYTES`).

    What is over goes in the order in which it came, whichever log it is of: a busy server remembers
    less of the past, not more in all.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._held = 0
        self._order: deque[Log] = deque()

    @property
    def held(self) -> int:
        """The bytes that they take."""
        return self._held

    def hold(self, log: "Log", block: Block) -> None:
        """Note that a log has taken in a block, and let the oldest ones go."""
        self._order.append(log)
        block.tails = self
        self.grow(block.weight)

    def grow(self, by: int) -> None:
        """Note that what is held takes so many bytes more, and let the oldest ones go."""
        self._held += by
        limit = limits.TAIL_BYTES if self._limit is None else self._limit
        while self._held > limit and len(self._order) > 1:
            self._let_go()

    def end(self, positions: Mapping[int, int]) -> None:
        """Let the oldest blocks go whose entries are no longer kept: up to a position each, by the
        numbers of their logs.

        What ends is what came first, so these are the first ones here, but for those of guests'
        inboxes (with negative numbers), which are kept as long as the guest is here.
        """
        guests: list[Log] = []
        while self._order:
            log = self._order[0]
            if log.id < 0:
                guests.append(self._order.popleft())
            elif log.oldest <= positions.get(log.id, 0):
                self._let_go()
            else:
                break
        self._order.extendleft(reversed(guests))

    def _let_go(self) -> None:
        block = self._order.popleft().shed()
        block.tails = None
        self._held -= block.weight


class Log:
    """What happened in one place, in its order.

    `id` is its number in storage (an inbox of a guest who registers gets another one), `name` what
    readers are told it is called: a room's name, or `@` for an inbox. `kept` says whether it is to
    be remembered how far it was shown. `newest` is the newest block, if it is in memory, and
    `up_to_date` where a reader stands who lacks that one and no other. `gone` says that its room is
    removed: nothing more can be said in it. `replaced` counts how often something was erased in it.
    """

    __slots__ = (
        *("__weakref__", "_news", "_shed", "_tail", "_tails", "cursors", "gone", "id", "kept"),
        *("last", "memory_from", "name", "newest", "replaced", "up_to_date"),
    )

    def __init__(self, id_: int, name: str, last: int, tails: BlockCache) -> None:
        self.id = id_
        self.name = name
        self.last = last
        self.memory_from = last
        self.kept = False
        self.gone = False
        self.replaced = 0
        self.newest: Block | None = None
        self.up_to_date = last
        self.cursors: dict[Any, Cursor] = {}
        self._tails = tails
        self._tail: list[Block | None] = []
        self._shed = 0  # so many at the beginning of `_tail` are gone
        self._news: list[Event] = []

    def extend(self, block: Block) -> None:
        """Take in entries that are stored now. Whoever calls wakes the readers (`wake`)."""
        self._tail.append(block)
        self.newest = block
        self.up_to_date = self.last
        self.last = block.last
        self._tails.hold(self, block)

    def shed(self) -> Block:
        """Let the oldest block go that is still in memory, and return it."""
        oldest = self._tail[self._shed]
        assert oldest is not None
        self.memory_from = oldest.last
        if oldest is self.newest:
            self.newest = None
        self._tail[self._shed] = None
        self._shed += 1
        if self._shed > len(self._tail) // 2:
            del self._tail[: self._shed]
            self._shed = 0
        return oldest

    def replace(self, block: Block) -> None:
        """Let a block, if it is in memory, be as it is stored now: some of what it said is gone."""
        self.replaced += 1
        at = bisect_right(self._tail, block.first - 1, lo=self._shed, key=_last)
        if at < len(self._tail) and _first(self._tail[at]) == block.first:
            former = self._tail[at]
            assert former is not None
            if former is self.newest:
                self.newest = block
            self._tail[at] = block
            block.tails, former.tails = self._tails, None
            self._tails.grow(block.weight - former.weight)

    @property
    def oldest(self) -> int:
        """The last position of the oldest block that is in memory (there must be one)."""
        return _last(self._tail[self._shed])

    def since(self, position: int) -> Block | None:
        """Return the block with the first entry behind a position (there must be one), or None if
        it is no longer in memory."""
        if position < self.memory_from:
            return None
        if position >= self.up_to_date:
            return self.newest
        return self._tail[bisect_right(self._tail, position, lo=self._shed, key=_last)]

    def tell(self, event: Event, but: "Cursor | None" = None) -> None:
        """Show an event to everybody who reads here now, but for one, with the next `tell_news`."""
        if but is not None:
            self.tell_news()
            but.told = 1
        self._news.append(event)

    def tell_news(self) -> None:
        """Show the events since the last time, each to those who were here when it happened.

        Many come in or leave at once where a network comes back, and then there is one write for
        each reader, and not one for each event and reader.
        """
        if not self._news:
            return
        all_, self._news = self._news, []
        parts = {0: EventBatch(all_)}
        for cursor in tuple(self.cursors.values()):
            told, cursor.told = cursor.told, 0
            if cursor.owner.ignored:
                heard = _heard(all_[told:], cursor.owner.ignored)
                if heard:
                    cursor.owner.reader.tell(EventBatch(heard))
            elif told < len(all_):
                if told not in parts:
                    parts[told] = EventBatch(all_[told:])
                cursor.owner.reader.tell(parts[told])

    @property
    def untold(self) -> int:
        """How many events wait to be told."""
        return len(self._news)


def _heard(news: Sequence[Event], ignored: Collection[str]) -> list[Event]:
    """Return what is told to who ignores some users: not their last words, nor a name that they
    take, which can be a message."""
    heard: list[Event] = []
    for event in news:
        match event:
            case UserRenamed(who=who, name=name):
                if names.key(who) not in ignored and names.key(name) not in ignored:
                    heard.append(event)
            case UserLeft(room=room, who=who) if names.key(who) in ignored:
                heard.append(UserLeft(room, who))
            case _:
                heard.append(event)
    return heard


def _last(block: Block | None) -> int:
    return block.last if block is not None else 0


def _first(block: Block | None) -> int:
    return block.first if block is not None else 0


def wake(logs: Collection[Log]) -> None:
    """Wake everybody who reads in these logs, each reader once."""
    for log in logs:
        log.tell_news()  # who came in is seen to come before they speak
    if len(logs) == 1:  # then each reader is there once
        for cursor in tuple(log.cursors.values()):
            cursor.owner.reader.wake((cursor,))
        return
    woken: dict[Peer, tuple[Cursor, ...]] = {}
    for log in logs:
        for cursor in log.cursors.values():
            reader = cursor.owner.reader
            others = woken.get(reader)
            woken[reader] = (cursor,) if others is None else (*others, cursor)
    for reader, cursors in woken.items():
        reader.wake(cursors)


class Cursor:
    """Where one session stands in one log.

    `live_from` is where the log ended when the reader came: what lies before is replayed. `own`
    holds where the runs ahead begin that the reader wrote and does not want back. `told` says how
    many of the events that wait to be told are older than the cursor. `replaying` is for the
    reader, to note that it waits for storage. `open` says whether it still reads. `said` is the
    position of what the reader said last since they came, or 0.
    """

    __slots__ = (
        *("live_from", "log", "open", "own", "owner", "position", "replaying", "said", "told"),
    )

    def __init__(self, log: Log, owner: CursorOwner, after: int | None = None) -> None:
        self.log = log
        self.owner = owner
        self.live_from = log.last
        self.position = log.last if after is None else min(after, log.last)
        self.own: deque[int] | None = None
        self.told = log.untold
        self.replaying = False
        self.open = True
        self.said = 0
        log.cursors[owner] = self

    def close(self) -> None:
        """Read no more."""
        if self.open:
            self.open = False
            del self.log.cursors[self.owner]

    def wrote(self, position: int) -> None:
        """Note that the reader wrote the run that begins there."""
        if self.own is None:
            self.own = deque(maxlen=limits.OWN_RUNS)
        self.own.append(position)

    def pass_over_own(self, block: Block) -> bool:
        """Move on behind a block of one run, if the reader wrote that. Return whether they did."""
        if self.own is None or len(block.runs) > 1 or self.own[0] != block.first:
            return False
        self.pass_over(block.last)
        return True

    def pass_over(self, position: int) -> None:
        """Move on, having read or left out everything up to `position`."""
        self.position = position
        if self.own is not None:
            while self.own and self.own[0] <= position:
                self.own.popleft()
            if not self.own:
                self.own = None
