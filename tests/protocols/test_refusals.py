"""Bad input: each has its sentence, costs nobody anything, and the next good line works."""

import socket
import struct
import time
import unicodedata

import pytest

from chatservice.errors import Code
from tests.servers import PATIENCE

CLIMBING = ["../x", "/etc/passwd", "lab/x", "a\\b", ".hidden", "n" * 300, "a\x1b[2J", "\u202egpj"]
"""Names that no file may have."""


@pytest.fixture
def alice(server, connect):
    """Return somebody who reads in the lobby."""
    bare = connect(server)
    bare.send("alice", "/who")
    bare.expect("* 1 in lobby")
    return bare


@pytest.fixture
def eve(server, connect, alice):
    """Return somebody else there, who was greeted: a person."""
    bare = connect(server, "eve")
    alice.expect("eve came in")
    return bare


def stored_files(server):
    """Return all paths below SharedFiles, once no upload is under way."""
    until = time.monotonic() + PATIENCE
    while list((server.files / ".partial").iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    files = (path for path in server.files.rglob("*") if path.is_file())
    return [path for path in files if path.name != ".lock"]


@pytest.mark.parametrize(
    "name",
    [
        "alice",
        "ALICE",
        "ａlice",
        "",
        "n" * 33,
        "two words",
        "a\x1bb",
        "a/b",
        "-a",
        "..",
        "a\u202eb",
    ],
    ids=ascii,
)
def test_a_name_that_cannot_be(server, connect, alice, name):
    """As the first line, with /nick and with `hello`: it is refused, and then a good
    one is taken."""
    if name:  # a blank line asks for nothing
        first = connect(server)
        first.send(name, "eve", "/who")
        assert first.line().startswith("! ")
        assert first.line() == "* 2 in lobby: alice, eve"
        first.close()
        alice.expect("eve left")
    program = connect(server)
    program.ask(do="hello", name=name)
    error = program.event("error")
    assert error["code"] == ("name-taken" if name[1:].lower() == "lice" else "bad-name")
    program.ask(do="hello", name="eve")
    assert program.event("ok")["name"] == "eve"
    other = connect(server)
    other.send("carol", f"/nick {name}", "/nick dave")
    assert other.line().startswith("! ")
    assert other.line() == "* You are dave."
    assert alice.expect("carol") == "* carol came in"
    assert alice.line() == "* carol is now called dave"


LINES = {
    "too long": (b"x" * 8193, "A line has at most 8192 bytes; send a shorter one."),
    "much too long": (b"x" * 100_000, "at most 8192 bytes"),
    "a command too long": (b"/msg alice " + b"x" * 9000, "at most 8192 bytes"),
    "not UTF-8": (b"caf\xe9", "That line is not UTF-8"),
    "cut UTF-8": (b"\xe6\xbc", "That line is not UTF-8"),
    "a doubled IAC": (b"a\xff\xffb", "That line is not UTF-8"),
    "NUL": (b"a\0b", "NUL"),
    "a slip": (b"/jion lab", "There is no command /jion; did you mean /join?"),
    "capitals": (b"/JION lab", "did you mean /join?"),
    "no command": (b"/xyzzy", "There is no command /xyzzy; /help lists those there are."),
    "no room": (b"/join nosuch", "There is no room nosuch"),
    "no number": (b"/join 99", "There is no room 99"),
    "too many words": (b"/join a b c", "one word too many: /join ROOM [PASSWORD]"),
    "a room there is": (b"/create LAB", "There is a room LAB already"),
    "a number for a room": (b"/create 7", "add a letter"),
    "nobody": (b"/msg nobody hi", "Nobody called nobody is here"),
    "nothing to say": (b"/msg alice", "TEXT is missing: /msg TO TEXT"),
    "no file": (b"/get nosuch", "There is no file nosuch"),
    "no link": (b"/link nosuch", "There is no file nosuch"),
    "nothing to remove": (b"/remove nosuch", "There is no file nosuch"),
    "no user's name": (b"/ignore a/b", "A name is made of letters"),
    "no help": (b"/help nosuch", "There is no such command"),
    **{f"get {name[:8]!a}": (f"/get {name}".encode(), "! ") for name in CLIMBING},
}


def test_a_line_that_cannot_be(alice, eve):
    """Refused in one sentence; whole or in pieces, nobody else sees any of it."""
    for at, (line, why) in enumerate(LINES.values()):
        size = max(1, len(line) // 12)
        pieces = [line[cut : cut + size] for cut in range(0, len(line), size)]
        for chunk in (line + b"\n", *pieces, f"\ngood {at}\n".encode()):
            eve.send_raw(chunk)
        for _ in range(2):
            refusal = eve.line()
            assert refusal.startswith("! ")
            assert why in refusal
        assert alice.line() == f"eve: good {at}"


def test_a_login_without_an_account(alice, eve):
    """A mistyped name at login is refused."""
    eve.send("/login nobody x", "/who")
    assert eve.line().startswith("! ")
    assert eve.line() == "* 2 in lobby: alice, eve"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CR LF"])
def test_the_longest_line(alice, eve, end):
    """8192 bytes without the end are a line, however it ends."""
    eve.send_raw(b"x" * 8192 + end + b"good" + end)
    assert alice.line() == "eve: " + "x" * 8192
    assert alice.line() == "eve: good"


REFUSED = {
    **{f"{name[:8]!a}": (f"/put {name} 7", "! A ") for name in CLIMBING},
    "quoted": ('/put "../a b" 7', "no slashes"),
    "a drive": ("/put C:x 7", "without a drive letter"),
    "encoded": ("/put ..%2fx 7", "an encoded slash"),
    "encoded twice": ("/put %252e%252e%252fx 7", "an encoded slash"),
    "nobody": ("/put x 7 @nobody", "Nobody called nobody"),
    "its SHA-256": (f"/put x 7 {'0' * 64}", "has the SHA-256"),
}


@pytest.mark.parametrize("greeted", [True, False], ids=["person", "script"])
def test_a_refused_upload_of_known_size(server, connect, alice, greeted):
    """Its bytes are thrown away, and are never talk; what stands behind them is."""
    eve = connect(server, "eve" if greeted else None)
    if not greeted:
        eve.send("eve")
    alice.expect("eve came in")
    for at, (line, why) in enumerate(REFUSED.values()):
        eve.send_raw(line.encode() + b"\nsecret\n" + line.encode() + b"\n")
        assert why in eve.expect("! ")
        eve.send_raw(f"secret\ngood {at}\n".encode())
        assert why in eve.expect("! ")
        assert alice.line() == f"eve: good {at}"
    assert stored_files(server) == []


UNKNOWN = [b"/put x -7", b"/put x abc", b"/put x", b"/put x 1.5", b"/put x " + b"9" * 20]
UNKNOWN += [b"/put x 9999999999999999", b"/put \xff 7", b"/put a\0b 7", b"/put \xffx y"]
UNKNOWN += [b"/PUT x abc", b"/put " + b"n" * 9000 + b" 7"]


@pytest.mark.parametrize("greeted", [True, False], ids=["person", "script"])
@pytest.mark.parametrize("line", UNKNOWN, ids=lambda line: ascii(line[:20]))
def test_a_refused_upload_of_unknown_size(server, connect, alice, line, greeted):
    """Nobody can tell where its bytes end: the connection does, and nobody sees any of them."""
    eve = connect(server, "eve" if greeted else None)
    if not greeted:
        eve.send("eve")
    eve.send_raw(line + b"\nsecret\nsecret\n")
    eve.end()
    assert b"! " in eve.rest()
    alice.expect("eve left")
    assert "secret" not in alice.seen
    assert stored_files(server) == []


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
def test_bytes_that_stop_half_way(server, connect, alice, size, reset):
    """Nothing of them is kept, nor shown; who can still be told is told."""
    eve = connect(server, "eve")
    eve.send_raw(f"/put x {size}\n".encode() + b"\n" * (size // 2))
    if reset:
        eve.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        eve.close()
    else:
        eve.end()
        assert b"! The bytes stopped half-way. " in eve.rest()
    alice.expect("eve came in")
    assert alice.line() == "* eve left"
    assert stored_files(server) == []
    alice.send("/files")
    assert alice.line() == "* 0 files in lobby, 0 bytes"


@pytest.mark.parametrize(
    "meant", [b"talk\n", b"/me talks\n", b"/say talk\n", b"/topic talk\n", b"/put x 5\ntalk\n"]
)
@pytest.mark.parametrize("asked", [b"/join nosuch\n", b"/create lab\n"])
def test_a_script_without_its_room(server, connect, alice, asked, meant):
    """The talk of a script that could not join its room reaches no other room."""
    bot = connect(server)
    bot.send_raw(b"bot\n" + asked + meant + b"/join lab\nfound\n")
    bot.end()
    assert bot.rest().count(b"! ") == 2
    alice.expect("bot came in")
    assert alice.line() == "* bot left"
    assert stored_files(server) == []


JSON = [
    ({"do": "say", "room": "lobby", "text": "x"}, Code.NAME_NEEDED),
    ({"do": "hello", "name": "a b"}, Code.BAD_NAME),
    ({"do": "hello", "name": "Alice"}, Code.NAME_TAKEN),
    ({"do": "login", "name": "alice", "password": "x"}, Code.NO_SUCH_USER),
    ({"do": "hello", "name": "eve"}, None),
    ({"do": "say", "room": "lobby", "text": 7}, Code.BAD_ARGUMENT),
    ({"do": "say", "room": "lobby"}, Code.BAD_ARGUMENT),
    ({"do": "say", "room": "lab", "text": "x"}, Code.NOT_IN_ROOM),
    ({"do": "history", "room": "lobby", "limit": 1 << 64}, Code.BAD_ARGUMENT),
    ({"do": "history", "room": "lobby", "limit": -1}, Code.BAD_ARGUMENT),
    ({"do": "history", "room": "lobby", "limit": True}, Code.BAD_ARGUMENT),
    ({"do": "jion", "room": "lobby"}, Code.UNKNOWN_COMMAND),
    ({"do": "JOIN", "room": "lobby"}, Code.UNKNOWN_COMMAND),
    ({"do": None}, Code.BAD_ARGUMENT),
    ({"do": "join", "room": "nosuch"}, Code.NO_SUCH_ROOM),
    ({"do": "create", "room": "SECRET"}, Code.ROOM_EXISTS),
    ({"do": "join", "room": "secret"}, Code.PASSWORD_NEEDED),
    ({"do": "join", "room": "secret", "password": "y"}, Code.WRONG_PASSWORD),
    ({"do": "history", "room": "secret"}, Code.NOT_IN_ROOM),
    ({"do": "files", "room": "secret"}, Code.NOT_IN_ROOM),
    ({"do": "put", "room": "lab", "name": "x", "size": 5}, Code.NOT_IN_ROOM),
    ({"do": "msg", "to": "nobody", "text": "x"}, Code.NO_SUCH_USER),
    ({"do": "register", "password": "x"}, None),
    ({"do": "register", "password": "x"}, Code.ALREADY_REGISTERED),
    ({"do": "join", "room": "lobby"}, None),
    *(
        ({"do": "put", "room": "lobby", "name": name, "size": 5}, Code.BAD_FILE_NAME)
        for name in ("../x", "..", "/x", "..\\x", "C:x", "%2e%2e", "..%2Fx", "a%00b")
    ),
    ({"do": "put", "room": "lobby", "name": "a\0b", "size": 5}, Code.BAD_LINE),
    ({"do": "put", "room": "lobby", "name": "x", "size": 10**15}, Code.DISK_FULL),
    ({"do": "put", "room": "lobby", "name": "x", "size": 1 << 51}, Code.TOO_LARGE),
    ({"do": "put", "room": "lobby", "name": "x", "size": 1.0}, Code.BAD_ARGUMENT),
    ({"do": "get", "room": "lobby", "name": "x"}, Code.NO_SUCH_FILE),
    ({"do": "get", "room": "lobby", "name": "given"}, None),
    ({"do": "remove", "room": "lobby", "name": "given"}, Code.NOT_YOURS),
    ({"do": "kick", "room": "lobby", "user": "alice"}, Code.NOT_ALLOWED),
    ({"do": "erase", "room": "lobby", "position": 1 << 40}, Code.NO_SUCH_ENTRY),
    ({"do": "create", "room": "mine"}, None),
    ({"do": "ban", "room": "mine", "user": "alice", "time": "soon"}, Code.BAD_ARGUMENT),
    ({"do": "ban", "room": "mine", "user": "0.0.0.0/0"}, Code.BAD_ARGUMENT),
    ({"do": "slow", "room": "mine", "seconds": 3601}, Code.BAD_ARGUMENT),
    ({"do": "access", "room": "mine", "access": "closed"}, Code.BAD_ARGUMENT),
    ({"do": "owner", "room": "mine", "user": "alice"}, Code.NOT_ALLOWED),
    ({"do": "unmute", "room": "mine", "user": "alice"}, Code.NO_SUCH_USER),
    ({"do": "broadcast", "text": "x"}, Code.NOT_ALLOWED),
]


def test_the_codes_that_programs_get(server, connect, alice):
    """Each refusal carries its stable code, a sentence, and the `id` of its request."""
    (server.files / "given").write_text("by the operator")
    owner = connect(server)
    owner.ask(do="hello", name="owner")
    owner.ask(do="create", room="secret", password="x")
    owner.event("ok"), owner.event("ok")
    program = connect(server)
    for at, (asked, code) in enumerate(JSON):
        program.ask(**asked, id=at)
        answer = program.event("ok" if code is None else "error")
        assert answer["id"] == at
        if code is not None:
            assert answer["code"] == code, asked
            assert answer["message"].endswith((".", "?"))
    alice.expect("eve came in")
    assert alice.seen.count("\n") == 2  # the list of users, and this


def test_lines_that_are_no_request(server, connect):
    """Broken, no object, too deep, too long: refused without an `id`, and the next one works."""
    program = connect(server)
    program.ask(do="hello", name="eve")
    program.event("ok")
    for line in (
        *(
            b"{",
            b"[]",
            b"null",
            b"hello",
            b'{"do":"rooms"}}',
            b'{"do":"rooms","x":NaN}',
            b"{'a':1}",
        ),
        *(b'{"x":"\xe9"}', b'{"x":"\0"}', b'{"x":"\\ud800"}', b"[" * 8000, b'{"x":' * 1500),
        *(b'{"x":' + b"9" * 5000 + b"}", b'{"x":"' + b"y" * 100_000 + b'"}', b"{}", b'{"id":[]}'),
        *(b'{"do":"rooms","id":1e999}', b'{"do":"rooms","id":{}}', b'{"do":{},"x":1}'),
    ):
        program.send(line)
        program.ask(do="who", room="lobby", id=7)
        error = program.event()
        assert (error["event"], "id" in error) == ("error", False), line
        assert error["code"] in (Code.BAD_LINE, Code.BAD_ARGUMENT, Code.TOO_LONG)
        assert program.event()["id"] == 7


NASTY = "\x1b[31m\x07\x9b2J\x7f\x08\r\u202egnp\u2066\u2028\u2029\x85end\nbob: forged\r\n* forged"


def unsafe(text):
    """Return what of a text could steer a terminal."""
    return [
        c
        for c in text
        if (unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in "\n\t")
        or unicodedata.bidirectional(c) in ("LRO", "RLO", "LRE", "RLE", "PDF")
        or unicodedata.bidirectional(c) in ("LRI", "RLI", "FSI", "PDI")
    ]


def test_nothing_steers_another_terminal(server, connect, alice):
    """Talk, actions, topics and last words are harmless live, in /history, and to who comes."""
    eve = connect(server)
    eve.ask(do="hello", name="eve")
    eve.ask(do="join", room="lobby")
    for asked in ({"do": "say"}, {"do": "me"}, {"do": "topic"}):
        eve.ask(**asked, room="lobby", text=NASTY)
    eve.ask(do="msg", to="alice", text=NASTY)
    eve.ask(do="away", text=NASTY)
    bob = connect(server)
    bob.send_raw(
        b"bob\n\x1b[31m \xc2\x9b \xe2\x80\xae\r x\x08\n/quit " + NASTY[:20].encode() + b"\n"
    )
    alice.expect("bob left")
    alice.send(
        "/msg eve hi", "/who", "/topic", "/history", "/join lab", "/join lobby", "/who nosuch"
    )
    alice.expect("! ")
    eve.ask(do="quit", text=NASTY)
    alice.expect("eve left")
    forged = [line for line in alice.seen.split("\n") if "forged" in line and "] " not in line]
    assert len(forged) >= 9
    assert all(line.startswith(("eve", "~ eve", "* eve", "* Topic", "! ")) for line in forged)
    assert unsafe(alice.seen) == []


def test_a_refusal_quotes_harmlessly(alice, eve):
    """Quoted input in a refusal cannot control the author's own terminal either."""
    eve.send("/\x1b[2J\u202ex", "/join \x1b[2J", "/msg \x1b[2J x", "/help \x1b[2J", "/who")
    eve.expect("* 2 in lobby")
    assert unsafe(eve.seen) == []
