"""From one machine to several, and back: nothing is lost, and positions stay."""

import hashlib
import os
import sqlite3
from contextlib import closing

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList

from chatservice.domain.ports.account_ports import Token
from chatservice.domain.ports.member_ports import Membership
from chatservice.domain.ports.room_ports import RulesChanged
from chatservice.domain.rules import Rule, RuleKind
from chatservice.engines.jetstream.chunkstream import CHUNK_BYTES
from chatservice.engines.jetstream.snapshots import Snapshots
from chatservice.engines.sqlite import backup
from chatservice.engines.sqlite.engine import SqliteEngine
from chatservice.entries import Kind
from chatservice.errors import Refusal
from tests.cluster.conftest import make_engine
from tests.cluster.machines import SAME, rows_of
from tests.cluster.test_two_nodes import Nodes
from tests.contract.conftest import NOW, append, room, say, texts
from tests.contract.test_files import content, put

LARGE = bytes(range(256)) * (CHUNK_BYTES // 128)
FILES = {("a.txt", 1): b"one", ("a.txt", 2): b"two", ("large.bin", 1): LARGE}


def alone(path):
    """Return the engine of a server that runs alone."""
    return SqliteEngine(reactor, path / "data", path / "files")


async def fill(engine):
    """Store something of each kind, and return the room."""
    lab = await room(engine)
    await append(engine, *(say(lab, f"m{at}", key=f"k{at}", writer="alice") for at in range(20)))
    await append(engine, say(lab, "a topic", kind=Kind.TOPIC))
    await engine.logs.erase(lab, 3)
    account = await engine.accounts.register("alice", "hash", None, NOW)
    await append(engine, say(account.inbox, "psst", kind=Kind.PRIVATE))
    await engine.accounts.add_token("f" * 64, Token("alice", "laptop", None, NOW))
    await engine.accounts.add_code("e" * 64, "alice", NOW)
    await engine.members.keep(Membership("alice", lab, 3, NOW), 9)
    await engine.members.mark_read({("alice", lab): 7})
    rule = Rule(RuleKind.BANNED, "mallory", 0, "alice", NOW)
    await engine.rooms.change_rules(RulesChanged(lab, added=(rule,)))
    for (name, _), data in FILES.items():
        await put(engine, data, name=name)
    await put(engine, b"mine", name="mine.txt", folder=".inboxes/alice")
    return lab


def rows(path):
    """Return all that is to be the same everywhere, but for the files."""
    with closing(sqlite3.connect(path / "data" / "chat.sqlite")) as db:
        return rows_of(db, SAME)


async def check_files(engine):
    """See that all files are there, with their versions and their users."""
    for (name, version), data in FILES.items():
        assert await content(engine, name, version=version) == data
        told = {it.version: it for it in await engine.files.versions("lab", name)}[version]
        assert (told.who, told.sha256) == ("alice", hashlib.sha256(data).hexdigest())
    assert await content(engine, "mine.txt", ".inboxes/alice") == b"mine"


@pytest_twisted.ensureDeferred
async def test_one_becomes_several_and_one_again(tmp_path, nats_server):
    """The directory of a server that ran alone becomes the first node of a cluster; an empty second
    node has all of it, and goes on. A backup of that, restored, is a server that runs alone."""
    first = alone(tmp_path / "0")
    await first.start()
    lab = await fill(first)
    dropped = tmp_path / "0" / "files" / "lab" / "dropped.txt"
    dropped.write_bytes(b"by hand")
    os.utime(dropped, (NOW / 1000, NOW / 1000))  # nobody writes to it any more
    await first.stop()
    before = rows(tmp_path / "0")

    nodes = Nodes(tmp_path, nats_server)
    one, other = await nodes.start(), await nodes.start()
    assert rows(tmp_path / "0") == rows(tmp_path / "1") == before
    await nodes.settle()
    assert nodes.rows(0) == nodes.rows(1)
    await check_files(other)
    assert await content(other, "dropped.txt") == b"by hand"
    assert await append(other, say(lab, "again", key="k5", writer="alice")) == [6]
    assert await append(one, say(lab, "behind")) == [22]
    await nodes.settle()
    await one.stop()
    made = await other.maintenance.backup(str(tmp_path / "backup"), lambda text: None, lambda: True)
    assert (made.files, made.unread) == (5, 0)
    await other.stop()
    now = rows(tmp_path / "1")

    with pytest.raises(Refusal) as caught:
        alone(tmp_path / "1")
    assert "is that of a node of a cluster" in caught.value.sentence
    (tmp_path / "2").mkdir()
    backup.restore(tmp_path / "backup", tmp_path / "2" / "data", tmp_path / "2" / "files", print)
    last = alone(tmp_path / "2")
    await last.start()
    assert rows(tmp_path / "2") == now
    await check_files(last)
    assert await texts(last, lab, 20) == ["a topic", "behind"]
    assert await append(last, say(lab, "alone")) == [23]
    await last.stop()


async def why(engine):
    """Return the sentence with which an engine does not start."""
    with pytest.raises(Refusal) as caught:
        await engine.start()
    await engine.stop()
    return caught.value.sentence


@pytest_twisted.ensureDeferred
async def test_a_start_that_breaks_off(tmp_path, nats_server, monkeypatch):
    """The first node ends before its chat is whole in the log. Its directory is that of a server
    that runs alone still, other nodes are refused, and the next start goes on."""
    for name in ("one", "another"):
        first = alone(tmp_path / name)
        await first.start()
        lab = await room(first)
        await append(first, say(lab, name))
        await put(first, name.encode())
        await first.stop()

    async def fail(self, cluster, files):
        raise OSError("it was killed")

    monkeypatch.setattr(Snapshots, "make_base", fail)
    assert "it was killed" in await why(make_engine(nats_server, "BROKEN", tmp_path / "one"))
    monkeypatch.undo()
    assert "waits for the chat" in await why(make_engine(nats_server, "BROKEN", tmp_path / "empty"))
    again = alone(tmp_path / "one")
    await again.start()
    assert await texts(again, lab) == ["one"]
    await again.stop()

    one = make_engine(nats_server, "BROKEN", tmp_path / "one")
    other = make_engine(nats_server, "BROKEN", tmp_path / "another")
    at_once = await DeferredList(
        [Deferred.fromCoroutine(it.start()) for it in (one, other)], consumeErrors=True
    )
    (won,) = [it for it, (done, _) in zip((one, other), at_once, strict=True) if done]
    lost = one if won is other else other
    await lost.stop()
    name = "one" if won is one else "another"
    assert await texts(won, lab) == [name]
    assert await content(won) == name.encode()
    alone_still = alone(tmp_path / ("another" if won is one else "one"))
    await alone_still.start()
    assert await texts(alone_still, lab) == ["another" if won is one else "one"]
    await alone_still.stop()
    await won.stop()
