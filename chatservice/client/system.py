"""Files, locks, terminals and pipes, where operating systems differ.

No other module of the client imports what only some systems have.
"""

import ctypes
import errno
import os
import secrets
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatservice import names
from chatservice.output import write_all

try:
    import fcntl
    import termios
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True

READER_GONE = os.strerror(errno.EPIPE)
"""The reason why a pipe without a reader cannot be written."""

_ECHO = 0x0004
"""ENABLE_ECHO_INPUT, of SetConsoleMode (Windows console API)."""


# -- files ---------------------------------------------------------------------------------------


def open_flags(*names: str) -> int:
    """Return the flags of `os.open` that the system has of those, and O_BINARY on Windows."""
    found = 0
    for name in ("O_BINARY", *names):
        found |= getattr(os, name, 0)
    return found


def open_locked(path: Path, make: bool = False, mode: int = 0o666) -> BinaryIO | None:
    """Open a plain file for reading and writing, and lock it until it is closed. With `make`,
    create it (with `mode`, less the umask). Return None if it is locked, missing or not plain.

    The owner of the lock may rename or delete the file, but must do so before closing it. Then a
    file that is returned here always has its name still.
    """
    flags = open_flags("O_RDWR", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if make else 0), mode)
    except OSError:
        return None
    file = open(descriptor, "r+b", buffering=0)  # noqa: SIM115 - kept open
    try:
        _lock(file)
        if _is_plain(descriptor, path):
            return file
    except OSError as error:
        no_locks = make and not isinstance(error, (BlockingIOError, PermissionError))
        if no_locks and os.fstat(descriptor).st_size == 0:  # leave no empty file behind
            with suppress(OSError):
                delete_open(path, file)
    file.close()
    return None


def _is_plain(descriptor: int, path: Path) -> bool:
    """Return whether an open file is a plain one with a single name, `path`."""
    found, named = os.fstat(descriptor), os.stat(path, follow_symlinks=False)
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_ino == named.st_ino


def _lock(file: BinaryIO) -> None:
    """Lock a file until it is closed. Raises `OSError` if it is locked, or without locks."""
    if POSIX:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    try:
        import msvcrt
    except ImportError:
        raise OSError("There are no locks here.") from None
    byte: Any = (file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    file.seek(1 << 40)  # far behind the end, because others cannot read a locked byte
    try:
        msvcrt.locking(*byte)  # type: ignore[attr-defined]
    finally:
        file.seek(0)


def delete_open(path: Path, file: BinaryIO) -> None:
    """Delete an open file and close it. Windows deletes closed files only. Raises `OSError`."""
    if not POSIX:
        file.close()
    path.unlink(missing_ok=True)
    file.close()


def touch(file: BinaryIO) -> None:
    """Set the time of the last change of an open file to now."""
    with suppress(OSError):
        os.utime(file.fileno() if os.utime in os.supports_fd else file.name)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, text: str) -> None:
    """Replace the file at `path`, for its owner alone, and create its folder. Raises `OSError`,
    and then the file is unchanged."""
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


# -- terminals -----------------------------------------------------------------------------------


def hide_typing(fd: int) -> Any:
    """Stop a terminal from showing what is typed. Return the state for `show_typing`, or None if
    `fd` is no terminal."""
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


# -- pipes ---------------------------------------------------------------------------------------


class DescriptorInput(FileDescriptor):
    """Input through the reactor; `received` gets its bytes, and no bytes at its end. The descriptor
    stays in blocking mode: our parent shares it."""

    def __init__(self, reactor: Any, fd: int, received: Callable[[bytes], None]) -> None:
        super().__init__(reactor)
        self._fd = fd
        self._received = received

    def fileno(self) -> int:
        """Return the descriptor for the reactor."""
        return self._fd

    def doRead(self) -> Exception | None:
        """Read the available bytes."""
        data = read_available(self._fd)
        if not data:
            return CONNECTION_DONE
        self._received(data)
        return None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report the end of the input."""
        super().connectionLost(reason)
        self._received(b"")


class ThreadInput:
    """Input through a thread, for reactors that can only watch sockets (Windows)."""

    def __init__(self, reactor: Any, fd: int, received: Callable[[bytes], None]) -> None:
        self._reactor = reactor
        self._fd = fd
        self._received = received
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def startReading(self) -> None:
        """Begin to read, or go on."""
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._read_all, daemon=True)
            self._thread.start()

    def stopReading(self) -> None:
        """Stop reading after the read that is waiting."""
        self._wanted.clear()

    def _read_all(self) -> None:
        data = b"\n"
        while data:
            self._wanted.wait()
            data = read_available(self._fd)
            self._reactor.callFromThread(self._received, data)


def read_available(fd: int) -> bytes:
    """Return the available bytes; none at the end of the input, or after an error."""
    try:
        return os.read(fd, 1 << 16)
    except OSError:
        return b""


def watch_pipe_reader(reactor: Any, fd: int, gone: Callable[[], None]) -> DescriptorInput:
    """Call `gone` as soon as the pipe that `fd` writes to has no reader any more, not only at the
    next write. Other output, or a reactor that cannot watch it, is not watched."""
    watch = DescriptorInput(reactor, fd, lambda _: gone())
    with suppress(OSError):
        if POSIX and stat.S_ISFIFO(os.fstat(fd).st_mode):
            watch.startReading()  # a writing end is readable once its reader is gone
    return watch


def complain(sentence: str) -> None:
    """Write a sentence to the standard error."""
    write_all(2, f"chat-client: {names.clean(sentence)}\n".encode())


def output_error(why: str) -> str:
    """Return the sentence for an error of the standard output."""
    return f"Standard output cannot be written ({why}); what should stand there may be cut off."
