"""The line of input at the bottom of a terminal: its keys, its history and its layout."""

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.document import Document
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
    "Enter sends the line, Alt+Enter begins another line in the same message",
    "Tab completes commands, users, rooms, files and paths; again, it goes through them",
    "Up and Down bring back earlier lines; Ctrl+R searches in them",
    "Ctrl+N and Ctrl+P go to the next and the previous room; Alt+1 to Alt+9 to the first nine",
    "Alt+A goes to the next room with unread talk",
    "Ctrl+A, Ctrl+E, Ctrl+W, Ctrl+U, Ctrl+K, Ctrl+Y edit the line as in a shell",
    "Ctrl+L clears the screen; Ctrl+Z gives the terminal back to the shell, until fg",
    "Ctrl+C cancels a question for a password; else it leaves at once",
    "Ctrl+D on an empty line leaves at once, too",
)
"""The lines of `/help keys`."""

_KeyAction = Callable[[KeyPressEvent], object]

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


class EditorActions(Protocol):
    """The actions that typed lines and keys start."""

    def line_entered(self, line: str) -> None:
        """Take a typed line."""

    def answer_entered(self, answer: str) -> None:
        """Take the answer to a question."""

    def refuse(self, sentence: str) -> None:
        """Show the reason why a paste is refused."""

    def interrupt(self) -> None:
        """Cancel a question, or leave at once."""

    def end_input(self) -> None:
        """End the input: no further line will come."""

    def switch_by(self, by: int) -> None:
        """Go `by` rooms forward in the row of rooms."""

    def switch_to(self, number: int) -> None:
        """Go to a room by its number in the row."""

    def switch_to_unread(self) -> None:
        """Go to the next room with unread entries."""


class LineEditor:
    """The line of input, and a question in its place."""

    def __init__(self, actions: EditorActions, history: History, completer: Completer) -> None:
        self._actions = actions
        self._typed = Buffer(
            accept_handler=_accepted_by(actions.line_entered),
            history=history,
            completer=completer,
            multiline=False,
        )
        self._answer = Buffer(
            accept_handler=_accepted_by(actions.answer_entered),
            history=DummyHistory(),  # the key Up must not bring back a password
            multiline=False,
        )
        self.question = ""
        self._hidden = False
        self._before_paste: Document | None = None
        self._app: Application[None] | None = None

    def application(
        self,
        output: Output,
        style: BaseStyle,
        depth: ColorDepth,
        above: Callable[[], Fragments],
        below: Callable[[], Fragments],
    ) -> Application[None]:
        """Return the application that draws it between the rows of `above()` and `below()`."""
        asks = Condition(lambda: bool(self.question))
        search = SearchToolbar(ignore_case=True)
        control = BufferControl(
            self._typed, search_buffer_control=search.control, preview_search=True
        )
        typed = _input_window(control, lambda: PROMPT)
        hidden = ConditionalProcessor(PasswordProcessor(), Condition(lambda: self._hidden))
        answer = _input_window(
            BufferControl(self._answer, input_processors=[hidden]), lambda: self._asked(output)[1]
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
            key_bindings=self._key_bindings(),
            erase_when_done=True,
        )
        return self._app

    # -- questions -------------------------------------------------------------------------------

    def ask(self, question: str, hidden: bool) -> None:
        """Show a question in place of the line of input, which keeps its text."""
        self.question, self._hidden = question, hidden
        self._answer.reset()
        self._focus(self._answer)

    def end_question(self) -> None:
        """Show the line of input again."""
        self.question, self._hidden = "", False
        self._answer.reset()
        self._focus(self._typed)

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

    # -- pastes ----------------------------------------------------------------------------------

    @property
    def paste_question(self) -> str:
        """The question about a paste of several lines; empty if there is none."""
        undecided = self._before_paste is not None
        return typedlines.paste_question(self._typed.text) if undecided else ""

    def _paste(self, event: KeyPressEvent) -> None:
        text, buffer = typedlines.with_newlines(event.data), event.current_buffer
        if buffer is not self._typed:
            buffer.insert_text(text.partition("\n")[0])
            return
        before = buffer.document
        buffer.insert_text(text)
        too_long = typedlines.paste_too_long(buffer.text)
        if too_long is not None:
            buffer.document = before
            self._actions.refuse(too_long)
        elif "\n" in text:
            self._before_paste = before

    def _say_paste(self, event: KeyPressEvent) -> None:
        if not self._edit_paste(event).text:
            self._typed.document = Document(typedlines.say_line(self._typed.text))
        self._typed.validate_and_handle()

    def _drop_paste(self, event: KeyPressEvent) -> None:
        self._typed.document = self._edit_paste(event)

    def _edit_paste(self, event: KeyPressEvent) -> Document:
        """Leave the paste in the line. Return the line as it was before."""
        before, self._before_paste = self._before_paste, None
        return before or Document()

    # -- keys ------------------------------------------------------------------------------------

    def _key_bindings(self) -> KeyBindings:
        keys, undecided = KeyBindings(), Condition(lambda: self._before_paste is not None)
        for sequence, act in self._keys().items():
            keys.add(*sequence.split())(act)
        for key, act in self._paste_keys().items():
            keys.add(key, filter=undecided, eager=True)(act)
        return keys

    def _keys(self) -> dict[str, _KeyAction]:
        actions = self._actions
        switch_to: dict[str, _KeyAction] = {
            f"escape {digit}": lambda event: actions.switch_to(int(event.key_sequence[-1].key))
            for digit in "123456789"
        }
        return switch_to | {
            "c-c": lambda event: actions.interrupt(),
            "c-d": self._delete_or_end,
            "c-z": lambda event: event.app.suspend_to_background(),
            "escape enter": lambda event: event.current_buffer.insert_text("\n"),
            "tab": _complete,
            "s-tab": lambda event: event.current_buffer.complete_previous(),
            Keys.BracketedPaste.value: self._paste,
            "c-n": lambda event: actions.switch_by(1),
            "c-p": lambda event: actions.switch_by(-1),
            "escape a": lambda event: actions.switch_to_unread(),
        }

    def _paste_keys(self) -> dict[str, _KeyAction]:
        """Return the keys while a paste waits for a decision. Others are ignored."""
        return {
            "<any>": lambda event: None,
            "y": self._say_paste,
            "enter": self._say_paste,
            "n": self._drop_paste,
            "escape": self._drop_paste,
            "e": self._edit_paste,
            "c-c": lambda event: self._actions.interrupt(),
        }

    def _delete_or_end(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            self._actions.end_input()


def _complete(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    if buffer.complete_state is not None:
        buffer.complete_next()
    else:
        buffer.start_completion(insert_common_part=True)


def _accepted_by(take: Callable[[str], None]) -> Callable[[Buffer], bool]:
    def accept(buffer: Buffer) -> bool:
        take(buffer.text)
        return False  # clear the line

    return accept


def _input_window(control: BufferControl, prompt: Callable[[], str]) -> Window:
    return Window(
        control,
        height=Dimension(min=1, max=MOST_ROWS),
        wrap_lines=True,
        dont_extend_height=True,
        get_line_prefix=lambda line, wrap: _prefix(prompt(), line, wrap),
    )


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
