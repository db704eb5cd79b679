"""The server in memory and the stalling transport, which authors of bots use in their tests."""

import json

import pytest
import pytest_twisted
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from chatservice.errors import Refusal
from chatservice.testing import MemoryServer, StallingTransport
from tests.servers import RawClient


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return Clock()


def ask(client, **request):
    """Send a request."""
    client.send(json.dumps(request).encode() + b"\n")


def events(client):
    """Return what came, as objects."""
    return [json.loads(line) for line in client.lines()]


def entered(server, clock, name, **how):
    """Return a client in the lab."""
    client = server.connect(**how)
    ask(client, do="hello", name=name)
    ask(client, do="join", room="lab")
    clock.advance(1)
    assert [it["event"] for it in events(client)] == ["ok", "ok"]
    client.received = b""
    return client


def test_two_clients_without_sockets(clock):
    """One hears what the other says, and how the connection of the other ends."""
    server = MemoryServer(clock, rooms=["lab"])
    anna, bob = entered(server, clock, "anna"), entered(server, clock, "bob")
    ask(bob, do="say", room="lab", text="hello")
    clock.advance(1)
    bob.cut()
    clock.advance(1)
    assert [it["event"] for it in events(anna)] == ["joined", "message", "left"]
    assert not bob.open


def test_a_client_that_stalls(clock):
    """The server keeps little for it, and gives it everything once it reads on."""
    server = MemoryServer(clock, rooms=["lab"])
    slow, bob = entered(server, clock, "slow", full=1000), entered(server, clock, "bob")
    slow.stall()
    before = slow.received
    for at in range(100):
        ask(bob, do="say", room="lab", text=f"{at} " + "x" * 5000)
        clock.advance(1)
    assert slow.received == before
    assert len(slow._unread) < 200_000
    slow.read_on()
    clock.advance(1)
    texts = [it["text"].split()[0] for it in events(slow) if it["event"] == "message"]
    assert texts == [str(at) for at in range(100)]


def test_a_disk_that_is_full(clock):
    """Messages are refused while the engine fails."""
    server = MemoryServer(clock, rooms=["lab"])
    bob = entered(server, clock, "bob")
    server.engine.failing = True
    ask(bob, do="say", room="lab", text="hello")
    clock.advance(1)
    assert events(bob)[-1]["code"] == "not-stored"


def test_a_room_that_cannot_be(clock):
    """The server does not start with it."""
    with pytest.raises(Refusal):
        MemoryServer(clock, rooms=["a b"])


@pytest_twisted.ensureDeferred
async def test_it_stops_on_a_clean_reactor():
    """Clients are told, the port is closed, and no call is left."""
    from twisted.internet import reactor

    before = set(reactor.getDelayedCalls())
    server = MemoryServer(reactor)
    port = server.listen()
    client = server.connect()
    ask(client, do="hello", name="bob")
    await server.stop()
    assert events(client)[-1]["end"] == "stopping"
    assert not client.open
    assert set(reactor.getDelayedCalls()) <= before
    with pytest.raises(ConnectionRefusedError):
        RawClient(port)


class Downloading(Protocol):
    """A protocol that reads nothing, and writes more whenever it may."""

    paused = False

    def connectionMade(self):
        """Write from the first moment on."""
        self.lost = False
        self.transport.registerProducer(self, True)

    def pauseProducing(self):
        """Write nothing more."""
        self.paused = True

    def resumeProducing(self):
        """Write on."""
        self.paused = False

    stopProducing = pauseProducing

    def connectionLost(self, reason):
        """Note it."""
        self.lost = True


def test_a_transport_for_other_protocols(clock):
    """The producer is paused when too much waits. The end comes behind what was written."""
    protocol = Downloading()
    peer = StallingTransport(protocol, clock, full=10)
    peer.stall()
    protocol.transport.write(b"0123456789")
    assert not protocol.paused
    protocol.transport.write(b"!")
    assert protocol.paused
    protocol.transport.loseConnection()
    clock.advance(1)
    assert not protocol.lost
    peer.read_on()
    assert peer.received == b"0123456789!"
    clock.advance(1)
    assert protocol.lost
