"""Two nodes over one log: what one stores the other has, and each race has one winner."""

import shutil
import sqlite3
from contextlib import closing

import nats.errors
import pytest
import pytest_twisted
from nats.js.errors import APIError
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher

from chatservice.domain.model import guest_id
from chatservice.domain.ports.log_ports import BlockReplaced
from chatservice.domain.ports.node_ports import UserState
from chatservice.domain.ports.room_ports import RoomChanged, RulesChanged
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.engines.jetstream import natslink, wire
from chatservice.engines.jetstream.replicatedlogs import REFUSE_SECONDS
from chatservice.entries import Kind
from chatservice.errors import Code, Refusal
from tests.cluster.conftest import JetStreamCase, make_engine
from tests.cluster.machines import OF_CLUSTER, SAME, rows_of
from tests.contract.conftest import NOW, Notes, append, at_once, code_of, room, say, texts


def guest(number, name, *rooms):
    """Return the state of a guest, in rooms."""
    return UserState(guest_id(number), name, "", rooms)


class FollowerNotes(Notes):
    """Notes of what an engine tells, with what other nodes have appended."""

    def __init__(self):
        super().__init__()
        self.runs = {}

    def appended(self, runs):
        """Note the runs of another node."""
        for log, new in runs.items():
            self.runs.setdefault(log, []).extend(new)


class Nodes:
    """Nodes of a cluster, each with its engine and its follower's notes."""

    def __init__(self, path, server):
        self._path = path
        self.case = JetStreamCase(path / "0", server)
        self._server = server
        self.engines = []
        self.notes = []

    async def start(self):
        """Start another node, and return its engine."""
        number = len(self.engines)
        engine = self.case.engine if not number else self._engine(number)
        await engine.start()
        self.engines.append(engine)
        self.notes.append(FollowerNotes())
        await engine.follow(self.notes[-1])
        return engine

    def _engine(self, number):
        return make_engine(self._server, self.case.stream, self._path / str(number))

    async def restart(self, number):
        """Start a node again that was stopped."""
        self.engines[number] = self._engine(number)
        await self.engines[number].start()
        self.notes[number] = FollowerNotes()
        await self.engines[number].follow(self.notes[number])

    async def settle(self):
        """Return when each node has what any node has stored so far."""
        for engine in self.engines:
            sequence = engine.logs.cluster.applied
            nodes = {it._node for it in self.engines}
            await engine._link.wait_for_nodes(nodes, sequence)

    def rows(self, number):
        """Return all that a node has stored, but for what is its own."""
        with closing(sqlite3.connect(self._path / str(number) / "data" / "chat.sqlite")) as db:
            return rows_of(db, SAME + OF_CLUSTER)


@pytest.fixture
def nodes(tmp_path, nats_server):
    """Return two nodes that have started."""
    nodes = Nodes(tmp_path, nats_server)
    for _ in range(2):
        pytest_twisted.blockon(ensureDeferred(nodes.start()))
    yield nodes
    for engine in nodes.engines:
        pytest_twisted.blockon(ensureDeferred(engine.stop()))


def at_each(doing):
    """Return the results of what both nodes do at once."""
    return gatherResults([Deferred.fromCoroutine(it) for it in doing])


@pytest_twisted.ensureDeferred
async def test_positions_are_the_same(nodes):
    """Both say something at once, many times: both have all of it, in one order, without a gap; and
    each is told what the other has said, at the positions where it stands."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    said = await at_each(
        append(engine, say(lab, f"{name}{at}"), say(lab, f"{name}{at}b"))
        for at in range(40)
        for engine, name in ((one, "one"), (other, "other"))
    )
    assert sorted(position for found in said for position in found) == list(range(1, 161))
    await nodes.settle()
    stored = await texts(one, lab)
    assert stored == await texts(other, lab)
    assert nodes.rows(0) == nodes.rows(1)
    for notes, name in zip(nodes.notes, ("other", "one"), strict=True):
        told = [(at, run.texts[0]) for at, run in notes.runs[lab]]
        assert told == [(at, it) for at, it in enumerate(stored, 1) if it.startswith(name)]


@pytest_twisted.ensureDeferred
async def test_a_key_is_stored_once(nodes):
    """A client that goes on at another node says again what may not be stored, with its key."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    found = await at_each(
        append(engine, say(lab, "once", key="k", writer="alice")) for engine in (one, other)
    )
    assert found == [[1], [1]]
    await nodes.settle()
    assert await texts(one, lab) == await texts(other, lab) == ["once"]
    told = [notes.runs.get(lab, []) for notes in nodes.notes]
    assert sorted(map(len, told)) == [0, 1]  # the node that did not store it


@pytest_twisted.ensureDeferred
async def test_many_guests_come_at_once(nodes):
    """Their names are decided together, in few messages of the log: each has one guest, also of
    names that look alike, and of those that are asked for at both nodes."""
    one, other = nodes.engines
    before = one.logs.cluster.applied
    asked = [f"guest{at}" for at in range(150)]
    names = *asked, "A1ice", "Alice"
    found = await at_once(*(it.claims.claim_guest(name) for it in (one, other) for name in names))
    granted = [it for it in found if it is not Code.NAME_TAKEN]
    assert len(granted) == len({*granted}) == 151
    await nodes.settle()
    assert one.logs.cluster.applied - before < 20
    for engine in nodes.engines:
        for name in (*asked, "ALICE"):
            assert await code_of(engine.claims.check_free(name)) == Code.NAME_TAKEN


@pytest_twisted.ensureDeferred
async def test_each_race_has_one_winner(nodes):
    """Two nodes at once give one name to a guest, a room, or an account: one of them is refused."""
    one, other = nodes.engines
    for at in range(5):
        claims = await at_once(*(it.claims.claim_guest(f"g{at}") for it in (one, other)))
        assert Code.NAME_TAKEN in claims
        assert len({*claims} - {Code.NAME_TAKEN}) == 1
        rooms = await at_once(*(room(it, f"r{at}") for it in (one, other)))
        assert Code.ROOM_EXISTS in rooms
        assert len({*rooms} - {Code.ROOM_EXISTS}) == 1
        accounts = await at_once(
            *(it.accounts.register(f"a{at}", "hash", None, NOW) for it in (one, other))
        )
        assert Code.ALREADY_REGISTERED in accounts
        assert len({*accounts} - {Code.ALREADY_REGISTERED}) == 1
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1)


@pytest_twisted.ensureDeferred
async def test_numbers_are_given_once(nodes):
    """Rooms and accounts that are made at once get numbers of their own."""
    made = await at_each(
        room(engine, f"{name}{at}")
        for at in range(5)
        for engine, name in zip(nodes.engines, "pq", strict=True)
    )
    assert len(set(made)) == 10
    await nodes.settle()
    assert {it.number for it in nodes.engines[0].rooms.rows.values()} == set(made)
    assert nodes.engines[0].rooms.rows == nodes.engines[1].rooms.rows


@pytest_twisted.ensureDeferred
async def test_a_name_is_free_when_its_guest_is_gone(nodes):
    """A guest's name is taken on all nodes, also for one that looks like it, until it is given
    back."""
    one, other = nodes.engines
    await one.claims.claim_guest("Alice")
    await nodes.settle()
    assert await code_of(other.claims.check_free("alice")) == Code.NAME_TAKEN
    assert await code_of(other.claims.claim_guest("A1ice")) == Code.NAME_TAKEN
    one.claims.release("Alice")
    await one.claims.claim_guest("bob")  # behind the release
    await nodes.settle()
    await other.claims.claim_guest("alice")


@pytest_twisted.ensureDeferred
async def test_a_rule_holds_everywhere_before_it_is_acknowledged(nodes):
    """The other node is told of a lost right before the moderator is answered."""
    one, other = nodes.engines
    lab = await room(one)
    ban = Rule(RuleKind.BANNED, "mallory", 0, "alice", NOW)
    for at in range(10):
        change = RulesChanged(lab, added=(ban._replace(subject=f"mallory{at}"),))
        await one.rooms.change_rules(change)
        assert [it.added for it in nodes.notes[1].of(RulesChanged)][-1:] == [change.added]
    guest = RulesChanged(lab, added=(ban._replace(subject="guest/1"),))
    await other.rooms.change_rules(guest)
    assert [it.added for it in nodes.notes[0].of(RulesChanged)][-1:] == [guest.added]
    await other.rooms.configure(RoomChanged(lab, None, Access.CLOSED, True, 5))
    assert nodes.notes[0].of(RoomChanged) == [RoomChanged(lab, None, Access.CLOSED, True, 5)]
    assert one.rooms.rows == other.rooms.rows


@pytest_twisted.ensureDeferred
async def test_one_of_two_moderators_looks_again(nodes):
    """A moderator whose room another node has changed meanwhile is refused, and undoes nothing."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    async with one.rooms.exclusive(lab):
        await other.rooms.configure(RoomChanged(lab, None, Access.CLOSED, False, 0))
        change = RoomChanged(lab, None, Access.PUBLIC, False, 0)
        assert await code_of(one.rooms.configure(change)) == Code.NOT_STORED
    assert one.rooms.rows[lab].access is Access.CLOSED
    async with one.rooms.exclusive(lab):
        await one.rooms.configure(change)
    assert other.rooms.rows[lab].access is Access.PUBLIC


@pytest_twisted.ensureDeferred
async def test_an_account_that_is_deleted_gets_no_rule(nodes):
    """A moderator names a user whose account another node deletes at the same moment: whoever
    registers that name next has no rights by it."""
    one, other = nodes.engines
    lab = await room(one)
    await one.accounts.register("alice", "hash", None, NOW)
    await nodes.settle()
    rule = Rule(RuleKind.MODERATOR, "alice", 0, "root", NOW)

    async def promote():
        async with one.rooms.exclusive(lab):
            await one.rooms.change_rules(RulesChanged(lab, added=(rule,)))

    one.logs._publishing = True  # so that it is published behind the deletion
    promoting = Deferred.fromCoroutine(code_of(promote()))
    await other.accounts.delete("alice", "deleted-7")
    one.logs._publish()
    assert await promoting == Code.NOT_STORED
    await nodes.settle()
    for at, engine in enumerate(nodes.engines):
        assert nodes.rows(at)["rule"] == []
        assert not engine.rooms.rows[lab].rules


@pytest_twisted.ensureDeferred
async def test_an_account_that_is_deleted_gets_no_room(nodes):
    """A user makes a room while another node deletes their account: there is none, which whoever
    registers that name next would own."""
    one, other = nodes.engines
    await one.accounts.register("alice", "hash", None, NOW)
    await nodes.settle()
    one.logs._publishing = True  # so that it is published behind the deletion
    making = Deferred.fromCoroutine(code_of(room(one, owner="alice")))
    await other.accounts.delete("alice", "deleted-7")
    one.logs._publish()
    assert await making == Code.NAME_NEEDED
    await nodes.settle()
    assert one.rooms.rows == other.rooms.rows == {}
    await room(one, owner="alice")


@pytest_twisted.ensureDeferred
async def test_what_is_erased_is_gone_everywhere(nodes):
    """An erased text is in neither database, and both nodes show their readers that it is gone."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    await append(other, say(lab, "a", "secret", "c"))
    assert await other.logs.erase(lab, 2)
    await nodes.settle()
    for at, engine in enumerate(nodes.engines):
        assert "secret" not in str(await texts(engine, lab))
        assert "secret" not in str(nodes.rows(at))
        (told,) = nodes.notes[at].of(BlockReplaced)
        assert [entry.kind for _, entry in told.block.entries()][1] == Kind.GONE


@pytest_twisted.ensureDeferred
async def test_what_is_refused_never_appears(nodes):
    """A full log refuses entries: no node has them, also with room again, or after a restart."""
    one, other = nodes.engines
    lab = await room(one)
    await append(one, say(lab, "before"))
    async with nodes.case.failing():
        for engine in nodes.engines:
            with pytest.raises(Refusal):
                await append(engine, say(lab, "refused"))
    assert await append(one, say(lab, "after")) == [2]
    assert await append(other, say(lab, "then")) == [3]
    await nodes.settle()
    await other.stop()
    await nodes.restart(1)
    for engine in nodes.engines:
        assert await texts(engine, lab) == ["before", "after", "then"]


@pytest_twisted.ensureDeferred
async def test_a_node_catches_up(nodes):
    """A node that was away, and an empty one, have everything before they answer."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    await other.stop()
    for at in range(300):
        await append(one, say(lab, f"m{at}"))
    await one.accounts.register("alice", "hash", None, NOW)
    await nodes.restart(1)
    await nodes.start()
    assert len(await texts(nodes.engines[1], lab)) == len(await texts(nodes.engines[2], lab)) == 300
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1) == nodes.rows(2)
    assert await nodes.engines[2].accounts.account("alice")


@pytest_twisted.ensureDeferred
async def test_a_leader_that_is_behind_refuses_nothing(nodes):
    """A server that leads anew answers with an old sequence, while the message may be on its way:
    it is published again, and acknowledged."""
    one, _ = nodes.engines
    lab = await room(one)
    js = one._link._js
    behind = APIError(code=400, err_code=10071, description="wrong last sequence: 0")

    class Behind:
        """The first answers of such a server."""

        answers = [nats.errors.TimeoutError(), behind]

        def __getattr__(self, name):
            return getattr(js, name)

        async def publish(self, *args, **named):
            """Publish, when the answers are used up."""
            if self.answers:
                raise self.answers.pop(0)
            return await js.publish(*args, **named)

    one._link._js = Behind()
    assert await append(one, say(lab, "hello")) == [1]


@pytest_twisted.ensureDeferred
async def test_a_message_that_is_lost_on_its_way(tmp_path, nats_server, monkeypatch):
    """The first message of a new subscription is lost, and none comes after it: the node has it all
    the same."""
    monkeypatch.setattr(natslink, "MISSED_SECONDS", 0.2)
    nodes = Nodes(tmp_path, nats_server)
    one, other = await nodes.start(), await nodes.start()
    try:
        lab = await room(one)
        await nodes.settle()
        client, lost = other._link._client, Deferred()
        process = client._process_msg

        async def lose(sid, subject, reply, data, headers):
            """Lose messages of the log."""
            if reply.startswith(b"$JS.ACK"):
                reactor.callFromThread(lost.callback, None)
                client._process_msg = process
            else:
                await process(sid, subject, reply, data, headers)

        async def renew():
            await other._link._subscription._sub._jsi.reset_ordered_consumer(
                other._link._followed + 1
            )
            client._process_msg = lose

        await other._link.do(renew())
        await append(one, say(lab, "hello"))
        await lost
        while other._link._applied < one.logs.cluster.applied:  # until it is committed
            await deferLater(reactor, 0.01)
        assert await texts(other, lab) == ["hello"]
    finally:
        for engine in nodes.engines:
            await engine.stop()


@pytest_twisted.ensureDeferred
async def test_the_names_of_a_node_that_comes_back_are_free(nodes):
    """The guests of a node that was stopped are gone: when it is back, their names are free."""
    one, other = nodes.engines
    await other.claims.claim_guest("carol")
    await nodes.settle()
    await other.stop()
    assert await code_of(one.claims.check_free("carol")) == Code.NAME_TAKEN
    await nodes.restart(1)
    await nodes.settle()
    await one.claims.claim_guest("carol")


@pytest_twisted.ensureDeferred
async def test_a_node_taken_for_dead_ends(nodes):
    """A node that the others took for dead stores nothing any more, and is told to end."""
    one, other = nodes.engines
    lab = await room(one)
    ended = Deferred()
    other.logs.on_end = ended.callback
    await one.logs.commit("node_gone", other._node)
    with pytest.raises(Refusal):
        await append(other, say(lab, "late"))
    assert (await ended).sentence == "The other nodes took this one for dead; start it again."
    await nodes.settle()
    assert await texts(one, lab) == []


@pytest_twisted.ensureDeferred
async def test_users_at_other_nodes_are_told(nodes):
    """Each node knows the users of the other, also those who were there before it started, and
    forgets them when that node is gone."""
    one, other = nodes.engines
    here, there = nodes.notes
    here.users = [guest(1, "alice", 1)]
    await nodes.start()
    third = nodes.notes[2]
    alice, bob = guest(1, "alice", 1), guest(2, "bob")
    await knows(third, one, alice)
    there.users = [bob]
    other.others.tell([bob])
    for notes in (here, third):
        await knows(notes, other, bob)
    assert there.elsewhere.get(other._node) is None
    await one.logs.commit("node_gone", other._node)
    await knows(here, other)


@pytest_twisted.ensureDeferred
async def test_users_that_a_node_missed_are_told_again(nodes):
    """A node that missed a message, or the last one, asks for all users."""
    one, other = nodes.engines
    here, _ = nodes.notes
    nodes.notes[1].users = users = [guest(1, "alice"), guest(2, "bob"), guest(3, "carol")]
    received, lost = one.others._received, []
    one.others._received = lost.append
    other.others.tell(users[:2])
    other.others.tell(users[2:])
    one.others._received = received
    one.others._known[other._node] = other.others._number - 1  # as if the messages were lost
    other.others.beat()
    await knows(here, other, *users)


async def knows(notes, engine, *states):
    """Return when a node knows just these users at another one."""
    while [[*it[:3], *it.rooms] for it in notes.elsewhere.get(engine._node, {}).values()] != [
        [*it[:3], *it.rooms] for it in states
    ]:
        await notes.heard


@pytest_twisted.ensureDeferred
async def test_the_inbox_of_a_guest_who_moved_stays(nodes):
    """A guest goes on at another node; when the former one notices that, the inbox is kept."""
    one, other = nodes.engines
    number = await one.claims.claim_guest("gina", b"secret")
    await append(one, say(-number, "psst", kind=Kind.PRIVATE))
    await nodes.settle()
    await other.claims.claim_guest("gina", b"secret")
    await one.logs.drop_inbox(-number)
    assert await texts(other, -number) == ["psst"]
    await other.logs.drop_inbox(-number)
    assert await texts(other, -number) == []


@pytest_twisted.ensureDeferred
async def test_a_log_that_does_not_answer(tmp_path, own_server):
    """Changes are refused in one sentence, what is stored can be read, and what the log was given
    before that is stored once when it answers again."""
    nodes = Nodes(tmp_path, own_server)
    one = await nodes.start()
    try:
        lab = await room(one)
        await append(one, say(lab, "before"))
        own_server.kill()
        waiting = Deferred.fromCoroutine(append(one, say(lab, "meanwhile")))
        while one.logs._waiting or not one.logs._publishing:  # until it is given to the log
            await deferLater(reactor, 0)
        behind = Deferred.fromCoroutine(code_of(append(one, say(lab, "refused"))))
        one.logs.look_at_log(REFUSE_SECONDS)
        assert await behind == Code.NOT_STORED
        assert await code_of(append(one, say(lab, "refused"))) == Code.NOT_STORED
        assert await code_of(room(one, "den")) == Code.NOT_STORED
        patient = one.logs.commit("release_claim", "nobody", one._node)  # waits
        stats = await one.maintenance.stats()
        assert {it.what: it.count for it in stats.waiting}["changes to give to the log"] == 2
        assert await texts(one, lab) == ["before"]
        assert not (await one.others.status()).quorum
        own_server.start()
        assert await waiting == [2]
        assert await patient is False
        assert await append(one, say(lab, "after")) == [3]
        assert nodes.notes[0].refused == [Code.NOT_STORED, None]
        assert await texts(one, lab) == ["before", "meanwhile", "after"]
    finally:
        await one.stop()


@pytest_twisted.ensureDeferred
async def test_the_state_of_a_cluster(nodes):
    """Operators see the nodes, how far each is, and whether the log can be written to."""
    one, other = nodes.engines
    await room(one)
    await nodes.settle()
    status = await one.others.status()
    assert (status.copies, status.current, status.quorum) == (1, 1, True)
    assert sorted((it.here, it.lag) for it in status.nodes) == [(False, 0), (True, 0)]
    assert status.last == one.logs.cluster.applied
    await other.stop()
    status = await one.others.status()
    assert sorted((it.here, it.lag) for it in status.nodes) == [(False, -1), (True, 0)]
    await nodes.restart(1)


@pytest_twisted.ensureDeferred
async def test_two_versions_side_by_side(nodes):
    """A newer node writes what the older ones read, while there are any. After that an older one
    ends with a sentence, and has stored nothing of what it cannot read; upgraded, it goes on."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    await other.stop()
    newer = nodes.engines[1] = nodes._engine(1)
    newer.logs.format = 2
    await newer.start()
    assert await append(newer, say(lab, "both read this")) == [1]
    await nodes.settle()
    assert await texts(one, lab) == ["both read this"]
    await one.stop()
    await newer.logs.commit("node_gone", one._node)
    before = newer.logs.cluster.applied
    await append(newer, say(lab, "only the newer one reads this"))
    nodes.engines[0] = older = nodes._engine(0)
    ended = Deferred()
    older.logs.on_end = ended.callback
    Deferred.fromCoroutine(older.start())
    assert "it has the format 2; install the version" in (await ended).sentence
    await older.stop()
    assert older.logs.cluster.applied <= before
    upgraded = nodes.engines[0] = nodes._engine(0)
    upgraded.logs.format = 2
    await upgraded.start()
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1)


@pytest_twisted.ensureDeferred
async def test_an_operation_of_an_unknown_kind(nodes):
    """A node that cannot make an operation ends before it: it would never have what that does."""
    one, _ = nodes.engines
    ended = [Deferred(), Deferred()]
    for engine, it in zip(nodes.engines, ended, strict=True):
        engine.logs.on_end = it.callback
    sequence = await one._link.publish(wire.encode(one._node, 99, ['["dance",0,[]]']))
    for engine, it in zip(nodes.engines, ended, strict=True):
        assert "it has the unknown operation dance" in (await it).sentence
        assert engine.logs.cluster.applied < sequence


@pytest_twisted.ensureDeferred
async def test_a_copied_directory(nodes, tmp_path):
    """Nodes have no names to be given twice: a copy of a node's directory is another node. The
    directory itself is one node's alone."""
    one, other = nodes.engines
    lab = await room(one)
    await nodes.settle()
    with pytest.raises(Refusal) as caught:
        nodes._engine(1)
    assert "Another server is using" in caught.value.sentence
    await other.stop()
    shutil.copytree(tmp_path / "1", tmp_path / "2")
    await nodes.restart(1)
    third = await nodes.start()
    assert await append(third, say(lab, "from the copy")) == [1]
    assert await append(nodes.engines[1], say(lab, "from the first")) == [2]
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1) == nodes.rows(2)
    assert len(one.logs.cluster.nodes) == 3


@pytest_twisted.ensureDeferred
async def test_an_effect_that_fails_is_answered_all_the_same(nodes):
    """An error in showing what is stored is logged, and nobody waits for ever."""
    one, _ = nodes.engines

    def fail(result, *args):
        raise RuntimeError("it cannot be shown")

    one.logs.effects["release_claim"] = fail
    assert await one.logs.commit("release_claim", "nobody", one._node) is False
    assert await append(one, say(await room(one), "next")) == [1]


@pytest_twisted.ensureDeferred
async def test_other_limits_are_told(nodes):
    """A node whose limits decide otherwise than another's warns the operator."""
    one, other = nodes.engines
    warned = Deferred()

    def observe(event):
        if "make these equal" in (event.get("log_format") or "") and not warned.called:
            warned.callback(event["names"])

    globalLogPublisher.addObserver(observe)
    try:
        one.others._limits = {**one.others._limits, "edits": 1, "pins": 2}
        other.others._answer()
        assert await warned == "edits, pins"
    finally:
        globalLogPublisher.removeObserver(observe)
