"""The pane of the talk: the rows of a view, at the width that they have now."""

import time
from functools import lru_cache

from chatservice.client.clientstate import Incoming
from chatservice.client.folding import Folded
from chatservice.client.rendering import RowRenderer
from chatservice.client.scrollback import Item, Line
from chatservice.client.views import Views
from chatservice.client.wrapping import Fragments, Span, screen_rows, width

DRAWN_KEPT = 400
"""Items of a view whose rows are kept: some screens."""


class TalkPane:
    """The rows of the view that is shown. `height` is that of the pane when it was last drawn."""

    def __init__(self, views: Views, renderer: RowRenderer) -> None:
        self.height = 1
        self._columns = 0
        self._views = views
        self._renderer = renderer

    def rows(self, height: int) -> list[list[Span]]:
        """Return the rows for a pane of this height, with the newest ones at its bottom.

        Where the view ends before the newest entry, the last row says so. Entries that are not
        there yet are asked for.
        """
        if self._columns != self._renderer.columns:
            self._columns = self._renderer.columns
            self._views.forget_drawn()
        talk = self._views.current.talk
        talk.show_sought(height, self.row_count)
        more = bool(talk.place is not None or not talk.at_end)
        self.height = height = max(height - more, 0)
        lines = talk.lines(height, self.row_count)
        rows = [self._row(line) for line in lines]
        rows = [[] for _ in range(height - len(rows))] + rows
        if more:
            rows.append(self._more_below())
        if not lines or lines[0].item == 0:
            self._views.load_older()
        if lines and not talk.at_end and lines[-1].item == len(talk.items) - 1:
            self._views.load_newer()
        return rows

    def _more_below(self) -> list[Span]:
        talk = self._views.current.talk
        count = f"{talk.items_below} more below" if talk.at_end else "more below"
        return screen_rows(self._heading(f"{count}; Alt+End goes there"), self._renderer.columns)[0]

    def scroll(self, by: int) -> None:
        """Move the view up by so many rows, or down."""
        self._views.current.talk.scroll(by, self.height, self.row_count)

    def to_top(self) -> None:
        """Show the oldest entries that are there."""
        self._views.current.talk.to_top(self.height, self.row_count)

    def reveal(self, serial: int) -> None:
        """Move the view as little as shows an item."""
        self._views.current.talk.reveal(serial, self.height, self.row_count)

    def item_at(self, y: int) -> Item | None:
        """Return the item in a row of the pane."""
        talk = self._views.current.talk
        lines = talk.lines(self.height, self.row_count)
        at = y - (self.height - len(lines))
        return talk.items[lines[at].item] if 0 <= at < len(lines) else None

    # -- the rows of an item ---------------------------------------------------------------------

    def row_count(self, at: int) -> int:
        """Return the number of rows of an item of the view, with the headings before it."""
        return len(self._headings(at)) + len(self._body(at))

    def _row(self, line: Line) -> list[Span]:
        headings, talk = self._headings(line.item), self._views.current.talk
        if line.row < len(headings):
            return headings[line.row]
        row = self._body(line.item)[line.row - len(headings)]
        if talk.items[line.item].serial != talk.selected:
            return row
        rest = self._renderer.columns - sum(width(text) for _, text, _ in row)
        filled = [*row, Span("", " " * rest)]
        return [Span(f"{style} class:selected", text, link) for style, text, link in filled]

    def _headings(self, at: int) -> list[list[Span]]:
        """Return the rows before an item: a new day, the first unread entry."""
        talk = self._views.current.talk
        item, rows = talk.items[at], Fragments()
        if at == 0 or _day(talk.items[at - 1].time) != _day(item.time):
            rows += self._heading(self._renderer.day(item.time), "class:day")
        if item.serial == talk.unread_from and at:
            rows += self._heading("unread")
        return screen_rows(rows, self._renderer.columns) if rows else []

    def _heading(self, text: str, style: str = "class:mark") -> Fragments:
        return self._renderer.heading(text, style)

    def _body(self, at: int) -> list[list[Span]]:
        view = self._views.current
        item = view.talk.items[at]
        found = view.drawn.get(item.serial)
        if found is None or found[0] is not item.content:
            if len(view.drawn) >= DRAWN_KEPT:
                view.drawn.clear()
            rows = screen_rows(self._drawn(item), self._renderer.columns)
            found = view.drawn[item.serial] = item.content, rows
        return found[1]

    def _drawn(self, item: Item) -> Fragments:
        if isinstance(item.content, Incoming | Folded):
            return self._renderer.shown(item.content, item.time)
        return item.content()


def _day(moment: float) -> tuple[int, int]:
    return _day_of_minute(int(moment // 60))


@lru_cache(maxsize=1024)
def _day_of_minute(minute: int) -> tuple[int, int]:
    local = time.localtime(minute * 60)
    return local.tm_year, local.tm_yday
