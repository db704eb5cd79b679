"""Two nodes on one engine: each changes its state when the engine says so, whoever asked for it."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from chatservice.domain.chat import Chat
from chatservice.domain.log import Cursor
from chatservice.domain.model import PROGRAM, Session
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.engines.memory import MemoryEngine
from chatservice.entries import Kind
from chatservice.errors import Code, Refusal
from chatservice.eventloop import ReactorLoop
from tests.domain.test_accounts import RecordingPeer


class Relay:
    """An engine's follower that tells all nodes what it is told."""

    def __init__(self, nodes):
        self._nodes = nodes

    def changed(self, change):
        """Tell a change."""
        for node in self._nodes:
            node._replica.changed(change)


class NodeLogs:
    """A node's way to the logs of the engine; the other nodes are told what it appends."""

    def __init__(self, logs, others):
        self._logs = logs
        self._others = others

    def __getattr__(self, name):
        return getattr(self._logs, name)

    async def append(self, batch, read):
        """Append a batch, and tell the others before the answer."""
        appended = await self._logs.append(batch, read)
        runs = {}
        for at, (position, draft) in enumerate(zip(appended.positions, batch, strict=True)):
            if at not in appended.repeated:
                runs.setdefault(draft.log.id, []).append((position, draft.run))
        for other in self._others:
            other._replica.appended(runs)
        return appended


class NodeEngine:
    """An engine as one node has it."""

    def __init__(self, engine, others):
        self._engine = engine
        self.logs = NodeLogs(engine.logs, others)

    def __getattr__(self, name):
        return getattr(self._engine, name)


class Cluster:
    """Two nodes, `here` and `there`, and what is done on them at once."""

    def __init__(self):
        engine, self.clock = MemoryEngine(), Clock()
        others = [], []
        self.here, self.there = (
            Chat(
                *(NodeEngine(engine, it), self.clock.seconds, ReactorLoop(self.clock)),
                lambda *_, **__: None,
            )
            for it in others
        )
        others[0].append(self.there)
        others[1].append(self.here)
        self.now(engine.follow(Relay([self.here, self.there])))
        for node in (self.here, self.there):
            self.now(node.rooms.ensure())

    def now(self, doing):
        """Return the result of something at once, or raise its error."""
        found = []
        Deferred.fromCoroutine(doing).addBoth(found.append)
        for _ in range(5):
            self.clock.advance(0.1)
        assert found, "it is waited for"
        if hasattr(found[0], "raiseException"):
            found[0].raiseException()
        return found[0]

    def enter(self, node, name):
        """Return the session of a guest on a node."""
        session = Session(RecordingPeer(), PROGRAM)
        self.now(node.users.enter(session, name))
        return session


@pytest.fixture
def cluster():
    """Return two nodes."""
    return Cluster()


def test_rooms_and_their_settings_are_the_same(cluster):
    """A room that is made, changed and removed on one node is so on the other."""
    here, there = cluster.here, cluster.there
    lab = cluster.now(here.rooms.create("lab"))
    same = there.rooms.find("lab")
    assert (same.number, same is lab) == (lab.number, False)
    store = here._engine.rooms
    cluster.now(store.configure(lab.number, "hash", Access.HIDDEN, True, 5))
    cluster.now(store.change_rules(lab.number, [Rule(RuleKind.BANNED, "eve", 0, "alice", 1)]))
    for room in (lab, same):
        assert (room.password, room.access, room.frozen, room.slow) == (
            *("hash", Access.HIDDEN, True, 5),
        )
        assert room.rules.find(RuleKind.BANNED, "eve", 1) is not None
    with pytest.raises(Refusal) as caught:
        cluster.now(there.rooms.create("LAB"))
    assert caught.value.code is Code.ROOM_EXISTS
    cluster.now(here.rooms.remove(lab, "operator"))
    with pytest.raises(Refusal) as caught:
        there.rooms.find("lab")
    assert caught.value.code is Code.NO_SUCH_ROOM


def test_what_is_said_on_one_node_is_read_on_the_other(cluster):
    """At the same positions, with the topic of the room; and what is erased is erased on both."""
    here, there = cluster.here, cluster.there
    session = cluster.enter(here, "alice")
    here.rooms.put_in(session, here.rooms.lobby)
    here.say(session, here.rooms.lobby, Kind.MESSAGE, ["hello", "again"])
    cluster.now(here.set_topic(session, here.rooms.lobby, "all about it"))
    reader = Cursor(there.rooms.lobby.log, Session(RecordingPeer(), PROGRAM), 0)
    block = there.rooms.lobby.log.block_after(reader.position)
    assert [entry.text for _, entry in block.entries()] == ["hello", "again", "all about it"]
    assert there.rooms.lobby.topic == here.rooms.lobby.topic == "all about it"
    assert there.rooms.lobby.log.last == here.rooms.lobby.log.last == 3
    cluster.now(here._engine.logs.erase(here.rooms.lobby.number, 1))
    block = there.rooms.lobby.log.block_after(reader.position)
    assert [entry.text for _, entry in block.entries()] == ["", "again", "all about it"]


def test_a_name_is_one_guests(cluster):
    """On both nodes together."""
    cluster.enter(cluster.here, "bob")
    with pytest.raises(Refusal) as caught:
        cluster.enter(cluster.there, "BOB")
    assert caught.value.code is Code.NAME_TAKEN
    assert cluster.enter(cluster.there, "carol").user.id != "bob"


def test_operators_are_the_same(cluster):
    """An operator on one node is one on the other, until that ends."""
    here, there = cluster.here, cluster.there
    cluster.now(here._engine.accounts.register("alice", "hash", None, 1))
    for operator in (True, False):
        cluster.now(here._engine.accounts.set_operator("alice", operator))
        assert ("alice" in there.rights.operators) is operator
