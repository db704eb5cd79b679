"""Page loads: a client that asks for the page as a browser with an empty cache does."""

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence

from benchmarks import files

CONNECTIONS = 6
"""Connections that a browser has to a server over HTTP/1.1: so many in Chromium and in Firefox."""

VISITORS = 2
"""Threads that load the page in turns: if one load is slow, the next one begins in time."""

_PART = re.compile(rb'(?:href|src)="(static/[^"]+)"')

_HEADERS = (
    "Host: 127.0.0.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\nConnection: keep-alive\r\nSec-Fetch-Site: same-origin\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36\r\n"
)
"""The headers of each request, as many bytes as Chromium's."""


class Visits:
    """Loads of the page. `count` is how many are complete so far."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._parts = parts(port)
        self._lock = threading.Lock()
        self.count = 0
        self.failures: list[str] = []
        self.stop = threading.Event()

    def go_on(self, first: float, each: float) -> None:
        """Load the page at the time `first`, and every `each` seconds from then on."""
        # The load generator measures latency on this core, so it goes first.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        due = first
        try:
            while not self.stop.wait(max(0.0, due - time.monotonic())):
                self._load()
                with self._lock:
                    self.count += 1
                due += each
        except (OSError, RuntimeError) as error:
            self.failures.append(str(error))

    def _load(self) -> None:
        """Ask for the page, and then for its parts, over as many connections as a browser has."""
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(files.connect(self._port))
            _ask(first, "/")
            _response(first)
            opened = [stack.enter_context(files.connect(self._port)) for _ in range(1, CONNECTIONS)]
            connections = [first, *opened]
            for at in range(0, len(self._parts), CONNECTIONS):
                asked = list(zip(connections, self._parts[at:], strict=False))
                for connection, part in asked:
                    _ask(connection, part)
                for connection, _ in asked:
                    _response(connection)


def parts(port: int) -> Sequence[str]:
    """Return the paths of what the page asks for at first: style, scripts, modules, icon."""
    with files.connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        found = _PART.findall(_response(connection))
    return [f"/{it.decode()}" for it in dict.fromkeys(found)]


def _ask(connection: socket.socket, path: str) -> None:
    connection.sendall(f"GET {path} HTTP/1.1\r\n{_HEADERS}\r\n".encode())


def _response(connection: socket.socket) -> bytes:
    """Return the body of a good response."""
    whole = b""
    while b"\r\n\r\n" not in whole:
        if not (data := connection.recv(files.CHUNK)):
            raise RuntimeError("the server ended a connection of a page load")
        whole += data
    head, _, body = whole.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if not head.startswith(b"HTTP/1.1 200 ") or length is None:
        raise RuntimeError(f"the server said {head[:100]!r}")
    while len(body) < int(length[1]):
        if not (data := connection.recv(files.CHUNK)):
            raise RuntimeError("the server ended a connection of a page load")
        body += data
    return body


@contextlib.contextmanager
def visits(port: int, a_minute: float) -> Iterator[Visits]:
    """Load the page so often meanwhile."""
    visiting, start, each = Visits(port), time.monotonic(), 60 / a_minute
    threads = [
        threading.Thread(target=visiting.go_on, args=(start + number * each, each * VISITORS))
        for number in range(VISITORS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield visiting
    finally:
        visiting.stop.set()
        for thread in threads:
            thread.join()
    if visiting.failures:
        raise RuntimeError(f"a page load failed: {visiting.failures[0]}")
