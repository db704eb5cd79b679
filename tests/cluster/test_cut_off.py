"""A node that is cut off from the log, or whose disk hangs: what it does to others, and says."""

import threading

import pytest_twisted
from nats.js.api import ClusterInfo, PeerInfo
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater

from chatservice.engines.jetstream.clusterengine import MISSES
from chatservice.engines.jetstream.replicatedlogs import REFUSE_SECONDS
from chatservice.errors import Code
from tests.cluster.test_two_nodes import nodes  # noqa: F401 - a fixture
from tests.contract.conftest import append, code_of, room, say, texts


class NoLeader:
    """The servers of a log, as a node sees them that is cut off with fewer than most of them: they
    answer, and take others for current, but nobody leads."""

    def __init__(self, js):
        self._js = js

    def __getattr__(self, name):
        return getattr(self._js, name)

    async def stream_info(self, *args, **named):
        """Return the state of the log as one of them has it."""
        info = await self._js.stream_info(*args, **named)
        info.cluster = ClusterInfo(replicas=[PeerInfo(current=True)])
        return info


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
    await nodes.settle()
    assert await texts(one, lab) == await texts(other, lab) == ["here I am"]
    assert not ended
    for engine in nodes.engines:
        assert engine.logs.cluster.nodes.keys() == {one._node}


@pytest_twisted.ensureDeferred
async def test_who_does_not_reach_the_log_takes_nobody_for_dead(nodes):  # noqa: F811
    """A node that hears nothing from the other one, nor from a leader of the log, is cut off
    itself: it says nothing about the other one, also when there is a leader again. After four looks
    with a leader it does."""
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


@pytest_twisted.ensureDeferred
async def test_a_disk_that_hangs(nodes):  # noqa: F811
    """A node that cannot store what the log has tells that in a sentence, refuses what is new, and
    can be read. What the log has is stored once when the disk is back; the other node goes on."""
    one, other = nodes.engines
    lab = await room(one)
    await append(one, say(lab, "before"))
    await nodes.settle()
    back = threading.Event()
    one.logs._thread.do(back.wait)
    try:
        meanwhile = ensureDeferred(append(one, say(lab, "meanwhile")))
        while not one.logs._acknowledged:  # until the log has it
            await deferLater(reactor, 0)
        one.logs.look_at_log(REFUSE_SECONDS)
        for _ in range(2):
            assert await code_of(append(one, say(lab, "refused"))) == Code.NOT_STORED
        assert "The disk of this node" in one.logs.refusing.sentence
        assert await texts(one, lab) == ["before"]
        assert await append(other, say(lab, "there")) == [3]
        await one._look()
        assert one.logs.backlog()[0].count == 2
        assert not meanwhile.called
    finally:
        back.set()
    assert await meanwhile == [2]
    assert await append(one, say(lab, "after")) == [4]
    assert nodes.notes[0].refused == [Code.NOT_STORED, None]
    await nodes.settle()
    for engine in nodes.engines:
        assert await texts(engine, lab) == ["before", "meanwhile", "there", "after"]
        assert engine.logs.backlog()[0].count == 0


@pytest_twisted.ensureDeferred
async def test_what_is_said_after_a_while_is_not_refused(nodes):  # noqa: F811
    """Nobody has said anything for long: a log is not late that was given something just now."""
    one, _ = nodes.engines
    lab = await room(one)
    one.logs._since -= REFUSE_SECONDS
    said = ensureDeferred(append(one, say(lab, "hello")))
    one.logs.look_at_log()
    assert await said == [1]
    assert one.logs.refusing is None
