"""Wrong passwords cost time: whose, for whom, and until when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from chatservice.domain.loginthrottle import LoginThrottle
from chatservice.errors import Refusal
from chatservice.limits import Limits
from chatservice.net.fairqueue import PasswordQueue

LIMITS = Limits()
ELSEWHERE, HOME = "192.0.2.66", "192.0.2.1"


class AddressedSession:
    """A session from an address."""

    ended = False

    def __init__(self, address):
        self.address = address
        self.peer = self


class PlainPasswords:
    """A hasher that keeps passwords as they are."""

    def fits(self, kept, password):
        """Tell whether it is the one."""
        return succeed(kept == password)


class ThrottleWithClock:
    """A login throttle, and a clock."""

    def __init__(self):
        self.clock = Clock()
        self.clock.advance(1e6)
        self.throttle = LoginThrottle(
            PlainPasswords(), self.clock.seconds, PasswordQueue(self.clock, LIMITS), LIMITS
        )

    def begin(self, password, address, whose="alice"):
        """Begin to try a password; return where what it comes to will be."""
        came = []
        trying = self.throttle.verify("right", password, whose, AddressedSession(address))
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
    """Return a throttle, and a clock."""
    return ThrottleWithClock()


def test_the_first_few_cost_nothing_and_then_it_grows(world):
    """A second, two, four, up to half a minute; and after an hour all is forgotten."""
    took = [world.try_("wrong", "")[0] for _ in range(13)]
    assert took == [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert world.try_("wrong", "", "bob") == (0, False)
    world.clock.advance(LIMITS.failures_seconds + 1)
    assert world.try_("wrong", "") == (0, False)


def test_the_right_one_is_never_locked_out(world):
    """However often it was wrong before, it takes half a minute at most; then it begins anew."""
    for _ in range(50):
        world.try_("wrong", "")
    assert world.try_("right", "") == (30, True)
    assert world.try_("wrong", "") == (0, False)


def test_who_guesses_elsewhere_does_not_hold_up_the_owner(world):
    """From where the right one came it goes on without a delay, and from where nothing was tried
    yet after a second."""
    assert world.try_("right", HOME) == (0, True)
    for _ in range(20):
        world.try_("wrong", ELSEWHERE)
    assert world.try_("right", HOME) == (0, True)
    assert world.try_("wrong", HOME) == (0, False)
    assert world.try_("wrong", "192.0.2.2") == (LIMITS.first_seconds, False)
    assert world.try_("right", "192.0.2.2")[0] == 30


def test_one_address_is_slow_whomever_it_guesses_for(world):
    """But a class that mistypes is not."""
    took = [world.try_("wrong", ELSEWHERE, f"user{at}")[0] for at in range(25)]
    assert took == [0] * 21 + [1, 2, 4, 8]
    assert world.try_("wrong", HOME, "user1") == (0, False)
    took = [world.try_("wrong", "", f"user{at}")[0] for at in range(100)]  # this machine
    assert max(took) == 0


def test_many_at_once_are_no_faster(world):
    """Each try counts when it begins, and only a few of those that wait for one name
    are delayed."""
    free = [world.begin("wrong", "") for _ in range(LIMITS.failures_free + 1)]
    assert all(came == [False] for came in free)
    waiting = [world.begin("wrong", "") for _ in range(10)]
    world.clock.advance(1)
    assert sum(came == [False] for came in waiting) == 1
    took = 1
    while not all(waiting):
        world.clock.advance(1)
        took += 1
    assert took >= (10 - 5) / LIMITS.guesses * LIMITS.failures_longest


class Guessers:
    """Somebody who guesses for ever, on as many connections as they like, each from an address."""

    def __init__(self, world, addresses):
        self.world, self.addresses = world, addresses
        self.came = [world.begin("wrong", address) for address in addresses]
        self.guesses = 0

    def advance(self):
        """Let half a second go by, and guess again where an answer came."""
        self.world.clock.advance(0.5)
        for at, came in enumerate(self.came):
            while came:
                self.guesses += 1
                came = self.came[at] = self.world.begin("wrong", self.addresses[at])


def seconds_to_get_in(world, guessers, address):
    """Return how long the right password takes."""
    came, start = world.begin("right", address), world.clock.seconds()
    while not came:
        guessers.advance()
    assert came == [True]
    return world.clock.seconds() - start


@pytest.mark.parametrize("connections", [6, 100])
def test_the_owner_gets_in_from_where_they_never_were(world, connections):
    """After a second, however many connections of another address guess; and from their own address
    behind as many turns as there are connections, if all are on one machine."""
    guessers = Guessers(world, [ELSEWHERE] * connections)
    for _ in range(600):
        guessers.advance()
    assert seconds_to_get_in(world, guessers, HOME) <= 2 * LIMITS.first_seconds
    local = Guessers(world, [""] * 6)
    for _ in range(600):
        local.advance()
    turns = 6 / LIMITS.guesses + 1
    assert seconds_to_get_in(world, local, "") <= (turns + 1) * LIMITS.failures_longest


def test_what_guessing_costs_who_has_many_addresses(world):
    """Each address adds one guess an hour to the 480 of one address; and the owner waits a second
    for each new address just before."""
    many = [f"198.51.100.{at}" for at in range(50)]
    guessers = Guessers(world, many)
    assert seconds_to_get_in(world, guessers, HOME) <= len(many) + 2
    for _ in range(int(2 * LIMITS.failures_seconds)):
        guessers.advance()
    an_hour = LIMITS.guesses * LIMITS.failures_seconds / LIMITS.failures_longest
    assert guessers.guesses <= 1.1 * an_hour + 2 * len(many) + LIMITS.failures_free


def test_who_is_gone_meanwhile_is_not_looked_at(world):
    """Nothing is hashed for them."""
    for _ in range(6):
        world.try_("wrong", "")
    session, came = AddressedSession(""), []
    trying = world.throttle.verify("right", "right", "alice", session)
    Deferred.fromCoroutine(trying).addBoth(came.append)
    session.ended = True
    world.clock.advance(1)
    assert isinstance(came[0].value, Refusal)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=60))
def test_nobody_waits_longer_than_the_longest(tries):
    """The delay has an upper bound, whatever happened before."""
    world = ThrottleWithClock()
    for who, address in tries:
        took, _ = world.try_("wrong" if address % 5 else "right", f"192.0.2.{address}", f"u{who}")
        assert took <= LIMITS.failures_longest
