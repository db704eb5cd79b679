"""Fixtures of these tests: servers that can be watched, and whose log is checked in the end."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.harm.checks import check_log
from tests.harm.watched import AS_FAST, COUNT
from tests.servers import Server, descriptors

fresh = (f"visitor{at}" for at in count()).__next__
"""Returns a new name. The name of a user who has just left may still be taken."""


class WatchedServer(Server):
    """A server that counts its objects."""

    before = "from tests.harm import watched; watched.watch(); "

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, "--room", "lab", *options, **AS_FAST)

    def count(self) -> dict[str, int]:
        """Return the number of our objects by class, and of descriptors. Those of databases are
        left out, which open their files late."""
        self.process.send_signal(COUNT)
        counted = json.loads(self.log.expect(r"^counted (.*)")[1])
        opened = descriptors(self.process.pid)
        return {**counted, "descriptors": sum(".sqlite" not in it for it in opened)}

    def logged(self) -> list[str]:
        """Stop it, and return its log."""
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
    """Return a server that the tests of a module share. Its log is checked in the end."""
    yield from _started(tmp_path_factory.mktemp("house"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WatchedServer]:
    """Return a server for one test. Its log is checked in the end."""
    yield from _started(tmp_path / "server")
