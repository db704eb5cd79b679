"""Fixtures for tests of IRC: clients that are closed in the end."""

from collections.abc import Callable, Iterator

import pytest

from tests.irc.clients import IrcClient


@pytest.fixture
def join_irc() -> Iterator[Callable[..., IrcClient]]:
    """Return a function that connects an IRC client, and registers it if a name is given."""
    opened: list[IrcClient] = []

    def open_(*args: str, **more: str) -> IrcClient:
        opened.append(IrcClient(*args, **more))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for each in opened:
        each.close()
