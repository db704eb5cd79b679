"""The region at the bottom of a terminal: the line of input, and what stands around it."""

from collections.abc import Callable

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.key_binding import KeyBindings
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

from chatservice.client.pendingtexts import PROMPT
from chatservice.client.wrapping import Fragments, width, wrapped

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
            accept_handler=_taken_by(accepted),
            history=history,
            completer=completer,
            multiline=False,
        )
        self.answer = Buffer(
            accept_handler=_taken_by(answered),
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


def _taken_by(take: Callable[[str], None]) -> Callable[[Buffer], bool]:
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
