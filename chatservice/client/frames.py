"""Rows that come above a region that is drawn anew below them, at most so many times a second.

What comes is gathered and written with the region in one write: so a terminal never shows half of
it, what is half-typed stays as it is, and a busy room costs no more than a frame does.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from prompt_toolkit.application import Application
from prompt_toolkit.application.current import set_app
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import BaseStyle

from chatservice.client.wrapping import Fragments

FRAME_SECONDS = 1 / 30
"""As often as films change their picture, about; more often is work that nobody sees."""


ROWS_KEPT = 200
"""Pieces that are kept to be shown anew, when one of them is taken back: more than a screen has
rows."""


class EntryMark(NamedTuple):
    """News to show: the entry at a position of a log, and by whom and when it was made, in
    milliseconds since 1970."""

    log: str
    position: int
    who: str
    time: int


class FrameOutput(Vt100_Output):
    """Writes what a frame consists of at once, while it is `held`.

    It does not ask the terminal where its cursor is: over a slow network, the answer would be
    waited for again and again, and could be taken for something typed.
    """

    held = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.enable_cpr = False

    @classmethod
    def from_stdout(cls) -> "FrameOutput":
        """Return the terminal that the program writes to."""
        output = cls.from_pty(sys.stdout, term=os.environ.get("TERM"))
        assert isinstance(output, FrameOutput)
        return output

    def flush(self) -> None:
        """Write what there is, unless the frame is not complete."""
        if not self.held:
            super().flush()

    def disable_bracketed_paste(self) -> None:
        """Between two frames a paste is a paste, too."""
        if not self.held:
            super().disable_bracketed_paste()


class FrameWriter:
    """Puts rows above what an application draws. `failed` is called where the terminal is gone."""

    def __init__(
        self,
        output: FrameOutput,
        app: Application[None],
        style: BaseStyle,
        depth: ColorDepth,
        failed: Callable[[], None],
    ) -> None:
        self._output = output
        self._style = style
        self._depth = depth
        self._failed = failed
        self._app = app
        self._rows = Fragments()
        self._shown: deque[tuple[EntryMark | None, Fragments]] = deque(maxlen=ROWS_KEPT)
        self._redraw = False
        self._ring = False
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def add(self, rows: Fragments, mark: EntryMark | None = None) -> None:
        """Show rows in the next frame. With a `mark`, they can be taken back while they can be
        seen."""
        if rows:
            self._shown.append((mark, rows))
        self._rows += rows
        self.draw_soon()

    def replace(self, log: str, position: int, instead: Callable[[str, int], Fragments]) -> None:
        """Show other rows in the place of those of an entry, where they can still be seen:
        `instead` makes them of who said it, and when. What has left the screen is the terminal's.
        """
        for at, (mark, _) in enumerate(self._shown):
            if mark is not None and (mark.log, mark.position) == (log, position):
                self._shown[at] = mark, instead(mark.who, mark.time)
                self._redraw = True
        self.draw_soon()

    def ring(self) -> None:
        """Sound the bell with the next frame."""
        self._ring = True
        self.draw_soon()

    def draw_soon(self) -> None:
        """Draw a frame, once it is time for one."""
        if self._timer is None:
            loop = asyncio.get_event_loop()
            wait = self._last + FRAME_SECONDS - loop.time()
            self._timer = loop.call_later(max(wait, 0), self.draw)

    def draw(self) -> None:
        """Draw a frame, with all there is for it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._frame()
        except OSError:
            self._failed()
        self._last = asyncio.get_event_loop().time()

    def _visible_rows(self) -> Fragments:
        """Return the last rows that were shown, as many as there is room for above the region."""
        size = self._output.get_size()
        region = self._app.layout.container.preferred_height(size.columns, size.rows).preferred
        room = max(size.rows - region, 0)
        pieces = [piece for _, rows in self._shown for piece in rows]
        at = len(pieces)
        while at and room >= pieces[at - 1][1].count("\n"):
            at -= 1
            room -= pieces[at][1].count("\n")
        while at < len(pieces) and at and not pieces[at - 1][1].endswith("\n"):
            at += 1  # a row begins behind the end of another one
        return pieces[at:]

    def _frame(self) -> None:
        rows, self._rows = self._rows, []
        self._output.held = True
        try:
            if self._app.is_running:
                self._app.renderer.erase()
            if self._redraw:
                rows, self._redraw = self._visible_rows(), False
                self._output.erase_screen()
                self._output.cursor_goto(0, 0)
            text = FormattedText(rows)
            print_formatted_text(self._output, text, self._style, color_depth=self._depth)
            if self._ring:
                self._output.bell()
                self._ring = False
            if self._app.is_running and not self._app.is_done:
                self._app.render_counter += 1  # what was made for the last frame is not taken
                with set_app(self._app):
                    self._app.renderer.render(self._app, self._app.layout)
        finally:
            self._output.held = False
            self._output.flush()
