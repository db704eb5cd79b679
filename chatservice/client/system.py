"""The differences between systems: Linux and macOS have it all, Windows does some of it otherwise.

No other module of the client imports what only some systems have.
"""

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
    import termios
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True

_ECHO = 0x0004
"""ENABLE_ECHO_INPUT, of SetConsoleMode (Windows console API)."""


def flags(*names: str) -> int:
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


def take_away(path: Path, file: BinaryIO) -> None:
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


def hide(fd: int) -> Any:
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


def unhide(fd: int, before: Any) -> None:
    """Let a terminal show again what is typed."""
    if before is None:
        return
    if POSIX:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    else:
        _console_echo(fd, True)


def forget_typed(fd: int) -> None:
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
