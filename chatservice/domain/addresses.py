"""IP addresses: their normal form, ranges of them, and the keys under which limits count them."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from chatservice import names

Network = IPv4Network | IPv6Network

_NETWORK = re.compile(r"([0-9A-Fa-f.:]{2,45})(%[\w.-]{1,32})?(/[0-9.]{1,15})?", re.ASCII)


@lru_cache(4096)
def normalize(host: str) -> str:
    """Return an address to show and compare: IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2) as
    IPv4, without a zone (RFC 4007, 11). A proxy may send anything else; it is made safe to show."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return names.one_line(host[:_SHOWN])
    return str(getattr(address, "ipv4_mapped", None) or address)


_SHOWN = 64
"""Characters shown of a text that is no address."""


@lru_cache(4096)
def parse_network(text: str) -> Network | None:
    """Return the range of addresses in a text (RFC 4632, RFC 4291), or None. A single address is a
    range, too. IPv4-mapped ranges become IPv4; a zone is left out."""
    match = _NETWORK.fullmatch(text)
    if match is None:
        return None
    try:
        found = ip_network(match[1] + (match[3] or ""), strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED_BITS:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), found.prefixlen - _MAPPED_BITS))
    return found


_MAPPED_BITS = 96
"""The bits before the IPv4 address in a mapped IPv6 address."""


def is_within(host: str, networks: Iterable[str]) -> bool:
    """Return whether a host's address is in one of the ranges of addresses in `networks`."""
    return _is_within(host, tuple(networks))


@lru_cache(4096)
def _is_within(host: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(normalize(host))
    except ValueError:
        return False
    return any(address in range_ for range_ in map(parse_network, networks) if range_ is not None)


def limit_key(host: str, trusted: tuple[str, ...]) -> str:
    """Return the key under which limits count an address: an IPv6 address by its /64, a household.
    Empty for addresses without limits (`trusted`)."""
    return _limit_key(host, trusted) if host else ""


@lru_cache(4096)
def _limit_key(host: str, trusted: tuple[str, ...]) -> str:
    shown = normalize(host)
    if is_within(shown, trusted):
        return ""
    try:
        address = ip_address(shown)
    except ValueError:
        return shown
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return shown
