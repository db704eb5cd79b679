"""The login throttle: each wrong password delays the next one longer.

Failures are counted by the name or room, and by the address. An attempt counts as a failure until
it succeeds, so many at once are no faster than one after another. An address from which the right
password came is counted apart for that name, so guesses elsewhere do not delay its owner.

Nobody is refused because of other people's guesses. Attempts at one name take turns by address. An
address that is new for the name goes past all others: it waits for one second for each such address
before it (`Limits.first_seconds`).
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial
from typing import Protocol, TypeVar

from chatservice.domain.addresses import limit_key
from chatservice.domain.model import Session
from chatservice.domain.ports.account_ports import PasswordHasher
from chatservice.domain.ratelimit import Backoff
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

T = TypeVar("T")


class FairQueue(Protocol):
    """Delays attempts and runs jobs, address by address."""

    def delayed(
        self, line: Hashable, places: int, who: Hashable, seconds: float
    ) -> Awaitable[object]:
        """Answer `seconds` after the turn of `who` in a `line` has come. At most `places` are
        delayed at the same time."""

    def in_turn(self, who: str, job: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Run a job when the turn of `who` has come. Raises `Refusal` (slow-down) if too many
        wait."""


class NoQueue:
    """A `FairQueue` in which nobody waits."""

    async def delayed(self, line: Hashable, places: int, who: Hashable, seconds: float) -> None:
        """Answer at once."""

    def in_turn(self, who: str, job: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Run a job at once."""
        return job()


class LoginThrottle:
    """Hashes and verifies passwords, with delays after failures. `seconds` tells the time."""

    def __init__(
        self,
        passwords: PasswordHasher,
        seconds: Callable[[], float],
        queue: FairQueue,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._passwords = passwords
        self._seconds = seconds
        self._queue = queue
        self._backoff = Backoff()
        self._known_addresses: dict[tuple[str, str], None] = {}

    def hash(self, password: str, session: Session | None) -> Awaitable[str]:
        """Return the hash of a new password."""
        address = self._address(session) if session is not None else ""
        return self._queue.in_turn(address, partial(self._passwords.hash, password))

    def _address(self, session: Session) -> str:
        return limit_key(session.peer.address, self._limits.trusted)

    def verify(self, kept: str, password: str, whose: str, session: Session) -> Awaitable[bool]:
        """Return whether a password fits the hash `kept`. Raises as `attempt` does."""
        return self.attempt(partial(self._passwords.fits, kept, password), whose, session)

    async def attempt(self, check: Callable[[], Awaitable[T]], whose: str, session: Session) -> T:
        """Verify a password with `check`, and return its result, which is true if the password
        fits. `whose` is the key of a name or room. Raises `Refusal` (slow-down, name-needed)."""
        address = self._address(session)
        known = (whose, address) in self._known_addresses
        who: Hashable = (whose, address) if known else whose
        first = bool(address) and not (known or self._backoff.has_failures((whose, address)))
        delay = self._delay(who, self._limits.failures_free)
        if first:  # whoever guesses elsewhere holds up nobody for long
            delay = min(delay, self._limits.first_seconds)
        if address:
            delay = max(delay, self._delay(("", address), self._limits.failures_free_an_address))
        counted_as = {who, (whose, address), ("", address)} if address else {who}
        self._note(counted_as)
        if delay:
            places = 1 if first else self._limits.guesses
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
        longest, memory = self._limits.failures_longest, self._limits.failures_seconds
        return self._backoff.delay(who, self._seconds(), free, longest, memory)

    def _note(self, counted_as: Iterable[Hashable]) -> None:
        for each in counted_as:
            self._backoff.add_failure(
                each,
                self._seconds(),
                self._limits.failures_seconds,
                self._limits.failures_remembered,
            )

    def _forgive(self, counted_as: Iterable[Hashable]) -> None:
        for each in counted_as:
            self._backoff.forgive(each)

    def _remember(self, whose: str, who: Hashable, address: str) -> None:
        """Remember the address of the right password. Local users share one."""
        if not address:
            self._backoff.forget(who)
            return
        self._backoff.forget((whose, address))
        self._known_addresses.pop((whose, address), None)
        self._known_addresses[whose, address] = None
        while len(self._known_addresses) > self._limits.failures_remembered:
            del self._known_addresses[next(iter(self._known_addresses))]
