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

import shutil
from collections.abc import Awaitable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice import names
from chatservice.answers import FileInfo
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.grammar.shown import size as shown_size
from chatservice.storage import plain
from chatservice.storage.incoming import Upload
from chatservice.storage.sqlite import FileRow, SqliteStore
from chatservice.storage.thread import WorkThread


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
        there = await self.aside(plain.scan, self.folder(shelf))
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

    async def open(self, shelf: str, name: str) -> plain.OpenFile:
        """Open a file; one that was not read yet is hashed first."""
        try:
            file, size, mtime = await self.aside(plain.open_plain, self.folder(shelf) / name)
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
        return plain.OpenFile(file, shelf, FileMark(name, size, row.sha256))

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
            row = await self._hashing.do(plain.digest, self.folder(shelf) / name)
        except OSError:
            sentence = f"{name} cannot be read now; try again later."
            raise Refusal(Code.NO_SUCH_FILE, sentence) from None
        await self._store.keep_file_row(shelf, row)
        return row

    def receive(
        self, shelf: str, name: str, size: int, sha256: str | None, who: str, time: int
    ) -> Upload:
        """Begin an upload. Raises `Refusal` (too-large, not-stored)."""
        free = shutil.disk_usage(self.root).free
        if size > free:
            raise Refusal(
                Code.TOO_LARGE,
                f"The server has room for {shown_size(free)} only; send a smaller file.",
            )
        row = FileRow(name, size, 0, sha256 or "", who, time)
        return Upload(self.root / ".partial", row, self.aside, partial(self._put_one, shelf))

    async def _put_one(self, shelf: str, part: Path, row: FileRow) -> FileMark:
        """Put a whole and durable file on a shelf, under its name or one made of it.

        One after another, so that the same file coming twice at once is seen to be the same.
        """
        async with self._putting:
            return await self._put(shelf, part, row)

    async def _put(self, shelf: str, part: Path, row: FileRow) -> FileMark:
        known = {one.name: one for one in await self._store.file_rows(shelf)}
        for name in plain.names_like(row.name):
            same = known.get(name)
            if same is None:
                break
            if (same.size, same.sha256) == (row.size, row.sha256):
                try:
                    await self.aside(plain.check_unchanged, self.folder(shelf) / name, same)
                except OSError:
                    continue
                return FileMark(name, same.size, same.sha256)
        name, mtime = await self.aside(plain.place, part, self.folder(shelf), row.name)
        row = row._replace(name=name, mtime=mtime)
        try:
            await self._store.keep_file_row(shelf, row)
        except Refusal:  # who sent it is told that it is not kept
            await self.aside((self.folder(shelf) / name).unlink, True)
            raise
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
        if await self.aside(plain.rename_folder, self.folder(shelf), self.folder(to)):
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
