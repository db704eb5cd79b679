"""The rules of a room: bans by name and by address."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from chatservice.domain import rules
from chatservice.domain.rules import Rule, RuleKind, Rules, normalize_range

RANGES = st.one_of(
    st.builds(
        lambda at, bits: str(ipaddress.ip_network((at, bits), strict=False)),
        st.integers(0x0A000000, 0x0A00FFFF),
        st.integers(8, 32),
    ),
    st.builds(
        lambda at, bits: str(ipaddress.ip_network((at, bits), strict=False)),
        st.integers(1 << 125, (1 << 125) + 0xFFFF),
        st.integers(32, 128),
    ),
)
ADDRESSES = st.one_of(
    st.integers(0x0A000000, 0x0A00FFFF).map(lambda it: str(ipaddress.IPv4Address(it))),
    st.integers(1 << 125, (1 << 125) + 0xFFFF).map(lambda it: str(ipaddress.IPv6Address(it))),
)


def banned(whom: str, until: int = 0) -> Rule:
    """Return a ban."""
    return Rule(RuleKind.BANNED, normalize_range(whom), until, "owner", 1)


@given(st.lists(st.tuples(RANGES, st.sampled_from([0, 5, 50]))), ADDRESSES, st.data())
def test_an_address_is_kept_out_by_exactly_the_ranges_that_hold_it(ranges, address, data):
    """Of both kinds of addresses and any length, also after some were taken back or are over."""
    held = {normalize_range(text): banned(text, until) for text, until in ranges}
    room = Rules(held.values())
    for gone in data.draw(st.sets(st.sampled_from(sorted(held)))) if held else ():
        assert room.remove(RuleKind.BANNED, gone)
        del held[gone]
    at = ipaddress.ip_address(address)
    expected = [
        rule
        for text, rule in held.items()
        if at in ipaddress.ip_network(text) and (not rule.until or rule.until > 10)
    ]
    found = room.find_ban("eve", address, now=10)
    assert (found in expected) if expected else found is None


def test_a_thousand_ranges_cost_a_look_for_each_length_of_prefix(monkeypatch):
    """Each request asks for bans, so a room with many of them is not to slow down the others."""
    room = Rules(banned(f"10.{at // 250}.{at % 250}.0/24") for at in range(990))
    looks = []
    holding = rules._if_in_force
    monkeypatch.setattr(rules, "_if_in_force", lambda *args: looks.append(args) or holding(*args))
    assert room.find_ban("eve", "192.0.2.1", now=10) is None
    assert room.find_ban("eve", "10.3.200.7", now=10).subject == "10.3.200.0/24"
    assert len(looks) <= 4


def test_who_is_of_no_network_is_kept_out_by_name_only():
    """A local socket has no address."""
    room = Rules([banned("10.0.0.0/8"), Rule(RuleKind.BANNED, "eve", 0, "owner", 1)])
    assert room.find_ban("eve", "", now=10).subject == "eve"
    assert room.find_ban("bob", "", now=10) is None
