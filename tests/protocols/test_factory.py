"""The factory that all connections share."""

import pytest_twisted
from twisted.internet.task import Clock

from chatservice.testing import MemoryServer


@pytest_twisted.ensureDeferred
async def test_it_tracks_rooms_users_and_shared_files():
    """The rooms, users and files of one connection are there for every other."""
    clock = Clock()
    server = MemoryServer(clock, rooms=["lab"])
    anna = server.connect()
    for line in (b"anna\n", b"/join lab\n", b"/put notes.txt 5\nhello"):
        anna.send(line)
        clock.advance(1)
    factory = server.factory
    assert set(factory.rooms) == {"lobby", "lab"}
    assert [user.name for user in factory.users.values()] == ["anna"]
    assert [it.name for it in (await factory.shared_files.files("lab", "", 9)).files] == [
        "notes.txt"
    ]
    anna.cut()
    clock.advance(1)
    assert not factory.users
