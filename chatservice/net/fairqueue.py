"""Waiting for one's turn, so that who asks for much at once holds up nobody but themselves."""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

T = TypeVar("T")


class RoundRobin:
    """Places for a few at a time, and those who wait for one: each of them has as many turns as any
    other, however often they wait."""

    def __init__(self) -> None:
        self.busy = 0
        self._waiting: dict[Hashable, deque[Deferred[None]]] = {}

    def waiting(self, who: Hashable) -> int:
        """Return how often somebody waits."""
        return len(self._waiting.get(who, ()))

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def acquire(self, who: Hashable, places: int) -> None:
        """Take one of so many places, when it is the turn of `who`."""
        if self.busy >= places:
            turn: Deferred[None] = Deferred()
            self._waiting.setdefault(who, deque()).append(turn)
            await turn
        self.busy += 1

    def release(self) -> None:
        """Give a place back, to the one who has waited for longest, of who comes next."""
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
    """`FairQueue` of the login throttle: as many jobs at a time as passwords can be hashed."""

    def __init__(self, reactor: Any, limits: Limits) -> None:
        self._limits = limits
        self._reactor = reactor
        self._hashing = RoundRobin()
        self._delayed: dict[Hashable, RoundRobin] = {}

    async def delayed(self, line: Hashable, places: int, who: Hashable, seconds: float) -> None:
        """Answer after so long, which begins when it is the turn of `who` in a line. Only so many
        in it are delayed at a time. Nobody is refused: a connection waits once, and they are
        counted."""
        there = self._delayed.setdefault(line, RoundRobin())
        await there.acquire(who, places)
        try:
            await deferLater(self._reactor, seconds)
        finally:
            there.release()
            if not (there.busy or len(there)):
                self._delayed.pop(line, None)

    async def in_turn(self, who: str, job: Callable[[], Awaitable[T]]) -> T:
        """Do a job when it is the turn of `who`, of whom each has as many turns as any other.
        Raises `Refusal` (slow-down) for who waits too often; one may always wait once."""
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
