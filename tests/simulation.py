"""A server in one process whose disk, clock and network are controlled by a test."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.eventloop import ReactorLoop
from chatservice.limits import Limits
from chatservice.protocols.factory import ChatFactory

FULL = 300
"""Bytes beyond which a transport is full."""


class SimulatedDisk:
    """Replaces a thread of the store: a test decides when a job is done."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Any, tuple[Any, ...], Deferred[Any]]] = []
        self.fails = False

    def do(self, job: Any, *args: Any) -> "Deferred[Any]":
        """Take a job."""
        answer: Deferred[Any] = Deferred()
        self.jobs.append((job, args, answer))
        return answer

    def work(self) -> bool:
        """Do a job, or let it fail. Return False if there is none."""
        if not self.jobs:
            return False
        job, args, answer = self.jobs.pop(0)
        try:
            if self.fails:
                raise sqlite3.OperationalError("database or disk is full")
            result = job(*args)
        except Exception:
            answer.errback(Failure())
        else:
            answer.callback(result)
        return True


class SimulatedClient:
    """A connection's transport and the client at its other end, which reads or stalls."""

    TLS = False

    def __init__(self, protocol: Any, clock: Clock) -> None:
        self._clock = clock
        self.received = b""
        self.reads = True
        self.open = True
        self._protocol = protocol
        self._buffer = b""
        self._producer: Any = None
        self._paused = False
        self._waiting: list[bytes] | None = None  # bytes sent while the server does not read

    # -- what the server sees --------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Take bytes. Pause the producer when full."""
        if self.open:
            self._buffer += data
            self._move()
            if len(self._buffer) > FULL and self._producer is not None and not self._paused:
                self._paused = True
                self._producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Take several pieces."""
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Set the producer."""
        self._producer, self._paused = producer, False

    def unregisterProducer(self) -> None:
        """Unset the producer."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Deliver nothing to the server."""
        self._waiting = self._waiting or []

    def resumeProducing(self) -> None:
        """Deliver everything sent meanwhile."""
        waiting, self._waiting = self._waiting, None
        for data in waiting or ():
            self.send(data)

    def loseConnection(self) -> None:
        """Close in the next turn of the reactor, as real transports do."""
        self._clock.callLater(0, self.cut)

    abortConnection = loseConnection

    def getPeer(self) -> object:
        """Return no address."""
        return None

    getHost = getPeer

    # -- what the client does --------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if self._waiting is not None:
            self._waiting.append(data)
        elif self.open:
            self._protocol.dataReceived(data)

    def stall(self) -> None:
        """Stop reading."""
        self.reads = False

    def read_on(self) -> None:
        """Read on."""
        self.reads = True
        self._move()

    def _move(self) -> None:
        while self.reads and self._buffer:
            self.received += self._buffer
            self._buffer = b""
            if self._paused and self._producer is not None:
                self._paused = False
                self._producer.resumeProducing()

    def cut(self) -> None:
        """Break the connection for both sides."""
        if self.open:
            self.open = False
            if self._producer is not None:
                self._producer.stopProducing()
            self._protocol.connectionLost(Failure(ConnectionLost()))

    def lines(self) -> list[str]:
        """Return the complete lines received."""
        return self.received.decode().split("\n")[:-1]

    def events(self) -> list[dict[str, Any]]:
        """Return them as JSON objects."""
        return [json.loads(line) for line in self.lines()]


class NoFiles:
    """A file store without files."""

    def forget(self, shelf: str) -> None:
        """Do nothing: a guest has no files here."""


class SimulatedServer:
    """The server on a database at `path`."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.clock = Clock()
        limits = limits or Limits()
        self.store = LogStore(self.clock, path, limits=limits)
        self.factory = ChatFactory(self.clock, limits=limits)
        engine: Any = SimpleNamespace(
            logs=self.store,
            rooms=self.store.rooms,
            accounts=self.store.accounts,
            claims=self.store.accounts.claims,
            hasher=None,
            authenticator=None,
            files=NoFiles(),
            follow=self.store.follow,
        )
        self.chat = Chat(
            engine,
            self.clock.seconds,
            ReactorLoop(self.clock),
            lambda *_, **__: None,
            limits=limits,
        )
        self.factory.chat = self.chat
        opening = Deferred.fromCoroutine(self.chat.open(["lab"]))
        assert opening.called
        self.disk = self.store._thread = SimulatedDisk()
        self.past = self.store._reading = SimulatedDisk()
        self.networks: list[SimulatedClient] = []

    def connect(self) -> SimulatedClient:
        """Connect a client."""
        protocol = self.factory.buildProtocol(None)
        network = SimulatedClient(protocol, self.clock)
        protocol.makeConnection(network)
        self.networks.append(network)
        return network

    def turn(self, seconds: float = 0.0) -> None:
        """Advance the clock."""
        self.clock.advance(seconds)

    def settle(self) -> None:
        """Run until nothing is left to do."""
        for _ in range(10_000):
            self.turn(0.2)
            if not (self.disk.work() or self.past.work()):
                break
        else:
            raise AssertionError("it does not come to rest")

    def kill(self) -> None:
        """Kill the server: only committed data stay."""
        for network in self.networks:
            network.open = False
        self.store._indexer.stop()
        self.store._searcher.close()
        self.store._reader.close()
        self.store._db.close()
