"""Servers of the log that are killed and stopped under load: nothing that was acknowledged is lost,
doubled or out of order."""

import signal

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults

from tests.cluster.conftest import NatsServer, free_ports
from tests.cluster.test_two_nodes import Nodes
from tests.contract.conftest import append, room, say, texts

AT_ONCE, SAID = 20, 100
"""Writers at each node, and what is said at each while a server is down."""


class Servers:
    """Three servers that are one cluster of NATS."""

    def __init__(self, path):
        routes = free_ports(3)
        all_ = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        self.all = []
        for at, port in enumerate(routes):
            folder = path / f"n{at}"
            folder.mkdir()
            more = f'server_name: n{at}\ncluster {{ name: chat, listen: "127.0.0.1:{port}", '
            self.all.append(NatsServer(folder, more=f"{more}routes: [{all_}] }}", wait=False))
        for server in self.all:
            server.wait()

    def url(self, stream):
        """Return the value of --engine."""
        where = ",".join(f"127.0.0.1:{it.port}" for it in self.all)
        return f"nats://{where}/{stream}?http={self.all[0].http}"

    def kill(self):
        """Kill them all."""
        for server in self.all:
            server.kill()


@pytest.fixture
def servers(tmp_path):
    """Return three servers that a test may harm."""
    servers = Servers(tmp_path)
    yield servers
    servers.kill()


async def talk(engine, log, name, acknowledged):
    """Say things at a node, one after another by each of several writers; note the positions."""

    async def writer(number):
        for at in range(SAID // AT_ONCE):
            text = f"{name}-{number}-{at}"
            (position,) = await append(engine, say(log, text, key=text, writer=name))
            acknowledged[text] = position

    await gatherResults([Deferred.fromCoroutine(writer(number)) for number in range(AT_ONCE)])


async def leader(engine):
    """Return the number of the server that leads the log."""
    link = engine._link

    async def ask():
        return (await link._js.stream_info(link._address.stream)).cluster.leader

    return int((await link.do(ask())).removeprefix("n"))


@pytest_twisted.ensureDeferred
async def test_servers_die_and_stop_under_load(tmp_path, servers):
    """The leader is killed, and the next one is stopped, while users talk at two nodes. All that
    was acknowledged is at both, once, at the position that was told."""
    nodes = Nodes(tmp_path, servers)
    one, other = await nodes.start(), await nodes.start()
    try:
        lab, acknowledged = await room(one), {}
        for turn, harm in enumerate((signal.SIGKILL, signal.SIGSTOP)):
            victim = servers.all[await leader(one)]
            talking = [
                ensureDeferred(talk(engine, lab, f"{name}{turn}", acknowledged))
                for engine, name in ((one, "one"), (other, "other"))
            ]
            victim.process.send_signal(harm)
            await gatherResults(talking)
            if harm == signal.SIGSTOP:
                victim.process.send_signal(signal.SIGCONT)
            else:
                victim.process.wait()
                victim.start()
        await nodes.settle()
        stored = await texts(one, lab)
        assert stored == await texts(other, lab)
        assert {text: at for at, text in enumerate(stored, 1)} == acknowledged
        assert len(stored) == 4 * SAID
        assert nodes.rows(0) == nodes.rows(1)
        status = await one.others.status()
        assert (status.copies, status.quorum) == (3, True)
    finally:
        for engine in nodes.engines:
            await engine.stop()
