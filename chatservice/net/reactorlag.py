"""The reactor's lag: the time that a connection waits before anything is done for it."""

from typing import Any

from chatservice.domain.figures import Histogram

PERIOD_SECONDS = 0.25
"""The period of the measurements: each costs some 20 us of CPU."""


class ReactorLag:
    """Measures how late a `reactor` calls what is due, again and again, from `start` to `stop`. An
    idle one is up to a millisecond late, because epoll_wait(2) counts in milliseconds."""

    def __init__(self, reactor: Any) -> None:
        self.seconds = Histogram()
        self._reactor = reactor
        self._call: Any = None
        self._due = 0.0

    def start(self) -> None:
        """Measure from now on."""
        self._due = self._reactor.seconds() + PERIOD_SECONDS
        self._call = self._reactor.callLater(PERIOD_SECONDS, self._measure)

    def _measure(self) -> None:
        self.seconds.observe(max(self._reactor.seconds() - self._due, 0.0))
        self.start()

    def stop(self) -> None:
        """Measure nothing more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
