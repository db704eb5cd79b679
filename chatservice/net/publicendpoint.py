"""Connections to hosts that a user has named: to public addresses only, and with little to read."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer

_UNICAST = ip_network("2000::/3")
"""The IPv6 addresses of the internet (RFC 4291, 2.4)."""

_TRANSLATED = ip_network("2002::/16"), ip_network("2001::/32")
"""Those of them that stand for an IPv4 address (RFC 3056, 4380)."""


def is_public(host: str) -> bool:
    """Return whether an address is one of the internet, and not of this machine or of a network
    around it. One that stands for an IPv4 address in IPv6 counts as none."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        outside = any(address in it for it in _TRANSLATED)
        return address.is_global and address in _UNICAST and not outside
    return address.is_global and not address.is_multicast


class NotPublic(Exception):
    """A host has no public address."""


@implementer(IStreamClientEndpoint)
class CheckedEndpoint:
    """Connects to a host by one of its public addresses; to any of its addresses if it is
    `trusted`. The very address that was looked at is connected to: a name that is asked for again
    may have another one (DNS rebinding)."""

    def __init__(self, reactor: Any, host: str, port: int, trusted: bool) -> None:
        self._reactor, self._host, self._port, self._trusted = reactor, host, port, trusted

    def connect(self, factory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Connect. Fails with `NotPublic` for a host that has no public address."""
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        receiver = _Receiver()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, self._port)
        there = await receiver.complete
        found = [it for it in there if self._trusted or is_public(it.host)]
        if there and not found:
            raise NotPublic("it has no public address")
        connecting = HostnameEndpoint(_Resolved(self._reactor, found), self._host, self._port)
        return await connecting.connect(factory)


@implementer(IResolutionReceiver)
class _Receiver:
    """Gathers the addresses of a host."""

    def __init__(self) -> None:
        self._found: list[Any] = []
        self.complete: Deferred[list[Any]] = Deferred()

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        """Do nothing."""

    def addressResolved(self, address: Any) -> None:
        """Take an address."""
        self._found.append(address)

    def resolutionComplete(self) -> None:
        """Answer."""
        if not self.complete.called:  # else nobody waits any more
            self.complete.callback(self._found)


@implementer(IHostnameResolver, IHostResolution, IReactorPluggableNameResolver)
class _Resolved:
    """A `reactor` in which each name has these addresses."""

    def __init__(self, reactor: Any, addresses: Sequence[Any]) -> None:
        self.connectTCP, self.callLater = reactor.connectTCP, reactor.callLater
        self.seconds = reactor.seconds
        self.nameResolver = self
        self.name = ""
        self._addresses = addresses

    def installNameResolver(self, resolver: Any) -> Any:
        """Return the only resolver."""
        return self

    def cancel(self) -> None:
        """Do nothing: the answer has come."""

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> "_Resolved":
        """Tell the addresses."""
        resolutionReceiver.resolutionBegan(self)
        for it in self._addresses:
            resolutionReceiver.addressResolved(it)
        resolutionReceiver.resolutionComplete()
        return self


class _Bounded(ProtocolWrapper):
    """A connection that ends when more comes than may."""

    came = 0

    def dataReceived(self, data: bytes) -> None:
        self.came += len(data)
        if self.came > self.factory.most:
            self.abortConnection()
        else:
            super().dataReceived(data)


class _BoundedFactory(WrappingFactory):
    """Makes such connections."""

    protocol = _Bounded
    noisy = False

    def __init__(self, wrapped: Any, most: int) -> None:
        super().__init__(wrapped)
        wrapped.noisy = False  # the log of an operator is not for each connection
        self.most = most


@implementer(IStreamClientEndpoint)
class BoundedEndpoint:
    """Connects as `inner` does, and ends the connection when more than `most` bytes come."""

    def __init__(self, inner: Any, most: int) -> None:
        self._inner, self._most = inner, most

    def connect(self, factory: Any) -> "Deferred[IProtocol]":
        """Connect."""
        connecting: Deferred[Any] = self._inner.connect(_BoundedFactory(factory, self._most))
        return connecting.addCallback(lambda it: it.wrappedProtocol)
