"""The reactor's lag, with a clock in the place of a reactor."""

from twisted.internet.task import Clock

from chatservice.net.reactorlag import PERIOD_SECONDS, ReactorLag


def test_a_late_call_is_a_lag():
    """A clock on time has none; one that jumps is as late as it has jumped too far."""
    clock = Clock()
    lag = ReactorLag(clock)
    lag.start()
    clock.pump([PERIOD_SECONDS] * 3)
    assert (lag.seconds.cumulated()[0], lag.seconds.sum) == (3, 0)
    clock.advance(PERIOD_SECONDS + 2)
    assert (lag.seconds.cumulated()[-1], lag.seconds.sum) == (4, 2)
    lag.stop()
    assert not clock.getDelayedCalls()
