"""A front end that takes the whole terminal: a view for each room with its own scrollback, lists
beside it on a wide terminal, and the line of input at the bottom."""

import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindingsBase, KeyPressEvent, merge_key_bindings
from twisted.internet.defer import Deferred

from chatservice import names, replies
from chatservice.client import lineeditor, links, sidelists, statusline
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import INBOX, Incoming, Unread
from chatservice.client.folding import Folded
from chatservice.client.jsonconnection import Lost
from chatservice.client.lineeditor import KeyAction
from chatservice.client.panepainter import PanePainter, ScreenRow, StyleCodes, painted
from chatservice.client.panes import LISTS, Panes, panes
from chatservice.client.scrollback import Content, Item, Line, Scrollback
from chatservice.client.terminalscreen import Draw, TerminalScreen, erased_position
from chatservice.client.wrapping import Fragments, Span, screen_rows, shortened, width
from chatservice.entries import Entry, Kind
from chatservice.errors import Refusal
from chatservice.grammar.commands import Request

PAGE_ENTRIES = 100
"""Entries of the history that are asked for at once: two screens of fifty rows."""

_MOUSE_EVENT = re.compile(r"\x1b\[<(\d{1,3});(\d{1,4});(\d{1,4})([Mm])")
"""A mouse event of xterm's SGR form: the button, the column, the row, pressed or released."""

_WHEEL = {64: 3, 65: -3}
"""Rows up for each button of the wheel."""

DRAWN_KEPT = 400
"""Items of a view whose rows are kept ready: some screens."""


@dataclass(slots=True)
class View:
    """What is seen of one room: its scrollback, the half-typed line, and rows that are ready."""

    talk: Scrollback = field(default_factory=Scrollback)
    typed: Document = field(default_factory=Document)
    drawn: dict[int, tuple[Content, list[list[Span]]]] = field(default_factory=dict)
    loading: bool = False


class FullScreen(TerminalScreen):
    """A `TerminalScreen` with a view for each room. It shows the view of the current one."""

    shows_all_rooms = True

    def __init__(self, bell: bool = False) -> None:
        self._views: dict[str, View] = {}
        self._lists = "auto"
        self._use_mouse = True
        super().__init__(bell)
        self._shown_room = ""
        self._codes = StyleCodes(self._style, self._depth)
        self._links = links.knows_osc()
        self._painter = PanePainter(
            *(self._output, self._app, self._compose, lambda: self._use_mouse),
            self._editor.interrupt,
        )

    # -- views -----------------------------------------------------------------------------------

    def _view_of(self, room: str) -> View:
        view = self._views.get(room)
        if view is None:
            view = self._views[room] = View()
        return view

    @property
    def _view(self) -> View:
        """The view of the current room."""
        here = self._here()
        if here != self._shown_room:
            self._turn_to(here)
        return self._view_of(here)

    def _turn_to(self, room: str) -> None:
        """Make a room the shown one, with its half-typed line."""
        before = self._view_of(self._shown_room)
        view = self._view_of(room)
        if not self._shown_room:  # what was said before the first room stays to be seen
            view.talk = before.talk
            view.typed = self._editor.document
            del self._views[""]
        else:
            before.typed = self._editor.document
            before.talk.to_background()
            before.talk.mark_unread()
            before.drawn.clear()
        self._shown_room = room
        view.talk.to_foreground()
        self._editor.document = view.typed
        joined = {it.room for it in self._rooms}
        for gone in [it for it in self._views if it not in joined and it != room]:
            del self._views[gone]

    # -- output ----------------------------------------------------------------------------------

    def _add(self, draw: Draw) -> None:
        self._view.talk.add(draw, time.time())
        self._draw_soon()

    def _draw_soon(self) -> None:
        self._painter.draw_soon()

    def show_incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event in the view of its room."""
        view = self._view
        if incoming.log and incoming.log != INBOX:
            view = self._view_of(incoming.log)
        entry = incoming.item
        at = entry.time / 1000 if isinstance(entry, Entry) else time.time()
        view.talk.add(incoming, at, fold=True)
        self._erase(view, incoming)
        if self._bell and not incoming.late and self._renderer.is_for_user(incoming):
            self._painter.send("\a")
        self._draw_soon()

    def _erase(self, view: View, incoming: Incoming) -> None:
        """Take out what an entry erases."""
        erased = erased_position(incoming)
        at = view.talk.index_of(erased) if erased is not None else None
        if at is not None:
            content = view.talk.items[at].content
            assert erased is not None
            assert isinstance(content, Incoming)
            gone = Entry(Kind.GONE, content.item.time, content.item.who)  # type: ignore[union-attr]
            view.talk.rewrite(erased, gone)

    def _show_past(self, it: replies.History) -> None:
        for position, entry in it.entries:
            incoming = Incoming(entry, it.room, position)
            self._add(lambda incoming=incoming: self._renderer.replayed(incoming))

    def show_switch(self, unread: Unread) -> None:
        """Show the view of the new current room."""
        self._draw_soon()

    def show_pending(self, key: str, request: Request) -> None:
        """Show a text as waiting, below the newest entries."""
        self._to_end()
        super().show_pending(key, request)

    def _echo(self, prompt: str, line: str) -> None:
        self._to_end()
        super()._echo(prompt, line)

    def forget_behind(self, room: str, position: int) -> None:
        """Remove the entries of a room behind a position."""
        self._view_of(room).talk.forget_behind(position)
        self._draw_soon()

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """Show a stored text in its room; show a refused one as it was typed."""
        request = self._pending.take(key)
        if request is None:
            return
        room, now = request.args.get("room"), time.time()
        if stored and room is not None:
            kind, text = request.command.talk or Kind.MESSAGE, names.clean(request.args["text"])
            own = Incoming(Entry(kind, round(now * 1000), self._name(), text), room, position)
            self._view_of(room).talk.add(own, now)
        else:
            rows = self._pending.shown(request, stored)
            self._add(lambda: rows)
        self._draw_soon()

    async def close(self) -> None:
        """Show the screen that was there before, and below it the last words of this one."""
        last = self._last_words()
        await super().close()
        self._painter.leave()
        self._output.write_raw("".join(f"{row}\r\n" for row in last))
        self._output.flush()

    def _last_words(self) -> list[str]:
        """Return the rows of the client itself at the end of the view."""
        rows: list[str] = []
        for item in reversed(self._view.talk.items[-3:]):
            if isinstance(item.content, Incoming | Folded):
                break
            spans = screen_rows(item.content(), self._columns())
            rows = [painted(row, self._codes, False) for row in spans] + rows
        return rows

    # -- rows ------------------------------------------------------------------------------------

    def _panes(self) -> Panes:
        size = self._output.get_size()
        return panes(size.columns, size.rows, self._lists)

    def _talk_columns(self) -> int:
        return self._panes().talk

    def _compose(self, height: int) -> Sequence[ScreenRow]:
        """Return the rows above the line of input."""
        parts = self._panes()
        title = parts.title and height > 1
        below = height - title
        talk = self._talk_rows(below)
        rows = [[(parts.rooms, row)] for row in talk]
        self._beside(rows, parts, below)
        done = [tuple(row) for row in rows]
        return [self._title(), *done] if title else done

    def _beside(self, rows: list[list[tuple[int, str]]], parts: Panes, height: int) -> None:
        """Put the lists beside the talk."""
        if self._session is None:
            return
        state = self._session.state
        if parts.rooms:
            listed = sidelists.room_rows(state, parts.rooms, height)
            bare = [Span("", " " * (parts.rooms - 1)), sidelists.LINE]
            for y, row in enumerate(rows):
                left = listed[y] if y < len(listed) else bare
                row.insert(0, (0, painted(left, self._codes, False)))
        room = state.rooms.get(state.current_room)
        if parts.users and room is not None:
            users = sidelists.user_rows(
                *(room.present, state.name, parts.users, height), self._depth
            )
            for y, row in enumerate(rows):
                right = users[y] if y < len(users) else [sidelists.LINE]
                row.append((parts.rooms + parts.talk, painted(right, self._codes, False)))

    def _title(self) -> ScreenRow:
        """Return the row with the room's name and topic."""
        room = self._session.state.rooms.get(self._here()) if self._session is not None else None
        text = "chat-client"
        if room is not None:
            text = f"{room.room} ({room.present.count})" + (f": {room.topic}" if room.topic else "")
        columns = self._columns()
        text = shortened(names.one_line(text), columns - 1)
        row = [Span("class:title", f" {text}".ljust(columns - width(text) - 1 + len(text) + 1))]
        return ((0, painted(row, self._codes, False)),)

    def _talk_rows(self, height: int) -> list[str]:
        """Return the rows of the talk, at the bottom of their pane."""
        view = self._view
        below = view.talk.items_below
        if below or not view.talk.at_end:
            height -= 1
        lines = view.talk.lines(height, self._row_count)
        rows = [painted(self._row(view, line), self._codes, self._links) for line in lines]
        rows = [""] * (height - len(rows)) + rows
        if below or not view.talk.at_end:
            rows.append(painted(self._more_below(below), self._codes, False))
        if not lines or lines[0].item == 0:
            self._load_older(view)
        if lines and not view.talk.at_end and lines[-1].item == len(view.talk.items) - 1:
            self._load_newer(view)
        return rows

    def _more_below(self, below: int) -> list[Span]:
        count = f"{below} more below" if self._view.talk.at_end else "more below"
        return screen_rows(
            self._renderer.heading(f"{count}; End goes there"), self._talk_columns()
        )[0]

    def _row_count(self, at: int) -> int:
        view = self._view
        return len(self._headings(view, at)) + len(self._body(view, at))

    def _row(self, view: View, line: Line) -> list[Span]:
        headings = self._headings(view, line.item)
        if line.row < len(headings):
            return headings[line.row]
        row = self._body(view, line.item)[line.row - len(headings)]
        if view.talk.items[line.item].serial != view.talk.selected:
            return row
        return [Span(f"{style} class:selected", text, link) for style, text, link in row]

    def _headings(self, view: View, at: int) -> list[list[Span]]:
        """Return the rows before an item: a new day, the first unread entry."""
        items, renderer = view.talk.items, self._renderer
        rows = Fragments()
        item = items[at]
        if at == 0 or _day(items[at - 1].time) != _day(item.time):
            rows += renderer.heading(renderer.day(item.time), "class:day")
        if item.serial == view.talk.unread_from and at:
            rows += renderer.heading("unread")
        return screen_rows(rows, self._talk_columns()) if rows else []

    def _body(self, view: View, at: int) -> list[list[Span]]:
        item = view.talk.items[at]
        found = view.drawn.get(item.serial)
        if found is None or found[0] is not item.content:
            if len(view.drawn) >= DRAWN_KEPT:
                view.drawn.clear()
            rows = screen_rows(self._draw(item), self._talk_columns())
            found = view.drawn[item.serial] = item.content, rows
        return found[1]

    def _draw(self, item: Item) -> Fragments:
        if isinstance(item.content, Incoming | Folded):
            return self._renderer.shown(item.content, item.time)
        return item.content()

    def _status(self, session: ClientSession) -> Fragments:
        listed = not self._panes().rooms
        return statusline.room_row(session.state, session.connected, self._columns(), listed)

    # -- older and newer entries -----------------------------------------------------------------

    def _load_older(self, view: View) -> None:
        """Ask for the entries before those that are there."""
        if view.talk.has_older:
            before = view.talk.first_position or None
            self._load(view, view.talk.add_older, before=before)

    def _load_newer(self, view: View) -> None:
        """Ask for the entries behind those that are there."""
        room = self._here()

        def add(entries: Sequence[Incoming]) -> None:
            state = self._session.state.rooms.get(room) if self._session is not None else None
            view.talk.add_newer(entries, state.position if state is not None else 0)

        self._load(view, add, after=view.talk.last_position)

    def _load(self, view: View, add: Callable[[Sequence[Incoming]], None], **where: Any) -> None:
        """Ask for a page of the current room's history, and add it to the view."""
        session, room = self._session, self._here()
        if view.loading or session is None or room not in session.state.rooms:
            return

        async def load() -> None:
            try:
                found = await session.ask("history", room=room, limit=PAGE_ENTRIES, **where)
                add([Incoming(entry, room, position) for position, entry in found.entries])
            except Refusal:
                view.talk.has_older = False
            finally:
                view.loading = False
            self._draw_soon()

        view.loading = True
        loading = Deferred.fromCoroutine(load())
        loading.addErrback(lambda failure: failure.trap(Lost) and None)

    # -- keys ------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindingsBase:
        empty = Condition(lambda: not self._editor.document.text)
        acts: dict[str, KeyAction] = {
            "pageup": lambda event: self._scroll(self._page()),
            "pagedown": lambda event: self._scroll(-self._page()),
            "escape up": lambda event: self._switch_by(-1),
            "escape down": lambda event: self._switch_by(1),
            "escape home": lambda event: self._to_top(),
            "escape end": lambda event: self._to_end(),
            "escape l": lambda event: self._next_lists(),
            "c-l": lambda event: self._repaint(),
            "c-z": lambda event: run_in_terminal(self._stop),
            "<vt100-mouse-event>": self._mouse,
        }
        when_empty: dict[str, KeyAction] = {
            "home": lambda event: self._to_top(),
            "end": lambda event: self._to_end(),
        }
        shared = super()._keys()
        own = [lineeditor.bound(acts), lineeditor.bound(when_empty, empty)]
        return merge_key_bindings([shared, *own])

    def _talk_height(self) -> int:
        size = self._output.get_size()
        return max(size.rows - self._painter.input_height - self._panes().title, 1)

    def _page(self) -> int:
        return max(self._talk_height() - 2, 1)

    def _scroll(self, by: int) -> None:
        self._view.talk.scroll(by, self._talk_height(), self._row_count)
        self._draw_soon()

    def _to_top(self) -> None:
        self._view.talk.to_top(self._talk_height(), self._row_count)
        self._draw_soon()

    def _to_end(self) -> None:
        self._view.talk.to_end()
        self._draw_soon()

    def _next_lists(self) -> None:
        """Show other lists beside the talk."""
        size, at = self._output.get_size(), LISTS.index(self._lists)
        for lists in LISTS[at + 1 :] + LISTS[:at]:
            if panes(size.columns, size.rows, lists) != self._panes():
                self._lists = lists
                break
        self._repaint()

    def _repaint(self) -> None:
        for view in self._views.values():
            view.drawn.clear()
        self._painter.repaint()

    def _stop(self) -> None:
        """Give the terminal back to the shell, until `fg`."""
        self._painter.leave()
        os.kill(0, signal.SIGTSTP)

    def _mouse(self, event: KeyPressEvent) -> None:
        """Scroll by the wheel; go to the room that is pressed in the list."""
        found = _MOUSE_EVENT.fullmatch(event.data)
        if found is None:
            return
        button, x, y = int(found[1]), int(found[2]) - 1, int(found[3]) - 1
        if button in _WHEEL:
            self._scroll(_WHEEL[button])
        elif button == 0 and found[4] == "M":
            self._pressed(x, y - self._panes().title)

    def _pressed(self, x: int, y: int) -> None:
        parts = self._panes()
        if self._session is None or not 0 <= y < self._talk_height():
            return
        if x < parts.rooms:
            rooms = self._rooms
            here = next((n for n, it in enumerate(rooms) if it.room == self._here()), 0)
            part = sidelists.visible_part(len(rooms), here, self._talk_height())
            if y < len(part):
                self._switch_to(part[y] + 1)


def _day(time_: float) -> int:
    return time.localtime(time_).tm_yday
