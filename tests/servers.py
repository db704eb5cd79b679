"""Real servers and real connections for tests. All waits are for events; their timeout only ends
broken tests."""

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chatservice import adminsocket
from tests.forkserver import ForkedProcess, Program

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = float(os.environ.get("PATIENCE", "60"))
"""Seconds after which a wait fails."""

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
WITH_OPTIONS = "from functools import partial; from chatservice import options, plugin"
CLIENT_CODE = "from chatservice.client.main import run; run()"
CLIENT = [sys.executable, "-m", "chatservice.client.main"]


_NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
"""Settings that keep tests away from the user's keyring."""


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which programs import this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **_NO_KEYRING, **more}


def restore_default_signals() -> None:
    """Give programs that tests start the default signals, even if this process ignores some.

    A shell's `&` ignores SIGINT and SIGQUIT, `nohup` ignores SIGHUP, and a new program inherits
    ignored signals. It does not inherit handlers (execve(2)). So this process goes on ignoring
    them, by a handler that does nothing.
    """
    for it in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(it) is signal.SIG_IGN:
            signal.signal(it, lambda *_: None)


def descriptors(process: int | str) -> list[str]:
    """Return the targets of a process's open descriptors; `self` is this process. One that is
    closed meanwhile is left out."""
    targets = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(link))
    return targets


class Output:
    """The lines of output of a process, read in a thread."""

    def __init__(self, stream: Any) -> None:
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        with contextlib.suppress(OSError, ValueError):  # the stream is closed when a test ends
            for line in stream:
                self._new.put(line.decode(errors="replace").rstrip("\n"))
        self._new.put(None)

    def so_far(self) -> str:
        """Return all lines that came, those too for which nobody has waited."""
        return "\n".join([*self.lines, *(line for line in self._new.queue if line is not None)])

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait for a further line in which a regular expression is found. Return the match."""
        while True:
            try:
                line = self._new.get(timeout=PATIENCE)
            except queue.Empty:
                line = None
            else:
                if line is None:
                    self._new.put(None)  # it has ended: whoever asks again is told at once
            if line is None:
                raise AssertionError(f"{pattern!r} did not come; what came: {self.lines}")
            self.lines.append(line)
            found = re.search(pattern, line)
            if found:
                return found


class Server:
    """`twistd chat` in its own process, on its own port, with its data below `folder`. `limits` are
    values of `chatservice.limits.Limits`; `before` is code that the process runs first, `wrapper` a
    command that starts it, and `host` the address where it listens."""

    before = ""
    wrapper: Sequence[str] = ()
    host = "127.0.0.1"

    def __init__(self, folder: Path, *options: str, **limits: float) -> None:
        options_ = f"plugin.chat.options = partial(options.Options, {limits!r})"
        self._code = f"{self.before}{WITH_OPTIONS}; {options_}; {TWISTD[-1]}"
        self.folder = folder
        self.data = folder / "chat-data"
        self.files = self.data / "SharedFiles"
        self._options = options
        folder.mkdir(parents=True, exist_ok=True)
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, on the same port with the same data as before."""
        arguments = ["-n", "--pidfile=", "chat", "--interface", self.host]
        arguments += ["--port", str(self.port), "--data", str(self.data), *self._options]
        self.process = _launch(self._code, arguments, self.folder, self.wrapper)
        self.log = Output(self.process.stdout)
        self.port = int(self.log.expect(rf"listening on {re.escape(self.host)}:(\d+)")[1])

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send it a signal, and return its exit status."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def memory(self) -> int:
        """Return its resident memory, in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _launch(
    code: str, arguments: list[str], folder: Path, wrapper: Sequence[str]
) -> "ForkedProcess | subprocess.Popen[bytes]":
    if "LD_PRELOAD" not in os.environ and not wrapper:
        return ForkedProcess(Program(code, arguments, folder, environment()))
    return subprocess.Popen(  # LD_PRELOAD has to be set when Python starts
        [*wrapper, sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


class RawClient:
    """A bare TCP connection: what `nc` is.

    The server greets a connection that is silent for a while with a line of text. A test that plays
    a program therefore connects it just before its first request, and waits for nothing in between.
    It does not greet an address that spoke HTTP: a person beside a browser comes from another
    address of this machine, `source`.
    """

    def __init__(self, port: int, source: str = "127.0.0.1", host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), PATIENCE, (source, 0))
        self._seen: list[str] = []
        self._buffer = b""

    def send(self, *lines: str | bytes) -> None:
        """Send lines, each with an LF."""
        data = b"".join((x.encode() if isinstance(x, str) else x) + b"\n" for x in lines)
        self.socket.sendall(data)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def ask(self, **fields: Any) -> None:
        """Send a JSON object."""
        self.send(json.dumps(fields))

    def line(self) -> str:
        """Wait for a line and return it, without its end."""
        while b"\n" not in self._buffer:
            self._buffer += self._receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        self._seen.append(line.decode() + "\n")
        return line.decode()

    @property
    def seen(self) -> str:
        """All lines received so far."""
        return "".join(self._seen)

    def _receive(self) -> bytes:
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise TimeoutError(f"nothing more came; what came: ...{self.seen[-2000:]!r}") from None
        if not data:
            raise AssertionError(f"the connection ended; what came: {self.seen!r}")
        return data

    def expect(self, text: str) -> str:
        """Wait for a line that contains `text`, and return it."""
        while text not in (line := self.line()):
            pass
        return line

    def event(self, name: str | None = None) -> dict[str, Any]:
        """Wait for a JSON object, with that `event` if one is given."""
        while True:
            line = self.line()
            if line.startswith("* Welcome"):  # on a busy machine, one may be slow to speak first
                continue
            found: dict[str, Any] = json.loads(line)
            if name is None or found["event"] == name:
                return found

    def read(self, count: int) -> bytes:
        """Wait for `count` bytes and return them."""
        pieces = [self._buffer]
        while len(pieces[-1]) < count:
            count -= len(pieces[-1])
            pieces.append(self._receive())
        self._buffer = pieces[-1][count:]
        return b"".join((*pieces[:-1], pieces[-1][:count]))

    def rest(self) -> bytes:
        """Return all bytes until the server ends the connection."""
        pieces, self._buffer = [self._buffer], b""
        while data := self.socket.recv(65536):
            pieces.append(data)
        return b"".join(pieces)

    def end(self) -> None:
        """Close the sending side."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class RawAdminClient(RawClient):
    """A connection to the admin socket."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.port)
        self.socket.close()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(adminsocket.address(server.data))
