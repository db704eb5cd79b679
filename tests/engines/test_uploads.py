"""Uploads that stop half-way, and go on."""

import hashlib
import os
import random
import shutil
import threading

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, gatherResults

from chatservice.domain.ports.file_ports import UNKNOWN_SIZE, DeclaredFile
from chatservice.engines.sqlite import filestore, plainfiles
from chatservice.engines.sqlite.entryages import Clocks, really_passed
from chatservice.engines.sqlite.filestore import FolderFileStore
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.engines.sqlite.longjobs import finished
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

DATA = random.Random(1).randbytes(1_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


class Stored:
    """A file store that can be left as a killed server leaves it, and opened again."""

    def __init__(self, path):
        self.path = path
        self.open()

    def open(self):
        """Open it."""
        self.limits = Limits()
        self.store = LogStore(reactor, self.path / "chat.sqlite")
        self.folders = FolderFileStore(
            reactor, self.path / "SharedFiles", self.store.file_table, limits=self.limits
        )
        self.store.start()

    def close(self):
        """Close it."""
        self.folders.close()
        self.store.close()

    def partials(self):
        """Return what is left half-way."""
        return os.listdir(self.path / "SharedFiles" / ".partial")


@pytest.fixture
def stored(tmp_path):
    """Return an empty file store."""
    stored = Stored(tmp_path)
    yield stored
    stored.close()


def declared(name="a", data=DATA, who="alice", **changed):
    """Return what is said of an upload before its bytes come."""
    sha256 = hashlib.sha256(data).hexdigest()
    return DeclaredFile("lab", name, len(data), sha256, who, 0, who.lower())._replace(**changed)


async def begun(stored, data=DATA[:300_000], what=None, offset=0):
    """Begin an upload, and send a part of it."""
    incoming = await stored.folders.receive(what or declared(), offset)
    incoming.write(data)
    return incoming


async def stop(incoming):
    """Let a connection break."""
    await incoming.stop()


@pytest_twisted.ensureDeferred
async def test_an_upload_goes_on_where_it_stopped(stored):
    """By who began it, with the same name, size and SHA-256; what was sent is not sent again."""
    await stop(await begun(stored))
    for other in (
        declared(who="bob"),
        declared("b"),
        declared(size=len(DATA) + 1),
        declared(sha256="00" * 32),
        declared(sha256=None),
    ):
        assert await stored.folders.have(other) == 0
    assert [it.have for it in await stored.folders.unfinished("alice")] == [300_000]
    assert await stored.folders.have(declared(who="ALICE")) == 300_000
    incoming = await begun(stored, DATA[300_000:], declared(who="Alice"), offset=300_000)
    assert (await incoming.finish()).sha256 == SHA256
    assert [it.who for it in await stored.folders.versions("lab", "a")] == ["Alice"]
    assert (stored.path / "SharedFiles" / "lab" / "a").read_bytes() == DATA
    assert (stored.partials(), await stored.folders.unfinished("alice")) == ([], [])


@pytest_twisted.ensureDeferred
async def test_it_outlasts_the_server(stored):
    """The bytes that arrived are hashed again, once, and not sent again."""
    await stop(await begun(stored))
    stored.close()
    (_left,) = stored.partials()
    stray = stored.path / "SharedFiles" / ".partial" / "once-left-over"
    stray.touch()
    stored.open()
    assert await stored.folders.have(declared()) == 300_000
    assert not stray.exists()
    incoming = await begun(stored, DATA[300_000:], offset=300_000)
    assert (await incoming.finish()).sha256 == SHA256
    assert stored.partials() == []


@pytest_twisted.ensureDeferred
async def test_one_that_is_known_by_its_id_outlasts_the_server(stored):
    """It keeps its id, and goes on at the offset that is asked for."""
    what = declared(size=UNKNOWN_SIZE, sha256=None, id="")
    await stop(await begun(stored, what=what))
    (before,) = await stored.folders.unfinished("alice")
    stored.close()
    stored.open()
    assert await stored.folders.unfinished("alice") == [before]
    incoming = await begun(stored, DATA[200_000:], before.declared, offset=200_000)
    assert (await incoming.finish()).sha256 == SHA256
    assert stored.partials() == []


@pytest.mark.parametrize("seed", range(8))
@pytest_twisted.ensureDeferred
async def test_at_any_byte_however_often(stored, seed):
    """Cut anywhere, with or without a restart, sent on from where it is or from before that."""
    chance = random.Random(seed)
    for _ in range(5):
        have = await stored.folders.have(declared())
        offset, cut = chance.randint(0, have), chance.randint(0, len(DATA))
        await stop(await begun(stored, DATA[offset:cut], offset=offset))
        assert await stored.folders.have(declared()) == max(have, cut)
        if chance.random() < 0.5:
            stored.close()
            stored.open()
    offset = await stored.folders.have(declared())
    assert (await (await begun(stored, DATA[offset:], offset=offset)).finish()).sha256 == SHA256
    assert stored.partials() == []


@pytest_twisted.ensureDeferred
async def test_a_gap_is_refused(stored):
    """Bytes that are not there cannot be left out; the sentence says how many there are."""
    await stop(await begun(stored))
    with pytest.raises(Refusal, match="Only 300000 of its bytes are here") as caught:
        await stored.folders.receive(declared(), 300_001)
    assert caught.value.code is Code.BAD_OFFSET
    with pytest.raises(Refusal, match="Only 0 of"):
        await stored.folders.receive(declared("b"), 1)


@pytest_twisted.ensureDeferred
async def test_a_file_that_changed_between_its_halves(stored):
    """Is refused, and nothing of it is kept: the next try begins anew."""
    await stop(await begun(stored))
    incoming = await begun(stored, bytes(700_000), offset=300_000)
    with pytest.raises(Refusal) as caught:
        await incoming.finish()
    assert caught.value.code is Code.WRONG_SHA256
    assert (stored.partials(), await stored.folders.have(declared())) == ([], 0)
    assert not (stored.path / "SharedFiles" / "lab").exists()


@pytest_twisted.ensureDeferred
async def test_one_that_nobody_can_tell_again_is_not_kept(stored):
    """Without a SHA-256 it might be another file that goes on."""
    incoming = await begun(stored, what=declared(sha256=None))
    assert len(stored.partials()) == 1
    await stop(incoming)
    await stored.store.file_table.partials()
    assert await stored.folders.unfinished("alice") == []


@pytest_twisted.ensureDeferred
async def test_a_connection_that_only_seems_to_be_there_loses_its_upload(stored):
    """The one that comes back goes on; what the old one still brings is for nobody."""
    old = await begun(stored)
    new = await begun(stored, DATA[200_000:], offset=200_000)
    old.write(b"too late")
    assert (await new.finish()).sha256 == SHA256
    with pytest.raises(Refusal, match="Another connection"):
        await old.finish()
    assert stored.partials() == []


@pytest_twisted.ensureDeferred
async def test_the_same_upload_begun_by_many_at_once(stored):
    """One after the other; in the end it is there once, and nothing else is."""
    uploads = [await begun(stored, DATA) for _ in range(5)]
    await gatherResults([upload_finished(it) for it in uploads])
    assert [it.version for it in await stored.folders.versions("lab", "a")] == [1]
    assert stored.partials() == []


def upload_finished(upload):
    """Finish an upload, with any result."""
    return Deferred.fromCoroutine(upload.finish()).addErrback(lambda failure: failure.trap(Refusal))


@pytest_twisted.ensureDeferred
async def test_a_thousand_that_were_begun_and_left(stored):
    """Of one user's, a few are kept: the newest."""
    stored.limits.partial_uploads = 3
    for number in range(20):
        await stop(await begun(stored, b"x", declared(f"file{number}")))
    assert [it.declared.name for it in await stored.folders.unfinished("alice")] == [
        "file17",
        "file18",
        "file19",
    ]
    assert len(stored.partials()) == 3


@pytest_twisted.ensureDeferred
async def test_of_all_users_only_so_many_are_kept(stored):
    """Those on which something moved last; one that somebody writes to never goes."""
    stored.limits.partial_uploads_of_all = 3
    busy = await begun(stored, what=declared(who="busy"))
    whats = [declared(who=f"user{number}") for number in range(5)]
    for what in (*whats[:3], whats[0], *whats[3:]):
        await stop(await begun(stored, what=what))
    have = [await stored.folders.have(what) for what in whats]
    assert have == [300_000, 0, 0, 300_000, 300_000]
    assert len(stored.partials()) == 4
    await stop(busy)
    assert await stored.folders.have(declared(who="busy")) == 300_000
    assert await stored.folders.have(whats[0]) == 0


@pytest_twisted.ensureDeferred
async def test_of_all_users_only_so_much_is_kept(stored):
    """A share of the disk; the last one stays also where that is more."""
    share = 700_000 / shutil.disk_usage(stored.path).free
    stored.limits.partial_share = share
    whats = [declared(who=f"user{number}") for number in range(4)]
    for what in whats[:3]:
        await stop(await begun(stored, what=what))
    assert [await stored.folders.have(what) for what in whats] == [0, 300_000, 300_000, 0]
    await stop(await begun(stored, DATA[:900_000], what=whats[3]))
    assert [await stored.folders.have(what) for what in whats] == [0, 0, 0, 900_000]
    assert len(stored.partials()) == 1


@pytest_twisted.ensureDeferred
async def test_what_nobody_goes_on_with_is_dropped(tmp_path):
    """After the time that the operator has set."""
    store = LogStore(reactor, tmp_path / "chat.sqlite")
    store.start()
    limits = Limits(partial_seconds=1000)
    folders = FolderFileStore(reactor, tmp_path / "SharedFiles", store.file_table, limits=limits)
    incoming = await folders.receive(declared(), 0)
    incoming.write(DATA[:5])
    await incoming.stop()
    (path,) = (tmp_path / "SharedFiles" / ".partial").iterdir()
    folders._partials._clocks = Clocks(passed=lambda: really_passed() + 1001)
    folders.start()
    while path.exists():
        await folders.aside(path.exists)
    assert await folders.unfinished("alice") == []
    folders.close()
    store.close()


@pytest_twisted.ensureDeferred
async def test_a_disk_that_fails_half_way(stored, monkeypatch):
    """Says so; what was written before is right, and it goes on when the disk does."""
    incoming = await begun(stored)
    monkeypatch.setattr(os, "fdatasync", failing)
    monkeypatch.setattr("chatservice.engines.sqlite.uploads.SYNC_BYTES", 1)
    incoming.write(DATA[300_000:])
    with pytest.raises(Refusal) as caught:
        await incoming.finish()
    assert caught.value.code is Code.NOT_STORED
    monkeypatch.undo()
    have = await stored.folders.have(declared())
    incoming = await begun(stored, DATA[have:], offset=have)
    assert (await incoming.finish()).sha256 == SHA256


@pytest_twisted.ensureDeferred
async def test_a_disk_that_is_far_behind(stored, monkeypatch):
    """Nothing more is asked for until it catches up, however little waits in memory."""
    asked, answered = Deferred(), threading.Event()

    def slow(_):
        if not asked.called:
            reactor.callFromThread(asked.callback, None)
        answered.wait()

    monkeypatch.setattr(os, "fdatasync", slow)
    monkeypatch.setattr("chatservice.engines.sqlite.uploads.SYNC_BYTES", 100_000)
    incoming = await begun(stored)
    await asked
    assert incoming.when_ready() is None
    incoming.write(DATA[300_000:900_000])
    await incoming.grown()
    ready = incoming.when_ready()
    answered.set()
    await ready
    assert incoming.when_ready() is None
    incoming.write(DATA[900_000:])
    assert (await incoming.finish()).sha256 == SHA256


def failing(_):
    """Fail as a disk does."""
    raise OSError(5, "Input/output error")


def test_hashing_begins_where_the_file_is(tmp_path):
    """All that is left of it is read."""
    (tmp_path / "a").write_bytes(DATA)
    with (tmp_path / "a").open("rb") as file:
        assert finished(plainfiles.hash_of(file)).hexdigest() == SHA256


@pytest_twisted.ensureDeferred
async def test_one_that_goes_on_is_not_cancelled_meanwhile(stored):
    """While what is there is read again, it is not taken for one that has stopped."""
    await stop(await begun(stored))
    stored.close()
    stored.open()
    receiving = Deferred.fromCoroutine(stored.folders.receive(declared(), 300_000))
    assert await stored.folders.unfinished("alice") == []
    await stored.folders.drop(declared())
    incoming = await receiving
    incoming.write(DATA[300_000:])
    await incoming.finish()
    assert (stored.path / "SharedFiles" / "lab" / "a").read_bytes() == DATA


@pytest_twisted.ensureDeferred
async def test_one_that_has_just_stopped_is_dropped(stored):
    """Its bytes are gone when that is answered, also those that were still being written."""
    incoming = await begun(stored)
    incoming.abandon()
    assert incoming.over
    await stored.folders.drop(declared())
    assert (stored.partials(), await stored.folders.unfinished("alice")) == ([], [])
    assert await stored.folders.have(declared()) == 0


@pytest_twisted.ensureDeferred
async def test_a_part_that_somebody_has_deleted_or_cut_off(stored):
    """Is missed: what is not there is sent again, and nothing else is put in its place."""
    for change in (os.unlink, lambda path: os.truncate(path, 100)):
        await stop(await begun(stored))
        (path,) = (stored.path / "SharedFiles" / ".partial").iterdir()
        change(path)
        with pytest.raises(Refusal) as caught:
            await stored.folders.receive(declared(), 300_000)
        assert caught.value.code is Code.BAD_OFFSET
        have = await stored.folders.have(declared())
        assert have <= 100
        incoming = await begun(stored, DATA[have:], offset=have)
        await incoming.finish()
        assert (stored.path / "SharedFiles" / "lab" / "a").read_bytes() == DATA
        await stored.folders.remove("lab", "a", None, "")


@pytest.mark.parametrize("there", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_file_that_the_database_refuses(stored, monkeypatch, there):
    """It is not shared; when the database works again, it is shared without being sent again."""

    def refuse(folder, rows):
        return fail(Refusal(Code.NOT_STORED, "The disk is full."))

    if there:
        await (await begun(stored, b"old", declared(data=b"old"))).finish()
    incoming = await begun(stored, DATA)
    monkeypatch.setattr(stored.store.file_table, "keep", refuse)
    with pytest.raises(Refusal):
        await incoming.finish()
    monkeypatch.undo()
    path = stored.path / "SharedFiles" / "lab" / "a"
    assert path.exists() == there
    assert not there or path.read_bytes() == b"old"
    assert await stored.folders.have(declared()) == len(DATA)
    assert (await (await begun(stored, b"", offset=len(DATA))).finish()).sha256 == SHA256
    assert path.read_bytes() == DATA


@pytest_twisted.ensureDeferred
async def test_a_file_for_a_guest_who_registers_meanwhile(stored):
    """It becomes a file of the registered user."""
    incoming = await begun(stored, DATA, declared(folder=".guests/1"))
    await stored.folders.move(".guests/1", ".inboxes/bob", "bob")
    await incoming.finish()
    assert (stored.path / "SharedFiles" / ".inboxes" / "bob" / "a").read_bytes() == DATA
    (await stored.folders.open(".guests/1", "a")).close()  # a ticket of before


GUESTS = {
    "to a guest": {"folder": ".guests/1"},
    "a guest's to one user": {"folder": ".inboxes/bob", "owner": ".guests/1"},
}


@pytest.mark.parametrize("changed", GUESTS.values(), ids=GUESTS)
@pytest_twisted.ensureDeferred
async def test_what_goes_with_a_guest(stored, changed):
    """When they leave, also what is just being brought to an end; and at the next start."""
    what = declared(**changed)
    await stop(await begun(stored, what=what))
    assert await stored.folders.have(what) == 300_000
    assert [it.declared for it in await stored.folders.unfinished(what.owner)] == [what]
    await stored.folders.forget(".guests/2")
    assert await stored.folders.have(what) == 300_000
    await stored.folders.forget(".guests/1")
    assert await stored.folders.have(what) == 0
    incoming = await begun(stored, what=what)
    incoming.abandon()
    await stored.folders.forget(".guests/1")
    await stop(incoming)
    assert (stored.partials(), await stored.folders.have(what)) == ([], 0)
    await stop(await begun(stored, what=what))
    stored.close()
    stored.open()
    assert (stored.partials(), await stored.folders.have(what)) == ([], 0)


@pytest_twisted.ensureDeferred
async def test_leaving_waits_for_a_slow_disk(stored):
    """A guest's folder is forgotten only when the bytes of their partial uploads are gone."""
    await stop(await begun(stored, what=declared(folder=".guests/1")))
    disk = threading.Event()
    for _ in range(filestore._THREADS):
        stored.folders.aside(disk.wait)
    forgetting = stored.folders.forget(".guests/1")
    assert (len(stored.partials()), forgetting.called) == (1, False)
    disk.set()
    await forgetting
    assert stored.partials() == []


@pytest_twisted.ensureDeferred
async def test_a_guest_registers_and_goes_on(stored):
    """With what was sent to them, and with what is theirs."""
    mine = declared(folder=".inboxes/bob", owner=".guests/1")
    for what in (mine, declared("b", folder=".guests/1", who="bob")):
        await stop(await begun(stored, what=what))
    await stored.folders.move(".guests/1", ".inboxes/alice", "alice")
    now = (mine._replace(owner="alice"), declared("b", folder=".inboxes/alice", who="bob"))
    assert [await stored.folders.have(it) for it in now] == [300_000, 300_000]
    for what in now:
        await (await begun(stored, DATA[300_000:], what, offset=300_000)).finish()
    assert (stored.path / "SharedFiles" / ".inboxes" / "bob" / "a").read_bytes() == DATA
    assert (stored.path / "SharedFiles" / ".inboxes" / "alice" / "b").read_bytes() == DATA


@pytest_twisted.ensureDeferred
async def test_what_stopped_half_way_takes_room(stored):
    """It counts for its user and its room, but not twice when it is resumed."""
    await stop(await begun(stored))
    assert (await stored.folders.used(declared("b", who="Alice")))[:2] == (300_000, 300_000)
    assert (await stored.folders.used(declared("b", who="bob")))[:2] == (300_000, 0)
    assert (await stored.folders.used(declared()))[:2] == (0, 0)
