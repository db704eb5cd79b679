"""Passwords that are tried: wrong ones cost time, more of it each time, whoever tries.

Failures are counted by the name or room, and by the address. An attempt is taken for a failure
until it turns out not to be one, so that many at once fare as one after another. An address from
which the right password came is counted apart for that name: whoever guesses elsewhere does not
hold up its owner.

Nobody is refused for what others guess. Those who wait for one name take turns by address, and an
address from which nothing was tried for that name yet goes past all others: it waits for as many
seconds as there are such addresses before it (`limits.FIRST_SECONDS`).
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial
from typing import Protocol, TypeVar

from chatservice import limits
from chatservice.domain.addresses import limit_key
from chatservice.domain.model import Session
from chatservice.domain.ports import PasswordHasher
from chatservice.domain.ratelimit import Backoff
from chatservice.errors import Code, Refusal

T = TypeVar("T")


class FairQueue(Protocol):
    """What has others wait."""

    def delayed(
        self, line: Hashable, places: int, who: Hashable, seconds: float
    ) -> Awaitable[object]:
        """Answer after so long, which begins when it is the turn of `who` in a line. Only so many
        in it are delayed at a time, and each has as many turns as any other."""

    def in_turn(self, who: str, job: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Do a job when it is the turn of `who`, of whom each has as many turns as any other.
        Raises `Refusal` (slow-down) where too many wait."""


class NoQueue:
    """A `FairQueue` that has nobody wait."""

    async def delayed(self, line: Hashable, places: int, who: Hashable, seconds: float) -> None:
        """Answer at once."""

    def in_turn(self, who: str, job: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Do a job at once."""
        return job()


class LoginThrottle:
    """All that asks for passwords to be hashed. `seconds` tells the time."""

    def __init__(
        self, passwords: PasswordHasher, seconds: Callable[[], float], queue: FairQueue
    ) -> None:
        self._passwords = passwords
        self._seconds = seconds
        self._queue = queue
        self._backoff = Backoff()
        self._known_addresses: dict[tuple[str, str], None] = {}

    def hash(self, password: str, session: Session | None) -> Awaitable[str]:
        """Return what to keep of a password that somebody wishes to have."""
        address = limit_key(session.peer.address) if session is not None else ""
        return self._queue.in_turn(address, partial(self._passwords.hash, password))

    def verify(self, kept: str, password: str, whose: str, session: Session) -> Awaitable[bool]:
        """Return whether it is the one. Raises `Refusal` (slow-down), as `try_` does."""
        return self.attempt(partial(self._passwords.fits, kept, password), whose, session)

    async def attempt(self, check: Callable[[], Awaitable[T]], whose: str, session: Session) -> T:
        """Try a password, which fits if `check` answers with something. `whose` tells the names and
        the rooms apart that it may be of. Raises `Refusal` (slow-down, name-needed)."""
        address = limit_key(session.peer.address)
        known = (whose, address) in self._known_addresses
        who: Hashable = (whose, address) if known else whose
        first = bool(address) and not (known or self._backoff.has_failures((whose, address)))
        delay = self._delay(who, limits.FAILURES_FREE)
        if first:  # whoever guesses elsewhere holds up nobody for long
            delay = min(delay, limits.FIRST_SECONDS)
        if address:
            delay = max(delay, self._delay(("", address), limits.FAILURES_FREE_AN_ADDRESS))
        counted_as = {who, (whose, address), ("", address)} if address else {who}
        self._note(counted_as)
        if delay:
            places = 1 if first else limits.GUESSES
            waits_as = address or id(session)  # of those on this machine each is somebody
            await self._queue.delayed((who, first), places, waits_as, delay)
            if session.ended:
                raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        try:
            found = await self._queue.in_turn(address, check)
        except Refusal:
            self._forgive(counted_as)
            raise
        if found:
            self._forgive(counted_as)
            self._remember(whose, who, address)
        return found

    def _delay(self, who: Hashable, free: int) -> float:
        longest, memory = limits.FAILURES_LONGEST, limits.FAILURES_SECONDS
        return self._backoff.delay(who, self._seconds(), free, longest, memory)

    def _note(self, counted_as: Iterable[Hashable]) -> None:
        for each in counted_as:
            self._backoff.add_failure(
                each, self._seconds(), limits.FAILURES_SECONDS, limits.FAILURES_REMEMBERED
            )

    def _forgive(self, counted_as: Iterable[Hashable]) -> None:
        for each in counted_as:
            self._backoff.forgive(each)

    def _remember(self, whose: str, who: Hashable, address: str) -> None:
        """Remember from where the right password came; on this machine all are from one place."""
        if not address:
            self._backoff.forget(who)
            return
        self._backoff.forget((whose, address))
        self._known_addresses.pop((whose, address), None)
        self._known_addresses[whose, address] = None
        while len(self._known_addresses) > limits.FAILURES_REMEMBERED:
            del self._known_addresses[next(iter(self._known_addresses))]
