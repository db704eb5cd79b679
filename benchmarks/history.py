"""Make a database with a long history: `python -m benchmarks.history DATABASE ENTRIES`.

The server's own engine writes it. It is the worst case: each commit has an entry in each of many
rooms, so each entry is a row of its own.
"""

import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.domain.log import BlockCache, Log
from chatservice.domain.ports.log_ports import Draft
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.entries import Kind, Run

ROOMS = 1000
"""The number of rooms, and of entries in each commit."""

START = 1_750_000_000_000
"""The time of the first entry, in milliseconds since 1970."""


async def fill(store: LogStore, entries: int) -> None:
    """Store `entries` entries."""
    rows = [await store.rooms.create(f"r{number:03}", None, START, None) for number in range(ROOMS)]
    logs = [Log(row.number, row.name, row.last, BlockCache()) for row in rows]
    for round_ in range(entries // ROOMS):
        run = Run(Kind.MESSAGE, START + 1000 * round_, "u00000", ("what is said is said again",))
        await store.append([Draft(log, run) for log in logs], {})


def main() -> None:
    """Fill the database of the command line."""
    store = LogStore(None, Path(sys.argv[1]))  # never started: every job is done at once
    failures: list[Failure] = []
    Deferred.fromCoroutine(fill(store, int(sys.argv[2]))).addErrback(failures.append)
    store.close()
    if failures:
        failures[0].raiseException()


if __name__ == "__main__":
    main()
