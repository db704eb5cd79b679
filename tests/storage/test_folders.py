"""Shared files as plain files in plain folders."""

import hashlib
import os

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor

from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.storage.folders import Folders
from chatservice.storage.plain import numbered
from chatservice.storage.sqlite import SqliteStore


@pytest.fixture
def folders(tmp_path):
    """Return empty shelves."""
    store = SqliteStore(reactor, tmp_path / "chat.sqlite")
    store.start()
    folders = Folders(reactor, tmp_path / "SharedFiles", store)
    yield folders
    folders.close()
    store.close()


async def put(folders, name, data, shelf="lab", sha256=None, size=None):
    """Upload a file in three pieces."""
    incoming = folders.receive(shelf, name, len(data) if size is None else size, sha256, "alice", 0)
    third = len(data) // 3
    for piece in (data[:third], data[third : 2 * third], data[2 * third :]):
        incoming.write(piece)
    return await incoming.finish()


def partials(folders):
    """Return what is left half-way."""
    return os.listdir(folders.root / ".partial")


@pytest_twisted.ensureDeferred
async def test_a_file_goes_up_and_comes_down(folders):
    """It is a plain file in the room's folder, and is read back with its hash."""
    data = os.urandom(1_000_000)
    mark = await put(folders, "a b.bin", data)
    assert mark == FileMark("a b.bin", 1_000_000, hashlib.sha256(data).hexdigest())
    assert (folders.root / "lab" / "a b.bin").read_bytes() == data
    file = await folders.open("lab", "a b.bin")
    file.seek(999_990)
    assert (file.mark, file.left, file.read(100), file.left) == (mark, 10, data[-10:], 0)
    file.close()
    assert partials(folders) == []


@pytest_twisted.ensureDeferred
async def test_the_same_name_again_replaces_nothing(folders):
    """Other content gets a name of its own; the same content is there already."""
    names = [
        (await put(folders, "a.txt", data)).name
        for data in (b"one", b"two", b"one", b"two", b"six")
    ]
    assert names == ["a.txt", "a (2).txt", "a.txt", "a (2).txt", "a (3).txt"]
    assert (folders.root / "lab" / "a.txt").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("data", "size", "sha256", "code"),
    [
        (b"abc", 4, None, Code.INCOMPLETE),
        (b"abc", 3, "00" * 32, Code.WRONG_SHA256),
        (b"", 0, "00" * 32, Code.WRONG_SHA256),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_does_not_fit_is_not_kept(folders, data, size, sha256, code):
    """Too few bytes, or others than declared: refused, and nothing stays on the disk."""
    with pytest.raises(Refusal) as caught:
        await put(folders, "a.txt", data, sha256=sha256, size=size)
    assert caught.value.code is code
    assert await folders.files("lab") == []
    assert partials(folders) == []


@pytest_twisted.ensureDeferred
async def test_what_is_larger_than_the_disk_is_refused_at_once(folders):
    """Before a byte of it is taken."""
    with pytest.raises(Refusal) as caught:
        folders.receive("lab", "a", 1 << 49, None, "alice", 0)
    assert caught.value.code is Code.TOO_LARGE


@pytest_twisted.ensureDeferred
async def test_what_an_operator_drops_in_is_on_the_shelf(folders):
    """It is listed at once, hashed when somebody wants it, and hashed again when it has changed."""
    (folders.root / "image1.png").write_bytes(b"png")
    (info,) = await folders.files("")
    assert (info.name, info.size, info.who) == ("image1.png", 3, "")
    for content in (b"png", b"another"):
        (folders.root / "image1.png").write_bytes(content)
        file = await folders.open("", "image1.png")
        assert file.mark.sha256 == hashlib.sha256(content).hexdigest()
        file.close()


@pytest_twisted.ensureDeferred
async def test_only_plain_files_are_served(folders, tmp_path):
    """Links, folders, pipes and hidden files are neither listed nor opened."""
    (tmp_path / "secret").write_text("secret")
    (folders.root / "link").symlink_to(tmp_path / "secret")
    (folders.root / "folder").mkdir()
    (folders.root / ".hidden").write_text("x")
    os.mkfifo(folders.root / "pipe")
    assert await folders.files("") == []
    for name in ("link", "folder", "pipe", "not there"):
        with pytest.raises(Refusal) as caught:
            await folders.open("", name)
        assert caught.value.code is Code.NO_SUCH_FILE


@pytest_twisted.ensureDeferred
async def test_one_removes_what_one_has_shared(folders):
    """And nothing of others', nor of the operator's."""
    await put(folders, "a.txt", b"one")
    (folders.root / "lab" / "b.txt").write_text("x")
    for name, who in (("a.txt", "bob"), ("b.txt", "alice")):
        with pytest.raises(Refusal) as caught:
            await folders.remove("lab", name, who)
        assert caught.value.code is Code.NOT_YOURS
    await folders.remove("lab", "a.txt", "Alice")
    assert [file.name for file in await folders.files("lab")] == ["b.txt"]


@pytest_twisted.ensureDeferred
async def test_a_guests_shelf_moves_or_goes(folders):
    """It becomes that of the registered user, or goes with the guest."""
    for shelf in (".guests/1", ".guests/2"):
        await put(folders, "a.txt", b"one", shelf)
    await folders.move(".guests/1", ".inboxes/alice")
    await folders.forget(".guests/2")
    (info,) = await folders.files(".inboxes/alice")
    assert (info.name, info.who) == ("a.txt", "alice")
    assert os.listdir(folders.root / ".guests") == []


@given(st.text(min_size=1).filter(lambda s: "/" not in s and "\0" not in s), st.integers(2, 999))
def test_a_numbered_name_is_still_a_name(name, number):
    """It says its number, keeps its ending, and is no longer than a file system allows."""
    name = name.encode(errors="ignore")[:255].decode(errors="ignore")
    found = numbered(name, number)
    assert f" ({number})" in found
    assert len(found.encode()) <= 255
