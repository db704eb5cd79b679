"""Headers in which proxies tell users' addresses."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.grammar.forwarded import of_forwarded, of_x_forwarded_for

ADDRESSES = st.lists(st.ip_addresses().map(str), max_size=5)
CLIENTS = st.text(st.characters(max_codepoint=255), max_size=40)


def bracketed(address):
    """Return an address as Forwarded has it, with a port."""
    return f'"[{address}]:4711"' if ":" in address else address


@given(CLIENTS, ADDRESSES)
def test_what_proxies_add_is_read_from_the_end_on(theirs, addresses):
    """A client may send anything before it."""
    plain = ", ".join([theirs, *addresses])
    standard = ", ".join([theirs, *(f"For={bracketed(it)};proto=https" for it in addresses)])
    for found in (of_x_forwarded_for(plain), of_forwarded(standard)):
        assert list(found)[: len(addresses)] == addresses[::-1]


@given(CLIENTS)
def test_nothing_but_addresses_is_read(text):
    """Of any text."""
    for found in chain(of_x_forwarded_for(text), of_forwarded(text)):
        assert set(found) <= set("0123456789abcdef.:")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("192.0.2.1, [2001:DB8::1]:99,192.0.2.3:80", ["192.0.2.3", "2001:db8::1", "192.0.2.1"]),
        ("192.0.2.1, unknown, ::1", ["::1"]),
        ("192.0.2.1, ", []),
        ("192.0.2.1, 300.0.0.1", []),
        ("fe80::1%eth0", []),
    ],
)
def test_forms_of_x_forwarded_for(value, found):
    """Ports are left out; reading ends at what is no address."""
    assert list(of_x_forwarded_for(value)) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('for=192.0.2.43, for="[2001:db8:cafe::17]"', ["2001:db8:cafe::17", "192.0.2.43"]),
        ("For=192.0.2.60;proto=http; by=203.0.113.43", ["192.0.2.60"]),
        ("for=192.0.2.1, for=_hidden", []),
        ("for=192.0.2.1;for=192.0.2.2", []),
        ("proto=https", []),
        ('for=192.0.2.9;host="a, for=192.0.2.1"', []),
        ('for=192.0.2.9;host="a, for=192.0.2.1;x="', []),
        ('for=192.0.2.9;host="a, for=192.0.2.1;x=";proto=https', []),
    ],
)
def test_forms_of_forwarded(value, found):
    """Quoted values cannot add an address; reading ends at an element without one."""
    assert list(of_forwarded(value)) == found
