"""Files, up and down: on the connection one talks on, and on one of their own."""

import contextlib
import hashlib
import os
import subprocess

import pytest

from tests.servers import PATIENCE

PAYLOADS = {
    "empty": b"",
    "one byte": b"\n",
    "telnet": b"\xff\xfd\x01\xff\xfa\n\xff\xff" * 1000,
    "line ends": b"\r\n\n\r/quit\r\n" * 1000,
    "every byte": bytes(range(256)) * 8000,
}


def mark(name, data, length=None):
    """Return the line that stands before a file's bytes, or says that they are kept."""
    count = len(data) if length is None else length
    return f"= {count} {hashlib.sha256(data).hexdigest()} {name}"


def put(bare, name, data, *more):
    """Upload a file in raw mode; return the line that says it is kept."""
    bare.send_raw(" ".join(["/put", name, str(len(data)), *more]).encode() + b"\n" + data)
    return bare.expect("= ")


def get(bare, name):
    """Download a file in raw mode; return its line and its bytes."""
    bare.send(f"/get {name}")
    line = bare.expect("= ")
    return line, bare.read(int(line.split()[1]))


@pytest.fixture
def enter(server, connect):
    """Return a function that opens a connection to lab, as a script does."""

    def enter_(name):
        bare = connect(server)
        bare.send(name, "/join lab")
        bare.expect("* You are in lab")
        return bare

    return enter_


@pytest.fixture
def program(server, connect):
    """Return a program in lab."""
    bare = connect(server)
    bare.ask(do="hello", name="bot")
    bare.ask(do="join", room="lab")
    bare.event("ok"), bare.event("ok")
    return bare


def carried(server, connect, *words, data=b""):
    """Return what a connection that carries a file for a ticket is sent."""
    carrier = connect(server)
    carrier.send_raw(" ".join(str(word) for word in words).encode() + b"\n" + data)
    carrier.end()
    return carrier.rest()


@pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS)
def test_a_file_goes_up_and_comes_back(server, connect, enter, program, data):
    """The bytes are the same by every way: in raw mode, by ticket, from an OFFSET, on the disk."""
    alice = enter("alice")
    assert put(alice, "my file.bin", data) == mark("my file.bin", data)
    assert get(alice, "my file.bin") == (mark("my file.bin", data), data)
    assert (server.files / "lab" / "my file.bin").read_bytes() == data
    program.ask(do="put", room="lab", name="b.bin", size=len(data))
    ticket = program.event("ok")["ticket"]
    said = carried(server, connect, "PUT", ticket, data=data)
    assert said.decode() == mark("b.bin", data) + "\n"
    assert alice.expect("b.bin").startswith("* bot shared b.bin (")
    for offset in (0, len(data) // 2, len(data)):
        program.ask(do="get", room="lab", name="b.bin")
        ticket = program.event("ok")["ticket"]
        assert carried(server, connect, "GET", ticket, offset) == data[offset:]
        alice.send(f"/get b.bin {offset}")
        assert alice.line() == mark("b.bin", data, len(data) - offset)
        assert alice.read(len(data) - offset) == data[offset:]


def test_tickets(server, connect, enter, program):
    """A ticket is good once, for what it was given for; a made up one never."""
    put(enter("alice"), "x", b"hello")

    def ticket(do):
        more = {"name": "x"} if do == "get" else {"name": "y", "size": 5}
        program.ask(do=do, room="lab", **more)
        return program.event("ok")["ticket"]

    used = ticket("get")
    assert carried(server, connect, "GET", used) == b"hello"
    for words in (
        ("GET", used),
        ("GET", "x" * 24),
        ("GET", "\xff"),
        ("PUT", "x" * 24),
        ("PUT", ticket("get")),
        ("GET", ticket("put")),
        ("GET", ticket("get"), 6),
        ("PUT", ticket("put"), 3),
    ):
        said = carried(server, connect, *words, data=b"hello")
        assert said.startswith(b"! "), words
        assert said.count(b"\n") == 1
    assert carried(server, connect, "PUT", ticket("put"), data=b"hell").startswith(b"! The bytes")
    said = carried(server, connect, "PUT", ticket("put"), data=b"hello, and more")
    assert said.startswith(b"! More came than the 5 bytes that were declared; nothing was kept.")
    assert carried(server, connect, "PUT", ticket("put"), data=b"hello").startswith(b"= 5 ")
    program.ask(do="files", room="lab")
    assert [file["name"] for file in program.event("ok")["files"]] == ["x", "y"]


def test_the_same_name_again(server, connect, enter, program):
    """Other content is a new version with the name; all older ones can be fetched."""
    alice, bob = enter("alice"), enter("bob")
    name = "two words.tar.gz"
    for who, data, version in ((alice, b"one", 1), (bob, b"two", 2), (bob, b"two", 2)):
        assert put(who, name, data) == mark(name, data)
        said = alice.expect("bob shared") if who is bob else bob.expect("alice shared")
        assert (f", version #{version})" in said) == (version > 1)
    assert get(bob, name) == get(bob, f"{name} #2") == (mark(name, b"two"), b"two")
    assert get(bob, f"{name} #1") == (mark(name, b"one"), b"one")
    bob.send(f"/get {name} #1 1")
    assert bob.line() == mark(name, b"one", 2)
    assert bob.read(2) == b"ne"
    bob.send(f"/versions {name}", f"/get {name} #3", "/files")
    for number, who in ((1, "alice"), (2, "bob")):
        line = bob.line()
        assert line.startswith(f"* #{number} {name} (3 bytes, from {who}, 20")
        assert line.endswith(f"Z): /get {name} #{number}")
    assert bob.line().startswith("! There is no version #3 of two words.tar.gz here")
    bob.expect("* 1 file in lab")
    assert bob.line() == f"* {name} (3 bytes, from bob, version #2)"
    program.ask(do="versions", room="lab", name=name)
    assert [it["version"] for it in program.event("ok")["files"]] == [1, 2]
    program.ask(do="get", room="lab", name=name, version=1)
    answer = program.event("ok")
    assert (answer["version"], answer["size"]) == (1, 3)
    assert carried(server, connect, "GET", answer["ticket"]) == b"one"
    bob.send(f"/remove {name}", f"/remove {name} #1", "/files")
    bob.expect("is removed")
    assert bob.line() == f"! You did not share {name}; ask a moderator to remove it."
    bob.expect("* 1 file in lab")
    assert bob.line() == f"* {name} (3 bytes, from alice)"


def test_a_file_for_one(enter):
    """Only they are told of it, see it, and can fetch it; and they can take it away."""
    alice, bob, eve = enter("alice"), enter("bob"), enter("eve")
    assert put(alice, "x.txt", b"secret", "@BOB") == mark("x.txt", b"secret")
    assert bob.expect("sent you") == "* alice sent you x.txt (6 bytes): /get @/x.txt"
    assert get(bob, "@/x.txt") == get(bob, "x.txt") == (mark("x.txt", b"secret"), b"secret")
    for nosy in (eve, alice):
        nosy.send("/get @/x.txt", "/get x.txt", "/get bob/x.txt", "/remove @/x.txt", "/files @")
        for _ in range(4):
            nosy.expect("! There is no ")
        nosy.expect("* 0 files of your own")
    bob.send("/files @", "/files", "/remove @/x.txt", "/get @/x.txt")
    assert bob.expect("of your own") == "* 1 file of your own, 6 bytes"
    assert bob.line() == "* @/x.txt (6 bytes, from alice)"
    bob.expect("* 0 files in lab")
    bob.expect("is removed")
    bob.expect("! There is no file x.txt")
    assert "alice s" not in eve.seen


def test_what_the_operator_drops_in(server, enter):
    """A plain file is shared at once; links, devices, folders and hidden files never are."""
    bob, lab = enter("bob"), server.files / "lab"
    lab.mkdir(exist_ok=True)
    (lab / "plain").write_bytes(b"dropped")
    (lab / "link").symlink_to("/etc/passwd")
    (lab / "inside").symlink_to("plain")
    (lab / ".hidden").write_bytes(b"x")
    (lab / "folder").mkdir()
    (lab / "\x1b[2J").write_bytes(b"x")
    os.mkfifo(lab / "pipe")
    assert get(bob, "plain") == (mark("plain", b"dropped"), b"dropped")
    (lab / "plain").write_bytes(b"changed it")
    assert get(bob, "plain") == (mark("plain", b"changed it"), b"changed it")
    bob.send("/files")
    assert bob.line() == "* 1 file in lab, 10 bytes"
    assert bob.line() == "* plain (10 bytes, version #2)"
    for name in ("link", "inside", ".hidden", "folder", "pipe", ".partial/x"):
        bob.send(f"/get {name}", f"/link {name}", f"/remove {name}")
        for _ in range(3):
            assert bob.line().startswith("! ")
    bob.send("/remove plain")
    assert bob.line() == "! You did not share plain; ask a moderator to remove it."


@pytest.mark.parametrize("place", ["lab", ".inboxes", "lab/.versions"])
def test_links_lead_nowhere(server, enter, tmp_path, place):
    """Nothing is read, written or removed through a symbolic link in place of a room's folder."""
    bob = enter("bob")
    bob.send("/register secret")
    bob.expect("is your name from now on")
    put(bob, "old", b"one")
    there = server.files / place
    behind = tmp_path / "elsewhere"
    (behind / "bob" / "a").mkdir(parents=True)
    for name in ("plain", "bob/plain", "bob/a/1"):
        (behind / name).write_bytes(b"secret")
    if there.exists():
        there.rename(tmp_path / "before")
    there.symlink_to(behind)
    prefix = "@/" if place == ".inboxes" else ""
    for name in ("plain", "a #1", "bob #1"):
        bob.send(f"/get {prefix}{name}", f"/remove {prefix}{name}")
        for _ in range(2):
            assert bob.line().startswith("! There is no ")
    bob.send("/files @" if prefix else "/files")
    assert bob.line().startswith("* 1 file" if place == "lab/.versions" else "* 0 files")
    bob.send_raw(f"/put old 3 {'@bob' if prefix else ''}\n".encode() + b"two")
    assert bob.expect("! ") == "! The server could not store old; try again later."
    assert sorted(path.name for path in behind.rglob("*")) == ["1", "a", "bob", "plain", "plain"]


def test_a_file_that_is_changed_while_it_is_fetched(server, enter, program):
    """Does not pass for whole: its last bytes are not sent, and the connection ends."""
    (server.files / "lab").mkdir(exist_ok=True)
    path = server.files / "lab" / "big"
    with path.open("wb") as file:
        file.truncate(1 << 26)
    os.utime(path, (1, 1))
    bob = enter("bob")
    bob.send("/get big")
    bob.expect("= 67108864 ")
    assert bob.read(1000) == bytes(1000)
    with path.open("r+b") as file:
        file.write(b"edited in place")
    with contextlib.suppress(ConnectionError):
        assert len(bob.rest()) < (1 << 26) - 1000
    server.log.expect("not all of big could be sent: it has changed")


def test_a_ticket_that_is_too_old(start_server, connect):
    """Is worth nothing, and is said to be so."""
    server = start_server("--room", "lab", ticket_seconds=-1.0)
    bot = connect(server)
    for fields in ({"do": "hello", "name": "bot"}, {"do": "join", "room": "lab"}):
        bot.ask(**fields)
        bot.event("ok")
    bot.ask(do="put", room="lab", name="a", size=5)
    said = carried(server, connect, "PUT", bot.event("ok")["ticket"], data=b"hello")
    assert said.startswith(b"! That ticket is not good: it was used, is too old, or never was;")


def test_other_folders(enter):
    """From the lobby one reaches a room's file by its name, but not one of a room with a lock."""
    alice, bob = enter("alice"), enter("bob")
    put(alice, "x", b"hello")
    bob.send("/leave", "/get x")
    bob.expect("! There is no file x")
    assert get(bob, "lab/x") == (mark("x", b"hello"), b"hello")
    alice.send("/create vault s3cret")
    put(alice, "y", b"gold")
    bob.send("/get vault/y", "/files vault", "/link vault/y", "/remove lab/x", "/files lab")
    for _ in range(3):
        assert "not in vault" in bob.expect("! ")
    assert bob.line() == "! You did not share x; ask a moderator to remove it."
    bob.expect("* 1 file in lab")
    alice.send("/remove lab/x")
    alice.expect("* x is removed.")
    bob.send("/files lab")
    bob.expect("* 0 files in lab")


def test_many_in_one_chunk(enter):
    """Uploads, talk and downloads in one write are done in their order."""
    alice, bob = enter("alice"), enter("bob")
    alice.expect("bob came in")
    files = {f"f{n}": os.urandom(n * 37) + b"\n" for n in range(40)}
    chunk = b""
    for name, data in files.items():
        chunk += (
            f"/put {name} {len(data)}\n".encode() + data + f"sent {name}\n/get {name}\n".encode()
        )
    alice.send_raw(chunk + b"/remove f7\ndone\n")
    for name, data in files.items():
        assert alice.line() == mark(name, data)
        assert alice.line() == mark(name, data)
        assert alice.read(len(data)) == data
        assert bob.line().startswith(f"* alice shared {name} (")
        assert bob.line() == f"alice: sent {name}"
    assert bob.line() == "* alice removed the file f7"
    assert bob.line() == "alice: done"


def test_talk_during_a_long_download(server, enter, program):
    """It comes behind the bytes, all of it, once; the bytes are intact."""
    (server.files / "lab").mkdir(exist_ok=True)
    data = os.urandom(1 << 20) * 16
    (server.files / "lab" / "long").write_bytes(data)
    bob = enter("bob")
    bob.send("/get long", "got it")
    assert bob.line() == mark("long", data)
    for n in range(200):
        program.ask(do="say", room="lab", text=f"line {n}", id=n)
    while program.event("ok")["id"] != 199:
        pass
    assert bob.read(len(data)) == data
    assert [bob.line() for _ in range(200)] == [f"bot: line {n}" for n in range(200)]
    while program.event("message")["text"] != "got it":
        pass


def test_the_announcement_says_how_to_fetch_it(enter):
    """The command after the colon works when typed, whatever the name of the file."""
    alice, bob = enter("alice"), enter("bob")
    for name in ("plain", "two words", "report 5", "6", '"quoted"', "@7"):
        put(alice, f'"{name}"', name.encode())
        command = bob.expect("* alice shared").split("): ")[1]
        bob.send(command)
        assert bob.line() == mark(name, name.encode())
        assert bob.read(len(name)) == name.encode()


def test_a_room_that_is_called_like_a_file_of_the_lobby(server, connect):
    """It has files like any other room."""
    alice = connect(server)
    alice.send("alice")
    put(alice, "notes", b"in the lobby")
    alice.send("/create notes", "/files")
    alice.expect("* You are in notes")
    assert alice.expect("* 0 files") == "* 0 files in notes, 0 bytes"
    alice.send_raw(b"/put x 2\nhi")
    assert alice.line() == mark("x", b"hi")


def test_a_file_that_is_asked_for_again_with_its_key(server, connect, enter, program):
    """A repeated request with the same key shares the file once. Another key, or another user's, is
    another file."""
    alice = enter("alice")
    sent = {"do": "put", "to": "alice", "name": "a", "size": 5, "key": "k1"}

    def ticket(bare, **more):
        bare.ask(**sent | more)
        return bare.event("ok")

    first = ticket(program)["ticket"]
    assert carried(server, connect, "PUT", first, data=b"hello").startswith(b"= 5 ")
    assert ticket(program) == {"event": "ok", "ticket": None, "offset": 5, "stored": True}
    assert not ticket(program, key="k2")["stored"]
    carol = connect(server)
    carol.ask(do="hello", name="carol")
    carol.event("ok")
    assert not ticket(carol)["stored"]
    alice.send("/history")
    alice.expect("Nothing there in lab")
    assert alice.seen.count("* bot sent you a") == 1


@pytest.mark.parametrize("asked", ["/get {}", "download {}", "/get lobby/{}", "/get {} #1"])
def test_a_person_gets_no_bytes_on_the_screen(server, connect, tmp_path, asked):
    """A person who was greeted, and sends nothing behind the line, is told how to fetch the file
    from another terminal, as /link does, and how to have its bytes all the same. Both work."""
    data = bytes(range(256)) * 20
    put(connect(server, "alice"), "image1.png", data)
    bob = connect(server, "bob")
    bob.expect("#1] * alice shared image1.png")
    line = asked.format("image1.png")
    bob.send(line)
    assert bob.line().startswith("* image1.png (5.1 kB), once, within 10 minutes, from another")
    command = bob.line()
    assert command.startswith("  echo GET ")
    here = bob.expect("* To have its bytes here all the same: ")
    assert "sha256sum" in bob.seen
    fetched = subprocess.run(["bash", "-c", command], cwd=tmp_path, timeout=PATIENCE)
    assert fetched.returncode == 0
    assert (tmp_path / "image1.png").read_bytes() == data
    assert get(bob, here.partition("/get ")[2])[1] == data
    bob.send("/get nosuch", "download nosuch")
    assert bob.line().startswith("! There is no file nosuch")
    assert bob.line().endswith(" To say it: /say download nosuch")


READABLE = {
    "text": (b"hello\tw\xc3\xb6rld\r\n" * 10, True),
    "empty": (b"", True),
    "longest": (b"x" * 2000, True),
    "typed in telnet": (b"hello\r", True),
    "too long": (b"x" * 2001, False),
    "escape": (b"\x1b[2J", False),
    "NUL": (b"a\0b", False),
    "Latin-1": (b"caf\xe9", False),
    "a return alone": (b"a\rb", False),
    "C1": (b"\xc2\x9b2J", False),
    "bidi": "a\u202eb".encode(),
}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE)
def test_a_person_reads_a_short_text_at_once(server, connect, content):
    """Bytes that are no text, or steer a terminal, or are longer than a screen, do not come."""
    data, comes = content if isinstance(content, tuple) else (content, False)
    put(connect(server, "alice"), "x", data)
    bob = connect(server, "bob")
    bob.expect("#1] * alice shared x")
    bob.send("/get x")
    if comes:
        assert bob.line() == mark("x", data)
        assert bob.read(len(data)) == data
    else:
        assert bob.line().startswith("* x (")
        bob.expect("* To have its bytes here all the same: /get x 0")
    bob.send("/topic")
    bob.expect("* lobby has no topic")


def test_a_script_gets_the_bytes(server, connect):
    """A client that spoke first, or sends more behind the line, is no person who looks at them."""
    data = b"\x00\xff" * 100
    put(connect(server, "alice"), "a.bin", data)
    pasted = connect(server, "bob")
    pasted.send("/get a.bin", "/who")
    script = connect(server)
    script.send("eve", "/get a.bin", "/quit")
    for bare in (pasted, script):
        line = bare.expect("= ")
        assert bare.read(int(line.split()[1])) == data
