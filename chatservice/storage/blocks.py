"""Entries to the bytes that are stored, and back. They do not depend on any dialect."""

import json
from collections.abc import Sequence

from chatservice.entries import Entry, FileMark

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def pack(entries: Sequence[Entry]) -> bytes:
    """Return the bytes of a block: a JSON array of arrays, in the order of `Entry`'s fields."""
    return _dumps(entries).encode()


def unpack(data: bytes) -> list[Entry]:
    """Return what `pack` was given."""
    return [
        Entry(kind, time, who, text, None if file is None else FileMark(*file))
        for kind, time, who, text, file in json.loads(data)
    ]
