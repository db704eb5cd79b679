"""Fixtures of the acceptance tests: programs that people type into."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pexpect
import pytest

from tests.client.conftest import terminal
from tests.servers import PATIENCE, Server

__all__ = ["by_hand", "terminal"]


class ByHand:
    """A person at `nc` or `telnet` on a terminal, greeted and logged in."""

    def __init__(self, program: str, port: int, name: str) -> None:
        self.process = pexpect.spawn(
            program, ["127.0.0.1", str(port)], timeout=PATIENCE, encoding="utf-8", echo=False
        )
        self.see("* Welcome. Type your name")
        self.type(name)
        self.see("* What you type is said to everybody here")

    def type(self, line: str) -> None:
        """Type a line."""
        self.process.sendline(line)

    def see(self, text: str) -> None:
        """Wait until the terminal shows a text."""
        self.process.expect_exact(text)

    def ended(self) -> bool:
        """Wait until the program ends by itself."""
        self.process.expect_exact(pexpect.EOF)
        return True


@pytest.fixture(params=["nc.openbsd", "telnet"])
def by_hand(request: Any) -> Iterator[Callable[..., ByHand]]:
    """Return a function that starts such a person; parametrized by program."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    started: list[ByHand] = []

    def start(server: Server, name: str) -> ByHand:
        started.append(ByHand(request.param, server.port, name))
        return started[-1]

    yield start
    for each in started:
        each.process.close(force=True)
