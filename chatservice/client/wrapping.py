"""Text in the columns of a terminal: its width, its line breaks and its direction."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, groupby
from typing import NamedTuple

from wcwidth import iter_graphemes, wcswidth, wcwidth

Fragments = list[tuple[str, str]]
"""Pairs of a style and a text, as prompt_toolkit takes them."""

TAB = 4
"""Columns of a tab. Its real width would depend on its place in the row."""

_WORDS = re.compile(r" +|[^ ]+")
_FROM_THE_RIGHT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
_ISOLATE, _END = "\u2068", "\u2069"
"""FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE (Unicode UAX #9)."""


@lru_cache(maxsize=4096)
def grapheme_width(grapheme: str) -> int:
    """Return the columns that a grapheme takes at most.

    Some terminals show a sequence with a joiner (ZWJ) as one sign, others show all its parts. We
    assume the wider form: a row that is broken a little early looks right on both.
    """
    parts = sum(max(wcwidth(character), 0) for character in grapheme)
    return max(wcswidth(grapheme), parts)


def width(text: str) -> int:
    """Return the columns that a text takes at most."""
    if text.isascii():
        return len(text)
    return sum(grapheme_width(grapheme) for grapheme in iter_graphemes(text))


def shortened(text: str, columns: int, at_end: bool = False) -> str:
    """Return `text`, cut in its middle if it is too long, as names are: `a long na…ort.pdf`; or, as
    sentences are, `at_end`."""
    if width(text) <= columns:
        return text
    signs = list(iter_graphemes(text))
    head = _fitting(signs, columns - 1 if at_end else columns // 2)
    tail = _fitting(signs[::-1], columns - 1 - width("".join(head)))[::-1]
    return "".join((*head, "…", *tail))


def _fitting(signs: list[str], columns: int) -> list[str]:
    """Return the first signs, as many as fit."""
    taken = accumulate(map(grapheme_width, signs))
    return [sign for sign, so_far in zip(signs, taken, strict=True) if so_far <= columns]


def isolated(text: str) -> str:
    """Return `text` so that its direction does not reorder its neighbours.

    Only text with letters that run from right to left gets the signs for that: some terminals
    cannot show them.
    """
    if text.isascii() or all(unicodedata.bidirectional(c) not in _FROM_THE_RIGHT for c in text):
        return text
    return f"{_ISOLATE}{text}{_END}"


def wrapped(line: Fragments, columns: int, indent: int, isolate: bool = True) -> Fragments:
    """Break a line at its spaces into rows of at most `columns`. Each row ends with a newline.

    Rows after the first one begin with `indent` spaces. The terminal itself breaks a word that is
    longer than a row, so that a URL can still be copied. With `isolate`, text that runs from right
    to left does not reorder its neighbours.
    """
    line = [(style, text.expandtabs(TAB)) for style, text in line]
    if all(text.isascii() for _, text in line) and sum(len(t) for _, t in line) <= columns:
        return [*line, ("", "\n")]
    done = Fragments()
    for row in _rows(line, columns, min(indent, columns // 4)):
        done += [(s, isolated(t)) for s, t in _joined(row)] if isolate else row
        done.append(("", "\n"))
    return done


def _rows(line: Fragments, columns: int, indent: int) -> list[Fragments]:
    """Return the rows of a line, filled word by word."""
    rows, used, spaces = [Fragments()], 0, Fragments()
    for word in _words(line):
        if word[0][1][0] == " ":
            spaces = word
            continue
        size, gap = _size(word), _size(spaces)
        if used + gap + size <= columns or rows == [[]]:
            rows[-1] += spaces
            used += gap
        elif size <= columns - indent:
            rows.append([("class:indent", " " * indent)])
            used = indent
        elif used:
            rows.append([])
            used = 0
        rows[-1] += word
        spaces = []
        used = used + size if used + size <= columns else _end(word, used, columns)
    return rows


def _size(word: Fragments) -> int:
    return sum(width(text) for _, text in word)


def _end(word: Fragments, used: int, columns: int) -> int:
    """Return the column in which a word ends that is too long, so that the terminal breaks it."""
    for _, text in word:
        for sign in iter_graphemes(text):
            size = grapheme_width(sign)
            used = used + size if used + size <= columns else size
    return used


def _words(line: Fragments) -> Iterator[Fragments]:
    """Yield the pieces that stay together: words, and the spaces between them.

    A wide sign is a word of its own: scripts that have them are written without spaces.
    """
    word = Fragments()
    for style, text in line:
        for piece in _WORDS.findall(text):
            for sign in [piece] if piece.isascii() else iter_graphemes(piece):
                alone = piece[0] == " " or (not piece.isascii() and grapheme_width(sign) > 1)
                if alone and word:
                    yield word
                    word = []
                word.append((style, sign))
                if alone:
                    yield word
                    word = []
    if word:
        yield word


def _joined(row: Fragments) -> Fragments:
    """Join neighbours of one style, so that they are isolated as a whole."""
    return [
        (style, "".join(text for _, text in pieces))
        for style, pieces in groupby(row, key=lambda piece: piece[0])
    ]


class Span(NamedTuple):
    """A piece of a row of the screen: its style, its text, and the URL that it leads to or an empty
    string."""

    style: str
    text: str
    link: str = ""


def screen_rows(lines: Fragments, columns: int) -> list[list[Span]]:
    """Return wrapped lines as rows of the screen, none wider than `columns`.

    A word that is longer than a row goes on in the next one. A fragment of the class `link` leads
    to its text.
    """
    rows: list[list[Span]] = [[]]
    used = 0
    for style, text in lines:
        if text == "\n":
            rows.append([])
            used = 0
            continue
        link = text if "class:link" in style else ""
        for piece, size in _pieces(text, columns - used, columns):
            if used + size > columns and used:
                rows.append([])
                used = 0
            rows[-1].append(Span(style, piece, link))
            used += size
    return rows if rows[-1] else rows[:-1]


def _pieces(text: str, left: int, columns: int) -> Iterator[tuple[str, int]]:
    """Yield a text in pieces with their widths: the first fits into `left` columns if possible, the
    others into `columns`."""
    size = width(text)
    if size <= left:
        yield text, size
        return
    piece, used = "", 0
    for sign in iter_graphemes(text):
        size = grapheme_width(sign)
        if used + size > left and (piece or left < columns):
            yield piece, used
            piece, used, left = "", 0, columns
        piece += sign
        used += size
    yield piece, used
