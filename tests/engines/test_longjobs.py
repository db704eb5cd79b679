"""Long jobs are done by turns, and can be stopped."""

import threading

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from chatservice.engines.sqlite.longjobs import JobScheduler, finished
from chatservice.errors import Refusal


@pytest.fixture
def turns():
    """Return threads for long jobs."""
    turns = JobScheduler(reactor, "test")
    yield turns
    turns.stop()


def endless(done):
    """Do something for ever, a piece at a time."""
    try:
        while True:
            threading.Event().wait(0.001)
            yield 0.0
    finally:
        done.append("ended")


def short(result):
    """Do something in two pieces."""
    yield 0.0
    return result


@pytest_twisted.ensureDeferred
async def test_what_is_short_passes_what_is_long(turns):
    """A short job overtakes any number of long ones, on any thread."""
    done = []
    going_on = [turns.do(endless(done)) for _ in range(8)]
    for number in range(50):
        assert await turns.do(short(number)) == number
    assert done == []
    turns.stop()
    assert done == ["ended"] * 8
    for each in going_on:
        with pytest.raises(Refusal, match="stopping"):
            await each
    with pytest.raises(Refusal, match="stopping"):
        await turns.do(short(1))


@pytest_twisted.ensureDeferred
async def test_what_nobody_waits_for_comes_last(turns):
    """A series of short jobs of that kind does not hold up a longer one that somebody waits for."""
    order = []

    async def series():
        while len(order) < 1:
            await turns.do(short(None), last=True)

    def longer():
        for _ in range(200):
            yield 0.0
        order.append("longer")

    waiting = Deferred.fromCoroutine(series())
    await turns.do(longer())
    await waiting


@pytest_twisted.ensureDeferred
async def test_what_goes_wrong_is_told(turns):
    """The error comes to who asked, and others go on."""

    def failing():
        yield 0.0
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await turns.do(failing())
    assert await turns.do(short(1)) == finished(short(1)) == 1
