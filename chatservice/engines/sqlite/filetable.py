"""Shared files in the database: their SHA-256, their users, their uploads."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from unicodedata import normalize

from twisted.internet.defer import Deferred

from chatservice.domain.ports.file_ports import DeclaredFile, FileLocation


class FileRow(NamedTuple):
    """The row of one version of a file. `mtime` is in nanoseconds, `time` in milliseconds.

    It is believed only while the file's size and modification time are the same. `who` is empty if
    the operator added the file; `owner` is the id (`User.id`) of its user.
    """

    name: str
    version: int
    size: int
    mtime: int
    sha256: str
    who: str
    time: int
    owner: str = ""


class PartialRow(NamedTuple):
    """An upload that was begun: `id` is the name of the file that has what came of it."""

    id: int
    declared: DeclaredFile


class FileTable:
    """The tables `file` and `partial` of the database `db`.

    `ask` runs a job in the database's thread, `change` one that the disk may refuse (`Refusal`,
    not-stored). `commit(sql, rows)` executes a statement with each of the rows, all of them or
    none. `look` runs a job with a database for reading, in another thread, so that long reads do
    not delay commits.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        ask: Callable[..., "Deferred[Any]"],
        look: Callable[..., "Deferred[Any]"],
        change: Callable[..., "Deferred[Any]"],
        commit: Callable[[str, Iterable[Sequence[Any]]], int],
    ) -> None:
        self._db = db
        self._ask = ask
        self._look = look
        self._change = change
        self._commit = commit

    def _execute(self, sql: str, rows: Iterable[Sequence[Any]]) -> "Deferred[int]":
        return self._change(self._commit, sql, rows)

    async def rows(self, folder: str) -> list[FileRow]:
        """Return all rows of a folder's files, by name and version. There may be many, so they are
        read bit by bit: others read meanwhile."""
        sql = (
            f"SELECT {_COLUMNS} FROM file WHERE shelf = ? AND (name, version) > (?, ?)"
            f" ORDER BY name, version LIMIT {_ROWS_AT_A_TIME}"
        )
        found: list[FileRow] = []
        more: list[FileRow] = await self._look(_rows, sql, folder, "", 0)
        while more:
            found += more
            full = len(more) == _ROWS_AT_A_TIME
            more = await self._look(_rows, sql, folder, *more[-1][:2]) if full else []
        return found

    def versions(self, folder: str, name: str) -> "Deferred[list[FileRow]]":
        """Return the rows of one file, by version."""
        sql = f"SELECT {_COLUMNS} FROM file WHERE shelf = ? AND name = ? ORDER BY version"
        return self._ask(_rows, self._db, sql, folder, name)

    def keep(self, folder: str, rows: Sequence[FileRow]) -> "Deferred[int]":
        """Store the rows of some files."""
        sql = f"REPLACE INTO file (shelf, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        return self._execute(sql, [(folder, *row) for row in rows])

    def note(self, folder: str, rows: Sequence[FileRow]) -> "Deferred[int]":
        """Store the hashes of files that an operator added, unless a user has shared just these
        files meanwhile."""
        sql = (
            f"INSERT INTO file (shelf, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET size = excluded.size, mtime = excluded.mtime,"
            " sha256 = excluded.sha256, who = excluded.who, time = excluded.time,"
            " owner = excluded.owner"
            " WHERE file.size <> excluded.size OR file.mtime <> excluded.mtime"
        )
        return self._execute(sql, [(folder, *row) for row in rows])

    def drop(self, folder: str, name: str, versions: Sequence[int]) -> "Deferred[int]":
        """Forget some versions of a file."""
        sql = "DELETE FROM file WHERE shelf = ? AND name = ? AND version = ?"
        return self._execute(sql, [(folder, name, version) for version in versions])

    def drop_folder(self, folder: str) -> "Deferred[int]":
        """Drop all rows of a folder."""
        return self._execute("DELETE FROM file WHERE shelf = ?", [(folder,)])

    def move(self, folder: str, to: str) -> "Deferred[int]":
        """Rename a folder."""
        return self._execute("UPDATE file SET shelf = ? WHERE shelf = ?", [(to, folder)])

    def places(self, size: int, sha256: str) -> "Deferred[list[FileLocation]]":
        """Return the locations of files with that content."""
        sql = "SELECT shelf, name, version FROM file WHERE sha256 = ? AND size = ?"
        return self._ask(
            lambda: [FileLocation(*row) for row in self._db.execute(sql, (sha256, size))]
        )

    def used(self, folder: str, owner: str) -> "Deferred[tuple[int, int]]":
        """Return the bytes of a folder, and those of one user in all folders."""
        sums = [f"(SELECT coalesce(sum(size), 0) FROM file WHERE {it} = ?)" for it in _COUNTED]
        sql = f"SELECT {', '.join(sums)}"
        return self._ask(lambda: self._db.execute(sql, (folder, owner)).fetchone())

    def counted(self, folder: str, owner: str) -> "Deferred[list[tuple[str, FileRow]]]":
        """Return the rows of a folder's files, and of one user's in all folders, with the folder of
        each."""
        sql = f"SELECT shelf, {_COLUMNS} FROM file WHERE shelf = ? OR owner = ?"
        return self._look(_placed, sql, folder, owner)

    def unowned(self) -> "Deferred[list[tuple[str, FileRow]]]":
        """Return the rows of files that nobody has shared here, with the folder of each."""
        sql = f"SELECT shelf, {_COLUMNS} FROM file WHERE owner = '' AND who = '' ORDER BY time"
        return self._look(_placed, sql)

    def count(self) -> "Deferred[tuple[int, int]]":
        """Count the known versions in all folders, and their bytes."""
        sql = "SELECT count(*), coalesce(sum(size), 0) FROM file"
        return self._look(lambda db: db.execute(sql).fetchone())

    def partials(self) -> "Deferred[list[PartialRow]]":
        """The uploads that were begun, oldest first."""
        sql = "SELECT id, shelf, name, size, sha256, who, time, owner FROM partial ORDER BY id"
        return self._ask(lambda: [_partial(*row) for row in self._db.execute(sql)])

    def add_partial(self, declared: DeclaredFile) -> "Deferred[int]":
        """Note that an upload begins; answer with its number."""
        sql = (
            "INSERT INTO partial (shelf, name, size, sha256, who, time, owner)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        row = declared._replace(sha256=declared.sha256 or "")
        return self._execute(sql, [row[:7]])

    def rename(self, owner: str, name: str) -> "Deferred[int]":
        """A user whose uploads these are is called otherwise now."""
        sql = "UPDATE partial SET who = ? WHERE owner = ?"
        return self._execute(sql, [(name, owner)])

    def drop_partial(self, number: int) -> "Deferred[int]":
        """Forget that it was begun."""
        return self._execute("DELETE FROM partial WHERE id = ?", [(number,)])


def _partial(number: int, folder: str, name: str, size: int, sha256: str, *rest: Any) -> PartialRow:
    """Return an upload. Names came in any form once; they are asked for in NFC."""
    said = DeclaredFile(folder, normalize("NFC", name), size, sha256 or None, *rest)
    return PartialRow(number, said if sha256 else said._replace(id=str(number)))


def _rows(db: sqlite3.Connection, sql: str, *values: str | int) -> list[FileRow]:
    return [FileRow(*row) for row in db.execute(sql, values)]


def _placed(db: sqlite3.Connection, sql: str, *values: str) -> list[tuple[str, FileRow]]:
    return [(folder, FileRow(*row)) for folder, *row in db.execute(sql, values)]


_COLUMNS = "name, version, size, mtime, sha256, who, time, owner"

_COUNTED = ("shelf", "owner")

_ROWS_AT_A_TIME = 1000
"""A few milliseconds."""
