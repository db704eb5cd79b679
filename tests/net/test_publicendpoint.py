"""Connections to hosts that a user has named: the addresses that they may have."""

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock

from chatservice.net.publicendpoint import BoundedEndpoint, CheckedEndpoint, NotPublic, is_public

PUBLIC = ["8.8.8.8", "192.0.0.9", "2001:4860:4860::8888", "2a00:1450:4001::1"]
OTHERS = [
    *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:8.8.8.8", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("64:ff9b:1::7f00:1", "2001:0:808:808::7f00:1"),
]


@pytest.mark.parametrize("address", [*PUBLIC, *OTHERS])
def test_addresses(address):
    """Those of this machine, of networks around it, and those in IPv6 that a network translates,
    are not public (RFC 6890 has the ranges)."""
    assert is_public(address) is (address in PUBLIC)


class Accepting(Factory):
    """Counts the connections to a port, and sends some bytes on each."""

    def __init__(self, sends=b""):
        self.count, self._sends = 0, sends

    def buildProtocol(self, addr):
        """Count a connection."""
        self.count += 1
        made = Protocol()
        made.connectionMade = lambda: made.transport.write(self._sends)
        return made


class Reading(Protocol):
    """Tells how many bytes have come when its connection ends."""

    def __init__(self):
        self.came, self.ended = 0, Deferred()

    def dataReceived(self, data):
        """Count bytes."""
        self.came += len(data)

    def connectionLost(self, reason):
        """Tell their number."""
        self.ended.callback(self.came)


async def listening(factory):
    """Return a port of this machine, on which a factory listens."""
    return await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)


@pytest_twisted.ensureDeferred
async def test_a_name_of_this_machine():
    """Nothing connects to it, unless it is trusted."""
    port = await listening(factory := Accepting())
    to = reactor, "localhost", port.getHost().port
    with pytest.raises(NotPublic):
        await CheckedEndpoint(*to, trusted=False).connect(Factory.forProtocol(Protocol))
    assert factory.count == 0
    there = await CheckedEndpoint(*to, trusted=True).connect(Factory.forProtocol(Reading))
    there.transport.loseConnection()
    await there.ended
    await port.stopListening()


class Rebinding(MemoryReactorClock):
    """A reactor in which a name is public when it is asked for first, and then this machine's."""

    def __init__(self):
        super().__init__()
        self.nameResolver = self
        self.answers = ["127.0.0.1", "8.8.8.8"]

    def resolveHostName(self, receiver, name, port=0, *rest):
        """Tell the next answer."""
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", self.answers.pop(), port))
        receiver.resolutionComplete()


def test_a_name_is_asked_for_once():
    """The very address that was looked at is connected to (DNS rebinding)."""
    rebinding, failed = Rebinding(), []
    endpoint = CheckedEndpoint(rebinding, "push.example", 443, trusted=False)
    endpoint.connect(Factory.forProtocol(Protocol)).addErrback(failed.append)
    assert [it[:2] for it in rebinding.tcpClients] == [("8.8.8.8", 443)]
    rebinding.connectors[0].stopConnecting()
    rebinding.advance(60)
    assert rebinding.answers == ["127.0.0.1"]


@pytest_twisted.ensureDeferred
async def test_no_more_is_read_than_may_be():
    """A peer that goes on and on is cut off."""
    port = await listening(Accepting(bytes(1 << 20)))
    inner = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    reading = await BoundedEndpoint(inner, 1000).connect(Factory.forProtocol(Reading))
    assert await reading.ended <= 1000
    await port.stopListening()
    with pytest.raises(ConnectError):
        await BoundedEndpoint(inner, 1000).connect(Factory.forProtocol(Reading))
