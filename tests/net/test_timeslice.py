"""Turns: many who leave at once do not hold up those who stay."""

from chatservice.limits import Limits
from chatservice.net.timeslice import SILENT_FACTOR, TimeSlices


class Reactor:
    """A reactor that goes round when it is told to, and whose time is what deeds take."""

    def __init__(self):
        self.now = 0.0
        self._calls = []

    def seconds(self):
        """Tell the time."""
        return self.now

    def callLater(self, seconds, call):
        """Call in the next turn."""
        self._calls.append(call)

    def turn(self):
        """Go round once."""
        calls, self._calls = self._calls, []
        for call in calls:
            call()


class Asking:
    """A connection that waits for its turn."""

    def __init__(self, done):
        self._done = done

    def resume_reading(self, why):
        """It is its turn."""
        self._done.append("request")


def test_what_can_wait_is_done_by_turns_and_behind_requests():
    """A thousand clients leave in one moment: a turn handles as many as it has time for, and a
    request meanwhile is answered in the next turn."""
    reactor, done = Reactor(), []
    turns = TimeSlices(reactor, Limits())

    def deed():
        done.append("left")
        reactor.now += Limits().turn_seconds * SILENT_FACTOR / 10

    for _ in range(1000):
        turns.run(deed)
    assert len(done) <= 11
    turns.enqueue(Asking(done))
    before = len(done)
    reactor.turn()
    assert done[before] == "request"
    assert len(done) - before <= 12
    for _ in range(200):
        reactor.turn()
    assert done.count("left") == 1000


def test_each_turn_does_something_however_slow():
    """Else what can wait would never be done."""
    reactor, done = Reactor(), []
    turns = TimeSlices(reactor, Limits())

    def deed():
        done.append("left")
        reactor.now += 1

    for _ in range(5):
        turns.run(deed)
    for at in range(1, 6):
        assert len(done) >= min(at, 5)
        reactor.turn()
    assert len(done) == 5
