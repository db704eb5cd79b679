"""Text in the columns of a terminal: how wide it is, where its lines are broken, and how a text
that runs from right to left is kept from reordering what stands beside it."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

from wcwidth import iter_graphemes, wcswidth, wcwidth

Fragments = list[tuple[str, str]]
"""Pieces of text, each behind its style, as prompt_toolkit takes them."""

TAB = 4
"""Columns of a tab: what it would be worth on a terminal depends on where it stands."""

_WORDS = re.compile(r" +|[^ ]+")
_FROM_THE_RIGHT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
_ISOLATE, _END = "\u2068", "\u2069"
"""FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE (Unicode UAX #9)."""


@lru_cache(maxsize=4096)
def grapheme_width(grapheme: str) -> int:
    """Return how many columns one sign takes at most.

    Terminals differ: for some, what a joiner (ZWJ) makes one sign of is one, for others it is
    all its parts. The wider reading is taken: a line that is broken a little early looks right on
    both, one that runs over does not.
    """
    parts = sum(max(wcwidth(character), 0) for character in grapheme)
    return max(wcswidth(grapheme), parts)


def width(text: str) -> int:
    """Return how many columns a text takes at most."""
    if text.isascii():
        return len(text)
    return sum(grapheme_width(grapheme) for grapheme in iter_graphemes(text))


def shortened(text: str, columns: int) -> str:
    """Return `text` cut in its middle so that it fits: `a long na…ort.pdf`."""
    if width(text) <= columns:
        return text
    signs = list(iter_graphemes(text))
    head = _fitting(signs, columns // 2)
    tail = _fitting(signs[::-1], columns - 1 - width("".join(head)))[::-1]
    return "".join((*head, "…", *tail))


def _fitting(signs: list[str], columns: int) -> list[str]:
    """Return the first ones that fit."""
    taken = accumulate(map(grapheme_width, signs))
    return [sign for sign, so_far in zip(signs, taken, strict=True) if so_far <= columns]


def isolated(text: str) -> str:
    """Return `text` so that its direction ends where it ends. Only what has letters that run from
    right to left needs that, and not every terminal can show the signs for it."""
    if text.isascii() or all(unicodedata.bidirectional(c) not in _FROM_THE_RIGHT for c in text):
        return text
    return f"{_ISOLATE}{text}{_END}"


def wrapped(line: Fragments, columns: int, indent: int, isolate: bool = True) -> Fragments:
    """Return a line broken at its spaces into rows of at most so many columns, with `indent`
    spaces before each but the first, and a newline at the end of each.

    A word that is longer than a row is left to the terminal to break, so that an address (URL) is
    still one when it is copied. With `isolate`, directions are kept apart.
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
    """Return what must not be broken: words, and the spaces between them. What is wide stands for
    itself: where it is written there are no spaces."""
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
    """Put neighbours of one style together, so that what is isolated is the whole of it."""
    joined = Fragments()
    for style, text in row:
        if joined and joined[-1][0] == style:
            joined[-1] = style, joined[-1][1] + text
        else:
            joined.append((style, text))
    return joined


class _RowBuilder:
    """Rows that words are put into."""

    def __init__(self, columns: int, indent: int) -> None:
        self.fragments = Fragments()
        self._columns = columns
        self._indent = indent
        self._used = 0
        self._spaces = Fragments()

    def add(self, word: Fragments) -> None:
        """Put a word behind what there is, or into the next row."""
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
        """Return in which column a word ends, where the terminal breaks it if it is too long."""
        if self._used + size <= self._columns:
            return self._used + size
        used = self._used
        for _, text in word:
            for sign in iter_graphemes(text):
                size = grapheme_width(sign)
                used = used + size if used + size <= self._columns else size
        return used
