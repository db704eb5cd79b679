"""Shared files as plain files in plain folders: the port `FileStore`.

    SharedFiles/report.pdf            a file of the lobby
    SharedFiles/lab/data.csv          a file of the room "lab"
    SharedFiles/lab/.versions/...     older versions
    SharedFiles/.inboxes/alice/...    for alice, a registered user
    SharedFiles/.guests/7/...         for a guest; deleted when the guest leaves
    SharedFiles/.partial/...          uploads

An operator may read and copy these, and add files. A file is shared only when all of it is safely
on the disk. The database has more about it (its SHA-256, its user), which is believed only while
the file's size and modification time are the same.
"""

import errno
import heapq
import itertools
import os
import secrets
import shutil
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.domain.model import is_guest_id, is_user_folder
from chatservice.domain.ports.file_ports import DeclaredFile, DiskUsage, FileListing, FileLocation
from chatservice.engines import filerules
from chatservice.engines.keyedlock import KeyedLock
from chatservice.engines.sqlite import filesystem, permissions, plainfiles
from chatservice.engines.sqlite.filetable import FileRow, FileTable
from chatservice.engines.sqlite.longjobs import Job, JobScheduler
from chatservice.engines.sqlite.readers import OpenFile
from chatservice.engines.sqlite.threads import BackgroundPool
from chatservice.engines.sqlite.transferthread import TransferThread
from chatservice.engines.sqlite.uploads import (
    ArrivingFile,
    PartialFile,
    PartialUploads,
)
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from chatservice.replies import FileInfo

T = TypeVar("T")

_THREADS = 8
"""Jobs on files at once: enough for a disk to be busy, and few enough for a core."""

_PRIVATE = (".inboxes", ".guests", ".partial")
"""Folders of files that are one user's alone, or on their way."""

_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR}
"""Errors of opening where there is no plain file: nothing, a link, a socket, a folder."""


class _Version(NamedTuple):
    """A version of a file on the disk. `row` is its row in the database, or None."""

    number: int
    path: Path
    size: int
    mtime: int
    row: FileRow | None

    def info(self, name: str) -> FileInfo:
        """Its description for users."""
        if self.row is None:
            return FileInfo(name, self.size, None, "", self.mtime // 1_000_000, self.number)
        return _told(self.row)


def _told(it: FileRow) -> FileInfo:
    """Return the description of a version that is known."""
    return FileInfo(it.name, it.size, it.sha256, it.who, it.time, it.version)


class _File(NamedTuple):
    """A file's name in a folder: its versions on the disk, oldest first, the one with the plain
    name, and the highest number ever given to a version."""

    versions: list[_Version]
    newest: _Version | None
    last: int


class _Reading:
    """A file that an operator dropped in, and that is being read: `done` bytes of it so far.
    `waiting` are those who want it now."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.done = 0
        self.waiting: list[Deferred[FileRow]] = []

    def wait(self) -> "Deferred[FileRow]":
        """Answer with its row."""
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def pace(self, done: int) -> float:
        """Note how far it is. Return how many times as long as it works it is to rest."""
        self.done = done
        return 0.0 if self.waiting else 1.0

    def soon(self, name: str) -> Refusal:
        """Return the refusal for a user who has waited for long."""
        percent = 100 * self.done // max(self.size, 1)
        return Refusal(
            Code.TOO_SLOW,
            "{name} was put here by hand, and is being read for its SHA-256 first; "
            "that goes on ({percent} % is done), so ask again later.",
            name=name,
            percent=percent,
        )


class FolderFileStore:
    """The folders below `root`, and their files in `table`.

    If all of it is `private_`, nobody else on this machine can read it; otherwise that holds for
    users' own files and for uploads. Raises `OSError` if nothing can be stored there.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        root: Path,
        table: FileTable,
        private_: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits = limits or Limits()
        self.root = root = Path(os.path.realpath(root))  # it may be a link, and nothing in it
        self._reactor = reactor
        self._table = table
        self._private = private_
        self._putting = KeyedLock()
        self._listing = KeyedLock()
        self._asking = KeyedLock()
        self._lists: dict[tuple[str, str, int], tuple[int, FileListing]] = {}
        self._asked = 0
        self._moved: dict[str, str] = {}
        self._guests: set[str] = set()
        self._pool = BackgroundPool(reactor, "chat-files", _THREADS)
        self._thread = TransferThread(reactor, "chat-transfers")
        self._turns = JobScheduler(reactor, "chat-reading")
        self._being_read: dict[Path, _Reading] = {}
        self._being_swept: set[str] = set()
        for name in _PRIVATE:
            permissions.check_own(root / name)
            if (root / name).is_dir():
                permissions.close(root / name)
        shutil.rmtree(root / ".guests", ignore_errors=True)
        permissions.make_folders(root / ".partial", permissions.FOLDER)
        self._disk = filesystem.tried(root / ".partial")
        if not self._disk.links:
            self.log.info(
                "{root} is on a disk where a file has one name only: what a name held before is "
                "copied when a new version comes, which takes longer",
                root=str(root),
            )
        self._partials = PartialUploads(
            *(reactor, root / ".partial", table, self.aside, self._thread, self.by_turns),
            *(self._put_one, limits),
        )
        self.unowned = table.unowned
        self.have, self.receive = self._partials.have, self._partials.receive
        self.unfinished, self.drop = self._partials.unfinished, self._partials.drop
        self.begun = self._partials.held

    def _modes(self, folder: str) -> tuple[int | None, int]:
        """Return the modes of new folders and files; None means the umask's."""
        if self._private or folder.startswith("."):
            return permissions.FOLDER, permissions.FILE
        return None, 0o644

    def start(self) -> None:
        """Drop idle partial uploads from now on."""
        self._partials.start()

    def close(self) -> None:
        """Stop what takes long where it is, and finish the rest."""
        self._partials.stop()
        self._turns.stop()
        self._thread.stop()
        self._pool.stop()

    @property
    def unread(self) -> int:
        """The number of files that are read, or wait for it, because somebody asked for them."""
        return len(self._being_read)

    def free(self) -> int:
        """Return how many bytes are free on the disk of the files."""
        return shutil.disk_usage(self.root).free

    def path_of(self, folder: str) -> Path:
        """Return the folder of a room or user. In a thread for files.

        A room may have the name of a file of the lobby. Its folder then has a name with a bracket,
        which no room's name has.
        """
        path = self.root / folder
        beside = path.with_name(f"{path.name} (room)")
        return beside if folder and (beside.is_dir() or path.is_file()) else path

    def folder_now(self, folder: str) -> str:
        """Return the present name of a folder, which may have been a guest's before."""
        return self._moved.get(folder, folder)

    def aside(self, what: Any, *args: Any) -> "Deferred[Any]":
        """Do `what(*args)` in a thread for files."""
        return self._pool.do(what, *args)

    def _in(self, folder: str, what: Any, *args: Any) -> "Deferred[Any]":
        """Do `what(path, *args)` in a thread for files, with the path of a folder."""
        return self._pool.do(lambda: what(self.path_of(folder), *args))

    def by_turns(self, job: Job[T]) -> "Deferred[T]":
        """Do what may take long, a piece at a time."""
        return self._turns.do(job)

    async def _spelled(self, folder: str, name: str) -> str:
        """Return the name of a file as the disk has it. The disk may compose accents otherwise, and
        may ignore case."""
        exact = self._disk.exact
        if exact and name.isascii():
            return name
        found: str = await self._in(folder, filesystem.spelled, name, exact)
        return found

    def is_changing(self, folder: str, name: str) -> bool:
        """Return whether a file is being shared or removed: what has the name may not have its row
        yet, or any more. In any thread."""
        return self._putting.is_locked((folder, name))

    # -- what is there ---------------------------------------------------------------------------

    async def files(self, folder: str, after: str, limit: int) -> FileListing:
        self._asked += 1
        asked, key = self._asked, (folder, after, limit)
        async with self._listing.acquire(key):  # all who wait have the next one together
            began, found = self._lists.get(key, (0, None))
            if found is None or began < asked:
                began = self._asked
                found = await self._list(folder, after, limit)
                self._lists[key] = began, found
        if not self._listing.is_locked(key):
            self._lists.pop(key, None)
        return found

    async def _list(self, folder: str, after: str, limit: int) -> FileListing:
        rows = await self._table.rows(folder)
        try:
            path = await self.aside(self.path_of, folder)
            listed, unread, gone = await self.by_turns(_listed(path, rows, after, limit))
        except OSError as error:
            raise self._unreadable("This folder", error) from None
        with suppress(Refusal):  # what the disk refuses now is done the next time
            for name in gone:
                await self._drop_gone(folder, name)
        self._sweep(folder, unread)
        return listed

    async def _drop_gone(self, folder: str, name: str) -> None:
        """Drop the rows of versions that an operator has removed: they take no space."""
        async with self._putting.acquire((folder, name)):
            rows = await self._table.versions(folder, name)
            file = await self._file(folder, name)
            there = {it.number for it in file.versions}
            await self._table.drop(
                folder, name, [it.version for it in rows if it.version not in there]
            )

    def _sweep(self, folder: str, unread: "list[_Version]") -> None:
        """Read the files that nobody has read yet, unless that is being done: the small ones a few
        at a time, and of the large ones the smallest."""
        small = [(it.path.name, it.number) for it in unread if it.size <= plainfiles.LARGE_BYTES]
        if small and folder not in self._being_swept:
            self._being_swept.add(folder)
            Deferred.fromCoroutine(self._read_small(folder, iter(small)))
        large = [it for it in unread if it.size > plainfiles.LARGE_BYTES]
        if large and not any(it.path in self._being_read for it in large):
            first = min(large, key=lambda it: it.size)
            self._reading(folder, first.path.name, first)

    async def _read_small(self, folder: str, unread: Iterator[tuple[str, int]]) -> None:
        try:
            with suppress(Refusal):  # the server stops, or the disk is full
                path = await self.aside(self.path_of, folder)
                while rows := await self._turns.do(plainfiles.digests(path, unread), last=True):
                    await self._table.note(folder, rows)
        finally:
            self._being_swept.discard(folder)

    async def versions(self, folder: str, name: str) -> Sequence[FileInfo]:
        name = await self._spelled(folder, name)
        file = await self._file(folder, name)
        if not file.versions:
            raise filerules.missing(name)
        return [it.info(name) for it in file.versions]

    async def rows_of(self, folder: str, name: str) -> Sequence[tuple[int, FileRow | None]]:
        """Return the versions of a file that are there, oldest first, each with its row; None for
        one that was not read yet."""
        file = await self._file(folder, await self._spelled(folder, name))
        return [(it.number, it.row) for it in file.versions]

    async def _file(self, folder: str, name: str) -> _File:
        rows = await self._table.versions(folder, name)
        try:
            found: _File = await self._in(folder, _there, name, rows)
        except OSError as error:
            raise self._unreadable(name, error) from None
        return found

    def _unreadable(self, what: str, error: OSError) -> Refusal:
        """Return the refusal of a file that the system does not let the server read."""
        why = error.strerror or str(error)
        self.log.warn("{path} cannot be read: {why}", path=str(error.filename or what), why=why)
        return Refusal(
            Code.SERVER_ERROR,
            "{what} cannot be read by the server ({why}); tell who runs it.",
            what=what,
            why=why,
        )

    async def open(self, folder: str, name: str, version: int | None = None) -> OpenFile:
        folder = self.folder_now(folder)
        name = await self._spelled(folder, name)
        it = _meant(await self._file(folder, name), version)
        if it is None:
            raise filerules.missing(name, version)
        row = it.row or await self._read_in_time(folder, name, it)
        try:
            file, size, mtime = await self.aside(plainfiles.open_plain, it.path)
        except OSError as error:
            raise self._not_opened(name, version, error) from None
        if (row.size, row.mtime) != (size, mtime):
            file.close()
            raise _changing(name)
        mark = FileMark(name, size, row.sha256, row.version)
        return OpenFile(folder, mark, file, self.aside, self._thread)

    def _not_opened(self, name: str, version: int | None, error: OSError) -> Refusal:
        if error.errno in _NO_FILE:
            return filerules.missing(name, version)
        return self._unreadable(name, error)

    async def _read_in_time(self, folder: str, name: str, it: _Version) -> FileRow:
        """Wait until a file is read that an operator dropped in, but not for ever. Raises `Refusal`
        (too-slow); it is read to its end all the same."""
        reading = self._reading(folder, name, it)
        answer = reading.wait()

        def give_up(*_: object) -> NoReturn:
            reading.waiting.remove(answer)
            raise reading.soon(name)

        return await answer.addTimeout(self._limits.reading_seconds, self._reactor, give_up)

    def _reading(self, folder: str, name: str, it: _Version) -> _Reading:
        """Return the reading of a file, which begins unless it is under way."""
        reading = self._being_read.get(it.path)
        if reading is None:
            reading = self._being_read[it.path] = _Reading(it.size)
            Deferred.fromCoroutine(self._read_new(folder, name, it, reading)).addBoth(
                self._was_read, it.path
            )
        return reading

    def _was_read(self, result: FileRow | Failure, path: Path) -> None:
        for answer in self._being_read.pop(path).waiting:
            answer.callback(result)  # a Failure goes the way of failures

    async def _read_new(self, folder: str, name: str, it: _Version, reading: _Reading) -> FileRow:
        await deferLater(self._reactor, 0)  # so that it is known as being read
        until = self._reactor.seconds() + 2 * plainfiles.SETTLED_SECONDS
        while True:
            try:
                row: FileRow = await self.by_turns(
                    plainfiles.digest(it.path, name, it.number, reading.pace)
                )
                break
            except BlockingIOError:
                if self._reactor.seconds() > until:
                    raise _changing(name) from None
            except OSError as error:
                raise self._not_opened(name, None, error) from None
            await deferLater(self._reactor, plainfiles.SETTLED_SECONDS / 4)
        await self._table.note(folder, [row])
        return row

    def arriving(self, folder: str, name: str, sha256: str | None = None) -> ArrivingFile | None:
        return self._partials.open_arriving(self.folder_now(folder), name, sha256)

    async def used(self, declared: DeclaredFile, exactly: bool = False) -> DiskUsage:
        folder, owner = declared.folder, declared.owner
        if exactly:
            rows = await self._table.counted(folder, owner)
            here, theirs = await self.by_turns(_sums(self.path_of, rows, folder, owner))
        else:
            here, theirs = await self._table.used(folder, owner)
        begun_here, begun_theirs = self._partials.held(declared)
        async with self._asking.acquire(None):  # who asks first, reserves first
            free = await self.aside(self.free)
        return DiskUsage(here + begun_here, theirs + begun_theirs, free)

    # -- what comes ------------------------------------------------------------------------------

    async def _put_one(self, partial: PartialFile, sha256: str) -> FileMark:
        """Share a whole and durable file.

        One after another, so that the same file, uploaded twice at once, is found to be the same.
        """
        declared = partial.declared
        declared = declared._replace(
            folder=self.folder_now(declared.folder), size=partial.have, sha256=sha256
        )
        name = await self._spelled(declared.folder, declared.name)
        declared = declared._replace(name=name)
        async with self._putting.acquire((declared.folder, declared.name)):
            await self.aside(plainfiles.set_mode, partial.path, self._modes(declared.folder)[1])
            return await self._put(partial.path, declared)

    async def _put(self, part: Path, declared: DeclaredFile) -> FileMark:
        folder, name, size, sha256, who, time, owner, _ = declared
        assert sha256 is not None
        _, newest, last = await self._file(folder, name)
        known = newest.row if newest is not None else None
        if newest is not None and known is None and newest.size == size:
            with suppress(Refusal):  # a server that was killed then put it there, or an operator
                known = await self._reading(folder, name, newest).wait()
        if known is not None and (known.size, known.sha256) == (size, sha256):
            return FileMark(name, size, sha256, known.version)
        there, number = newest.number if newest is not None else 0, last + 1
        path = await self.aside(self.path_of, folder)
        (mode, _), links = self._modes(folder), self._disk.links
        if is_guest_id(folder):
            self._guests.add(folder)
        if newest is not None and not links:
            await self.by_turns(plainfiles.keep_version(path, name, there, mode))
        mtime = await self.aside(plainfiles.place, part, path, name, there, links, mode)
        try:
            row = FileRow(name, number, size, mtime, sha256, who, time, owner)
            await self._table.keep(folder, [row])
        except Refusal:  # who sent it is told that it is not kept
            await self.aside(plainfiles.take_back, part, path, name)
            await self.aside(plainfiles.take_off, path, name, number, [number])
            raise
        return FileMark(name, size, sha256, number)

    def places(self, size: int, sha256: str) -> Awaitable[Sequence[FileLocation]]:
        return self._table.places(size, sha256)

    async def copy(self, place: FileLocation, declared: DeclaredFile) -> FileMark | None:
        it = _meant(await self._file(place.folder, place.name), place.version)
        if it is None or it.row is None or it.row.sha256 != declared.sha256:
            return None
        part = self.root / ".partial" / f"copy-{secrets.token_hex(8)}"
        try:
            mode, links = self._modes(declared.folder)[1], self._disk.links
            await self.by_turns(plainfiles.duplicate(it.path, part, mode, links))
            declared = declared._replace(name=await self._spelled(declared.folder, declared.name))
            if await self.aside(plainfiles.status, it.path) != (it.size, it.mtime):
                return None
            async with self._putting.acquire((declared.folder, declared.name)):
                return await self._put(part, declared)
        except OSError as error:
            self.log.error("{file} cannot be copied: {why}", file=declared.name, why=str(error))
            sentence = "The server could not store {name}; try again later."
            raise Refusal(Code.NOT_STORED, sentence, name=declared.name) from error
        finally:
            await self.aside(part.unlink, True)

    # -- what goes -------------------------------------------------------------------------------

    async def remove(
        self, folder: str, name: str, version: int | None, owner: str
    ) -> Sequence[int]:
        name = await self._spelled(folder, name)
        async with self._putting.acquire((folder, name)):
            versions, newest, _ = await self._file(folder, name)
            found = [(it.number, it) for it in versions]
            mine = filerules.removable(
                name, version, found, lambda it: not owner or (it.row and it.row.owner) == owner
            )
            named = newest.number if newest is not None else 0
            await self._in(folder, plainfiles.take_off, name, named, mine)
            await self._table.drop(folder, name, mine)
            return mine

    async def rename(self, owner: str, name: str) -> None:
        if self._partials.of(owner):
            self._partials.rename(owner, name)
            await self._table.rename(owner, name)

    async def shared(self, who: str) -> Sequence[tuple[str, str]]:
        rows = await self._table.counted("\0", who)  # no folder is called that
        return list(dict.fromkeys((folder, row.name) for folder, row in rows))

    async def move(self, folder: str, to: str, owner: str) -> None:
        self._moved[folder] = to
        self._partials.move(folder, to, owner)
        if await self._in(folder, lambda path: plainfiles.rename_folder(path, self.path_of(to))):
            await self._table.move(folder, to)
        if not is_user_folder(folder):  # a room's, and there can be another room of that name
            del self._moved[folder]

    def forget(self, folder: str) -> "Deferred[None]":
        return Deferred.fromCoroutine(self._forget(folder)).addErrback(
            lambda why: self.log.failure("files of {folder} stay", why, folder=folder)
        )

    async def _forget(self, folder: str) -> None:
        assert folder  # else it would be all that there is
        await self._partials.forget(folder)
        if is_guest_id(folder) and folder not in self._guests:
            return  # nearly no guest has one
        self._guests.discard(folder)
        if await self._in(folder, _removed):
            await self._table.drop_folder(folder)


def _removed(folder: Path) -> bool:
    """Remove a folder with all that is in it. Return whether it was there."""
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    return there


def _listed(
    folder: Path, rows: Sequence[FileRow], after: str, limit: int
) -> Job[tuple[FileListing, list[_Version], list[str]]]:
    """Return a part of a folder's files; the unknown ones; and the names of known files that are
    gone.

    There may be a hundred thousand files. Sorting them all at once would hold Python's lock for a
    tenth of a second, so only the first ones are picked. While others talk, each millisecond of
    this work is followed by as long a rest (docs/performance.md).
    """
    gone: dict[str, FileRow] = {}
    began = time.monotonic()
    for row in rows:  # the newest has the name: they come by version
        gone[row.name] = row
        if time.monotonic() - began > plainfiles.LOOK_SECONDS:
            yield time.monotonic() - began
            began = time.monotonic()
    unread: list[_Version] = []
    first: list[tuple[str, FileRow | _Version]] = []
    count = total = following = 0
    for name, size, mtime in plainfiles.scan(folder, gone):
        count, total = count + 1, total + size
        found: FileRow | _Version | None = gone.pop(name, None)
        if not isinstance(found, FileRow) or (found.size, found.mtime) != (size, mtime):
            found = _version(folder / name, size, mtime, _rows_of(rows, name))
            if found.row is None:
                unread.append(found)
        if name > after:
            following += 1
            if limit:
                first.append((name, found))
            if len(first) >= 2 * limit + 100:
                first = _first(first, limit)
        if time.monotonic() - began > plainfiles.LOOK_SECONDS:
            yield time.monotonic() - began
            began = time.monotonic()
    files = [
        _told(it) if isinstance(it, FileRow) else it.info(name) for name, it in _first(first, limit)
    ]
    return FileListing(count, total, following, files), unread, list(gone)


def _first(
    named: list[tuple[str, FileRow | _Version]], limit: int
) -> list[tuple[str, FileRow | _Version]]:
    return heapq.nsmallest(limit, named, key=itemgetter(0))


def _rows_of(rows: Sequence[FileRow], name: str) -> Sequence[FileRow]:
    """Return the rows of a file, of rows that are in the order of their names."""
    start = bisect_left(rows, name, key=lambda row: row.name)
    behind = itertools.islice(rows, start, None)
    return list(itertools.takewhile(lambda row: row.name == name, behind))


def _version(path: Path, size: int, mtime: int, rows: Sequence[FileRow]) -> _Version:
    """Return the version that a file of that size and mtime is: one that is known, or a new one."""
    for row in reversed(rows):
        if (row.size, row.mtime) == (size, mtime):
            return _Version(row.version, path, size, mtime, row)
    return _Version(rows[-1].version + 1 if rows else 1, path, size, mtime, None)


def _there(folder: Path, name: str, rows: Sequence[FileRow]) -> _File:
    """Return the versions of a file on the disk."""
    found = []
    for number, size, mtime in plainfiles.old_versions(folder, name):
        path = plainfiles.version_path(folder, name, number)
        same = [row for row in rows if (row.version, row.size, row.mtime) == (number, size, mtime)]
        found.append(_Version(number, path, size, mtime, same[0] if same else None))
    last = max([row.version for row in rows] + [it.number for it in found], default=0)
    status = plainfiles.status(folder / name)
    if status is None:
        return _File(found, None, last)
    newest = _version(folder / name, *status, rows)
    if newest.row is None:
        newest = newest._replace(number=last + 1)
    found = [it for it in found if it.number != newest.number]  # a crash may leave it under both
    return _File([*found, newest], newest, max(last, newest.number))


def _sums(
    path_of: Callable[[str], Path], rows: Sequence[tuple[str, FileRow]], folder: str, owner: str
) -> Job[tuple[int, int]]:
    """Return the bytes of a folder, and of one user's files, of those that are known and still
    there."""
    here = theirs = 0
    for at, (where, row) in enumerate(rows, 1):
        if _is_there(path_of(where), row):
            here += row.size if where == folder else 0
            theirs += row.size if row.owner == owner else 0
        if at % _COUNTED == 0:
            yield 0.0
    return here, theirs


_COUNTED = 500
"""Files that are looked at in one turn: a few milliseconds."""


def _is_there(folder: Path, row: FileRow) -> bool:
    paths = folder / row.name, plainfiles.version_path(folder, row.name, row.version)
    return any(plainfiles.status(path) == (row.size, row.mtime) for path in paths)


def _meant(file: _File, version: int | None) -> _Version | None:
    if version is None:
        return file.newest
    return next((it for it in file.versions if it.number == version), None)


def _changing(name: str) -> Refusal:
    return Refusal(Code.NO_SUCH_FILE, "{name} is being changed; try again later.", name=name)
