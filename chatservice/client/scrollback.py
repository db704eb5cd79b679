"""The scrollback of one room: a window of its log, with what the client itself showed in between,
and the place that the user looks at. No I/O, no terminal.

Only a window of the log is kept. At its end, new entries are added, and old ones leave at the top.
Further back, pages of the history are added on one side and leave on the other.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chatservice.client.clientstate import Incoming
from chatservice.client.folding import Folded, folded
from chatservice.client.wrapping import Fragments
from chatservice.entries import Entry
from chatservice.events import UserJoined, UserLeft

ITEMS_KEPT = 1000
"""Items of the shown room that are kept: twenty screens of fifty rows."""

ITEMS_IN_BACKGROUND = 200
"""Items of another room that are kept. With 200 rooms, they take about 30 MB of memory."""

BYTES_KEPT = 1 << 20
"""Bytes of the items of one room that are kept: a thousand usual messages have a tenth of it."""

SLACK = 64
"""Items above the bound before they are removed, so that not each new one moves all others."""

Content = Incoming | Folded | Callable[[], Fragments]
"""The content of an item: an entry or an event, folded arrivals, or rows of the client itself."""


@dataclass(slots=True, eq=False)
class Item:
    """A thing in the talk. `serial` numbers grow downwards. `time` is in seconds since 1970."""

    serial: int
    time: float
    content: Content

    @property
    def position(self) -> int:
        """The position of its entry in the room's log; 0 for anything else."""
        it = self.content
        is_entry = isinstance(it, Incoming) and isinstance(it.item, Entry)
        return it.position if is_entry else 0  # type: ignore[union-attr]

    @property
    def size(self) -> int:
        """Its estimated size, in bytes."""
        it = self.content
        if isinstance(it, Incoming) and isinstance(it.item, Entry):
            return 4 * len(it.item.text) + 200
        return 400


class Place(NamedTuple):
    """The bottom of the view: the item with that serial number, without its last `hidden` rows."""

    serial: int
    hidden: int = 0


class Line(NamedTuple):
    """A row of the view: the row with that index of the item with that index."""

    item: int
    row: int


RowCount = Callable[[int], int]
"""Returns the number of rows of the item with that index."""


class Scrollback:
    """The window of a log. Its `items` are in their order; those of entries have growing positions.

    place: the bottom of the view, or None to follow the newest.
    at_end: the newest entry of the log is in the window.
    has_older: the log may have entries before the window.
    selected: the serial number of the selected item, or None.
    sought: the serial number of the item that is to be in the middle of the view, or None.
    unread_from: the serial number of the first unread item, or None.
    """

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.place: Place | None = None
        self.at_end = True
        self.has_older = True
        self.selected: int | None = None
        self.sought: int | None = None
        self.unread_from: int | None = None
        self.kept = ITEMS_KEPT
        self._first, self._next = 0, 0
        self._size = 0

    # -- the window ------------------------------------------------------------------------------

    @property
    def first_position(self) -> int:
        """The position of the first entry in the window; 0 if there is none."""
        return next((it.position for it in self.items if it.position), 0)

    @property
    def last_position(self) -> int:
        """The position of the last entry in the window; 0 if there is none."""
        return next((it.position for it in reversed(self.items) if it.position), 0)

    def index(self, serial: int) -> int | None:
        """Return the index of the item with a serial number; None if it is not there."""
        at = bisect_left(self.items, serial, key=lambda it: it.serial)
        there = at < len(self.items) and self.items[at].serial == serial
        return at if there else None

    def index_of(self, position: int) -> int | None:
        """Return the index of the entry at a position of the log; None if it is not there."""
        found = (at for at, it in enumerate(self.items) if it.position == position)
        return next(found, None) if position else None

    def add(self, content: Content, time: float, fold: bool = False) -> bool:
        """Add what came now. Return whether it is in the window: not an entry that is there
        already, or while the window is further back. With `fold`, arrivals are folded."""
        item = Item(self._next, time, content)
        if item.position and (not self.at_end or item.position <= self.last_position):
            return False
        if item.position and self.place is not None and len(self.items) >= self.kept + SLACK:
            self.at_end = False  # the user reads further up, and what is read there stays
            return False
        if fold and self._fold(content):
            return True
        self._next += 1
        self.items.append(item)
        self._size += item.size
        if self.place is None:
            self._trim_top(SLACK)
        return True

    def _fold(self, content: Content) -> bool:
        """Add an arrival or a departure to the last item, if that is one, too."""
        last = self.items[-1] if self.items else None
        is_one = isinstance(content, Incoming) and isinstance(content.item, UserJoined | UserLeft)
        if last is None or not is_one or self._next == self.unread_from:
            return False
        before = last.content
        if isinstance(before, Incoming) and isinstance(before.item, UserJoined | UserLeft):
            before = folded(Folded(), before.item)
        if not isinstance(before, Folded):
            return False
        last.content = folded(before, content.item)  # type: ignore[union-attr,arg-type]
        return True

    def add_older(self, entries: Sequence[Incoming]) -> None:
        """Add a page of the history before the window. An empty one is the log's beginning."""
        before = self.first_position
        new = [it for it in entries if not before or it.position < before]
        self.has_older = bool(new)
        for each in reversed(new):
            self._first -= 1
            self.items.insert(0, Item(self._first, _time(each), each))
        self._size += sum(it.size for it in self.items[: len(new)])
        if len(self.items) > self.kept + SLACK:
            self._drop(slice(self.kept, None))
            self.at_end = False

    def add_newer(self, entries: Sequence[Incoming], end: int) -> None:
        """Add a page of the history behind the window. `end` is the last position of the log; an
        empty page is its end, too, because the history lists no annotations."""
        last = self.last_position
        for each in entries:
            if each.position > last:
                self.items.append(Item(self._next, _time(each), each))
                self._size += self.items[-1].size
                self._next += 1
        self.at_end = self.last_position >= end or not entries
        self._trim_top(0)

    def replace(self, entries: Sequence[Incoming], end: int) -> None:
        """Replace the window by another part of the log."""
        self._drop(slice(None))
        self.place = self.selected = None
        self.has_older = True
        self.add_newer(entries, end)
        self.place = Place(self.items[-1].serial) if self.items and not self.at_end else None

    def to_end(self) -> None:
        """Follow the newest entry. A window that is further back is emptied, to be read anew."""
        self.place = None
        if not self.at_end:
            self._drop(slice(None))
            self.at_end = self.has_older = True

    def rewrite(self, position: int, entry: Entry) -> None:
        """Put another entry in the place of the one at a position."""
        at = self.index_of(position)
        if at is not None:
            item = self.items[at]
            assert isinstance(item.content, Incoming)
            self._size -= item.size
            self.items[at] = Item(item.serial, item.time, item.content._replace(item=entry))
            self._size += self.items[at].size

    def forget_behind(self, position: int) -> None:
        """Remove the entries behind a position."""
        at = next((n for n, it in enumerate(self.items) if it.position > position), None)
        if at is not None:
            self._drop(slice(at, None))
            self.place = None

    def to_background(self) -> None:
        """Keep less of it: another room is shown now."""
        self.kept = ITEMS_IN_BACKGROUND
        self.place = self.selected = None
        if self.at_end:
            self._trim_top(0)
        elif len(self.items) > self.kept:
            self._drop(slice(self.kept, None))

    def to_foreground(self) -> None:
        """Keep more of it: this room is shown now."""
        self.kept = ITEMS_KEPT

    def mark_unread(self) -> None:
        """Let what comes from now on be unread."""
        self.unread_from = self._next

    def mark_unread_behind(self, position: int | None) -> None:
        """Let the entries behind a position of the log be unread, or none."""
        if position is None:
            self.unread_from = None
            return
        first = next((it.serial for it in self.items if it.position > position), self._next)
        self.unread_from = first

    def _trim_top(self, slack: int) -> None:
        """Remove the oldest items above the bounds."""
        over = len(self.items) - self.kept
        drop = over if over > slack else 0
        size = self._size - sum(it.size for it in self.items[:drop])
        while size > BYTES_KEPT and drop < len(self.items) - 1:
            size -= self.items[drop].size
            drop += 1
        if drop:
            self._drop(slice(0, drop))
            self.has_older = True

    def _drop(self, which: slice) -> None:
        self._size -= sum(it.size for it in self.items[which])
        del self.items[which]
        if self.selected is not None and self.index(self.selected) is None:
            self.selected = None

    # -- the view --------------------------------------------------------------------------------

    def lines(self, height: int, rows: RowCount) -> list[Line]:
        """Return the rows that a view of `height` rows shows, from its top to its bottom."""
        bottom = self._bottom(rows)
        lines: list[Line] = []
        if bottom is None or height <= 0:
            return lines
        at, row = bottom
        while at >= 0 and len(lines) < height:
            lines.append(Line(at, row))
            row -= 1
            while row < 0 <= at:
                at -= 1
                row = rows(at) - 1 if at >= 0 else -1
        return lines[::-1]

    def _bottom(self, rows: RowCount) -> Line | None:
        """Return the last row of the view. Items without rows are passed over."""
        at = len(self.items) - 1
        hidden = 0
        if self.place is not None:
            found = self.index(self.place.serial)
            if found is None:
                self.place = None
            else:
                at, hidden = found, self.place.hidden
        while at >= 0 and rows(at) == 0:
            at, hidden = at - 1, 0
        return Line(at, max(rows(at) - 1 - hidden, 0)) if at >= 0 else None

    def scroll(self, by: int, height: int, rows: RowCount) -> None:
        """Move the view up by so many rows, or down if `by` is negative, as far as there are rows.
        At the newest row of the log, follow it again."""
        bottom = self._bottom(rows)
        if bottom is None:
            return
        at, row = bottom
        row -= by
        while row < 0 and at > 0:
            at -= 1
            row += rows(at)
        row = max(row, 0)
        while at < len(self.items) - 1 and row >= rows(at):
            row -= rows(at)
            at += 1
        self._set_bottom(at, row, rows)
        self._fill(height, rows)

    def _set_bottom(self, at: int, row: int, rows: RowCount) -> None:
        count = rows(at)
        if at == len(self.items) - 1 and row >= count - 1:
            self.place = None if self.at_end else Place(self.items[at].serial, 0)
        else:
            self.place = Place(self.items[at].serial, count - 1 - row)

    def _fill(self, height: int, rows: RowCount) -> None:
        """Move the view down while it has empty rows at its top."""
        lacking = height - len(self.lines(height, rows))
        bottom = self._bottom(rows)
        if self.place is None or not lacking or bottom is None:
            return
        at, row = bottom
        row += lacking
        while at < len(self.items) - 1 and row >= rows(at):
            row -= rows(at)
            at += 1
        self._set_bottom(at, row, rows)

    def to_top(self, height: int, rows: RowCount) -> None:
        """Show the beginning of the window."""
        if self.items:
            self.place = Place(self.items[0].serial, max(rows(0) - 1, 0))
            self._fill(height, rows)

    def reveal(self, serial: int, height: int, rows: RowCount) -> None:
        """Move the view as little as shows the item with a serial number."""
        at = self.index(serial)
        if at is None:
            return
        shown = [line for line in self.lines(height, rows) if line.item == at]
        if len(shown) >= min(rows(at), height):
            return
        lines = self.lines(height, rows)
        above = not lines or at < lines[0].item or (at == lines[0].item and len(lines) > 1)
        if above:
            self.place = Place(serial, 0)
            self.scroll(-(height - min(rows(at), height)), height, rows)
        else:
            self._set_bottom(at, rows(at) - 1, rows)

    def show_sought(self, height: int, rows: RowCount) -> None:
        """Show the item that is sought in the middle of the view, if there is one."""
        at = self.index(self.sought) if self.sought is not None else None
        if at is not None:
            self.place = Place(self.items[at].serial)
            self.scroll(-max((height - rows(at)) // 2, 0), height, rows)
        self.sought = None

    @property
    def items_below(self) -> int:
        """The number of items below the view."""
        at = self.index(self.place.serial) if self.place is not None else None
        return len(self.items) - 1 - at if at is not None else 0


def _time(incoming: Incoming) -> float:
    assert isinstance(incoming.item, Entry)
    return incoming.item.time / 1000
