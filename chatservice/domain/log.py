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
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from chatservice import limits
from chatservice.entries import Entry
from chatservice.events import Event

Render = Callable[[int, Entry, str], bytes]
"""Makes an entry's bytes in one dialect, of its position, itself, and its log's name."""


_ENTRY_BYTES = 128
"""About what an entry takes beside its text."""


class Reader(Protocol):
    """What a cursor belongs to: a connection, as the domain sees it."""

    def wake(self, cursor: "Cursor") -> None:
        """There is more behind that cursor."""

    def tell(self, event: Event) -> None:
        """Show an event, if there is room for it now: events are not kept for the slow."""

    def end(self, sentence: str) -> None:
        """Tell `sentence`, then end the connection."""


class Block:
    """Entries that became durable together: what storage gives, and what is rendered at once.

    A dialect's bytes are made when the first reader of that dialect asks, and kept, so that
    everybody at the same cursor is handed the same object.
    """

    __slots__ = ("_joined", "_lines", "entries", "positions")

    def __init__(self, positions: Sequence[int], entries: Sequence[Entry]) -> None:
        self.positions = positions
        self.entries = entries
        self._lines: dict[Render, list[bytes]] = {}
        self._joined: dict[Render, bytes] = {}

    @property
    def last(self) -> int:
        """The position of the last entry."""
        return self.positions[-1]

    @property
    def weight(self) -> int:
        """About how much memory it takes, in bytes."""
        return sum(len(entry.text) for entry in self.entries) + _ENTRY_BYTES * len(self.entries)

    def lines(self, render: Render, log: str) -> list[bytes]:
        """Return the bytes of each entry."""
        lines = self._lines.get(render)
        if lines is None:
            pairs = zip(self.positions, self.entries, strict=True)
            lines = self._lines[render] = [render(position, it, log) for position, it in pairs]
        return lines

    def joined(self, render: Render, log: str) -> bytes:
        """Return the bytes of all of them."""
        joined = self._joined.get(render)
        if joined is None:
            joined = self._joined[render] = b"".join(self.lines(render, log))
        return joined

    def after(self, position: int) -> Iterator[tuple[int, Entry]]:
        """Iterate over the entries behind a position."""
        start = bisect_right(self.positions, position)
        return zip(self.positions[start:], self.entries[start:], strict=True)


class Log:
    """What happened in one place, in its order.

    `id` is its number in storage (an inbox of a guest who registers gets another one), `name` what
    readers are told it is called: a room's name, or `@` for an inbox.
    """

    def __init__(self, id_: int, name: str, last: int) -> None:
        self.id = id_
        self.name = name
        self.last = last
        self.memory_from = last
        self.cursors: set[Cursor] = set()
        self._tail: deque[Block] = deque()
        self._held = 0

    def extend(self, block: Block) -> None:
        """Take in entries that are stored now, and wake everybody who reads here."""
        self._tail.append(block)
        self._held += block.weight
        self.last = block.last
        while self._held > limits.TAIL_BYTES and len(self._tail) > 1:
            oldest = self._tail.popleft()
            self._held -= oldest.weight
            self.memory_from = oldest.last
        for cursor in tuple(self.cursors):
            cursor.reader.wake(cursor)

    def since(self, position: int) -> Sequence[Block] | None:
        """Return the blocks that reach beyond a position; None if they are no longer in memory."""
        if position >= self.last:
            return ()
        if position < self.memory_from:
            return None
        if self._tail[-1].positions[0] > position and (
            len(self._tail) == 1 or self._tail[-2].last <= position
        ):
            return (self._tail[-1],)  # a reader who is up to date, as nearly all are
        return [block for block in self._tail if block.last > position]

    def tell(self, event: Event, but: Reader | None = None) -> None:
        """Show an event to everybody who reads here, but for one."""
        for cursor in tuple(self.cursors):
            if cursor.reader is not but:
                cursor.reader.tell(event)


class Cursor:
    """Where one reader stands in one log.

    `live_from` is where the log ended when the reader came: what lies before is replayed.
    `own` holds the positions ahead that the reader wrote and does not want back.
    """

    __slots__ = ("live_from", "log", "own", "position", "reader")

    def __init__(self, log: Log, reader: Reader, after: int | None = None) -> None:
        self.log = log
        self.reader = reader
        self.live_from = log.last
        self.position = log.last if after is None else min(after, log.last)
        self.own: deque[int] = deque()
        log.cursors.add(self)

    def close(self) -> None:
        """Read no more."""
        self.log.cursors.discard(self)

    def pass_over(self, position: int) -> None:
        """Move on, having read or left out everything up to `position`."""
        self.position = position
        while self.own and self.own[0] <= position:
            self.own.popleft()
