"""Fair queues: a client that asks for much at once delays only itself."""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

T = TypeVar("T")


class RoundRobin:
    """Places for a few at a time. Those who wait for one take turns, however often each of them
    waits."""

    def __init__(self) -> None:
        self.busy = 0
        self._waiting: dict[Hashable, deque[Deferred[None]]] = {}

    def waiting(self, who: Hashable) -> int:
        """Return the number of waits."""
        return len(self._waiting.get(who, ()))

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def acquire(self, who: Hashable, places: int) -> None:
        """Wait for a place, in turn with others than `who`."""
        if self.busy >= places:
            turn: Deferred[None] = Deferred()
            self._waiting.setdefault(who, deque()).append(turn)
            await turn
        self.busy += 1

    def release(self) -> None:
        """Give a place to the next in turn, to its oldest wait."""
        self.busy -= 1
        if not self._waiting:
            return
        who = next(iter(self._waiting))
        turns = self._waiting.pop(who)
        turn = turns.popleft()
        if turns:
            self._waiting[who] = turns  # the last one now
        turn.callback(None)


class PasswordQueue:
    """The login throttle's `FairQueue`: as many jobs at a time as passwords can be hashed."""

    def __init__(self, reactor: Any, limits: Limits) -> None:
        self._limits = limits
        self._reactor = reactor
        self._hashing = RoundRobin()
        self._delayed: dict[Hashable, RoundRobin] = {}

    async def delayed(self, line: Hashable, places: int, who: Hashable, seconds: float) -> None:
        """Answer after a delay, which begins at the turn of `who` in a line. Only a few
        in it are delayed at a time. Nobody is refused: a connection waits once, and
        connections are limited."""
        there = self._delayed.setdefault(line, RoundRobin())
        await there.acquire(who, places)
        try:
            await deferLater(self._reactor, seconds)
        finally:
            there.release()
            if not (there.busy or len(there)):
                self._delayed.pop(line, None)

    async def in_turn(self, who: str, job: Callable[[], Awaitable[T]]) -> T:
        """Run a job at the turn of `who`. Raises `Refusal` (slow-down) if they wait too often; one
        wait is always allowed."""
        line = self._hashing
        mine = line.waiting(who)
        if (mine and len(line) >= self._limits.checks_waiting) or (
            who and mine >= self._limits.checks_an_address
        ):
            raise Refusal(
                Code.SLOW_DOWN, "Many passwords are being looked at; try again in a few seconds."
            )
        await line.acquire(who, self._limits.hashes)
        try:
            return await job()
        finally:
            line.release()
