"""Upgrades of the database, from an older version to a newer one
(`chatservice.engines.sqlite.schema`).

Tables, columns and indices that an older version lacks are added as the newest one has them. So
there is code only for rows that change.
"""

import filecmp
import itertools
import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from chatservice.engines.sqlite import integrity, permissions
from chatservice.errors import Code, Refusal

_log = Logger()


def upgrade(path: Path, version: int, newest: int, tables: str) -> None:
    """Bring the database at `path` from `version` to `newest`, which has these `tables`, after a
    copy was made beside it.

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
            _change(db, version, tables)
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


def _change(db: sqlite3.Connection, version: int, tables: str) -> None:
    """Change what a version has otherwise.

    Version 2 has other blocks (`_block_2`). Version 3 notes the last position of each log, so that
    a start need not look all of them up, and knows versions of files. Version 5 remembers a guest
    by what no other guest ever has, and no longer by the name: of what there is, only that of
    registered names has an owner, and nobody has an invitation who is not registered. Version 7
    knows of each run whether its author was registered; older runs do not tell. Version 8 has
    entries about other entries, and senders' copies of private messages. Version 9 has
    subscriptions to push messages.
    """
    if version < 2:
        db.execute(f"PRAGMA application_id = {integrity.APPLICATION_ID}")
        db.execute("DROP INDEX block_place")
        db.execute("ALTER TABLE block RENAME TO block_1")
    if version < 3:
        db.execute("ALTER TABLE file RENAME TO file_2")
    _shorten(db)
    _complete(db, tables)
    if version < 2:
        _change_blocks(db)
    if version < 3:
        db.execute(
            "UPDATE log SET noted = (SELECT coalesce(max(id), 0) FROM block), last = max(ended,"
            " (SELECT coalesce(max(last), 0) FROM block WHERE block.log = log.id))"
        )
        columns = "size, mtime, sha256, who, time"
        db.execute(
            f"INSERT INTO file (shelf, name, version, {columns})"
            f" SELECT shelf, name, 1, {columns} FROM file_2"
        )
        db.execute("DROP TABLE file_2")
    if version < 5:
        for table in ("file", "partial"):
            db.execute(
                f"UPDATE {table} SET owner = coalesce((SELECT key FROM account"
                f" WHERE account.name = {table}.who), '')"
            )
        db.execute("DELETE FROM said WHERE who NOT IN (SELECT key FROM account)")
        db.execute(
            "DELETE FROM rule WHERE what IN ('owner', 'moderator', 'invited')"
            " AND whom NOT IN (SELECT key FROM account)"
        )


def shortened(sql: str) -> str:
    """Return statements without what SQLite does not need.

    It keeps their text, which has to fit into the first page: `engines/sqlite/rescue.py` finds the
    tables while that page can be read.
    """
    sql = re.sub(r"\s+", " ", re.sub("--.*", "", sql))
    sql = re.sub(r"(REFERENCES \w+)\(\w+\)", r"\1", sql)
    return re.sub(r"INTEGER(?! PRIMARY)", "INT", re.sub(r" *([(),;]) *", r"\1", sql))


def _shorten(db: sqlite3.Connection) -> None:
    """Shorten the statements that a database has, to make room for those that it lacks."""
    made = db.execute("SELECT sql, rowid FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    db.execute("PRAGMA writable_schema = ON")
    db.executemany(
        "UPDATE sqlite_master SET sql = ? WHERE rowid = ?",
        [(shortened(sql), row) for sql, row in made],
    )
    db.execute("PRAGMA writable_schema = RESET")  # so that SQLite reads them anew


def _complete(db: sqlite3.Connection, tables: str) -> None:
    """Add the tables, columns and indices that are missing, and drop other indices."""
    made = "SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL"
    with closing(sqlite3.connect(":memory:")) as new:
        new.executescript(tables)
        for name, sql in new.execute(f"{made} AND name NOT GLOB 'sqlite_*'", ("table",)):
            there = {column for _, column, *_ in db.execute(f"PRAGMA table_info({name})")}
            if not there:
                db.execute(sql)
                continue
            for _, column, kind, _, default, _ in new.execute(f"PRAGMA table_info({name})"):
                if column not in there:
                    added = f"{column} {kind} NOT NULL DEFAULT {default}"
                    db.execute(f"ALTER TABLE {name} ADD COLUMN {added}")
        wanted, present = (dict(it.execute(made, ("index",)).fetchall()) for it in (new, db))
        for name in present.keys() - wanted.keys():
            db.execute(f"DROP INDEX {name}")
        for name in wanted.keys() - present.keys():
            db.execute(wanted[name])


_AT_A_TIME = 100
"""Blocks held in memory."""


def _change_blocks(db: sqlite3.Connection) -> None:
    while rows := db.execute(f"SELECT * FROM block_1 ORDER BY id LIMIT {_AT_A_TIME}").fetchall():
        db.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)", map(_block_2, rows))
        db.execute("DELETE FROM block_1 WHERE id <= ?", (rows[-1][0],))  # its room is used again
    db.execute("DROP TABLE block_1")


def _block_2(row: tuple[int, int, int, int, bytes]) -> tuple[int, int, int, int, int, bytes]:
    """Return a block of version 2, of one of version 1.

    Version 1 kept a block as a JSON array of its entries, each [kind, time, who, text, file]; their
    positions had no gaps. Version 2 keeps runs, what is alike but for the texts: a line of JSON
    with [position in the block, kind, time, who, how many texts, file] for each, and then all
    texts, with U+001E between them. A block tells the time of its last entry.
    """
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
