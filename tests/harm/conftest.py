"""Fixtures of these tests: servers that can be watched, and whose log is checked in the end."""

import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.harm.checks import check_log
from tests.harm.watched import AS_FAST, COUNT
from tests.servers import Server

fresh = (f"visitor{at}" for at in count()).__next__
"""Returns a name that nobody has yet: of who has just gone, it may not be known yet."""


class WatchedServer(Server):
    """A server that tells how many objects it has."""

    before = "from tests.harm import watched; watched.watch(); "

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, "--room", "lab", *options, **AS_FAST)

    def count(self) -> dict[str, int]:
        """Return how many objects of ours there are, by their classes, and how many descriptors
        beside those of the databases, which open their files when they first need them."""
        self.process.send_signal(COUNT)
        counted = json.loads(self.log.expect(r"^counted (.*)")[1])
        descriptors = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return {
            **counted,
            "descriptors": sum(".sqlite" not in os.readlink(it) for it in descriptors),
        }

    def logged(self) -> list[str]:
        """End it, and return all that it logged."""
        if self.process.poll() is None:
            self.stop()
            self.log.expect(r"Server Shut Down\.")
        return [line for line in self.log.lines if not line.startswith("counted ")]


def _started(folder: Path) -> Iterator[WatchedServer]:
    server = WatchedServer(folder)
    try:
        yield server
        check_log(server.logged())
    finally:
        server.kill()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    """Return a server that all tests of a module share. In the end its log is looked at."""
    yield from _started(tmp_path_factory.mktemp("house"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WatchedServer]:
    """Return a server of a test's own. In the end its log is looked at."""
    yield from _started(tmp_path / "server")
