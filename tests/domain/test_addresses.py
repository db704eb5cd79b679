"""Under which address a host is counted."""

import pytest

from chatservice import limits
from chatservice.domain.addresses import counted


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
    ],
)
def test_one_a_household_and_none_for_this_machine(host, address):
    """IPv4 counts as it is, also within IPv6; of IPv6 the half that one customer has."""
    assert counted(host) == address


def test_others_can_be_trusted(monkeypatch):
    """Or nobody, not even this machine."""
    monkeypatch.setattr(limits, "TRUSTED", ("192.0.2.0/24", "2001:db8::1"))
    assert counted("192.0.2.7") == counted("2001:db8::1") == ""
    assert counted("127.0.0.1") == "127.0.0.1"
    assert counted("2001:db8::2") == "2001:db8::/64"
