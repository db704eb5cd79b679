"""JSON clients, from the first `hello` to `quit`."""

import hashlib
import threading

import pytest


@pytest.fixture
def program(server, connect):
    """Return a function that opens a program's connection and says who it is."""

    def program_(name, **more):
        bare = connect(server)
        asks(bare, "hello", name=name, **more)
        return bare

    return program_


def asks(bare, do, **fields):
    """Make a request and return its answer; fail if it is refused."""
    bare.ask(do=do, id=do, **fields)
    while (found := bare.event())["event"] not in ("ok", "error"):
        pass
    assert (found["event"], found.pop("id")) == ("ok", do), found
    del found["event"]
    return found


def says(bare, room, *texts):
    """Say something in a room; return its positions."""
    return [asks(bare, "say", room=room, text=text)["seq"] for text in texts]


def until(bare, text):
    """Return the messages that come, up to one with that text."""
    found = [bare.event("message")]
    while found[-1]["text"] != text:
        found.append(bare.event("message"))
    return found


def test_who_is_greeted(server, connect):
    """A person who waits is; who speaks first is not, nor who only negotiates telnet at first."""
    script = connect(server)
    script.send("script")
    program = connect(server)
    program.ask(do="hello", name="program", id=1)
    telnet = connect(server)
    telnet.send_raw(b"\xff\xfb\x1f")
    person = connect(server)
    assert person.line() == "* Welcome. Type your name; /help lists the commands."
    assert b"* Welcome." in telnet.read(30)
    script.send("/who")
    assert script.line() == "* 1 in lobby: script"
    assert program.event()["id"] == 1
    program.ask(do="rooms", id=2)
    assert program.event()["id"] == 2


def test_a_program_among_people(server, connect, program):
    """Both formats meet in a room; a JSON client sees its own entries too, and no room
    uninvited."""
    bot = program("bot")
    alice = connect(server, "alice")
    alice.send("before", "/join lab")
    alice.expect("* You are in lab")
    joined = asks(bot, "join", room="LAB")
    told = {"room": "lab", "number": 2, "topic": "", "users": ["alice"], "seq": 0, "more": 0}
    assert joined == {**told, "read": 0}
    assert alice.line() == "* bot came in"
    assert asks(bot, "who", room="lab")["users"] == [
        {"name": "alice", "away": "", "idle": 0},
        {"name": "bot", "away": "", "idle": 0},
    ]
    (seq,) = says(bot, "lab", "hi\nthere")
    assert [alice.line(), alice.line()] == ["bot: hi", "bot: there"]
    alice.send("/me waves", "/topic tea")
    alice.expect("* Topic of lab: tea")
    alice.send("/leave")
    seen = [bot.event() for _ in range(4)]
    assert [event["event"] for event in seen] == ["message", "action", "topic", "left"]
    assert [event["from"] for event in seen] == ["bot", "alice", "alice", "alice"]
    assert [event.get("text") for event in seen] == ["hi\nthere", "waves", "tea", ""]
    assert {event["room"] for event in seen} == {"lab"}
    assert [event["seq"] for event in seen[:3]] == [seq, seq + 1, seq + 2]
    assert all(event["time"].endswith("Z") for event in seen[:3])
    assert asks(bot, "topic", room="lab") == {"room": "lab", "text": "tea"}
    rooms = asks(bot, "rooms")["rooms"]
    assert [(room["room"], room["topic"], room["users"]) for room in rooms] == [
        ("lab", "tea", 1),  # those in which the program is come first
        ("lobby", "", 1),
    ]


def test_notices(server, connect, program):
    """In JSON they are messages with a mark, which older clients show too."""
    bot, other = program("bot"), program("other")
    asks(bot, "join", room="lab"), asks(other, "join", room="lab")
    alice = connect(server, "alice")
    alice.send("before", "/join lab")
    alice.expect("* You are in lab")
    asks(bot, "say", room="lab", text="built", notice=True)
    asks(bot, "msg", to="alice", text="by me", notice=True)
    asks(bot, "msg", to="other", text="done", notice=True)
    assert [alice.line(), alice.line()] == ["-bot- built", "-bot -> you- by me"]
    told = other.event("message"), other.event("private")
    assert [(it["text"], it["notice"]) for it in told] == [("built", True), ("done", True)]


def test_one_thing_after_another(server, connect, program):
    """A user's actions are shown before their departure, even if some had to wait."""
    bot = program("bot")
    asks(bot, "join", room="lab")
    alice = connect(server)
    alice.send_raw(b"alice\n/join lab\n/topic tea\n/leave\n/join lab\n/put x 2\nhi/leave\n")
    seen = [bot.event()["event"] for _ in range(6)]
    assert seen == ["joined", "topic", "left", "joined", "file", "left"]


def test_who_is_away(server, connect, program):
    """Programs are told; people look it up, and are shown nothing."""
    bot, other, alice = program("bot"), program("other"), connect(server, "alice")
    asks(bot, "join", room="lobby"), asks(other, "join", room="lobby")
    alice.expect("* other came in")
    alice.send("/away lunch")
    told = {"event": "away", "room": "lobby", "from": "alice", "text": "lunch"}
    assert bot.event("away") == told
    asks(other, "away", text="out"), asks(other, "away"), says(other, "lobby", "back")
    assert [bot.event("away")["text"] for _ in range(2)] == ["out", ""]
    assert alice.line() == "* You are away."
    assert alice.line() == "other: back"


def test_two_rooms_at_once(program):
    """A program is in as many as it likes; what it leaves it hears no more."""
    a, b = program("a"), program("b")
    made = asks(a, "create")["room"]
    for bare in (a, b):
        asks(bare, "join", room="lobby"), asks(bare, "join", room=made)
    says(b, "lobby", "one"), says(b, made, "two")
    assert [(m["room"], m["text"]) for m in until(a, "two")] == [("lobby", "one"), (made, "two")]
    asks(a, "leave", room="lobby")
    says(b, "lobby", "three"), says(b, made, "four")
    assert [m["text"] for m in until(a, "four")] == ["four"]
    asks(b, "quit", text="so long")
    left = {"event": "left", "room": made, "from": "b", "text": "so long", "reason": "quit"}
    assert a.event("left") == left


def test_a_key_makes_a_repetition_harmless(server, program, connect):
    """The same key is said once: again, from another connection, and after a restart."""
    bot = connect(server)
    token = asks(bot, "hello", name="bot")["token"]
    asks(bot, "join", room="lab")
    say = {"room": "lab", "text": "build failed", "key": "k1"}
    first = asks(bot, "say", **say)
    assert asks(bot, "say", **say) == first
    assert asks(bot, "me", **{**say, "key": "k2"}) != first
    bot.ask(do="quit")
    bot.rest()
    server.stop()
    server.start()
    bot = program("bot", token=token)
    asks(bot, "join", room="lab")
    assert asks(bot, "say", **say) == first
    other = program("other")
    asks(other, "join", room="lab")
    assert asks(other, "say", **say) != first
    entries = asks(bot, "history", room="lab")["entries"]
    assert [(it["event"], it["from"]) for it in entries] == [
        ("message", "bot"),
        ("action", "bot"),
        ("message", "other"),
    ]


def test_a_key_is_forgotten_with_the_inbox(server, program):
    """The inbox of a later guest does not know the keys of an earlier one."""
    bob, bot = program("bob"), program("bot")
    asks(bot, "msg", to="bob", text="first", key="1")
    assert bob.event("private")["text"] == "first"
    server.stop()
    server.start()
    carol, bot = program("carol"), program("bot")
    asks(bot, "msg", to="carol", text="second", key="1")
    asks(bot, "msg", to="carol", text="third", key="2")
    assert carol.event("private")["text"] == "second"


def test_history(program):
    """By position, in both directions, and never beyond `limit`."""
    bot = program("bot")
    asks(bot, "join", room="lab")
    at = says(bot, "lab", *"abcdefghij")

    def history(**more):
        return "".join(it["text"] for it in asks(bot, "history", room="lab", **more)["entries"])

    assert history() == "abcdefghij"
    assert history(limit=3) == "hij"
    assert history(before=at[5], limit=3) == "cde"
    assert history(after=at[5]) == "ghij"
    assert history(after=at[5], limit=2) == "gh"
    assert history(after=at[1], before=at[4]) == "cd"
    assert [history(after=at[9]), history(before=at[0]), history(limit=0)] == ["", "", ""]
    assert history(after=1 << 59) == history(before=0) == ""
    assert history(limit=1 << 59) == "abcdefghij"
    assert history(before=1 << 59, limit=2) == "ij"


@pytest.mark.parametrize("after", [0, 700])
def test_exactly_once_at_the_seam(server, connect, program, after):
    """A client that joins a flooded room `after` a position gets all later entries, once each."""
    count = 4000
    first = program("first")
    asks(first, "join", room="lab")
    flood = connect(server)
    flood.send("flood", "/join lab")
    first.event("joined")
    lines = [f"n{n}" for n in range(count)] + ["end"]
    sending = threading.Thread(target=flood.send, args=lines)
    sending.start()
    until(first, "n900")
    late, again = program("late"), program("again")
    asks(late, "join", room="lab", after=after)
    asks(again, "join", room="lab")
    asks(again, "join", room="lab", after=after)
    sending.join()
    for bare in (late, again):
        got = [m for m in until(bare, "end") if m["seq"] > after]
        positions = [m["seq"] for m in got]
        from_there = positions.index(after + 1)  # `again` was already reading
        assert [m["text"] for m in got[from_there:]] == lines[after:]
        assert positions[from_there:] == sorted(set(positions[from_there:]))


def test_an_inbox_is_read_from_where_one_was(program):
    """A registered program that says what it has seen gets what comes after that, once."""
    bot, alice = program("bot"), program("alice")
    asks(bot, "register", password="pw")
    at = [asks(alice, "msg", to="bot", text=text)["seq"] for text in ("a", "b", "c")]
    assert [bot.event("private")["text"] for _ in at] == ["a", "b", "c"]
    bot.ask(do="quit")
    bot.rest()
    asks(alice, "msg", to="bot", text="d", key="k"), asks(alice, "msg", to="bot", text="d", key="k")
    bot = program("bot", password="pw", after=at[0])
    private = [bot.event("private") for _ in range(3)]
    assert [(it["from"], it["text"]) for it in private] == [("alice", t) for t in "bcd"]
    assert [it["seq"] for it in private[:2]] == at[1:]
    assert "room" not in private[0]
    asks(alice, "msg", to="bot", text="e")
    assert bot.event("private")["text"] == "e"


def test_a_token_takes_the_name_over(server, connect, program):
    """After a connection that broke unnoticed, the token brings name and inbox back at once."""
    old = connect(server)
    token = asks(old, "hello", name="bot")["token"]
    asks(old, "join", room="lobby")
    alice = connect(server, "alice")
    new = connect(server)
    new.ask(do="hello", name="bot", token="x" * 24)
    assert new.event("error")["code"] == "name-taken"
    welcome = asks(new, "hello", name="bot", token=token)
    assert (welcome["name"], welcome["registered"], welcome["inbox"]) == ("bot", False, 0)
    assert old.event("notice")["text"].startswith("You came in again")
    assert old.rest() == b""
    alice.send("/msg bot hello", "/who bot", "/who")
    assert new.event("private")["text"] == "hello"
    alice.expect("* bot left")
    alice.expect("* 1 in lobby: alice")


def test_a_token_is_one_connections_own(connect, server, program):
    """A registered user's other connections stay: the token takes the place of its own alone."""
    first = program("bob")
    asks(first, "register", password="s3cret")
    second = connect(server)
    token = asks(second, "hello", name="bob", password="s3cret")["token"]
    again = program("bob", token=token)
    assert second.event("notice")["text"].startswith("You came in again")
    assert second.rest() == b""
    asks(program("amy"), "msg", to="bob", text="to both of you")
    for bare in (first, again):
        assert bare.event("private")["text"] == "to both of you"


def test_files(server, connect, program):
    """`put` and `get` hand out tickets; `files` lists, `remove` takes away, and all are told."""
    bot, eve = program("bot"), program("eve")
    for bare in (bot, eve):
        asks(bare, "join", room="lab")
    sha256 = hashlib.sha256(b"hello").hexdigest()
    put = asks(bot, "put", room="lab", name="x", size=5, sha256=sha256.upper())
    assert put["offset"] == 0
    carrier = connect(server)
    carrier.send_raw(f"PUT {put['ticket']}\nhello".encode())
    assert carrier.rest().decode() == f"= 5 {sha256} x\n"
    file = {"name": "x", "size": 5, "sha256": sha256, "from": "bot"}
    for bare in (bot, eve):
        told = bare.event("file")
        assert told | file | {"room": "lab"} == told
    (listed,) = asks(eve, "files", room="lab")["files"]
    assert listed | file == listed
    got = asks(eve, "get", room="lab", name="x")
    assert (got["size"], got["sha256"]) == (5, sha256)
    private = asks(bot, "put", to="eve", name="y", size=0)["ticket"]
    connect(server).send(f"PUT {private}")
    assert eve.event("file")["name"] == "y"
    assert [file["name"] for file in asks(eve, "files", room="@")["files"]] == ["y"]
    asks(eve, "get", room="@", name="y")
    asks(bot, "remove", room="lab", name="x")
    removed = eve.event("removed")
    assert (removed["from"], removed["name"]) == ("bot", "x")
    assert asks(eve, "files", room="lab")["files"] == []
