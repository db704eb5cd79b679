"""The part that both front ends on a terminal share: the line of input, questions, pending texts,
transfers, and keys that go to other rooms."""

import asyncio
import gc
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from prompt_toolkit.key_binding import KeyBindingsBase
from prompt_toolkit.styles import BaseStyle, DynamicStyle
from twisted.internet.defer import Deferred

from chatservice import replies
from chatservice.client import lineeditor, preferences, rendering, statusline, typedlines
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import INBOX, Incoming, RoomState
from chatservice.client.frames import FrameOutput
from chatservice.client.hook import Hook
from chatservice.client.lineeditor import InputHistory, KeyAction, LineEditor
from chatservice.client.links import knows_osc
from chatservice.client.notifications import CommandNotifier, check_program, notification
from chatservice.client.owncommands import OwnCommand
from chatservice.client.preferences import CHOICES, COLOR, PARTS, PROGRAMS
from chatservice.client.privatetalk import Partner
from chatservice.client.rendering import RowRenderer
from chatservice.client.screen import InputEnded, Screen
from chatservice.client.settings import ChosenPreferences
from chatservice.client.statusline import PROMPT, PendingTexts
from chatservice.client.tabcompletion import TabCompleter
from chatservice.client.transferconnection import Progress
from chatservice.client.transferjournal import state_folder
from chatservice.client.wrapping import Fragments, wrapped
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat, textparser
from chatservice.grammar.commandtypes import Request

Draw = Callable[[], Fragments]
"""A function that returns rows, for the width that the talk has now."""


class TerminalScreen(Screen):
    """A `Screen` on a terminal, for the asyncio reactor. A front end says where its rows go.

    It looks, and notifies of mentions and private messages, as `chosen` says; `/set` changes that.
    """

    interactive = True
    can_ask = True
    write_error = None
    key_help: tuple[str, ...] = lineeditor.KEY_HELP
    own_commands: dict[str, OwnCommand]

    def __init__(self, reactor: Any, chosen: ChosenPreferences) -> None:
        self._reactor = reactor
        self._chosen = chosen
        self._depth = rendering.colour_depth()
        self._theme = self._chosen_style()
        self._style = DynamicStyle(lambda: self._theme)
        self._output = FrameOutput.from_stdout()
        self._notifier = CommandNotifier()
        self._hook: Hook | None = None
        self._hooked = ""
        self.own_commands = {"set": OwnCommand(_SET_HELP, following_words, self._set)}
        self._session: ClientSession | None = None
        self._switch: Callable[[str], None] = lambda room: None
        self._renderer = RowRenderer(
            *(self._name, self._talk_columns, self._depth, time.time),
            isolate=os.environ.get("TERM") != "linux",  # its font lacks the signs
            full=self.shows_all_rooms,
        )
        self._pending = PendingTexts(self._renderer)
        self._transfers: tuple[Sequence[Progress], int, float] = ((), 0, 0.0)
        self._completer = TabCompleter()
        self._completer.own = self.own_commands
        history = InputHistory(state_folder() / "typed")
        self._editor = LineEditor(
            *(self._output, self._style, self._depth, self._above, self._below),
            *(self._keys(), self._refused, history, self._completer),
        )
        self._app = self._editor.app
        self._running: asyncio.Task[None] | None = None

    # -- for a front end -------------------------------------------------------------------------

    @abstractmethod
    def _add(self, draw: Draw) -> None:
        """Show rows of the client itself, behind all others."""

    @abstractmethod
    def _draw_soon(self) -> None:
        """Draw a frame as soon as the next one is due."""

    @abstractmethod
    def _show_past(self, it: replies.History) -> None:
        """Show the entries of a history."""

    def _columns(self) -> int:
        """Return the columns of the terminal."""
        return int(self._output.get_size().columns)

    def _talk_columns(self) -> int:
        """Return the columns of the talk."""
        return self._columns()

    # -- the session -----------------------------------------------------------------------------

    def _name(self) -> str:
        return self._session.state.name if self._session is not None else ""

    @property
    def _places(self) -> list[RoomState | Partner]:
        return self._session.state.places if self._session is not None else []

    def _here(self) -> str:
        return self._session.state.here if self._session is not None else ""

    def start(self, interrupted: Callable[[], None]) -> None:
        """Show the line of input."""
        self._editor.interrupted = interrupted
        run = self._app.run_async(set_exception_handler=False, handle_sigint=False)
        self._running = asyncio.ensure_future(run)
        self._running.add_done_callback(lambda _: self._editor.end())

        if self._chosen.problem is not None:
            self.refuse(self._chosen.problem)
        self._apply()

    def attach(self, session: ClientSession, switch: Callable[[str], None]) -> None:
        """Use a session for the status line and for completion."""
        self._session = self._completer.session = session
        gc.freeze()  # these objects stay: to look at all of them takes 20 ms, and no key is shown

        def leave_view(room: str) -> None:
            self._editor.keep_in(self._here())
            switch(room)

        self._switch = leave_view

    async def close(self) -> None:
        """Remove the line of input."""
        if self._hook is not None:
            self._hook.stop()
        if self._running is None:
            return
        if self._app.is_running and not self._app.is_done:
            self._app.exit()
        else:
            self._running.cancel()
        ended = Deferred.fromFuture(self._running)
        await ended.addErrback(lambda failure: failure.trap(asyncio.CancelledError, EOFError))

    # -- preferences -----------------------------------------------------------------------------

    def _set(self, rest: str) -> None:
        """Show or change the preferences. Raises `Refusal`."""
        name, _, value = rest.partition(" ")
        if not name:
            self.show_reply(replies.Help(tuple(preferences.told(self._chosen.now))))
            return
        if value:
            self._change(name, "" if value.strip() == "-" else value.strip())
            self.notify(f"{name} is {self._chosen.now.get(name) or 'not set'}.")
        else:
            self.show_reply(replies.Help((preferences.told_one(self._chosen.now, name),)))

    def _choose(self, name: str, value: str) -> None:
        """Change a preference, by a key. A refusal is shown."""
        try:
            self._change(name, value)
        except Refusal as refusal:
            self.refuse(refusal)

    def _chosen_style(self) -> BaseStyle:
        now = self._chosen.now
        return rendering.terminal_style(self._depth, now.theme, now.colors)

    def _change(self, name: str, value: str) -> None:
        if name.startswith(COLOR) and not rendering.is_look(value):
            raise Refusal(
                Code.BAD_ARGUMENT,
                f"{value} is no look; type a colour (#ffaf00, red, bg:#303030), bold, "
                "underline, italic or reverse, or several of them.",
            )
        if name in PROGRAMS and value:
            check_program(value)
        try:
            self._chosen.change(name, value)
        finally:
            self._apply()

    def _apply(self) -> None:
        """Look, and tell, as the preferences say."""
        now = self._chosen.now
        self._theme = self._chosen_style()
        self._renderer.time_format = now.time
        if now.hook != self._hooked:
            self._start_hook(now.hook)
        self._draw_soon()

    def _start_hook(self, command: str) -> None:
        self._hooked = command
        if self._hook is not None:
            self._hook.stop()
            self._hook = None
        if command:
            try:
                self._hook = Hook(self._reactor, command, self.notify)
            except (OSError, ValueError) as error:
                self.notify(f"The hook cannot be started ({error}).")

    def _tell(self, incoming: Incoming) -> None:
        """Give an entry to the hook, and notify if it is for the user."""
        if self._hook is not None:
            self._hook.give(incoming)
        entry = incoming.item
        if (
            incoming.late
            or not isinstance(entry, Entry)
            or not self._renderer.is_for_user(incoming)
        ):
            return
        now = self._chosen.now
        title = entry.who if incoming.log == INBOX else f"{entry.who} in {incoming.log}"
        text = f"{entry.who}: {entry.text}"
        self._send(notification(now.notify, title, text, knows_osc()))
        failed = self._notifier.notify(now.notify_command, title, text)
        if failed is not None:
            self.notify(f"The notify-command cannot be run ({failed}).")

    @abstractmethod
    def _send(self, sequence: str) -> None:
        """Send an escape sequence with the next frame."""

    # -- output ----------------------------------------------------------------------------------

    def show(self, lines: bytes) -> None:
        """Show lines."""
        self._add(lambda: self._renderer.lines(lines))

    def show_reply(self, it: replies.Reply) -> None:
        """Show a reply."""
        if not isinstance(it, replies.History) or not it.entries:
            self._add(lambda: self._renderer.reply(it))
            return
        self._show_past(it)
        if isinstance(it, replies.SearchMatches) and it.pending:
            self.show(textformat.INDEX_PENDING.encode())

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show a progress bar for each transfer."""
        self._transfers = under_way, waiting, now
        self._draw_soon()

    def show_rooms(self) -> None:
        """Show the joined rooms in the status line."""
        self._draw_soon()

    def show_pending(self, key: str, request: Request) -> None:
        """Show a text as waiting, until it is stored."""
        self._pending.add(key, request)
        self._draw_soon()

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
        return rows + self._status(session)

    def _status(self, session: ClientSession) -> Fragments:
        return statusline.room_row(session.state, session.connected, self._columns())

    # -- input -----------------------------------------------------------------------------------

    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line. Lines that were typed before a question for a password are dropped:
        they may be its answer."""
        editor = self._editor
        if hidden and editor.drop_untaken():
            self.notify("Not taken: what you typed before this question. Type the password here.")
        while True:
            line = await (editor.ask(prompt, hidden, hold) if prompt else editor.line())
            if line is None:
                raise InputEnded
            self.typed_in = "" if prompt else editor.typed_in
            if prompt:
                self._echo(prompt, "" if hidden else line)
            elif not typedlines.shows_itself(line):
                self._echo(PROMPT, typedlines.masked(line))
            try:
                return textparser.decode(line.encode(errors="surrogatepass"))
            except Refusal as refusal:
                self.refuse(refusal)

    def _echo(self, prompt: str, line: str) -> None:
        self._add(lambda: self._renderer.echo(prompt, line))

    def end_question(self) -> None:
        """Show the line of input again, and drop further answers."""
        self._editor.end_question()

    def _refused(self, sentence: str) -> None:
        self.refuse(Refusal(Code.TOO_LONG, sentence))

    # -- keys ------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindingsBase:
        """Return the keys beside those of the line of input."""
        acts: dict[str, KeyAction] = {
            f"escape {digit}": lambda event: self._switch_to(int(event.key_sequence[-1].key))
            for digit in "123456789"
        }
        acts |= {
            "c-n": lambda event: self._switch_by(1),
            "c-p": lambda event: self._switch_by(-1),
            "escape a": lambda event: self._switch_to_unread(),
        }
        return lineeditor.bound(acts)

    def _switch_by(self, by: int) -> None:
        places = self._places
        here = next((n for n, it in enumerate(places) if it.room == self._here()), 0)
        if places:
            self._switch_to((here + by) % len(places) + 1)

    def _switch_to(self, number: int) -> None:
        """Go to a room or a partner by the number in the row."""
        places = self._places
        if 0 < number <= len(places) and places[number - 1].room != self._here():
            self._switch(places[number - 1].room)

    def _switch_to_unread(self) -> None:
        """Go to the next room with unread entries; one with a mention comes first."""
        unread = [(not it.mentioned, n) for n, it in enumerate(self._places, 1) if it.unread]
        if unread:
            self._switch_to(min(unread)[1])


_SET_HELP = "/set [NAME [VALUE]] - lists the settings of this client, shows one, or changes it"


def following_words(words: list[str]) -> tuple[str, ...]:
    """Return the words that may follow in a `/set`."""
    if not words:
        return (*CHOICES, *(COLOR + part for part in PARTS))
    return CHOICES[words[0]].values if len(words) == 1 and words[0] in CHOICES else ()


def erased_position(incoming: Incoming) -> int | None:
    """Return the position of the entry that an entry erases; None if it erases none."""
    entry = incoming.item
    if isinstance(entry, Entry) and entry.kind == Kind.ERASED and entry.text.isdecimal():
        return int(entry.text)
    return None
