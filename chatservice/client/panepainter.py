"""The painter of a full screen: rows of text at fixed places, above the line of input.

A row is written only if it has changed. The line of input below is drawn by prompt_toolkit, which
costs no more than its own few rows. Rows and line go to the terminal in one write, at most 30 times
a second; a key is shown at once.
"""

import asyncio
import io
from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit.application import Application
from prompt_toolkit.application.current import set_app
from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import BaseStyle

from chatservice.client.frames import FRAME_SECONDS, FrameOutput
from chatservice.client.links import hyperlink
from chatservice.client.wrapping import Span

ScreenRow = tuple[tuple[int, str], ...]
"""A row of the screen: texts with their escape sequences, each with its column (from 0)."""

_RESET = "\x1b[0m"
_SAVE_CURSOR, _RESTORE_CURSOR = "\x1b7", "\x1b8"
_MOUSE_ON, _MOUSE_OFF = "\x1b[?1000h\x1b[?1006h", "\x1b[?1006l\x1b[?1000l"
"""Presses and the wheel (1000), in a form for any number of columns (1006)."""


class StyleCodes(dict[str, str]):
    """Escape sequences by style, made when first asked for."""

    def __init__(self, style: BaseStyle, depth: ColorDepth) -> None:
        super().__init__()
        self._style = style
        self._depth = depth
        self._written = io.StringIO()
        self._output = Vt100_Output(self._written, lambda: Size(24, 80))

    def __missing__(self, style: str) -> str:
        self._output.set_attributes(self._style.get_attrs_for_style_str(style), self._depth)
        self._output.flush()
        code = self[style] = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return code


def painted(row: Iterable[Span], codes: StyleCodes, links: bool) -> str:
    """Return a row with its escape sequences; with `links`, also those of its links."""
    parts = []
    for style, text, link in row:
        safe = text.replace("\x1b", "?")
        parts.append(codes[style] + (hyperlink(link, safe) if link and links else safe))
    return "".join(parts) + _RESET if parts else ""


class PanePainter:
    """A painter of the rows that `rows(height)` returns, above the line of input of `app`.

    `mouse()` tells whether the mouse is used. `failed` is called if the terminal is gone.
    """

    def __init__(
        self,
        output: FrameOutput,
        app: Application[None],
        rows: Callable[[int], Sequence[ScreenRow]],
        mouse: Callable[[], bool],
        failed: Callable[[], None],
    ) -> None:
        self._output = output
        self._app = app
        self._rows = rows
        self._mouse = mouse
        self._failed = failed
        self._shown: list[ScreenRow | None] = []
        self._size = Size(0, 0)
        self._entered = False
        self._mouse_on = False
        self._input_height = 0
        self._raw: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._made: tuple[int, Sequence[ScreenRow]] | None = None
        self._last = 0.0
        app.before_render += lambda _: self._before_render()
        app.max_render_postpone_time = 0  # else a key waits until nothing comes for a moment

    def draw_soon(self) -> None:
        """Draw a frame as soon as the next one is due."""
        if self._timer is None:
            loop = asyncio.get_event_loop()
            wait = self._last + FRAME_SECONDS - loop.time()
            self._timer = loop.call_later(max(wait, 0), self._make)

    def send(self, sequence: str) -> None:
        """Send an escape sequence with the next frame: a bell, a notification, a copy."""
        self._raw.append(sequence)
        self.draw_soon()

    def _make(self) -> None:
        """Make the rows of a frame, and let it be written in the next turn of the loop.

        A frame takes 5 to 10 ms on 50 rows (`benchmarks/typing.py`). In two turns, a key waits for
        half of it at most.
        """
        self._timer, loop = None, asyncio.get_event_loop()
        self._last = loop.time()
        if self._can_draw():
            size, height = self._measured()
            with set_app(self._app):
                self._made = size.rows - height, self._rows(size.rows - height)
        if self._writing is None:
            self._writing = loop.call_later(0, self._write)

    def _can_draw(self) -> bool:
        return self._app.is_running and not (self._app.is_done or self._app._running_in_terminal)

    def _write(self) -> None:
        """Write the frame that is made."""
        if self._app.invalidated:  # a key has come
            self._writing = asyncio.get_event_loop().call_later(0, self._write)
            return
        self._writing, app = None, self._app
        if not self._can_draw():
            return
        self._output.held = True
        try:
            app.render_counter += 1  # forget what was cached for the last frame
            with set_app(app):
                self._paint()
                app.renderer.render(app, app.layout)
        finally:
            self._output.held = False
        try:
            self._output.flush()
        except OSError:
            self._failed()

    def repaint(self) -> None:
        """Draw everything again, soon."""
        self._size = Size(0, 0)
        self.draw_soon()

    def leave(self) -> None:
        """Show the screen that was there before."""
        if not self._entered:
            return
        self._entered = False
        self._size = Size(0, 0)
        self._set_mouse(False)
        self._output.erase_screen()  # for a terminal that has no other screen
        self._output.cursor_goto(1, 1)
        self._output.quit_alternate_screen()
        self._output.flush()

    def _set_mouse(self, on: bool) -> None:
        if on != self._mouse_on:
            self._mouse_on = on
            self._output.write_raw(_MOUSE_ON if on else _MOUSE_OFF)

    def _before_render(self) -> None:
        """Write the rows if the line of input moves, but nothing to the terminal yet.

        Else a key costs no more than the line of input: the next frame has the rows.
        """
        held, self._output.held = self._output.held, True
        try:
            size, height = self._measured()
            if not self._entered or (size, height) != (self._size, self._input_height):
                self._paint()
        finally:
            self._output.held = held

    def _paint(self) -> None:
        """Write the rows that have changed, and leave the cursor to the line of input."""
        if self._app.is_done:
            return
        size, height = self._measured()
        moved = size != self._size or not self._entered
        if moved:
            self._start(size)
        elif height != self._input_height:
            self._app.renderer.erase()
            top = size.rows - max(height, self._input_height)
            self._shown[top:] = [None] * (size.rows - top)
            moved = True
        self._input_height = height
        self._set_mouse(self._mouse())
        changed = self._changed(size.rows - height)
        if moved:
            self._output.write_raw(f"{changed}\x1b[{size.rows - height + 1};1H")
        elif changed:
            self._output.write_raw(f"{_SAVE_CURSOR}{changed}{_RESTORE_CURSOR}")
        if self._raw:
            self._output.write_raw("".join(self._raw))
            self._raw.clear()

    def _measured(self) -> tuple[Size, int]:
        """Return the size of the terminal, and the rows that the line of input needs."""
        size = self._output.get_size()
        container = self._app.layout.container
        return size, min(container.preferred_height(size.columns, size.rows).preferred, size.rows)

    def _start(self, size: Size) -> None:
        """Begin with an empty screen."""
        self._app.renderer.reset()
        if not self._entered:
            self._entered = True
            self._output.enter_alternate_screen()
        self._output.write_raw(_RESET)
        self._output.erase_screen()
        self._size = size
        self._shown = [None] * size.rows

    def _changed(self, height: int) -> str:
        """Return the sequences that write the changed ones of the first rows."""
        parts = []
        made, self._made = self._made, None
        rows = made[1] if made is not None and made[0] == height else self._rows(height)
        for y in range(height):
            row = rows[y] if y < len(rows) else ()
            if row == self._shown[y]:
                continue
            self._shown[y] = row
            parts.append(f"\x1b[{y + 1};1H\x1b[2K")
            parts += [f"\x1b[{y + 1};{x + 1}H{text}" if x else text for x, text in row]
        return "".join(parts)
