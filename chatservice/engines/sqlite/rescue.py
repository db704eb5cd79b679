"""Saves what can still be read of a damaged database into a new one:

    python -m chatservice.engines.sqlite.rescue chat.sqlite saved.sqlite

`sqlite3 chat.sqlite .recover` is meant for the same, but not every sqlite3 can do it (Debian 12's
cannot), and it does not know what a block is made of.
"""

import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from chatservice.engines.sqlite import integrity, permissions
from chatservice.errors import Refusal

_STRIDE = 100_000
"""A page that cannot be read can hide so many rows: 400 pages below it, with 250 rows in each."""


def rescue(path: Path, saved: Path) -> Counter[str]:
    """Copy what can be read of the database at `path` into a new one at `saved`.

    Return how many rows each table has there. Raises `sqlite3.Error` if not even the tables can be
    told, and `FileExistsError`.
    """
    saved.touch(permissions.FILE, exist_ok=False)
    with (
        closing(integrity.open_reader(path)) as db,
        closing(sqlite3.connect(saved, isolation_level=None)) as new,
    ):
        db.execute("PRAGMA writable_schema = ON")  # a file that was cut off is read all the same
        new.execute("BEGIN")
        for name in ("application_id", "user_version"):
            new.execute(f"PRAGMA {name} = {db.execute(f'PRAGMA {name}').fetchone()[0]}")
        found: Counter[str] = Counter()
        for table, sql in _made_by(db, "table"):
            new.execute(sql)
            rows = _keyed if "WITHOUT ROWID" in sql else _numbered
            for row in rows(db, table):
                marks = ", ".join("?" * len(row))
                added = new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
                found[table] += added.rowcount
        found["block"] -= new.execute(f"DELETE FROM block WHERE {integrity.UNREADABLE}").rowcount
        for _, sql in _made_by(db, "index"):
            new.execute(sql)
        # So that no new room gets the number, and with it the log, of one whose row is lost.
        new.execute(
            "INSERT OR IGNORE INTO log (id, created) SELECT log, 0 FROM room UNION"
            " SELECT inbox, 0 FROM account UNION SELECT log, 0 FROM block WHERE log > 0"
        )
        with suppress(sqlite3.OperationalError):  # versions 1 and 2 have no such column
            new.execute("UPDATE log SET noted = 0")  # count again: rows of logs may be lost
        new.execute("COMMIT")
    return found


def _made_by(db: sqlite3.Connection, kind: str) -> list[tuple[str, str]]:
    """Return the names of our tables or of their indices, and the SQL that makes each."""
    rows = db.execute(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL", (kind,)
    )
    return [(name, sql) for name, table, sql in rows if not table.startswith("sqlite_")]


def _numbered(db: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Of a table that has row numbers: from both ends, stepping over what cannot be read. Rows may
    come twice."""
    for order, beyond, at, step in (("ASC", ">", 0, 1), ("DESC", "<", 1 << 62, -1)):
        last = at
        sql = f"SELECT rowid, * FROM {table} WHERE rowid {beyond} ? ORDER BY rowid {order}"
        while abs(at - last) < _STRIDE:
            with suppress(sqlite3.DatabaseError):
                for number, *row in db.execute(sql, (at,)):
                    if (number - at) * step <= 0:  # the rest of a page that was half written
                        break
                    last = at = number
                    yield tuple(row)
                else:
                    return
            at += step


def _keyed(db: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Of one that has not: from both ends up to what cannot be read. Rows may come twice."""
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            yield from db.execute(f"SELECT * FROM {table} ORDER BY 1 {order}, 2 {order}")
            return


def main(arguments: list[str]) -> None:
    """Run the command."""
    if len(arguments) != 2:
        raise SystemExit("usage: python -m chatservice.engines.sqlite.rescue DAMAGED NEW")
    path, saved = map(Path, arguments)
    if saved.exists():
        raise SystemExit(f"{saved} is there already; name another file.")
    try:
        with integrity.refusing(path):
            found = rescue(path, saved)
    except Refusal as refusal:
        saved.unlink(missing_ok=True)
        raise SystemExit(f"Nothing was saved. {refusal.sentence}") from None
    for table in sorted(integrity.TABLES):
        print(f"{found[table]:>10} of {table}")


if __name__ == "__main__":
    main(sys.argv[1:])
