"""Names that look alike: `аlice` with a Cyrillic letter, `a1ice`, `aIice`, and `alice`.

Two names look alike if they have a skeleton in common. A skeleton is a name in which each character
is replaced by the one that all its doubles stand for (Unicode UTS #39, section 4). A name has up to
two skeletons, because case does not distinguish names but changes their looks: `AI` looks like `Al`
and, folded, like `ai`. Names that differ only in case always look alike.

The doubles come from Unicode's confusables.txt, about version 9, in the library
confusable-homoglyphs. Newer characters have no doubles here.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Invisible characters: Default_Ignorable_Code_Point (Unicode UAX #44)."""


_DOUBLES = {'"': "''", "%": "º/₀", "0": "o", "1": "l", "M": "rn", "`": "'", "m": "rn", "|": "l"}
_FOLDED = str.maketrans({chr(code): chr(code).lower() for code in range(128)} | _DOUBLES)
_SHOWN = _FOLDED | {ord("I"): "l"}
"""The skeletons of ASCII characters, as shown and folded: reading the data takes a tenth of a
second."""


@lru_cache(maxsize=64)  # a new name is asked for three times
def skeletons(name: str) -> frozenset[str]:
    """Return the skeletons of a name."""
    if name.isascii():  # nearly all are: thousands a second, and no need of the data
        return frozenset((name.translate(_SHOWN), name.translate(_FOLDED)))
    return frozenset((_settled(_skeleton(name)), _settled(_skeleton(name.casefold()))))


def _settled(skeleton: str) -> str:
    """Return a skeleton that folding changes no more: that of the Cyrillic `М` is the Latin `M`,
    and that of `m` is `rn`."""
    for _ in range(4):
        former, skeleton = skeleton, _skeleton(skeleton.casefold())
        if skeleton == former:
            break
    return skeleton.casefold()


def _skeleton(text: str) -> str:
    text = INVISIBLE.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFD", text.translate(_doubles()))


@cache
def _doubles() -> Mapping[int, str]:
    """Return the replacement of each character that has doubles.

    The library lists each pair both ways. The character with the most doubles replaces the others;
    of a lone pair, it is the one that has several characters, or is part of such.
    """
    data = json.loads((files("confusable_homoglyphs") / "confusables.json").read_text())
    pairs = {_bare(one): {_bare(it["c"]) for it in doubles} for one, doubles in data.items()}
    parts = {part for one in pairs if len(one) > 1 for part in one}

    def rank(one: str) -> tuple[bool, int, bool, bool]:
        return len(one) > 1, len(pairs[one]), one in parts, one.isascii()

    found = {}
    for one, doubles in pairs.items():
        if len(one) == 1:
            best = max((one, *sorted(doubles)), key=rank)
            if best != one:
                found[ord(one)] = best
    return found


def _bare(text: str) -> str:
    """Return a character without the direction marks that the data has around some."""
    return text.strip("\u200e")
