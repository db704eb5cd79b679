"""What files are called where they are saved: names that every usual file system takes."""

import os
import re
import unicodedata
from collections.abc import Iterator

from chatservice import limits

_UNPORTABLE = re.compile('[<>:"/\\\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
"""What Windows takes in no name ("Naming Files, Paths, and Namespaces"), control characters, and
lone surrogates, which are no UTF-8."""

_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)
"""Devices of Windows, which they are with any extension too."""

_SUFFIX_BYTES = 32
"""What is longer than that behind the last dot is no extension worth keeping whole."""


def portable(name: str) -> str:
    """Return `name` as it can stand on any usual file system, changed as little as that takes.

    Characters that some system does not take become `_`, and so do dots and spaces at the end; a
    `_` goes in front of what is reserved (`_CON.txt`); what is too long is cut before its
    extension.
    """
    name = _ended(_UNPORTABLE.sub("_", name))
    if _is_reserved(name):
        name = f"_{name}"
    if len(name.encode()) > limits.FILE_NAME_BYTES:
        stem, suffix = os.path.splitext(name)
        if len(suffix.encode()) > _SUFFIX_BYTES:
            stem, suffix = name, ""
        name = _ended(cut(stem, len(suffix.encode())) + suffix)
    return name or "_"


def _ended(name: str) -> str:
    """Put `_` for the dots and spaces at the end, which Windows leaves out."""
    kept = name.rstrip(". ")
    return kept + "_" * (len(name) - len(kept))


def _is_reserved(name: str) -> bool:
    return name.partition(".")[0].rstrip(" ").upper() in _RESERVED


def alike(name: str) -> str:
    """Return what two names share that some file systems take for one: case does not matter, nor
    how accents are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def free_names(name: str) -> Iterator[str]:
    """Return `report.pdf`, `report (2).pdf`, `report (3).pdf` and so on, none of them too long."""
    yield name
    stem, suffix = os.path.splitext(name)
    number = 2
    while True:
        end = f" ({number}){suffix}"
        yield cut(stem, len(end.encode())) + end
        number += 1


def cut(name: str, spare: int) -> str:
    """Return as much of a name as leaves `spare` bytes."""
    return name.encode()[: limits.FILE_NAME_BYTES - spare].decode(errors="ignore")
