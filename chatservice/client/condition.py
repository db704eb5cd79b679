"""Waiting in a coroutine until something holds."""

from collections.abc import Callable

from twisted.internet.defer import Deferred


class Condition:
    """Like `asyncio.Condition`, without its lock: Twisted runs one step at a time."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    async def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()` is true; it is asked at each `notify_all`."""
        while not holds():
            notified: Deferred[None] = Deferred()
            self._waiting.append(notified)
            await notified

    def notify_all(self) -> None:
        """Let all that wait look again. They go on in the order in which they began to wait."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
