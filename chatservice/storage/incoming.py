"""A file on its way in."""

import hashlib
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.storage.sqlite import FileRow

WRITE_BYTES = 1 << 18
"""Bytes gathered before a thread is asked to write and hash them."""

BEHIND_BYTES = 1 << 22
"""Bytes waiting for the disk beyond which an upload is asked to stop for a moment."""


class Upload:
    """A file on its way in: `chatservice.domain.ports.Incoming`.

    Bytes are gathered, and written and hashed in a thread, one lot after another, to a file in the
    folder `partial`. `aside` does something in a thread; `put` is called with the whole and
    durable file, to put it on the shelf. `row` tells what was declared.
    """

    log = Logger()

    def __init__(
        self,
        partial: Path,
        row: FileRow,
        aside: Callable[..., "Deferred[Any]"],
        put: Callable[[Path, FileRow], Awaitable[FileMark]],
    ) -> None:
        self._aside = aside
        self._put = put
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
            handle, path = tempfile.mkstemp(dir=partial)
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
        self._writing = self._aside(self._store, gathered)
        self._writing.addErrback(self._failed).addBoth(self._flushed)

    def _store(self, gathered: list[bytes]) -> None:
        data = b"".join(gathered)
        self._sha256.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._written += len(data)

    def _failed(self, failure: Any) -> None:
        self.log.failure("writing {file} failed", failure, file=self._row.name)
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
            await self._aside(os.fsync, self._file.fileno())
            row = self._row._replace(sha256=self._sha256.hexdigest())
            return await self._put(self._path, row)
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
        self.log.error("{file} cannot be stored: {why}", file=name, why=str(error))
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
