"""Colours, and their contrast (WCAG 2.2, 1.4.3)."""

import re

Color = tuple[float, float, float]
"""Red, green and blue, from 0 to 255."""

ENOUGH = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3, level AA)."""

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)


def parse_color(text: str) -> Color:
    """Return a colour that is written as in CSS, `#17695f` or `#176`. Raises `ValueError`."""
    if not re.fullmatch(r"#(?:[0-9A-Fa-f]{3}){1,2}", text):
        raise ValueError(text)
    digits = text[1:] if len(text) == 7 else "".join(it * 2 for it in text[1:])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def written(color: Color) -> str:
    """Return a colour as CSS writes it."""
    return "#" + bytes(round(it) for it in color).hex()


def mix(one: Color, other: Color, part: float) -> Color:
    """Return one colour with a `part` of another one in it, from 0 to 1."""
    red, green, blue = (a + (b - a) * part for a, b in zip(one, other, strict=True))
    return red, green, blue


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    red, green, blue = (
        it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4
        for it in (part / 255 for part in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
