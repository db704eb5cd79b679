"""Threads that run jobs and report their results."""

import queue

from chatservice.engines.sqlite.threads import WorkerThread
from chatservice.limits import Limits


class Reactor:
    """A reactor whose turns are taken by hand."""

    def __init__(self):
        self.calls = queue.Queue()

    def callFromThread(self, call, *args):
        """Call in the next turn."""
        self.calls.put((call, args))

    def callLater(self, seconds, call, *args):
        """Call in the next turn."""
        assert seconds == 0
        self.calls.put((call, args))

    def turn(self):
        """Do what is there by now."""
        for _ in range(self.calls.qsize()):
            call, args = self.calls.get()
            call(*args)


def test_results_are_told_by_turns():
    """Answers that many wait for are not told in one turn, in which all others would wait."""
    reactor, told = Reactor(), []
    thread = WorkerThread(reactor, "test", by_turns=Limits(turn_seconds=0))
    thread.start()
    for at in range(5):
        thread.do(lambda at=at: at).addCallback(told.append)
    thread.do(lambda: 1 / 0).addErrback(lambda failure: told.append(failure.type))
    thread.stop()
    for turn in range(1, 7):
        reactor.turn()
        assert len(told) == turn
    assert told == [0, 1, 2, 3, 4, ZeroDivisionError]
    reactor.turn()
    assert reactor.calls.empty()


def test_what_comes_later_is_told_at_once():
    """When nothing is told in a turn, the next result has the whole of the following one."""
    reactor, told = Reactor(), []
    thread = WorkerThread(reactor, "test", by_turns=Limits(turn_seconds=0))
    thread.start()
    for at in range(3):
        thread.do(lambda at=at: at).addCallback(told.append)
        while len(told) <= at:
            reactor.turn()
        reactor.turn()
        assert reactor.calls.empty()
    thread.stop()
