"""The icon of the installed page, drawn as PNG: a speech bubble, as in `page/icon.svg`.

A row of pixels is made of spans. Each has a weight, and the sum of the weights of a pixel is its
index in the palette: transparent, then the colour, then white. Fractions smooth the edges.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import accumulate
from math import sqrt
from typing import NamedTuple

from chatservice.protocols.web.colors import Color, mix, parse_color

SIDE = 64.0
"""The side of the drawing, in its own units."""

_LINES = 4
"""Lines in a row of pixels, to smooth its upper and lower edges."""

_STEPS = 16
"""Steps of a smooth edge."""

_STEPS_A_LINE = _STEPS // _LINES

_SHRUNK = 0.78
"""The scale of a drawing that may be cut to a circle of 80 % ("maskable", W3C's manifest)."""

WHITE = parse_color("#fdfcf9")


class _Box(NamedTuple):
    """A rectangle with round corners; its `weight` is 1 or -1."""

    left: float
    top: float
    right: float
    bottom: float
    round: float
    weight: int = 1

    def span(self, y: float) -> tuple[float, float] | None:
        """Return where a line crosses it."""
        if not self.top <= y < self.bottom:
            return None
        off = max(self.top + self.round - y, y - self.bottom + self.round, 0.0)
        cut = self.round - sqrt(max(self.round**2 - off**2, 0.0))
        return self.left + cut, self.right - cut


class _Tail(NamedTuple):
    """The corner of the bubble that points down."""

    weight: int = 1

    def span(self, y: float) -> tuple[float, float] | None:
        """Return where a line crosses it."""
        return (21.0, 31.0 - (y - 44.0) * 10 / 8) if 44.0 <= y < 52.0 else None


_BUBBLE = (
    _Box(12, 17, 52, 44, 6),
    _Tail(),
    _Box(19.3, 25.3, 44.7, 28.7, 1.7, -1),
    _Box(19.3, 32.3, 36.7, 35.7, 1.7, -1),
)


def png(pixels: int, color: Color, maskable: bool = False) -> bytes:
    """Return the icon as PNG, with a side of so many pixels. A `maskable` one has no corners of its
    own: a phone cuts it."""
    back = _Box(0, 0, SIDE, SIDE, 0 if maskable else 15)
    scale = _SHRUNK if maskable else 1.0
    rows = b"".join(b"\0" + row for row in _rows(pixels, back, scale))
    clear = [_byte(255 * it / _STEPS) for it in range(_STEPS)]
    palette = [color] * _STEPS + [mix(color, WHITE, it / _STEPS) for it in range(_STEPS + 1)]
    # 8 bits a pixel, of a palette (PNG, third edition, 11.2.1).
    head = struct.pack(">IIBBBBB", pixels, pixels, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", head),
            _chunk(b"PLTE", bytes(_byte(part) for each in palette for part in each)),
            _chunk(b"tRNS", bytes(clear)),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _rows(pixels: int, back: _Box, scale: float) -> Iterator[bytes]:
    unit = SIDE / pixels
    middle = SIDE / 2
    for row in range(pixels):
        steps = [0] * (pixels + 2)
        for line in range(_LINES):
            y = (row + (line + 0.5) / _LINES) * unit
            _add(steps, back.span(y), unit, 1)
            for shape in _BUBBLE:
                found = shape.span(middle + (y - middle) / scale)
                moved = found and tuple(middle + (x - middle) * scale for x in found)
                _add(steps, moved, unit, shape.weight)
        yield bytes(accumulate(steps[:pixels]))


def _add(steps: list[int], span: tuple[float, ...] | None, unit: float, weight: int) -> None:
    """Add a span to the differences between neighbouring pixels."""
    if span is None:
        return
    for x, sign in zip(span, (weight, -weight), strict=True):
        whole, part = divmod(x / unit, 1)
        later = round(part * _STEPS_A_LINE)
        steps[int(whole)] += sign * (_STEPS_A_LINE - later)
        steps[int(whole) + 1] += sign * later


def _byte(value: float) -> int:
    return min(max(round(value), 0), 255)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
