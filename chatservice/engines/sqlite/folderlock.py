"""Folders that one server at a time uses."""

import errno
import fcntl
import os
from pathlib import Path

from twisted.logger import Logger

from chatservice.engines.sqlite import filesystem, permissions
from chatservice.errors import Code, Refusal

_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""Errors of `flock` on a file system that knows no locks (flock(2), and what is mounted with
`nolock`)."""


class FolderLock:
    """A folder for this process alone, by the locked file `name` in it.

    The lock ends with the process, so none is ever left over. If the file system has no locks, or
    may hide them from other machines, the log asks the operator to make sure. Raises `Refusal`,
    which ends with `remedy`, if another process has the lock, and `OSError`.
    """

    log = Logger()

    def __init__(self, folder: Path, name: str, remedy: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(folder / name, flags, permissions.FILE)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise Refusal(
                Code.NOT_STORED,
                "Another server is using {folder}; stop it, or {remedy}.",
                folder=folder,
                remedy=remedy,
            ) from None
        except OSError as error:
            if error.errno not in _UNKNOWN:
                os.close(self._file)
                raise
            self.log.warn(
                "{folder} cannot be locked ({why}); see that no other server uses it, or each "
                "deletes what the other needs",
                folder=str(folder),
                why=error.strerror,
            )
            return
        kind = filesystem.kind(folder)
        if filesystem.is_shared(kind):
            self.log.warn(
                "{folder} is on another machine ({kind}), and a lock there may hold on this one "
                "only; see that no server on another machine uses it",
                folder=str(folder),
                kind=kind,
            )

    def release(self) -> None:
        """Let others use it."""
        os.close(self._file)
