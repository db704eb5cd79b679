"""Snapshots of a cluster, with which the log is trimmed and nodes begin."""

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from chatservice.domain.ports.member_ports import Membership
from chatservice.domain.ports.room_ports import RulesChanged
from chatservice.domain.rules import Rule, RuleKind
from chatservice.engines.jetstream import snapshots
from chatservice.engines.jetstream.filerecords import FileRecords
from chatservice.engines.jetstream.snapshotnote import decode
from chatservice.errors import Code, Refusal
from tests.cluster.test_two_nodes import nodes  # noqa: F401 - a fixture
from tests.contract.conftest import NOW, append, code_of, room, say, texts
from tests.contract.test_files import content, put


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """Let the tests alone make snapshots."""
    monkeypatch.setattr(snapshots.Snapshots, "start", lambda self: None)


async def trimmed(engine):
    """Make a snapshot, trim the log behind it, and return the snapshot."""
    made = await engine.snapshots.make()
    assert await engine.snapshots.trim()
    assert (await engine._link.info()).first == made.sequence + 1
    return made


async def fill(engine):
    """Store something of each kind, and return the room."""
    lab = await room(engine)
    await append(engine, *(say(lab, f"m{at}", key=f"k{at}", writer="alice") for at in range(20)))
    await engine.accounts.register("alice", "hash", None, NOW)
    await engine.members.keep(Membership("alice", lab, 3, NOW), 9)
    rule = Rule(RuleKind.BANNED, "mallory", 0, "alice", NOW)
    await engine.rooms.change_rules(RulesChanged(lab, added=(rule,)))
    await engine.claims.claim_guest("gina")
    await put(engine, b"hello")
    return lab


@pytest_twisted.ensureDeferred
async def test_an_empty_node_begins_with_a_snapshot(nodes):  # noqa: F811
    """The log is trimmed. An empty node takes the snapshot and what came behind it. It knows the
    rooms, accounts and names, and says things at the same positions; the others go on."""
    one, other = nodes.engines
    lab = await fill(one)
    await nodes.settle()
    made = await trimmed(one)
    for engine in (one, other):  # whose own messages are trimmed
        await append(engine, say(lab, "behind"))
    third = await nodes.start()
    await nodes.settle()
    assert nodes.rows(2) == nodes.rows(0)
    assert await texts(third, lab) == await texts(one, lab)
    (theirs,) = third.rooms.rows.values()
    assert [it.subject for it in theirs.rules] == ["mallory"]
    assert await third.accounts.account("alice")
    assert await code_of(third.claims.claim_guest("gina")) == Code.NAME_TAKEN
    assert await content(third) == b"hello"
    assert await append(third, say(lab, "again", key="k3", writer="alice")) == [4]
    assert await append(third, say(lab, "new")) == [23]
    assert len({await room(third, "r1"), await room(other, "r2"), lab}) == 3
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1) == nodes.rows(2)
    status = await one.others.status()
    assert (status.first, status.snapshot) == (made.sequence + 1, made.sequence)
    assert status.snapshot_bytes == made.size > 0


@pytest_twisted.ensureDeferred
async def test_a_node_that_was_away_begins_with_a_snapshot(nodes):  # noqa: F811
    """A node whose next message is trimmed takes the snapshot, and keeps what is its own."""
    one, other = nodes.engines
    lab = await fill(one)
    await put(other, b"mine", name="b.txt")
    await nodes.settle()
    await other.stop()
    await one.logs.commit("node_gone", other._node)
    await append(one, *(say(lab, f"away{at}") for at in range(20)))
    await trimmed(one)
    await nodes.restart(1)
    other = nodes.engines[1]
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1)
    other.files.chunks = None  # it needs no bytes from the log
    assert await content(other, "b.txt") == b"mine"
    assert await append(other, say(lab, "back")) == [41]
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1)


@pytest_twisted.ensureDeferred
async def test_the_log_waits_for_its_nodes(nodes):  # noqa: F811
    """The log is not trimmed while a node that counts has not applied it, or does not answer."""
    one, other = nodes.engines
    await fill(one)
    await nodes.settle()
    await other.stop()
    await one.snapshots.make()
    assert await one.snapshots.trim()
    assert (await one._link.info()).first == 1
    await nodes.restart(1)
    await nodes.settle()
    await one.logs.commit("node_gone", other._node)
    assert await one.snapshots.trim()
    assert (await one._link.info()).first > 1


@pytest_twisted.ensureDeferred
async def test_a_running_node_beyond_which_the_log_is_trimmed(nodes):  # noqa: F811
    """It cannot go on, and ends with a sentence; started again, it has everything."""
    one, other = nodes.engines
    lab = await fill(one)
    await nodes.settle()
    ended = Deferred()
    other.logs.on_end = ended.callback
    await other._link.do(lose_subscription(other._link))
    await one.logs.commit("node_gone", other._node)
    await append(one, say(lab, "unheard"))
    await trimmed(one)
    await append(one, say(lab, "behind"))
    await other._link.follow(other.logs.cluster.applied, other.logs.receive, other._fell_behind)
    assert "trimmed beyond" in (await ended).sentence
    await other.stop()
    await nodes.restart(1)
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1)


async def lose_subscription(link):
    """Let a node hear nothing of the log."""
    await link._subscription.unsubscribe()
    link._subscription = None


async def talk(engine, lab, name, said):
    """Say things at a node, one after another, and note their positions."""
    for at in range(60):
        text = f"{name}-{at}"
        (said[text],) = await append(engine, say(lab, text, key=text, writer=name))


@pytest_twisted.ensureDeferred
async def test_the_log_is_trimmed_under_load(nodes):  # noqa: F811
    """While users talk at two nodes, snapshots are made, the log is trimmed, and a third node joins
    in. All that was acknowledged is there once, at the position that was told."""
    lab, said = await room(nodes.engines[0]), {}

    def talking(engine, name):
        writers = [talk(engine, lab, f"{name}{at}", said) for at in range(3)]
        return gatherResults([Deferred.fromCoroutine(it) for it in writers])

    all_ = [talking(engine, name) for engine, name in zip(nodes.engines, "ab", strict=True)]
    for turn in range(6):
        maker = nodes.engines[turn % 2]
        await maker.snapshots.make()
        await maker.snapshots.trim()
        if turn == 2:
            all_.append(talking(await nodes.start(), "c"))
    await gatherResults(all_)
    await trimmed(nodes.engines[2])
    await nodes.start()
    await nodes.settle()
    stored = await texts(nodes.engines[3], lab)
    assert {text: at for at, text in enumerate(stored, 1)} == said
    assert len(stored) == 9 * 60
    assert nodes.rows(0) == nodes.rows(1) == nodes.rows(2) == nodes.rows(3)


@pytest_twisted.ensureDeferred
async def test_a_crash_while_a_snapshot_is_made(nodes):  # noqa: F811
    """Chunks without a note are no snapshot. They are swept away when their node is gone, and so
    are those of a file that was stored and not recorded; what is used stays."""
    one, other = nodes.engines
    await fill(one)
    await nodes.settle()
    former = await one.snapshots.make()
    chunks = other._link.chunks
    await append(one, say(1, "later"))
    await chunks.store(f"s{former.sequence + 1}-{other._node}", 0, [b"half"])
    await chunks.store(f"s{former.sequence - 1}-{one._node}", 0, [b"overtaken"])
    await chunks.store(f"abc-{other._node}", 0, [b"half", b"a file"])
    await chunks.store("def-0123", 0, [b"a dead node's"])
    await one.snapshots.sweep()
    assert len(await chunks.blobs()) == 5  # both of the node that lives, and all that is used
    assert await one.snapshots.newest() == former
    await other.stop()
    await nodes.restart(1)
    await nodes.settle()
    await one.snapshots.sweep()
    assert set(await one._link.chunks.blobs()) == {former.blob, *await used(one), "snapshot"}
    assert await content(nodes.engines[1]) == b"hello"


@pytest_twisted.ensureDeferred
async def test_a_snapshot_that_cannot_be_stored(nodes, monkeypatch):  # noqa: F811
    """A log without room for all of it keeps none of its chunks, and the next one is made."""
    one, _ = nodes.engines
    await fill(one)
    chunks = one._link.chunks
    before, store = await chunks.blobs(), chunks.store

    async def store_some(blob, first, data):
        await store(blob, first, data)
        raise OSError("it is full")

    with monkeypatch.context() as patched:
        patched.setattr(chunks, "store", store_some)
        with pytest.raises(OSError, match="it is full"):
            await one.snapshots.make()
    while await chunks.blobs() != before:
        pass
    assert await one.snapshots.make() == await one.snapshots.newest()


async def used(engine):
    """Return the blobs that files have."""
    return await engine.logs.look(FileRecords.blobs)


@pytest_twisted.ensureDeferred
async def test_two_snapshots_at_once(nodes):  # noqa: F811
    """Of two nodes that make one at the same moment, one gives way, and its chunks are deleted."""
    one, other = nodes.engines
    lab = await fill(one)
    await nodes.settle()
    first = await one.snapshots.make()
    await append(one, say(lab, "later"))
    await nodes.settle()
    note = await other._link.chunks.note()
    second = await one.snapshots.make()
    assert second.sequence > first.sequence
    late = second._replace(blob="s0-late")
    assert not await other.snapshots._publish(note, late)
    assert await other.snapshots._publish(note, second)  # as if its answer had been lost
    assert await one.snapshots.newest() == second
    assert first.blob not in await one._link.chunks.blobs()


@pytest_twisted.ensureDeferred
async def test_a_damaged_snapshot(nodes):  # noqa: F811
    """A snapshot with other bytes, or without some, or with a note of a later version, is refused
    in one sentence, and the directory stays as it was; the log is not trimmed for it."""
    one, _ = nodes.engines
    lab = await fill(one)
    await nodes.settle()
    made = await trimmed(one)
    await one._link.chunks.store(made.blob, 0, [b"other bytes"])
    await append(one, say(lab, "after"))
    third = nodes._engine(2)
    with pytest.raises(Refusal) as caught:
        await third.start()
    assert "are not what was put into it" in caught.value.sentence
    assert not third.logs.cluster.cluster
    await third.stop()
    await one._link.chunks.drop(made.blob)
    assert not await one.snapshots.trim()
    again = await one.snapshots.make()  # the log is at another message by now
    assert await one.snapshots.trim()
    assert again.sequence > made.sequence
    third = nodes._engine(2)
    await third.start()
    assert await texts(third, lab) == await texts(one, lab)
    await third.stop()
    with pytest.raises(Refusal) as caught:
        decode(b'{"format": 2}')
    assert "install the version" in caught.value.sentence


@pytest_twisted.ensureDeferred
async def test_snapshots_are_made_when_the_log_is_large(nodes, monkeypatch):  # noqa: F811
    """One node makes them, when the log has more bytes than it may and than the database."""
    one, other = sorted(nodes.engines, key=lambda it: it._node)
    lab = await fill(one)
    await nodes.settle()
    await one.snapshots._look()
    assert await one.snapshots.newest() is None
    monkeypatch.setattr(snapshots, "LOG_BYTES", 1000)
    big = "x" * 5000
    for _ in range(60):
        await append(one, say(lab, big, big))
    await nodes.settle()
    await other.snapshots._look()
    assert await one.snapshots.newest() is None
    await one.snapshots._look()
    made = await one.snapshots.newest()
    assert (await one._link.info()).first == made.sequence + 1
    await one.snapshots._look()
    assert await one.snapshots.newest() == made
