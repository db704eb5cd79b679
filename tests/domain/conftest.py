"""A chat in memory for each test, and two users in a room."""

import pytest

from tests.domain.harness import MemoryChat


@pytest.fixture
def world():
    """Return a chat with the rooms lobby and lab. At the end, nothing may have failed in it."""
    made = MemoryChat()
    yield made
    assert made.loop.failures == []


@pytest.fixture
def alice(world):
    """Return alice, who is registered and owns the room studio."""
    found = world.registered("alice")
    found.do("create", room="studio")
    return found


@pytest.fixture
def bob(world, alice):
    """Return bob, a guest in the room studio."""
    return world.guest("bob", "studio")
