"""Nobody else on the machine can read what a server keeps."""

import hashlib
import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.engines.test_upgrades import VERSION_1
from tests.servers import PATIENCE, TWISTD, Server, environment

CONTENT = b"for bob alone"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def modes(folder: Path) -> dict[str, str]:
    """Return the modes of a folder, and of all files and folders in it."""
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): f"{path.lstat().st_mode & 0o777:o}" for path in paths}


def are_open(folder: Path) -> dict[str, str]:
    """Return what others can read, or anything else, of a folder and all in it."""
    return {name: mode for name, mode in modes(folder).items() if int(mode, 8) & 0o077}


def used(server, connect):
    """Do all of which something is kept: talk, accounts, files for a room and a user, one half."""
    bob = connect(server, "bob")
    bob.send("/register open-sesame")
    bob.expect("is your name")
    bob.send("/create lab", "hello", "/topic all about it")
    alice = connect(server, "alice")
    alice.send("/join lab")
    alice.expect("in lab")
    for to, data in (("", b"one"), ("", b"two"), (" @bob", CONTENT), (" @alice", b"for a guest")):
        alice.send_raw(f"/put a.txt {len(data)}{to}\n".encode() + data)
        alice.expect("= ")
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    for name, room in (("half", "lobby"), ("copy", "lobby")):
        bot.ask(do="join", room=room)
        size, sha256 = (100_000_000, "ab" * 32) if name == "half" else (3, _two())
        bot.ask(do="put", room=room, name=name, size=size, sha256=sha256, id=name)
        while (answer := bot.event()).get("id") != name:
            pass
        if name == "half":
            carrier = connect(server)
            carrier.send_raw(f"PUT {answer['ticket']}\n".encode() + bytes(1_000_000))
            while not any(path.stat().st_size for path in partials(server)):
                assert alice.send("/who") is None
                alice.expect(" in ")
    bob.send("/search hello")
    bob.expect("hello")


def _two() -> str:
    return hashlib.sha256(b"two").hexdigest()


def partials(server):
    """Return the files on their way in, wherever they are kept."""
    return list(Path(server.files).glob(".partial/*"))


@pytest.mark.parametrize("umask", ["0", "0o22", "0o277"])
def test_nobody_else_reads_what_is_kept(start_server, connect, monkeypatch, umask):
    """With any umask, all folders are 0700 and all files 0600: the database, its log, the index,
    the key of TLS, locks, shared files, those of one user, and those on their way."""
    monkeypatch.setattr(Server, "before", f"import os; os.umask({umask}); ")
    server = start_server("--tls", "auto")
    used(server, connect)
    names = set(modes(server.data))
    assert {"chat.sqlite", "chat.sqlite-wal", "search.sqlite", "tls.pem", "lock"} <= names
    assert {"SharedFiles/.lock", "SharedFiles/.inboxes/bob/a.txt"} <= names
    assert {"SharedFiles/lab/.versions/a.txt/1", "SharedFiles/lab/a.txt"} <= names
    assert are_open(server.data) == {}
    server.stop()
    assert are_open(server.data) == {}


@pytest.mark.parametrize("umask", ["0", "0o22"])
def test_a_folder_of_shared_files_stays_open(start_server, connect, monkeypatch, tmp_path, umask):
    """In a folder elsewhere that `--files` names, files can be read as before, but for what is one
    user's, or on its way."""
    monkeypatch.setattr(Server, "before", f"import os; os.umask({umask}); ")
    files = tmp_path / "files"
    server = start_server("--files", str(files))
    server.files = files
    used(server, connect)
    assert are_open(server.data) == {}
    found = modes(files)
    open_folder = f"{0o777 & ~int(umask, 8):o}"
    assert (found["."], found["lab"]) == (open_folder, open_folder)
    assert (found["lab/a.txt"], found["copy"]) == ("644", "644")
    for folder in (".inboxes", ".guests", ".partial"):
        assert are_open(files / folder) == {}


def test_an_older_directory_is_closed(start_server, connect):
    """A start tells that it was open, and closes it with all that is in it; links are followed
    nowhere. The next start has nothing to tell."""
    server = start_server()
    used(server, connect)
    server.stop()
    elsewhere = server.folder / "elsewhere"
    elsewhere.write_text("not the server's")
    elsewhere.chmod(0o644)
    (server.files / "link").symlink_to(elsewhere)
    for path in (server.data, *server.data.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    server.start()
    assert any("others on this machine could get at" in line for line in server.log.lines)
    assert are_open(server.data).keys() <= {"SharedFiles/link"}
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644
    server.stop()
    server.start()
    assert not any("others on this machine" in line for line in server.log.lines[-20:])


def test_private_folders_of_shared_files_are_closed(start_server, connect, tmp_path):
    """They are closed where the rest of the folder stays open."""
    files = tmp_path / "files"
    (files / ".inboxes" / "bob").mkdir(parents=True)
    (files / ".inboxes" / "bob" / "secret").write_text("x")
    (files / "public").write_text("x")
    for path in (files, *files.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    start_server("--files", str(files))
    assert are_open(files / ".inboxes") == {}
    assert are_open(files).keys() == {".", "public"}


def test_the_copy_before_an_upgrade_is_closed_too(start_server, monkeypatch, tmp_path):
    """It has the same hashes and the same talk as the database."""
    monkeypatch.setattr(Server, "before", "import os; os.umask(0); ")
    data = tmp_path / "chat-data"
    data.mkdir(0o700)
    with closing(sqlite3.connect(data / "chat.sqlite")) as db:
        db.executescript(VERSION_1)
    (data / "chat.sqlite").chmod(0o600)
    start_server(folder=tmp_path)
    assert "chat.sqlite.version-1" in modes(data)
    assert are_open(data) == {}


def test_what_is_saved_of_a_damaged_database_is_closed_too(server, tmp_path):
    """It is as private as what it was saved of."""
    server.stop()
    saved = tmp_path / "saved.sqlite"
    subprocess.run(
        [
            *TWISTD[:1],
            "-m",
            "chatservice.engines.sqlite.rescue",
            server.data / "chat.sqlite",
            saved,
        ],
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
        umask=0,
        timeout=PATIENCE,
    )
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


# -- one server at a time --------------------------------------------------------------------------


def test_two_servers_do_not_share_their_files(start_server, connect, tmp_path):
    """Each server deletes the files of earlier guests at its start. So the second one does not
    start, and the guest's file stays. It starts when the first one has ended."""
    files = tmp_path / "files"
    first = start_server("--files", str(files))
    alice = connect(first, "alice")
    alice.send_raw(b"/put a.txt 3 @alice\none")
    alice.expect("= ")
    second = [*TWISTD, "-n", "--pidfile=", "chat", "--port", "0", "--interface", "127.0.0.1"]
    for place in (files, tmp_path / "link"):
        if place != files:
            place.symlink_to(files)
        done = subprocess.run(
            [*second, "--data", str(tmp_path / "second"), "--files", str(place)],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            timeout=PATIENCE,
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 1
        assert f"Another server is using {place}; stop it, or name another directory with" in said
        assert "Traceback" not in said
    alice.send("/get @/a.txt 0")
    alice.expect("= ")
    assert alice.read(3) == b"one"
    first.kill()
    start_server("--files", str(files))
    assert not os.path.exists(files / ".guests")


# -- what others put there -------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path):
    """Return a folder of somebody else's, with a file in it that everybody may read."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "theirs").write_text("theirs")
    for path, mode in ((folder, 0o755), (folder / "theirs", 0o644)):
        path.chmod(mode)
    return folder


def is_as_it_was(folder):
    """Return whether nothing was done to what is in it."""
    return modes(folder) == {".": "755", "theirs": "644"} and (
        (folder / "theirs").read_text() == "theirs"
    )


@pytest.mark.parametrize("name", [".inboxes", ".guests", ".partial"])
def test_no_folder_that_leads_elsewhere_is_used(elsewhere, tmp_path, name):
    """Others who may write to `--files` may put a link in the place of a private folder. The server
    changes, reads and deletes nothing behind it, and its start says so."""
    files = tmp_path / "files"
    files.mkdir()
    (files / name).symlink_to(elsewhere)
    words = ["-n", "--pidfile=", "chat", "--port", "0", "--interface", "127.0.0.1"]
    words += ["--data", str(tmp_path / "data"), "--files", str(files)]
    ended = subprocess.run(
        [*TWISTD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        env=environment(),
    )
    assert ended.returncode == 1
    assert f"chat: {files / name} is a link or a file, and the server" in ended.stdout
    assert is_as_it_was(elsewhere)


def test_what_tries_the_disk_follows_no_link(start_server, elsewhere, tmp_path):
    """A file that is made to see whether that can be done is nobody else's file."""
    files = tmp_path / "files"
    files.mkdir()
    (files / ".writable").symlink_to(elsewhere / "theirs")
    start_server("--files", str(files))
    assert is_as_it_was(elsewhere)


def test_a_folder_of_another_user_is_told(start_server, tmp_path):
    """Its owner can read the server's files in it, with any mode."""
    if os.geteuid():
        pytest.skip("only root can give files away")
    files = tmp_path / "files"
    (files / ".inboxes").mkdir(parents=True)
    os.chown(files / ".inboxes", 65534, 65534)
    server = start_server("--files", str(files))
    assert any(
        f"{files / '.inboxes'} belongs to another user (number 65534)" in line
        for line in server.log.lines
    )
