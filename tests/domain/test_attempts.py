"""Wrong passwords cost time: whose, for whom, and until when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from chatservice import limits
from chatservice.domain.attempts import Attempts
from chatservice.errors import Code, Refusal
from chatservice.protocols.patience import InTurn

ELSEWHERE, HOME = "192.0.2.66", "192.0.2.1"


class From:
    """A session from an address."""

    gone = False

    def __init__(self, address):
        self.address = address
        self.reader = self


class Plain:
    """Passwords that are kept as they are."""

    def fits(self, kept, password):
        """Tell whether it is the one."""
        return succeed(kept == password)


class World:
    """Attempts, and a clock."""

    def __init__(self):
        self.clock = Clock()
        self.clock.advance(1e6)
        self.attempts = Attempts(Plain(), self.clock.seconds, InTurn(self.clock))

    def begin(self, password, address, whose="alice"):
        """Begin to try a password; return where what it comes to will be."""
        came = []
        trying = self.attempts.fits("right", password, whose, From(address))
        Deferred.fromCoroutine(trying).addBoth(came.append)
        return came

    def try_(self, password, address, whose="alice"):
        """Try one, and return how long it took and what it came to."""
        came, start = self.begin(password, address, whose), self.clock.seconds()
        while not came:
            self.clock.advance(0.5)
        return self.clock.seconds() - start, came[0]


@pytest.fixture
def world():
    """Return attempts, and a clock."""
    return World()


def test_the_first_few_cost_nothing_and_then_it_grows(world):
    """A second, two, four, up to half a minute; and after an hour all is forgotten."""
    took = [world.try_("wrong", "")[0] for _ in range(13)]
    assert took == [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert world.try_("wrong", "", "bob") == (0, False)
    world.clock.advance(limits.FAILURES_SECONDS + 1)
    assert world.try_("wrong", "") == (0, False)


def test_the_right_one_is_never_locked_out(world):
    """However often it was wrong before, it takes half a minute at most; then it begins anew."""
    for _ in range(50):
        world.try_("wrong", "")
    assert world.try_("right", "") == (30, True)
    assert world.try_("wrong", "") == (0, False)


def test_who_guesses_elsewhere_does_not_hold_up_the_owner(world):
    """From where the right one came it goes on without a delay; from elsewhere it does not."""
    assert world.try_("right", HOME) == (0, True)
    for _ in range(20):
        world.try_("wrong", ELSEWHERE)
    assert world.try_("right", HOME) == (0, True)
    assert world.try_("wrong", HOME) == (0, False)
    assert world.try_("right", "192.0.2.2")[0] == 30


def test_one_address_is_slow_whomever_it_guesses_for(world):
    """But a class that mistypes is not."""
    took = [world.try_("wrong", ELSEWHERE, f"user{at}")[0] for at in range(25)]
    assert took == [0] * 21 + [1, 2, 4, 8]
    assert world.try_("wrong", HOME, "user1") == (0, False)
    took = [world.try_("wrong", "", f"user{at}")[0] for at in range(100)]  # this machine
    assert max(took) == 0


def test_many_at_once_are_no_faster(world):
    """Each counts when it begins; and of those that wait for one name there are only a few."""
    free = [world.begin("wrong", "") for _ in range(limits.FAILURES_FREE + 1)]
    assert all(came == [False] for came in free)
    waiting = [world.begin("wrong", "") for _ in range(10)]
    refused = [came for came in waiting if came]
    assert len(refused) == 10 - limits.GUESSES
    assert all(came[0].value.code == Code.SLOW_DOWN for came in refused)
    assert "try again in" in refused[0][0].value.sentence
    world.clock.advance(1)
    assert sum(came == [False] for came in waiting) == 1
    world.clock.advance(30)
    assert sum(came == [False] for came in waiting) == limits.GUESSES


def test_who_is_gone_meanwhile_is_not_looked_at(world):
    """Nothing is hashed for them."""
    for _ in range(6):
        world.try_("wrong", "")
    session, came = From(""), []
    trying = world.attempts.fits("right", "right", "alice", session)
    Deferred.fromCoroutine(trying).addBoth(came.append)
    session.gone = True
    world.clock.advance(1)
    assert isinstance(came[0].value, Refusal)


@settings(deadline=None)  # other tests take the machine, too
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=60))
def test_nobody_waits_longer_than_the_longest(tries):
    """Whatever happened before."""
    world = World()
    for who, address in tries:
        took, _ = world.try_("wrong" if address % 5 else "right", f"192.0.2.{address}", f"u{who}")
        assert took <= limits.FAILURES_LONGEST
