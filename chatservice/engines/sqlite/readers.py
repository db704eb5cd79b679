"""Open files that are read in threads."""

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_WRITE
from typing import IO, Any, TypeVar

from twisted.internet.defer import Deferred, succeed

from chatservice.engines.filerules import Reader
from chatservice.engines.sqlite.transferthread import PIECE_BYTES, PIECES, TransferThread
from chatservice.entries import FileMark

T = TypeVar("T")

_AHEAD_BYTES = 4 << 20
"""Bytes that the system is asked to read ahead of a download, so that nobody waits for a cold
disk."""

_NO_SENDFILE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
"""Errors of `sendfile` where a file system, or the system, does not have it."""


class ThreadedReader(Reader, ABC):
    """The port `FileReader`: an open `file`. `aside` does a job in a thread; the
    file is closed once no thread reads it."""

    def __init__(
        self, folder: str, mark: FileMark, file: IO[bytes], aside: Callable[..., "Deferred[Any]"]
    ) -> None:
        super().__init__(folder, mark)
        self._file = file
        self._aside = aside
        self._is_read = self._is_closed = False

    @abstractmethod
    def _read(self, count: int) -> bytes:
        """Return the next bytes, in a thread."""

    def read(self, count: int) -> "Deferred[bytes]":
        self._is_read = True
        return self._aside(self._read, count).addBoth(self._done)

    def _done(self, result: T) -> T:
        self._is_read = False
        if self._is_closed:
            self._file.close()
        return result

    def send(self, descriptor: int) -> "Deferred[None] | None":
        return None

    def more(self) -> "Deferred[None] | None":
        return None

    def close(self) -> None:
        self._is_closed = True
        if not self._is_read:
            self._file.close()


class OpenFile(ThreadedReader):
    """A shared file, opened. What the system has in memory is read at once; `thread` sends it."""

    def __init__(
        self,
        folder: str,
        mark: FileMark,
        file: IO[bytes],
        aside: Callable[..., "Deferred[Any]"],
        thread: TransferThread,
    ) -> None:
        super().__init__(folder, mark, file, aside)
        self._thread = thread
        self._socket: int | None = None
        self._ahead = 0
        self._mtime = os.fstat(file.fileno()).st_mtime_ns

    def read(self, count: int) -> "Deferred[bytes]":
        cached = self._read_cached(count)
        return super().read(count) if cached is None else succeed(cached)

    def send(self, descriptor: int) -> "Deferred[None] | None":
        self._is_read, self._socket = True, descriptor
        sending = self._thread.move(descriptor, EVENT_WRITE, lambda: self._send(descriptor))
        return sending.addBoth(self._done)

    def duplicate(self) -> IO[bytes]:
        """Return the file, opened once more."""
        return os.fdopen(os.dup(self._file.fileno()), "rb", buffering=0)

    def close(self) -> None:
        super().close()
        if self._is_read and self._socket is not None:
            self._thread.hurry(self._socket)

    def _read(self, count: int) -> bytes:
        """Return the next bytes; never the last ones of a file that was changed meanwhile: so
        nobody takes for whole what is of two contents."""
        data = os.pread(self._file.fileno(), min(count, self.left), self.at)
        if len(data) == self.left and self._has_changed():
            return b""
        self.left -= len(data)
        self._read_ahead()
        return data

    def _read_cached(self, count: int) -> bytes | None:
        """Return the next bytes, but not the last ones, as far as the system has them in memory
        (RWF_NOWAIT, preadv2(2)); else None."""
        if count >= self.left:
            return None
        data = bytearray(count)
        try:
            size = os.preadv(self._file.fileno(), [data], self.at, os.RWF_NOWAIT)
        except (OSError, AttributeError):
            return None
        self.left -= size
        return bytes(memoryview(data)[:size]) or None

    def _send(self, descriptor: int) -> bool | None:
        """Send the next bytes to a non-blocking socket, until it is full. Return True if that was
        all, else None. Raises `OSError`, also for a file that was changed meanwhile."""
        with suppress(BlockingIOError):
            for _ in range(PIECES):
                if not self.left or self._is_closed:
                    return True
                count = min(PIECE_BYTES, self.left)
                if count == self.left and self._has_changed():
                    raise OSError("it has changed")
                sent = self._sent(descriptor, count)
                if not sent:
                    raise OSError("it is shorter than it was")
                self.left -= sent
                self._read_ahead()
        return None if self.left else True

    def _sent(self, descriptor: int, count: int) -> int:
        """Send some bytes; return how many."""
        try:
            return os.sendfile(descriptor, self._file.fileno(), self.at, count)
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
        return os.write(descriptor, os.pread(self._file.fileno(), count, self.at))

    def _has_changed(self) -> bool:
        return os.fstat(self._file.fileno()).st_mtime_ns != self._mtime

    def _read_ahead(self) -> None:
        at = self.at
        if self.left and at + _AHEAD_BYTES // 2 > self._ahead:
            self._ahead = at + _AHEAD_BYTES
            os.posix_fadvise(self._file.fileno(), at, _AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
