"""Rules for single users and addresses in one room: owners, moderators, invitations, bans,
mutes."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from chatservice.domain.addresses import Network, normalize, parse_network
from chatservice.errors import Code, Refusal


class Access(StrEnum):
    """The access to a room for users without a rule of their own."""

    PUBLIC = "public"
    HIDDEN = "hidden"
    INVITED = "invited"
    CLOSED = "closed"


class RuleKind(StrEnum):
    """The kinds of rules."""

    OWNER = "owner"
    MODERATOR = "moderator"
    INVITED = "invited"
    BANNED = "banned"
    MUTED = "muted"


OF_ACCOUNTS = (RuleKind.OWNER, RuleKind.MODERATOR, RuleKind.INVITED)
"""The rules that end with the account that they are for."""


class Rule(NamedTuple):
    """One rule of a room for a `subject`: a user (`User.id`), or for bans a range of addresses.

    It holds until `until`, in milliseconds since 1970; 0 means for good. `by` made it at `time`. A
    guest's rule is not stored; it may hold for a name too, whose key is `name_key`.
    """

    kind: RuleKind
    subject: str
    until: int
    by: str
    time: int
    name_key: str = ""


class Rules:
    """The rules of one room. `now` is in milliseconds since 1970."""

    __slots__ = ("_found", "_ranges")

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._found: dict[tuple[RuleKind, str], Rule] = {}
        self._ranges: dict[tuple[int, int], dict[int, Rule]] = {}
        for rule in rules:
            self.add(rule)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, rule: Rule) -> None:
        """Add a rule, in the place of one of the same kind and subject."""
        self._found[rule.kind, rule.subject] = rule
        range_ = _range(rule.subject) if rule.kind is RuleKind.BANNED else None
        if range_ is not None:
            sized, start = _range_key(range_)
            self._ranges.setdefault(sized, {})[start] = rule

    def remove(self, what: RuleKind, whom: str) -> bool:
        """Remove a rule. Return whether there was one."""
        range_ = _range(whom) if what is RuleKind.BANNED else None
        if range_ is not None:
            sized, start = _range_key(range_)
            ranges = self._ranges.get(sized, {})
            if ranges.pop(start, None) is not None and not ranges:
                del self._ranges[sized]
        return self._found.pop((what, whom), None) is not None

    def find(self, what: RuleKind, whom: str, now: int) -> Rule | None:
        """Return the rule of that kind in force for a subject, or None."""
        return _if_in_force(self._found.get((what, whom)), now)

    def find_range(self, range_: Network, now: int) -> Rule | None:
        """Return the ban of exactly that range of addresses, or None."""
        sized, start = _range_key(range_)
        return _if_in_force(self._ranges.get(sized, {}).get(start), now)

    def find_ban(self, whom: str, address: str, now: int) -> Rule | None:
        """Return the ban of a user at that address, or None."""
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
        """Return the rules whose time is over."""
        return [rule for rule in self._found.values() if _if_in_force(rule, now) is None]

    def all(self, now: int) -> Iterator[Rule]:
        """Iterate over the rules in force."""
        return (rule for rule in tuple(self._found.values()) if _if_in_force(rule, now))


def _range_key(range_: Network) -> tuple[tuple[int, int], int]:
    """Return the IP version and the host bits of a range, and the number that its prefix is."""
    bits = range_.max_prefixlen - range_.prefixlen
    return (range_.version, bits), int(range_.network_address) >> bits


@lru_cache(4096)
def _address_number(address: str) -> tuple[int, int] | None:
    """Return the IP version and number of an address; None if it is none."""
    try:
        at = ip_address(normalize(address))
    except ValueError:
        return None
    return at.version, int(at)


def _if_in_force(rule: Rule | None, now: int) -> Rule | None:
    return rule if rule is not None and (not rule.until or now < rule.until) else None


def normalize_range(text: str) -> str:
    """Return a range of addresses in its stored form: `10.1.0.0/16`.

    Raises `Refusal` (bad-argument) for a range of all addresses.
    """
    range_ = parse_network(text)
    assert range_ is not None
    if range_.prefixlen == 0:
        raise Refusal(
            Code.BAD_ARGUMENT, "That is every address there is; `access` closes a room to all."
        )
    return str(range_)


def _range(whom: str) -> Network | None:
    """Return the range of addresses in a rule's subject; None for a user, whose name may look like
    an address. A range is stored with a slash, which no name has."""
    bare = re.sub("%.*(?=/)", "", whom, flags=re.DOTALL)  # earlier versions kept any zone
    return parse_network(bare) if "/" in bare else None
