"""The timer of a connection, which waits for one thing at a time."""

from collections.abc import Callable
from typing import Any


class OneTimer:
    """A connection that waits for one thing at a time. `factory` has its reactor. An idle
    connection waits for nothing, and has no timer."""

    factory: Any
    _timer: Any = None
    _due: Callable[[], None] | None = None

    def _wait(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after so many seconds, and wait for nothing else."""
        self._due = call
        if self._timer is None:
            self._timer = self.factory.reactor.callLater(seconds, self._waited)
        else:
            self._timer.reset(seconds)

    def _waited(self) -> None:
        call, self._timer, self._due = self._due, None, None
        if call is not None:
            call()

    def _wait_no_longer(self) -> None:
        """Wait for nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._due = None

    def _pause_wait(self) -> None:
        """Wait for nothing at the moment. The timer stays for the next wait: a new one costs five
        times as much, and requests of HTTP that are answered at once need one each."""
        self._due = None
