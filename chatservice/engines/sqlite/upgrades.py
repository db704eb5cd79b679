"""Upgrades of the database, from an older version to a newer one
(`chatservice.engines.sqlite.schema`).

A step from one version to the next knows these two, and uses nothing of the rest of the program,
which goes on to change: tomorrow the step must do what it was tested to do.
"""

import filecmp
import itertools
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from chatservice.engines.sqlite import integrity, permissions
from chatservice.errors import Code, Refusal

_log = Logger()


def upgrade(path: Path, version: int, newest: int) -> None:
    """Bring the database at `path` from `version` to `newest`, after a copy was made beside it.

    All of it is one transaction: whatever interrupts it, the database has the one version or the
    other. Raises `Refusal` if it cannot be done, and `sqlite3.DatabaseError` if it is damaged.
    """
    try:
        copy = keep_copy(path, version)
        _log.info(
            "upgrading {path} from version {old} to {new}; as it was, it is kept in {copy}",
            path=str(path),
            old=version,
            new=newest,
            copy=str(copy),
        )
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            for step in range(version, newest):
                STEPS[step](db)
            db.execute(f"PRAGMA user_version = {newest}")
            db.execute("COMMIT")
    except (OSError, sqlite3.OperationalError) as error:
        raise Refusal(
            Code.NOT_STORED,
            "The database {path} is as it was, of the older version {version}: it "
            "could not be upgraded ({error}); make room for two more of its size, and "
            "start again.",
            path=path,
            version=version,
            error=error,
        ) from error
    _log.info("upgraded {path}", path=str(path))


def keep_copy(path: Path, version: int) -> Path:
    """Copy the database at `path`, with all that is committed, into one file beside it.

    Return its name: the first of `chat.sqlite.version-1`, `chat.sqlite.version-1.2` and so on that
    is free, or has these very bytes. Raises `OSError` and `sqlite3.Error`.
    """
    new = path.with_name(f"{path.name}.copy")
    new.unlink(missing_ok=True)
    permissions.make_file(new)
    try:
        with closing(integrity.open_reader(path)) as db, closing(sqlite3.connect(new)) as copy:
            copy.execute("PRAGMA journal_mode = OFF")  # of a copy that fails nothing is kept
            db.backup(copy)
        integrity.sync(new)
        name = _named(new, path.with_name(f"{path.name}.version-{version}"))
    finally:
        new.unlink(missing_ok=True)
    integrity.sync(path.parent)
    return name


def _named(new: Path, wanted: Path) -> Path:
    """Give the file `new` the name that is wanted, or one made of it, if no other has that. The
    data directory is ours alone (`engine.py`), so nobody takes the name meanwhile."""
    name = wanted
    for number in itertools.count(2):
        if not os.path.lexists(name):
            new.rename(name)
            break
        if filecmp.cmp(new, name, shallow=False):
            break  # made by an upgrade that did not get to its end
        name = wanted.with_name(f"{wanted.name}.{number}")
    return name


# -- from version 1 to version 2 -------------------------------------------------------------------
#
# Version 1 kept a block as a JSON array of its entries, each [kind, time, who, text, file]; their
# positions had no gaps. Version 2 keeps runs, what is alike but for the texts: a line of JSON with
# [position in the block, kind, time, who, how many texts, file] for each, and then all texts, with
# U+001E between them. A log can end before its first entry is gone, a block tells the time of its
# last one, and the file says whose it is.

_AT_A_TIME = 100
"""Blocks held in memory."""


def _from_1_to_2(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA application_id = {integrity.APPLICATION_ID}")
    db.execute("ALTER TABLE log ADD COLUMN ended INTEGER NOT NULL DEFAULT 0")
    db.execute("DROP INDEX block_place")
    db.execute("ALTER TABLE block RENAME TO block_1")
    db.execute(
        "CREATE TABLE block (id INTEGER PRIMARY KEY AUTOINCREMENT, log INTEGER NOT NULL,"
        " first INTEGER NOT NULL, last INTEGER NOT NULL, time INTEGER NOT NULL,"
        " entries BLOB NOT NULL)"
    )
    while rows := db.execute(f"SELECT * FROM block_1 ORDER BY id LIMIT {_AT_A_TIME}").fetchall():
        db.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)", map(_block_2, rows))
        db.execute("DELETE FROM block_1 WHERE id <= ?", (rows[-1][0],))  # its room is used again
    db.execute("DROP TABLE block_1")
    db.execute("CREATE INDEX block_place ON block (log, last)")


def _block_2(row: tuple[int, int, int, int, bytes]) -> tuple[int, int, int, int, int, bytes]:
    id_, log, first, last, data = row
    try:
        entries = json.loads(data)
        heads = _heads_2(entries)
        texts = [entry[3].replace("\x1e", "\ufffd") for entry in entries]
    except (ValueError, LookupError, TypeError) as error:
        raise sqlite3.DatabaseError(f"block {id_} cannot be read") from error
    if len(texts) != last + 1 - first:
        raise sqlite3.DatabaseError(f"block {id_} has {len(texts)} entries")
    line = json.dumps(heads, ensure_ascii=False, separators=(",", ":"))
    return id_, log, first, last, entries[-1][1], "\n".join((line, "\x1e".join(texts))).encode()


def _heads_2(entries: list[list[Any]]) -> list[list[Any]]:
    """Return what version 2 says of its runs, of the entries of version 1."""
    heads: list[list[Any]] = []
    for at, (kind, time, who, _, file) in enumerate(entries):
        if file is None and heads and heads[-1][1:4] + heads[-1][5:] == [kind, time, who, None]:
            heads[-1][4] += 1
        else:
            heads.append([at, kind, time, who, 1, file])
    return heads


# -- from version 2 to version 3 -------------------------------------------------------------------
#
# Version 3 notes the last position of each log, so that a start need not look all of them up, knows
# versions of files, and keeps uploads that were begun.


def _from_2_to_3(db: sqlite3.Connection) -> None:
    for column in ("last", "noted"):
        db.execute(f"ALTER TABLE log ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "UPDATE log SET noted = (SELECT coalesce(max(id), 0) FROM block), last = max(ended,"
        " (SELECT coalesce(max(last), 0) FROM block WHERE block.log = log.id))"
    )
    db.execute("ALTER TABLE file RENAME TO file_2")
    db.execute(
        "CREATE TABLE file (shelf TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
        " size INTEGER NOT NULL, mtime INTEGER NOT NULL, sha256 TEXT NOT NULL, who TEXT NOT NULL,"
        " time INTEGER NOT NULL, PRIMARY KEY (shelf, name, version)) WITHOUT ROWID"
    )
    db.execute("INSERT INTO file SELECT shelf, name, 1, size, mtime, sha256, who, time FROM file_2")
    db.execute("DROP TABLE file_2")
    db.execute("CREATE INDEX file_content ON file (sha256)")
    db.execute("CREATE INDEX file_who ON file (who, size)")
    db.execute(
        "CREATE TABLE partial (id INTEGER PRIMARY KEY AUTOINCREMENT, shelf TEXT NOT NULL,"
        " name TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, who TEXT NOT NULL,"
        " time INTEGER NOT NULL)"
    )


# -- from version 3 to version 4 -------------------------------------------------------------------
#
# Version 4 knows who may do what: what holds for one in a room, what moderators did, operators,
# tokens and codes.


def _from_3_to_4(db: sqlite3.Connection) -> None:
    for column in (
        "access TEXT NOT NULL DEFAULT 'public'",
        "frozen INTEGER NOT NULL DEFAULT 0",
        "slow INTEGER NOT NULL DEFAULT 0",
    ):
        db.execute(f"ALTER TABLE room ADD COLUMN {column}")
    db.execute("ALTER TABLE account ADD COLUMN operator INTEGER NOT NULL DEFAULT 0")
    for sql in (
        "CREATE TABLE rule (log INTEGER NOT NULL REFERENCES log(id), what TEXT NOT NULL,"
        " whom TEXT NOT NULL, until INTEGER NOT NULL, who TEXT NOT NULL, time INTEGER NOT NULL,"
        " PRIMARY KEY (log, what, whom)) WITHOUT ROWID",
        "CREATE TABLE deed (id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " log INTEGER NOT NULL REFERENCES log(id), time INTEGER NOT NULL, who TEXT NOT NULL,"
        " what TEXT NOT NULL)",
        "CREATE INDEX deed_place ON deed (log, id)",
        "CREATE TABLE erased (id INTEGER PRIMARY KEY AUTOINCREMENT, log INTEGER NOT NULL,"
        " position INTEGER NOT NULL, UNIQUE (log, position))",
        "CREATE TABLE token (sha256 TEXT PRIMARY KEY, account TEXT NOT NULL"
        " REFERENCES account(key), label TEXT NOT NULL, log INTEGER REFERENCES log(id),"
        " time INTEGER NOT NULL, UNIQUE (account, label)) WITHOUT ROWID",
        "CREATE TABLE code (code TEXT PRIMARY KEY, who TEXT NOT NULL, time INTEGER NOT NULL)"
        " WITHOUT ROWID",
    ):
        db.execute(sql)


# -- from version 4 to version 5 -------------------------------------------------------------------
#
# Version 5 remembers of a guest by what no other guest ever has, and no longer by the name: files,
# uploads that were begun, keys of messages. Of what there is, only that of registered names has an
# owner, and nobody has an invitation who is not registered.


def _from_4_to_5(db: sqlite3.Connection) -> None:
    db.execute("DROP INDEX file_who")
    for table in ("file", "partial"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN owner TEXT NOT NULL DEFAULT ''")
        db.execute(
            f"UPDATE {table} SET owner = coalesce((SELECT key FROM account"
            f" WHERE account.name = {table}.who), '')"
        )
    db.execute("CREATE INDEX file_owner ON file (owner, size)")
    db.execute("DELETE FROM said WHERE who NOT IN (SELECT key FROM account)")
    db.execute(
        "DELETE FROM rule WHERE what IN ('owner', 'moderator', 'invited')"
        " AND whom NOT IN (SELECT key FROM account)"
    )


# -- from version 5 to version 6 -------------------------------------------------------------------
#
# Version 6 knows how much time has passed, whatever the clock said.


def _from_5_to_6(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE passed (state TEXT NOT NULL CHECK (json_valid(state)))")
    db.execute(
        "CREATE TABLE aged (block INTEGER PRIMARY KEY CHECK (typeof(block) = 'integer'),"
        " now INTEGER NOT NULL CHECK (now > 1000000000000)) WITHOUT ROWID"
    )


# -- from version 6 to version 7 -------------------------------------------------------------------
#
# Version 7 knows of each run whether its author was registered: the line of JSON of a block may
# have one more element for it. Older runs do not tell.


def _from_6_to_7(db: sqlite3.Connection) -> None:
    pass


STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _from_1_to_2,
    2: _from_2_to_3,
    3: _from_3_to_4,
    4: _from_4_to_5,
    5: _from_5_to_6,
    6: _from_6_to_7,
}
"""The step from each version to the next one."""
