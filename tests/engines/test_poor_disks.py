"""Shared files on disks that can do little: vfat, exFAT, sshfs.

A library between the server and the system refuses what such a disk refuses, because not every
machine that runs these tests may mount one.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture
def poor(tmp_path, monkeypatch):
    """Return a folder on a disk that can do little, for servers that are started from now on."""
    library, folder = tmp_path / "poor_disk.so", tmp_path / "poor"
    source = Path(__file__).with_name("poor_disk.c")
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    folder.mkdir()
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("POOR_DISK", str(folder))
    return folder


def put(bare, name, data):
    """Upload a file in one piece, and return the answer to it."""
    bare.send_raw(f"/put {name} {len(data)}\n".encode() + data)
    return next(line for line in iter(bare.line, None) if line[:2] in ("= ", "! "))


def got(bare, name):
    """Fetch a file, and return what came."""
    bare.send(f"/get {name} 0")
    _, size, sha256, *_ = bare.expect("= ").split()
    data = bare.read(int(size))
    assert hashlib.sha256(data).hexdigest() == sha256
    return data


def test_files_are_kept_where_they_have_one_name_only(poor, start_server, connect):
    """Uploads are stored, a second one is the next version, both can be fetched, one can be
    removed; and all of it holds after `kill -9`, too."""
    server = start_server("--files", str(poor))
    assert any("has one name only" in line for line in server.log.lines)
    alice = connect(server, "alice")
    alice.send("/register secret")
    alice.expect("* alice is your name")
    assert put(alice, "a.txt", b"one").endswith(" a.txt")
    assert put(alice, "a.txt", b"second").endswith(" a.txt")
    assert put(alice, "b.txt", b"one").startswith("= 3 ")
    for _ in range(2):
        assert got(alice, "a.txt") == b"second"
        assert got(alice, "a.txt #1") == b"one"
        assert (poor / "a.txt").read_bytes() == b"second"
        alice.close()
        server.kill()
        server.start()
        alice = connect(server)
        alice.send("/login alice secret")
    alice.send("/remove a.txt #2")
    alice.expect("emoved")
    assert got(alice, "a.txt") == b"one"
    assert sorted(it.name for it in poor.rglob("*") if it.is_file() and it.name != ".lock") == [
        "a.txt",
        "b.txt",
    ]


def test_content_that_is_here_is_taken_over(poor, start_server, connect):
    """A program that declares a SHA-256 need not send bytes that the disk has."""
    server = start_server("--files", str(poor))
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    bot.ask(do="join", room="lobby")
    bot.event("ok")
    sha256 = hashlib.sha256(b"one").hexdigest()
    assert put(connect(server, "alice"), "a.txt", b"one").startswith("= 3 ")
    bot.ask(do="put", room="lobby", name="b.txt", size=3, sha256=sha256, id="again")
    while (answer := bot.event()).get("id") != "again":
        pass
    assert "stored" in answer, answer
    assert got(connect(server, "carol"), "b.txt") == b"one"


def test_names_that_differ_in_case_are_one_file(poor, start_server, connect, monkeypatch):
    """If the disk ignores case, so does the server: the second file is a new version, under the
    first one's name."""
    monkeypatch.setenv("POOR_CASE", "yes")
    server = start_server("--files", str(poor))
    alice = connect(server, "alice")
    assert put(alice, "readme", b"one").endswith(" readme")
    assert put(alice, "README", b"second").endswith(" readme")
    assert got(alice, "ReadMe") == b"second"
    assert got(alice, "README #1") == b"one"
    alice.send("/remove README #2")
    alice.expect("emoved")
    assert got(alice, "Readme") == b"one"


def test_a_disk_without_locks_is_told_of(poor, start_server, connect, monkeypatch):
    """The server starts there, and the operator is told what to see to."""
    monkeypatch.setenv("POOR_LOCKS", "yes")
    server = start_server("--files", str(poor))
    assert any("cannot be locked" in line for line in server.log.lines)
    assert put(connect(server, "alice"), "a.txt", b"one").startswith("= 3 ")
