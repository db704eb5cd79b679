"""Runs of entries as stored bytes, and back. They do not depend on any format."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chatservice import names
from chatservice.entries import ANNOTATIONS, TALK, FileMark, Kind, Run

_SEPARATOR = "\x1e"
"""ASCII's record separator. It cannot be in a text (`names.clean`), and to join texts by it takes a
sixth of the time that JSON takes to quote them (docs/performance.md)."""

_loads = json.JSONDecoder().decode
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def pack(runs: Sequence[tuple[int, Run]]) -> bytes:
    """Return the bytes of a block: a line of JSON, which says what its runs are, and their texts.

    `runs` are runs with the position of their first entry, in the order of these. The line is an
    array with an array for each run: its position, counted from the block's first one, kind, time,
    who, how many texts are its own, file, 1 if its author was registered, `about`, `to`. The last
    of these are left out where they say nothing. Raises `ValueError` for a text with U+001E in it.
    """
    start = runs[0][0]
    heads = [
        (at - start, *it[:3], len(it.texts), it.file and _mark(it.file), *_last_fields(it))
        for at, it in runs
    ]
    texts = _SEPARATOR.join([_SEPARATOR.join(run.texts) for _, run in runs])
    if texts.count(_SEPARATOR) != sum([head[4] for head in heads]) - 1:
        raise ValueError("a text has U+001E in it")
    return f"{_dumps(heads)}\n{texts}".encode()


def _last_fields(it: Run) -> tuple[Any, ...]:
    if it.to or it.about:
        return int(it.registered), it.about, it.to
    return (1,) if it.registered else ()


def _mark(file: FileMark) -> FileMark | tuple[str, int, str]:
    return file if file.version > 1 else file[:3]  # as before there were versions


def unpack(start: int, data: bytes) -> list[tuple[int, Run]]:
    """Return what `pack` was given, for a block whose first position is `start`."""
    heads, _, rest = data.decode().partition("\n")
    texts = rest.split(_SEPARATOR)
    runs, taken = [], 0
    for at, kind, time, who, count, file, *last in _loads(heads):
        mark, own = None if file is None else FileMark(*file), texts[taken : taken + count]
        registered, *more = last or (0,)
        runs.append((start + at, Run(kind, time, who, own, mark, bool(registered), *more)))
        taken += count
    return runs


def without(runs: Sequence[tuple[int, Run]], position: int) -> list[tuple[int, Run]]:
    """Return runs without what the entry at a position says: in its place there is one that is
    gone."""
    found: list[tuple[int, Run]] = []
    for first, run in runs:
        at = position - first
        if not 0 <= at < len(run.texts):
            found.append((first, run))
            continue
        gone = _gone(run, ("",), run.who)._replace(registered=run.registered)
        for start, part in (
            (first, run._replace(texts=run.texts[:at])),
            (position, gone),
            (position + 1, run._replace(texts=run.texts[at + 1 :])),
        ):
            if part.texts:
                found.append((start, part))
    return found


def renamed(
    runs: Sequence[tuple[int, Run]], key: str, mark: str, erase: bool
) -> tuple[list[tuple[int, Run]] | None, list[int]]:
    """Return runs in which the entries of a user (`names.key`) are those of `mark`, or with `erase`
    erased; None if there are none. And the positions of erased entries. Copies of what others sent
    to the user were sent to `mark`, and stay."""
    if all(key not in (names.key(run.who), names.key(run.to)) for _, run in runs):
        return None, []
    found, gone = list[tuple[int, Run]](), list[int]()
    for first, run in runs:
        if run.to and names.key(run.to) == key:
            run = run._replace(to=mark)
        if names.key(run.who) != key:
            found.append((first, run))
        elif not erase or run.kind in (Kind.GONE, Kind.ERASED):
            found.append((first, run._replace(who=mark, registered=False)))
        else:
            count = len(run.texts)
            found.append((first, _gone(run, ("",) * count, mark)))
            gone += range(first, first + count)
    return found, gone


def _gone(run: Run, texts: Sequence[str], who: str) -> Run:
    """Return what stands in the place of an erased run. An erased annotation is still known as one,
    by what it is about: the history does not list it."""
    return Run(Kind.GONE, run.time, who, texts, about=run.about * (run.kind in ANNOTATIONS))


def with_texts(runs: Sequence[tuple[int, Run]], texts: Mapping[int, str]) -> list[tuple[int, Run]]:
    """Return runs with other texts at some positions, also in the edits of the entries there."""
    found: list[tuple[int, Run]] = []
    for first, run in runs:
        if run.kind == Kind.EDIT:
            run = run._replace(texts=(texts.get(run.about, run.texts[0]),))
        elif run.kind in TALK and any(at in texts for at in range(first, first + len(run.texts))):
            run = run._replace(texts=[texts.get(at, it) for at, it in enumerate(run.texts, first)])
        found.append((first, run))
    return found


def runs_with(runs: Sequence[tuple[int, Run]], key: str) -> list[tuple[int, Run]]:
    """Return the runs of a user (`names.key`), and those that were sent to the user."""
    return [pair for pair in runs if key in (names.key(pair[1].who), names.key(pair[1].to))]


def runs_of(runs: Sequence[tuple[int, Run]], key: str) -> list[tuple[int, Run]]:
    """Return the runs of a user (`names.key`)."""
    return [(first, run) for first, run in runs if names.key(run.who) == key]


def positions(runs: Sequence[tuple[int, Run]]) -> list[int]:
    """Return the positions of all entries."""
    return [at for first, run in runs for at in range(first, first + len(run.texts))]


def topics(runs: Sequence[tuple[int, Run]], key: str) -> list[str]:
    """Return the topics that a user (`names.key`) set."""
    theirs = (run for _, run in runs if run.kind == Kind.TOPIC and names.key(run.who) == key)
    return [text for run in theirs for text in run.texts]
