"""The promises about shared files (the port `FileStore`)."""

import hashlib

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from chatservice.domain.ports.file_ports import UNKNOWN_SIZE, DeclaredFile, FileLocation
from chatservice.errors import Code
from tests.contract.conftest import NOW, code_of

HELLO = hashlib.sha256(b"hello").hexdigest()


def declared(name="a.txt", size=5, sha256=HELLO, folder="lab", owner="alice", id_=None):
    """Return the declaration of a file."""
    return DeclaredFile(folder, name, size, sha256, owner, NOW, owner, id_)


async def put(engine, data=b"hello", **said):
    """Share a file."""
    said = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **said}
    upload = await engine.files.receive(declared(**said), 0)
    upload.write(data)
    return await upload.finish()


async def content(engine, name="a.txt", folder="lab", version=None):
    """Return the content of a file."""
    reader = await engine.files.open(folder, name, version)
    data = b""
    while part := await reader.read(100):
        data += part
    reader.close()
    return data


@pytest_twisted.ensureDeferred
async def test_a_file_is_read_as_it_was_put(engine):
    """It is listed, and can be read from any byte on."""
    mark = await put(engine)
    assert (mark.name, mark.size, mark.sha256, mark.version) == ("a.txt", 5, HELLO, 1)
    assert await content(engine) == b"hello"
    listing = await engine.files.files("lab", "", 9)
    assert (listing.total, listing.bytes, [it.who for it in listing.files]) == (1, 5, ["alice"])
    reader = await engine.files.open("lab", "a.txt")
    reader.seek(3)
    assert await reader.read(9) == b"lo"
    assert reader.left == 0
    reader.close()
    assert await code_of(engine.files.open("lab", "b.txt")) == Code.NO_SUCH_FILE
    assert await code_of(engine.files.open("den", "a.txt")) == Code.NO_SUCH_FILE


@pytest_twisted.ensureDeferred
async def test_a_part_of_a_file_is_read(engine):
    """Nothing behind its end is read, and an end behind that of the file is the file's."""
    await put(engine)
    reader = await engine.files.open("lab", "a.txt")
    reader.seek(1, 4)
    assert (reader.at, reader.left) == (1, 3)
    assert await reader.read(9) == b"ell"
    assert (reader.at, reader.left, await reader.read(9)) == (4, 0, b"")
    reader.seek(1, 9)
    assert reader.left == 4
    reader.close()


@pytest_twisted.ensureDeferred
async def test_versions(engine):
    """The newest version has the name, and the others can be read."""
    await put(engine)
    assert (await put(engine, b"world!")).version == 2
    assert await content(engine) == b"world!"
    assert await content(engine, version=1) == b"hello"
    assert [it.version for it in await engine.files.versions("lab", "a.txt")] == [1, 2]
    assert await code_of(engine.files.open("lab", "a.txt", 3)) == Code.NO_SUCH_FILE


@pytest_twisted.ensureDeferred
async def test_what_is_not_as_declared_is_not_kept(engine):
    """A file with other bytes, or too few, is neither listed nor readable."""
    assert await code_of(put(engine, b"hallo", sha256=HELLO)) == Code.WRONG_SHA256
    upload = await engine.files.receive(declared(), 0)
    upload.write(b"hel")
    assert await code_of(upload.finish()) == Code.INCOMPLETE
    assert (await engine.files.files("lab", "", 9)).total == 0


@pytest_twisted.ensureDeferred
async def test_an_upload_goes_on(engine):
    """The same content resumes an upload after its received bytes; other content does not."""
    upload = await engine.files.receive(declared(), 0)
    upload.write(b"hel")
    upload.abandon()
    again = await engine.files.receive(declared(), await engine.files.have(declared()))
    again.write(b"hello"[again.have :])
    await again.finish()
    assert await content(engine) == b"hello"
    assert await engine.files.have(declared()) == 0
    assert await code_of(engine.files.receive(declared(name="b"), 3)) == Code.BAD_OFFSET


@pytest_twisted.ensureDeferred
async def test_a_second_connection_takes_an_upload_over(engine):
    """The first one ends, and cannot finish."""
    first = await engine.files.receive(declared(), 0)
    second = await engine.files.receive(declared(), 0)
    second.write(b"hello")
    await second.finish()
    first.write(b"hello")
    assert await code_of(first.finish()) == Code.INCOMPLETE
    assert len(await engine.files.versions("lab", "a.txt")) == 1


@pytest_twisted.ensureDeferred
async def test_partial_uploads_are_known(engine):
    """The owner's partial uploads are listed until they are dropped."""
    upload = await engine.files.receive(declared(), 0)
    upload.write(b"hel")
    assert await code_of(upload.finish()) == Code.INCOMPLETE
    (found,) = await engine.files.unfinished("alice")
    assert (found.declared.name, found.have) == ("a.txt", 3)
    await engine.files.drop(declared())
    assert list(await engine.files.unfinished("alice")) == []


@pytest_twisted.ensureDeferred
async def test_an_upload_that_has_just_stopped_is_dropped(engine):
    """Its last bytes may still be written then; they go, too. An upload under way stays."""
    upload = await engine.files.receive(declared(), 0)
    upload.write(b"hel")
    await engine.files.drop(declared())
    upload.abandon()
    await engine.files.drop(declared())
    assert list(await engine.files.unfinished("alice")) == []
    upload = await engine.files.receive(declared(), 0)
    await engine.files.drop(declared())
    upload.write(b"hello")
    await upload.finish()
    assert await content(engine) == b"hello"


@pytest_twisted.ensureDeferred
async def test_an_upload_of_unknown_size(engine):
    """Its end tells its size; a SHA-256 is checked all the same."""
    upload = await engine.files.receive(declared(size=UNKNOWN_SIZE, sha256=None), 0)
    upload.write(b"hel")
    upload.write(b"lo")
    mark = await upload.finish()
    assert (mark.size, mark.sha256) == (5, HELLO)
    assert await content(engine) == b"hello"
    upload = await engine.files.receive(declared(size=UNKNOWN_SIZE), 0)
    upload.write(b"hallo")
    assert await code_of(upload.finish()) == Code.WRONG_SHA256
    assert list(await engine.files.unfinished("alice")) == []


@pytest_twisted.ensureDeferred
async def test_a_partial_upload_is_known_by_its_id(engine):
    """Without a SHA-256 it is listed, resumed at any offset, and dropped by its id. What is sent
    again replaces what was there."""
    new = declared(size=UNKNOWN_SIZE, sha256=None, id_="")
    for text in (b"hex", b"other"):
        upload = await engine.files.receive(new, 0)
        upload.write(text)
        upload.abandon()
    found, other = await engine.files.unfinished("alice")
    assert (found.have, other.have) == (3, 5)
    assert upload.id == other.id == other.declared.id != found.id
    assert await engine.files.have(found.declared) == 3
    assert await engine.files.have(new) == 0
    assert await code_of(engine.files.receive(found.declared, 4)) == Code.BAD_OFFSET
    former = await engine.files.receive(found.declared, 2)
    upload = await engine.files.receive(found.declared, 2)
    assert (upload.have, upload.id, former.id) == (2, found.id, found.id)
    former.write(b"from a connection that is dead")
    upload.write(b"llo")
    assert await code_of(former.finish()) == Code.INCOMPLETE
    await upload.finish()
    assert await content(engine) == b"hello"
    await engine.files.drop(other.declared)
    assert list(await engine.files.unfinished("alice")) == []
    upload = await engine.files.receive(declared(sha256=None), 0)
    upload.write(b"hel")
    upload.abandon()
    assert list(await engine.files.unfinished("alice")) == []


@pytest_twisted.ensureDeferred
async def test_a_file_that_arrives_is_read_up_to_its_last_byte(engine):
    """The last byte comes when the file is shared."""
    upload = await engine.files.receive(declared(), 0)
    reader = engine.files.arriving("lab", "a.txt")
    assert reader.mark.version == 0
    upload.write(b"hello")
    data = await reader.read(9)
    assert len(data) < 5
    await upload.finish()
    while part := await reader.read(9):
        data += part
    assert data == b"hello"
    reader.close()
    assert engine.files.arriving("lab", "a.txt") is None


@pytest_twisted.ensureDeferred
async def test_what_came_while_nothing_was_read_is_not_waited_for(engine):
    """Bytes that come after a reader found none are there for its next read, without further ones:
    their sender may be waiting for the reader."""
    data = bytes(300_000)
    sha256 = hashlib.sha256(data).hexdigest()
    upload = await engine.files.receive(declared(size=len(data), sha256=sha256), 0)
    reader = engine.files.arriving("lab", "a.txt")
    assert await reader.read(9) == b""
    upload.write(data)
    while upload.have == 0:
        await deferLater(reactor, 0)
    assert reader.more().called
    assert await reader.read(9) == bytes(9)
    reader.close()
    upload.refuse()


@pytest_twisted.ensureDeferred
async def test_removing(engine):
    """A user removes their own files; with an empty id, anybody's are removed."""
    await put(engine)
    await put(engine, b"world", owner="bob")
    assert await code_of(engine.files.remove("lab", "a.txt", 1, "bob")) == Code.NOT_YOURS
    assert list(await engine.files.remove("lab", "a.txt", None, "bob")) == [2]
    assert await content(engine) == b"hello"
    assert list(await engine.files.remove("lab", "a.txt", 1, "")) == [1]
    assert await code_of(engine.files.remove("lab", "a.txt", None, "")) == Code.NO_SUCH_FILE


@pytest_twisted.ensureDeferred
async def test_the_same_content_is_found_and_copied(engine):
    """Content is found by size and SHA-256; a copy of vanished content is None."""
    await put(engine)
    (place,) = await engine.files.places(5, HELLO)
    assert place == FileLocation("lab", "a.txt", 1)
    mark = await engine.files.copy(place, declared(name="b.txt", folder="den", owner="bob"))
    assert (mark.name, mark.sha256) == ("b.txt", HELLO)
    await engine.files.remove("lab", "a.txt", None, "")
    assert await content(engine, "b.txt", "den") == b"hello"
    assert await engine.files.copy(place, declared(name="c.txt")) is None


@pytest_twisted.ensureDeferred
async def test_what_is_used(engine):
    """The used space of a folder and of a user does not count the upload that asks."""
    await put(engine)
    await put(engine, b"other", name="b.txt", owner="bob")
    used = await engine.files.used(declared(name="c.txt"), exactly=True)
    assert (used.folder, used.user) == (10, 5)
    assert used.free > 0


@pytest_twisted.ensureDeferred
async def test_a_folder_moves_and_is_forgotten(engine):
    """A folder moves, and is deleted, with all its files."""
    await put(engine, folder=".guests/7", owner=".guests/7")
    await engine.files.move(".guests/7", ".inboxes/bob", "bob")
    assert await content(engine, folder=".inboxes/bob") == b"hello"
    assert (await engine.files.files(".guests/7", "", 9)).total == 0
    await engine.files.forget(".inboxes/bob")
    assert (await engine.files.files(".inboxes/bob", "", 9)).total == 0
    assert list(await engine.files.places(5, HELLO)) == []


@pytest_twisted.ensureDeferred
async def test_what_somebody_has_shared(engine):
    """A user's files are found in all folders."""
    await put(engine)
    await put(engine, name="b.txt", folder="den", owner="bob")
    assert list(await engine.files.shared("bob")) == [("den", "b.txt")]
