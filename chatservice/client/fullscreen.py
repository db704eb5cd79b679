"""A front end that takes the whole terminal: a view for each room and each private talk, with its
own scrollback, lists beside it on a wide terminal, and the line of input at the bottom."""

import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
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
from chatservice.client.dates import parsed_time
from chatservice.client.folding import Folded
from chatservice.client.lineeditor import InputHistory, KeyAction
from chatservice.client.owncommands import OwnCommand
from chatservice.client.panepainter import PanePainter, ScreenRow, StyleCodes, painted
from chatservice.client.panes import LISTS, Panes, panes
from chatservice.client.privatetalk import partner_of
from chatservice.client.readmarks import ReadMarks
from chatservice.client.settings import ChosenPreferences
from chatservice.client.talkcursor import TalkCursor
from chatservice.client.talkpane import TalkPane
from chatservice.client.terminalscreen import Draw, TerminalScreen, erased_position
from chatservice.client.transferjournal import state_folder
from chatservice.client.typists import Typists
from chatservice.client.views import Views
from chatservice.client.wrapping import Fragments, Span, screen_rows, shortened, width, wrapped
from chatservice.entries import Entry
from chatservice.errors import Code, Refusal
from chatservice.events import UserTyping
from chatservice.grammar.commandtypes import ALL_ROOMS, Request

_MOUSE_EVENT = re.compile(r"\x1b\[<(\d{1,3});(\d{1,4});(\d{1,4})([Mm])")
"""A mouse event of xterm's SGR form: the button, the column, the row, pressed or released."""

_WHEEL = {64: 3, 65: -3}
"""Rows up for each button of the wheel."""

_GO_HELP = (
    "/go #N, /go ROOM #N, /go TIME, /go unread, /go mention, /go back - shows another part of the "
    "talk"
)

_SELECTING = "r reply, e edit, + react, c copy, o open, p plain, x erase, g go; Esc ends"
"""The keys that are told below the line of input while a message is selected."""

KEY_HELP = (
    *lineeditor.KEY_HELP,
    "PgUp, PgDn, the wheel: scroll",
    "Alt+Home, Alt+End: oldest, newest",
    "Alt+Up, Alt+Down: previous, next room",
    "Alt+L: other lists beside the talk",
    "Alt+S, or a click: select a message",
    "Alt+M: your last mention",
    "Alt+U: where the unread talk begins",
    "Ctrl+O: back; /go: to #N, or a time",
    "Up on an empty line: edit your last",
)
"""The lines of `/help keys`: 24 rows of forty columns show them all. Those for a selected message
are shown while one is selected."""


class FullScreen(TerminalScreen):
    """A `TerminalScreen` with a view for each room. It shows the view of the current one."""

    shows_all_rooms = True
    first_hint = "PgUp scrolls, Alt+S selects a message; /help keys lists the keys."
    key_help = KEY_HELP

    def __init__(self, reactor: Any, chosen: ChosenPreferences) -> None:
        super().__init__(reactor, chosen)
        self.own_commands["go"] = OwnCommand(_GO_HELP, _go_words, self._go)
        self._views = Views(self._draw_soon, self.refuse)
        self._pane = TalkPane(self._views, self._renderer)
        self._cursor = TalkCursor(
            *(self._views, self._pane, self._send, self.notify),
            *(self._editor.submit, self._begin_line),
        )
        self._alone: list[str] = []
        self._marks: ReadMarks | None = None
        self._typing: Typists | None = None
        self._read: dict[str, int] = {}
        self._codes = StyleCodes(self._theme, self._depth)
        self._parts = self._panes()
        self._links = links.knows_osc()
        self._painter = PanePainter(
            *(self._output, self._app, self._compose, self._wants_mouse),
            self._editor.interrupt,
        )

    def attach(self, session: ClientSession, switch: Callable[[str], None]) -> None:
        """Use a session for the views, the status line and completion."""
        super().attach(session, switch)
        self._views.session = session
        self._marks = ReadMarks(self._reactor, session)
        self._typing = Typists(self._reactor, session, self._draw_soon)
        self._editor.edited = self._tell_typing

    def _tell_typing(self) -> None:
        """Tell the room that the user is typing talk."""
        text = self._editor.document.text
        wanted = self._chosen.now.typing == "on" and self._here()[:1] not in ("", INBOX)
        if self._typing is not None and wanted and text and text[0] not in "/@":
            self._typing.typed(self._here())

    def _turn(self) -> None:
        """Show the view of the current room."""
        here = self._here()
        if here != self._views.shown:
            typed = self._views.turn_to(here, self._editor.document)
            view = self._views.current
            view.history = view.history or InputHistory(state_folder() / "typed", here)
            self._editor.turn_to(view.history, typed)
            if self._session is not None and here in self._session.state.rooms:
                learning = Deferred.fromCoroutine(self._session.rooms.learn_members(here))
                learning.addCallback(lambda _: self._draw_soon())

    # -- output ----------------------------------------------------------------------------------

    def _add(self, draw: Draw) -> None:
        self._turn()
        self._views.current.talk.add(draw, time.time())
        self._draw_soon()

    def _draw_soon(self) -> None:
        self._painter.draw_soon()

    def refuse(self, refusal: Refusal) -> None:
        """Show a refusal where it is seen: below the newest entries."""
        self._to_end()
        super().refuse(refusal)

    def _send(self, sequence: str) -> None:
        if sequence:
            self._painter.send(sequence)

    def _apply(self) -> None:
        super()._apply()
        self._codes = StyleCodes(self._theme, self._depth)
        self._repaint()

    def show_incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event in the view of its room."""
        self._turn()
        entry, room = incoming.item, incoming.log or self._views.shown
        if self._typing is not None and isinstance(entry, UserTyping):
            self._typing.heard(entry.room, entry.who)
            self._draw_soon()
            return
        erased = erased_position(incoming)
        if room == INBOX and erased is not None:
            self._views.erase_private(erased)
            self._draw_soon()
            return
        if room == INBOX and isinstance(entry, Entry):
            room = self._talk_with(partner_of(entry))
        elif self._typing is not None and isinstance(entry, Entry):
            self._typing.said(room, entry.who)
        at = entry.time / 1000 if isinstance(entry, Entry) else time.time()
        if self._views.annotate(room, incoming):
            self._tell(incoming)
            self._draw_soon()
            return
        folding = self._chosen.now.folding == "on"
        self._views.of(room).talk.add(incoming, at, fold=folding)
        if erased is not None:
            self._views.erase(room, erased)
        self._tell(incoming)
        self._draw_soon()

    def _show_past(self, it: replies.History) -> None:
        for (position, entry), log in zip(it.entries, it.logs, strict=True):
            incoming, named = Incoming(entry, log, position), it.room == ALL_ROOMS
            self._add(partial(self._renderer.replayed, incoming, named))
        if isinstance(it, replies.SearchMatches) and it.room != INBOX:
            place = "ROOM " if it.room == ALL_ROOMS else f"{it.room} " * (it.room != self._here())
            self.notify(f"/go {place}#N shows one in its place; Ctrl+O comes back.")

    def show_switch(self, unread: Unread) -> None:
        """Show the view of the new current room, with a mark where the unread entries begin."""
        self._views.mark_unread_behind(unread.room, unread.after if unread.unread else None)
        self._turn()
        self._draw_soon()

    def mark_unread(self, room: str, position: int) -> None:
        """Show the mark of the unread entries before a position."""
        self._views.mark_unread_behind(room, position - 1)
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
        self._views.of(room).talk.forget_behind(position)
        self._draw_soon()

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """Show a refused text as it was typed, and a private one also where it was typed. A stored
        one comes to its view as all entries do."""
        request = self._pending.take(key)
        if request is None:
            return
        to = request.args.get("to", "")
        if not stored or (to and self._talk_with(to) != self._views.shown):
            rows = self._pending.shown(request, stored)
            self._add(lambda: rows)
        self._draw_soon()

    def _talk_with(self, name: str) -> str:
        """Return the name of the view of the talk with a user."""
        return self._session.state.private.of(name).room if self._session is not None else ""

    def tell_read(self) -> None:
        """Tell the server how far the user has read."""
        if self._marks is not None:
            self._marks.close()

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
        for item in reversed(self._views.current.talk.items[-3:]):
            if isinstance(item.content, Incoming | Folded):
                break
            spans = screen_rows(item.content(), self._columns())
            rows = [painted(row, self._codes, False) for row in spans] + rows
        return rows

    # -- rows ------------------------------------------------------------------------------------

    def _panes(self) -> Panes:
        size = self._output.get_size()
        parts = panes(size.columns, size.rows, self._chosen.now.lists)
        if self._here().startswith(INBOX):  # nobody else is there
            parts = parts._replace(users=0, talk=parts.talk + parts.users)
        return parts

    def _talk_columns(self) -> int:
        return self._parts.talk

    def _compose(self, height: int) -> Sequence[ScreenRow]:
        """Return the rows above the line of input."""
        self._turn()
        parts = self._parts = self._panes()
        if self._alone:
            return [((0, it),) for it in self._alone[:height]]
        title = parts.title and height > 1
        talk = [(parts.rooms, self._painted(row)) for row in self._pane.rows(height - title)]
        self._note_read()
        rows = [[row] for row in talk]
        self._put_lists_beside(rows, parts)
        done = [tuple(row) for row in rows]
        return [self._title(), *done] if title else done

    def _note_read(self) -> None:
        """Note that the newest entries of the room are seen."""
        room, talk = self._views.shown, self._views.current.talk
        state = self._session.state.rooms.get(room) if self._session is not None else None
        if self._marks is None or state is None or talk.place is not None or not talk.at_end:
            return
        if state.position > self._read.get(room, 0):
            self._read[room] = state.position
            self._marks.seen(room, state.position)

    def _painted(self, row: list[Span]) -> str:
        return painted(row, self._codes, self._links)

    def _put_lists_beside(self, rows: list[list[tuple[int, str]]], parts: Panes) -> None:
        """Put the lists of rooms and users beside the talk."""
        if self._session is None:
            return
        state, height = self._session.state, len(rows)
        if parts.rooms:
            listed = sidelists.room_rows(state, parts.rooms, height)
            bare = [Span("", " " * (parts.rooms - 2)), sidelists.LINE]
            for y, row in enumerate(rows):
                row.insert(0, (0, self._painted(listed[y] if y < len(listed) else bare)))
        room = state.rooms.get(state.current_room)
        if parts.users and room is not None:
            sizes = parts.users, height
            users = sidelists.user_rows(room, state.name, *sizes, self._depth)
            for y, row in enumerate(rows):
                right = users[y] if y < len(users) else [sidelists.LINE]
                row.append((parts.rooms + parts.talk, self._painted(right)))

    def _title(self) -> ScreenRow:
        """Return the row with the room's name and topic."""
        room = self._session.state.rooms.get(self._here()) if self._session is not None else None
        text, partner = "chat-client", self._here().removeprefix(INBOX)
        if partner != self._here():
            text = f"@{partner}: only {partner} and you read this"
        if room is not None:
            count = room.present.more + len(room.present.with_own(self._name()))
            text = f"{room.room} ({count})" + (f": {room.topic}" if room.topic else "")
        columns = self._columns() - 1
        text = shortened(names.one_line(text), columns, at_end=True)
        spaces = " " * max(columns - width(text), 0)
        return ((0, self._painted([Span("class:title", f" {text}{spaces}")])),)

    def _status(self, session: ClientSession) -> Fragments:
        listed = not self._panes().rooms
        if self._cursor.active:
            return wrapped([("class:mark", _SELECTING)], self._columns(), indent=0)
        columns = self._columns()
        typing = self._typing.text(self._here()) if self._typing is not None else ""
        if width(typing) > columns // 2:
            typing = ""
        row = statusline.room_row(
            session.state, session.connected, columns - width(typing) - 1, listed
        )
        gap = columns - 1 - width(typing) - sum(width(text) for _, text in row)
        return [*row, ("class:time", " " * gap + typing)] if typing else row

    # -- keys ------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindingsBase:
        selecting = Condition(lambda: self._cursor.active or bool(self._alone))
        empty = Condition(lambda: not self._editor.document.text)
        acts: dict[str, KeyAction] = {
            "pageup": lambda event: self._scroll(self._page()),
            "pagedown": lambda event: self._scroll(-self._page()),
            "escape up": lambda event: self._switch_by(-1),
            "escape down": lambda event: self._switch_by(1),
            "escape home": lambda event: self._to_top(),
            "escape end": lambda event: self._to_end(),
            "escape l": lambda event: self._next_lists(),
            "escape s": lambda event: self._select(0),
            "escape m": lambda event: self._views.go_to_mention(),
            "escape u": lambda event: self._views.go_to_unread(),
            "c-o": lambda event: self._views.go_back(self._switch),
            "c-l": lambda event: self._repaint(),
            "c-z": lambda event: run_in_terminal(self._stop),
            "<vt100-mouse-event>": self._mouse,
        }
        up = lambda event: self._cursor.edit_last() or event.current_buffer.auto_up()  # noqa: E731
        when_empty: dict[str, KeyAction] = {
            "home": lambda event: self._to_top(),
            "end": lambda event: self._to_end(),
            "up": up,
        }
        return merge_key_bindings(
            [
                super()._keys(),
                lineeditor.bound(acts),
                lineeditor.bound(when_empty, empty),
                lineeditor.bound(self._selecting_keys(), selecting, eager=True),
            ]
        )

    def _selecting_keys(self) -> dict[str, KeyAction]:
        """Return the keys while a message is selected."""
        done: KeyAction = lambda event: self._deselect()  # noqa: E731
        return {
            "<any>": self._type_on,
            "escape": self._escape,
            **dict.fromkeys(("enter", "q", "c-g"), done),
            **dict.fromkeys(("up", "k", "c-p"), lambda event: self._select(-1)),
            **dict.fromkeys(("down", "j", "c-n"), lambda event: self._select(1)),
            "pageup": lambda event: self._select(-10),
            "pagedown": lambda event: self._select(10),
            "c": lambda event: self._act(self._cursor.copy),
            "o": lambda event: self._act(self._cursor.open),
            "x": lambda event: self._act(self._cursor.erase),
            "r": lambda event: self._act(self._cursor.reply),
            "e": lambda event: self._act(self._cursor.edit),
            "+": lambda event: self._act(self._cursor.react),
            "g": lambda event: self._act(self._cursor.go_to_replied),
            "p": lambda event: self._show_alone(),
            "m": lambda event: self._views.go_to_mention(),
            "c-o": lambda event: self._views.go_back(self._switch),
            "c-c": done,
            "<vt100-mouse-event>": self._mouse,
        }

    def _escape(self, event: KeyPressEvent) -> None:
        """End the selection. If another key came with it, that was Alt: Alt+M looks further up."""
        waiting = event.key_processor.input_queue
        if waiting and waiting[0].key == "m" and not self._alone:
            waiting.popleft()
            self._views.go_to_mention()
            return
        self._deselect()
        if waiting:
            event.key_processor.feed(event.key_sequence[-1], first=True)

    def _type_on(self, event: KeyPressEvent) -> None:
        """End the selection by a key that does nothing with it, so that one can type on."""
        was_alone = bool(self._alone)
        if was_alone or not event.data.startswith("\x1b"):  # what terminals answer begins so, too
            self._deselect()
            if not was_alone:
                event.key_processor.feed(event.key_sequence[-1], first=True)

    def _select(self, by: int) -> None:
        if self._alone:
            self._show_alone()
            return
        self._cursor.move(by)
        self._draw_soon()

    def _act(self, act: Callable[[], None]) -> None:
        self._alone.clear()
        act()
        self._draw_soon()

    def _deselect(self) -> None:
        if not self._alone:
            self._cursor.leave()
        self._alone.clear()
        self._repaint()

    def _show_alone(self) -> None:
        """Show the text of the selected message and nothing else, or everything again. Meanwhile
        the mouse selects text."""
        self._alone = [] if self._alone else [names.clean(it) for it in self._cursor.plain()]
        self._repaint()

    def _begin_line(self, line: str) -> None:
        self._editor.document = Document(line)

    def _wants_mouse(self) -> bool:
        return self._chosen.now.mouse == "on" and not self._alone

    def _page(self) -> int:
        return max(self._pane.height - 2, 1)

    def _scroll(self, by: int) -> None:
        self._pane.scroll(by)
        self._draw_soon()

    def _to_top(self) -> None:
        self._pane.to_top()
        self._draw_soon()

    def _to_end(self) -> None:
        self._views.current.talk.to_end()
        self._draw_soon()

    def _next_lists(self) -> None:
        """Show other lists beside the talk."""
        size, at = self._output.get_size(), LISTS.index(self._chosen.now.lists)
        for lists in LISTS[at + 1 :] + LISTS[:at]:
            if panes(size.columns, size.rows, lists) != self._panes():
                self._choose("lists", lists)
                return

    def _repaint(self) -> None:
        self._views.forget_drawn()
        self._painter.repaint()

    def _stop(self) -> None:
        """Give the terminal back to the shell, until `fg`."""
        self._painter.leave()
        os.kill(0, signal.SIGTSTP)

    def _mouse(self, event: KeyPressEvent) -> None:
        """Scroll by the wheel; go to the room, or select the message, that is pressed."""
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
        if x >= parts.rooms:
            if x < parts.rooms + parts.talk:
                self._cursor.select(self._pane.item_at(y))
                self._draw_soon()
            return
        places = self._places
        here = next((n for n, it in enumerate(places) if it.room == self._here()), 0)
        part = sidelists.visible_part(len(places), here, self._pane.height)
        if 0 <= y < len(part):
            self._switch_to(part[y] + 1)

    # -- going elsewhere ------------------------------------------------------------------------

    def _go(self, where: str) -> None:
        """Show another part of the talk. Raises `Refusal`."""
        elsewhere = _POSITION.fullmatch(where)
        if where == "mention":
            self._views.go_to_mention()
        elif where == "unread":
            self._views.go_to_unread()
        elif where == "back":
            self._views.go_back(self._switch)
        elif elsewhere is not None:
            self._go_to_room(elsewhere[1], int(elsewhere[2]))
        else:
            moment = parsed_time(where, datetime.now())
            if moment is None:
                raise Refusal(
                    Code.BAD_ARGUMENT,
                    "Go where? Type #N, ROOM #N, a time (14:30), a day (2026-11-20), unread, "
                    "mention or back.",
                )
            self._views.go_to_time(moment)

    def _go_to_room(self, room: str | None, position: int) -> None:
        """Show an entry of a joined room; None stands for the shown one. Raises `Refusal`."""
        found = self._session.state.find(room) if self._session and room else None
        if room and found is None:
            raise Refusal(Code.NOT_IN_ROOM, "You are not in that room; join it, and try again.")
        self._views.go_to(position, found.room if found else self._here(), self._switch)


_POSITION = re.compile(r"(?:(.+?) ?#|#?)([0-9]{1,18})")
"""A position, and before it perhaps the name of a room. Without a room, it needs no `#`."""


def _go_words(words: list[str]) -> tuple[str, ...]:
    return () if words else ("unread", "mention", "back", "today", "yesterday")
