"""Open files that are read in threads."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, TypeVar

from twisted.internet.defer import Deferred, succeed

from chatservice.engines.filerules import Reader
from chatservice.entries import FileMark

T = TypeVar("T")

_AHEAD_BYTES = 4 << 20
"""Bytes that the system is asked to read ahead of a download, so that nobody waits for a cold
disk."""

_SEND_BYTES, _SEND_CALLS = 1 << 18, 16
"""Sent with one call, and calls until other downloads have their turn in a thread."""


class ThreadedReader(Reader):
    """`chatservice.domain.ports.FileReader`: an open `file`. `aside` does a job in a thread; the
    file is closed once no thread reads it."""

    def __init__(
        self, folder: str, mark: FileMark, file: IO[bytes], aside: Callable[..., "Deferred[Any]"]
    ) -> None:
        super().__init__(folder, mark)
        self._file = file
        self._aside = aside
        self._is_read = self._is_closed = False

    def _read(self, count: int) -> bytes:
        raise NotImplementedError

    def read(self, count: int) -> "Deferred[bytes]":
        return self._in_thread(self._read, count)

    def _in_thread(self, job: Callable[[int], T], argument: int) -> "Deferred[T]":
        self._is_read = True
        return self._aside(job, argument).addBoth(self._done)

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
    """A shared file, opened. What the system has in memory is read at once."""

    def __init__(
        self, folder: str, mark: FileMark, file: IO[bytes], aside: Callable[..., "Deferred[Any]"]
    ) -> None:
        super().__init__(folder, mark, file, aside)
        self._ahead = 0
        self._mtime = os.fstat(file.fileno()).st_mtime_ns

    def read(self, count: int) -> "Deferred[bytes]":
        cached = self._read_cached(count)
        return super().read(count) if cached is None else succeed(cached)

    def send(self, descriptor: int) -> "Deferred[None] | None":
        return self._in_thread(self._send, descriptor) if hasattr(os, "sendfile") else None

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
        """Return the next bytes, but not the last ones, if the system has them in memory; else
        None.

        Their first and last byte are asked for without waiting (RWF_NOWAIT, preadv2(2)): what lies
        between was read ahead with them. To read all so would need a copy, a quarter more CPU.
        """
        at, byte = self.at, bytearray(1)
        if count >= self.left:
            return None
        try:
            for end in (at, at + count - 1):
                os.preadv(self._file.fileno(), [byte], end, os.RWF_NOWAIT)
        except (OSError, AttributeError):
            return None
        data = os.pread(self._file.fileno(), count, at)
        self.left -= len(data)
        return data

    def _send(self, descriptor: int) -> None:
        """Send the next bytes to a socket, until it is full. Raises `OSError`, also for a file that
        was changed meanwhile."""
        with suppress(BlockingIOError):
            for _ in range(_SEND_CALLS if self.left else 0):
                count, at = min(_SEND_BYTES, self.left), self.at
                if count == self.left and self._has_changed():
                    raise OSError("it has changed")
                sent = os.sendfile(descriptor, self._file.fileno(), at, count)
                self.left -= sent
                if not self.left:
                    break
                if not sent:
                    raise OSError("it is shorter than it was")
                self._read_ahead()

    def _has_changed(self) -> bool:
        return os.fstat(self._file.fileno()).st_mtime_ns != self._mtime

    def _read_ahead(self) -> None:
        at = self.at
        if self.left and at + _AHEAD_BYTES // 2 > self._ahead:
            self._ahead = at + _AHEAD_BYTES
            os.posix_fadvise(self._file.fileno(), at, _AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
