"""A front end on a terminal: a line of input at the bottom, and rows of talk above it."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from chatservice import replies
from chatservice.client import lineeditor, rendering, statusline, typedlines
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import Incoming, RoomState, Unread
from chatservice.client.frames import FrameOutput, FrameWriter
from chatservice.client.lineeditor import InputHistory, KeyAction, LineEditor
from chatservice.client.rendering import RowRenderer
from chatservice.client.screen import InputEnded, Screen
from chatservice.client.statusline import PROMPT, PendingTexts
from chatservice.client.tabcompletion import TabCompleter
from chatservice.client.transferconnection import Progress
from chatservice.client.transferjournal import state_folder
from chatservice.client.wrapping import Fragments, wrapped
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat, textparser
from chatservice.grammar.commands import Request


class TerminalScreen(Screen):
    """A `Screen` on a terminal, for the asyncio reactor.

    With `bell`, it rings the bell when the user is mentioned, or gets a private message.
    """

    interactive = True
    can_ask = True
    write_error = None
    key_help = lineeditor.KEY_HELP

    def __init__(self, bell: bool = False) -> None:
        depth = rendering.colour_depth()
        style = rendering.terminal_style(depth)
        output = FrameOutput.from_stdout()
        self._columns = lambda: output.get_size().columns
        self._bell = bell
        self._in_late = False
        self._session: ClientSession | None = None
        self._switch: Callable[[str], None] = lambda room: None
        self._renderer = RowRenderer(
            *(self._name, self._columns, depth, time.time),
            isolate=os.environ.get("TERM") != "linux",  # its font lacks the signs
        )
        self._pending = PendingTexts(self._renderer)
        self._transfers: tuple[Sequence[Progress], int, float] = ((), 0, 0.0)
        self._completer = TabCompleter()
        history = InputHistory(state_folder() / "typed")
        self._editor = LineEditor(
            *(output, style, depth, self._above, self._below),
            *(self._keys(), self._refused, history, self._completer),
        )
        self._app = self._editor.app
        self._frames = FrameWriter(output, self._app, style, depth, self._editor.interrupt)
        self._running: asyncio.Task[None] | None = None

    def _name(self) -> str:
        return self._session.state.name if self._session is not None else ""

    @property
    def _rooms(self) -> list[RoomState]:
        return list(self._session.state.rooms.values()) if self._session is not None else []

    def start(self, interrupted: Callable[[], None]) -> None:
        """Show the line of input."""
        self._editor.interrupted = interrupted
        run = self._app.run_async(set_exception_handler=False, handle_sigint=False)
        self._running = asyncio.ensure_future(run)
        self._running.add_done_callback(lambda _: self._editor.end())

    def attach(self, session: ClientSession, switch: Callable[[str], None]) -> None:
        """Use a session for the status line and for completion."""
        self._session = self._completer.session = session
        self._switch = switch

    async def close(self) -> None:
        """Draw the last rows, and remove the line of input."""
        self._frames.draw()
        if self._running is None:
            return
        if self._app.is_running and not self._app.is_done:
            self._app.exit()
        else:
            self._running.cancel()
        ended = Deferred.fromFuture(self._running)
        await ended.addErrback(lambda failure: failure.trap(asyncio.CancelledError, EOFError))

    # -- output ----------------------------------------------------------------------------------

    def show(self, lines: bytes) -> None:
        """Show lines."""
        self._frames.add(self._renderer.lines(lines))

    def show_incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event with its time, and a heading before missed entries."""
        if isinstance(incoming.item, Entry):
            if incoming.late and not self._in_late:
                self._frames.add(self._renderer.heading("missed meanwhile"))
            self._in_late = incoming.late
        self._show_entry(self._renderer.incoming(incoming), incoming)
        if self._bell and not incoming.late and self._renderer.is_for_user(incoming):
            self._frames.ring()

    def _show_entry(self, rows: Fragments, incoming: Incoming) -> None:
        """Show an entry's rows so that they can be replaced, and replace those of an erased one."""
        self._frames.add(rows, incoming)
        entry = incoming.item
        if isinstance(entry, Entry) and entry.kind == Kind.ERASED and entry.text.isdecimal():
            self._frames.replace(incoming.log, int(entry.text), self._renderer.erased)

    def show_reply(self, it: replies.Reply) -> None:
        """Show a reply."""
        if not isinstance(it, replies.History) or not it.entries:
            self._frames.add(self._renderer.reply(it))
            return
        for position, entry in it.entries:
            incoming = Incoming(entry, it.room, position)
            self._show_entry(self._renderer.replayed(incoming), incoming)
        if isinstance(it, replies.SearchMatches) and it.pending:
            self.show(textformat.INDEX_PENDING.encode())

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show a progress bar for each transfer."""
        self._transfers = under_way, waiting, now
        self._frames.draw_soon()

    def show_rooms(self) -> None:
        """Show the joined rooms in the status line."""
        self._frames.draw_soon()

    def show_unread(self, unread: Unread) -> None:
        """Show a heading before the unread entries."""
        if unread.unread:
            self._frames.add(self._renderer.heading(f"{unread.unread} unread"))
            self._in_late = True

    def show_pending(self, key: str, request: Request) -> None:
        """Show a text as waiting, until it is stored."""
        self._pending.add(key, request)
        self._frames.draw_soon()

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """Show a stored text with its time; show a refused one as it was typed."""
        room, entry = self._pending.room(key), None
        if stored and room is not None:
            own = Entry(Kind.MESSAGE, round(time.time() * 1000), self._name())
            entry = Incoming(own, room, position)
        self._frames.add(self._pending.resolve(key, stored), entry)

    def _above(self) -> Fragments:
        """Return the rows above the line of input: texts that wait for the server."""
        return self._pending.rows(self._editor.untaken)

    def _below(self) -> Fragments:
        """Return the rows below the line of input: transfers, and rooms or a question."""
        rows = statusline.transfer_rows(*self._transfers, self._columns())
        question = self._editor.paste_question
        if question:
            return rows + wrapped([("class:mark", question)], self._columns(), indent=0)
        session = self._session
        if session is None or not session.state.name:
            return rows
        return rows + statusline.room_row(session.state, session.connected, self._columns())

    # -- input -----------------------------------------------------------------------------------

    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line."""
        while True:
            editor = self._editor
            line = await (editor.ask(prompt, hidden, hold) if prompt else editor.line())
            if line is None:
                raise InputEnded
            if prompt:
                self._frames.add(self._renderer.echo(prompt, "" if hidden else line))
            elif not typedlines.is_talk(line):
                self._frames.add(self._renderer.echo(PROMPT, typedlines.masked(line)))
            try:
                return textparser.decode(line.encode(errors="surrogatepass"))
            except Refusal as refusal:
                self.refuse(refusal)

    def end_question(self) -> None:
        """Show the line of input again, and drop further answers."""
        self._editor.end_question()

    def _refused(self, sentence: str) -> None:
        self.refuse(Refusal(Code.TOO_LONG, sentence))

    # -- keys ------------------------------------------------------------------------------------

    def _keys(self) -> dict[str, KeyAction]:
        switch_to: dict[str, KeyAction] = {
            f"escape {digit}": lambda event: self._switch_to(int(event.key_sequence[-1].key))
            for digit in "123456789"
        }
        return switch_to | {
            "c-n": lambda event: self._switch_by(1),
            "c-p": lambda event: self._switch_by(-1),
            "escape a": lambda event: self._switch_to_unread(),
        }

    def _here(self) -> str:
        return self._session.state.current_room if self._session is not None else ""

    def _switch_by(self, by: int) -> None:
        here = next((n for n, it in enumerate(self._rooms) if it.room == self._here()), 0)
        if self._rooms:
            self._switch_to((here + by) % len(self._rooms) + 1)

    def _switch_to(self, number: int) -> None:
        """Go to a room by its number in the row."""
        rooms = self._rooms
        if 0 < number <= len(rooms) and rooms[number - 1].room != self._here():
            self._switch(rooms[number - 1].room)

    def _switch_to_unread(self) -> None:
        """Go to the next room with unread entries; one with a mention comes first."""
        unread = [(not it.mentioned, n) for n, it in enumerate(self._rooms, 1) if it.unread]
        if unread:
            self._switch_to(min(unread)[1])
