"""For tests of bots and clients: a chat server in memory, and a transport that stalls.

docs/bots.md shows how to use them.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakSet

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.engines.memory import MemoryEngine
from chatservice.eventloop import ReactorLoop
from chatservice.limits import Limits
from chatservice.net.admission import AdmissionFactory
from chatservice.net.outlet import prepare_port
from chatservice.protocols.factory import ChatFactory

FAREWELL_SECONDS = 1.0
"""The time in which clients may read why `MemoryServer.stop` ends their connections."""


class StallingTransport:
    """A connection in memory, from a Twisted `protocol` to a peer that the test plays.

    The peer sends with `send`, and has read the bytes in `received`. Between `stall` and `read_on`
    it reads nothing: once more than `full` bytes wait, the protocol's producer is paused. `clock`
    is a reactor, or a `twisted.internet.task.Clock`. `open` tells if the connection is.
    """

    TLS = False

    def __init__(self, protocol: Any, clock: Any, full: int = 1 << 16) -> None:
        self.received = b""
        self.open = True
        self._protocol, self._clock, self._full = protocol, clock, full
        self._stalled = self._paused = self._closing = False
        self._unread = b""
        self._producer: Any = None
        self._streaming, self._pulling = True, False
        self._not_taken: list[bytes | None] | None = None  # sent while the protocol reads nothing
        protocol.makeConnection(self)

    # -- the protocol's side ---------------------------------------------------------------------

    @property
    def disconnecting(self) -> bool:
        """True once the protocol has ended the connection."""
        return self._closing

    def write(self, data: bytes) -> None:
        """Write bytes."""
        if not self.open:
            return
        self._unread += data
        self._read()
        too_much = len(self._unread) > self._full and self._producer is not None
        if too_much and self._streaming and not self._paused:
            self._paused = True
            self._producer.pauseProducing()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write bytes together."""
        self.write(b"".join(iovec))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume a producer; or ask it for more, whenever all is read."""
        self._producer, self._streaming, self._paused = producer, streaming, False
        self._pull_later()

    def _pull_later(self) -> None:
        if not (self._streaming or self._pulling or self._producer is None):
            self._pulling = True
            self._clock.callLater(0, self._pull)

    def _pull(self) -> None:
        self._pulling = False
        if self.open and not (self._streaming or self._unread or self._producer is None):
            self._producer.resumeProducing()
            self._pull_later()

    def unregisterProducer(self) -> None:
        """Leave the producer alone."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Keep what the peer sends."""
        self._not_taken = self._not_taken or []

    def resumeProducing(self) -> None:
        """Hand over what the peer sends, and what it has sent meanwhile."""
        kept, self._not_taken = self._not_taken, None
        for data in kept or ():
            self._send(data)

    def loseConnection(self) -> None:
        """End the connection when the peer has read everything."""
        self._closing = True
        self._read()

    def abortConnection(self) -> None:
        """End the connection in the next turn of the clock."""
        self._clock.callLater(0, self.cut)

    def loseWriteConnection(self) -> None:
        """End this direction."""
        self._clock.callLater(0, self._half_closed)

    def _half_closed(self) -> None:
        if self.open:
            self._protocol.writeConnectionLost()

    def getPeer(self) -> UNIXAddress:
        """Return an address on this machine."""
        return UNIXAddress(None)

    getHost = getPeer

    # -- the peer's side -------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._send(data)

    def end(self) -> None:
        """Send no more; the protocol is told, and may still write."""
        self._send(None)

    def _send(self, data: bytes | None) -> None:
        if self._not_taken is not None:
            self._not_taken.append(data)
        elif self.open and data is None:
            self._protocol.readConnectionLost()
        elif self.open:
            self._protocol.dataReceived(data)

    def stall(self) -> None:
        """Read nothing more."""
        self._stalled = True

    def read_on(self) -> None:
        """Read everything that waits, and all that comes."""
        self._stalled = False
        self._read()
        self._pull_later()

    def _read(self) -> None:
        while self._unread and not self._stalled:
            self.received += self._unread
            self._unread = b""
            if self._paused and self._producer is not None:
                self._paused = False
                self._producer.resumeProducing()
        if self._closing and not self._unread:
            self.abortConnection()

    def cut(self) -> None:
        """Break the connection; the protocol is told."""
        if self.open:
            self.open = False
            if self._producer is not None:
                self._producer.stopProducing()
            self._protocol.connectionLost(Failure(ConnectionLost()))

    def lines(self) -> list[str]:
        """Return the whole lines that the peer has read."""
        return self.received.decode().split("\n")[:-1]


class _Timers:
    """A `reactor` whose pending calls can be cancelled: a framework for tests may want it clean."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._calls: WeakSet[Any] = WeakSet()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def callLater(self, *call: Any, **args: Any) -> Any:
        """Call a function after some seconds."""
        pending = self._reactor.callLater(*call, **args)
        self._calls.add(pending)
        return pending

    def cancel(self) -> None:
        """Cancel all calls that are pending."""
        for call in self._calls:
            if call.active():
                call.cancel()


class MemoryServer:
    """A chat server that keeps everything in memory, with the rooms lobby and `rooms`.

    `reactor` may be a `twisted.internet.task.Clock`: then only `connect` connects to it, and time
    passes as the test says. `seconds` tells the time since 1970. `chat` is its
    `chatservice.domain.chat.Chat`, and `engine` its storage, which refuses every change while
    `engine.failing` is true. Passwords are hashed fast, and so not safely.

    Raises `Refusal` for the name of a room that cannot be one.
    """

    def __init__(
        self,
        reactor: Any,
        rooms: Iterable[str] = (),
        *,
        seconds: Callable[[], float] = time.time,
        limits: Limits | None = None,
    ) -> None:
        limits, self._timers = limits or Limits(), _Timers(reactor)
        self.engine = MemoryEngine(limits)
        self.factory = ChatFactory(self._timers, limits=limits)
        self.chat = self.factory.chat = Chat(
            self.engine,
            clock=seconds,
            loop=ReactorLoop(self._timers),
            report=lambda *_, **__: None,
            seconds=reactor.seconds,
            limits=limits,
        )
        self.chat.overview.connections = self.factory
        self._entrance = AdmissionFactory(self.factory)
        self._port: Any = None
        opened: list[Any] = []
        Deferred.fromCoroutine(self.chat.open(rooms)).addBoth(opened.append)
        if isinstance(opened[0], Failure):
            opened[0].raiseException()

    def listen(self, port: int = 0) -> int:
        """Accept connections on a port of 127.0.0.1, or on a free one. Return its number."""
        listening = self._timers.listenTCP(port, self._entrance, interface="127.0.0.1")
        self._port = prepare_port(listening, self.factory.limits)
        return int(self._port.getHost().port)

    def connect(self, full: int = 1 << 16) -> StallingTransport:
        """Return a connection without a socket, whose client the test plays."""
        protocol = self._entrance.buildProtocol(UNIXAddress(None))
        return StallingTransport(protocol, self._timers, full)

    async def stop(self) -> None:
        """Accept nothing more, end all connections, and wait until they have ended."""
        if self._port is not None:
            await self._port.stopListening()
        await self.chat.publisher.settled()
        self.factory.farewell("The server is stopping; come back later.")
        await self.factory.when_empty(FAREWELL_SECONDS)
        await self.chat.reading.save()
        await self.engine.stop()
        self._timers.cancel()
