"""Arrivals and departures in one line: `+3 came, 2 left: anna, bob, carl`."""

from typing import NamedTuple

from chatservice.events import UserJoined, UserLeft

NAMES_FOLDED = 10
"""Names of a folded line: as many as fit into two rows of 80 columns."""


class Folded(NamedTuple):
    """Consecutive arrivals and departures: how many `came` and `left`, and the names of the first
    few users."""

    came: int = 0
    left: int = 0
    names: tuple[str, ...] = ()


def folded(before: Folded, event: UserJoined | UserLeft) -> Folded:
    """Return `before` with one event more."""
    arrived = isinstance(event, UserJoined)
    known = event.who in before.names or len(before.names) >= NAMES_FOLDED
    return Folded(
        before.came + arrived,
        before.left + (not arrived),
        before.names if known else (*before.names, event.who),
    )


def folded_line(it: Folded) -> str:
    """Return the line for people."""
    counts = [f"+{it.came} came"] if it.came else []
    counts += [f"{it.left} left"] if it.left else []
    more = " and others" if len(it.names) >= NAMES_FOLDED else ""
    return f"{', '.join(counts)}: {', '.join(it.names)}{more}"
