"""Files that an operator drops in: very large ones, and some that the server cannot read."""

import hashlib
import os
import shutil
import signal
import socket

import pytest

from tests.servers import RawAdminClient, Server
from tests.test_backup import until

TERABYTE = 1 << 40


def drop(path, size=None, data=b"content"):
    """Put a file there that was changed long ago; one of a `size` takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if size is None:
            file.write(data)
        else:
            file.truncate(size)
    os.utime(path, (1, 1))


def got(bare, name):
    """Fetch a file, and return what came."""
    bare.send(f"/get {name} 0")
    _, size, sha256, *_ = bare.expect("= ").split()
    data = bare.read(int(size))
    assert hashlib.sha256(data).hexdigest() == sha256
    return data


def read(bot, name):
    """Return the SHA-256 of a file in the lobby, as far as it is known, in a list."""
    bot.ask(do="files", room="lobby", id="files")
    while (answer := bot.event()).get("id") != "files":
        pass
    return [it["sha256"] for it in answer["files"] if it["name"] == name]


def test_what_is_small_passes_what_is_large(server, connect):
    """While a file of a terabyte is being read, because a guest wants it, others are listed, read
    and fetched. When it is deleted, who waits for it is told; and a server that reads such a file
    ends when it is asked to."""
    drop(server.files / "big", TERABYTE)
    waiting = [connect(server, f"guest{number}") for number in range(3)]
    for bare in waiting:
        bare.send("/files", "/get big 0")
        bare.expect("big")
    alice = connect(server, "alice")
    for number in range(20):
        drop(server.files / f"small{number}")
        assert got(alice, f"small{number}") == b"content"
    drop(server.files / "seventy-megabytes", 70_000_000)
    assert len(got(alice, "seventy-megabytes")) == 70_000_000
    drop(server.files / "unasked")
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    while None in read(bot, "unasked"):  # the background reads what nobody asks for, too
        pass
    (server.files / "big").unlink()
    for bare in waiting:
        assert bare.expect("! ") == ("! There is no file big here; /files lists those there are.")
    drop(server.files / "again", TERABYTE)
    alice.send("/get again 0")
    waiting[0].send("/get again 0")
    assert got(waiting[1], "small7") == b"content"
    assert server.stop() == -signal.SIGTERM


def test_who_waits_too_long_is_told(start_server, connect):
    """After a time the refusal says that the file is being read, and its progress. The connection
    goes on, and the reading is not lost."""
    server = start_server(reading_seconds=0.2)
    drop(server.files / "big", TERABYTE)
    alice = connect(server, "alice")
    for _ in range(2):
        alice.send("/get big 0")
        line = alice.expect("! ")
        assert line.startswith("! big was put here by hand, and is being read"), line
        assert "ask again later" in line
    drop(server.files / "some", 300_000_000)
    while True:
        alice.send("/get some 0")
        line = next(line for line in iter(alice.line, None) if line[:2] in ("! ", "= "))
        if line.startswith("= "):
            break
        assert "is being read" in line
    assert len(alice.read(300_000_000)) == 300_000_000


def test_quotas_are_counted_beside_a_large_file(start_server, connect):
    """An upload beyond what a user may have is answered, though all their files are looked at for
    that, and a terabyte is being read."""
    server = start_server("--user-files", "1MB")
    drop(server.files / "big", TERABYTE)
    connect(server, "bob").send("/files", "/get big 0")
    alice = connect(server, "alice")
    alice.send_raw(b"/put a 600000\n" + bytes(600_000))
    alice.expect("= ")
    alice.send_raw(b"/put b 600000\n" + bytes(600_000))
    assert "1.0 MB" in alice.expect("! ")
    (server.files / "a").unlink()
    alice.send_raw(b"/put b 600000\n" + bytes(600_000))
    alice.expect("= ")


def test_an_upload_that_is_read_again_can_be_stopped(start_server, connect):
    """After a crash, what came of an upload is read once when it goes on. That may be much, and a
    server that is asked to end does not wait for all of it."""
    server = start_server()
    size = shutil.disk_usage(server.data).free // 4
    bot = connect(server)
    for turn in range(2):
        bot.ask(do="hello", name="bot")
        bot.event("ok")
        bot.ask(do="join", room="lobby")
        bot.event("ok")
        bot.ask(do="put", room="lobby", name="much", size=size, sha256="ab" * 32, id="put")
        while (answer := bot.event()).get("id") != "put":
            pass
        carrier = connect(server)
        if turn:
            carrier.send_raw(f"PUT {answer['ticket']} {answer['offset']}\n".encode())
            bot.ask(do="transfers", id="how")
            bot.event("ok")
            assert server.stop() == -signal.SIGTERM
            return
        carrier.send_raw(f"PUT {answer['ticket']}\n".encode() + bytes(1_000_000))
        while not (parts := [it for it in partials(server) if it.stat().st_size]):
            bot.ask(do="who", room="lobby")
            bot.event("ok")
        server.kill()
        os.truncate(parts[0], size - 1)
        server.start()
        bot = connect(server)


def partials(server):
    """Return the files on their way in."""
    return list((server.files / ".partial").iterdir())


# -- what cannot be read ---------------------------------------------------------------------------


def test_what_the_server_may_not_read_is_told(unprivileged, start_server, connect):
    """A request for a file or folder that the server may not read is refused, with the advice to
    tell the operator. The log says which and why, without a traceback. All other files work as
    usual."""
    server = start_server("--room", "lab", "--room", "den", folder=unprivileged)
    for name in ("closed", "fine", "lab/a", "den/b"):
        drop(server.files / name)
    for path in server.files.rglob("*"):
        if not os.geteuid():
            shutil.chown(path, 65534, 65534)
    (server.files / "closed").chmod(0)
    (server.files / "den").chmod(0)
    alice = connect(server, "alice")
    alice.send("/get closed 0")
    assert alice.expect("! ") == (
        "! closed cannot be read by the server (Permission denied); tell who runs it."
    )
    server.log.expect("closed cannot be read: Permission denied")
    assert got(alice, "fine") == b"content"
    alice.send("/join den", "/files", "/get b 0")
    assert alice.expect("! ") == (
        "! This folder cannot be read by the server (Permission denied); tell who runs it."
    )
    assert alice.expect("! ") == (
        "! b cannot be read by the server (Permission denied); tell who runs it."
    )
    alice.send("/join lab")
    assert got(alice, "a") == b"content"
    server.stop()
    assert not any("Traceback" in line for line in server.log.lines)
    (server.files / "den").chmod(0o700)


def test_only_files_are_listed(server, connect):
    """A link that leads nowhere, a folder, a pipe and a socket are neither listed nor fetched."""
    files = server.files
    (files / "dangling").symlink_to(files / "nothing")
    (files / "folder").mkdir()
    os.mkfifo(files / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(files)
        listening.bind("socket")
        os.chdir(here)
    drop(files / "file")
    alice = connect(server, "alice")
    alice.send("/files")
    assert alice.expect("file").startswith("* 1 file")
    for name in ("dangling", "folder", "pipe", "socket"):
        alice.send(f"/get {name} 0")
        assert alice.expect("! ").startswith(f"! There is no file {name} here")
    assert got(alice, "file") == b"content"


@pytest.mark.parametrize("hangs", ["plainfiles.open_plain", "filestore._there", "backup.copy"])
def test_a_disk_that_is_dead_does_not_keep_the_server(
    start_server, connect, monkeypatch, tmp_path, hangs
):
    """A file system of another machine may never answer again: reading, looking for a file, and
    a backup stand still then. SIGTERM ends the server all the same, and what was said is there."""
    where, what = hangs.split(".")
    monkeypatch.setattr(
        Server,
        "before",
        "import pathlib, threading\n"
        f"from chatservice.engines.sqlite import {where}, threads\n"
        "threads.STOP_SECONDS = 0.2\n"
        "def hang(*args):\n"
        "    pathlib.Path('hangs').touch()\n"
        "    threading.Event().wait()\n"
        f"{where}.{what} = hang\n",
    )
    server = start_server()
    drop(server.files / "file")
    alice = connect(server, "alice")
    alice.send("kept", "/history")
    alice.expect("#1] alice: kept")
    if where == "backup":
        admin = RawAdminClient(server)
        admin.ask(do="backup", dir=str(tmp_path / "backup"), id="1")
    else:
        alice.send("/get file 0")
    until(lambda: (server.folder / "hangs").exists())
    assert server.stop() == -signal.SIGTERM
    server.log.expect("a disk does not answer, so the server ends without it")
    monkeypatch.setattr(Server, "before", "")
    again = start_server(folder=server.folder)
    bob = connect(again, "bob")
    bob.send("/history")
    bob.expect("#1] alice: kept")
