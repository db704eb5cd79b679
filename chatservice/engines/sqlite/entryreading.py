"""Reads entries from the database as they are shown: with their newest texts, and with quotes of
the entries that they are about."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from chatservice.engines import blocks
from chatservice.engines.annotationrules import FORMER
from chatservice.entries import Entry, Kind, Quote, Run, quote

Runs = Sequence[tuple[int, Run]]


@contextmanager
def at_one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """All that is read meanwhile is as it was at the same moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def edits(db: sqlite3.Connection, log: int, about: int) -> list[int]:
    """Return the positions of all edits of an entry, oldest first."""
    sql = (
        f"SELECT position FROM annotation WHERE log = ? AND kind IN ('{Kind.EDIT}', '{FORMER}')"
        " AND about = ? ORDER BY position"
    )
    return [position for (position,) in db.execute(sql, (log, about))]


def erased_with(db: sqlite3.Connection, log: int, position: int) -> list[int]:
    """Return the positions of all entries that are to be erased with one, itself included: an edit
    goes with the entry that it is about, if that is there, and this with all its edits. Return
    nothing if it is not there."""
    entry = dict(stored_entries(db, log, (position,))).get(position)
    if entry is None:
        return []
    if entry.kind == Kind.EDIT:
        position = entry.about
    there = [at for at, _ in stored_entries(db, log, (position,))]
    return [*there, *edits(db, log, position)]


def shown(db: sqlite3.Connection, log: int, stored: Sequence[Runs]) -> Sequence[Runs]:
    """Return the runs of several blocks, in order, as they are shown."""
    if not stored:
        return stored
    last, run = stored[-1][-1]
    texts = _new_texts(db, log, stored[0][0][0], last + len(run.texts) - 1)
    about = {run.about for runs in stored for _, run in runs if run.about}
    if not (texts or about):  # as nearly always
        return stored
    texts |= _texts_of(db, log, about)
    quotes = _quotes(
        db, log, {run.about for runs in stored for _, run in runs if run.may_have_quote}
    )
    return [
        [(at, _with_quote(run, quotes)) for at, run in blocks.with_texts(runs, texts)]
        for runs in stored
    ]


def _with_quote(run: Run, quotes: Mapping[int, Quote]) -> Run:
    return run._replace(quote=quotes.get(run.about)) if run.may_have_quote else run


def edited(db: sqlite3.Connection, log: int, runs: Runs) -> Runs:
    """Return runs with their newest texts."""
    if not runs:
        return runs
    last, run = runs[-1]
    texts = _new_texts(db, log, runs[0][0], last + len(run.texts) - 1)
    if of_edits := [run.about for _, run in runs if run.kind == Kind.EDIT]:
        texts |= _texts_of(db, log, of_edits)
    return blocks.with_texts(runs, texts) if texts else runs


_NEW_TEXTS = f"SELECT about, text FROM annotation WHERE log = ? AND kind = '{Kind.EDIT}' AND about"
"""Finds the newest texts of entries that were edited."""


def _new_texts(db: sqlite3.Connection, log: int, first: int, last: int) -> dict[int, str]:
    return dict(db.execute(f"{_NEW_TEXTS} BETWEEN ? AND ?", (log, first, last)).fetchall())


def _texts_of(db: sqlite3.Connection, log: int, positions: Collection[int]) -> dict[int, str]:
    sql = f"{_NEW_TEXTS} IN (SELECT value FROM json_each(?))"
    return dict(db.execute(sql, (log, json.dumps([*positions]))).fetchall())


def _quotes(db: sqlite3.Connection, log: int, positions: Collection[int]) -> dict[int, Quote]:
    if not positions:
        return {}
    found = plain_entries(db, log, positions)
    return {position: quote(entry) for position, entry in found if entry.kind != Kind.GONE}


def entries_at(
    db: sqlite3.Connection, log: int, positions: Collection[int]
) -> Iterator[tuple[int, Entry]]:
    """Iterate over the entries at some positions, in order."""
    found = [*plain_entries(db, log, positions)]
    about = {entry.about for _, entry in found if entry.as_run().may_have_quote}
    quotes = _quotes(db, log, about)
    for position, entry in found:
        yield position, entry._replace(quote=quotes.get(entry.about))


def plain_entries(
    db: sqlite3.Connection, log: int, positions: Collection[int]
) -> Iterator[tuple[int, Entry]]:
    """The same, without quotes."""
    stored = [(position, it.as_run()) for position, it in stored_entries(db, log, positions)]
    return ((position, run.entry(0)) for position, run in edited(db, log, stored))


def stored_entries(
    db: sqlite3.Connection, log: int, positions: Collection[int]
) -> Iterator[tuple[int, Entry]]:
    """Iterate over the entries at some positions, in order, as they were stored at first."""
    runs: Runs = ()
    last = 0
    sql = "SELECT last, first, entries FROM block WHERE log = ? AND last >= ? ORDER BY last LIMIT 1"
    for position in sorted(positions):
        if position > last:
            row = db.execute(sql, (log, position)).fetchone()
            if row is None:
                return
            last, runs = row[0], blocks.unpack(*row[1:])
        for first, run in runs:
            if 0 <= position - first < len(run.texts):
                yield position, run.entry(position - first)
