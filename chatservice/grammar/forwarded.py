"""Headers in which proxies tell whose request they pass on: X-Forwarded-For, and Forwarded (RFC
7239). Each proxy adds the address that the request came from at the end.

They are read from the end on, because clients can send such headers, too: what stands before the
first address that cannot be read says nothing.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import takewhile

_NODE = re.compile(
    r"\[(?P<v6>[0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?"
    r"|(?P<v4>[0-9.]{7,15})(?::[0-9]{1,5})?"
    r"|(?P<bare>[0-9A-Fa-f:.]{2,45})"
)
"""An address, maybe with a port."""

_PAIR = re.compile(r'[ \t]*([A-Za-z]{1,20})=(?:([^\s";,=]+)|"([^"\\]*)")[ \t]*')
"""A parameter. Its value holds no comma and no semicolon here, though a quoted one might: a client
could write an address of its choice within its quotes."""


def of_x_forwarded_for(value: str) -> Iterator[str]:
    """Yield the addresses in an X-Forwarded-For, the last one first."""
    return takewhile(bool, map(_address, reversed(value.split(","))))


def of_forwarded(value: str) -> Iterator[str]:
    """Yield the addresses in a Forwarded, the last one first."""
    return takewhile(bool, map(_for, reversed(value.split(","))))


def _address(node: str) -> str:
    """Return the address of a node, or "" if it tells none."""
    found = _NODE.fullmatch(node.strip(" \t"))
    try:
        return str(ip_address(found[found.lastgroup or 0])) if found else ""
    except ValueError:
        return ""


def _for(element: str) -> str:
    """Return the address in the parameter "for" of an element, or ""."""
    pairs = [_PAIR.fullmatch(it) for it in element.split(";")]
    nodes = [it[2] or it[3] or "" for it in pairs if it and it[1].lower() == "for"]
    return _address(nodes[0]) if len(nodes) == 1 and all(pairs) else ""
