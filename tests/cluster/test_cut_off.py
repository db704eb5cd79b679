"""A node that is cut off from the log, and what it does to others."""

import nats.errors
import pytest_twisted
from twisted.internet.defer import Deferred

from chatservice.engines.jetstream.clusterengine import MISSES
from chatservice.errors import Code
from tests.cluster.test_two_nodes import nodes  # noqa: F401 - a fixture
from tests.contract.conftest import append, code_of, room, say, texts


class NoLeader:
    """The servers of a log, as a node sees them that is cut off with fewer than most of them."""

    def __init__(self, js):
        self._js = js

    def __getattr__(self, name):
        return getattr(self._js, name)

    async def stream_info(self, *args, **named):
        """Get no answer."""
        raise nats.errors.TimeoutError()


async def look(engine, times):
    """Let a node look some times in a row for the other ones."""
    for _ in range(times):
        await engine._look()


@pytest_twisted.ensureDeferred
async def test_a_node_that_is_gone_ends_no_other(nodes):  # noqa: F811
    """A node that was cut off took the others for dead, and the log gets that when it is back. They
    have taken it for dead before, so only that node ends."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    ended, told = [], Deferred()
    one.logs.on_end = ended.append
    other.logs.on_end = told.callback
    other.logs._publishing = True  # so that the log gets it later
    late = other.logs.commit("node_gone", one._node)
    await one.logs.commit("node_gone", other._node)
    other.logs._publish()
    assert await code_of(late) == Code.NOT_STORED
    await told
    await nodes.settle()
    assert await append(one, say(lab, "here I am")) == [1]
    assert await texts(one, lab) == await texts(other, lab) == ["here I am"]
    assert not ended
    for engine in nodes.engines:
        assert engine.logs.cluster.nodes.keys() == {one._node}


@pytest_twisted.ensureDeferred
async def test_who_does_not_reach_the_log_takes_nobody_for_dead(nodes):  # noqa: F811
    """A node that hears nothing from the other one, nor from the log, is cut off itself: it says
    nothing about the other one, also when it reaches the log again. After four looks that the log
    has answered, it does."""
    one, other = nodes.engines
    one._looking.stop()  # the test looks in its place
    await other.stop()
    js = one._link._js
    await look(one, MISSES - 1)
    one._link._js = NoLeader(js)
    await look(one, MISSES)
    one._link._js = js
    await look(one, MISSES - 1)
    await one.claims.claim_guest("bob")  # behind what it might have said
    assert other._node in one.logs.cluster.nodes
    await look(one, 1)
    await one.claims.claim_guest("carol")
    assert one.logs.cluster.nodes.keys() == {one._node}
    await nodes.restart(1)


@pytest_twisted.ensureDeferred
async def test_a_node_that_starts_again_lets_the_former_one_go(nodes):  # noqa: F811
    """The node that was here before counts no more, once the new one does."""
    await nodes.engines[1].stop()
    await nodes.restart(1)
    await nodes.settle()
    for engine in nodes.engines:
        assert engine.logs.cluster.nodes.keys() == {it._node for it in nodes.engines}
