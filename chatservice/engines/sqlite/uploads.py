"""Uploads under way: the bytes of a file that arrives."""

import errno
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from chatservice.domain.ports import DeclaredFile
from chatservice.engines.sqlite import permissions, plainfiles
from chatservice.engines.sqlite.longjobs import Job
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal

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
    def may_go_on(self) -> bool:
        """Return whether it can be resumed: without a declared SHA-256 nobody could tell whether a
        file is the same one."""
        return self.declared.sha256 is not None

    @property
    def is_busy(self) -> bool:
        """Return whether somebody writes to it, or is about to."""
        return self.taken or self.upload is not None

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
            os.ftruncate(handle, min(self.have, self.declared.size))
            if self.sha256 is None:
                self.have = os.fstat(handle).st_size
                self.sha256 = yield from plainfiles.hash_of(file)
            file.seek(self.have)
        except BaseException:
            file.close()
            raise
        return file


class IncomingFile:
    """An upload under way: `chatservice.domain.ports.UploadWriter`.

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
        put: Callable[[PartialFile, str], Awaitable[FileMark]],
        ended: Callable[[PartialFile, bool], "Deferred[Any]"],
    ) -> None:
        assert partial.sha256 is not None  # it is open
        self._partial = partial
        self._digest = partial.sha256
        self._file = file
        self._skip = skip
        self._aside = aside
        self._put = put
        self._ended = ended
        self._gathered: list[bytes] = []
        self._bytes = 0
        self._unsynced = 0
        self._writing: Deferred[None] | None = None
        self._syncing: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []
        self._error: OSError | None = None
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
            return fail(Refusal(Code.INCOMPLETE, "The upload stopped half-way."))
        return self._written_once()

    @property
    def have(self) -> int:
        """Return the number of bytes received."""
        return self._partial.have

    def write(self, data: bytes) -> None:
        """Take the next bytes. Once it is over, they are for nobody."""
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

    def _flush(self) -> None:
        """Write the gathered bytes, unless a write is under way or the disk is far behind."""
        behind = self._syncing is not None and self._unsynced >= 4 * SYNC_BYTES
        if self._writing is not None or behind or not self._gathered:
            return
        gathered, self._gathered = self._gathered, []
        self._bytes = 0
        if self._error is not None:
            return
        self._writing = self._aside(self._store, gathered)
        self._writing.addCallbacks(self._stored, self._failed).addBoth(self._written_out)

    def _store(self, gathered: list[bytes]) -> int:
        written = 0
        for data in gathered:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            self._digest.update(data)
            written += len(data)
        self._partial.have += written
        return written

    def _stored(self, count: int) -> None:
        """Sync the written bytes, if they are many, while more come."""
        self._unsynced += count
        if self._unsynced >= SYNC_BYTES and self._syncing is None:
            self._unsynced = 0
            self._syncing = self._aside(os.fdatasync, self._file.fileno())
            self._syncing.addErrback(self._sync_failed).addBoth(self._synced)

    def _not_synced(self, failure: Any) -> Any:
        self._worthless = True
        return failure

    def _sync_failed(self, failure: Any) -> None:
        self._worthless = True  # what is read back may never have got to the disk
        self._failed(failure)

    def _failed(self, failure: Any) -> None:
        self.log.failure("writing {file} failed", failure, file=self._partial.declared.name)
        self._error = failure.value

    def _written_out(self, _: Any) -> None:
        self._writing = None
        self._go_on()

    def _synced(self, _: Any) -> None:
        self._syncing = None
        self._go_on()

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
        """None if more may come at once, else what to wait for."""
        return self._written_once() if self._bytes > BEHIND_BYTES else None

    async def finish(self) -> FileMark:
        """Check the bytes, make them durable, and share the file."""
        await self._written()
        self._finishing = True
        try:
            if self._error is not None:
                raise self._error
            sha256 = self._checked()
            await self._aside(os.fsync, self._file.fileno()).addErrback(self._not_synced)
            mark = await self._put(self._partial, sha256)
            self._worthless = True  # it is on the shelf
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
        while self._writing is not None or self._gathered or self._syncing is not None:
            await self._written_once()
            self._flush()

    def _checked(self) -> str:
        declared, digest = self._partial.declared, self._digest
        if self.over:
            raise Refusal(Code.INCOMPLETE, "Another connection goes on with it; see there.")
        if self._partial.have != declared.size:
            raise Refusal(Code.INCOMPLETE, "Not all of its bytes came; send it again.")
        if declared.sha256 not in (None, digest.hexdigest()):
            self._worthless = True
            raise Refusal(
                Code.WRONG_SHA256,
                "What came has the SHA-256 {hexdigest}, not the one declared; nothing was "
                "kept. If the file was changed while it was sent, send it again.",
                hexdigest=digest.hexdigest(),
            )
        return digest.hexdigest()

    def _not_stored(self, error: OSError) -> Refusal:
        name = self._partial.declared.name
        self.log.error("{file} cannot be stored: {why}", file=name, why=str(error))
        if error.errno == errno.EFBIG:
            sentence = "{name} is larger than a file can be on the server's disk; send less."
            return Refusal(Code.TOO_LARGE, sentence, name=name)
        return Refusal(
            Code.NOT_STORED, "The server could not store {name}; try again later.", name=name
        )

    def abandon(self) -> None:
        """Take no more. The gathered bytes are written first, if the upload can be resumed."""
        if self.over or self._finishing:
            return
        self.over = True
        if self._worthless or not self._partial.may_go_on:
            self._gathered, self._bytes = [], 0
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
        """Delete its bytes: they are not as declared."""
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
        keep = self._partial.may_go_on and not self._worthless
        self._closing = self._ended(self._partial, keep)
        self._tell_waiting()
