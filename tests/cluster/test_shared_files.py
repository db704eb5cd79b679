"""Files of two nodes: shared at one, they are read, copied and removed at the other."""

import hashlib
import os

import pytest
import pytest_twisted

from chatservice.domain.model import guest_id
from chatservice.domain.ports.file_ports import DeclaredFile, FileLocation
from chatservice.engines.jetstream import chunkstream, logservers, natslink
from chatservice.engines.jetstream.chunkstream import CHUNK_BYTES
from chatservice.errors import Code, Refusal
from tests.cluster.conftest import make_engine
from tests.cluster.natsservers import NatsServer
from tests.cluster.test_two_nodes import at_each, nodes  # noqa: F401 - a fixture
from tests.contract.conftest import NOW, append, code_of, room, say
from tests.contract.test_files import content, declared, put

LARGE = os.urandom(3 * CHUNK_BYTES + 100)


async def whole(engine, name="a.txt", offset=0):
    """Return the content of a file behind an offset."""
    reader = await engine.files.open("lab", name)
    reader.seek(offset)
    pieces = []
    while part := await reader.read(1 << 20):
        pieces.append(part)
    reader.close()
    return b"".join(pieces)


async def chunks_left(engine):
    """Return the number of chunks in the stream."""
    link = engine._link
    return await link.do(_count(link._js, f"{engine._address.stream}-FILES"))


async def _count(js, name):
    return (await js.stream_info(name)).state.messages


@pytest_twisted.ensureDeferred
async def test_a_file_is_read_at_another_node(nodes):  # noqa: F811
    """All of it, or behind an offset, with the same mark; when it is removed there, it is gone at
    both, and so are its bytes in the log."""
    one, other = nodes.engines
    mark = await put(one, LARGE)
    await nodes.settle()
    assert await whole(other) == LARGE
    assert await whole(other, offset=CHUNK_BYTES + 5) == LARGE[CHUNK_BYTES + 5 :]
    assert (await other.files.open("lab", "a.txt", 1)).mark == mark
    assert await one.files.files("lab", "", 9) == await other.files.files("lab", "", 9)
    assert await chunks_left(one) == 4
    assert list(await other.files.remove("lab", "a.txt", None, "alice")) == [1]
    await nodes.settle()
    for engine in nodes.engines:
        assert await code_of(engine.files.open("lab", "a.txt")) == Code.NO_SUCH_FILE
    while await chunks_left(one):
        pass


@pytest_twisted.ensureDeferred
async def test_a_file_outlives_its_node(nodes):  # noqa: F811
    """A node that stops leaves what was shared there to the others, also to an empty one."""
    one, other = nodes.engines
    await put(one, b"hello")
    await nodes.settle()
    await one.stop()
    assert await content(other) == b"hello"
    third = await nodes.start()
    assert await content(third) == b"hello"
    await nodes.restart(0)


@pytest_twisted.ensureDeferred
async def test_a_fetch_goes_on_where_it_stopped(nodes):  # noqa: F811
    """A fetch that fails is refused, and the next one fetches the rest."""
    one, other = nodes.engines
    await put(one, LARGE)
    await nodes.settle()
    chunks, fetched = other.files.chunks, []
    fetch, chunks.fetch = chunks.fetch, None

    async def failing(blob, first, count):
        fetched.append(first)
        if first:
            raise OSError("the log is gone")
        return await fetch(blob, 0, 1)

    chunks.fetch = failing
    assert await code_of(other.files.open("lab", "a.txt")) == Code.NOT_STORED

    async def counting(blob, first, count):
        fetched.append(first)
        return await fetch(blob, first, count)

    chunks.fetch = counting
    assert await whole(other) == LARGE
    assert fetched == [0, 1, 1]


@pytest_twisted.ensureDeferred
async def test_fetched_copies_leave_room(nodes, monkeypatch):  # noqa: F811
    """They have no more bytes than are left free: the one that was not asked for longest goes, and
    is fetched again when somebody asks."""
    one, other = nodes.engines
    for name in "abc":
        await put(one, name.encode() * 1000, name=f"{name}.bin")
    await nodes.settle()
    local = other.files.local

    def free():
        """Return the free bytes of a disk of 5000."""
        there = [it.stat().st_size for it in (local.root / "lab").rglob("*") if it.is_file()]
        return 5000 - sum(there)

    monkeypatch.setattr(local, "free", free)
    for name in "abac":
        assert await whole(other, f"{name}.bin") == name.encode() * 1000
    assert {row.name for _, row in await local.unowned()} == {"a.bin", "c.bin"}
    assert await whole(other, "b.bin") == b"b" * 1000
    assert {row.name for _, row in await local.unowned()} == {"b.bin", "c.bin"}
    assert len(await one.files.local.places(1000, hashlib.sha256(b"b" * 1000).hexdigest())) == 1


@pytest_twisted.ensureDeferred
async def test_damaged_bytes_are_not_served(nodes):  # noqa: F811
    """A chunk that is not as it was is found by the file's SHA-256."""
    one, other = nodes.engines
    await put(one, b"hello")
    await nodes.settle()
    (record,) = await other.files._versions("lab", "a.txt")
    await other.files.chunks.store(record.blob, 0, [b"hallo"])
    assert await code_of(other.files.open("lab", "a.txt")) == Code.WRONG_SHA256
    assert await content(one) == b"hello"


@pytest_twisted.ensureDeferred
async def test_one_name_at_two_nodes(nodes):  # noqa: F811
    """Files that both share at once by one name are two versions, the same at both nodes."""
    texts = b"one", b"other"
    marks = await at_each(put(it, text) for it, text in zip(nodes.engines, texts, strict=True))
    assert sorted(it.version for it in marks) == [1, 2]
    await nodes.settle()
    for mark, text in zip(marks, texts, strict=True):
        for engine in nodes.engines:
            assert await content(engine, version=mark.version) == text
    assert nodes.rows(0) == nodes.rows(1)


@pytest_twisted.ensureDeferred
async def test_one_file_at_two_nodes(nodes):  # noqa: F811
    """A file that is shared at both at once, by one name, is one version, and its bytes are in the
    log once."""
    marks = await at_each(put(it, b"same") for it in nodes.engines)
    assert [it.version for it in marks] == [1, 1]
    await nodes.settle()
    while await chunks_left(nodes.engines[0]) > 1:
        pass
    for engine in nodes.engines:
        assert await content(engine) == b"same"


@pytest_twisted.ensureDeferred
async def test_a_copy_needs_no_bytes(nodes):  # noqa: F811
    """A file is copied at a node that does not have it; the copy stays when the first goes."""
    one, other = nodes.engines
    await put(one, b"hello")
    await nodes.settle()
    sha256 = hashlib.sha256(b"hello").hexdigest()
    wanted = DeclaredFile("lab", "b.txt", 5, sha256, "bob", NOW, "bob")
    place = FileLocation("lab", "a.txt", 1)
    assert (await other.files.copy(place, wanted)).version == 1
    await one.files.remove("lab", "a.txt", None, "")
    await nodes.settle()
    for engine in nodes.engines:
        assert await content(engine, "b.txt") == b"hello"
    assert await other.files.copy(place, wanted._replace(name="c.txt")) is None


@pytest_twisted.ensureDeferred
async def test_a_file_that_the_log_refuses_is_not_shared(nodes):  # noqa: F811
    """A full log: the upload is refused, and no node has the file."""
    one, other = nodes.engines
    async with nodes.case.failing():
        with pytest.raises(Refusal):
            await put(one, b"hello")
    for engine in nodes.engines:
        assert (await engine.files.files("lab", "", 9)).total == 0
    await put(other, b"hello")
    await nodes.settle()
    assert await content(one) == b"hello"


@pytest_twisted.ensureDeferred
async def test_files_of_a_deleted_account(nodes):  # noqa: F811
    """They have the account's mark at all nodes, and nobody owns them."""
    one, _ = nodes.engines
    await one.accounts.register("alice", "hash", None, NOW)
    await put(one, b"hello", owner="alice")
    await one.accounts.delete("alice", "deleted-7")
    await nodes.settle()
    for engine in nodes.engines:
        assert [it.who for it in await engine.files.versions("lab", "a.txt")] == ["deleted-7"]
        assert list(await engine.files.shared("alice")) == []


@pytest_twisted.ensureDeferred
async def test_files_of_a_guest_who_left(nodes):  # noqa: F811
    """They are gone at all nodes, though nobody waits for that, and so are their bytes."""
    one, other = nodes.engines
    await put(one, folder=guest_id(7))
    await nodes.settle()
    one.files.forget(guest_id(7))
    while (await other.files.files(guest_id(7), "", 9)).total or await chunks_left(other):
        pass


@pytest_twisted.ensureDeferred
async def test_files_leave_room_for_talk(tmp_path, monkeypatch):
    """A file for which the servers have no room is refused before any of it is stored. One that
    fills them all the same is refused, and its bytes go, so that talk goes on. So it is with one
    that waits for servers that are gone."""
    monkeypatch.setattr(chunkstream, "STORE_SECONDS", 0.5)
    monkeypatch.setattr(natslink, "ANSWER_SECONDS", 0.5)
    server = NatsServer(tmp_path, jetstream="max_file: 10MB")
    engine = make_engine(server, "SMALL", tmp_path)
    try:
        await engine.start()
        lab = await room(engine)
        first, second = os.urandom(12 * CHUNK_BYTES), os.urandom(7 * CHUNK_BYTES)
        await put(engine, first)
        assert (await engine.files.used(declared())).free < len(second)
        assert await code_of(put(engine, second)) == Code.DISK_FULL
        assert await chunks_left(engine) == 12

        monkeypatch.setattr(logservers, "FILES_SHARE", 9.0)
        assert await code_of(put(engine, os.urandom(10 * CHUNK_BYTES))) == Code.NOT_STORED
        while await chunks_left(engine) > 12:
            pass
        assert await append(engine, say(lab, "hello")) == [1]

        store = engine.files.chunks.store

        async def store_and_die(blob, first, chunks):
            await store(blob, first, chunks)
            server.kill()

        monkeypatch.setattr(engine.files.chunks, "store", store_and_die)
        assert await code_of(put(engine, os.urandom(9 * CHUNK_BYTES))) == Code.NOT_STORED
        server.start()
        while await chunks_left(engine) > 12:
            pass
        assert (await engine.files.files("lab", "", 9)).total == 1
        assert await whole(engine) == first
    finally:
        await engine.stop()
        server.kill()
