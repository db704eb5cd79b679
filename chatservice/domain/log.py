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
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from chatservice import limits
from chatservice.entries import Entry, Run
from chatservice.events import Event

Render = Callable[[int, Run, str], bytes]
"""Makes a run's bytes in one dialect, of the position of its first entry, itself, and its log's
name."""

_ENTRY_BYTES = 64
"""About what an entry takes beside its text (Python 3.11: a string's head, and its place)."""


class Reader(Protocol):
    """What a cursor belongs to: a connection, as the domain sees it."""

    def wake(self, cursors: "Iterable[Cursor]") -> None:
        """There is more behind these cursors."""

    def tell(self, event: Event) -> None:
        """Show an event, if there is room for it now: events are not kept for the slow."""

    def end(self, sentence: str) -> None:
        """Tell `sentence`, then end the connection."""


class Block:
    """Runs of entries that became durable together, each with the position of its first entry.

    A dialect's bytes are made when the first reader of that dialect asks, and kept, so that
    everybody at the same cursor is handed the same object.
    """

    __slots__ = ("_joined", "_pieces", "first", "last", "runs")

    def __init__(self, runs: Sequence[tuple[int, Run]]) -> None:
        self.runs = runs
        self.first = runs[0][0]
        start, run = runs[-1]
        self.last = start + len(run.texts) - 1
        self._pieces: dict[Render, list[bytes]] = {}
        self._joined: dict[Render, bytes] = {}

    @property
    def weight(self) -> int:
        """About how much memory it takes, in bytes."""
        return sum(sum(map(len, run.texts)) + _ENTRY_BYTES * len(run.texts) for _, run in self.runs)

    def pieces(self, render: Render, log: str) -> list[bytes]:
        """Return the bytes of each run."""
        pieces = self._pieces.get(render)
        if pieces is None:
            pieces = self._pieces[render] = [render(first, run, log) for first, run in self.runs]
        return pieces

    def joined(self, render: Render, log: str) -> bytes:
        """Return the bytes of all of them."""
        joined = self._joined.get(render)
        if joined is None:
            joined = self._joined[render] = b"".join(self.pieces(render, log))
        return joined

    def entries(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Iterate over the entries behind a position."""
        for first, run in self.runs:
            if first + len(run.texts) - 1 > after:
                for pair in run.entries(first):
                    if pair[0] > after:
                        yield pair


class Tails:
    """The newest blocks of all logs, up to `limit` bytes of them together.

    What is over goes in the order in which it came, whichever log it is of: a busy server remembers
    less of the past, not more in all.
    """

    def __init__(self, limit: int = limits.TAIL_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._order: deque[tuple[Log, int]] = deque()

    def hold(self, log: "Log", weight: int) -> None:
        """Note that a log has taken in a block, and let the oldest ones go."""
        self._order.append((log, weight))
        self._held += weight
        while self._held > self._limit and len(self._order) > 1:
            oldest, weight = self._order.popleft()
            self._held -= weight
            oldest.shed()


class Log:
    """What happened in one place, in its order.

    `id` is its number in storage (an inbox of a guest who registers gets another one), `name` what
    readers are told it is called: a room's name, or `@` for an inbox.
    """

    def __init__(self, id_: int, name: str, last: int, tails: Tails) -> None:
        self.id = id_
        self.name = name
        self.last = last
        self.memory_from = last
        self.cursors: set[Cursor] = set()
        self._tails = tails
        self._tail: list[Block | None] = []
        self._shed = 0  # so many at the beginning of `_tail` are gone

    def extend(self, block: Block) -> None:
        """Take in entries that are stored now. Whoever calls wakes the readers (`wake`)."""
        self._tail.append(block)
        self.last = block.last
        self._tails.hold(self, block.weight)

    def shed(self) -> None:
        """Let the oldest block go that is still in memory."""
        oldest = self._tail[self._shed]
        assert oldest is not None
        self.memory_from = oldest.last
        self._tail[self._shed] = None
        self._shed += 1
        if self._shed > len(self._tail) // 2:
            del self._tail[: self._shed]
            self._shed = 0

    def since(self, position: int) -> Block | None:
        """Return the block with the first entry behind a position (there must be one), or None if
        it is no longer in memory."""
        if position < self.memory_from:
            return None
        newest = self._tail[-1]
        if len(self._tail) - self._shed == 1 or position >= self._tail[-2].last:  # type: ignore[union-attr]
            return newest  # a reader who is up to date, as nearly all are
        at = bisect_right(self._tail, position, lo=self._shed, key=_last)
        return self._tail[at]

    def tell(self, event: Event, but: Reader | None = None) -> None:
        """Show an event to everybody who reads here, but for one."""
        for cursor in tuple(self.cursors):
            if cursor.reader is not but:
                cursor.reader.tell(event)


def _last(block: Block | None) -> int:
    return block.last if block is not None else 0


def wake(logs: Iterable[Log]) -> None:
    """Wake everybody who reads in these logs, each reader once."""
    woken: dict[Reader, list[Cursor]] = {}
    for log in logs:
        for cursor in log.cursors:
            woken.setdefault(cursor.reader, []).append(cursor)
    for reader, cursors in woken.items():
        reader.wake(cursors)


class Cursor:
    """Where one reader stands in one log.

    `live_from` is where the log ended when the reader came: what lies before is replayed. `own`
    holds where the runs ahead begin that the reader wrote and does not want back.
    """

    __slots__ = ("live_from", "log", "own", "position", "reader")

    def __init__(self, log: Log, reader: Reader, after: int | None = None) -> None:
        self.log = log
        self.reader = reader
        self.live_from = log.last
        self.position = log.last if after is None else min(after, log.last)
        self.own: deque[int] | None = None
        log.cursors.add(self)

    def close(self) -> None:
        """Read no more."""
        self.log.cursors.discard(self)

    def wrote(self, position: int) -> None:
        """Note that the reader wrote the run that begins there."""
        if self.own is None:
            self.own = deque(maxlen=limits.OWN_RUNS)
        self.own.append(position)

    def pass_over(self, position: int) -> None:
        """Move on, having read or left out everything up to `position`."""
        self.position = position
        if self.own is not None:
            while self.own and self.own[0] <= position:
                self.own.popleft()
            if not self.own:
                self.own = None
