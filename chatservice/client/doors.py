"""Ways to a server: a plain connection."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.protocol import Factory

from chatservice.client.connection import Lost

P = TypeVar("P")


class Door(Protocol):
    """A way to a server."""

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect a protocol that `make` makes, and return it. Raises `Lost`, and `Refusal` where
        it must not be."""


class Open:
    """Plain connections to `host` and `port`."""

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self._endpoint = HostnameEndpoint(reactor, host, port)

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect a protocol that `make` makes, and return it. Raises `Lost`."""
        return await reached(self._endpoint, make)


async def reached(endpoint: Any, make: Callable[[], P]) -> P:
    """Connect a protocol to an endpoint, and return it. Raises `Lost`."""
    try:
        return await endpoint.connect(_Making(make))  # type: ignore[no-any-return]
    except (ConnectError, OSError, ValueError) as error:
        raise Lost(_reason(error)) from None


def unreachable(host: str, port: int, why: Lost) -> Lost:
    """Return what tells a person that a server cannot be reached."""
    return Lost(f"{host}:{port} cannot be reached ({why}); check the host and the port.")


class _Making(Factory):
    noisy = False

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def buildProtocol(self, addr: Any) -> Any:
        return self._make()


def _reason(error: Exception) -> str:
    """Return why an address cannot be reached, in a few words."""
    if isinstance(error, (DNSLookupError, ValueError)):
        return "no such host"
    inner = getattr(error, "osError", None)
    words = getattr(inner, "strerror", None) or type(error).__doc__ or "it does not answer"
    return str(words).strip().rstrip(".")
