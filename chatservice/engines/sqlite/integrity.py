"""Checks: is a file our database, and whole?

All of them only read: a damaged file stays as it is, so that its readable part can be saved.
"""

import errno
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.engines.sqlite.threads import WorkerThread
from chatservice.errors import Code, Refusal

APPLICATION_ID = 0x63686174
"""The `PRAGMA application_id` from version 2 on: `chat`."""

AT_ONCE_BYTES = 16 << 20
"""A database of up to this size is checked as a whole before it is used: 0.03 to 0.3 s, measured on
a busy machine, for blocks of thousands of entries or of one. Ten million entries, 1 GB, took 0.7 to
2.8 s, and 24 s on a disk that had to be read: `integrity.py` does that."""

TABLES = {"log", "room", "account", "block", "said", "file"}
"""Those of every version."""

UNREADABLE = """
instr(entries, x'00') OR NOT json_valid(
    substr(CAST(entries AS TEXT), 1, instr(CAST(entries AS TEXT) || char(10), char(10)) - 1))
"""
"""A query that is true for damaged blocks. In every version a block's first line is JSON, and a
block has no NUL. A page that was never written is read as NULs, and SQLite does not notice at the
end of a long blob."""

_EVERYTHING = f"""
SELECT integrity_check FROM pragma_integrity_check(1) WHERE integrity_check <> 'ok'
UNION ALL
SELECT 'a row of ' || "table" || ' belongs to no ' || parent FROM pragma_foreign_key_check
UNION ALL
SELECT 'block ' || id || ' cannot be read' FROM block WHERE {UNREADABLE}
LIMIT 1
"""
"""One statement, so that it can be ended wherever it is (`integrity.py`)."""

_NEWEST = f"""
WITH newest AS (SELECT * FROM block WHERE id > (SELECT max(id) - 100 FROM block))
SELECT 'block ' || id || ' cannot be read' FROM newest WHERE {UNREADABLE}
UNION ALL
SELECT 'block ' || id || ' is missing in its index' FROM newest WHERE last >
    (SELECT coalesce(max(last), 0) FROM block AS b INDEXED BY block_place WHERE b.log = newest.log)
LIMIT 1
"""
"""A crash or a full disk is most likely to damage the last writes. If the index lacks them,
positions would be given a second time."""

_NOT_ITS = {
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN),
    sqlite3.SQLITE_INTERRUPT,
}
"""Errors that say nothing about what is in the file."""


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database at `path` for reading only; it must be there."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA query_only = ON")
    return db


def fault(db: sqlite3.Connection) -> str | None:
    """Return the fault of a database, having read all of it, or None.

    Raises `sqlite3.OperationalError` if that says nothing, such as an interruption.
    """
    try:
        wrong = db.execute(_EVERYTHING).fetchone()
    except sqlite3.Error as error:
        if is_error(error, *_NOT_ITS):
            raise
        return str(error)
    return " ".join(wrong[0].replace("*** in database main ***", "").split()) if wrong else None


def examine(path: Path, newest: int) -> int:
    """Return the version of the database at `path`.

    Raises `Refusal` if it is not one of ours, is of a version beyond `newest`, or is damaged, as
    far as can be told in a fraction of a second. Beyond `AT_ONCE_BYTES` that is: the file has all
    its pages, rooms and accounts can be read, and so can the newest blocks.
    """
    size = path.stat().st_size
    if size == 0:  # SQLite would take it for a new one, and remove a log that lies beside it
        raise _empty(path)
    with closing(open_reader(path)) as db:
        (page_size,) = db.execute("PRAGMA page_size").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        if pages * page_size > size + _size(wal(path)):
            raise damaged(path, f"it has only {size} of its {pages * page_size} bytes")
        version = _version(db, path, newest)
        if size <= AT_ONCE_BYTES:
            path.read_bytes()  # in order, as a disk is fastest; then the check has it in memory
            wrong = fault(db)
        else:
            wrong = _glance(db)
    if wrong is not None:
        raise damaged(path, wrong)
    return version


def _version(db: sqlite3.Connection, path: Path, newest: int) -> int:
    (ours,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not (tables or ours or version):
        raise _empty(path)
    foreign = version < 1 or ours != (APPLICATION_ID if version > 1 else 0)
    if foreign or (version == 1 and not tables >= TABLES):
        raise Refusal(
            Code.NOT_STORED,
            "The database {path} cannot be used, it is another program's; move it "
            "away, or name another directory with --data.",
            path=path,
        )
    if version > newest:
        raise Refusal(
            Code.NOT_STORED,
            "The database {path} was written by a newer version of this program; use that one.",
            path=path,
        )
    if not tables >= TABLES:
        raise damaged(path, f"the table {min(TABLES - tables)} is missing")
    return int(version)


def _glance(db: sqlite3.Connection) -> str | None:
    """Return a fault that can be found quickly in any database, however large."""
    for table in ("log", "room", "account"):
        db.execute(f"SELECT * FROM {table}").fetchall()
    wrong = db.execute(_NEWEST).fetchone()
    return str(wrong[0]) if wrong else None


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Say what goes wrong within in a sentence for the operator of the database at `path`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, sqlite3.Error) and not is_error(error, *_NOT_ITS):
            raise damaged(path, str(error)) from error
        raise Refusal(
            Code.NOT_STORED,
            "The database {path} cannot be used ({error}); see that its disk works and "
            "has room, and that the file may be written.",
            path=path,
            error=error,
        ) from error


def damaged(path: Path, what: str) -> Refusal:
    """Return the refusal of a database that is damaged."""
    foreign = ""
    if _size(wal(path)):
        foreign = f"if you put it there, remove {wal(path).name}, which is another one's; else "
    return Refusal(
        Code.NOT_STORED,
        "The database {path} cannot be used, it is damaged ({what}); {foreign}{path2}.",
        path=path,
        what=what,
        foreign=foreign,
        path2=remedy(path),
    )


def remedy(path: Path) -> str:
    """Say what to do about a database that is damaged."""
    command = f"{sys.executable} -m chatservice.engines.sqlite.rescue {path} saved.sqlite"
    return f"put a copy of it in its place, or what `{command}` saves of it"


def wal(path: Path) -> Path:
    """Return the path of SQLite's write-ahead log of the database at `path`."""
    return path.with_name(f"{path.name}-wal")


def overwrite(db: sqlite3.Connection) -> None:
    """Overwrite from now on whatever is deleted in a database, or moves there: else an erased text
    might stay in a place that it, or its former text, was moved from earlier."""
    db.execute("PRAGMA secure_delete = ON")


def emptied(db: sqlite3.Connection) -> bool:
    """Empty the write-ahead log of a database. Return whether that worked; it does not wait for
    readers, and has to be tried again then."""
    (before,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute("PRAGMA busy_timeout = 0")
    try:
        return not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:  # its disk fails
        return False
    finally:
        db.execute(f"PRAGMA busy_timeout = {before}")


AGAIN_SECONDS = 0.25
"""The wait before `emptied` is tried again."""


def sync(path: Path) -> None:
    """Wait until a file or a folder, with the names in it, is on the disk. Some file systems cannot
    be asked to do that for a folder; there is nothing to wait for then."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NO_SYNC or not stat.S_ISDIR(os.fstat(number).st_mode):
            raise
    finally:
        os.close(number)


_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}
"""Errors of `fsync` where it does not know folders (fsync(2): EINVAL; CIFS: EBADF)."""


def _empty(path: Path) -> Refusal:
    return Refusal(
        Code.NOT_STORED,
        "The database {path} cannot be used, it is empty; put a copy of it in its "
        "place, or remove it to begin anew.",
        path=path,
    )


def is_error(error: sqlite3.Error, *codes: int) -> bool:
    """Return whether it is one of SQLite's errors (https://sqlite.org/rescode.html): the lowest
    byte is the kind, the others are details. Errors of Python itself have no code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in codes


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


HANDLER_STEPS = 10_000
"""Steps of SQLite's machine between two looks at whether to stop, or at the clock: a millisecond or
less."""


class IntegrityCheck:
    """Reads all of the database at `path` in a thread of its own, while it is used, and tells the
    operator if it is damaged. It mends nothing, and stops nobody: what can be read can be saved."""

    log = Logger()

    def __init__(self, reactor: Any, path: Path) -> None:
        self._path = path
        self._thread = WorkerThread(reactor, "chat-check", background=True)
        self._db: sqlite3.Connection | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin, if the database was not checked before its use."""
        if self._path.stat().st_size > AT_ONCE_BYTES:
            self._db = open_reader(self._path)
            self._db.set_progress_handler(lambda: self._stopped, HANDLER_STEPS)
            self._thread.start()
            self._thread.do(fault, self._db).addCallbacks(self._told, self._failed)

    def stop(self) -> None:
        """End, whether all was read or not."""
        self._stopped = True
        if self._db is not None:
            self._thread.stop(drop=True)
            self._db.close()

    def _told(self, wrong: str | None) -> None:
        if wrong is None:
            self.log.info("all of {path} was read, and it is whole", path=str(self._path))
        else:
            self.log.critical(
                "The database {path} is damaged ({wrong}) and used as far as it can be; {remedy}.",
                path=str(self._path),
                wrong=wrong,
                remedy=f"stop the server, and {remedy(self._path)}",
            )

    def _failed(self, failure: Failure) -> None:
        if not self._stopped:
            self.log.critical(
                "The database {path} cannot be read to its end ({why}); see that the disk works.",
                path=str(self._path),
                why=failure.getErrorMessage(),
            )
