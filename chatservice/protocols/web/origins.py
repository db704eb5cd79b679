"""The rule of whose pages may use this server: only its own.

A page of another server can make a browser send requests here. It is known by the header `Origin`,
or by `Sec-Fetch-Site`. With DNS rebinding, its own name points here: it is known by `Host`.
"""

import re
import socket
from collections.abc import Iterable

from twisted.internet.interfaces import ISSLTransport

from chatservice.protocols.web.exchange import Exchange
from chatservice.protocols.web.proxies import is_from_proxy

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
_ADDRESS = re.compile(r"\[.*\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""

Refused = tuple[int, str]
"""A status of HTTP and a sentence."""


class Origins:
    """Knows the names of this server: `names` of the operator's, the machine's own, and those that
    end with `.local`, which only the local network gives (RFC 6762, 3). An address is no name."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        own = socket.gethostname()
        known = {"localhost", own, own.partition(".")[0], *names}
        self._names = frozenset(it.lower().removesuffix(".") for it in known)

    def knows(self, host: str) -> bool:
        """Return whether the value of a `Host` header, a name or an address and maybe a port, is
        this server's."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower().removesuffix(".")
        return bool(_ADDRESS.fullmatch(name)) or name in self._names or name.endswith(".local")

    def refusal(self, exchange: Exchange, any_page: bool = False) -> Refused | None:
        """Return why a request is refused, or None. With `any_page`, pages of other servers may
        send it, too."""
        host, count = exchange.header("Host"), exchange.header_count("Host")
        if count > 1 or (not host and not exchange.is_old):
            return 400, "A request has one Host header (RFC 9112, 3.2)."
        if exchange.origin is not None:
            # A proxy before this server may have looked at either of the two.
            if count and exchange.origin.authority.lower() != host.lower():
                return (
                    400,
                    "The request line and Host name different servers; send one name.",
                )
            if exchange.origin.scheme != scheme(exchange):
                return 421, "This connection is not for that scheme; see RFC 9110, 7.4."
            host = exchange.origin.authority
        if host and not self.knows(host):
            return (
                403,
                "This server does not know that name; use its address, or tell the operator to "
                "start it with --host-name NAME.",
            )
        if any_page:
            return None
        origin = exchange.header("Origin")
        if origin and origin != f"{scheme(exchange)}://{host}":
            return 403, "A page of another server may not use this one."
        if exchange.header("Sec-Fetch-Site") in ("cross-site", "same-site"):
            follows_link = exchange.header("Sec-Fetch-Dest") == "document"
            if exchange.method not in _SAFE or not follows_link:
                return 403, "A page of another server may not use this one."
        return None


def scheme(exchange: Exchange) -> str:
    """Return the scheme that the browser used. A proxy in front may speak TLS with it: it says so,
    and is believed from the trusted addresses (`Limits.trusted`)."""
    if ISSLTransport.providedBy(exchange.channel.transport):
        return "https"
    told = exchange.header("X-Forwarded-Proto").lower() if is_from_proxy(exchange) else ""
    return told or "http"
