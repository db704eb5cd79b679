"""A picture of a terminal: what a pyte screen shows, as SVG."""

from html import escape
from itertools import groupby
from typing import Any, NamedTuple

from wcwidth import wcwidth

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, MARGIN = 8.4, 18, 14, 12

FONT = "'DejaVu Sans Mono', Menlo, Consolas, monospace"


class Colours(NamedTuple):
    """A terminal's own colours: the background, the text, and those with names."""

    background: str
    text: str
    named: dict[str, str]


DARK = Colours(
    "#16181d",
    "#d6d8dc",
    {
        "black": "#16181d",
        "red": "#e06c75",
        "green": "#98c379",
        "brown": "#d19a66",
        "blue": "#61afef",
        "magenta": "#c678dd",
        "cyan": "#56b6c2",
        "white": "#d6d8dc",
        "brightblack": "#7f848e",
    },
)
LIGHT = Colours(
    "#fbfbf9",
    "#24292f",
    {
        "black": "#24292f",
        "red": "#c0262d",
        "green": "#2b7a3d",
        "brown": "#8a5a00",
        "blue": "#1f5fbf",
        "magenta": "#8a3ffc",
        "cyan": "#0b7a85",
        "white": "#d0d0d0",
        "brightblack": "#6e7781",
    },
)


def svg(screen: Any, colours: Colours) -> str:
    """Return an SVG of what a `pyte.Screen` shows."""
    columns, rows = screen.columns, screen.lines
    width = round(columns * CELL_WIDTH + 2 * MARGIN)
    height = rows * CELL_HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FONT}" font-size="{FONT_SIZE}">',
        f'<rect width="{width}" height="{height}" rx="8" fill="{colours.background}"/>',
    ]
    for y in range(rows):
        parts += _row(screen, y, colours)
    x, y = screen.cursor.x, screen.cursor.y
    parts.append(
        f'<rect x="{MARGIN + x * CELL_WIDTH:.1f}" y="{MARGIN + y * CELL_HEIGHT}" '
        f'width="{CELL_WIDTH}" height="{CELL_HEIGHT}" fill="{colours.text}" opacity="0.6"/>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(screen: Any, y: int, colours: Colours) -> list[str]:
    parts = []
    cells = [(x, screen.buffer[y][x]) for x in range(screen.columns)]
    top = MARGIN + y * CELL_HEIGHT
    for look, group in groupby(cells, key=lambda cell: _look(cell[1], colours)):
        run = list(group)
        text = "".join(it.data for _, it in run).rstrip() if look[1] is None else None
        shown = "".join(it.data for _, it in run)
        left, wide = MARGIN + run[0][0] * CELL_WIDTH, len(run) * CELL_WIDTH
        if look[1] is not None:
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{CELL_HEIGHT}" '
                f'fill="{look[1]}"/>'
            )
        if text == "" or not shown.strip():
            continue
        more = ' font-weight="bold"' if look[2] else ""
        more += ' text-decoration="underline"' if look[3] else ""
        length = sum(max(wcwidth(c), 0) for c in shown.rstrip()) * CELL_WIDTH
        parts.append(
            f'<text x="{left:.1f}" y="{top + 13}" fill="{look[0]}" xml:space="preserve" '
            f'textLength="{length:.1f}"{more}>{escape(shown.rstrip())}</text>'
        )
    return parts


def _look(cell: Any, colours: Colours) -> tuple[str, str | None, bool, bool]:
    """Return the colours of a cell, and whether it is bold and underlined."""
    front = _colour(cell.fg, colours) or colours.text
    back = _colour(cell.bg, colours)
    if cell.reverse:
        front, back = back or colours.background, front
    return front, back, cell.bold, cell.underscore


def _colour(name: str, colours: Colours) -> str | None:
    if name == "default":
        return None
    return colours.named.get(name, f"#{name}" if len(name) == 6 else colours.text)
