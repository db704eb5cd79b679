"""Reads entries from the database as they are shown: with their newest texts, and with quotes of
the entries that they are about."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from chatservice.engines import blocks
from chatservice.engines.annotationrules import FORMER, quote
from chatservice.entries import Entry, Kind, Quote, Run

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
    if entry.kind == Kind.EDIT and [*stored_entries(db, log, (entry.about,))]:
        position = entry.about
    return [position, *edits(db, log, position)]


def shown(db: sqlite3.Connection, log: int, stored: Sequence[Runs]) -> list[Runs]:
    """Return the runs of several blocks, in order, as they are shown."""
    runs = edited(db, log, [pair for each in stored for pair in each])
    about = {run.about for _, run in runs if run.may_have_quote}
    if about:
        quotes = _quotes(db, log, about)
        runs = [(first, run._replace(quote=quotes.get(run.about))) for first, run in runs]
    rest = iter(runs)
    return [[next(rest) for _ in each] for each in stored]


def edited(db: sqlite3.Connection, log: int, runs: Runs) -> Runs:
    """Return runs with their newest texts."""
    if not runs:
        return runs
    among = f"SELECT about, text FROM annotation WHERE log = ? AND kind = '{Kind.EDIT}' AND about"
    last, run = runs[-1]
    ends = (runs[0][0], last + len(run.texts) - 1)
    texts = dict(db.execute(f"{among} BETWEEN ? AND ?", (log, *ends)).fetchall())
    if of_edits := [run.about for _, run in runs if run.kind == Kind.EDIT]:
        sql = f"{among} IN (SELECT value FROM json_each(?))"
        texts.update(db.execute(sql, (log, json.dumps(of_edits))).fetchall())
    return blocks.with_texts(runs, texts) if texts else runs


def _quotes(db: sqlite3.Connection, log: int, positions: Collection[int]) -> dict[int, Quote]:
    found = plain_entries(db, log, positions)
    return {position: quote(entry) for position, entry in found if entry.kind != Kind.GONE}


def entries_at(
    db: sqlite3.Connection, log: int, positions: Collection[int]
) -> Iterator[tuple[int, Entry]]:
    """Iterate over the entries at some positions, in order."""
    found = [*plain_entries(db, log, positions)]
    about = {entry.about for _, entry in found if entry.as_run().may_have_quote}
    quotes = _quotes(db, log, about) if about else {}
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
