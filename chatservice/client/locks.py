"""Files that one process at a time has for itself, for as long as it lives."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from chatservice.client import system


def locked(path: Path, make: bool = False, mode: int = 0o666) -> BinaryIO | None:
    """Open a plain file for reading and writing, locked until it is closed; `make` it if it is not
    there, with what the umask leaves of a mode. Return None if another one has it, or it is not
    there, or is no plain file.

    Who has it may give it another name or take it away, but must do so before closing it: then
    what is returned here is never a file that has gone.
    """
    flags = system.flags("O_RDWR", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if make else 0), mode)
    except OSError:
        return None
    file = open(descriptor, "r+b", buffering=0)  # noqa: SIM115 - kept open
    try:
        system.lock(file)
        found, there = os.fstat(descriptor), os.stat(path, follow_symlinks=False)
    except OSError as error:
        nobodys = make and not isinstance(error, (BlockingIOError, PermissionError))
        if nobodys and os.fstat(descriptor).st_size == 0:  # there are no locks: leave nothing
            with suppress(OSError):
                system.take_away(path, file)
        file.close()
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_ino != there.st_ino:
        file.close()
        return None
    return file
