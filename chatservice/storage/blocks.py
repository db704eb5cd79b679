"""Runs of entries to the bytes that are stored, and back. They do not depend on any dialect."""

import json
from collections.abc import Sequence

from chatservice.entries import FileMark, Run

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def pack(runs: Sequence[tuple[int, Run]]) -> bytes:
    """Return the bytes of a block: a JSON array with an array for each run, made of its first
    position, counted from the block's first one, and the fields of `Run` in their order.

    `runs` are runs with the position of their first entry, in the order of these.
    """
    start = runs[0][0]
    return _dumps([(first - start, *run) for first, run in runs]).encode()


def unpack(start: int, data: bytes) -> list[tuple[int, Run]]:
    """Return what `pack` was given, for a block whose first position is `start`."""
    return [
        (start + first, Run(kind, time, who, texts, None if file is None else FileMark(*file)))
        for first, kind, time, who, texts, file in json.loads(data)
    ]
