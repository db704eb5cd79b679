"""The login timeout, and the eviction of idle connections."""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from chatservice.domain.model import User
from chatservice.events import EndReason
from chatservice.limits import Limits

LOOK_SECONDS = 10.0
"""Seconds between two checks, at most: limits may have changed."""

STEPS = 6
"""Into so many steps the time is divided after which one is idle. A connection remembers only in
which of them something came; that takes no memory, because all remember the same number."""


class Evictable(Protocol):
    """A connection, as far as this module needs it."""

    last_active: int

    def login_timed_out(self) -> None:
        """Say that the time to give a name is over, and end the connection."""

    def end(self, sentence: str, why: EndReason) -> None:
        """Say `sentence`, and the reason, then end the connection."""

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether it can be ended without harm; not for users who are `busy`."""


class LoginTimeout:
    """Connections without a name. Each has the same time, so the oldest one times out first, and
    one timer is enough."""

    def __init__(self, reactor: Any, limits: Limits) -> None:
        self._limits = limits
        self._reactor = reactor
        self._since: dict[Evictable, float] = {}
        self._timer: Any = None

    def add(self, guest: Evictable) -> None:
        """Start the time of a connection."""
        self._since[guest] = self._reactor.seconds()
        if self._timer is None:
            self._wait()

    def remove(self, guest: Evictable) -> None:
        """A connection has a name, or is gone. Calling this twice is harmless."""
        if self._since.pop(guest, None) is not None and not self._since:
            self._since = {}  # a dict does not become smaller by itself

    def _wait(self) -> None:
        oldest = next(iter(self._since.values()))
        left = oldest + self._limits.name_seconds - self._reactor.seconds()
        self._timer = self._reactor.callLater(max(0.0, min(left, LOOK_SECONDS)), self._look)

    def _look(self) -> None:
        self._timer = None
        until = self._reactor.seconds() - self._limits.name_seconds
        late = []
        for guest, since in self._since.items():
            if since > until:
                break
            late.append(guest)
        for guest in late:
            self.remove(guest)
            guest.login_timed_out()
        if self._since and self._timer is None:
            self._wait()


class IdleEviction:
    """Ends the connection that has been idle longest. `busy` tells which users are not idle."""

    def __init__(
        self,
        reactor: Any,
        guests: Collection[Evictable],
        busy: Callable[[], Collection[User]],
        limits: Limits,
    ) -> None:
        self._limits = limits
        self.step = 0
        self._reactor = reactor
        self._guests = guests
        self._busy = busy
        self._looked = -1
        self._found: list[Evictable] = []

    def start(self) -> None:
        """Start the clock."""
        self.step += 1
        seconds = min(self._limits.idle_seconds / STEPS, LOOK_SECONDS)
        self._reactor.callLater(seconds, self.start)

    def evict_one(self, sentence: str) -> bool:
        """End the connection that has been idle longest; return whether there is one."""
        if self._looked != self.step:  # it takes a millisecond for 10,000
            self._looked = self.step
            busy = self._busy()
            found = [it for it in self._guests if self._is_idle(it) and it.is_evictable(busy)]
            self._found = sorted(found, key=_heard, reverse=True)
        while self._found:
            guest = self._found.pop()
            if self._is_idle(guest) and guest in self._guests:
                guest.end(sentence, EndReason.IDLE)
                return True
        return False

    def _is_idle(self, guest: Evictable) -> bool:
        return self.step - guest.last_active > STEPS


def _heard(guest: Evictable) -> int:
    return guest.last_active
