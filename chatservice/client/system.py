"""Files, locks, terminals and pipes, where operating systems differ."""

import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

try:
    import fcntl
    import termios
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True

_ECHO = 0x0004
"""ENABLE_ECHO_INPUT, of SetConsoleMode (Windows console API)."""


def open_flags(*names: str) -> int:
    """Return those flags of `os.open` together, as far as the system has them; and always the one
    that leaves bytes as they are, which only Windows has."""
    found = 0
    for name in ("O_BINARY", *names):
        found |= getattr(os, name, 0)
    return found


def lock(file: BinaryIO) -> None:
    """Lock a file until it is closed. Raises `OSError` where somebody else has it, or the system
    knows no such locks."""
    if POSIX:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    try:
        import msvcrt
    except ImportError:
        raise OSError("There are no locks here.") from None
    byte: Any = (file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    file.seek(1 << 40)  # a byte far behind the end: what is locked cannot be read by others
    try:
        msvcrt.locking(*byte)  # type: ignore[attr-defined]
    finally:
        file.seek(0)


def delete_open(path: Path, file: BinaryIO) -> None:
    """Delete an open file, and close it; where a file that is open cannot be deleted, close it
    first. Raises `OSError`."""
    if not POSIX:
        file.close()
    path.unlink(missing_ok=True)
    file.close()


def touch(file: BinaryIO) -> None:
    """Note that an open file was used now."""
    with suppress(OSError):
        os.utime(file.fileno() if os.utime in os.supports_fd else file.name)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlast a power cut, where the system can be asked for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hide_typing(fd: int) -> Any:
    """Stop a terminal from showing what is typed. Return what `unhide` takes; None where it is no
    terminal."""
    if not os.isatty(fd):
        return None
    if not POSIX:
        return _console_echo(fd, False)
    before = termios.tcgetattr(fd)
    quiet = termios.tcgetattr(fd)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSANOW, quiet)
    return before


def show_typing(fd: int, before: Any) -> None:
    """Let a terminal show again what is typed."""
    if before is None:
        return
    if POSIX:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    else:
        _console_echo(fd, True)


def discard_typed(fd: int) -> None:
    """Drop what was typed on a terminal and not read yet."""
    if POSIX:
        with suppress(termios.error):
            termios.tcflush(fd, termios.TCIFLUSH)


def _console_echo(fd: int, shown: bool) -> bool | None:
    windows = getattr(ctypes, "windll", None)
    if windows is None:
        return None
    import msvcrt

    handle = msvcrt.get_osfhandle(fd)  # type: ignore[attr-defined]
    mode = ctypes.c_ulong()
    if not windows.kernel32.GetConsoleMode(handle, ctypes.byref(mode)):
        return None
    value = mode.value | _ECHO if shown else mode.value & ~_ECHO
    windows.kernel32.SetConsoleMode(handle, value)
    return True


def open_locked(path: Path, make: bool = False, mode: int = 0o666) -> BinaryIO | None:
    """Open a plain file for reading and writing, locked until it is closed; `make` it if it is not
    there, with what the umask leaves of a mode. Return None if another one has it, or it is not
    there, or is no plain file.

    Who has it may give it another name or take it away, but must do so before closing it: then
    what is returned here is never a file that has gone.
    """
    flags = open_flags("O_RDWR", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if make else 0), mode)
    except OSError:
        return None
    file = open(descriptor, "r+b", buffering=0)  # noqa: SIM115 - kept open
    try:
        lock(file)
        found, there = os.fstat(descriptor), os.stat(path, follow_symlinks=False)
    except OSError as error:
        nobodys = make and not isinstance(error, (BlockingIOError, PermissionError))
        if nobodys and os.fstat(descriptor).st_size == 0:  # there are no locks: leave nothing
            with suppress(OSError):
                delete_open(path, file)
        file.close()
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_ino != there.st_ino:
        file.close()
        return None
    return file


def write_atomically(path: Path, text: str) -> None:
    """Put `text` in the place of what is in the file at `path`, whose folder is made if it is not
    there, for nobody but its owner. Raises `OSError`; then the file is as it was."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(new, flags, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


READER_GONE = os.strerror(errno.EPIPE)
"""Why nothing can be written where the reader has gone."""


class PipeReaderWatch(FileDescriptor):
    """Calls `gone` as soon as nobody reads a pipe any more, and not only at the next write.

    On other output than a pipe, and where the reactor cannot tell, it does nothing.
    """

    def __init__(self, reactor: Any, fd: int, gone: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._fd = fd
        self._gone: Callable[[], None] | None = gone
        with suppress(OSError):
            if POSIX and stat.S_ISFIFO(os.fstat(fd).st_mode):
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


def output_error(why: str) -> str:
    """Return the sentence for standard output that cannot be written."""
    return f"Standard output cannot be written ({why}); what should stand there may be cut off."
