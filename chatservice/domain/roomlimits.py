"""Limits for rooms, and the rooms that are removed by themselves.

A room is vacant if no registered user owns it, nobody is in it, and nothing was ever said. It is
removed after a while, or at once if another one needs its place.
"""

from collections import Counter
from collections.abc import Callable

from chatservice import names
from chatservice.domain.addresses import limit_key
from chatservice.domain.model import Room, User, is_guest_id
from chatservice.domain.ports.room_ports import RoomBounds
from chatservice.domain.ratelimit import TokenBucket
from chatservice.domain.rules import RuleKind
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

_SPARE = 1000
"""Buckets of addresses before full ones are dropped."""


class RoomLimits:
    """Counts the rooms that no registered user owns, and knows which are vacant. `seconds` tells
    the time on a clock that never goes back."""

    def __init__(self, seconds: Callable[[], float], limits: Limits) -> None:
        self._seconds = seconds
        self._limits = limits
        self._vacant: dict[Room, bool] = {}
        self._unowned: set[Room] = set()
        self._protected: set[str] = set()
        self._addresses: dict[Room, str] = {}
        self._counts: Counter[str] = Counter()
        self._buckets: dict[str, TokenBucket] = {}
        self._next_cleanup = _SPARE

    # -- rooms that there are --------------------------------------------------------------------

    def protect(self, key: str) -> None:
        """Never let the room of that name (`names.key`) be vacant."""
        self._protected.add(key)

    def add(self, room: Room) -> None:
        """Count a room, if no registered user owns it."""
        if not _is_owned(room):
            self._unowned.add(room)
            self.room_emptied(room)

    def count(self, room: Room, by: User) -> None:
        """Count a new room for its creator's address, unless it has a registered owner."""
        address = self._address(by)
        if address and room in self._unowned:
            self._addresses[room] = address
            self._counts[address] += 1

    def remove(self, room: Room) -> None:
        """Stop counting a room: it is removed, or a registered user owns it now."""
        self._unowned.discard(room)
        self._vacant.pop(room, None)
        address = self._addresses.pop(room, "")
        if address:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    # -- rooms that go by themselves -------------------------------------------------------------

    def room_emptied(self, room: Room) -> None:
        """Note that the last user left a room, which may be vacant now."""
        if self.is_vacant(room):
            self._vacant[room] = False

    def is_vacant(self, room: Room) -> bool:
        """Return whether a room is vacant."""
        return not (
            room not in self._unowned
            or room.sessions
            or room.elsewhere
            or room.log.last
            or room.log.removed
            or names.key(room.name) in self._protected
        )

    def long_vacant(self) -> list[Room]:
        """Return the rooms that are vacant since before the previous call."""
        found = [room for room, asked in self._vacant.items() if asked and self.is_vacant(room)]
        left = [room for room in self._vacant if self.is_vacant(room)]
        self._vacant = dict.fromkeys(left, True)
        return found

    def longest_vacant(self) -> Room | None:
        """Return the room that has been vacant for longest, or None; each only once."""
        while self._vacant:
            room = next(iter(self._vacant))
            del self._vacant[room]
            if self.is_vacant(room):
                return room
        return None

    # -- rooms that are to be made ---------------------------------------------------------------

    def check_rate(self, by: User | None) -> None:
        """Count a room that a user wants to create. Raises `Refusal` (slow-down, too-many) if there
        are too many from their address."""
        address = self._address(by)
        if not address:
            return
        if (
            self._counts[address] >= self._limits.rooms_an_address
            and by is not None
            and by.guest_number
        ):
            raise Refusal(
                Code.TOO_MANY,
                "Guests from your address have {limit} rooms already; use one, or `register`.",
                limit=self._limits.rooms_an_address,
            )
        now = self._seconds()
        pace = self._limits.rooms_an_address_per_second, self._limits.rooms_an_address_burst
        bucket = self._buckets.get(address)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[address] = TokenBucket()
        if bucket.left(now, *pace) < 1:
            raise Refusal(
                Code.SLOW_DOWN,
                "Too many rooms are made from your address; use one, or try again in a minute.",
            )
        bucket.take(now, *pace)

    def bounds(self, by: User | None) -> RoomBounds:
        """Return the bounds that a room keeps which that user makes. The operator may name rooms
        `room1`, `room2` and so on, whatever numbers there are."""
        unowned = self._limits.rooms_of_guests if by is not None and by.guest_number else None
        return RoomBounds(self._limits.rooms, unowned, numbered=by is None)

    def is_full(self, bounds: RoomBounds, there: int) -> bool:
        """Return whether there are as many rooms as may be, beside the number that is `there`."""
        of_guests = bounds.unowned is not None and len(self._unowned) >= bounds.unowned
        return of_guests or (bounds.rooms is not None and there >= bounds.rooms)

    def _address(self, by: User | None) -> str:
        """Return the key of a user's address, or "" if it has no limits."""
        if by is None or not by.sessions:
            return ""
        return limit_key(by.sessions[-1].peer.address, self._limits.trusted)

    def _forget(self, now: float) -> None:
        if len(self._buckets) >= self._next_cleanup:
            self._buckets = {a: it for a, it in self._buckets.items() if not it.is_full(now)}
            self._next_cleanup = 2 * len(self._buckets) + _SPARE


def _is_owned(room: Room) -> bool:
    """Return whether a room has a registered owner."""
    return any(
        rule.kind is RuleKind.OWNER and not is_guest_id(rule.subject) for rule in room.rules.all(0)
    )
