"""One at a time, where it is about the same thing."""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredLock


class KeyedLock:
    """Locks, one for each key that somebody holds or waits for."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, DeferredLock] = {}

    @asynccontextmanager
    async def acquire(self, key: Hashable) -> AsyncIterator[None]:
        """Hold the lock of a key: `async with locks.acquire(key):`."""
        lock = self._locks.setdefault(key, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            # A waiter went on within `release`: it may be done by now, and hold a later lock.
            if not lock.locked and self._locks.get(key) is lock:
                del self._locks[key]

    def is_locked(self, key: Hashable) -> bool:
        """Return whether somebody holds the lock of a key, or waits for it."""
        return key in self._locks
