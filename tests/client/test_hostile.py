"""A server that means no good: no path, size, type or text that it sends is to be trusted."""

import contextlib
import hashlib
import json
from pathlib import Path

import pytest

from chatservice.client.clientoptions import ExitStatus
from chatservice.client.jsonconnection import REPLY_LINE_BYTES
from chatservice.client.transferqueue import UNASKED
from tests.client.test_scripts import apart

CONTENT = b"ssh-rsa AAAA evil"
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TIME = "2026-11-21T04:42:27.259Z"

STEERING = "\x1b]0;owned\x07 \x1b[2J \x9b31m \u202e \x7f\r\nforged"
"""Characters that a terminal would obey, or be confused by."""


def announced(name="notes.txt", size=SIZE, sha256=SHA256, seq=1):
    """Return the event of a file that somebody shares."""
    return {
        "event": "file",
        "room": "lobby",
        "seq": seq,
        "time": TIME,
        "from": "eve",
        "name": name,
        "size": size,
        "sha256": sha256,
        "version": 1,
    }


def ticket(name="notes.txt", size=SIZE, sha256=SHA256, ticket="t1"):
    """Return the answer to `get`."""
    return {"ticket": ticket, "name": name, "size": size, "sha256": sha256, "version": 1}


def said(text, seq=1, who="eve"):
    """Return the event of a message."""
    return {
        "event": "message",
        "room": "lobby",
        "seq": seq,
        "time": TIME,
        "from": who,
        "text": text,
    }


def written(folder: Path) -> list[str]:
    """Return the files in a folder, and around it, that are no business of the client's own."""
    found = [path for path in folder.parent.rglob("*") if path.is_file()]
    return [str(p) for p in found if f"{folder.name}-state" not in str(p)]


# -- names, files and sizes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../x", ".ssh", "/abs", ".", "..", "", "src", "CON", "a\x1b[2J", 5, None, ["anna"], {}]
)
def test_a_server_does_not_choose_the_folder(hostile, piped, name):
    """The folder for files is named after the user, and the user reads that the answer is wrong."""
    server = hostile(hello={"name": name, "registered": False, "token": "t", "inbox": 0})
    client = piped(server, "anna")
    client.expect("^! .*That is not a chat server")
    assert client.wait() == ExitStatus.PROTOCOL
    assert written(client.folder) == []


@pytest.mark.parametrize(
    "offered",
    [
        ticket(name="authorized_keys"),
        ticket(name="../notes.txt"),
        ticket(size=1 << 40),
        ticket(size=-1),
        ticket(size=True),
        ticket(size="17"),
        ticket(sha256="/../../../../x" + SHA256[14:]),
        ticket(sha256="ab" * 32),
        ticket(ticket="t1\nPUT x"),
        ticket(ticket=None),
        {},
    ],
    ids=str,
)
def test_what_is_saved_unasked_is_what_was_announced(hostile, piped, offered):
    """Another name, size or hash, or what is none at all, is refused, and nothing is written."""
    server = hostile(get=offered)
    server.content = [CONTENT]
    client = piped(server, "anna")
    server.wait_for("join")
    server.tell(announced())
    client.expect("^! notes.txt is not saved: ")
    assert client.finish()
    assert written(client.folder) == []


def test_no_more_bytes_are_taken_than_were_announced(hostile, piped):
    """However many come: what is beyond the size is not written, and the file is not kept."""
    server = hostile(get=ticket())
    server.content = [CONTENT] + [bytes(1 << 20)] * 64
    client = piped(server, "anna")
    server.wait_for("join")
    server.tell(announced())
    client.expect("^! notes.txt is not saved: |^. notes.txt .* is saved as anna/notes.txt")
    client.finish()
    for path in written(client.folder):
        assert Path(path).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../x", ".bashrc", "a/b", "a\nb", "\x1b[2J", "", 7, None])
def test_a_file_that_cannot_be_called_that_is_not_fetched(hostile, piped, name):
    """Its announcement is passed over, and the next thing is shown."""
    server = hostile(get=ticket())
    client = piped(server, "anna")
    server.wait_for("join")
    server.tell(announced(name), said("then", seq=2))
    client.expect("^eve: then$|eve: then$")
    client.finish()
    assert not [it for it in server.asked if it["do"] == "get"]


@pytest.mark.parametrize("name", ["authorized_keys", "../../x", "/etc/passwd", ".profile"])
def test_a_script_gets_the_file_that_it_asked_for(hostile, tmp_path, name):
    """A server that offers another one is refused."""
    server = hostile(get=ticket(name=name))
    server.content = [CONTENT]
    place = ("anna", "127.0.0.1", str(server.port))
    status, out, error = apart(tmp_path / "at", *place, "--get", "notes.txt")
    assert (status != 0, out) == (True, b"")
    assert error.startswith(b"chat-client: ")
    assert written(tmp_path / "at") == []


def test_a_file_larger_than_the_disk_is_refused_at_once(hostile, tmp_path):
    """Before anything of it is fetched."""
    server = hostile(get=ticket(size=1 << 55))
    server.content = [CONTENT]
    place = ("anna", "127.0.0.1", str(server.port))
    status, _, error = apart(tmp_path / "at", *place, "--get", "notes.txt")
    assert status == ExitStatus.CANNOT_CREATE
    assert b"there is room for" in error
    assert (server.sent, written(tmp_path / "at")) == (0, [])


def test_a_line_to_paste_into_a_shell_has_nothing_of_the_servers(hostile, piped):
    """A ticket is letters and digits; else there is no such line."""
    server = hostile(link=ticket(ticket="$(touch x); t"))
    client = piped(server, "anna")
    client.type("/link notes.txt")
    client.expect("^! That is not a chat server")
    assert not [line for line in client.finish() if "touch" in line]


def test_what_comes_unasked_has_a_bound_in_all(hostile, piped):
    """Many small files, announced one after another, do not fill the disk: the client saves no
    more, and says so once. It still fetches requested files."""
    server = hostile()
    client = piped(server, "anna", "--accept", str(SIZE))
    server.wait_for("join")
    many = range(1, UNASKED + 21)
    server.tell(*(announced(f"{n}.txt", seq=n) for n in many), said("then", UNASKED + 30))
    client.expect("by itself, and saves no more")
    client.expect("eve: then$")
    client.type("/get notes.txt")
    client.expect("^! notes.txt is not saved")
    shown = client.finish()
    assert len([line for line in shown if "by itself, and saves no more" in line]) == 1
    assert len([it for it in server.asked if it["do"] == "get"]) == UNASKED + 1


# -- types -----------------------------------------------------------------------------------------

ODD = [None, True, -1, 1.5, 1e308, 10**400, "x", "", [], [[]], {}, [None], {"a": 1}, "9" * 5000]


ANNOTATED = {
    "quote": {"from": "anna", "text": "x"},
    "edited": {"seq": 7, "time": TIME},
    "reactions": [{"word": "+1", "total": 2, "names": ["eve"]}],
    "pinned": True,
}


def test_odd_types_in_events_are_passed_over(hostile, piped):
    """In every field of every event: the client goes on, and shows what makes sense."""
    server = hostile()
    client = piped(server, "anna")
    server.wait_for("join")
    events = [
        said("hi"),
        {**said("hi"), "about": 1, **ANNOTATED},
        {**said("hi"), "event": "edit", "about": 1},
        {**said("hi"), "event": "reaction", "about": 1, "word": "+1"},
        {**said("hi"), "event": "unpinned", "about": 1},
        announced(),
        {"event": "topic", "room": "lobby", "seq": 5, "time": TIME, "from": "eve", "text": "x"},
        {"event": "erased", "room": "lobby", "seq": 5, "time": TIME, "from": "e", "position": 1},
        {"event": "moderated", "room": "lobby", "from": "e", "what": "x", "user": "", "text": ""},
        {"event": "joined", "room": "lobby", "from": "eve"},
        {"event": "renamed", "room": "lobby", "from": "eve", "name": "adam"},
        {"event": "notice", "text": "hm"},
        {"event": "error", "code": "x", "message": "y"},
        {"event": "ok", "id": 1, "seq": 1},
    ]
    # A position that is odd and yet one would hide what has a smaller one.
    many = [it | {key: odd} for it in events for key in it if key != "seq" for odd in ODD]
    server.tell(*(it | ({"seq": 1} if "seq" in it else {}) for it in many))
    server.tell(*(said("hi") | {"seq": odd} for odd in ODD))
    for field in ("quote", "edited"):
        inner = ANNOTATED[field]
        odds = [{field: inner | {key: odd}} for key in inner for odd in ODD]
        server.tell(*(said("hi") | it for it in odds))
    row = ANNOTATED["reactions"][0]
    rows = [[row | {key: odd}] for key in row for odd in ODD]
    server.tell(*(said("hi") | {"reactions": it} for it in rows))
    server.tell(said("at last", seq=9))
    client.expect("eve: at last$")
    shown = client.finish()
    assert client.wait() == 0
    assert not [line for line in shown if "Traceback" in line]


@pytest.mark.parametrize("id_", [[], {}, [1], True, 1.0, "1", None])
def test_an_answer_to_nothing_is_none(hostile, piped, id_):
    """An answer with an unknown `id` of any type is ignored."""
    server = hostile()
    client = piped(server, "anna")
    server.wait_for("join")
    server.tell({"event": "ok", "id": id_}, said("then"))
    client.expect("eve: then$")
    client.finish()
    assert client.wait() == 0


@pytest.mark.parametrize("command", ["/who", "/rooms", "/files", "/link a", "/get a", "/tokens"])
@pytest.mark.parametrize("odd", [None, 5, "x", [5], [None], [{}], {"a": [1]}, -1], ids=repr)
def test_odd_types_in_answers_are_refused(hostile, piped, command, odd):
    """With a sentence; what is typed next is obeyed."""
    names = ("room", "users", "rooms", "ticket", "files", "count", "bytes", "tokens", "name")
    do = command.split(" ")[0].removeprefix("/")
    server = hostile(**{do: dict.fromkeys(names, odd)})
    client = piped(server, "anna")
    client.type(command)
    client.expect("^! ")
    assert not [line for line in client.finish("/quit") if "Traceback" in line]
    assert client.wait() == 0


# -- terminals -------------------------------------------------------------------------------------


def harmless(out: bytes) -> bool:
    """Return whether nothing in what was written could steer a terminal."""
    text = out.decode()
    return all(c.isprintable() or c in "\n\t" for c in text) and "\u202e" not in text


@pytest.mark.parametrize("json_", [(), ("--json",)], ids=["lines", "json"])
def test_following_prints_no_control_characters(hostile, piped, json_):
    """No value of any field causes harm."""
    server = hostile()
    client = piped(server, "anna", "--follow", *json_)
    server.wait_for("join")
    server.tell(
        said(STEERING, 1),
        said("hi", 2, who=STEERING),
        {**announced(seq=3), "from": STEERING},
        {**said("", 4), "event": "topic", "text": STEERING},
        {**said("", 5), "event": "removed", "name": STEERING},
        {**said("hi", 6), "about": 1, "quote": {"from": STEERING, "text": STEERING * 99}},
        {**said(STEERING, 7), "event": "edit", "about": 1},
        {**said("", 8), "event": "pinned", "about": 1, "quote": {"from": "x", "text": STEERING}},
        {"event": "notice", "text": STEERING},
        said("end", 9),
    )
    client.expect("end")
    server.close()
    client.process.kill()
    client.process.wait()
    out = "\n".join(client.shown)
    assert harmless(out.encode())
    if json_:
        assert [json.loads(line)["seq"] for line in client.shown] == [*range(1, 10)]


@pytest.mark.parametrize("what", ["--who", "--rooms"])
@pytest.mark.parametrize("json_", [(), ("--json",)], ids=["lines", "json"])
def test_lists_have_no_control_characters(hostile, tmp_path, what, json_):
    """And no row looks like two."""
    room = {"room": STEERING, "number": 1, "topic": STEERING, "users": 1, "locked": False}
    server = hostile(
        rooms={"rooms": [room]},
        who={"room": "lobby", "users": [{"name": STEERING, "away": STEERING}]},
    )
    place = ("anna", "127.0.0.1", str(server.port))
    status, out, _ = apart(tmp_path / "at", *place, what, *json_)
    assert status == 0
    assert harmless(out)
    assert out.count(b"\n") == 1


def test_a_terminal_is_not_steered(hostile, terminal):
    """On the screen, in the bar below it, and in sentences of refusals."""
    joined = {"room": STEERING, "number": 1, "topic": STEERING, "users": [STEERING], "seq": 0}
    server = hostile(
        join=joined,
        rooms={"rooms": []},
        who=lambda it: {"event": "error", "code": "x", "message": STEERING},
    )
    client = terminal("anna", "127.0.0.1", str(server.port))
    client.see_in("You are in")
    server.wait_for("rooms")
    server.tell({"event": "notice", "text": STEERING}, {"event": "error", "message": STEERING})
    client.see_question("Room")
    client.type("/who")
    client.see_in("! ")
    client.see_question("Room")
    client.type("/quit")
    client.wait()
    for bad in (b"\x1b]0;", b"\x1b[2J", b"\x9b", "\u202e".encode(), "\x9b".encode()):
        assert bad not in client.received


# -- lines -----------------------------------------------------------------------------------------


def test_a_line_without_an_end_is_refused_at_its_bound(hostile, piped):
    """The connection is ended long before such a line is whole, and the client says so."""
    server = hostile()
    client = piped(server, "anna")
    server.wait_for("join")
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 2 * REPLY_LINE_BYTES:
            server.send(b"x" * (1 << 20))
            sent += 1 << 20
    client.expect("Connection lost")
    assert sent < REPLY_LINE_BYTES


def test_an_endless_answer_is_refused_at_its_bound(hostile, piped):
    """So it is where an answer is waited for, which may be long."""
    server = hostile(who=lambda asked: {"room": "x" * (REPLY_LINE_BYTES + (4 << 20))})
    client = piped(server, "anna")
    server.wait_for("join")
    client.type("/who")
    client.expect("Connection lost")
