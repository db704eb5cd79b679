"""The clients of files: as cheap as can be, so that the server is what is measured."""

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from benchmarks.peers import PATIENCE, Running

PIECE = 1 << 20

WHOLE_FILE = 300.0
"""Seconds after which a file that is still under way is taken never to arrive."""


def connect(port: int) -> socket.socket:
    """Connect to a server here."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


class Program:
    """A connection in JSON, which gets tickets. `room` is where its files are."""

    def __init__(self, port: int, name: str, room: str) -> None:
        self._socket = connect(port)
        self._lines = self._socket.makefile("rb")
        self._room = room
        self._ask(do="hello", name=name)
        self._ask(do="join", room=room)

    def put(self, name: str, size: int) -> str:
        """Return a ticket to send a file."""
        return str(self._ask(do="put", room=self._room, name=name, size=size)["ticket"])

    def get(self, name: str) -> str:
        """Return a ticket to fetch one."""
        return str(self._ask(do="get", room=self._room, name=name)["ticket"])

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        self._socket.sendall(json.dumps({**request, "id": 1}).encode() + b"\n")
        for line in self._lines:
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") != 1:
                continue
            if answer["event"] == "ok":
                return answer
            raise RuntimeError(f"{request} was answered {answer}")
        raise RuntimeError(f"the connection ended before {request} was answered")


def send(port: int, first_line: str, path: Path) -> bytes:
    """Say a line, send a file behind it, and return what is answered once it is stored."""
    with connect(port) as connection, path.open("rb") as file:
        connection.sendall(first_line.encode() + b"\n")
        connection.sendfile(file)
        with connection.makefile("rb") as answers:
            return answers.readline()


def fetch(port: int, first_line: str, header_end: bytes = b"") -> int:
    """Say a line, and throw away what comes back, to its end. Return how many bytes it was, of
    those behind the header, if there is one."""
    buffer, size, header = bytearray(PIECE), 0, b""
    with connect(port) as connection:
        connection.sendall(first_line.encode() + b"\n")
        while not header.endswith(header_end) and (byte := connection.recv(1)):
            header += byte
        while got := connection.recv_into(buffer, PIECE):
            size += got
    return size


class Mover(Protocol):
    """Moves a file to a server and back, as that server has it. It raises what goes wrong."""

    def provide(self, path: Path, size: int) -> None:
        """See to it that the server has the file, in whichever way."""

    def send(self, path: Path, size: int) -> None:
        """Send the file, under a new name, until the server says that it has it."""

    def fetch(self, size: int) -> None:
        """Fetch what the server got last, and throw it away. It is of that size."""


class PlainMover:
    """The client of `plain`."""

    def __init__(self, server: Running) -> None:
        self._port = server.port

    def provide(self, path: Path, size: int) -> None:
        """See to it that the server has the file: send it."""
        self.send(path, size)

    def send(self, path: Path, size: int) -> None:
        """Send the file, until its hash comes back."""
        answer = send(self._port, self._put_line(size), path)
        if not answer or answer.startswith(b"!"):
            raise RuntimeError(f"the server said {answer!r}")

    def fetch(self, size: int) -> None:
        """Fetch what was sent last."""
        _all_came(fetch(self._port, self._get_line()), size)

    def _put_line(self, size: int) -> str:
        return f"PUT {size}"

    def _get_line(self) -> str:
        return "GET"


class ChatMover(PlainMover):
    """The client of this project's server: another connection gets the tickets."""

    def __init__(self, server: Running) -> None:
        super().__init__(server)
        self._program = Program(server.port, "mover", "r000")
        self._sent = 0

    def close(self) -> None:
        """End that connection."""
        self._program.close()

    def _put_line(self, size: int) -> str:
        self._sent += 1
        return f"PUT {self._program.put(f'file{self._sent}', size)}"

    def _get_line(self) -> str:
        return f"GET {self._program.get(f'file{self._sent}')}"


class WebMover:
    """A client of HTTP."""

    def __init__(self, server: Running) -> None:
        self._port, self._files = server.port, server.folder / "files"
        self._sent = 0

    def provide(self, path: Path, size: int) -> None:
        """See to it that the server has the file: link it to where it looks."""
        os.link(path, self._files / f"file{self._sent}")

    def send(self, path: Path, size: int) -> None:
        """Send the file, until the server says that it is created."""
        self._sent += 1
        asking = f"PUT /file{self._sent} HTTP/1.0\r\nContent-Length: {size}\r\n\r"
        answer = send(self._port, asking, path)
        if answer.split()[1:2] != [b"201"]:
            raise RuntimeError(f"the server said {answer!r}")

    def fetch(self, size: int) -> None:
        """Fetch what was sent last."""
        asking = f"GET /file{self._sent} HTTP/1.0\r\n\r"
        _all_came(fetch(self._port, asking, header_end=b"\r\n\r\n"), size)


class ScpMover:
    """`scp`, with what its server's folder has of keys and configuration."""

    def __init__(self, server: Running) -> None:
        self._scp = ["scp", "-q", "-F", str(server.folder / "ssh_config")]
        self._files = f"127.0.0.1:{server.folder / 'file'}"
        self._sent = 0

    def provide(self, path: Path, size: int) -> None:
        """See to it that the server has the file: send it."""
        self.send(path, size)

    def send(self, path: Path, size: int) -> None:
        """Send the file, until `scp` ends."""
        self._sent += 1
        self._copy(str(path), f"{self._files}{self._sent}")

    def fetch(self, size: int) -> None:
        """Fetch what was sent last; `scp` itself sees whether all of it came."""
        self._copy(f"{self._files}{self._sent}", os.devnull)

    def _copy(self, source: str, target: str) -> None:
        copying = [*self._scp, source, target]
        ended = subprocess.run(
            copying, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WHOLE_FILE
        )
        if ended.returncode:
            raise RuntimeError(ended.stderr.strip() or f"scp ended with {ended.returncode}")


@contextlib.contextmanager
def mover(server: Running) -> Iterator[Mover]:
    """Give what moves files to and from that server."""
    if server.dialect == "plain":
        yield PlainMover(server)
    elif server.dialect == "http":
        yield WebMover(server)
    elif server.dialect == "scp":
        yield ScpMover(server)
    else:
        with contextlib.closing(ChatMover(server)) as chat_mover:
            yield chat_mover


def _all_came(came: int, size: int) -> None:
    if came != size:
        raise RuntimeError(f"{came} bytes came of {size}")


class Transfers:
    """Files that go up and down without end. `bytes` is how much has passed so far."""

    def __init__(self) -> None:
        self.bytes = 0
        self.failures: list[str] = []
        self.stop = threading.Event()

    def go_on(self, port: int, room: str, path: Path, number: int) -> None:
        """Move the file, up if `number` is even, else down, until `stop` is set."""
        # The measuring of latency on this core goes first: the clients' time is not the server's.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        name, size = f"file{number}", path.stat().st_size
        try:
            program = Program(port, f"mover{number}", room)
            if number % 2:
                send(port, f"PUT {program.put(name, size)}", path)
            while not self.stop.is_set():
                if number % 2:
                    fetch(port, f"GET {program.get(name)}")
                else:
                    send(port, f"PUT {program.put(name, size)}", path)
                self.bytes += size
            program.close()
        except (OSError, RuntimeError) as error:
            self.failures.append(str(error))


@contextlib.contextmanager
def transfers(count: int, port: int, room: str, path: Path) -> Iterator[Transfers]:
    """Move a file up and down over so many connections at once meanwhile."""
    moving = Transfers()
    threads = [
        threading.Thread(target=moving.go_on, args=(port, room, path, number))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield moving
    finally:
        moving.stop.set()
        for thread in threads:
            thread.join()
    if moving.failures:
        raise RuntimeError(f"a transfer failed: {moving.failures[0]}")
