"""The CPU time of an entry in a room with members who are away: `python -m benchmarks.members`.

The members are in the server's database before it starts. One client says lines in the room. Then
some members come, one after another, and ask what is unread.
"""

import json
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from benchmarks import machine, peers
from chatservice.domain import tokens
from chatservice.domain.ports.account_ports import Token
from chatservice.domain.ports.member_ports import Membership
from chatservice.engines.sqlite.integrity import open_reader
from chatservice.engines.sqlite.logstore import LogStore

MEMBERS = 10, 1000, 10_000

LINES = 20_000
"""Lines that are said, a hundred on their way at a time."""

COMERS = 10
"""Members who come afterwards, and ask."""

PAUSE = 1.0
"""Seconds from one to the next. The index of the search lags behind at first."""

START = 1_750_000_000_000
"""The time at which the members joined, in milliseconds since 1970."""


async def fill(store: LogStore, members: int) -> list[tuple[str, str]]:
    """Store the room and its members. Return the names of some, with tokens."""
    row = await store.rooms.create("busy", None, START, None)
    comers = []
    for number in range(members):
        name, token = f"u{number:05}", tokens.new_token()
        await store.accounts.register(name, "not hashed", None, START)
        await store.members.keep(Membership(name, row.number, 0, START), 1)
        if number < COMERS:
            await store.accounts.add_token(tokens.digest(token), Token(name, "t", None, START))
            comers.append((name, token))
    return comers


def filled(folder: Path, members: int) -> list[tuple[str, str]]:
    """Make the database of a server in a folder. Return the names of some members, with tokens."""
    (folder / "data").mkdir()
    store = LogStore(None, folder / "data" / "chat.sqlite")  # never started: it does all at once
    store._db.execute("PRAGMA synchronous = OFF")
    found: list[Any] = []
    Deferred.fromCoroutine(fill(store, members)).addBoth(found.append)
    store.close()
    if isinstance(found[0], Failure):
        found[0].raiseException()
    comers: list[tuple[str, str]] = found[0]
    return comers


class Client:
    """A JSON connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._socket.makefile("r")

    def send(self, *requests: dict[str, Any]) -> None:
        """Send requests."""
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        self._socket.sendall(lines.encode())

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield what the server sends."""
        return map(json.loads, self._lines)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer."""
        self.send({"id": "asked", **request})
        return next(it for it in self.answers() if it.get("id") == "asked")


def talk(server: peers.Running) -> float:
    """Say the lines. Return the server's CPU time for one of them, in microseconds."""
    client = Client(server.port)
    client.ask(do="hello", name="talker")
    client.ask(do="join", room="busy")
    before = machine.family_cpu_seconds(server.pid)
    for first in range(0, LINES, 100):
        numbers = range(first + 1, first + 101)
        client.send(*({"do": "say", "room": "busy", "text": "hello", "id": it} for it in numbers))
        next(it for it in client.answers() if it.get("id") == first + 100)
    return (machine.family_cpu_seconds(server.pid) - before) / LINES * 1e6


def written(path: Path, before: dict[str, set[Any]]) -> tuple[int, int]:
    """Return how many rows of the database at `path` are not as `before`: those of rooms and their
    logs, and all others."""
    changed = {table: len(rows - before[table]) for table, rows in rows_of(path).items()}
    of_rooms = sum(changed.pop(table) for table in _OF_ROOMS)
    return of_rooms, sum(changed.values())


_OF_ROOMS = ("block", "log", "room", "aged", "passed", "sqlite_sequence")


def rows_of(path: Path) -> dict[str, set[Any]]:
    """Return the rows of all tables."""
    with closing(open_reader(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {table: {*db.execute(f"SELECT * FROM {table}")} for (table,) in tables}


def come(server: peers.Running, comers: list[tuple[str, str]]) -> list[float]:
    """Let members ask what is unread. Return the times of the answers, in milliseconds."""
    times = []
    for name, token in comers:
        client = Client(server.port)
        client.ask(do="hello", name=name, password=token)
        began = time.perf_counter()
        (row, _) = client.ask(do="unread")["rooms"]
        times.append((time.perf_counter() - began) * 1e3)
        assert row["last"] == row["unread"] == LINES, row
        time.sleep(PAUSE)
    return times


def main() -> None:
    """Measure with each number of members, and print a table."""
    print("members away   lines/s   CPU of a line   rows of rooms, others   answer to unread")
    for members in MEMBERS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            comers = filled(folder, members)
            with peers.running(peers.Chatservice(), folder, 0, ()) as server:
                path = folder / "data" / "chat.sqlite"
                before, began = rows_of(path), time.perf_counter()
                cpu = talk(server)
                rate = LINES / (time.perf_counter() - began)
                of_rooms, others = written(path, before)
                answer = come(server, comers)
            rows, times = f"{of_rooms}, {others}", f"{min(answer):.0f} to {max(answer):.0f} ms"
            print(f"{members:12}{rate:10.0f}{cpu:13.1f} us{rows:>22}{times:>19}", flush=True)


if __name__ == "__main__":
    main()
