"""The records of shared files in a node's database: the same on all nodes."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from chatservice.domain.ports.file_ports import FileLocation
from chatservice.entries import FileMark
from chatservice.replies import FileInfo

TABLE = """
-- The files that are shared, on all nodes.
CREATE TABLE shared_file (
    folder  TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    sha256  TEXT NOT NULL,
    who     TEXT NOT NULL,
    time    INTEGER NOT NULL,
    owner   TEXT NOT NULL,                  -- `User.id`
    blob    TEXT NOT NULL,                  -- the chunks in the log's second stream
    PRIMARY KEY (folder, name, version)
) WITHOUT ROWID;
CREATE INDEX shared_file_sha256 ON shared_file (sha256);
CREATE INDEX shared_file_owner ON shared_file (owner);
CREATE INDEX shared_file_blob ON shared_file (blob);
"""

_COLUMNS = "folder, name, version, size, sha256, who, time, owner, blob"


class FileRecord(NamedTuple):
    """A version of a shared file. `blob` has its bytes in the log's second stream."""

    folder: str
    name: str
    version: int
    size: int
    sha256: str
    who: str
    time: int
    owner: str
    blob: str

    @property
    def mark(self) -> FileMark:
        """The mark of the file."""
        return FileMark(self.name, self.size, self.sha256, self.version)

    def info(self) -> FileInfo:
        """Return its description for users."""
        return FileInfo(self.name, self.size, self.sha256, self.who, self.time, self.version)


class Unneeded(NamedTuple):
    """A blob that no record has any more, and the SHA-256 of its bytes; that is empty if another
    blob has the same bytes."""

    size: int
    sha256: str
    blob: str


class FileRecords:
    """The records in the database `db`. The methods without a record's `self` only read, with any
    database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    # -- operations ------------------------------------------------------------------------------

    def add(
        self,
        folder: str,
        name: str,
        size: int,
        sha256: str,
        who: str,
        time: int,
        owner: str,
        blob: str,
        new: bool,
    ) -> int:
        """Add a version of a file, unless the newest one has that content. Return its number; 0 if
        the bytes are gone, which are not `new`."""
        if not new and not self.has_blob(self._db, blob):
            return 0
        there = self.versions(self._db, folder, name)
        newest = there[-1] if there else None
        if newest is not None and (newest.size, newest.sha256) == (size, sha256):
            return newest.version
        record = FileRecord(
            *(folder, name, newest.version + 1 if newest is not None else 1),
            *(size, sha256, who, time, owner, blob),
        )
        self.put([record])
        return record.version

    def put(self, records: Sequence[FileRecord]) -> None:
        """Add records as they are."""
        marks = ", ".join("?" * len(FileRecord._fields))
        self._db.executemany(f"INSERT INTO shared_file ({_COLUMNS}) VALUES ({marks})", records)

    def drop(self, folder: str, name: str, versions: Sequence[int]) -> Sequence[Unneeded]:
        """Drop versions of a file. Return the bytes that are not needed any more."""
        gone = [it for it in self.versions(self._db, folder, name) if it.version in versions]
        sql = "DELETE FROM shared_file WHERE folder = ? AND name = ? AND version = ?"
        self._db.executemany(sql, [it[:3] for it in gone])
        return self._unneeded(gone)

    def forget(self, folder: str) -> Sequence[Unneeded]:
        """Drop all files of a folder. Return the bytes that are not needed any more."""
        gone = self.of_folder(self._db, folder)
        self._db.execute("DELETE FROM shared_file WHERE folder = ?", (folder,))
        return self._unneeded(gone)

    def move(self, folder: str, to: str, owner: str) -> None:
        """Move all files to another folder."""
        sql = "UPDATE OR REPLACE shared_file SET folder = ? WHERE folder = ?"
        self._db.execute(sql, (to, folder))

    def give(self, owner: str, to: str) -> None:
        """Give all files of a guest to the account that they have now."""
        self._db.execute("UPDATE shared_file SET owner = ? WHERE owner = ?", (to, owner))

    def mark(self, owner: str, mark: str) -> None:
        """Let all files of a deleted account be of a `mark`."""
        sql = "UPDATE shared_file SET who = ?, owner = '' WHERE owner = ?"
        self._db.execute(sql, (mark, owner))

    def _unneeded(self, gone: Sequence[FileRecord]) -> Sequence[Unneeded]:
        found = []
        for it in dict.fromkeys(Unneeded(it.size, it.sha256, it.blob) for it in gone):
            if not self.has_blob(self._db, it.blob):
                sha256 = "" if self._has_content(it.sha256) else it.sha256
                found.append(it._replace(sha256=sha256))
        return found

    def _has_content(self, sha256: str) -> bool:
        sql = "SELECT 1 FROM shared_file WHERE sha256 = ?"
        return self._db.execute(sql, (sha256,)).fetchone() is not None

    # -- reading ---------------------------------------------------------------------------------

    @staticmethod
    def versions(db: sqlite3.Connection, folder: str, name: str) -> list[FileRecord]:
        """Return the versions of a file, oldest first."""
        where = "WHERE folder = ? AND name = ? ORDER BY version"
        return _records(db, where, folder, name)

    @staticmethod
    def of_folder(db: sqlite3.Connection, folder: str) -> list[FileRecord]:
        """Return the versions of all files of a folder, by name, oldest first."""
        return _records(db, "WHERE folder = ? ORDER BY name, version", folder)

    @staticmethod
    def all(db: sqlite3.Connection) -> list[FileRecord]:
        """Return the versions of all files, by folder and name, oldest first."""
        return _records(db, "ORDER BY folder, name, version")

    @staticmethod
    def places(db: sqlite3.Connection, size: int, sha256: str) -> list[FileLocation]:
        """Return the locations of files with that content."""
        found = _records(db, "WHERE sha256 = ? AND size = ?", sha256, size)
        return [FileLocation(*it[:3]) for it in found]

    @staticmethod
    def of_owner(db: sqlite3.Connection, owner: str) -> list[tuple[str, str]]:
        """Return the folder and name of each file of which a user has shared a version."""
        found = _records(db, "WHERE owner = ?", owner)
        return list(dict.fromkeys((it.folder, it.name) for it in found))

    @staticmethod
    def has_blob(db: sqlite3.Connection, blob: str) -> bool:
        """Return whether a blob is that of a file."""
        sql = "SELECT 1 FROM shared_file WHERE blob = ?"
        return db.execute(sql, (blob,)).fetchone() is not None

    @staticmethod
    def blobs(db: sqlite3.Connection) -> frozenset[str]:
        """Return the blobs of all files."""
        return frozenset(blob for (blob,) in db.execute("SELECT blob FROM shared_file"))

    @staticmethod
    def used(db: sqlite3.Connection, folder: str, owner: str) -> tuple[int, int]:
        """Return the bytes of a folder, and of one user's files in all folders."""
        of = "(SELECT coalesce(sum(size), 0) FROM shared_file WHERE {} = ?)"
        sql = f"SELECT {of.format('folder')}, {of.format('owner')}"
        here, theirs = db.execute(sql, (folder, owner)).fetchone()
        return int(here), int(theirs)


def _records(db: sqlite3.Connection, where: str, *values: str | int) -> list[FileRecord]:
    sql = f"SELECT {_COLUMNS} FROM shared_file {where}"
    return [FileRecord(*row) for row in db.execute(sql, values)]
