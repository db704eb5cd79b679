"""Under which address a host is counted."""

import pytest

from chatservice.domain.addresses import limit_key, normalize, parse_network
from chatservice.limits import Limits


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", ""),
        ("127.0.0.1", ""),
        ("127.9.9.9", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("what a proxy says", "what a proxy says"),
        ("\x1b[2J", "\ufffd[2J"),
    ],
)
def test_one_a_household_and_none_for_this_machine(host, address):
    """IPv4 counts as it is, also within IPv6; of IPv6 the half that one customer has."""
    assert limit_key(host, Limits().trusted) == address


def test_others_can_be_trusted():
    """Or nobody, not even this machine."""
    trusted = ("192.0.2.0/24", "2001:db8::1")
    assert limit_key("192.0.2.7", trusted) == limit_key("2001:db8::1", trusted) == ""
    assert limit_key("127.0.0.1", trusted) == "127.0.0.1"
    assert limit_key("2001:db8::2", trusted) == "2001:db8::/64"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.1.2.3/16", "10.1.0.0/16"),
        ("::ffff:1.2.3.4", "1.2.3.4/32"),
        ("::FFFF:102:300/120", "1.2.3.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("fe80::1%eth0/64", "fe80::/64"),
        ("fe80::%\x1b[2J/64", "None"),
        ("10.1.2.3/33", "None"),
        ("10", "None"),
        ("\u0661.\u0662.3.4", "None"),
    ],
)
def test_ranges(written, meant):
    """One address is a range of its own; what is mapped into IPv6 is IPv4."""
    assert str(parse_network(written)) == meant


def test_an_address_is_shown_in_one_way():
    """As IPv4 where it is that, without a zone, and never with what could steer a terminal."""
    assert normalize("::ffff:1.2.3.4") == normalize("::FFFF:102:304%eth0") == "1.2.3.4"
    assert normalize("fe80::1%eth0") == "fe80::1"
    assert normalize("\x1b[2J\nforged") == "\ufffd[2J forged"
    assert len(normalize("x" * 1000)) <= 64
