"""A server in one process whose disk, clock and network are controlled by a test."""

import json
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.eventloop import ReactorLoop
from chatservice.limits import Limits
from chatservice.protocols.factory import ChatFactory
from chatservice.testing import StallingTransport

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


class SimulatedClient(StallingTransport):
    """A client of the server, which reads or stalls. A connection that the server ends does not
    linger: the client loses what it has not read."""

    loseConnection = StallingTransport.abortConnection

    def events(self) -> list[dict[str, Any]]:
        """Return the lines that were read as JSON objects."""
        return [json.loads(line) for line in self.lines()]


class NoFiles:
    """A file store without files."""

    def forget(self, folder: str) -> None:
        """Do nothing: a guest has no files here."""


class SimulatedServer:
    """The server on a database at `path`."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.clock = Clock()
        limits = limits or Limits()
        self.store = LogStore(self.clock, path, limits=limits)
        self.factory = ChatFactory(self.clock, limits=limits)
        engine: Any = SimpleNamespace(
            others=None,
            logs=self.store,
            rooms=self.store.rooms,
            accounts=self.store.accounts,
            members=self.store.members,
            pushes=self.store.pushes,
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
        network = SimulatedClient(self.factory.buildProtocol(None), self.clock, FULL)
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
