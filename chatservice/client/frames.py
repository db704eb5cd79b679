"""Frames: new rows and the line of input below them, in one write, at most 30 times a second.

A terminal never shows half a frame, the half-typed line stays as it is, and a busy room costs no
more than its frames.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.application.current import set_app
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import BaseStyle

from chatservice.client.clientstate import Incoming
from chatservice.client.wrapping import Fragments

FRAME_SECONDS = 1 / 30
"""Nobody sees more frames than about 30 a second."""

ROWS_KEPT = 200
"""Blocks of rows that can be drawn again when one of them is replaced: more than a screen shows."""


class FrameOutput(Vt100_Output):
    """A terminal that gets each frame in one write: while `held`, it only gathers.

    It never asks the terminal for the cursor's position: over a slow network that costs time, and
    the answer could be taken for typed text.
    """

    held = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.enable_cpr = False

    @classmethod
    def from_stdout(cls) -> "FrameOutput":
        """Return the terminal that is the standard output."""
        output = cls.from_pty(sys.stdout, term=os.environ.get("TERM"))
        assert isinstance(output, FrameOutput)
        return output

    def flush(self) -> None:
        """Write what was gathered, unless a frame is incomplete."""
        if not self.held:
            super().flush()

    def disable_bracketed_paste(self) -> None:
        """Disable bracketed paste, but not between two frames."""
        if not self.held:
            super().disable_bracketed_paste()


class FrameWriter:
    """A writer of rows above an application. It calls `failed` if the terminal is gone."""

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
        self._shown: deque[tuple[Incoming | None, Fragments]] = deque(maxlen=ROWS_KEPT)
        self._redraw = False
        self._raw: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def add(self, rows: Fragments, incoming: Incoming | None = None) -> None:
        """Show rows in the next frame. Those of an entry can be replaced while they are visible."""
        if rows:
            self._shown.append((incoming, rows))
        self._rows += rows
        self.draw_soon()

    def replace(self, log: str, position: int, instead: Callable[[Incoming], Fragments]) -> None:
        """Replace the rows of an entry where they are still visible. `instead` makes the new rows.

        Rows that have left the screen stay: they are the terminal's.
        """
        for at, (it, _) in enumerate(self._shown):
            if it is not None and (it.log, it.position) == (log, position):
                self._shown[at] = it, instead(it)
                self._redraw = True
        self.draw_soon()

    def send(self, sequence: str) -> None:
        """Send an escape sequence, such as a bell, with the next frame."""
        self._raw.append(sequence)
        self.draw_soon()

    def draw_soon(self) -> None:
        """Draw a frame as soon as the next one is due."""
        if self._timer is None:
            loop = asyncio.get_event_loop()
            wait = self._last + FRAME_SECONDS - loop.time()
            self._timer = loop.call_later(max(wait, 0), self.draw)

    def draw(self) -> None:
        """Draw a frame now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._frame()
        except OSError:
            self._failed()
        self._last = asyncio.get_event_loop().time()

    def _visible_rows(self) -> Fragments:
        """Return the last rows, as many as fit above the line of input."""
        size = self._output.get_size()
        region = self._app.layout.container.preferred_height(size.columns, size.rows).preferred
        room = max(size.rows - region, 0)
        pieces = [piece for _, rows in self._shown for piece in rows]
        at = len(pieces)
        while at and room >= pieces[at - 1][1].count("\n"):
            at -= 1
            room -= pieces[at][1].count("\n")
        while at < len(pieces) and at and not pieces[at - 1][1].endswith("\n"):
            at += 1  # skip the rest of a row that does not fit
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
            if self._raw:
                self._output.write_raw("".join(self._raw))
                self._raw.clear()
            if self._app.is_running and not self._app.is_done:
                self._app.render_counter += 1  # forget what was cached for the last frame
                with set_app(self._app):
                    self._app.renderer.render(self._app, self._app.layout)
        finally:
            self._output.held = False
            self._output.flush()
