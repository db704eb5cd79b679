"""Nobody else on the machine can read what the client remembers."""

import os
import stat

import pytest

from chatservice.client.connectors import KnownServers
from chatservice.client.lineeditor import InputHistory
from chatservice.client.settings import RememberedServer, Settings
from chatservice.client.transferjournal import TransferJournal, TransferRecord


@pytest.fixture
def loose_umask():
    """Let new files be open to all, unless who makes them sees to it."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
@pytest.mark.parametrize("there", [False, True])
def test_nobody_else_reads_what_is_remembered(tmp_path, there):
    """Typed lines, servers, settings and transfers are private, also in a folder or a file that was
    open to others before."""
    folder = tmp_path / "state"
    if there:
        folder.mkdir()
        (folder / "history").touch()
    InputHistory(folder / "history").store_string("a private thing")
    KnownServers(folder).remember("host:5555", "verified")
    Settings(folder).remember(RememberedServer("host", 5555, "alice"))
    TransferJournal(folder).remember(
        TransferRecord("host", "me", True, "/a", "a", 1, "ab" * 32, "lab")
    )
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert len(found) == 4
    assert {name for name, mode in found.items() if mode & 0o077} == set()
    assert there or stat.S_IMODE(folder.stat().st_mode) == 0o700
