"""Text in the columns of a terminal: its width, its line breaks and its direction."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

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


def shortened(text: str, columns: int) -> str:
    """Return `text`, cut in its middle if it is too long: `a long na…ort.pdf`."""
    if width(text) <= columns:
        return text
    signs = list(iter_graphemes(text))
    head = _fitting(signs, columns // 2)
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
    rows = _RowBuilder(columns, min(indent, columns // 4))
    for word in _words(line):
        rows.add(word)
    row, done = Fragments(), Fragments()
    for style, text in [*rows.fragments, ("", "\n")]:
        if text == "\n":
            done += [(s, isolated(t)) for s, t in _joined(row)] if isolate else row
            done.append(("", "\n"))
            row = []
        else:
            row.append((style, text))
    return done


def _words(line: Fragments) -> Iterator[Fragments]:
    """Yield the pieces that stay together: words, and the spaces between them.

    A wide sign is a word of its own: scripts that have them are written without spaces.
    """
    word = Fragments()
    for style, text in line:
        for piece in _WORDS.findall(text):
            if piece[0] == " ":
                if word:
                    yield word
                    word = []
                yield [(style, piece)]
            elif piece.isascii():
                word.append((style, piece))
            else:
                for sign in iter_graphemes(piece):
                    if grapheme_width(sign) > 1 and word:
                        yield word
                        word = []
                    word.append((style, sign))
                    if grapheme_width(sign) > 1:
                        yield word
                        word = []
    if word:
        yield word


def _joined(row: Fragments) -> Fragments:
    """Join neighbours of one style, so that they are isolated as a whole."""
    joined = Fragments()
    for style, text in row:
        if joined and joined[-1][0] == style:
            joined[-1] = style, joined[-1][1] + text
        else:
            joined.append((style, text))
    return joined


class _RowBuilder:
    """Rows, filled word by word."""

    def __init__(self, columns: int, indent: int) -> None:
        self.fragments = Fragments()
        self._columns = columns
        self._indent = indent
        self._used = 0
        self._spaces = Fragments()

    def add(self, word: Fragments) -> None:
        """Append a word to the row, or to the next row if it does not fit."""
        if word[0][1][0] == " ":
            self._spaces = word
            return
        size = sum(width(text) for _, text in word)
        gap = sum(len(text) for _, text in self._spaces)
        if self._used + gap + size <= self._columns or not self.fragments:
            self.fragments += self._spaces
            self._used += gap
        elif size <= self._columns - self._indent:
            self.fragments += [("", "\n"), ("class:indent", " " * self._indent)]
            self._used = self._indent
        elif self._used:
            self.fragments.append(("", "\n"))
            self._used = 0
        self._spaces = []
        self.fragments += word
        self._used = self._end(word, size)

    def _end(self, word: Fragments, size: int) -> int:
        """Return the column in which a word ends. The terminal breaks a word that is too long."""
        if self._used + size <= self._columns:
            return self._used + size
        used = self._used
        for _, text in word:
            for sign in iter_graphemes(text):
                size = grapheme_width(sign)
                used = used + size if used + size <= self._columns else size
        return used
