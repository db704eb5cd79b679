"""Uploads under way, and partial uploads, which are kept for a while.

The received bytes of a stopped upload stay in `.partial`, with a row in the database. The same
upload resumes them.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ
from typing import IO, Any

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from chatservice.domain.model import is_guest_id
from chatservice.domain.ports.file_ports import UNKNOWN_SIZE, DeclaredFile, PartialUpload
from chatservice.engines import filerules
from chatservice.engines.filerules import PartialIndex
from chatservice.engines.keyedlock import KeyedLock
from chatservice.engines.sqlite import permissions, plainfiles
from chatservice.engines.sqlite.entryages import Clocks
from chatservice.engines.sqlite.filetable import FileTable, PartialRow
from chatservice.engines.sqlite.longjobs import Job, finished
from chatservice.engines.sqlite.readers import ThreadedReader
from chatservice.engines.sqlite.transferthread import PIECES, TransferThread
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

WRITE_BYTES = 1 << 18
"""Bytes gathered before a thread is asked to write and hash them."""

BEHIND_BYTES = 1 << 22
"""Bytes waiting for the disk beyond which an upload is asked to stop for a moment."""

SYNC_BYTES = 1 << 23
"""Bytes after which they are brought to the disk. All of a large file at its end would take long,
and the commits of the talk would wait for it (docs/performance.md)."""


class PartialFile:
    """The received part of an upload: the first `have` bytes, in the file at `path`.

    `sha256` is the hash of just these, or None if they have to be hashed again (`open`). `number`
    is that of its row in the database, or None without one. `moved` is the time of its last bytes,
    by a clock that nobody sets. `upload` is the present writer; `taken` says that somebody is about
    to write.
    """

    def __init__(
        self, declared: DeclaredFile, path: Path, number: int | None, have: int = 0
    ) -> None:
        self.declared = declared
        self.path = path
        self.number = number
        self.have = have
        self.moved = 0.0
        self.sha256: hashlib._Hash | None = None
        self.upload: IncomingFile | None = None
        self.taken = False

    @property
    def is_busy(self) -> bool:
        """Return whether somebody writes to it, or is about to."""
        return self.taken or self.upload is not None

    @property
    def is_arriving(self) -> bool:
        """Return whether somebody writes to it, and more may come."""
        return self.upload is not None and not self.upload.over

    @property
    def is_to_be_read(self) -> bool:
        """True if to open it may take long: all that came of it before is read then."""
        return self.sha256 is None and self.have > 0

    def open(self) -> Job[IO[bytes]]:
        """Open the file to append: `have` is set to its length. A part that may be wrong is cut
        off."""
        try:
            handle = os.open(
                self.path, os.O_RDWR | (0 if self.have else os.O_CREAT), permissions.FILE
            )
        except FileNotFoundError:
            self.have, self.sha256 = 0, None
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, permissions.FILE)
        file = os.fdopen(handle, "r+b", buffering=0)
        try:
            size = os.fstat(handle).st_size
            if size < self.have:
                self.have, self.sha256 = size, None
            most = self.have if self.declared.size == UNKNOWN_SIZE else self.declared.size
            os.ftruncate(handle, min(self.have, most))
            if self.sha256 is None:
                self.have = os.fstat(handle).st_size
                self.sha256 = yield from plainfiles.hash_of(file)
            file.seek(self.have)
        except BaseException:
            file.close()
            raise
        return file


class IncomingFile:
    """An upload under way: the port `UploadWriter`.

    Bytes are gathered, and written and hashed in a thread, one lot after another. `file` is the
    result of `partial.open`; the first `skip` bytes that come are there already. `aside` runs
    something in a thread; `put` shares the whole and durable file with its SHA-256; `ended` is
    called when nothing more is written, with whether the file may be kept for later. It is `over`
    when it takes no more, and `stored` when it is shared.
    """

    log = Logger()

    def __init__(
        self,
        partial: PartialFile,
        file: IO[bytes],
        skip: int,
        aside: Callable[..., "Deferred[Any]"],
        thread: TransferThread,
        put: Callable[[PartialFile, str], Awaitable[FileMark]],
        ended: Callable[[PartialFile, bool], "Deferred[Any]"],
    ) -> None:
        assert partial.sha256 is not None  # it is open
        self._partial = partial
        self._digest = partial.sha256
        self._file = file
        self._skip = skip
        self._aside = aside
        self._thread = thread
        self._put = put
        self._ended = ended
        self._gathered: list[bytes] = []
        self._bytes = 0
        self._unsynced = 0
        self._writing = self._syncing = False
        self._receiving: int | None = None  # the descriptor
        self._waiting: list[Deferred[None]] = []
        self._error: Exception | None = None
        self.over = False
        self._worthless = False
        self.stored = False
        self._finishing = self._closed = False
        self._closing: Deferred[Any] = succeed(None)
        partial.upload = self

    def grown(self) -> "Deferred[None]":
        """Answer when more of it is there, or all of it is stored; fails with `Refusal` when no
        more will come."""
        if self._closed:
            return fail(filerules.stopped())
        return self._written_once()

    @property
    def id(self) -> str:
        return self._partial.path.name

    @property
    def have(self) -> int:
        return self._partial.have

    def opened_again(self) -> IO[bytes]:
        """Return the file for a reader, who closes it."""
        return os.fdopen(os.dup(self._file.fileno()), "rb", buffering=0)

    def write(self, data: bytes) -> None:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self.over or not data:
            return
        self._gathered.append(data)
        self._bytes += len(data)
        if self._bytes >= WRITE_BYTES:
            self._flush()

    def receive(self, descriptor: int, most: int) -> "Deferred[int] | None":
        if self.over or self._skip or self._error or self._is_busy():
            return None
        gathered, self._gathered = self._gathered, []
        self._bytes = 0
        self._writing, self._receiving = True, descriptor
        receiving = _Receiving(self, gathered, descriptor, min(most, SYNC_BYTES))
        writing = self._write(self._thread.move(descriptor, EVENT_READ, receiving.step))
        return Deferred.fromCoroutine(writing).addCallback(lambda _: receiving.count)

    def _is_busy(self) -> bool:
        """Return whether a write is under way, or the disk is far behind."""
        return self._writing or self._is_disk_behind()

    def _is_disk_behind(self) -> bool:
        return self._syncing and self._unsynced >= 4 * SYNC_BYTES

    def _flush(self) -> None:
        """Write the gathered bytes, unless that has to wait."""
        if self._is_busy() or not self._gathered:
            return
        gathered, self._gathered = self._gathered, []
        self._bytes = 0
        if self._error is None:
            self._writing = True
            Deferred.fromCoroutine(self._write(self._aside(self._store, gathered)))

    async def _write(self, writing: Awaitable[int]) -> None:
        """Wait until bytes are written. If they are many by now, sync them while more come."""
        try:
            written = await writing
            self._unsynced += written
        except Exception as error:
            self._failed(error)
        self._writing, self._receiving = False, None
        if self._unsynced >= SYNC_BYTES and not self._syncing:
            self._unsynced, self._syncing = 0, True
            Deferred.fromCoroutine(self._sync())
        self._go_on()

    async def _sync(self) -> None:
        try:
            await self._aside(os.fdatasync, self._file.fileno())
        except Exception as error:
            self._worthless = True  # what is read back may never have got to the disk
            self._failed(error)
        self._syncing = False
        self._go_on()

    def _failed(self, error: Exception) -> None:
        self.log.failure("writing {file} failed", file=self._partial.declared.name)
        self._error = error

    def _store(self, gathered: "Sequence[bytes | memoryview]") -> int:
        written = 0
        for data in gathered:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            self._digest.update(data)
            written += len(data)
        self._partial.have += written
        return written

    def _not_synced(self, failure: Any) -> Any:
        self._worthless = True
        return failure

    def _go_on(self) -> None:
        if self.over or self._bytes >= WRITE_BYTES:
            self._flush()
        self._end_if_idle()
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def _written_once(self) -> "Deferred[None]":
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def when_ready(self) -> "Deferred[None] | None":
        if isinstance(self._error, OSError):
            return fail(self._refusal(self._error))
        is_behind = self._bytes > BEHIND_BYTES or self._is_disk_behind()
        return self._written_once() if is_behind else None

    async def finish(self) -> FileMark:
        await self._written()
        self._finishing = True
        try:
            if self._error is not None:
                raise self._error
            sha256 = self._checked()
            await self._aside(os.fsync, self._file.fileno()).addErrback(self._not_synced)
            mark = await self._put(self._partial, sha256)
            self._worthless = True  # it has its name
            self.stored = True
            return mark
        except OSError as error:
            raise self._not_stored(error) from error
        finally:
            self._finishing = False
            self.abandon()
            await self._when_closed()

    async def _written(self) -> None:
        self._flush()
        while self._writing or self._gathered or self._syncing:
            await self._written_once()
            self._flush()

    def _checked(self) -> str:
        declared, digest = self._partial.declared, self._digest
        if self.over:
            raise filerules.taken_over()
        filerules.check_size(declared, self._partial.have)
        if declared.sha256 not in (None, digest.hexdigest()):
            self._worthless = True
            raise filerules.wrong_sha256(digest.hexdigest())
        return digest.hexdigest()

    def _not_stored(self, error: OSError) -> Refusal:
        name = self._partial.declared.name
        self.log.error("{file} cannot be stored: {why}", file=name, why=str(error))
        return self._refusal(error)

    def _refusal(self, error: OSError) -> Refusal:
        name = self._partial.declared.name
        if error.errno == errno.EFBIG:
            sentence = "{name} is larger than a file can be on the server's disk; send less."
            return Refusal(Code.TOO_LARGE, sentence, name=name)
        return Refusal(
            Code.NOT_STORED, "The server could not store {name}; try again later.", name=name
        )

    def abandon(self) -> None:
        if self.over or self._finishing:
            return
        self.over = True
        if self._worthless or not self._partial.declared.is_resumable:
            self._gathered, self._bytes = [], 0
        if self._receiving is not None:
            self._thread.hurry(self._receiving)
        self._flush()
        self._end_if_idle()

    async def closed(self) -> None:
        """Wait until nothing is written any more, if no more is to come."""
        while self.over and not self._closed:
            await self._written_once()

    async def stop(self) -> None:
        """End it, and wait for the last write: another connection resumes it. A complete upload is
        finished first."""
        self.abandon()
        await self._when_closed()

    async def _when_closed(self) -> None:
        while not self._closed:
            await self._written_once()
        await self._closing

    def refuse(self) -> None:
        self._worthless = True
        self.abandon()

    def _end_if_idle(self) -> None:
        if not self.over or self._closed or self._writing or self._syncing or self._gathered:
            return
        self._file.close()
        self._closed = True
        if self._error is not None:
            self._partial.sha256 = None  # it may have taken in what is not there
        if self._partial.upload is self:
            self._partial.upload = None
        keep = not self._worthless
        self._closing = self._ended(self._partial, keep)
        self._tell_waiting()


class _Receiving:
    """Bytes of a socket on their way to an upload, behind those `gathered`: `count` of them so far,
    and at most `most`."""

    def __init__(
        self, upload: IncomingFile, gathered: list[bytes], descriptor: int, most: int
    ) -> None:
        self.count = 0
        self._upload = upload
        self._gathered = gathered
        self._descriptor = descriptor
        self._most = most

    def step(self) -> int | None:
        """Store what has come. Return the number of bytes when the reactor is to go on."""
        upload = self._upload
        if self._gathered:
            upload._store(self._gathered)
            self._gathered = []
        for _ in range(PIECES):
            if upload.over or self.count == self._most:
                return self.count
            try:
                piece = upload._thread.buffer[: self._most - self.count]
                size = os.readv(self._descriptor, [piece])
            except BlockingIOError:
                break
            except OSError:
                return self.count  # the reactor finds out
            if not size:
                return self.count
            self.count += size
            upload._store([piece[:size]])
            if size < len(piece):
                break
        return self.count if upload._waiting else None


class ArrivingFile(ThreadedReader):
    """An upload that is read as it arrives.

    The last byte is held back until the upload is checked and shared. So a reader of all bytes has
    the file, and a reader of a failed upload gets less than was promised.
    """

    def __init__(
        self, partial: PartialFile, upload: IncomingFile, aside: Callable[..., "Deferred[Any]"]
    ) -> None:
        it = partial.declared
        mark = FileMark(it.name, it.size, it.sha256 or "", 0)
        super().__init__(it.folder, mark, upload.opened_again(), aside)
        self._partial = partial
        self._upload = upload
        self._seen = 0

    def _read(self, count: int) -> bytes:
        self._seen = self._there()
        count = max(0, min(count, self.left, self._seen - self.at))
        data = os.pread(self._file.fileno(), count, self.at)
        self.left -= len(data)
        return data

    def more(self) -> "Deferred[None] | None":
        growing = self._upload.grown() if self.left else None
        # Asked before this look, and not after it: what comes in between would tell nobody.
        if growing is not None and self._there() > self._seen:
            growing.addErrback(lambda _: None)
            return succeed(None)
        return growing

    def _there(self) -> int:
        size = self.mark.size
        return size if self._upload.stored else min(self._partial.have, size - 1)


_LOOK_SECONDS = 60.0
"""Seconds between two searches for idle ones."""

_GRACE_SECONDS = 3600.0
"""One is kept for so long behind a start: by then somebody has set a clock that was wrong."""


class PartialUploads(PartialIndex[PartialFile]):
    """The partial uploads in `folder`. `aside` runs something in a thread, and `by_turns` a long
    job; `put` shares a whole file. Idle ones are dropped after a while."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        folder: Path,
        table: FileTable,
        aside: Callable[..., "Deferred[Any]"],
        thread: TransferThread,
        by_turns: Callable[[Job[Any]], "Deferred[Any]"],
        put: Callable[[PartialFile, str], Awaitable[FileMark]],
        limits: Limits,
        clocks: Clocks = Clocks(),  # noqa: B008
    ) -> None:
        super().__init__()
        self._limits = limits
        self._folder = folder
        self._table = table
        self._aside = aside
        self._thread = thread
        self._by_turns = by_turns
        self._put = put
        self._clocks = clocks
        self._beginning = KeyedLock()
        self._looking = LoopingCall(self._drop_old)
        self._looking.clock = reactor
        there = {
            entry.name: entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder)
        }
        taking = table.partials().addCallback(self._take_up, there)
        taking.addErrback(lambda why: self.log.failure("partial uploads cannot be read", why))

    def _take_up(self, rows: Sequence[PartialRow], there: dict[str, int]) -> None:
        """Find the uploads from before this start; drop files without a row, and rows without a
        file."""
        for number, declared in rows:
            size = there.get(str(number))
            if size is None or declared.ends_with_guest:
                self._table.drop_partial(number).addErrback(lambda _: None)
            else:
                del there[str(number)]
                path = self._folder / str(number)
                partial = PartialFile(declared, path, number, size)
                partial.moved = self._clocks.passed() - self._idle(path)
                self.use(partial)
        for name in there:
            with suppress(OSError):  # a folder that is none of ours
                (self._folder / name).unlink()

    def _idle(self, path: Path) -> float:
        """Return the seconds for which an upload was idle at a start. Only the clock tells that,
        and can be wrong: so the result is never so long that the upload is dropped at once."""
        most = max(self._limits.partial_seconds - _GRACE_SECONDS, 0.0)
        return min(max(self._clocks.wall() - path.stat().st_mtime, 0.0), most)

    def start(self) -> None:
        """Drop idle uploads from now on."""
        self._looking.start(_LOOK_SECONDS).addErrback(
            lambda failure: self.log.failure("old uploads are not dropped any more", failure)
        )

    def stop(self) -> None:
        """Drop nothing more."""
        if self._looking.running:
            self._looking.stop()

    async def have(self, declared: DeclaredFile) -> int:
        """Return the number of bytes of an upload."""
        partial = self.find(declared)
        if partial is not None and partial.upload is not None:
            await partial.upload.closed()
        return partial.have if partial is not None else 0

    async def unfinished(self, owner: str) -> list[PartialUpload]:
        """Return the partial uploads of a user, the most recently used ones last."""
        for partial in self.of(owner):
            if partial.upload is not None:
                await partial.upload.closed()
        theirs = [it for it in self.of(owner) if not it.is_busy]
        return [PartialUpload(it.declared, it.have, it.path.name) for it in theirs]

    def open_arriving(self, folder: str, name: str, sha256: str | None) -> ArrivingFile | None:
        """Open an upload that is under way, to be read as it comes: with that SHA-256, or any."""
        partial = self.arriving(folder, name, sha256)
        if partial is None or partial.upload is None:
            return None
        return ArrivingFile(partial, partial.upload, self._aside)

    async def receive(self, declared: DeclaredFile, offset: int) -> IncomingFile:
        """Begin an upload, or go on with one."""
        async with self._beginning.acquire(declared.upload_key):
            try:
                return await self._receive(declared, offset)
            except OSError as error:
                self.log.error("{file} cannot be stored: {why}", file=declared.name, why=str(error))
                sentence = "The server could not store {name}; try again later."
                raise Refusal(Code.NOT_STORED, sentence, name=declared.name) from error

    async def _receive(self, declared: DeclaredFile, offset: int) -> IncomingFile:
        partial = self.find(declared)
        if partial is not None and partial.upload is not None:
            await partial.upload.stop()
            partial = self.find(declared)  # it may have come to its end
        have = partial.have if partial is not None else 0
        filerules.check_offset(offset, have)
        if partial is None:
            partial = await self._begun(declared)
        else:
            self.use(partial)
            partial.declared = declared  # as it is said now
            if declared.sha256 is None and offset < have:  # other bytes may come there
                partial.have, partial.sha256 = offset, None
        partial.taken = True
        try:
            if partial.is_to_be_read:
                file = await self._by_turns(partial.open())
            else:
                file = await self._aside(finished, partial.open())
        except BaseException:
            if not partial.have:
                self._forget(partial)
            raise
        finally:
            partial.taken = False
        try:
            filerules.check_offset(offset, partial.have)  # less of it may be there than was thought
        except Refusal:
            file.close()
            raise
        return IncomingFile(
            *(partial, file, partial.have - offset, self._aside, self._thread),
            *(self._put, self._ended),
        )

    async def _begun(self, declared: DeclaredFile) -> PartialFile:
        partial = PartialFile(declared, self._folder / f"once-{secrets.token_hex(8)}", None)
        if not declared.is_resumable:
            return partial
        theirs = await self.unfinished(declared.owner)
        for old in theirs[: 1 - self._limits.partial_uploads]:
            await self.drop(old.declared)
        if not declared.ends_with_guest:
            number = await self._table.add_partial(declared)
            partial = PartialFile(declared, self._folder / str(number), number)
        if declared.sha256 is None:
            partial.declared = declared._replace(id=partial.path.name)
        self.use(partial)
        return partial

    def _ended(self, partial: PartialFile, keep: bool) -> "Deferred[Any]":
        """Nothing more is written to it now."""
        if not (keep and partial.have and self.find(partial.declared) is partial):
            return self._forget(partial)
        partial.moved = self._clocks.passed()
        self.use(partial)
        return Deferred.fromCoroutine(self._drop_beyond())

    async def _drop_beyond(self) -> None:
        """Drop the least recently used partial uploads."""
        disk = await self._aside(shutil.disk_usage, self._folder)
        idle, dropping = self.idle(), []
        count, taken = len(idle), sum(it.have for it in idle)
        most = (disk.free + taken) * self._limits.partial_share
        for partial in sorted(idle[:-1], key=_is_registered):  # of guests there may be any number
            if count <= self._limits.partial_uploads_of_all and taken <= most:
                break
            dropping.append(self._let_go(partial, "others have come that take its place"))
            count, taken = count - 1, taken - partial.have
        await gatherResults(dropping)

    def _let_go(self, partial: PartialFile, why: str) -> "Deferred[Any]":
        self.log.info(
            "dropped what came of {file}, of {user}: {why}",
            file=partial.declared.name,
            user=partial.declared.who,
            why=why,
        )
        return self._forget(partial)

    def _forget(self, partial: PartialFile) -> "Deferred[Any]":
        self.discard(partial)
        dropping = self._aside(partial.path.unlink, True)
        if partial.number is not None:
            number = partial.number
            dropping.addCallback(lambda _: self._table.drop_partial(number))
        return dropping.addErrback(
            lambda failure: self.log.failure("a partial upload cannot be dropped", failure)
        )

    async def drop(self, declared: DeclaredFile) -> None:
        """Drop a partial upload."""
        partial = self.find(declared)
        if partial is not None:
            await self._dropped(partial)

    def forget(self, folder: str) -> "Deferred[Any]":
        """Drop the uploads to a guest who has left, and theirs to users; answer when their bytes
        are gone. An upload under way is ended elsewhere."""
        return gatherResults([self._dropped(it) for it in self.ending_with(folder)])

    def _dropped(self, partial: PartialFile) -> "Deferred[Any]":
        """Delete a partial upload, once its last bytes are written. One under way stays."""
        if not partial.is_busy:
            return self._forget(partial)
        if partial.upload is None or not partial.upload.over:
            return succeed(None)
        partial.upload.refuse()
        return Deferred.fromCoroutine(partial.upload.stop())

    def _drop_old(self) -> None:
        before = self._clocks.passed() - self._limits.partial_seconds
        for partial in self.idle():
            if partial.moved < before:
                self._let_go(partial, "nobody went on with it")


def _is_registered(partial: PartialFile) -> bool:
    return not is_guest_id(partial.declared.owner)
