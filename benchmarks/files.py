"""Clients that move files. They cost as little as possible, because the server is measured."""

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

CHUNK = 1 << 16
"""Bytes of a chunk: as many as curl sends."""

WHOLE_FILE = 300.0
"""Seconds after which a transfer counts as failed."""


def connect(port: int) -> socket.socket:
    """Connect to a server here."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


class JsonClient:
    """A JSON connection that gets tickets for the files of `room`."""

    def __init__(self, port: int, name: str, room: str) -> None:
        self._socket = connect(port)
        self._lines = self._socket.makefile("rb")
        self._room = room
        self._ask(do="hello", name=name)
        self._ask(do="join", room=room)

    def put(self, name: str, size: int) -> str:
        """Return an upload ticket."""
        return str(self._ask(do="put", room=self._room, name=name, size=size)["ticket"])

    def get(self, name: str) -> str:
        """Return a download ticket."""
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
    """Send a line and then a file. Return the answer, which comes when the file is stored."""
    with connect(port) as connection, path.open("rb") as file:
        connection.sendall(first_line.encode() + b"\n")
        connection.sendfile(file)
        with connection.makefile("rb") as answers:
            return answers.readline()


def fetch(port: int, first_line: str, header_end: bytes = b"") -> int:
    """Send a line, and discard what comes back. Return its size, without the header if any."""
    buffer, size, header = bytearray(PIECE), 0, b""
    with connect(port) as connection:
        connection.sendall(first_line.encode() + b"\n")
        while not header.endswith(header_end) and (byte := connection.recv(1)):
            header += byte
        while got := connection.recv_into(buffer, PIECE):
            size += got
    return size


class FileClient(Protocol):
    """Moves files to and from a server in the server's own protocol. Raises `RuntimeError`."""

    def provide(self, path: Path, size: int) -> None:
        """Give the server the file, by any way."""

    def send(self, path: Path, size: int) -> None:
        """Send the file under a new name. Return when the server confirms it."""

    def fetch(self, size: int) -> None:
        """Fetch the last file, of `size` bytes, and discard it."""


class PlainClient:
    """The client of `plain`."""

    def __init__(self, server: Running) -> None:
        self._port = server.port

    def provide(self, path: Path, size: int) -> None:
        """Give the server the file: send it."""
        self.send(path, size)

    def send(self, path: Path, size: int) -> None:
        """Send the file. Return when its hash comes back."""
        answer = send(self._port, self._put_line(size), path)
        if not answer or answer.startswith(b"!"):
            raise RuntimeError(f"the server said {answer!r}")

    def fetch(self, size: int) -> None:
        """Fetch the last file."""
        _all_came(fetch(self._port, self._get_line()), size)

    def _put_line(self, size: int) -> str:
        return f"PUT {size}"

    def _get_line(self) -> str:
        return "GET"


class ChatClient(PlainClient):
    """A client of this project's server. Another connection gets the tickets."""

    def __init__(self, server: Running) -> None:
        super().__init__(server)
        self._json = JsonClient(server.port, "mover", "r000")
        self._sent = 0

    def close(self) -> None:
        """End that connection."""
        self._json.close()

    def _put_line(self, size: int) -> str:
        self._sent += 1
        return f"PUT {self._json.put(f'file{self._sent}', size)}"

    def _get_line(self) -> str:
        return f"GET {self._json.get(f'file{self._sent}')}"


class HttpClient:
    """A client of HTTP, for nginx."""

    folder = "/"
    """The path of the folder of the files."""

    def __init__(self, server: Running) -> None:
        self._port, self._files = server.port, server.folder / "files"
        self._sent = 0

    def provide(self, path: Path, size: int) -> None:
        """Give the server the file: link it into the server's folder."""
        os.link(path, self._files / f"file{self._sent}")

    def send(self, path: Path, size: int) -> None:
        """Send the file. Return when the server answers 201."""
        self._sent += 1
        asking = f"PUT {self._path()} HTTP/1.0\r\nContent-Length: {size}\r\n\r"
        self._created(send(self._port, asking, path))

    def _path(self) -> str:
        return f"{self.folder}file{self._sent}"

    def _created(self, answer: bytes) -> None:
        if answer.split()[1:2] != [b"201"]:
            raise RuntimeError(f"the server said {answer!r}")

    def fetch(self, size: int) -> None:
        """Fetch the last file."""
        asking = f"GET {self._path()} HTTP/1.0\r\n\r"
        _all_came(fetch(self._port, asking, header_end=b"\r\n\r\n"), size)


class WebClient(HttpClient):
    """A client of this project's server over HTTP."""

    folder = "/r000/"

    def provide(self, path: Path, size: int) -> None:
        """Give the server the file: send it."""
        self.send(path, size)

    def send_in_chunks(self, path: Path, size: int) -> None:
        """Send the file without its length, as `curl -T -` does. Return when it is stored."""
        self._sent += 1
        head = f"PUT {self._path()} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        with connect(self._port) as connection, path.open("rb") as file:
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for at in range(0, size, CHUNK):
                chunk = min(CHUNK, size - at)
                connection.sendall(b"%x\r\n" % chunk, socket.MSG_MORE)
                os.sendfile(connection.fileno(), file.fileno(), at, chunk)
                connection.sendall(b"\r\n", socket.MSG_MORE)
            connection.sendall(b"0\r\n\r\n")
            with connection.makefile("rb") as answers:
                self._created(answers.readline())


class ScpClient:
    """`scp`, with the keys and configuration in its server's folder."""

    def __init__(self, server: Running) -> None:
        self._scp = ["scp", "-q", "-F", str(server.folder / "ssh_config")]
        self._files = f"127.0.0.1:{server.folder / 'file'}"
        self._sent = 0

    def provide(self, path: Path, size: int) -> None:
        """Give the server the file: send it."""
        self.send(path, size)

    def send(self, path: Path, size: int) -> None:
        """Send the file. Return when `scp` ends."""
        self._sent += 1
        self._copy(str(path), f"{self._files}{self._sent}")

    def fetch(self, size: int) -> None:
        """Fetch the last file; `scp` itself checks its size."""
        self._copy(f"{self._files}{self._sent}", os.devnull)

    def _copy(self, source: str, target: str) -> None:
        copying = [*self._scp, source, target]
        ended = subprocess.run(
            copying, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WHOLE_FILE
        )
        if ended.returncode:
            raise RuntimeError(ended.stderr.strip() or f"scp ended with {ended.returncode}")


@contextlib.contextmanager
def client(server: Running) -> Iterator[FileClient]:
    """Give a client for that server's protocol."""
    if server.protocol == "plain":
        yield PlainClient(server)
    elif server.protocol == "http":
        yield HttpClient(server)
    elif server.protocol == "web":
        yield WebClient(server)
    elif server.protocol == "scp":
        yield ScpClient(server)
    else:
        with contextlib.closing(ChatClient(server)) as chat_client:
            yield chat_client


def _all_came(came: int, size: int) -> None:
    if came != size:
        raise RuntimeError(f"{came} bytes came of {size}")


class Transfers:
    """Endless transfers up and down. `bytes` is the sum so far."""

    def __init__(self) -> None:
        self.bytes = 0
        self.failures: list[str] = []
        self.stop = threading.Event()

    def go_on(self, port: int, room: str, path: Path, number: int) -> None:
        """Move the file, up if `number` is even, else down, until `stop` is set."""
        # The load generator measures latency on this core, so it goes first.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        name, size = f"file{number}", path.stat().st_size
        try:
            json_client = JsonClient(port, f"mover{number}", room)
            if number % 2:
                send(port, f"PUT {json_client.put(name, size)}", path)
            while not self.stop.is_set():
                if number % 2:
                    fetch(port, f"GET {json_client.get(name)}")
                else:
                    send(port, f"PUT {json_client.put(name, size)}", path)
                self.bytes += size
            json_client.close()
        except (OSError, RuntimeError) as error:
            self.failures.append(str(error))


@contextlib.contextmanager
def transfers(count: int, port: int, room: str, path: Path) -> Iterator[Transfers]:
    """Move a file up and down meanwhile, over `count` connections at once."""
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
