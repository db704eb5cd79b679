"""Figures: durations in a histogram, and commits that work or do not."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from chatservice.domain.figures import (
    BOUNDS,
    FAILED_SECONDS,
    STUCK_SECONDS,
    Commits,
    Histogram,
)


@given(st.lists(st.floats(0, 20) | st.sampled_from(BOUNDS)))
def test_a_histogram_counts_what_is_within_each_bound(durations):
    """A duration that is equal to a bound is within it."""
    histogram = Histogram()
    for each in durations:
        histogram.observe(each)
    within = [sum(1 for each in durations if each <= bound) for bound in BOUNDS]
    assert histogram.cumulated() == [*within, len(durations)]


def test_commits_work_until_one_fails_or_hangs():
    """After one that failed, they work again with the next one, or when it is time to try. One that
    hangs is told at once, and is over when it succeeds."""
    clock = Clock()
    commits = Commits(clock.seconds)
    assert commits.trouble() is None
    commits.begin()
    commits.fail()
    assert commits.trouble() == "The last commit failed."
    commits.begin()
    clock.advance(0.02)
    commits.succeed()
    assert commits.trouble() is None
    commits.begin()
    commits.fail()
    clock.advance(FAILED_SECONDS)
    assert commits.trouble() is None
    commits.begin()
    clock.advance(STUCK_SECONDS + 1)
    assert commits.trouble() == "A commit takes longer than 10 seconds."
    commits.succeed()
    assert commits.trouble() is None
    assert (commits.failed, commits.time.cumulated()[-1]) == (2, 4)
