"""Connections to one of several servers that are one chat: nodes of a cluster.

A command line names them in the place of one host: `HOST:PORT,HOST:PORT`. A client goes on at the
next one where the one that it was connected to cannot be reached.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from chatservice.client.connectors import CONNECT_SECONDS, Connector
from chatservice.client.jsonconnection import Lost

P = TypeVar("P")

SERVER_SECONDS = 5.0
"""The longest time for a connection to one of several servers: the next one is tried then."""

_WITH_PORT = re.compile(r"(\[[^\]]+\]|[^:\[\]]+):([0-9]{1,5})")


class Connects(Protocol):
    """A way to a server."""

    async def connect(self, make: Callable[[], P]) -> P:
        """Return a protocol that `make` makes, connected. Raises `Lost` and `UntrustedServer`."""


def servers_of(host: str, port: int) -> Sequence[tuple[str, int]]:
    """Return the servers that a host names, which may be several, each with its port or else with
    `port`."""
    found = []
    for each in host.split(","):
        match = _WITH_PORT.fullmatch(each.strip())
        found.append((match[1].strip("[]"), int(match[2])) if match else (each.strip(), port))
    return found


def names_ports(host: str) -> bool:
    """Return whether each server that a host names has its port."""
    return all(_WITH_PORT.fullmatch(each.strip()) for each in host.split(","))


def connector_to(
    reactor: Any,
    host: str,
    port: int,
    tls: bool,
    trust: str | None,
    folder: Path,
    tell: Callable[[str], None],
) -> Connects:
    """Return the way to the server at `host` and `port`, or to several (`servers_of`). The other
    arguments are those of `Connector`."""
    servers = servers_of(host, port)
    seconds = SERVER_SECONDS if len(servers) > 1 else CONNECT_SECONDS
    connectors = [
        Connector(reactor, *server, tls, trust, folder, tell, seconds) for server in servers
    ]
    return connectors[0] if len(connectors) == 1 else SeveralServers(connectors)


class SeveralServers:
    """Connections to the first server that can be reached, from the one that could be reached last
    on. A server whose certificate is wrong ends the search: it is no fault of the network."""

    def __init__(self, connectors: Sequence[Connects]) -> None:
        self._connectors = deque(connectors)

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect. Raises `Lost`, with what each server did, and `UntrustedServer`."""
        reasons = []
        for _ in range(len(self._connectors)):
            try:
                return await self._connectors[0].connect(make)
            except Lost as lost:
                reasons.append(str(lost))
                self._connectors.rotate(-1)
        raise Lost(" ".join(reasons))
