"""Fixtures that tests share: a real server in a process of its own, and bare connections to it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers import RawClient, Server, restore_default_signals

restore_default_signals()

settings.register_profile("any machine", deadline=None)  # other tests take the machine, too
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--long`, for tests that take minutes or gigabytes."""
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out long tests without `--long`."""
    if config.getoption("--long"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server with options and limits, in a folder of its own. The
    log of each is printed, so that a test that fails tells it."""
    started: list[Server] = []

    def start(*options: str, folder: Path | None = None, **limits: float) -> Server:
        place = folder or tmp_path / f"server{len(started)}"
        server = Server(place, *options, **limits)
        started.append(server)
        return server

    yield start
    for server in started:
        print(f"-- the log of {server.folder.name}:", server.log.so_far(), sep="\n")
        server.kill()


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """Return a running server with the rooms lobby and lab."""
    return start_server("--room", "lab")


NO_OVERRIDE = (
    "import ctypes; system = ctypes.CDLL(None); head = (ctypes.c_uint32 * 2)(0x20080522, 0); "
    "caps = (ctypes.c_uint32 * 6)(); system.capget(head, caps); "
    "caps[0] &= ~6; caps[1] &= ~6; system.capset(head, caps); "
)
"""Code that drops root's right to ignore file modes: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
(capabilities(7), capset(2)). Another user could not read a checkout in a folder of root's."""


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let servers run as a user for whom file modes count, and return a folder of that user. It is
    not one of pytest's, which closes those to other users."""
    with tempfile.TemporaryDirectory() as folder:
        if not os.geteuid():
            monkeypatch.setattr(Server, "before", NO_OVERRIDE)
        yield Path(folder)


@pytest.fixture
def connect() -> Iterator[Callable[..., RawClient]]:
    """Return a function that opens a bare connection to a server, and logs in if a name is
    given."""
    opened: list[RawClient] = []

    def open_(server: Server, name: str | None = None) -> RawClient:
        bare = RawClient(server.port)
        opened.append(bare)
        if name is not None:
            bare.expect("* Welcome")
            bare.send(name)
            bare.expect("* What you type")
        return bare

    yield open_
    for bare in opened:
        bare.close()
