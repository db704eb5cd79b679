"""Fast starts of programs: each is forked from a process that has imported the modules it needs.

Apart from that they are like programs on a command line: a process of their own, with arguments, an
environment, a current directory and three descriptors, or a terminal. A fork saves half a second
for each of hundreds of programs. A test of the start itself uses `subprocess`.
"""

import array
import atexit
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

from pexpect.fdpexpect import fdspawn

PRELOADED = (
    "chatservice.client.fullscreen",
    "chatservice.client.main",
    "chatservice.client.pipescreen",
    "chatservice.client.scripts",
    "chatservice.chatctl",
    "chatservice.plugin",
    "chatservice.service",
    "twisted.application.runner",
    "twisted.internet.epollreactor",
    "twisted.internet.unix",
    "twisted.scripts.twistd",
    "tests.harm.watched",
)
"""Modules that are imported before the fork; not the reactor, which each program chooses."""

_REQUEST_BYTES = 1 << 20


class Program(NamedTuple):
    """A program to start: its code, arguments, current directory and environment."""

    code: str
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]

    def encoded(self) -> bytes:
        """Return it for the process that forks."""
        arguments, environment = list(self.arguments), dict(self.environment)
        return json.dumps([self.code, arguments, str(self.folder), environment]).encode()


class _Forked:
    """A running program, with the needed part of `subprocess.Popen`'s interface."""

    def __init__(self, program: Program, stdin: int, stdout: int, stderr: int) -> None:
        """Start it with these descriptors, and close them here. If `stdin` is a terminal, it is
        the program's; otherwise the program has none."""
        self.returncode: int | None = None
        self._ending, theirs_ending = os.pipe()
        theirs = [stdin, stdout, stderr, theirs_ending]
        try:
            self.pid = _nursery().start(program.encoded(), theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit status: minus the signal's number if a signal ended it. Raises
        `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            ended = select.poll()  # for `select`, a test may have too many files open
            ended.register(self._ending, select.POLLIN)
            if not ended.poll(None if timeout is None else 1000 * timeout):
                raise subprocess.TimeoutExpired("a forked program", timeout or 0)
            told = os.read(self._ending, 16)
            os.close(self._ending)
            self.returncode = os.waitstatus_to_exitcode(int(told or b"-1"))
        return self.returncode

    def send_signal(self, how: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, how)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class ForkedProcess(_Forked):
    """A running program between pipes. `stdin` is one if `typed`; `stdout` has its output, and its
    errors unless `stderr` has them, `apart`."""

    def __init__(self, program: Program, typed: bool = False, apart: bool = False) -> None:
        theirs_in, self.stdin = _pipe_in() if typed else (os.open(os.devnull, os.O_RDONLY), None)
        theirs_out, self.stdout = _pipe_out()
        theirs_err, self.stderr = _pipe_out() if apart else (os.dup(theirs_out), self.stdout)
        super().__init__(program, theirs_in, theirs_out, theirs_err)


class ForkedOnTerminal(_Forked):
    """A running program on a terminal of `size` rows and columns, with the needed part of
    `pexpect.spawn`'s interface."""

    def __init__(self, program: Program, size: tuple[int, int], timeout: float) -> None:
        mine, theirs = os.openpty()
        self._terminal = fdspawn(mine, timeout=timeout)
        self.send = self._terminal.send
        self.read_nonblocking = self._terminal.read_nonblocking
        self.fileno = self._terminal.fileno
        self.setwinsize(*size)
        super().__init__(program, theirs, os.dup(theirs), os.dup(theirs))

    def setwinsize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        size = struct.pack("4H", rows, columns, 0, 0)
        fcntl.ioctl(self._terminal.child_fd, termios.TIOCSWINSZ, size)

    @property
    def exitstatus(self) -> int | None:
        """Its status, if it has ended by itself; None if a signal ended it."""
        return None if self.returncode is None or self.returncode < 0 else self.returncode

    def isalive(self) -> bool:
        """True while it runs."""
        return self.poll() is None

    def close(self, force: bool = False) -> None:
        """Hang up; end it if `force`."""
        self._terminal.close()
        if force:
            self.kill()


def _pipe_in() -> tuple[int, IO[bytes]]:
    theirs, mine = os.pipe()
    return theirs, os.fdopen(mine, "wb")


def _pipe_out() -> tuple[int, IO[bytes]]:
    mine, theirs = os.pipe()
    return theirs, os.fdopen(mine, "rb")


def run(program: Program, typed: bytes, timeout: float) -> tuple[int, bytes, bytes]:
    """Run a program to its end, with `typed` as its input. Return its status, and what it wrote: to
    standard output, and to standard error. Raises `subprocess.TimeoutExpired`."""
    process = ForkedProcess(program, typed=True, apart=True)
    with process.stdout, process.stderr, ThreadPoolExecutor(3) as pool:
        pool.submit(_type, process.stdin, typed)
        written = [pool.submit(it.read) for it in (process.stdout, process.stderr)]
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        out, errors = (it.result() for it in written)
    return status, out, errors


def _type(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(data)


class _ForkServer:
    """The process that forks programs, seen from the tests."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from tests import forkserver; forkserver.serve()",
                str(theirs.fileno()),
            ],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1"},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,  # pytest's own may be what its workers are told by
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self._lock = threading.Lock()
        atexit.register(self._end)

    def _end(self) -> None:
        self._line.close()
        self._process.wait()

    def start(self, request: bytes, descriptors: list[int]) -> int:
        """Start a program, and return its process id."""
        with self._lock:
            socket.send_fds(self._line, [request], descriptors)
            return int(self._line.recv(16))


_nurseries: dict[int, _ForkServer] = {}


def _nursery() -> _ForkServer:
    """Return the fork server of this process: each worker of pytest has its own."""
    if os.getpid() not in _nurseries:
        _nurseries[os.getpid()] = _ForkServer()
    return _nurseries[os.getpid()]


# -- in the process that programs are forked from --------------------------------------------------


def serve() -> None:
    """Fork a program for each request, until the connection ends. This returns in each child too,
    at its end, so that it exits as Python does."""
    line = socket.socket(fileno=int(sys.argv[1]))
    for module in PRELOADED:
        import_module(module)
    assert "twisted.internet.reactor" not in sys.modules
    heard, hearing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(hearing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    endings: dict[int, int] = {}
    while True:
        ready = select.select([line, heard], [], [])[0]
        if heard in ready:
            os.read(heard, 4096)
            _tell_of_ends(endings)
        if line in ready:
            request, descriptors = _receive(line)
            if not request:
                return
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (heard, hearing, line.detach(), *endings.values()):
                    os.close(descriptor)
                _become(*json.loads(request), *descriptors)
                return
            *given, endings[child] = descriptors
            for descriptor in given:
                os.close(descriptor)
            line.send(b"%d" % child)


def _receive(line: socket.socket) -> tuple[bytes, Sequence[int]]:
    request, descriptors, _, _ = socket.recv_fds(line, _REQUEST_BYTES, 4)
    return request, array.array("i", descriptors)


def _tell_of_ends(endings: dict[int, int]) -> None:
    while endings:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        ending = endings.pop(child)
        with contextlib.suppress(BrokenPipeError):
            os.write(ending, b"%d" % status)
        os.close(ending)


def _become(
    code: str,
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    *descriptors: int,
) -> None:
    """Become the requested program."""
    *standard, ending = descriptors
    os.close(ending)
    os.setsid()
    if os.isatty(standard[0]):
        fcntl.ioctl(standard[0], termios.TIOCSCTTY, 0)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "<forked>", "exec"), names)
