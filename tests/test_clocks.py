"""A system's clock that somebody sets: what lasts a while takes as long as it should."""

import heapq

import pytest
from twisted.internet.base import ReactorBase

from chatservice.clocks import use_monotonic
from tests.servers import Server

HOUR = 3600


class Leaping(Server):
    """A server on a system whose clock is set when a test says so, by seconds in a file."""

    before = (
        "import os, time\n"
        "from twisted.internet.base import ReactorBase\n"
        "real = time.time\n"
        "def now():\n"
        "    return real() + (float(open('leap').read()) if os.path.exists('leap') else 0)\n"
        "time.time = now\n"
        "ReactorBase.seconds = staticmethod(now)\n"
    )

    def set_clock(self, by: float) -> None:
        """Set its clock, all at once."""
        (self.folder / "new").write_text(str(by))
        (self.folder / "new").rename(self.folder / "leap")


@pytest.fixture
def leaping(tmp_path):
    """Return a function that starts such a server."""
    started = []

    def start(**limits):
        started.append(Leaping(tmp_path, **limits))
        return started[-1]

    yield start
    for server in started:
        server.kill()


def test_talk_goes_on_when_the_clock_goes_back(leaping, connect):
    """By an hour, in the middle of it; who comes then is greeted, and is seen to come."""
    server = leaping()
    alice, bob = connect(server, "alice"), connect(server, "bob")
    alice.send("before")
    bob.expect("alice: before")
    server.set_clock(-HOUR)
    for said in ("one", "two", "three"):
        alice.send(said)
        bob.expect(f"alice: {said}")
    carol = connect(server, "carol")
    bob.expect("carol came in")
    carol.send("/history 4")
    assert " alice: before" in carol.expect("before")
    assert " alice: three" in carol.expect("three")


def test_a_ticket_does_not_outlive_its_time_by_a_clock_that_goes_back(leaping, connect):
    """Its time is over, with any clock."""
    server = leaping(ticket_seconds=1e-6)
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    bot.ask(do="join", room="lobby")
    bot.event("ok")
    bot.ask(do="put", room="lobby", name="x", size=3)
    ticket = bot.event("ok")["ticket"]
    server.set_clock(-HOUR)
    carrier = connect(server)
    carrier.send(f"PUT {ticket}")
    carrier.expect("! That ticket is not good")


def test_nobody_is_hurried_by_a_clock_that_goes_forward(leaping, connect):
    """A new connection still has its minute for a name, and slow mode keeps its pace."""
    server = leaping()
    alice = connect(server)
    alice.expect("* Welcome")
    server.set_clock(HOUR)
    bob = connect(server, "bob")
    bob.send("/create lab")
    bob.expect("* You are in lab")
    alice.send("alice")
    alice.expect("* You are alice.")


def test_timers_that_run_already_take_as_long_as_they_were_to():
    """They were made before the reactor's clock is another one."""

    class Reactor(ReactorBase):
        def installWaker(self):
            """It never waits."""

    reactor = Reactor()
    reactor.seconds = lambda: 1e9
    done = []
    for seconds in (30, 10, 20):
        reactor.callLater(seconds, done.append, seconds)
    reactor._insertNewDelayedCalls()
    cancelled = reactor.callLater(5, done.append, 5)
    use_monotonic(reactor)
    cancelled.cancel()
    reactor.callLater(15, done.append, 15)
    reactor._insertNewDelayedCalls()
    now = reactor.seconds()
    waiting = sorted(call.getTime() - now for call in reactor.getDelayedCalls())
    assert [round(it) for it in waiting] == [10, 15, 20, 30]
    assert heapq.nsmallest(1, reactor._pendingTimedCalls)[0] is reactor._pendingTimedCalls[0]
