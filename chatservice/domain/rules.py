"""What holds for single users and addresses in one room: who owns it, who may not enter."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from chatservice.domain.addresses import Network, normalize, parse_network
from chatservice.errors import Code, Refusal


class Access(StrEnum):
    """Who may come into a room that knows nothing of them, and who sees that there is one."""

    PUBLIC = "public"
    HIDDEN = "hidden"
    INVITED = "invited"
    CLOSED = "closed"


class RuleKind(StrEnum):
    """What holds for somebody in a room."""

    OWNER = "owner"
    MODERATOR = "moderator"
    INVITED = "invited"
    BANNED = "banned"
    MUTED = "muted"


class Rule(NamedTuple):
    """`what` holds for `whom`: a user, by key (`names.key`), or for bans a range of addresses too.

    Until `until`, in milliseconds since 1970, or for good: 0. `who` made it so, at `time`. A rule
    of a guest's (`User.id`) that holds for a name too has the key of that in `named`; it is not
    stored.
    """

    kind: RuleKind
    subject: str
    until: int
    by: str
    time: int
    name_key: str = ""


class Rules:
    """The rules of one room. `now`, everywhere, is in milliseconds since 1970."""

    __slots__ = ("_found", "_ranges")

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._found: dict[tuple[RuleKind, str], Rule] = {}
        self._ranges: dict[tuple[int, int], dict[int, Rule]] = {}
        for rule in rules:
            self.add(rule)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, rule: Rule) -> None:
        """Let a rule hold, in the place of one of the kind."""
        self._found[rule.kind, rule.subject] = rule
        range_ = _range(rule.subject) if rule.kind is RuleKind.BANNED else None
        if range_ is not None:
            sized, start = _range_key(range_)
            self._ranges.setdefault(sized, {})[start] = rule

    def remove(self, what: RuleKind, whom: str) -> bool:
        """Let a rule hold no longer. Return whether it did."""
        range_ = _range(whom) if what is RuleKind.BANNED else None
        if range_ is not None:
            sized, start = _range_key(range_)
            ranges = self._ranges.get(sized, {})
            if ranges.pop(start, None) is not None and not ranges:
                del self._ranges[sized]
        return self._found.pop((what, whom), None) is not None

    def find(self, what: RuleKind, whom: str, now: int) -> Rule | None:
        """Return the rule of that kind that holds for a user, if there is one."""
        return _if_in_force(self._found.get((what, whom)), now)

    def find_range(self, range_: Network, now: int) -> Rule | None:
        """Return the ban of just that range of addresses, however it was written."""
        sized, start = _range_key(range_)
        return _if_in_force(self._ranges.get(sized, {}).get(start), now)

    def find_ban(self, whom: str, address: str, now: int) -> Rule | None:
        """Return what keeps a user at that address out, if anything does."""
        found = self.find(RuleKind.BANNED, whom, now)
        if found is None and self._ranges:
            at = _address_number(address)
            if at is None:  # of no network: a local socket
                return None
            version, number = at
            # A step for each length of prefix, and not for each of a thousand ranges.
            for (kind, bits), ranges in self._ranges.items():
                if kind == version:
                    found = found or _if_in_force(ranges.get(number >> bits), now)
        return found

    def expired(self, now: int) -> list[Rule]:
        """Return the rules that hold no longer."""
        return [rule for rule in self._found.values() if _if_in_force(rule, now) is None]

    def all(self, now: int) -> Iterator[Rule]:
        """Iterate over the rules that hold."""
        return (rule for rule in tuple(self._found.values()) if _if_in_force(rule, now))


def _range_key(range_: Network) -> tuple[tuple[int, int], int]:
    """Return a range's version of IP with how many bits differ within it, and the bits before."""
    bits = range_.max_prefixlen - range_.prefixlen
    return (range_.version, bits), int(range_.network_address) >> bits


@lru_cache(4096)
def _address_number(address: str) -> tuple[int, int] | None:
    """Return an address as its version of IP and a number; None for what is no address."""
    try:
        at = ip_address(normalize(address))
    except ValueError:
        return None
    return at.version, int(at)


def _if_in_force(rule: Rule | None, now: int) -> Rule | None:
    return rule if rule is not None and (not rule.until or now < rule.until) else None


def normalize_range(text: str) -> str:
    """Return a text that is a range of addresses (`addresses.network`) as it is kept:
    `10.1.0.0/16`.

    Raises `Refusal` (bad-argument) for one that holds everybody.
    """
    range_ = parse_network(text)
    assert range_ is not None
    if range_.prefixlen == 0:
        raise Refusal(
            Code.BAD_ARGUMENT, "That is every address there is; `access` closes a room to all."
        )
    return str(range_)


def _range(whom: str) -> Network | None:
    """Return the range of addresses that a rule is for; None where it is for a user, who may be
    called as an address is. A range is kept with its slash, which no name has."""
    bare = re.sub("%.*(?=/)", "", whom, flags=re.DOTALL)  # earlier versions kept any zone
    return parse_network(bare) if "/" in bare else None
