"""The line of input at the bottom of a terminal: its keys, its history and its layout."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, FilterOrBool
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.key_binding import (
    KeyBindings,
    KeyBindingsBase,
    KeyPressEvent,
    merge_key_bindings,
)
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
from twisted.internet.defer import DeferredQueue

from chatservice.client import typedlines
from chatservice.client.statusline import PROMPT
from chatservice.client.system import write_atomically
from chatservice.client.wrapping import Fragments, width, wrapped

KEY_HELP = (
    "Enter sends; Alt+Enter: another line",
    "Tab completes; again: the next match",
    "Up, Down: earlier lines; Ctrl+R: find",
    "Ctrl+N, Ctrl+P: next, previous room",
    "Alt+1 to Alt+9: the first nine rooms",
    "Alt+A: the next room with unread talk",
    "Ctrl+A, E, W, U, K, Y: as in a shell",
    "Ctrl+L: clear; Ctrl+Z: shell, until fg",
    "Ctrl+C leaves, or ends a question",
    "Ctrl+D on an empty line leaves",
)
"""The lines of `/help keys`, for forty columns."""

KeyAction = Callable[[KeyPressEvent], object]

LINES_REMEMBERED = 1000
"""Lines of earlier runs that are remembered. A file with twice as many is shortened to these."""


class InputHistory(History):
    """Typed lines, kept in the file at `place`: a JSON string a line, or an object with the `room`
    that the `line` was typed in. With a `room`, lines of other rooms are left out.

    If the file cannot be read or written, they are remembered while the client runs.
    """

    def __init__(self, place: Path, room: str = "") -> None:
        super().__init__()
        self._place = place
        self._room = room

    def load_history_strings(self) -> Iterable[str]:
        """Return the remembered lines, the newest first."""
        try:
            lines = self._place.read_bytes().splitlines(keepends=True)
        except OSError:
            return []
        if len(lines) > 2 * LINES_REMEMBERED:
            lines = lines[-LINES_REMEMBERED:]
            with suppress(OSError):
                write_atomically(self._place, b"".join(lines).decode("ascii", "ignore"))
        found = map(_parsed, reversed(lines[-LINES_REMEMBERED:]))
        return [line for room, line in found if line and self._room in ("", room or self._room)]

    def append_string(self, string: str) -> None:
        """Remember a line, unless it may hold a password."""
        if typedlines.may_be_remembered(string):
            super().append_string(string)

    def forget(self, lines: Sequence[str]) -> None:
        """Forget some lines, which hold a password after all."""
        self._loaded_strings = [it for it in self._loaded_strings if it not in lines]
        with suppress(OSError):
            kept = self._place.read_bytes().splitlines(keepends=True)
            kept = [it for it in kept if _parsed(it)[1] not in lines]
            write_atomically(self._place, b"".join(kept).decode("ascii", "ignore"))

    def store_string(self, string: str) -> None:
        """Append a line to the file, in one write: other clients may use it too."""
        with suppress(OSError):
            self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with FileIO(descriptor, "w") as file:
                with suppress(OSError):
                    self._place.chmod(0o600)  # it may be a copy made by hand
                remembered = {"room": self._room, "line": string} if self._room else string
                file.write(json.dumps(remembered).encode() + b"\n")


def _parsed(line: bytes) -> tuple[str, str]:
    """Return the room, if it is known, and the text of a line of the file. Anything else in it
    has no text."""
    try:
        it = json.loads(line)
    except ValueError:  # an incomplete line
        return "", ""
    room, string = (it.get("room"), it.get("line")) if isinstance(it, dict) else ("", it)
    return (room, string) if isinstance(room, str) and isinstance(string, str) else ("", "")


MOST_ROWS = 8
"""Rows of input that are visible at once; a longer input scrolls."""

ESCAPE_SECONDS = 0.1
"""Seconds after which the key Escape is one, and not the beginning of another key's bytes."""

_LEAST_BESIDE = 12
"""Fewest columns for an answer beside its question."""


class _LineOfInput(Buffer):
    """The line of input. It is cleared before it runs, because that may turn to another room, with
    another half-typed line."""

    def validate_and_handle(self) -> None:
        """Run the line."""
        entered = Buffer(document=self.document)
        self.append_to_history()
        self.reset()
        if self.accept_handler is not None:
            self.accept_handler(entered)


class LineEditor:
    """The line of input between the rows of `above()` and `below()`, and a question in its place.

    `app` draws it. `keys` are further keys, `refused` shows why a paste is refused, and
    `interrupted` is called when the user wants to leave at once. `edited` is called when the typed
    text has changed. `typed_in` is the view in which the last line was typed, if the user has left
    that meanwhile; else it is empty.
    """

    def __init__(
        self,
        output: Output,
        style: BaseStyle,
        depth: ColorDepth,
        above: Callable[[], Fragments],
        below: Callable[[], Fragments],
        keys: KeyBindingsBase,
        refused: Callable[[str], None],
        history: InputHistory,
        completer: Completer,
    ) -> None:
        self.interrupted: Callable[[], None] = lambda: None
        self.edited: Callable[[], None] = lambda: None
        self._columns = lambda: output.get_size().columns
        self._refused = refused
        self.typed_in = ""
        self._lines: DeferredQueue[tuple[str, str] | None] = DeferredQueue()
        self._answers: DeferredQueue[str | None] = DeferredQueue()
        self._history = history
        self._typed = _LineOfInput(
            accept_handler=self._line_entered,
            history=history,
            completer=completer,
            multiline=False,
        )
        self._typed.on_text_changed += lambda _: self.edited()
        self._answer = Buffer(
            accept_handler=self._answer_entered,
            history=DummyHistory(),  # the key Up must not bring back a password
            multiline=False,
        )
        self._question = ""
        self._hidden = self._held = False
        self._before_paste: Document | None = None
        self.app: Application[None] = Application(
            self._layout(above, below),
            style=style,
            color_depth=depth,
            output=output,
            key_bindings=merge_key_bindings([self._key_bindings(), keys]),
            erase_when_done=True,
        )
        self.app.ttimeoutlen = ESCAPE_SECONDS

    def _layout(self, above: Callable[[], Fragments], below: Callable[[], Fragments]) -> Layout:
        asks = Condition(lambda: bool(self._question))
        search = SearchToolbar(ignore_case=True)
        control = BufferControl(
            self._typed, search_buffer_control=search.control, preview_search=True
        )
        hidden = ConditionalProcessor(PasswordProcessor(), Condition(lambda: self._hidden))
        answer = BufferControl(self._answer, input_processors=[hidden])
        typed = _input_window(control, lambda: PROMPT)
        question = [
            _rows(lambda: self._asked()[0]),
            _input_window(answer, lambda: self._asked()[1]),
        ]
        rows = HSplit(
            [
                _rows(above),
                ConditionalContainer(typed, ~asks),
                ConditionalContainer(HSplit(question), asks),
                search,
                CompletionsToolbar(),
                _rows(below),
            ]
        )
        return Layout(rows, typed)

    # -- lines and answers -----------------------------------------------------------------------

    async def line(self) -> str | None:
        """Return the next typed line; None at the end of the input."""
        self.typed_in = ""
        typed = await self._lines.get()
        if typed is None:
            return None
        line, self.typed_in = typed
        return line

    def keep_in(self, view: str) -> None:
        """Note that the user leaves a view, to which the lines belong that nobody has taken."""
        pending = self._lines.pending
        pending[:] = [it and (it[0], it[1] or view) for it in pending]

    async def ask(self, question: str, hidden: bool, hold: bool) -> str | None:
        """Show a question in place of the line of input, which keeps its text. Return the answer.

        With `hold`, the question stays until `end_question`.
        """
        if not (hidden and self._hidden):  # else the user types already: the rest would be seen
            self._answer.reset()
        self._question, self._hidden, self._held = question, hidden, hold
        self._focus(self._answer)
        try:
            return await self._answers.get()
        finally:
            if not hold:
                self._show_line()

    def end_question(self) -> None:
        """End a question that was held, and drop further answers."""
        if self._held:
            self._held = False
            self._answers.pending[:] = [it for it in self._answers.pending if it is None]
            self._show_line()

    def interrupt(self) -> None:
        """Cancel the question that is held, or leave at once."""
        if self._held and not self._answers.pending:
            self._answers.put("")
        else:
            self.interrupted()

    def end(self) -> None:
        """End the input: no further line will come."""
        self._lines.put(None)
        self._answers.put(None)

    def drop_untaken(self) -> bool:
        """Forget the typed lines that nobody has taken yet. Return whether there were any."""
        lines = self.untaken
        if lines:
            self._lines.pending[:] = [it for it in self._lines.pending if it is None]
            self._history.forget(lines)
        return bool(lines)

    @property
    def untaken(self) -> list[str]:
        """The typed lines that nobody has taken yet."""
        return [it[0] for it in self._lines.pending if it]

    @property
    def document(self) -> Document:
        """The typed text, with the cursor in it."""
        return self._typed.document

    @document.setter
    def document(self, document: Document) -> None:
        self._typed.reset(document)

    def turn_to(self, history: InputHistory, document: Document) -> None:
        """Use another history, and another half-typed line."""
        self._history = self._typed.history = history
        self._typed.reset(document)

    def submit(self, line: str) -> None:
        """Run a line as if it had been typed."""
        self._lines.put((line, ""))

    def _line_entered(self, entered: Buffer) -> bool:
        if entered.text.strip():
            self.submit(entered.text)
        return False

    def _answer_entered(self, buffer: Buffer) -> bool:
        self._answers.put(buffer.text)
        return False  # clear the line

    def _show_line(self) -> None:
        self._question, self._hidden = "", False
        self._answer.reset()
        self._focus(self._typed)

    def _focus(self, buffer: Buffer) -> None:
        self.app.layout.focus(buffer)
        self.app.invalidate()

    def _asked(self) -> tuple[Fragments, str]:
        """Return the question: the rows above the answer, and the text beside it."""
        columns = self._columns()
        rows = wrapped([("", self._question)], columns, 0)
        text = "".join(piece for _, piece in rows).removesuffix("\n")
        above, newline, beside = text.rpartition("\n")
        if width(beside) > columns - _LEAST_BESIDE:
            return [("class:prompt", text)], PROMPT
        beside += " " if self._question.endswith(" ") else ""
        return [("class:prompt", above)] if newline else [], beside

    # -- pastes ----------------------------------------------------------------------------------

    @property
    def paste_question(self) -> str:
        """The question about a paste of several lines; empty if there is none."""
        if self._before_paste is None:
            return ""
        count = self._typed.text.count("\n") + 1
        return f"Say these {count} lines as one message? Enter or y: yes; n: drop; e: edit first"

    def _paste(self, event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        buffer = event.current_buffer
        if buffer is not self._typed:
            buffer.insert_text(text.partition("\n")[0])
            return
        before = buffer.document
        buffer.insert_text(text)
        too_long = typedlines.paste_too_long(buffer.text)
        if too_long is not None:
            buffer.document = before
            self._refused(too_long)
        elif "\n" in text:
            self._before_paste = before

    def _say_paste(self, event: KeyPressEvent) -> None:
        if not self._edit_paste(event).text:
            # With the command, a text is said that looks like another command.
            self._typed.document = Document(f"/say {self._typed.text}")
        self._typed.validate_and_handle()

    def _drop_paste(self, event: KeyPressEvent) -> None:
        self._typed.document = self._edit_paste(event)

    def _edit_paste(self, event: KeyPressEvent) -> Document:
        """Leave the paste in the line. Return the line as it was before."""
        before, self._before_paste = self._before_paste, None
        return before or Document()

    # -- keys ------------------------------------------------------------------------------------

    def _key_bindings(self) -> KeyBindings:
        undecided = Condition(lambda: self._before_paste is not None)
        always: dict[str, KeyAction] = {
            "c-c": lambda event: self.interrupt(),
            "c-d": self._delete_or_end,
            "c-z": lambda event: event.app.suspend_to_background(),
            "escape enter": lambda event: event.current_buffer.insert_text("\n"),
            "tab": _complete,
            "s-tab": lambda event: event.current_buffer.complete_previous(),
            Keys.BracketedPaste.value: self._paste,
        }
        for_paste: dict[str, KeyAction] = {  # while it waits for a decision
            "<any>": lambda event: None,
            "y": self._say_paste,
            "enter": self._say_paste,
            "n": self._drop_paste,
            "escape": self._drop_paste,
            "e": self._edit_paste,
            "c-c": lambda event: self.interrupt(),
        }
        keys = bound(always)
        for key, act in for_paste.items():
            keys.add(key, filter=undecided, eager=True)(act)
        return keys

    def _delete_or_end(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            self.end()


def bound(
    acts: Mapping[str, KeyAction], when: FilterOrBool = True, eager: bool = False
) -> KeyBindings:
    """Return keys, each by its name or its sequence (`escape a`), with what they do `when` a filter
    holds. An `eager` key does not wait for a longer sequence."""
    keys = KeyBindings()
    for sequence, act in acts.items():
        keys.add(*sequence.split(), filter=when, eager=eager)(act)
    return keys


def _complete(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    if buffer.complete_state is not None:
        buffer.complete_next()
    else:
        buffer.start_completion(insert_common_part=True)


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
