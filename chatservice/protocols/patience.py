"""Waiting for one's turn, so that who asks for much at once holds up nobody but themselves."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from chatservice import limits
from chatservice.errors import Code, Refusal

T = TypeVar("T")


class InTurn:
    """`chatservice.domain.attempts.Patience`: as many jobs at a time as passwords can be hashed."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._waiting: dict[str, deque[Deferred[None]]] = {}
        self._count = 0
        self._busy = 0

    def pause(self, seconds: float) -> "Deferred[None]":
        """Answer after so long."""
        return deferLater(self._reactor, seconds)

    async def in_turn(self, who: str, job: Callable[[], Awaitable[T]]) -> T:
        """Do a job when it is the turn of `who`, of whom each has as many turns as any other.
        Raises `Refusal` (slow-down) where too many wait."""
        if self._busy >= limits.HASHES:
            await self._turn(who)
        self._busy += 1
        try:
            return await job()
        finally:
            self._busy -= 1
            self._next()

    def _turn(self, who: str) -> "Deferred[None]":
        waiting = self._waiting.get(who, ())
        if self._count >= limits.CHECKS_WAITING or (
            who and len(waiting) >= limits.CHECKS_AN_ADDRESS
        ):
            raise Refusal(
                Code.SLOW_DOWN, "Many passwords are being looked at; try again in a few seconds."
            )
        turn: Deferred[None] = Deferred()
        self._waiting.setdefault(who, deque()).append(turn)
        self._count += 1
        return turn

    def _next(self) -> None:
        """Let the one go on who has waited for longest, of who comes next."""
        if not self._waiting:
            return
        who = next(iter(self._waiting))
        turns = self._waiting.pop(who)
        turn = turns.popleft()
        if turns:
            self._waiting[who] = turns  # the last one now
        self._count -= 1
        turn.callback(None)
