"""Token buckets and growing delays: never more than allowed, and never less than there is."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.domain.ratelimit import Backoff, RateLimiter, TokenBucket
from chatservice.grammar.commands import COMMANDS
from chatservice.limits import Limits

RATES = st.floats(0.01, 1000)
BURSTS = st.integers(1, 1000)
PAUSES = st.lists(st.floats(0, 100), max_size=200)


@given(RATES, BURSTS, PAUSES)
def test_never_more_than_the_rate_and_the_burst(rate, burst, pauses):
    """A caller that waits as told acts at most so many times in any stretch of time."""
    bucket, now, done = TokenBucket(), 1e6, []
    for pause in pauses:
        now += pause
        done.append(now)
        now += bucket.take(now, rate, burst)
    for first, begin in enumerate(done):
        for last in range(first, len(done)):
            count = last - first + 1
            assert count <= (done[last] - begin) * rate * (1 + 1e-6) + burst + 1e-3


@given(RATES, BURSTS)
def test_a_burst_passes_at_once(rate, burst):
    """Nobody waits before it is over, and the next one waits for one token."""
    bucket = TokenBucket()
    waits = [bucket.take(1e6, rate, burst) for _ in range(burst)]
    assert waits[:-1] == pytest.approx([0.0] * (burst - 1), abs=1e-6)
    assert waits[-1] == pytest.approx(1 / rate, rel=1e-3, abs=1e-6)


@given(RATES, BURSTS, PAUSES)
def test_what_is_left_is_what_can_be_taken(rate, burst, pauses):
    """It is never more than the burst, and comes back at the rate."""
    bucket, now = TokenBucket(), 1e6
    for pause in pauses:
        now += pause
        left = bucket.left(now, rate, burst)
        assert 0 <= left <= burst
        wait = bucket.take(now, rate, burst)
        if left >= 2.001:
            assert wait <= 1e-6
        now += wait
    now += burst / rate + 1
    assert bucket.left(now, rate, burst) == burst
    assert bucket.is_full(now)


@given(RATES, BURSTS, st.floats(1, 1e6))
def test_a_clock_that_goes_back_holds_nobody_up_for_long(rate, burst, back):
    """At most as long as an empty bucket takes to fill."""
    bucket = TokenBucket()
    bucket.take(1e6, rate, burst)
    assert bucket.take(1e6 - back, rate, burst) <= (burst + 1) / rate + 1e-6


@pytest.mark.parametrize("command", ["say", "join", "create", "who"])
def test_a_paste_of_ten_lines_passes_at_once(command):
    """A paste of any lines passes, also with a limit of messages."""
    limiter = RateLimiter(Limits(messages_per_second=1.0))
    assert limiter.allows(10, 1e6)
    assert [limiter.take(COMMANDS[command].rates, 1e6) for _ in range(10)] == [0.0] * 10


def test_each_kind_of_command_has_its_own_bound():
    """A user who joined too often can still ask for things; a user who makes rooms can also join
    them."""
    limiter = RateLimiter(Limits(joins_burst=2))
    assert limiter.take(COMMANDS["join"].rates, 1e6) == 0
    assert limiter.take(COMMANDS["nick"].rates, 1e6) > 0
    assert limiter.take(COMMANDS["who"].rates, 1e6) == 0
    assert limiter.take(COMMANDS["create"].rates, 1e6) > 0
    assert (
        limiter.take(COMMANDS["say"].rates, 1e6) == 0
    )  # there is no bound, unless the operator sets one


@given(st.lists(st.floats(0, 50), max_size=30), st.integers(0, 10), st.floats(0, 3600))
def test_delays_grow_and_end(pauses, free, longest):
    """The first failures are free; then it is a second, doubled each time, never more than the
    longest; and some time after the last one all is forgotten."""
    failures, now, memory = Backoff(), 1e6, 100.0
    assert failures.delay("alice", now, free, longest, memory) == 0
    delays = []
    for pause in pauses:
        now += pause
        failures.add_failure("alice", now, memory, 10)
        delays.append(failures.delay("alice", now, free, longest, memory))
    expected = [0.0] * free + [min(2.0**at, longest) for at in range(len(delays))]
    assert delays == expected[: len(delays)]
    assert failures.delay("bob", now, free, longest, memory) == 0
    assert failures.delay("alice", now + memory + 1, free, longest, memory) == 0


@given(st.lists(st.tuples(st.sampled_from("nfg"), st.integers(0, 5)), max_size=100))
def test_failures_that_were_none_are_taken_back(steps):
    """Also more often than there were any."""
    failures, counts = Backoff(), Counter()
    for what, who in steps:
        if what == "n":
            failures.add_failure(who, 1e6, 100, 100)
            counts[who] += 1
        elif what == "f":
            failures.forgive(who)
            counts[who] = max(0, counts[who] - 1)
        else:
            failures.forget(who)
            counts[who] = 0
    for who in range(6):
        delay = failures.delay(who, 1e6, 0, 1e9, 100)
        assert delay == (2.0 ** (counts[who] - 1) if counts[who] else 0)


@given(st.lists(st.integers(0, 1000), max_size=300), st.integers(1, 20))
def test_only_so_many_are_remembered(who_fails, most):
    """Those who failed last."""
    failures = Backoff()
    for who in who_fails:
        failures.add_failure(who, 1e6, 100, most)
    assert len(failures) <= most
    last = list(dict.fromkeys(reversed(who_fails)))[:most]
    assert all(failures.delay(who, 1e6, 0, 1, 100) == 1 for who in last)
