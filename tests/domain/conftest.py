"""A chat in memory for each test."""

import pytest

from tests.domain.harness import MemoryChat


@pytest.fixture
def world():
    """Return a chat with the rooms lobby and lab. At the end, nothing may have failed in it."""
    made = MemoryChat()
    yield made
    assert made.loop.failures == []
