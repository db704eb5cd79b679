"""The tables, numbered, and how the database is opened."""

import sqlite3
from contextlib import closing
from pathlib import Path

from chatservice.engines.sqlite import integrity, permissions, upgrades
from chatservice.engines.sqlite.integrity import open_reader
from chatservice.errors import Code, Refusal

__all__ = ["TABLES", "UP_TO", "VERSION", "open_database", "open_reader"]

VERSION = 9
"""The `PRAGMA user_version`. A change of `TABLES`, or of the format in `blocks.py`, is a new
version; `upgrades.py` changes the rows of older ones."""

TABLES = """
-- A log: of a room, or a registered user's inbox. A room's number is its log's.
CREATE TABLE log (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    created  INTEGER NOT NULL,              -- milliseconds since 1970
    ended    INTEGER NOT NULL DEFAULT 0,    -- entries up to this position are no longer kept
    last     INTEGER NOT NULL DEFAULT 0,    -- its last position, now and then noted here, for ...
    noted    INTEGER NOT NULL DEFAULT 0     -- ... all blocks up to the highest of these numbers
);
CREATE TABLE room (
    log      INTEGER PRIMARY KEY REFERENCES log(id),
    key      TEXT NOT NULL UNIQUE,          -- names.key(name)
    name     TEXT NOT NULL,
    topic    TEXT NOT NULL DEFAULT '',
    password TEXT,                          -- argon2id, or NULL
    access   TEXT NOT NULL DEFAULT 'public',
    frozen   INTEGER NOT NULL DEFAULT 0,    -- whether only moderators speak
    slow     INTEGER NOT NULL DEFAULT 0     -- seconds from one message of a user to the next
);
-- What holds for one in a room: who owns it, moderates it, is banned, muted or invited.
CREATE TABLE rule (
    log      INTEGER NOT NULL REFERENCES log(id),
    what     TEXT NOT NULL,
    whom     TEXT NOT NULL,                 -- names.key(name), or a range of addresses
    until    INTEGER NOT NULL,              -- milliseconds since 1970; 0: for good
    who      TEXT NOT NULL,                 -- who made it so
    time     INTEGER NOT NULL,
    PRIMARY KEY (log, what, whom)
) WITHOUT ROWID;
-- What moderators did, in the order in which they did it.
CREATE TABLE deed (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    log      INTEGER NOT NULL REFERENCES log(id),
    time     INTEGER NOT NULL,
    who      TEXT NOT NULL,
    what     TEXT NOT NULL                  -- as it was asked for
);
CREATE INDEX deed_place ON deed (log, id);
-- Entries that are no longer as the search index may have them, in the order in which they were
-- erased, edited or given to a mark (search.py).
CREATE TABLE erased (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    log      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    renamed  INTEGER NOT NULL DEFAULT 0,    -- whether only a user's name is another one
    UNIQUE (log, position)
);
-- The annotations that count, entries about other entries: an edit makes a former one of the one
-- before, and a reaction that is taken back is no longer here.
CREATE TABLE annotation (
    log      INTEGER,
    kind     TEXT,                          -- edit (the newest), former, reaction, pinned
    about    INTEGER,                       -- the position of the other entry
    word     TEXT,                          -- of a reaction, or empty
    user     TEXT,                          -- User.id
    position INTEGER,
    time     INTEGER,
    who      TEXT,
    text     TEXT,                          -- of the newest edit: what the entry says now
    PRIMARY KEY (log, kind, about, word, user, position)
) WITHOUT ROWID;
CREATE TABLE account (
    key      TEXT PRIMARY KEY,              -- names.key(name)
    name     TEXT NOT NULL,
    password TEXT NOT NULL,                 -- argon2id
    inbox    INTEGER NOT NULL REFERENCES log(id),
    shown    INTEGER NOT NULL DEFAULT 0,    -- how far the inbox was read
    operator INTEGER NOT NULL DEFAULT 0,    -- whether they run the server
    seen     INTEGER NOT NULL DEFAULT 0,    -- when they were here last, milliseconds since 1970
    shows_seen INTEGER NOT NULL DEFAULT 1   -- whether others see that
);
-- The rooms that accounts keep.
CREATE TABLE member (
    account  TEXT NOT NULL,                 -- account.key
    log      INTEGER NOT NULL,
    read     INTEGER NOT NULL,              -- the position up to which they have read it
    since    INTEGER NOT NULL,              -- milliseconds since 1970
    PRIMARY KEY (account, log)
) WITHOUT ROWID;
CREATE INDEX member_log ON member (log, account);
-- Instead of a password: for programs, one by one revocable. A hash, as no one need read them.
CREATE TABLE token (
    sha256   TEXT PRIMARY KEY,
    account  TEXT NOT NULL REFERENCES account(key),
    label    TEXT NOT NULL,
    log      INTEGER REFERENCES log(id),    -- the only room that it is good for, or NULL
    time     INTEGER NOT NULL,
    UNIQUE (account, label)
) WITHOUT ROWID;
-- A browser that asked to be told what happens while no page is open. Most types are left out: the
-- first page has no room for them (upgrades.py).
CREATE TABLE push (
    endpoint PRIMARY KEY,                   -- its address at a push service
    account,                                -- account.key
    public,                                 -- the browser's keys, in base64url
    secret,
    server,                                 -- the public key of the server that it listens to
    token,                                  -- token.sha256, or empty for a password
    time     INTEGER NOT NULL               -- milliseconds since 1970
) WITHOUT ROWID;
-- A code that lets one person register, where that is by invitation.
CREATE TABLE code (
    code     TEXT PRIMARY KEY,
    who      TEXT NOT NULL,
    time     INTEGER NOT NULL
) WITHOUT ROWID;
-- What one commit added to one log: positions first..last, and the entries (blocks.py).
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
-- How much time has passed, whatever the clock said (entryages.py). One row.
CREATE TABLE passed (
    state    TEXT NOT NULL CHECK (json_valid(state))
);
-- At what time, of the one that passed, all blocks up to one were there.
CREATE TABLE aged (
    block    INTEGER PRIMARY KEY CHECK (typeof(block) = 'integer'),
    now      INTEGER NOT NULL CHECK (now > 1000000000000)   -- milliseconds
) WITHOUT ROWID;
-- Keys given with what was said, so that a repetition is known as one.
CREATE TABLE said (
    log      INTEGER NOT NULL,
    who      TEXT NOT NULL,                 -- User.id
    key      TEXT NOT NULL,
    position INTEGER NOT NULL,
    time     INTEGER NOT NULL,
    PRIMARY KEY (log, who, key)
) WITHOUT ROWID;
CREATE INDEX said_time ON said (time);
-- What is known of a file beyond the file itself. Believed only while size and mtime are its.
CREATE TABLE file (
    shelf    TEXT NOT NULL,                 -- the folder
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,              -- from 1 on; the newest one has the name
    size     INTEGER NOT NULL,
    mtime    INTEGER NOT NULL,              -- nanoseconds
    sha256   TEXT NOT NULL,
    who      TEXT NOT NULL,                 -- empty: the operator
    time     INTEGER NOT NULL,
    owner    TEXT NOT NULL DEFAULT '',      -- User.id of who shared it; empty: nobody's
    PRIMARY KEY (shelf, name, version)
) WITHOUT ROWID;
CREATE INDEX file_content ON file (sha256);
CREATE INDEX file_owner ON file (owner, size);
-- An upload that was begun, with the SHA-256 that its bytes must have in the end, and can go on.
CREATE TABLE partial (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- what the file is called that has what came of it
    shelf    TEXT NOT NULL,
    name     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    sha256   TEXT NOT NULL,
    who      TEXT NOT NULL,
    time     INTEGER NOT NULL,              -- when it was begun, milliseconds since 1970
    owner    TEXT NOT NULL DEFAULT ''       -- User.id of who sends it
);
"""


_SQL = upgrades.shortened(TABLES)

UP_TO = """
log = ?1 AND first <= ?2 AND last <= coalesce(
    (SELECT last FROM block WHERE log = ?1 AND last >= ?2 ORDER BY last LIMIT 1), ?2)
ORDER BY last DESC
"""
"""Selects the blocks of a log up to a position, newest first, without a walk through newer ones."""


def open_database(path: Path, keeps_guests: bool = False) -> sqlite3.Connection:
    """Open the database at `path`, for one thread at a time to write to.

    If there is none, it is made; an older one is upgraded, after a copy was made beside it. That of
    a node of a cluster `keeps_guests`: those of all nodes. Otherwise guests' inboxes are emptied.
    Raises `Refusal` with one sentence for the operator if it cannot be used; it is unchanged then.
    """
    with integrity.refusing(path):
        if not path.exists():
            _make(path)
        version = integrity.examine(path, VERSION)
        if not keeps_guests:
            _check_alone(path)
        if version < VERSION:
            upgrades.upgrade(path, version, VERSION, _SQL)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        integrity.overwrite(db)
        if not keeps_guests:
            for table in ("block", "said"):
                db.execute(f"DELETE FROM {table} WHERE log < 0")
        db.execute("DELETE FROM file WHERE shelf GLOB '.guests/*'")
        return db


def _check_alone(path: Path) -> None:
    """Raise `Refusal` for the database of a node: what was stored there without the others would be
    at the positions of what they store."""
    with closing(open_reader(path)) as db:
        found = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cluster'").fetchone()
    if found is not None:
        raise Refusal(
            Code.NOT_STORED,
            "The database {path} is that of a node of a cluster; start it with --engine, or use a "
            "backup of a node (chatctl restore) for a server that runs alone.",
            path=path,
        )


def _make(path: Path) -> None:
    """Make the database under another name and then give it its own: one that is there is whole."""
    left = integrity.wal(path)
    if left.exists() and left.stat().st_size:
        raise Refusal(
            Code.NOT_STORED,
            "The database {path} is missing, but {left} is there, with what was said "
            "last; put {path2} back beside it, or move that away as well to begin anew.",
            path=path,
            left=left.name,
            path2=path.name,
        )
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    permissions.make_file(new)
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")  # of one that is half made nothing is kept
        db.executescript(
            f"BEGIN; {_SQL} PRAGMA application_id = {integrity.APPLICATION_ID};"
            f"PRAGMA user_version = {VERSION}; COMMIT;"
        )
    new.rename(path)
    integrity.sync(path.parent)
