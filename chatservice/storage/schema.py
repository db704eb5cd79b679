"""The tables, numbered, and what is checked when a database is opened."""

import sqlite3
from pathlib import Path

from chatservice.errors import Code, Refusal

VERSION = 2

TABLES = """
-- A log: of a room, or a registered user's inbox. A room's number is its log's.
CREATE TABLE log (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    created  INTEGER NOT NULL,              -- milliseconds since 1970
    ended    INTEGER NOT NULL DEFAULT 0     -- entries up to this position are no longer kept
);
CREATE TABLE room (
    log      INTEGER PRIMARY KEY REFERENCES log(id),
    key      TEXT NOT NULL UNIQUE,          -- names.key(name)
    name     TEXT NOT NULL,
    topic    TEXT NOT NULL DEFAULT '',
    password TEXT                           -- argon2id, or NULL
);
CREATE TABLE account (
    key      TEXT PRIMARY KEY,              -- names.key(name)
    name     TEXT NOT NULL,
    password TEXT NOT NULL,                 -- argon2id
    inbox    INTEGER NOT NULL REFERENCES log(id),
    shown    INTEGER NOT NULL DEFAULT 0     -- how far the inbox was read
);
-- What one commit added to one log: positions first..last, and the entries (storage/blocks.py).
-- Rows are only ever appended: a table clustered by room scattered the pages of many rooms over
-- the file and was slower. A guest's inbox has a negative log and is dropped with the guest.
CREATE TABLE block (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice (search.py)
    log      INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    time     INTEGER NOT NULL,              -- of its newest entry, milliseconds since 1970
    entries  BLOB NOT NULL
);
CREATE INDEX block_place ON block (log, last);
-- Keys given with what was said, so that a repetition is known as one.
CREATE TABLE said (
    log      INTEGER NOT NULL,
    who      TEXT NOT NULL,                 -- names.key
    key      TEXT NOT NULL,
    position INTEGER NOT NULL,
    time     INTEGER NOT NULL,
    PRIMARY KEY (log, who, key)
) WITHOUT ROWID;
CREATE INDEX said_time ON said (time);
-- What is known of a file beyond the file itself. Believed only while size and mtime are its.
CREATE TABLE file (
    shelf    TEXT NOT NULL,
    name     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    mtime    INTEGER NOT NULL,              -- nanoseconds
    sha256   TEXT NOT NULL,
    who      TEXT NOT NULL,                 -- empty: the operator
    time     INTEGER NOT NULL,
    PRIMARY KEY (shelf, name)
) WITHOUT ROWID;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database at `path`, making it if there is none.

    Raises `Refusal` with one sentence for the operator, if it cannot be used.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            db.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        if version <= VERSION:
            for table in ("block", "said"):
                db.execute(f"DELETE FROM {table} WHERE log < 0")
            db.execute("DELETE FROM file WHERE shelf GLOB '.guests/*'")
    except sqlite3.DatabaseError as error:
        raise Refusal(
            Code.NOT_STORED,
            f"The database {path} cannot be used ({error}); put a copy of it in its place, or name "
            "another directory with --data.",
        ) from error
    if version > VERSION:
        raise Refusal(
            Code.NOT_STORED,
            f"The database {path} was written by a newer version of this program; use that one.",
        )
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database at `path` to read from, while others write."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
