"""The line of input at the bottom of a terminal: its keys, its history, its layout."""

import json
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.processors import ConditionalProcessor, PasswordProcessor
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import BaseStyle
from prompt_toolkit.widgets import CompletionsToolbar, SearchToolbar

from chatservice.client import typedlines
from chatservice.client.statusline import PROMPT
from chatservice.client.wrapping import Fragments, width, wrapped

KEY_HELP = (
    "Enter says the line, Alt+Enter begins another one in the same message",
    "Tab completes commands, users, rooms, files and paths; again, it goes through them",
    "Up and Down bring back what was typed before; Ctrl+R searches in it",
    "Ctrl+N and Ctrl+P go to the next room and the one before; Alt+1 to Alt+9 to the first nine",
    "Alt+A goes to the next room with something unread",
    "Ctrl+A, Ctrl+E, Ctrl+W, Ctrl+U, Ctrl+K, Ctrl+Y edit the line as in a shell",
    "Ctrl+L clears the screen; Ctrl+Z gives the terminal back to the shell, until fg",
    "Ctrl+C gives a question for a password up, else it leaves at once",
    "Ctrl+D on an empty line leaves at once, too",
)
"""What `/help keys` shows."""


class KeyActions(Protocol):
    """Who is told of keys."""

    @property
    def paste_undecided(self) -> bool:
        """Whether there is a paste to be decided on."""

    def interrupt(self) -> None:
        """One wants to leave at once."""

    def end_input(self) -> None:
        """No further line will come."""

    def paste(self, buffer: Buffer, data: str) -> None:
        """Something is pasted into a line."""

    def decide_paste(self, how: str) -> None:
        """What to do with a paste: `say`, `drop` or `edit` it."""

    def switch_by(self, by: int) -> None:
        """Go to the room that is so many behind this one."""

    def switch_to(self, number: int) -> None:
        """Go to a room by its number in the row."""

    def switch_to_unread(self) -> None:
        """Go to the next room with something unread."""


def key_bindings(pressed: KeyActions) -> KeyBindings:
    """Return what `pressed` is told of."""
    keys = KeyBindings()
    for bind in (_leaving, _suspending, _editing, _rooms, _pastes):
        bind(keys, pressed)
    return keys


def _leaving(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        pressed.interrupt()

    @keys.add("c-d")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            pressed.end_input()


def _suspending(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("c-z", filter=Condition(lambda: hasattr(signal, "SIGTSTP")))
    def _(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()


def _editing(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("tab")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    @keys.add("s-tab")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.complete_previous()

    @keys.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        pressed.paste(event.current_buffer, event.data)


def _rooms(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("c-n")
    def _(event: KeyPressEvent) -> None:
        pressed.switch_by(1)

    @keys.add("c-p")
    def _(event: KeyPressEvent) -> None:
        pressed.switch_by(-1)

    @keys.add("escape", "a")
    def _(event: KeyPressEvent) -> None:
        pressed.switch_to_unread()

    for digit in "123456789":

        @keys.add("escape", digit)
        def _(event: KeyPressEvent) -> None:
            pressed.switch_to(int(event.key_sequence[-1].key))


def _pastes(keys: KeyBindings, pressed: KeyActions) -> None:
    there = Condition(lambda: pressed.paste_undecided)

    @keys.add("<any>", filter=there, eager=True)
    def _(event: KeyPressEvent) -> None:
        """Any other key waits for the decision."""

    decisions = {"y": "say", "enter": "say", "n": "drop", "escape": "drop", "e": "edit"}
    for key, how in decisions.items():

        @keys.add(key, filter=there, eager=True)
        def _(event: KeyPressEvent, how: str = how) -> None:
            pressed.decide_paste(how)

    @keys.add("c-c", filter=there, eager=True)
    def _(event: KeyPressEvent) -> None:
        pressed.interrupt()


LINES_REMEMBERED = 1000
"""Lines that a start remembers. The file is cut back to them when it holds twice as many."""


class InputHistory(History):
    """Lines in the file at `place`, each as a JSON string. Where it cannot be read or written, they
    are remembered as long as the client runs."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self._place = place

    def load_history_strings(self) -> Iterable[str]:
        """Return what is remembered, the newest first."""
        try:
            lines = self._place.read_bytes().splitlines(keepends=True)
        except OSError:
            return []
        if len(lines) > 2 * LINES_REMEMBERED:
            lines = lines[-LINES_REMEMBERED:]
            self._cut_back(lines)
        return [line for line in map(_parsed, reversed(lines[-LINES_REMEMBERED:])) if line]

    def _cut_back(self, lines: list[bytes]) -> None:
        new = self._place.with_suffix(".new")
        with suppress(OSError):
            new.unlink(missing_ok=True)
            with _private(new) as file:
                file.write(b"".join(lines))
            new.replace(self._place)

    def append_string(self, string: str) -> None:
        """Remember a line, unless it may hold a password."""
        if typedlines.may_be_remembered(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write a line behind the others, in one write: there may be other clients."""
        with suppress(OSError):
            self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _private(self._place) as file:
                file.write(json.dumps(string).encode() + b"\n")


def _private(place: Path) -> FileIO:
    """Open a file to write behind its end, which only its owner can read from now on."""
    descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if os.fstat(descriptor).st_mode & 0o077:  # somebody copied it there, say
        with suppress(OSError):
            place.chmod(0o600)
    return FileIO(descriptor, "w")


def _parsed(line: bytes) -> str:
    try:
        string = json.loads(line)
    except ValueError:  # cut off, or not ours
        return ""
    return string if isinstance(string, str) else ""


MOST_ROWS = 8
"""Rows of input that are seen at once; a longer one scrolls."""

_LEAST_BESIDE = 12
"""Columns that must be left for an answer beside its question."""


class LineEditor:
    """`accepted` is called with each line that is typed, `answered` with each answer to a question.
    Lines are remembered in `history`, and completed by `completer`."""

    def __init__(
        self,
        accepted: Callable[[str], None],
        answered: Callable[[str], None],
        history: History,
        completer: Completer,
    ) -> None:
        self.typed = Buffer(
            accept_handler=_accepted_by(accepted),
            history=history,
            completer=completer,
            multiline=False,
        )
        self.answer = Buffer(
            accept_handler=_accepted_by(answered),
            history=DummyHistory(),  # a password is not to be had back by the key Up
            multiline=False,
        )
        self.question = ""
        self._hidden = False
        self._app: Application[None] | None = None

    def application(
        self,
        output: Output,
        style: BaseStyle,
        depth: ColorDepth,
        keys: KeyBindings,
        above: Callable[[], Fragments],
        below: Callable[[], Fragments],
    ) -> Application[None]:
        """Return the program that draws it; `above` and `below` return what stands there."""
        asks = Condition(lambda: bool(self.question))
        search = SearchToolbar(ignore_case=True)
        typed = Window(
            BufferControl(self.typed, search_buffer_control=search.control, preview_search=True),
            height=Dimension(min=1, max=MOST_ROWS),
            wrap_lines=True,
            dont_extend_height=True,
            get_line_prefix=lambda line, wrap: _prefix(PROMPT, line, wrap),
        )
        hidden = ConditionalProcessor(PasswordProcessor(), Condition(lambda: self._hidden))
        answer = Window(
            BufferControl(self.answer, input_processors=[hidden]),
            height=Dimension(min=1, max=MOST_ROWS),
            wrap_lines=True,
            dont_extend_height=True,
            get_line_prefix=lambda line, wrap: _prefix(self._asked(output)[1], line, wrap),
        )
        rows = HSplit(
            [
                _rows(above),
                ConditionalContainer(typed, ~asks),
                ConditionalContainer(HSplit([_rows(lambda: self._asked(output)[0]), answer]), asks),
                search,
                CompletionsToolbar(),
                _rows(below),
            ]
        )
        self._app = Application(
            Layout(rows, typed),
            style=style,
            color_depth=depth,
            output=output,
            key_bindings=keys,
            erase_when_done=True,
        )
        return self._app

    def ask(self, question: str, hidden: bool) -> None:
        """Ask for something in place of the line of input, which waits as it is."""
        self.question, self._hidden = question, hidden
        self.answer.reset()
        self._focus(self.answer)

    def end_question(self) -> None:
        """Show the line of input again."""
        self.question, self._hidden = "", False
        self.answer.reset()
        self._focus(self.typed)

    def _focus(self, buffer: Buffer) -> None:
        if self._app is not None:
            self._app.layout.focus(buffer)
            self._app.invalidate()

    def _asked(self, output: Output) -> tuple[Fragments, str]:
        """Return the question: what stands above the answer, and what beside it."""
        columns = output.get_size().columns
        rows = wrapped([("", self.question)], columns, 0)
        text = "".join(piece for _, piece in rows).removesuffix("\n")
        above, newline, beside = text.rpartition("\n")
        if width(beside) > columns - _LEAST_BESIDE:
            return [("class:prompt", text)], PROMPT
        beside += " " if self.question.endswith(" ") else ""
        return [("class:prompt", above)] if newline else [], beside


def _accepted_by(take: Callable[[str], None]) -> Callable[[Buffer], bool]:
    def accept(buffer: Buffer) -> bool:
        take(buffer.text)
        return False  # the text does not stay in the line

    return accept


def _prefix(prompt: str, line: int, wrap: int) -> FormattedText:
    """What stands before a row of input: `wrap` counts the rows of one line."""
    text = prompt if line == wrap == 0 else " " * len(PROMPT)
    return FormattedText([("class:prompt", text)])


def _rows(what: Callable[[], Fragments]) -> ConditionalContainer:
    """Return a place for rows, as many as there are."""
    there = Condition(lambda: any(text for _, text in what()))
    control = FormattedTextControl(lambda: _without_end(what()))
    return ConditionalContainer(Window(control, dont_extend_height=True), there)


def _without_end(rows: Fragments) -> FormattedText:
    """Leave the last newline out: behind it there would be an empty row."""
    return FormattedText(rows[:-1] if rows and rows[-1][1] == "\n" else rows)
