"""A front end on a terminal: a line of input at the bottom, and rows of talk above it, which scroll
off the top into the terminal's own scrollback."""

import time
from typing import Any

from chatservice import replies
from chatservice.client.clientstate import Incoming, Unread
from chatservice.client.frames import FrameWriter
from chatservice.client.settings import ChosenPreferences
from chatservice.client.terminalscreen import Draw, TerminalScreen, erased_position
from chatservice.client.wrapping import Fragments
from chatservice.entries import Entry, Kind
from chatservice.grammar.commandtypes import ALL_ROOMS


class InlineScreen(TerminalScreen):
    """A `TerminalScreen` that writes each row once, below all earlier ones."""

    def __init__(self, reactor: Any, chosen: ChosenPreferences) -> None:
        super().__init__(reactor, chosen)
        self._in_late = False
        self._frames = FrameWriter(
            *(self._output, self._app, self._style, self._depth, self._editor.interrupt)
        )

    async def close(self) -> None:
        """Draw the last rows, and remove the line of input."""
        self._frames.draw()
        await super().close()

    def _add(self, draw: Draw) -> None:
        self._frames.add(draw())

    def _draw_soon(self) -> None:
        self._frames.draw_soon()

    def _send(self, sequence: str) -> None:
        self._frames.send(sequence)

    def show_incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event with its time, and a heading before missed entries."""
        if isinstance(incoming.item, Entry):
            if incoming.late and not self._in_late:
                self._frames.add(self._renderer.heading("missed meanwhile"))
            self._in_late = incoming.late
        self._show_entry(self._renderer.incoming(incoming), incoming)
        self._tell(incoming)

    def _show_entry(self, rows: Fragments, incoming: Incoming) -> None:
        """Show an entry's rows so that they can be replaced, and replace those of an erased one."""
        self._frames.add(rows, incoming)
        erased = erased_position(incoming)
        if erased is not None:
            self._frames.replace(incoming.log, erased, self._renderer.erased)

    def _show_past(self, it: replies.History) -> None:
        for (position, entry), log in zip(it.entries, it.logs, strict=True):
            incoming = Incoming(entry, log, position)
            rows = self._renderer.replayed(incoming, named=it.room == ALL_ROOMS)
            self._show_entry(rows, incoming)

    def show_switch(self, unread: Unread) -> None:
        """Tell the current room, and show a heading before its unread entries."""
        super().show_switch(unread)
        if unread.unread:
            self._frames.add(self._renderer.heading(f"{unread.unread} unread"))
            self._in_late = True

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """Show a stored text with its time; show a refused one as it was typed."""
        room, entry = self._pending.room(key), None
        if stored and room is not None:
            own = Entry(Kind.MESSAGE, round(time.time() * 1000), self._name())
            entry = Incoming(own, room, position)
        self._frames.add(self._pending.resolve(key, stored), entry)
