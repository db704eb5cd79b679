"""Clients that do as much harm as they can, in several ways and on several connections."""

import contextlib
import itertools
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks import machine
from benchmarks.files import connect

CONNECTIONS = 4
"""Connections of each flood."""

MANY = 15
"""Connections for each thread of a flood that needs several."""

POLITE = 15
"""Added to the niceness of the clients' threads."""

RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that makes `close` reset a connection, so no port stays in TIME_WAIT."""

OWNER = "owner"
"""The user whose password is guessed."""


class Flood:
    """A flood that runs until `stop` is set. `requests` counts its requests."""

    def __init__(self, port: int, room: str) -> None:
        self.port = port
        self.room = room
        self.begin = threading.Event()
        self.stop = threading.Event()
        self.requests = 0
        self.failures: list[str] = []

    def going_on(self) -> bool:
        """Count a request, and return whether the flood goes on."""
        self.requests += 1
        return not self.stop.is_set()

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """Give a connection, and reset it afterwards."""
        with connect(self.port) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.settimeout(0.1)
            yield connection

    @contextlib.contextmanager
    def many(self, name: str) -> Iterator[list[socket.socket]]:
        """Give `MANY` JSON connections, with `name` and a number as their names."""
        with contextlib.ExitStack() as stack:
            all_ = [stack.enter_context(self.connected()) for _ in range(MANY)]
            for at, connection in enumerate(all_):
                _ask(connection, {"do": "hello", "name": f"{name}.{at}"})
            yield all_


def connections(flood: Flood, number: int) -> None:
    """Connect and reset, over and over."""
    while flood.going_on():
        with flood.connected():
            pass


def logins(flood: Flood, number: int) -> None:
    """Guess a password, on a new connection after each answer, or after a while without one."""
    guess = {"do": "hello", "name": OWNER, "password": "wrong"}
    while flood.going_on():
        with flood.connected() as connection:
            _ask(connection, guess, guess, guess)
            _read_some(connection)


def joins(flood: Flood, number: int) -> None:
    """Join and leave the busy room as fast as possible, with a new name for each connection."""
    come = {"do": "join", "room": flood.room}, {"do": "leave", "room": flood.room}
    for name in itertools.count():
        with flood.connected() as connection:
            _ask(connection, {"do": "hello", "name": f"j{number}.{name}"}, *come * 200)
            for _ in range(20):
                if not flood.going_on():
                    return
                _read_some(connection)


def uploads(flood: Flood, number: int) -> None:
    """Begin an upload, send a little of it, and reset the connection."""
    while flood.going_on():
        with flood.connected() as connection:
            connection.sendall(b"u%d\n/put file%d 100000000\n" % (number, number) + bytes(1 << 16))


def lines(flood: Flood, number: int) -> None:
    """Say lines at full speed in a room of its own."""
    said = b"the quick brown fox jumps over the lazy dog\n" * 1000
    with flood.connected() as connection:
        connection.sendall(b"l%d\n/create flood%d\n" % (number, number))
        while flood.going_on():
            with contextlib.suppress(TimeoutError):
                connection.send(said)


def unread(flood: Flood, number: int) -> None:
    """Send commands without a pause, and read no answer."""
    with flood.connected() as connection:
        connection.sendall(b"a%d\n" % number)
        while flood.going_on():
            with contextlib.suppress(TimeoutError):
                connection.send(b"/help all\n" * 1000)


def histories(flood: Flood, number: int) -> None:
    """Ask for history over and over, on many connections, and read no answer."""
    asked = {"do": "history", "room": flood.room, "after": 0, "limit": 1000}
    with flood.many(f"h{number}") as all_:
        while flood.going_on():
            for connection in all_:
                with contextlib.suppress(TimeoutError):
                    _ask(connection, asked)


def newlines(flood: Flood, number: int) -> None:
    """Say messages of many empty lines in a room of its own."""
    name = f"n{number}"
    said = {"do": "say", "room": name, "text": "\n" * 400 + "x"}
    with flood.connected() as connection:
        _ask(connection, {"do": "hello", "name": name}, {"do": "create", "room": name})
        while flood.going_on():
            with contextlib.suppress(TimeoutError):
                _ask(connection, *[said] * 10)
            _read_some(connection)


def trickles(flood: Flood, number: int) -> None:
    """Keep as many uploads as possible open, with a byte now and then."""
    with contextlib.ExitStack() as stack:
        all_ = [stack.enter_context(flood.connected()) for _ in range(MANY)]
        for at, connection in enumerate(all_):
            put = f"t{number}.{at}\n/put file{number}.{at} 1000000000\n"
            connection.sendall(put.encode())
        while flood.going_on():
            for connection in all_:
                connection.sendall(b"x")
            time.sleep(0.1)


def tickets(flood: Flood, number: int) -> None:
    """Ask for tickets without end."""
    name = f"k{number}"
    put = {"do": "put", "room": flood.room, "name": name, "size": 1}
    with flood.connected() as connection:
        come = {"do": "hello", "name": name}, {"do": "join", "room": flood.room}
        _ask(connection, *come)
        while flood.going_on():
            with contextlib.suppress(TimeoutError):
                _ask(connection, *[put] * 100)
            _read_some(connection)


def leavers(flood: Flood, number: int) -> None:
    """Join the room with many connections, and reset all of them at once."""
    for turn in itertools.count():
        with flood.many(f"l{number}.{turn}") as all_:
            for connection in all_:
                _ask(connection, {"do": "join", "room": flood.room})
            for connection in all_:
                _read_some(connection)
            if not flood.going_on():
                return


def filters(flood: Flood, number: int) -> None:
    """List rooms by filters as long as a line can be."""
    with flood.connected() as connection:
        _ask(connection, {"do": "hello", "name": f"f{number}"})
        asked = {"do": "rooms", "filter": "* *o* " * 1300}
        while flood.going_on():
            with contextlib.suppress(TimeoutError):
                _ask(connection, *[asked] * 10)
            _read_some(connection)


KINDS: Mapping[str, Callable[[Flood, int], None]] = {
    kind.__name__: kind
    for kind in (
        *(connections, logins, joins, uploads, lines, unread, histories, newlines, trickles),
        *(tickets, leavers, filters),
    )
}
"""All floods, by name."""


def _ask(connection: socket.socket, *requests: dict[str, Any]) -> None:
    connection.sendall(b"".join(json.dumps(each).encode() + b"\n" for each in requests))


def _read_some(connection: socket.socket) -> None:
    with contextlib.suppress(TimeoutError):
        connection.recv(1 << 20)


def register_owner(port: int) -> None:
    """Register the user whose password is guessed."""
    with connect(port) as connection, connection.makefile("rb") as answers:
        _ask(
            connection,
            {"do": "hello", "name": OWNER},
            {"do": "register", "password": "right"},
        )
        answers.readline()
        answers.readline()


@contextlib.contextmanager
def flooded(kind: str, port: int, room: str) -> Iterator[Flood]:
    """Prepare a flood. It begins when its `begin` is set."""
    flood = Flood(port, room)

    def go_on(number: int) -> None:
        # The load generator measures latency on this core, so it goes first.
        nice = min(os.getpriority(os.PRIO_PROCESS, 0) + POLITE, 19)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        flood.begin.wait()
        while not flood.stop.is_set():
            try:
                KINDS[kind](flood, number)
            except OSError as error:  # it is turned away: that is not the end of it
                flood.failures.append(str(error))
                time.sleep(0.01)

    threads = [threading.Thread(target=go_on, args=(at,)) for at in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield flood
    finally:
        flood.stop.set()
        flood.begin.set()
        for thread in threads:
            thread.join()


class Memory:
    """Records the resident memory of a process over time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._seen.append(machine.resident_bytes(self._pid))

    def halves(self) -> tuple[int, int]:
        """Stop, and return the peaks of the first and the second half of the time, in bytes."""
        self._stop.set()
        self._thread.join()
        middle = len(self._seen) // 2
        return max(self._seen[:middle], default=0), max(self._seen[middle:], default=0)
