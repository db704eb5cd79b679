"""Shared files as plain files in plain folders: `chatservice.domain.ports.Shelves`.

    SharedFiles/report.pdf            on the lobby's shelf
    SharedFiles/lab/data.csv          on the shelf of the room "lab"
    SharedFiles/.inboxes/alice/...    meant for alice, a registered user
    SharedFiles/.guests/7/...         meant for a guest; gone when they are
    SharedFiles/.partial/...          on its way in

An operator may look at them, copy them, and drop files in. A file is on a shelf only when all of it
is there and safely on the disk. What is known beyond the file (its SHA-256, who shared it) is in
the database, and believed only while the file's size and modification time are what they were.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import IO, Any

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice import names
from chatservice.answers import FileInfo
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.grammar.shown import size as shown_size
from chatservice.storage.sqlite import FileRow, SqliteStore
from chatservice.storage.thread import WorkThread

WRITE_BYTES = 1 << 18
"""Bytes gathered before a thread is asked to write and hash them."""

BEHIND_BYTES = 1 << 22
"""Bytes waiting for the disk beyond which an upload is asked to stop for a moment."""

_HASH_BYTES = 1 << 20


class OpenFile:
    """A file of a shelf, opened: `chatservice.domain.ports.Outgoing`."""

    def __init__(self, file: IO[bytes], shelf: str, mark: FileMark) -> None:
        self.shelf = shelf
        self.mark = mark
        self.left = mark.size
        self._file = file

    def read(self, count: int) -> bytes:
        """Return the next bytes; fewer than `left` are to come only if the file has shrunk."""
        data = self._file.read(min(count, self.left))
        self.left -= len(data)
        return data

    def seek(self, offset: int) -> None:
        """Go on from `offset`. Raises `Refusal` (bad-offset)."""
        if offset > self.mark.size:
            raise Refusal(
                Code.BAD_OFFSET,
                f"{self.mark.name} has only {self.mark.size} bytes; give a smaller OFFSET.",
            )
        self._file.seek(offset)
        self.left = self.mark.size - offset

    def close(self) -> None:
        """Be done with it."""
        self._file.close()


class Folders:
    """The shelves below `root`. `hashing` reads what operators dropped in, one file at a time."""

    log = Logger()

    def __init__(self, reactor: Any, root: Path, store: SqliteStore) -> None:
        self.root = root
        self._reactor = reactor
        self._store = store
        self._putting = DeferredLock()
        self._hashing = WorkThread(reactor, "chat-hashing")
        self._being_hashed: dict[tuple[str, str], list[Deferred[Any]]] = {}
        self._hashing.start()
        for left_over in (".partial", ".guests"):
            shutil.rmtree(root / left_over, ignore_errors=True)
        (root / ".partial").mkdir(parents=True)

    def close(self) -> None:
        """Finish what is being hashed."""
        self._hashing.stop()

    def folder(self, shelf: str) -> Path:
        """Return the folder of a shelf.

        A room may be called like a file of the lobby's; no room's name has a bracket in it, so the
        other place is nobody else's.
        """
        folder = self.root / shelf
        beside = folder.with_name(f"{folder.name} (room)")
        return beside if shelf and (beside.is_dir() or folder.is_file()) else folder

    def aside(self, what: Any, *args: Any) -> "Deferred[Any]":
        """Do `what(*args)` in a thread of the reactor's pool."""
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), what, *args)

    async def files(self, shelf: str) -> Sequence[FileInfo]:
        """What is on a shelf, by name. What was not read yet has no SHA-256, and is read now."""
        there = await self.aside(_scan, self.folder(shelf))
        known = {row.name: row for row in await self._store.file_rows(shelf)}
        found = []
        for name, size, mtime in there:
            row = known.get(name)
            if row is not None and (row.size, row.mtime) == (size, mtime):
                found.append(FileInfo(name, size, row.sha256, row.who, row.time))
            else:
                found.append(FileInfo(name, size, None, "", mtime // 1_000_000))
                self._hash(shelf, name).addErrback(lambda _: None)  # gone again, or unreadable
        return found

    async def open(self, shelf: str, name: str) -> OpenFile:
        """Open a file; one that was not read yet is hashed first."""
        try:
            file, size, mtime = await self.aside(_open, self.folder(shelf) / name)
        except OSError:
            raise Refusal(
                Code.NO_SUCH_FILE, f"There is no file {name} here; /files lists those there are."
            ) from None
        try:
            row = await self._row(shelf, name)
            if row is None or (row.size, row.mtime) != (size, mtime):
                row = await self._hash(shelf, name)
            if (row.size, row.mtime) != (size, mtime):
                raise Refusal(Code.NO_SUCH_FILE, f"{name} is being changed; try again later.")
        except BaseException:
            file.close()
            raise
        return OpenFile(file, shelf, FileMark(name, size, row.sha256))

    async def _row(self, shelf: str, name: str) -> FileRow | None:
        rows = await self._store.file_rows(shelf)
        return next((row for row in rows if row.name == name), None)

    def _hash(self, shelf: str, name: str) -> "Deferred[FileRow]":
        """Read a file that an operator dropped in; whoever asks meanwhile waits for the same."""
        answer: Deferred[FileRow] = Deferred()
        waiting = self._being_hashed.setdefault((shelf, name), [])
        waiting.append(answer)
        if len(waiting) == 1:
            reading = Deferred.fromCoroutine(self._read_new(shelf, name))
            reading.addBoth(self._hashed, (shelf, name))
        return answer

    def _hashed(self, result: FileRow | Failure, place: tuple[str, str]) -> None:
        for answer in self._being_hashed.pop(place):
            answer.callback(result)  # a Failure goes the way of failures

    async def _read_new(self, shelf: str, name: str) -> FileRow:
        try:
            row = await self._hashing.do(_digest, self.folder(shelf) / name)
        except OSError:
            sentence = f"{name} cannot be read now; try again later."
            raise Refusal(Code.NO_SUCH_FILE, sentence) from None
        await self._store.keep_file_row(shelf, row)
        return row

    def receive(
        self, shelf: str, name: str, size: int, sha256: str | None, who: str, time: int
    ) -> "Upload":
        """Begin an upload. Raises `Refusal` (too-large, not-stored)."""
        free = shutil.disk_usage(self.root).free
        if size > free:
            raise Refusal(
                Code.TOO_LARGE,
                f"The server has room for {shown_size(free)} only; send a smaller file.",
            )
        row = FileRow(name, size, 0, sha256 or "", who, time)
        return Upload(self, shelf, row)

    async def put(self, shelf: str, part: Path, row: FileRow) -> FileMark:
        """Put a whole and durable file on a shelf, under its name or one made of it.

        One after another, so that the same file coming twice at once is seen to be the same.
        """
        async with self._putting:
            return await self._put(shelf, part, row)

    async def _put(self, shelf: str, part: Path, row: FileRow) -> FileMark:
        same = await self._row(shelf, row.name)
        if same is not None and same[:2] == row[:2] and same.sha256 == row.sha256:
            try:
                await self.aside(_check_unchanged, self.folder(shelf) / row.name, same)
            except OSError:
                pass
            else:
                return FileMark(*same[:2], same.sha256)
        name, mtime = await self.aside(_place, part, self.folder(shelf), row.name)
        row = row._replace(name=name, mtime=mtime)
        await self._store.keep_file_row(shelf, row)
        return FileMark(name, row.size, row.sha256)

    async def remove(self, shelf: str, name: str, who: str) -> None:
        """Take a file away: `who` must have shared it, or be empty."""
        row = await self._row(shelf, name)
        path = self.folder(shelf) / name
        if not await self.aside(path.is_file):
            raise Refusal(Code.NO_SUCH_FILE, f"There is no file {name} here; /files lists them.")
        if who and (row is None or names.key(row.who) != names.key(who)):
            raise Refusal(Code.NOT_YOURS, f"{name} was not shared by you; ask who did.")
        await self.aside(path.unlink, True)
        await self._store.drop_file_rows(shelf, name)

    async def move(self, shelf: str, to: str) -> None:
        """Call a shelf otherwise."""
        if await self.aside(_rename_folder, self.folder(shelf), self.folder(to)):
            await self._store.move_file_rows(shelf, to)

    def forget(self, shelf: str) -> Awaitable[None]:
        """Drop the whole shelf of a guest who left."""
        folder = self.folder(shelf)
        if not folder.exists():  # as for nearly every guest
            return succeed(None)
        return Deferred.fromCoroutine(self._forget(shelf, folder))

    async def _forget(self, shelf: str, folder: Path) -> None:
        await self.aside(shutil.rmtree, folder, True)
        await self._store.drop_file_rows(shelf)


class Upload:
    """A file on its way in: `chatservice.domain.ports.Incoming`.

    Bytes are gathered, and written and hashed in a thread, one lot after another.
    """

    def __init__(self, folders: Folders, shelf: str, row: FileRow) -> None:
        self._folders = folders
        self._shelf = shelf
        self._row = row
        self._sha256 = hashlib.sha256()
        self._gathered: list[bytes] = []
        self._bytes = 0
        self._written = 0
        self._writing: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []
        self._error: OSError | None = None
        self._over = False
        try:
            handle, path = tempfile.mkstemp(dir=folders.root / ".partial")
        except OSError as error:
            raise self._not_stored(error) from error
        self._file = os.fdopen(handle, "wb", buffering=0)
        self._path = Path(path)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._gathered.append(data)
        self._bytes += len(data)
        if self._bytes >= WRITE_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._writing is not None or not self._gathered:
            return
        gathered, self._gathered = self._gathered, []
        self._bytes = 0
        if self._error is not None:
            return
        self._writing = self._folders.aside(self._store, gathered)
        self._writing.addErrback(self._failed).addBoth(self._flushed)

    def _store(self, gathered: list[bytes]) -> None:
        data = b"".join(gathered)
        self._sha256.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._written += len(data)

    def _failed(self, failure: Any) -> None:
        self._folders.log.failure("writing {file} failed", failure, file=self._row.name)
        self._error = failure.value

    def _flushed(self, _: Any) -> None:
        self._writing = None
        if self._bytes >= WRITE_BYTES:
            self._flush()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
        if self._over:
            self._discard()

    def _written_once(self) -> "Deferred[None]":
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def when_ready(self) -> "Deferred[None] | None":
        """None if more may come at once, else what to wait for."""
        return self._written_once() if self._bytes > BEHIND_BYTES else None

    async def finish(self) -> FileMark:
        """Check what came, make it durable, and put it on the shelf."""
        self._flush()
        while self._writing is not None:
            await self._written_once()
            self._flush()
        try:
            if self._error is not None:
                raise self._error
            self._check()
            await self._folders.aside(os.fsync, self._file.fileno())
            row = self._row._replace(sha256=self._sha256.hexdigest())
            return await self._folders.put(self._shelf, self._path, row)
        except OSError as error:
            raise self._not_stored(error) from error
        finally:
            self.abandon()

    def _check(self) -> None:
        if self._written != self._row.size:
            raise Refusal(Code.INCOMPLETE, "Not all of its bytes came; nothing was kept.")
        if self._row.sha256 not in ("", self._sha256.hexdigest()):
            raise Refusal(
                Code.WRONG_SHA256,
                f"What came has the SHA-256 {self._sha256.hexdigest()}, not the one declared; "
                "nothing was kept. Send it again.",
            )

    def _not_stored(self, error: OSError) -> Refusal:
        name = self._row.name
        self._folders.log.error("{file} cannot be stored: {why}", file=name, why=str(error))
        return Refusal(Code.NOT_STORED, f"The server could not store {name}; try again later.")

    def abandon(self) -> None:
        """Keep nothing of what is not on the shelf."""
        if not self._over:
            self._over = True
            if self._writing is None:
                self._discard()

    def _discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _scan(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size and mtime of what may be served of a folder: plain files, no links."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if names.is_file(entry.name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append((entry.name, status.st_size, status.st_mtime_ns))
    except FileNotFoundError:
        return []
    return sorted(found)


def _open(path: Path) -> tuple[IO[bytes], int, int]:
    """Open a plain file; return it with its size and mtime. Raises OSError for anything else."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise FileNotFoundError(path)
    return os.fdopen(handle, "rb"), status.st_size, status.st_mtime_ns


def _digest(path: Path) -> FileRow:
    """Read a file and return what is to be known of it."""
    file, size, mtime = _open(path)
    with file:
        digest, left = hashlib.sha256(), size
        while left and (data := file.read(min(_HASH_BYTES, left))):
            digest.update(data)
            left -= len(data)
    return FileRow(path.name, size, mtime, digest.hexdigest(), "", mtime // 1_000_000)


def _check_unchanged(path: Path, row: FileRow) -> None:
    status = os.lstat(path)
    if (status.st_size, status.st_mtime_ns) != (row.size, row.mtime):
        raise FileNotFoundError(path)


def _place(part: Path, folder: Path, name: str) -> tuple[str, int]:
    """Give a file its name in a folder, or `name (2)` and so on where that is taken.

    Returns the name and the mtime, once the folder is on the disk too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(part, 0o644)
    number = 1
    while True:
        wanted = name if number == 1 else numbered(name, number)
        try:
            os.link(part, folder / wanted)  # fails if it is there, where a rename would replace it
            break
        except FileExistsError:
            number += 1
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return wanted, os.lstat(folder / wanted).st_mtime_ns


def numbered(name: str, number: int) -> str:
    """Return `report (2).pdf` of `report.pdf`, within the bounds of a file's name."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > 16:
        stem, dot, ending = name, "", ""
    tail = f" ({number}){dot}{ending}"
    room = 255 - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail


def _rename_folder(folder: Path, to: Path) -> bool:
    if not folder.is_dir():
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(to)
    return True
