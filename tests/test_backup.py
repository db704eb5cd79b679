"""`chatctl backup` of a running server, and `restore`: what comes back is what was there."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from chatservice.limits import Limits
from tests.servers import PATIENCE, RawClient, Server, environment
from tests.test_chatctl import CHATCTL, chatctl


def until(found):
    """Wait until something is true, which nobody tells of."""
    end = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


def put(bot, room, name, content):
    """Share a file, by a ticket."""
    bot.ask(do="put", room=room, name=name, size=len(content), id="put")
    while (answer := bot.event()).get("id") != "put":
        pass
    carrier = RawClient(bot.socket.getpeername()[1])
    carrier.send_raw(f"PUT {answer['ticket']}\n".encode() + content)
    assert carrier.line().startswith("= ")
    carrier.close()


@pytest.fixture
def full(start_server, connect):
    """Return a server with all that a backup has to have."""
    server = start_server("--room", "lab", "--tls", "auto")
    alice, bot = connect(server, "alice"), connect(server)
    alice.send("/register sesame")
    alice.expect("* alice is your name")
    alice.send("/join lab", "first", "/topic all of it", "/who")
    alice.expect("in lab")
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lab")
    put(bot, "lab", "data.csv", b"one")
    put(bot, "lab", "data.csv", b"two, and another version")
    put(bot, "lab", "same.csv", b"one")
    (server.files / "dropped in.txt").write_bytes(b"not read yet")
    (server.files / "lab" / "big").write_bytes(os.urandom(3_000_000))
    return server


def restored(start_server, tmp_path, backup, *options):
    """Start a server on what is restored of a backup."""
    folder = tmp_path / "restored"
    folder.mkdir()
    status, said, wrong = chatctl(folder / "chat-data", *options, "restore", str(backup))
    assert status == 0, wrong
    assert "was checked" in said
    return start_server("--tls", "auto", folder=folder)


def tree(folder):
    """Return what is in a folder: modes, and contents with their times."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_what_is_restored_is_what_was_there(full, start_server, connect, tmp_path):
    """Rooms, accounts, talk, files with their versions and who shared them, and the keys; and
    nobody but the owner can read any of it."""
    keys = "tls.pem", "push.pem"
    before = [(full.data / name).read_bytes() for name in keys]
    backup = tmp_path / "backup"
    status, said, wrong = chatctl(full.data, "backup", str(backup))
    assert (status, wrong) == (0, "")
    assert said.startswith(f"* The backup is in {backup}: the database, the key for TLS, 5 files, ")
    full.log.expect("operator made a backup at")
    for path in (backup, *backup.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=backup, check=True)
    assert not (tmp_path / "backup.unfinished").exists()
    again = restored(start_server, tmp_path, backup)
    assert [(again.data / name).read_bytes() for name in keys] == before
    there, here = tree(full.files), tree(again.files)
    del there[".lock"], here[".lock"]
    assert {name: it for name, it in there.items() if not name.startswith(".partial")} == here
    bob = connect(again, "bob")
    bob.send("/join lab", "/history", "/versions data.csv", "/files")
    bob.expect("Topic: all of it")
    bob.expect("#1] alice: first")
    bob.expect("* #1 data.csv (3 bytes, from bot")
    bob.expect("* #2 data.csv (24 bytes, from bot")
    bob.expect("* same.csv (3 bytes, from bot)")
    bob.send("/login alice sesame")
    bob.expect("* You are alice.")
    for path in (again.data, again.data / "chat.sqlite"):
        assert not path.stat().st_mode & 0o077


def test_it_is_of_one_moment_however_much_goes_on(full, connect, tmp_path):
    """Talk, uploads, removals and replacements meanwhile neither spoil it nor wait for it: each
    file that its database knows is there, with the content that it knows."""
    bot = connect(full)
    bot.ask(do="hello", name="busy")
    bot.ask(do="join", room="lab")
    done = threading.Event()
    rounds = []

    def be_busy():
        while not done.is_set():
            at = len(rounds)
            put(bot, "lab", f"file {at % 3}", b"content %d" % at)
            bot.ask(do="say", room="lab", text="x" * 1000, id="said")
            while bot.event().get("id") != "said":
                pass
            if at % 3 == 2:
                bot.ask(do="remove", room="lab", name=f"file {at % 2}", id="gone")
                while bot.event().get("id") != "gone":
                    pass
            rounds.append(at)

    busy = threading.Thread(target=be_busy)
    busy.start()
    try:
        until(lambda: rounds)
        for number in range(3):
            backup = tmp_path / f"backup{number}"
            assert chatctl(full.data, "backup", str(backup))[0] == 0
            with closing(sqlite3.connect(backup / "chat.sqlite")) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                rows = db.execute(
                    "SELECT shelf, name, version, size, sha256, who FROM file"
                ).fetchall()
            for folder, name, version, size, sha256, _ in rows:
                place = backup / "SharedFiles" / folder
                content = [
                    path.read_bytes()
                    for path in (place / name, place / ".versions" / name / str(version))
                    if path.exists()
                ]
                assert sha256 in [hashlib.sha256(it).hexdigest() for it in content], name
                assert size in map(len, content)
            known = {(folder, name) for folder, name, *_ in rows}
            for path in (backup / "SharedFiles" / "lab").iterdir():
                assert (
                    path.name.startswith(".") or path.name == "big" or ("lab", path.name) in known
                )
    finally:
        done.set()
        busy.join()


class Uncommitted(Server):
    """A server that gives a shared file its name, and commits its row when it is let go."""

    before = (
        "import os, pathlib\n"
        "from twisted.internet import task\n"
        "from chatservice.engines.sqlite.filetable import FileTable\nwas = FileTable.keep\n"
        "async def keep(*args):\n"
        "    from twisted.internet import reactor\n"
        "    pathlib.Path('placed').touch()\n"
        "    while not os.path.exists('go-on'):\n"
        "        await task.deferLater(reactor, 0.01)\n"
        "    return await was(*args)\n"
        "FileTable.keep = keep\n"
    )


def test_a_file_that_is_shared_meanwhile_is_no_file_of_the_operator(connect, tmp_path):
    """It has its name already, but its row is not committed: it came after the backup's moment."""
    server, backup = Uncommitted(tmp_path / "server", "--room", "lab"), tmp_path / "backup"
    try:
        bot = connect(server)
        bot.ask(do="hello", name="bot")
        bot.ask(do="join", room="lab")
        sharing = threading.Thread(target=put, args=(bot, "lab", "shared.txt", b"content"))
        sharing.start()
        until((server.folder / "placed").exists)
        assert (server.files / "lab" / "shared.txt").exists()
        (server.files / "lab" / "dropped in.txt").write_bytes(b"the operator's")
        assert chatctl(server.data, "backup", str(backup))[0] == 0
        (server.folder / "go-on").touch()
        sharing.join()
    finally:
        server.kill()
    assert os.listdir(backup / "SharedFiles" / "lab") == ["dropped in.txt"]


def test_nothing_is_overwritten(full, tmp_path):
    """Neither by a backup nor by what is restored, with a sentence that says so; an empty folder
    is good enough."""
    taken, empty = tmp_path / "taken", tmp_path / "empty"
    taken.mkdir()
    (taken / "mine").write_text("precious")
    empty.mkdir()
    for where in (taken, taken / "mine", full.data):
        status, _, wrong = chatctl(full.data, "backup", str(where))
        assert (status, "is there already, and is not overwritten" in wrong) == (1, True), wrong
    assert (taken / "mine").read_text() == "precious"
    assert (
        "is among the files that are shared"
        in chatctl(full.data, "backup", str(full.files / "x"))[2]
    )
    assert "cannot be written (No such file" in chatctl(full.data, "backup", "/no/such/place")[2]
    assert chatctl(full.data, "backup", str(empty))[0] == 0
    assert (empty / "SHA256SUMS").exists()
    assert not (empty / ".unfinished").exists()
    for where in (taken, full.data):
        status, _, wrong = chatctl(where, "restore", str(empty))
        assert status == 1
        assert "is not overwritten" in wrong or "Another server is using" in wrong
    assert "is no backup" in chatctl(tmp_path / "new", "restore", str(taken))[2]
    assert "is no backup" in chatctl(tmp_path / "new", "restore", str(tmp_path / "none"))[2]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("spoil", ["database", "file", "missing", "sums", "climbing"])
def test_a_backup_that_is_damaged_is_not_restored(full, tmp_path, spoil):
    """It is read first, and nothing is left of what cannot be."""
    backup = tmp_path / "backup"
    assert chatctl(full.data, "backup", str(backup))[0] == 0
    path = {
        "database": backup / "chat.sqlite",
        "file": backup / "SharedFiles" / "lab" / "data.csv",
        "missing": backup / "SharedFiles" / "lab" / "data.csv",
    }.get(spoil, backup / "SHA256SUMS")
    if spoil == "missing":
        path.unlink()
    elif spoil == "climbing":
        path.write_text(path.read_text() + "0" * 64 + "  ../x\n")
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    status, _, wrong = chatctl(tmp_path / "new", "restore", str(backup))
    assert status == 1
    assert "is not whole" in wrong
    assert sorted(os.listdir(tmp_path)) == sorted({"backup", full.folder.name})


def test_files_may_lie_elsewhere(full, start_server, connect, tmp_path):
    """On both sides."""
    backup, files = tmp_path / "backup", tmp_path / "elsewhere"
    assert chatctl(full.data, "backup", str(backup))[0] == 0
    folder = tmp_path / "restored"
    folder.mkdir()
    status = chatctl(folder / "chat-data", "restore", str(backup), "--files", str(files))[0]
    assert status == 0
    assert not (folder / "chat-data" / "SharedFiles").exists()
    again = start_server("--files", str(files), folder=folder)
    bob = connect(again, "bob")
    bob.send("/join lab", "/files")
    bob.expect("* data.csv (24 bytes, from bot, version #2)")
    second = tmp_path / "second"
    assert chatctl(again.data, "backup", str(second))[0] == 0
    assert tree(second / "SharedFiles") == tree(backup / "SharedFiles")


class Slow(Server):
    """A server whose backup stands still before the first file, until it is let go."""

    before = (
        "import os, pathlib, time\n"
        "from chatservice.engines.sqlite import backup\nwas = backup.copy\n"
        "def copy(*args):\n"
        "    pathlib.Path('begun').touch()\n"
        "    while not os.path.exists('go-on'):\n"
        "        args[2](); time.sleep(0.01)\n"
        "    return was(*args)\n"
        "backup.copy = copy\n"
    )


@pytest.fixture
def slow(tmp_path):
    """Return such a server, and a backup that it is at, as a process and a path."""
    server = Slow(tmp_path / "slow")
    (server.files / "one").write_bytes(b"content")
    backup = tmp_path / "backup"
    asked = subprocess.Popen(
        [*CHATCTL, "--data", str(server.data), "backup", str(backup)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    until(lambda: (server.folder / "begun").exists() or asked.poll() is not None)
    assert asked.poll() is None, asked.communicate()
    yield server, asked, backup
    server.kill()
    asked.kill()
    asked.communicate()


def test_a_file_that_is_replaced_meanwhile_keeps_its_name(connect, tmp_path):
    """The newest version at the backup's moment is the newest one in the backup, too."""
    server, backup = Slow(tmp_path / "slow", "--room", "lab"), tmp_path / "backup"
    try:
        bot = connect(server)
        bot.ask(do="hello", name="bot")
        bot.ask(do="join", room="lab")
        for name, content in (("a", b"first"), ("b", b"older"), ("b", b"newest then")):
            put(bot, "lab", name, content)
        with subprocess.Popen(
            [*CHATCTL, "--data", str(server.data), "backup", str(backup)], env=environment()
        ) as asked:
            until((server.folder / "begun").exists)
            put(bot, "lab", "b", b"newest of all")
            (server.folder / "go-on").touch()
            assert asked.wait(PATIENCE) == 0
    finally:
        server.kill()
    found = tree(backup / "SharedFiles" / "lab")
    contents = {name: content for name, (content, _) in found.items()}
    assert contents == {"a": b"first", "b": b"newest then", ".versions/b/1": b"older"}


def test_only_one_is_made_at_a_time(slow, tmp_path):
    """The second one is refused; the first one and the talk go on."""
    server, asked, backup = slow
    status, _, wrong = chatctl(server.data, "backup", str(tmp_path / "other"))
    assert (status, wrong) == (
        1,
        "chatctl: A backup is being made already; wait for it to end.\n",
    )
    assert chatctl(server.data, "who")[0] == 0
    (server.folder / "go-on").touch()
    assert asked.wait(PATIENCE) == 0
    assert (backup / "SharedFiles" / "one").read_bytes() == b"content"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_who_does_not_wait_for_it_ends_it(slow, how):
    """An interrupted backup leaves nothing behind, and another one can be made."""
    server, asked, backup = slow
    asked.send_signal(how)
    _, wrong = asked.communicate(timeout=PATIENCE)
    assert "Traceback" not in wrong
    if how is signal.SIGINT:
        assert (asked.returncode, wrong) == (
            130,
            "chatctl: Interrupted; it may be done all the same.\n",
        )
    part = backup.with_name("backup.unfinished")
    until(lambda: not part.exists())
    (server.folder / "go-on").touch()
    until(lambda: chatctl(server.data, "backup", str(backup))[0] == 0)


def test_a_server_that_stops_leaves_nothing_of_it(slow):
    """And does not wait for it; who waits is told."""
    server, asked, backup = slow
    assert server.stop() == -signal.SIGTERM
    _, wrong = asked.communicate(timeout=PATIENCE)
    assert asked.returncode == 1
    assert wrong == "chatctl: The server is stopping, so there is no backup.\n"
    assert not backup.exists()
    assert not backup.with_name("backup.unfinished").exists()


def test_what_a_killed_server_left_is_named(slow, tmp_path):
    """A server does not remove it, because another server may be writing it."""
    server, asked, backup = slow
    server.stop(signal.SIGKILL)
    _, wrong = asked.communicate(timeout=PATIENCE)
    assert "did not answer (it has ended)" in wrong
    part = backup.with_name("backup.unfinished")
    assert part.exists()
    server.start()
    assert (
        f"{part} is there, of one that is being made"
        in chatctl(server.data, "backup", str(backup))[2]
    )
    shutil.rmtree(part)
    (server.folder / "go-on").touch()
    assert chatctl(server.data, "backup", str(backup))[0] == 0


def test_a_full_disk_is_told(tmp_path):
    """In a sentence, and nothing of the backup is left."""

    class Full(Server):
        before = (
            "import errno; from chatservice.engines.sqlite import backup\n"
            "def copy(*args): raise OSError(errno.ENOSPC, 'No space left on device')\n"
            "backup.copy = copy\n"
        )

    server = Full(tmp_path / "full")
    try:
        (server.files / "one").write_bytes(b"content")
        status, _, wrong = chatctl(server.data, "backup", str(tmp_path / "backup"))
        assert status == 1
        assert wrong == (
            f"chatctl: There is no room for {tmp_path / 'backup'} (No space left on device); "
            "nothing of it is kept.\n"
        )
        assert os.listdir(tmp_path) == ["full"]
    finally:
        server.kill()


def test_only_who_is_at_the_machine_makes_one(full, connect):
    """A registered operator from elsewhere names no places on the server's machine."""
    alice = connect(full)
    alice.expect("* Welcome")
    assert chatctl(full.data, "operator", "alice")[0] == 0
    alice.send("/login alice sesame", "/status", "/backup /tmp/never")
    alice.expect("* chatservice ")
    assert alice.expect("! ") == "! /backup works on the server's machine only: chatctl backup."


# -- export ----------------------------------------------------------------------------------------


def test_a_room_is_exported_whole(start_server, connect):
    """However many pages it has: as objects, of which each is a line of the format, and as
    Markdown in which nothing that was said means anything."""
    server = start_server("--room", "lab", history_entries=7)
    assert Limits().history_entries != 7
    alice = connect(server, "alice")
    alice.send("/join lab", *(f"line {at}" for at in range(40)))
    alice.send("<script>*x*</script> [a](b)", "/me waves", "/topic _t_", "/erase #3", "/who")
    alice.expect("in lab")
    status, said, wrong = chatctl(server.data, "export", "lab", "--json")
    assert (status, wrong) == (0, "")
    rows = [json.loads(line) for line in said.splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, 44))
    assert [row["text"] for row in rows[:40]] == [f"line {at}" for at in range(40)]
    assert rows[0]["event"] == "message"
    said = chatctl(server.data, "export", "lab")[1]
    assert said == chatctl(server.data, "export", "--room", "lab", "--md")[1]
    lines = said.splitlines()
    assert lines[0] == "# lab"
    assert lines[2].startswith("## 20")
    assert sum(line.startswith("- ") for line in lines) == 43
    assert r"**alice**: \<script\>\*x\*\</script\> \[a\]\(b\)" in said
    assert "*alice waves*" in said
    assert r"alice set the topic: \_t\_" in said
    assert chatctl(server.data, "export", "lobby", "--json") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["export"], 2, "Name one room: chatctl export ROOM."),
        (["export", "lab", "lobby"], 2, "Name one room"),
        (["export", "none"], 1, "There is no room none"),
        (["export", "lab", "--md", "--json"], 2, "and not both"),
        (["export", "lab", "--files", "x"], 2, "--files means nothing for export."),
        (["rooms", "--md"], 2, "--md means nothing for rooms."),
        (["restore"], 2, "Name one backup"),
        (["restore", "x", "--json"], 2, "--json means nothing for restore."),
        (["backup"], 1, "DIR is missing: chatctl backup DIR"),
    ],
)
def test_what_makes_no_sense_is_told(server, words, status, sentence):
    """In one sentence, as of every command."""
    found, said, wrong = chatctl(server.data, *words)
    assert (found, said) == (status, "")
    assert sentence in wrong
    assert wrong.count("\n") == 1


def test_an_export_to_a_full_disk_is_told(server, connect):
    """And to a pipe that nobody reads any more."""
    alice = connect(server, "alice")
    alice.send("/join lab", *("x" * 1000 for _ in range(300)), "/who")
    alice.expect("in lab")
    with Path("/dev/full").open("w") as output:
        done = subprocess.run(
            [*CHATCTL, "--data", str(server.data), "export", "lab"],
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            env=environment(),
            text=True,
        )
    assert (done.returncode, done.stderr) == (
        74,
        "chatctl: The standard output cannot be written to (No space left on device).\n",
    )


def test_hostile_names_in_the_folder_of_files_are_no_matter(full, tmp_path):
    """Folders that no room can be called like are not copied, and a file with a hostile name is in
    none: the backup is whole without them."""
    root = os.fsencode(full.files)
    for name in (b"two\nlines", b"\xff\xfe", b"\x1b[2J", b"escaped\\n", b"back\\slash"):
        os.makedirs(root + b"/" + name)
        os.makedirs(root + b"/.inboxes/" + name, exist_ok=True)
        for folder in (root + b"/" + name, root + b"/.inboxes/" + name, root + b"/lab"):
            for file in (name + b".txt", b"plain.txt"):
                with open(folder + b"/" + file, "wb") as made:
                    made.write(b"content")
    backup = tmp_path / "backup"
    status, _, wrong = chatctl(full.data, "backup", str(backup))
    assert (status, wrong) == (0, "")
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=backup, check=True)
    assert (backup / "SharedFiles" / "lab" / "plain.txt").exists()
    assert chatctl(tmp_path / "again", "restore", str(backup))[0] == 0


def test_holes_in_a_file_take_no_room(full, start_server, tmp_path):
    """A file that is nearly nothing but a hole is one in the backup, and where that is restored."""
    with open(full.files / "sparse", "wb") as file:
        file.write(b"begin")
        file.seek(300 << 20)
        file.write(b"middle")
        file.truncate(600 << 20)
    backup = tmp_path / "backup"
    assert chatctl(full.data, "backup", str(backup))[0] == 0
    assert chatctl(tmp_path / "again", "restore", str(backup))[0] == 0
    for place in (backup, tmp_path / "again"):
        found = place / "SharedFiles" / "sparse"
        assert found.stat().st_size == 600 << 20
        assert found.stat().st_blocks * 512 < 20 << 20
        subprocess.run(["cmp", full.files / "sparse", found], check=True)


def test_folders_that_cannot_be_read_are_named(unprivileged, start_server, connect):
    """A backup has all else, and its answer says what is not in it."""
    server = start_server("--room", "lab", "--room", "den", folder=unprivileged)
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    for room in ("lab", "den"):
        bot.ask(do="join", room=room)
        put(bot, room, "data", b"content")
    den = server.files / "den"
    den.chmod(0)
    backup = unprivileged / "backup"
    status, said, wrong = chatctl(server.data, "backup", str(backup))
    den.chmod(0o700)
    assert (status, wrong) == (0, "")
    assert str(den) in said
    assert (backup / "SharedFiles" / "lab" / "data").read_bytes() == b"content"
