"""The index for /search, and its rows.

It is a database of its own beside the log, and can be made again from it at any time. An entry's
row is its log's number and its position: a room is a range of rows, and the newest come first
without sorting. FTS5 finds 20 of a million in less than a millisecond, a prefix in a fifth of a
second (docs/performance.md).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

from chatservice.engines.sqlite import permissions
from chatservice.entries import Kind, Run

VERSION = 4
_TOKENS = '"unicode61 remove_diacritics 2"'
ENTRIES = f"CREATE VIRTUAL TABLE entry USING fts5(text, tokenize = {_TOKENS});"
_TABLES = f"""
{ENTRIES}
-- The block up to which entries are in the index, as it is in the log, so that an index of another
-- log is known as one. One row.
CREATE TABLE reached (block INTEGER, log INTEGER, first INTEGER, time INTEGER);
INSERT INTO reached VALUES (0, 0, 0, 0);
-- The last of what was erased (engines/sqlite/schema.py) of which nothing is left here. One row.
CREATE TABLE forgotten (id INTEGER);
INSERT INTO forgotten VALUES (0);
-- Up to where entries of a log were taken out again.
CREATE TABLE ended (log INTEGER PRIMARY KEY, position INTEGER NOT NULL);
PRAGMA user_version = {VERSION};
"""
ASK = (
    "SELECT rowid FROM entry WHERE entry MATCH ? AND rowid BETWEEN ? AND ?"
    " AND rowid NOT IN (SELECT value FROM json_each(?))"
    " ORDER BY rowid DESC LIMIT ?"
)
_ADD = "INSERT INTO entry (rowid, text) SELECT value ->> 0, value ->> 1 FROM json_each(?)"
"""All rows of a step in one call: a call for each would ask for Python's lock each time."""

FILES = ("", "-wal", "-shm")
"""What the names of a database's files end in."""

POSITIONS = 40
"""Bits of a row's number that are the position: a trillion entries a room."""

STEP_ENTRIES = 1000
"""Rows put in at a time, about: a few milliseconds, and one of them of the reactor's."""


def index_path(path: Path) -> Path:
    """Return where the index of the log at `path` is."""
    return path.with_name("search.sqlite")


def add(db: sqlite3.Connection, rows: list[tuple[int, str]]) -> None:
    """Put rows into a table of entries, in the order of their numbers: that is the fastest."""
    rows.sort()
    for at in range(0, len(rows), STEP_ENTRIES):  # what makes JSON has Python's lock all the while
        part = rows[at : at + STEP_ENTRIES]
        db.execute(_ADD, (json.dumps(part, ensure_ascii=False),))


def number(log: int, position: int) -> int:
    """Return the number of an entry's row."""
    return log << POSITIONS | position


def rows_of(log: int, runs: Iterable[tuple[int, Run]]) -> Iterator[tuple[int, str]]:
    """Iterate over the rows of searchable entries: talk, topics, and the names of files. They are
    in NFC, as queries are: FTS5 splits a Hangul syllable in NFD into its letters."""
    for first, run in runs:
        if run.kind in (Kind.MESSAGE, Kind.ACTION, Kind.TOPIC, Kind.REMOVED):
            for position, text in enumerate(run.texts, first):
                yield number(log, position), normalize("NFC", text)
        elif run.file is not None:
            yield number(log, first), normalize("NFC", run.file.name)


def open_index(path: Path, log: sqlite3.Connection) -> sqlite3.Connection:
    """Open the index, or make it again if it is damaged, of another version, or of another log."""
    with suppress(sqlite3.DatabaseError):
        db = _connect(path)
        if _fits(db, log):
            return db
        db.close()
    for suffix in FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    db = _connect(path)
    db.executescript(f"BEGIN; {_TABLES} COMMIT;")
    # Entries that were erased before this moment never come in.
    (erased,) = log.execute("SELECT coalesce(max(id), 0) FROM erased").fetchone()
    db.execute("UPDATE forgotten SET id = ?", (erased,))
    return db


def is_error(error: sqlite3.Error, *codes: int) -> bool:
    """Return whether it is one of SQLite's errors (https://sqlite.org/rescode.html): the lowest
    byte is the kind, the others are details. Errors of Python itself have no code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in codes


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether it is SQLite's error for a file that is no database, or no longer one."""
    return is_error(error, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _connect(path: Path) -> sqlite3.Connection:
    permissions.make_file(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is read again
    return db


def _fits(db: sqlite3.Connection, log: sqlite3.Connection) -> bool:
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        return False
    db.execute("SELECT id FROM forgotten").fetchone()
    block, of, *rest = db.execute("SELECT block, log, first, time FROM reached").fetchone()
    there = log.execute("SELECT first, time, log FROM block WHERE id = ?", (block,)).fetchone()
    was_a_guests = of < 0  # it went with the guest, or got another number when they registered
    if there is not None:
        return bool([*there[:2]] == rest and (there[2] == of or was_a_guests))
    if was_a_guests:
        return True
    (ended,) = log.execute("SELECT coalesce(max(ended), 0) FROM log WHERE id = ?", (of,)).fetchone()
    if rest[0] <= ended:  # its room was removed
        return True
    (oldest,) = log.execute("SELECT min(id) FROM block").fetchone()
    return bool(block == 0 or (oldest is not None and block < oldest))  # it is no longer kept
