"""Writing to what the program was given to write to: all of it, or it is known why not."""

import errno
import os
import select
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatservice.client import system

GONE = os.strerror(errno.EPIPE)
"""Why nothing can be written where the reader has gone."""


def written(fd: int, data: bytes) -> str | None:
    """Write all of `data` to a descriptor, waiting for a reader who is slow. Return None, or in a
    few words why that cannot be done."""
    try:
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                select.select([], [fd], [])
    except OSError as error:
        return error.strerror or "for no known reason"
    return None


class ReaderWatch(FileDescriptor):
    """Calls `gone` as soon as nobody reads a pipe any more, and not only at the next write.

    On other output than a pipe, and where the reactor cannot tell, it does nothing.
    """

    def __init__(self, reactor: Any, fd: int, gone: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._fd = fd
        self._gone: Callable[[], None] | None = gone
        with suppress(OSError):
            if system.POSIX and stat.S_ISFIFO(os.fstat(fd).st_mode):
                self.startReading()  # nothing comes, but the end of the reader is told

    def fileno(self) -> int:
        """Return what the reactor watches."""
        return self._fd

    def doRead(self) -> Exception:
        """End: what can be read of the writing side is that there is no reader."""
        return CONNECTION_DONE

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell that the reader is gone."""
        super().connectionLost(reason)
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()

    def stop(self) -> None:
        """Watch no more."""
        self._gone = None
        self.stopReading()


def unwritable(why: str) -> str:
    """Return the sentence for standard output that cannot be written."""
    return f"Standard output cannot be written ({why}); what should stand there may be cut off."
