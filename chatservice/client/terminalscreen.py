"""A front end for people: one line of input at the bottom, and all that comes above it."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from twisted.internet.defer import Deferred, DeferredQueue

from chatservice import replies
from chatservice.client import keys, pasting, statusline, theme, typedlines
from chatservice.client.around import SessionView
from chatservice.client.cursor import News, Unread
from chatservice.client.frames import EntryMark, FrameOutput, FrameWriter
from chatservice.client.inputhistory import InputHistory, masked
from chatservice.client.lineeditor import LineEditor
from chatservice.client.pendingtexts import PROMPT, PendingTexts
from chatservice.client.progress import Progress
from chatservice.client.rendering import RowRenderer
from chatservice.client.screen import InputEnded, RoomStatus
from chatservice.client.tabcompletion import TabCompleter
from chatservice.client.unfinished import state_folder
from chatservice.client.wrapping import Fragments, wrapped
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat, textparser
from chatservice.grammar.commands import Request

_SAID = frozenset({"say", "me", "msg"})


class TerminalScreen:
    """A `chatservice.client.screen.Screen` on a terminal, for the asyncio reactor.

    With `bell`, it sounds when one is named, or written to.
    """

    interactive = True
    can_ask = True
    write_error: str | None = None
    key_help: tuple[str, ...] = keys.KEY_HELP

    def __init__(self, bell: bool = False) -> None:
        depth = theme.colour_depth()
        style = theme.terminal_style(depth)
        output = FrameOutput.from_stdout()
        self._columns = lambda: output.get_size().columns
        self._bell = bell
        self._held = False
        self._late = False
        self._around: SessionView | None = None
        self._look = RowRenderer(
            *(self._name, self._columns, depth, time.time),
            isolate=os.environ.get("TERM") != "linux",  # its font has no signs for that
        )
        self._lines: DeferredQueue[str | None] = DeferredQueue()
        self._answers: DeferredQueue[str | None] = DeferredQueue()
        self._waiting = PendingTexts(self._look)
        self._standings: Sequence[RoomStatus] = ()
        self._bars: tuple[Sequence[Progress], int, float] = ((), 0, 0.0)
        self._paste: tuple[Buffer, Document] | None = None
        self._interrupted: Callable[[], None] = lambda: None
        self._completing = TabCompleter()
        history = InputHistory(state_folder() / "typed")
        self._region = LineEditor(self._accept, self._answers.put, history, self._completing)
        self._app = self._region.application(
            output, style, depth, keys.key_bindings(self), self._above, self._below
        )
        self._drawing = FrameWriter(output, self._app, style, depth, self.interrupt)
        self._running: asyncio.Task[None] | None = None

    def _name(self) -> str:
        return self._around.name if self._around is not None else ""

    def start(self, interrupted: Callable[[], None]) -> None:
        """Show the line of input."""
        self._interrupted = interrupted
        run = self._app.run_async(set_exception_handler=False, handle_sigint=False)
        self._running = asyncio.ensure_future(run)
        self._running.add_done_callback(lambda _: self._lines.put(None))

    def attach(self, around: SessionView) -> None:
        """One has come to a server."""
        self._around = self._completing.around = around

    async def close(self) -> None:
        """Take the region away, with all that was to be shown above it shown."""
        self._drawing.draw()
        if self._running is None:
            return
        if self._app.is_running and not self._app.is_done:
            self._app.exit()
        else:
            self._running.cancel()
        ended = Deferred.fromFuture(self._running)
        await ended.addErrback(lambda failure: failure.trap(asyncio.CancelledError, EOFError))

    # -- what is shown ---------------------------------------------------------------------------

    def show(self, lines: bytes) -> None:
        """Show lines."""
        self._drawing.add(self._look.lines(lines))

    def show_item(self, news: News) -> None:
        """Show what happened, with its time, and a mark where what one has missed begins."""
        if isinstance(news.it, Entry):
            if news.late and not self._late:
                self._drawing.add(self._look.heading("missed meanwhile"))
            self._late = news.late
        self._show_entry(self._look.item(news), news)
        if self._bell and not news.late and self._look.is_for_user(news):
            self._drawing.ring()

    def _show_entry(self, rows: Fragments, news: News) -> None:
        """Show the rows of what happened, marked so that they can be taken back; and take back what
        was erased."""
        entry = news.it
        if not isinstance(entry, Entry):
            self._drawing.add(rows)
            return
        self._drawing.add(rows, EntryMark(news.log, news.position, entry.who, entry.time))
        if entry.kind == Kind.ERASED and entry.text.isdecimal():  # also where that is replayed
            self._drawing.replace(news.log, int(entry.text), self._look.erased)

    def show_reply(self, it: replies.Reply) -> None:
        """Show an answer."""
        if not isinstance(it, replies.History) or not it.entries:
            self._drawing.add(self._look.reply(it))
            return
        for position, entry in it.entries:
            news = News(entry, it.room, position)
            self._show_entry(self._look.replayed(news), news)
        self._drawing.add(self._look.search_pending(it))

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show a bar for each transfer, below the line of input."""
        self._bars = under_way, waiting, now
        self._drawing.draw_soon()

    def show_rooms(self, standings: Sequence[RoomStatus]) -> None:
        """Show the rooms one is in, below the line of input."""
        self._standings = standings
        self._drawing.draw_soon()

    def show_unread(self, unread: Unread) -> None:
        """Mark where the unread begins."""
        if unread.unread:
            self._drawing.add(self._look.heading(f"{unread.unread} unread"))
            self._late = True

    def show_pending(self, key: str, request: Request, connected: bool) -> None:
        """Show what one says as waiting, until it is stored."""
        self._waiting.add(key, request)
        self._drawing.draw_soon()

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """Show what one said among all else, with its time, or as it was typed where it is not
        stored."""
        room, mark = self._waiting.room(key), None
        if stored and room is not None:
            mark = EntryMark(room, position, self._name(), round(time.time() * 1000))
        self._drawing.add(self._waiting.resolve(key, stored), mark)

    def _above(self) -> Fragments:
        """What stands above the line of input: what waits for the server."""
        return self._waiting.rows([line for line in self._lines.pending if line])

    def _below(self) -> Fragments:
        """What stands below it: transfers, rooms, or what to decide about a paste."""
        rows = statusline.transfer_rows(*self._bars, self._columns())
        if self._paste is not None:
            question = [("class:mark", pasting.paste_question(self._paste[0].text))]
            return rows + wrapped(question, self._columns(), indent=0)
        around = self._around
        if around is None or not around.name:
            return rows
        where = statusline.room_row(around.name, around.connected, self._standings, self._columns())
        return rows + where

    # -- what is typed ---------------------------------------------------------------------------

    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line."""
        while True:
            line = await (self._ask(prompt, hidden, hold) if prompt else self._lines.get())
            if line is None:
                raise InputEnded
            if prompt:
                self._drawing.add(self._look.echo(prompt, "" if hidden else line))
            elif not _is_said(line):
                self._drawing.add(self._look.echo(PROMPT, masked(line)))
            try:
                return textparser.decode(line.encode(errors="surrogatepass"))
            except Refusal as refusal:
                self.show(textformat.refusal(refusal))

    async def _ask(self, prompt: str, hidden: bool, hold: bool) -> str | None:
        self._region.ask(prompt, hidden)
        self._held = hold
        try:
            return await self._answers.get()
        finally:
            if not hold:
                self._region.end_question()

    def end_question(self) -> None:
        """Show the line of input again, and drop answers to a question that is dealt with."""
        if self._held:
            self._held = False
            self._answers.pending[:] = [line for line in self._answers.pending if line is None]
            self._region.end_question()

    def _accept(self, line: str) -> None:
        if line.strip():
            self._lines.put(line)

    # -- keys (`chatservice.client.keys.Pressed`) ------------------------------------------------

    @property
    def paste_undecided(self) -> bool:
        """Whether there is a paste to be decided on."""
        return self._paste is not None

    def interrupt(self) -> None:
        """One wants to give up the question that is held, or else to leave at once."""
        if self._held and not self._answers.pending:
            self._answers.put("")
        else:
            self._interrupted()

    def end_input(self) -> None:
        """No further line will come."""
        (self._answers if self._region.question else self._lines).put(None)

    def paste(self, buffer: Buffer, data: str) -> None:
        """Put what is pasted into a line, and ask about it if it has several."""
        text, before = pasting.with_newlines(data), buffer.document
        if buffer is not self._region.typed:
            buffer.insert_text(text.partition("\n")[0])
            return
        buffer.insert_text(text)
        too_long = pasting.paste_too_long(buffer.text)
        if too_long is not None:
            buffer.document = before
            self.show(textformat.refusal(Refusal(Code.TOO_LONG, too_long)))
        elif "\n" in text:
            self._paste = buffer, before

    def decide_paste(self, how: str) -> None:
        """Say a paste, drop it, or leave it to be edited."""
        if self._paste is None:
            return
        (buffer, before), self._paste = self._paste, None
        if how == "drop":
            buffer.document = before
        elif how == "say":
            if not before.text:
                buffer.document = Document(pasting.say_line(buffer.text))
            buffer.validate_and_handle()

    def switch_by(self, by: int) -> None:
        """Go to the room that is so many behind this one."""
        here = next((n for n, it in enumerate(self._standings) if it.current), 0)
        if self._standings:
            self.switch_to((here + by) % len(self._standings) + 1)

    def switch_to(self, number: int) -> None:
        """Go to a room by its number in the row."""
        if self._around is not None and 0 < number <= len(self._standings):
            to = self._standings[number - 1]
            if not to.current:
                self._around.switch(to.room)

    def switch_to_unread(self) -> None:
        """Go to the next room with something unread; one where one is mentioned goes first."""
        unread = [(not it.mentioned, n) for n, it in enumerate(self._standings, 1) if it.unread]
        if unread:
            self.switch_to(min(unread)[1])


def _is_said(line: str) -> bool:
    """Whether a line is talk, which is shown once it is stored."""
    try:
        if typedlines.file_to_send(line) is not None:
            return False
        request = textparser.parse(line)
    except Refusal:
        return False
    return request is not None and request.command.name in _SAID
