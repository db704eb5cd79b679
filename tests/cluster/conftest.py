"""A real nats-server, and engines that are nodes of a cluster with a log on it."""

from contextlib import asynccontextmanager
from itertools import count

import pytest
from twisted.internet import reactor

from chatservice.engines.jetstream.clusterengine import JetStreamEngine
from chatservice.engines.jetstream.logaddress import LogAddress
from tests.cluster.natsservers import NatsServer
from tests.contract.conftest import _started, engine, notes  # noqa: F401 - fixtures

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory):
    """Return a running nats-server, of all tests that do not harm it."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    yield server
    server.kill()


@pytest.fixture
def own_server(tmp_path):
    """Return a nats-server that a test may kill."""
    server = NatsServer(tmp_path)
    yield server
    server.kill()


def make_engine(server, stream, path):
    """Return the engine of a node."""
    address = LogAddress.parse(server.url(stream))
    return JetStreamEngine(reactor, address, path / "data", path / "files")


class JetStreamCase:
    """The engine of a node, and ways to make its log refuse and to open it again."""

    def __init__(self, path, server):
        self._path = path
        self._server = server
        self.stream = f"T{next(_NUMBERS)}"
        self.engine = make_engine(server, self.stream, path)

    async def reopen(self):
        """Stop the engine, and return another one that has started on the same data."""
        await self.engine.stop()
        self.engine = make_engine(self._server, self.stream, self._path)
        await self.engine.start()
        return self.engine

    @asynccontextmanager
    async def failing(self):
        """Let the log be full meanwhile, so that it refuses all messages."""
        await self._limit(lambda state: state.messages)
        yield
        await self._limit(lambda state: -1)

    def _limit(self, most):
        link = self.engine._link

        async def change():
            info = await link._js.stream_info(self.stream)
            info.config.max_msgs = most(info.state)
            await link._js.update_stream(info.config)

        return link.do(change())


@pytest.fixture
def case(tmp_path, nats_server):
    """Return the case of a node's engine, which has started."""
    yield from _started(JetStreamCase(tmp_path, nats_server))


@pytest.fixture
def durable(case):
    """Return the case of an engine that can be opened again; it has started."""
    return case
