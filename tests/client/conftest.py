"""Fixtures for tests of the client."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.driving import OnTerminal, Piped, Wire
from tests.client.hostile import Hostile
from tests.servers import Server


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[Callable[..., Piped]]:
    """Return a function that starts a client in pipes, for a name on a server's port. What each
    showed is printed, so that a test that fails tells it."""
    started: list[Piped] = []

    def start(server: Server | Wire | Hostile, name: str, *options: str) -> Piped:
        where = tmp_path / f"at-{name}{len(started)}"
        client = Piped(where, name, "127.0.0.1", str(server.port), *options)
        started.append(client)
        return client

    yield start
    for client in started:
        print(f"-- {client.folder.name} showed:", client.output.so_far(), sep="\n")
        client.kill()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., OnTerminal]]:
    """Return a function that starts a client on a terminal, with arguments, a size and environment
    variables; `again` is an earlier client whose folder it uses, too."""
    started: list[OnTerminal] = []

    def start(*arguments: str, again: OnTerminal | None = None, **how: Any) -> OnTerminal:
        folder = again.folder if again is not None else tmp_path / f"terminal{len(started)}"
        client = OnTerminal(folder, *arguments, **how)
        started.append(client)
        return client

    yield start
    for client in started:
        client.kill()


@pytest.fixture
def wire() -> Iterator[Callable[[Server], Wire]]:
    """Return a function that puts a network in front of a server."""
    made: list[Wire] = []

    def make(server: Server) -> Wire:
        made.append(Wire(server.port))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def hostile() -> Iterator[Callable[..., Hostile]]:
    """Return a function that starts a server that answers what a test wants."""
    made: list[Hostile] = []

    def make(**answers: Any) -> Hostile:
        made.append(Hostile(**answers))
        return made[-1]

    yield make
    for each in made:
        each.close()
