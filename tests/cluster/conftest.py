"""A real nats-server, and engines that are nodes of a cluster with a log on it."""

import socket
import subprocess
import time
from contextlib import ExitStack, asynccontextmanager, closing
from itertools import count
from urllib.request import urlopen

import pytest
from twisted.internet import reactor

from chatservice.engines.jetstream.clusterengine import JetStreamEngine
from chatservice.engines.jetstream.logaddress import LogAddress
from tests.contract.conftest import _started, engine, notes  # noqa: F401 - fixtures

_NUMBERS = count(1)


def free_ports(number):
    """Return ports that nobody listens on."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(closing(socket.socket())) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class NatsServer:
    """A nats-server of its own, on loopback, with a log that syncs each write. `more` is what its
    configuration has beside."""

    def __init__(self, path, sync="always", more="", wait=True):
        self.path = path
        self.port, self.http = free_ports(2)
        self.config = path / "nats.conf"
        self.config.write_text(
            f'listen: "127.0.0.1:{self.port}"\nhttp: "127.0.0.1:{self.http}"\n'
            f'jetstream {{ store_dir: "{path}/log", sync_interval: {sync} }}\n{more}\n'
        )
        self.start(wait)

    def start(self, wait=True):
        """Start it, and return when it answers; at once without `wait`."""
        self.process = subprocess.Popen(
            ["nats-server", "--config", self.config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if wait:
            self.wait()

    def wait(self):
        """Return when it answers."""
        until = time.monotonic() + 30
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{self.http}/healthz", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)

    def kill(self):
        """Kill it, and return when it is gone."""
        self.process.kill()
        self.process.wait()

    def url(self, stream):
        """Return the value of --engine for a log with that name."""
        return f"nats://127.0.0.1:{self.port}/{stream}?http={self.http}"


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory):
    """Return a running nats-server, of all tests that do not harm it."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
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
