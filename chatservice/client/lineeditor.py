"""The line of input at the bottom of a terminal: its keys, its history and its layout."""

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
"""The lines of `/help keys`."""


class KeyActions(Protocol):
    """The actions that keys start, beside editing the line."""

    @property
    def paste_undecided(self) -> bool:
        """Whether a paste waits for the user's decision."""

    def interrupt(self) -> None:
        """Cancel a question, or leave at once."""

    def end_input(self) -> None:
        """End the input: no further line will come."""

    def paste(self, buffer: Buffer, data: str) -> None:
        """Insert pasted text into a line."""

    def decide_paste(self, how: str) -> None:
        """Do with the paste what the user decided: `say`, `drop` or `edit`."""

    def switch_by(self, by: int) -> None:
        """Go `by` rooms forward in the row of rooms."""

    def switch_to(self, number: int) -> None:
        """Go to a room by its number in the row."""

    def switch_to_unread(self) -> None:
        """Go to the next room with unread entries."""


def key_bindings(actions: KeyActions) -> KeyBindings:
    """Return the bindings of keys to `actions`."""
    keys = KeyBindings()
    for bind in (_bind_leaving, _bind_editing, _bind_rooms, _bind_pastes):
        bind(keys, actions)
    return keys


def _bind_leaving(keys: KeyBindings, actions: KeyActions) -> None:
    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        actions.interrupt()

    @keys.add("c-d")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            actions.end_input()

    @keys.add("c-z", filter=Condition(lambda: hasattr(signal, "SIGTSTP")))
    def _(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()


def _bind_editing(keys: KeyBindings, actions: KeyActions) -> None:
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
        actions.paste(event.current_buffer, event.data)


def _bind_rooms(keys: KeyBindings, actions: KeyActions) -> None:
    @keys.add("c-n")
    def _(event: KeyPressEvent) -> None:
        actions.switch_by(1)

    @keys.add("c-p")
    def _(event: KeyPressEvent) -> None:
        actions.switch_by(-1)

    @keys.add("escape", "a")
    def _(event: KeyPressEvent) -> None:
        actions.switch_to_unread()

    for digit in "123456789":

        @keys.add("escape", digit)
        def _(event: KeyPressEvent) -> None:
            actions.switch_to(int(event.key_sequence[-1].key))


def _bind_pastes(keys: KeyBindings, actions: KeyActions) -> None:
    there = Condition(lambda: actions.paste_undecided)

    @keys.add("<any>", filter=there, eager=True)
    def _(event: KeyPressEvent) -> None:
        """Ignore any other key until the decision."""

    decisions = {"y": "say", "enter": "say", "n": "drop", "escape": "drop", "e": "edit"}
    for key, how in decisions.items():

        @keys.add(key, filter=there, eager=True)
        def _(event: KeyPressEvent, how: str = how) -> None:
            actions.decide_paste(how)

    @keys.add("c-c", filter=there, eager=True)
    def _(event: KeyPressEvent) -> None:
        actions.interrupt()


LINES_REMEMBERED = 1000
"""Lines of earlier runs that are remembered. A file with twice as many is shortened to these."""


class InputHistory(History):
    """Typed lines, kept in the file at `place`: a JSON string a line.

    If the file cannot be read or written, they are remembered while the client runs.
    """

    def __init__(self, place: Path) -> None:
        super().__init__()
        self._place = place

    def load_history_strings(self) -> Iterable[str]:
        """Return the remembered lines, the newest first."""
        try:
            lines = self._place.read_bytes().splitlines(keepends=True)
        except OSError:
            return []
        if len(lines) > 2 * LINES_REMEMBERED:
            lines = lines[-LINES_REMEMBERED:]
            self._shorten(lines)
        return [line for line in map(_parsed, reversed(lines[-LINES_REMEMBERED:])) if line]

    def _shorten(self, lines: list[bytes]) -> None:
        new = self._place.with_suffix(".new")
        with suppress(OSError):
            new.unlink(missing_ok=True)
            with _open_private(new) as file:
                file.write(b"".join(lines))
            new.replace(self._place)

    def append_string(self, string: str) -> None:
        """Remember a line, unless it may hold a password."""
        if typedlines.may_be_remembered(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Append a line to the file, in one write: other clients may use it too."""
        with suppress(OSError):
            self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _open_private(self._place) as file:
                file.write(json.dumps(string).encode() + b"\n")


def _open_private(place: Path) -> FileIO:
    """Open a file for appending. From now on, only its owner can read it."""
    descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if os.fstat(descriptor).st_mode & 0o077:  # for example, a copy made by hand
        with suppress(OSError):
            place.chmod(0o600)
    return FileIO(descriptor, "w")


def _parsed(line: bytes) -> str:
    try:
        string = json.loads(line)
    except ValueError:  # an incomplete line, or not ours
        return ""
    return string if isinstance(string, str) else ""


MOST_ROWS = 8
"""Rows of input that are visible at once; a longer input scrolls."""

_LEAST_BESIDE = 12
"""Fewest columns for an answer beside its question."""


class LineEditor:
    """The line of input, and a question in its place.

    It calls `accepted` with each typed line, and `answered` with each answer to a question.
    """

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
            history=DummyHistory(),  # the key Up must not bring back a password
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
        """Return the application that draws it between the rows of `above()` and `below()`."""
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
        """Show a question in place of the line of input, which keeps its text."""
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
        """Return the question: the rows above the answer, and the text beside it."""
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
        return False  # clear the line

    return accept


def _prefix(prompt: str, line: int, wrap: int) -> FormattedText:
    """Return the prompt of a row of input; `wrap` is the number of the row in its line."""
    text = prompt if line == wrap == 0 else " " * len(PROMPT)
    return FormattedText([("class:prompt", text)])


def _rows(rows: Callable[[], Fragments]) -> ConditionalContainer:
    """Return a container that is as high as the rows of `rows()`."""
    there = Condition(lambda: any(text for _, text in rows()))
    control = FormattedTextControl(lambda: _without_end(rows()))
    return ConditionalContainer(Window(control, dont_extend_height=True), there)


def _without_end(rows: Fragments) -> FormattedText:
    """Return rows without the last newline, which would make an empty row."""
    return FormattedText(rows[:-1] if rows and rows[-1][1] == "\n" else rows)
