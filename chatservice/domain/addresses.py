"""Addresses, as bounds are kept: one a household, and none for this machine's own."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from chatservice import limits


def counted(host: str) -> str:
    """Return under which address a host is counted; empty if it is not (`limits.TRUSTED`)."""
    return _counted(host, limits.TRUSTED) if host else ""


@lru_cache(4096)
def _counted(host: str, trusted: tuple[str, ...]) -> str:
    try:
        address = ip_address(host.partition("%")[0])  # without the zone (RFC 4007, 11)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if any(address in network for network in _networks(trusted)):
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


@lru_cache(8)
def _networks(trusted: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, trusted))
