"""Files that one process at a time has for itself, for as long as it lives."""

import fcntl
import os
import stat
from pathlib import Path
from typing import BinaryIO


def locked(path: Path, make: bool = False, mode: int = 0o666) -> BinaryIO | None:
    """Open a plain file for reading and writing, locked until it is closed; `make` it if it is not
    there, with what the umask leaves of a mode. Return None if another one has it, or it is not
    there, or is no plain file.

    Who has it may give it another name or take it away, but must do so before closing it: then
    what is returned here is never a file that has gone.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if make else 0), mode)
    except OSError:
        return None
    file = open(descriptor, "r+b", buffering=0)  # noqa: SIM115 - kept open
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found, there = os.fstat(descriptor), os.stat(path, follow_symlinks=False)
    except OSError:
        file.close()
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_ino != there.st_ino:
        file.close()
        return None
    return file
