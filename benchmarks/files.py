"""The clients of files: as cheap as can be, so that the server is what is measured."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import PATIENCE

PIECE = 1 << 20


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


def fetch(port: int, first_line: str) -> int:
    """Say a line, and throw away what comes back, to its end. Return how many bytes it was."""
    buffer, size = bytearray(PIECE), 0
    with connect(port) as connection:
        connection.sendall(first_line.encode() + b"\n")
        while got := connection.recv_into(buffer, PIECE):
            size += got
    return size


class Transfers:
    """Files that go up and down without end. `bytes` is how much has passed so far."""

    def __init__(self) -> None:
        self.bytes = 0
        self.failures: list[str] = []
        self.stop = threading.Event()

    def go_on(self, port: int, room: str, path: Path, number: int) -> None:
        """Move the file, up if `number` is even, else down, until `stop` is set."""
        # Whoever measures latency on this core goes first: the clients' time is not the server's.
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
