"""The port to kept rooms and read positions; and the changes that it tells."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, Protocol

from chatservice.errors import Code, Refusal


class Membership(NamedTuple):
    """A room that an account keeps: the key of the account, the number of the room, and the
    account's read position there. It began at `since`, in milliseconds since 1970."""

    account: str
    room: int
    read: int
    since: int


class MemberPage(NamedTuple):
    """A page of a room's members: their names, in the order of their keys, and how many follow."""

    names: Sequence[str]
    following: int


ReadPositions = Mapping[tuple[str, int], int]
"""Read positions, by the key of an account and the number of a log."""


def too_many_rooms(most: int) -> Refusal:
    """Return the refusal for an account that keeps as many rooms as may be."""
    return Refusal(
        Code.TOO_MANY, "You keep {limit} rooms already; `leave` one of them first.", limit=most
    )


class MemberStore(Protocol):
    """The rooms that accounts keep, and how far they have read them.

    A membership ends with its account, with its room, also a retired one, and with a ban of the
    account from the room (`RulesChanged`). That is told as those changes alone.
    """

    def keep(self, member: Membership, most: int) -> Awaitable[None]:
        """Add a room to those of an account, unless it is one of them, or either of them is gone.

        Of two that are added at once, on any nodes, the last place among `most` is given once.
        Tells the follower `MemberChanged`. Raises `Refusal` (too-many).
        """

    def drop(self, account: str, room: int) -> Awaitable[None]:
        """End a membership, if there is one. Tells the follower `MemberChanged`."""

    def of_account(self, account: str) -> Awaitable[Sequence[Membership]]:
        """Return the memberships of an account, by the numbers of the rooms."""

    def of_room(self, room: int, after: str, limit: int) -> Awaitable[MemberPage]:
        """Return the first `limit` members of a room whose keys follow `after`."""

    def mark_read(self, positions: ReadPositions) -> Awaitable[None]:
        """Store how far accounts have read rooms that they keep, or their inboxes; also back. Tells
        the follower `ReadChanged`."""


class MemberChanged(NamedTuple):
    """An account keeps a room from now on, and has read it up to the position `read`; or keeps it
    no longer, where that is None."""

    account: str
    room: int
    read: int | None


class ReadChanged(NamedTuple):
    """Read positions, as they are now."""

    positions: ReadPositions
