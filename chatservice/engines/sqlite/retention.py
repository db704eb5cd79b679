"""Letting old entries go, where an operator does not keep them for ever (`--keep`).

In the background and in small steps, oldest first, whichever room they are of, so that nobody waits
for more than a few milliseconds. Positions go on increasing: a log remembers up to where its
entries ended.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from chatservice.engines.sqlite.logstore import LogStore
from chatservice.limits import Limits


class Retention:
    """Lets entries go that are older than `seconds`, and the oldest ones while the database has
    more than `size` bytes; None for either is no bound. It has their ages noted in any case, for
    the day on which there is one (`engines/sqlite/entryages.py`)."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        store: LogStore,
        seconds: float | None,
        size: int | None,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._reactor = reactor
        self._store = store
        self._seconds = seconds
        self._size = size
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    def start(self) -> None:
        """Look now and then."""
        self._loop.start(self._limits.keep_seconds)

    def stop(self) -> None:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> "Deferred[None]":
        return Deferred.fromCoroutine(self._end_old())

    async def _end_old(self) -> None:
        try:
            await self._store.note_age()
            while self._loop.running and (self._seconds, self._size) != (None, None):
                went = await self._store.end_some(self._seconds, self._size)
                if not went:
                    return
                self._store.ended(went)
                await deferLater(self._reactor, self._limits.end_rest_seconds)
        except Exception:
            self.log.failure("letting old entries go failed")
