"""Shared files as plain files in plain folders."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater

from chatservice.domain.ports.file_ports import DeclaredFile
from chatservice.engines.sqlite import plainfiles
from chatservice.engines.sqlite.filestore import FolderFileStore
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.engines.sqlite.longjobs import finished
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal


@pytest.fixture
def folders(tmp_path):
    """Return an empty file store."""
    store = LogStore(reactor, tmp_path / "chat.sqlite")
    store.start()
    folders = FolderFileStore(reactor, tmp_path / "SharedFiles", store.file_table)
    yield folders
    folders.close()
    store.close()


def declared(name, data, folder="lab", sha256=None, size=None, who="alice"):
    """Return what is said of a file before it comes."""
    return DeclaredFile(folder, name, len(data) if size is None else size, sha256, who, 0, who)


async def put(folders, name, data, *more, **changed):
    """Upload a file in three pieces."""
    incoming = await folders.receive(declared(name, data, *more, **changed), 0)
    third = len(data) // 3
    for piece in (data[:third], data[third : 2 * third], data[2 * third :]):
        incoming.write(piece)
    return await incoming.finish()


async def files(folders, folder):
    """Return the names of the files in a folder."""
    return (await folders.files(folder, "", 99)).files


async def read(folders, folder, name, version=None):
    """Return the version and the content of a file."""
    file = await folders.open(folder, name, version)
    data = await file.read(file.left)
    file.close()
    assert hashlib.sha256(data).hexdigest() == file.mark.sha256
    return file.mark.version, data


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
    assert (file.mark, file.left) == (mark, 10)
    assert (await file.read(100), file.left) == (data[-10:], 0)
    file.close()
    assert partials(folders) == []


@pytest_twisted.ensureDeferred
async def test_the_same_name_again_is_a_new_version(folders):
    """The newest one has the name, all can be fetched, and the same content again is no new
    version."""
    versions = [
        (await put(folders, "a.txt", data)).version for data in (b"one", b"two", b"two", b"one")
    ]
    assert versions == [1, 2, 2, 3]
    assert (folders.root / "lab" / "a.txt").read_bytes() == b"one"
    assert [it.version for it in await folders.versions("lab", "a.txt")] == [1, 2, 3]
    assert [(it.name, it.version) for it in await files(folders, "lab")] == [("a.txt", 3)]
    assert await read(folders, "lab", "a.txt") == (3, b"one")
    for version, data in enumerate((b"one", b"two", b"one"), 1):
        assert await read(folders, "lab", "a.txt", version) == (version, data)
    for version in (4, 99):
        with pytest.raises(Refusal) as caught:
            await folders.open("lab", "a.txt", version)
        assert caught.value.code is Code.NO_SUCH_FILE


@pytest_twisted.ensureDeferred
async def test_one_that_was_put_there_and_not_noted(folders):
    """As a server leaves it that is killed in between: sent again, it is no other version."""
    (folders.root / "lab").mkdir()
    (folders.root / "lab" / "a").write_bytes(b"one")
    assert (await put(folders, "a", b"one")).version == 1
    (info,) = await files(folders, "lab")
    assert (info.version, info.who) == (1, "")  # nobody can tell whose it was


@pytest_twisted.ensureDeferred
async def test_versions_that_are_taken_away(folders):
    """When the newest goes, the one before has the name again; a number is not given again while a
    later one is known."""
    for data, who in ((b"one", "alice"), (b"two", "bob"), (b"three", "alice")):
        await put(folders, "a", data, who=who)
    assert await folders.remove("lab", "a", 3, "alice") == [3]
    assert await read(folders, "lab", "a") == (2, b"two")
    with pytest.raises(Refusal) as caught:
        await folders.remove("lab", "a", 2, "alice")
    assert caught.value.code is Code.NOT_YOURS
    assert await folders.remove("lab", "a", None, "alice") == [1]
    assert await folders.remove("lab", "a", None, "") == [2]
    assert await files(folders, "lab") == []
    assert os.listdir(folders.root / "lab" / ".versions") == []


@pytest_twisted.ensureDeferred
async def test_what_the_operator_does_to_a_file_with_versions(folders):
    """A file that is written over is a new version. One that is deleted is no longer listed, and
    its older versions can still be fetched."""
    await put(folders, "a", b"one")
    await put(folders, "a", b"two")
    path = folders.root / "lab" / "a"
    path.write_bytes(b"mine")
    assert await read(folders, "lab", "a") == (3, b"mine")
    assert (await put(folders, "a", b"four")).version == 4
    assert await read(folders, "lab", "a", 3) == (3, b"mine")
    path.unlink()
    assert await files(folders, "lab") == []
    with pytest.raises(Refusal):
        await folders.open("lab", "a")
    assert await read(folders, "lab", "a", 1) == (1, b"one")
    assert [row.version for row in await folders._table.versions("lab", "a")] == [1, 3]
    assert (await put(folders, "a", b"five")).version == 4


@pytest_twisted.ensureDeferred
async def test_a_name_that_something_else_has(folders):
    """Is refused, and what has it stays."""
    (folders.root / "lab" / "a").mkdir(parents=True)
    with pytest.raises(Refusal) as caught:
        await put(folders, "a", b"one")
    assert caught.value.code is Code.BAD_FILE_NAME
    assert (folders.root / "lab" / "a").is_dir()


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
    assert await files(folders, "lab") == []
    assert partials(folders) == []


@pytest_twisted.ensureDeferred
async def test_what_an_operator_drops_in_is_listed(folders):
    """It is listed at once, hashed when somebody wants it, and hashed again when it has changed."""
    (folders.root / "image1.png").write_bytes(b"png")
    (info,) = await files(folders, "")
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
    assert await files(folders, "") == []
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
            await folders.remove("lab", name, None, who)
        assert caught.value.code is Code.NOT_YOURS
    await folders.remove("lab", "a.txt", None, "alice")
    assert [file.name for file in await files(folders, "lab")] == ["b.txt"]


@pytest_twisted.ensureDeferred
async def test_a_guests_folder_moves_or_goes(folders):
    """It becomes that of the registered user, or goes with the guest."""
    for folder in (".guests/1", ".guests/2"):
        await put(folders, "a.txt", b"one", folder)
    await folders.move(".guests/1", ".inboxes/alice", "alice")
    await folders.forget(".guests/2")
    (info,) = await files(folders, ".inboxes/alice")
    assert (info.name, info.who) == ("a.txt", "alice")
    assert os.listdir(folders.root / ".guests") == []


@pytest_twisted.ensureDeferred
async def test_a_large_tree_is_read_in_the_background(folders):
    """It is listed at once, a part at a time; in the end all of it has its SHA-256."""
    lab = folders.root / "lab"
    lab.mkdir()
    for number in range(300):
        path = lab / f"{number:03}"
        path.write_bytes(b"%d" % number)
        os.utime(path, (1, 1))
    first = await folders.files("lab", "", 200)
    rest = await folders.files("lab", first.files[-1].name, 200)
    assert (first.total, first.bytes, first.following, rest.following) == (300, 790, 300, 100)
    assert [it.name for it in (*first.files, *rest.files)] == [f"{n:03}" for n in range(300)]
    none = await folders.files("lab", "", 0)
    assert (none.total, none.bytes, none.files) == (300, 790, [])
    while None in {it.sha256 for it in (await folders.files("lab", "", 300)).files}:
        await deferLater(reactor, 0.01)
    for it in (await folders.files("lab", "", 300)).files:
        assert it.sha256 == hashlib.sha256(b"%d" % int(it.name)).hexdigest()


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_still_being_written_is_not_served(folders):
    """Before it rests, nobody knows what it will be."""
    (folders.root / "lab").mkdir()
    with (folders.root / "lab" / "growing").open("wb", buffering=0) as file:
        growing = LoopingCall(file.write, b"more")
        growing.start(0.1)
        with pytest.raises(Refusal, match="being changed"):
            await folders.open("lab", "growing")
        growing.stop()
    size = (folders.root / "lab" / "growing").stat().st_size
    assert await read(folders, "lab", "growing") == (1, b"more" * (size // 4))


@pytest_twisted.ensureDeferred
async def test_what_the_operator_took_away_takes_no_room(folders):
    """Nor does what something else was put in the place of, when it is counted exactly."""
    for name, folder in (("a", "lab"), ("b", "lab"), ("c", "lab"), ("a", "den")):
        await put(folders, name, b"12345", folder)
    await put(folders, "c", b"123456")
    what = declared("d", b"")
    assert (await folders.used(what))[:2] == (21, 26)
    assert (await folders.used(what, exactly=True))[:2] == (21, 26)
    (folders.root / "lab" / "a").unlink()
    (folders.root / "lab" / "b").write_bytes(b"of the operator")
    (folders.root / "lab" / ".versions" / "c" / "1").unlink()
    assert (await folders.used(what, exactly=True))[:2] == (6, 11)
    assert (await folders.used(declared("d", b"", "den"), exactly=True))[:2] == (5, 11)


# -- the same content again ------------------------------------------------------------------------


async def copied(folders, data, folder, name):
    """Share content that is there already, without sending it."""
    sha256 = hashlib.sha256(data).hexdigest()
    (place, *_) = await folders.places(len(data), sha256)
    return await folders.copy(place, declared(name, data, folder, sha256))


@pytest_twisted.ensureDeferred
async def test_content_that_is_here_is_not_sent_again(folders):
    """It is there under the other name too; removing one, or editing it in place, leaves the
    other."""
    data = os.urandom(100_000)
    await put(folders, "a", data)
    assert await copied(folders, data, "den", "b") == FileMark(
        "b", len(data), hashlib.sha256(data).hexdigest()
    )
    assert await copied(folders, data, "den", "c") is not None
    with suppress(PermissionError), (folders.root / "lab" / "a").open("r+b") as file:
        file.write(b"edited")
    await folders.remove("den", "b", None, "alice")
    assert await read(folders, "den", "c") == (1, data)
    assert partials(folders) == []


@pytest_twisted.ensureDeferred
async def test_content_that_is_not_here_any_more_is_not_promised(folders):
    """Content that was changed or removed behind the server's back has to be sent again."""
    data = b"content"

    def edit(path):
        path.write_bytes(b"changed")
        os.utime(path, (1, 1))  # a fast disk may be done within a tick of the clock of files

    for change in (Path.unlink, edit):
        await put(folders, "a", data)
        change(folders.root / "lab" / "a")
        assert await copied(folders, data, "den", "b") is None
        assert await files(folders, "den") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")
def test_who_may_not_write_to_a_file_shares_its_blocks(tmp_path):
    """Two names share one file if the system keeps its owner from changing it by mistake."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    part = tmp_path / "part"
    child = os.fork()
    if not child:
        os.setuid(65534)
        (tmp_path / "a").write_bytes(b"content")
        part.touch()
        finished(plainfiles.duplicate(tmp_path / "a", part, 0o644))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    shared = os.path.samefile(tmp_path / "a", part)
    cloned = not shared and part.stat().st_mode & 0o200  # Btrfs and XFS need no links
    assert cloned or (shared and part.stat().st_mode & 0o777 == 0o444)
    assert part.read_bytes() == b"content"


@pytest_twisted.ensureDeferred
async def test_who_shared_a_file_is_not_forgotten_when_it_is_read(folders):
    """A list that is made just when an upload is shared does not take it for a file of the
    operator."""
    await put(folders, "a", b"one")
    (row,) = await folders._table.versions("lab", "a")
    await folders._table.note("lab", [row._replace(who="", time=1)])
    assert await folders._table.versions("lab", "a") == [row]
    changed = row._replace(who="", size=4)
    await folders._table.note("lab", [changed])
    assert await folders._table.versions("lab", "a") == [changed]


@pytest_twisted.ensureDeferred
async def test_who_asks_for_the_same_files_at_once_is_answered_together(folders, monkeypatch):
    """A folder with many files is looked through once for all who wait, and once more for those who
    came while that was under way, since there may be more by then."""
    lab = folders.root / "lab"
    lab.mkdir()
    for number in range(2500):
        path = lab / f"{number:04}"
        path.touch()
        os.utime(path, (1, 1))
    while None in {it.sha256 for it in (await folders.files("lab", "", 2500)).files}:
        await deferLater(reactor, 0.01)
    scans, scan = [], plainfiles.scan
    monkeypatch.setattr(plainfiles, "scan", lambda *args: (scans.append(1), scan(*args))[1])
    lists = await gatherResults(
        [Deferred.fromCoroutine(folders.files("lab", "1", 100)) for _ in range(50)]
    )
    assert len(scans) <= 2
    assert {it.files[0].name for it in lists} == {"1000"}
    assert [(it.total, it.following, len(it.files)) for it in lists] == [(2500, 1500, 100)] * 50
    (lab / "1000").unlink()
    assert (await folders.files("lab", "1", 100)).files[0].name == "1001"
    assert folders._lists == {}
