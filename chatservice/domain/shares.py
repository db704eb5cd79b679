"""Shares of what all have together: nobody, no address and not all guests may have all of it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from chatservice import limits
from chatservice.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose something is: a user's, by `chatservice.domain.places.User.id`, and whether that is a
    guest; at an `address` (`chatservice.domain.addresses.counted`), empty where none counts."""

    owner: str
    guest: bool = False
    address: str = ""


def of_address(origins: Iterable[Origin], mine: Origin) -> int:
    """Return how many are from the same address as `mine`."""
    return sum(1 for it in origins if mine.address and it.address == mine.address)


def of_guests(origins: Iterable[Origin], mine: Origin) -> int:
    """Return how many are guests', if `mine` is one's."""
    return sum(1 for it in origins if mine.guest and it.guest)


def check(origins: Iterable[Origin], mine: Origin, most: int, what: str) -> None:
    """Raise `Refusal` (too-many) unless there may be one more, of at most `most`. `what` they are
    is told, in the plural."""
    all_ = list(origins)
    for count, share, whose in (
        (len(all_), 1.0, "in all"),
        (of_address(all_, mine), limits.ADDRESS_SHARE, "from your address"),
        (of_guests(all_, mine), limits.GUESTS_SHARE, "of guests"),
    ):
        if count >= math.ceil(most * share):
            raise Refusal(
                Code.TOO_MANY,
                f"{count} {what} {whose} are under way, and no more may be; wait for one to end.",
            )
