"""Which names look alike: `аlice` with a Cyrillic letter, `a1ice`, `aIice`, and `alice`.

Two names do if one of the skeletons of the one is one of the other's. A skeleton is what is left of
a name when each character is replaced by the one that all its doubles stand for (Unicode UTS #39,
section 4). A name has up to two: case does not tell names apart, but changes their looks, so that
`AI` looks like `Al` and, folded, like `ai`. Names that are the same but for their case always look
alike.

Which characters are doubles is Unicode's data (confusables.txt), of about version 9, as the library
confusable-homoglyphs has it. Characters newer than that are nobody's doubles here.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""What is not shown at all: Default_Ignorable_Code_Point (Unicode UAX #44)."""


_DOUBLES = {'"': "''", "%": "º/₀", "0": "o", "1": "l", "M": "rn", "`": "'", "m": "rn", "|": "l"}
_FOLDED = str.maketrans({chr(code): chr(code).lower() for code in range(128)} | _DOUBLES)
_SHOWN = _FOLDED | {ord("I"): "l"}
"""What each character of ASCII looks like: as it is shown, and folded. From the data, which takes a
tenth of a second to read."""


def skeletons(name: str) -> frozenset[str]:
    """Return the skeletons of a name."""
    if name.isascii():  # nearly all are: thousands a second, and no need of the data
        return frozenset((name.translate(_SHOWN), name.translate(_FOLDED)))
    return frozenset((_settled(_skeleton(name)), _settled(_skeleton(name.casefold()))))


def _settled(skeleton: str) -> str:
    """Return a skeleton as case does not change it any more: the one of `М`, in Cyrillic, is the
    Latin `M`, and that of `m` is `rn`, as two letters look."""
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
    """What each character that has doubles is replaced by.

    The library lists each pair both ways. What has several doubles is what they all stand for; of a
    pair that is alone, it is the one that is made of several characters, or used in such.
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
    """Return a character without the marks that the data shows some between."""
    return text.strip("\u200e")
