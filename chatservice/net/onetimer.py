"""The timer of a connection, which waits for one thing at a time."""

from collections.abc import Callable
from typing import Any


class OneTimer:
    """A connection that waits for one thing at a time. `factory` has its reactor. An idle
    connection waits for nothing, and has no timer."""

    factory: Any
    _timer: Any = None

    def _wait(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after so many seconds, and wait for nothing else."""
        self._wait_no_longer()
        self._timer = self.factory.reactor.callLater(seconds, self._waited, call)

    def _waited(self, call: Callable[[], None]) -> None:
        self._timer = None
        call()

    def _wait_no_longer(self) -> None:
        """Wait for nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
