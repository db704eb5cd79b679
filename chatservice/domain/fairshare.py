"""Shares of what all have together: nobody, no address and not all guests may have all of it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from chatservice import limits
from chatservice.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Requester:
    """Whose something is: a user's, by `chatservice.domain.model.User.id`, and whether that is a
    guest; at an `address` (`chatservice.domain.addresses.counted`), empty where none counts."""

    owner: str
    guest: bool = False
    address: str = ""


def same_address(one: Requester, other: Requester) -> bool:
    """Return whether both are from one address that counts."""
    return bool(one.address) and one.address == other.address


def both_guests(one: Requester, other: Requester) -> bool:
    """Return whether both are guests'."""
    return one.guest and other.guest


def check_share(origins: Iterable[Requester], mine: Requester, most: int, what: str) -> None:
    """Raise `Refusal` (too-many) unless there may be one more, of at most `most`. `what` they are
    is told, in the plural."""
    all_ = list(origins)
    for count, share, whose in (
        (len(all_), 1.0, "in all"),
        (sum(same_address(it, mine) for it in all_), limits.ADDRESS_SHARE, "from your address"),
        (sum(both_guests(it, mine) for it in all_), limits.GUESTS_SHARE, "of guests"),
    ):
        if count >= math.ceil(most * share):
            raise Refusal(
                Code.TOO_MANY,
                "{count} {what} {whose} are under way, and no more may be; wait for one to end.",
                count=count,
                what=what,
                whose=whose,
            )
