"""Figures that take long to count (`chatservice.domain.sparing`)."""

from twisted.internet.task import Clock

from chatservice.domain.sparing import PART, Sparing


def test_a_figure_is_counted_for_a_small_part_of_the_time():
    """Somebody who asks all the time gets a figure that is a little old, and a new one later."""
    clock, counted = Clock(), []

    def count():
        clock.advance(0.02)  # as 10,000 connections take
        counted.append(clock.seconds())
        return len(counted)

    figure = Sparing(count, clock.seconds)
    while clock.seconds() < 100:
        assert figure() == len(counted)
        clock.advance(0.01)
    assert 100 * PART * 0.9 < 0.02 * len(counted) <= 100 * PART + 0.02
    clock.advance(0.02 / PART)
    assert figure() == len(counted)
    assert counted[-1] == clock.seconds()


def test_a_figure_that_takes_no_time_is_always_new():
    """The figure of a few connections is told at once."""
    numbers = iter(range(3))
    figure = Sparing(lambda: next(numbers), Clock().seconds)
    assert [figure(), figure(), figure()] == [0, 1, 2]
