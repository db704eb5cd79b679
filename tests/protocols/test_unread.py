"""Coming back: kept rooms, what is unread in them, and the past that a person is shown."""

import signal

ROOMS = ("lab", "ops", "tea", "news", "attic")


def ask(client, **fields):
    """Send a request, and return its answer."""
    client.ask(**fields, id="asked")
    while (answer := client.event()).get("id") != "asked":
        pass
    return answer


def program(server, connect, name="bob", command="hello", **more):
    """Return a registered user's JSON connection."""
    client = connect(server)
    assert ask(client, do=command, name=name, password="secret", **more)["event"] == "ok"
    return client


def person(server, connect, name="bob"):
    """Return a registered user's interactive connection, which has been greeted."""
    client = connect(server)
    client.expect("* Welcome")
    client.send(f"/login {name} secret")
    client.expect(f"You are {name}.")
    return client


def unread(client):
    """Return the rows of the answer to `unread`, by rooms."""
    return {it["room"]: it for it in ask(client, do="unread")["rooms"]}


def five_rooms(server, connect):
    """Let bob register and join five rooms, and leave; and alice talk in them for an hour."""
    bob = program(server, connect, command="signup")
    alice = connect(server)
    ask(alice, do="hello", name="alice")
    for room in ROOMS:
        ask(alice, do="create", room=room)
        ask(bob, do="join", room=room)
    ask(bob, do="quit")
    for minute in range(60):
        ask(alice, do="say", room=ROOMS[minute % 4], text=f"minute {minute}")
    ask(alice, do="say", room="tea", text="Bob: tea is ready")
    return alice


def test_a_person_comes_back_after_an_hour(start_server, connect):
    """They are told what is unread in each room, and are shown it as they go there; then it is
    read, also for their next connection."""
    server = start_server()
    five_rooms(server, connect)
    bob = person(server, connect)
    lines = [bob.expect(" unread") for _ in range(4)]
    assert lines[:2] == ["* lab: 15 unread", "* ops: 15 unread"]
    assert lines[2:] == ["* tea: 16 unread, 1 for you", "* news: 15 unread"]
    assert bob.line() == "* /unread ROOM shows what is unread there."
    bob.send("/join tea")
    bob.expect("* You are in tea")
    shown = [bob.line() for _ in range(17)]
    assert shown[0] == "* /history shows what was said before."
    assert shown[1].endswith("Z #1] alice: minute 2")
    assert shown[16].endswith("Z #16] alice: Bob: tea is ready")
    bob.send("/unread lab", "/unread", "/exit", "/rooms", "/quit")
    assert bob.expect("minute").endswith("#1] alice: minute 0")
    assert bob.expect("minute 56").endswith("#15] alice: minute 56")
    assert [bob.line(), bob.line()] == ["* ops: 15 unread", "* news: 15 unread"]
    assert bob.expect("* You are in lobby")
    bob.expect("* Rooms:")
    assert bob.line().endswith("here), yours")
    bob.expect("Goodbye")
    again = unread(program(server, connect))
    assert [it["unread"] for it in again.values()] == [0, 0, 15, 0, 15, 0, 0]
    assert list(again) == ["lobby", *ROOMS, "@"]


def test_a_program_comes_back_after_an_hour(start_server, connect):
    """It asks what is unread, joins, reads, and says how far; another connection is told."""
    server = start_server()
    five_rooms(server, connect)
    bob, other = program(server, connect), program(server, connect)
    rows = unread(bob)
    tea = rows["tea"]
    assert [tea[key] for key in ("last", "read", "unread", "mentions")] == [16, 0, 16, 1]
    assert [rows[room]["unread"] for room in ROOMS] == [15, 15, 16, 15, 0]
    assert ask(bob, do="join", room="tea", after=tea["read"])["read"] == 0
    while (entry := bob.event("message"))["seq"] < tea["last"]:
        pass
    assert ask(bob, do="read", room="tea", position=entry["seq"])["position"] == 16
    assert other.event("read") == {"event": "read", "room": "tea", "position": 16}
    assert unread(other)["tea"]["unread"] == 0
    assert ask(other, do="unread", room="tea", position=16)["rooms"][0]["unread"] == 1
    assert bob.event("read")["position"] == 15


def test_more_is_unread_than_is_shown(start_server, connect):
    """The last entries follow a line that tells how to see the first ones."""
    server = start_server("--room", "lab", unread_shown=3)
    bob = program(server, connect, command="signup")
    ask(bob, do="join", room="lab")
    alice = connect(server, "alice")
    alice.send("/join lab", *map(str, range(8)), "/history")
    alice.expect("alice: 7")
    bob = person(server, connect)
    bob.send("/join lab")
    assert bob.expect("of which") == (
        "* 8 entries are unread, of which the last 3 follow; /history #0 shows the first."
    )
    assert bob.line().endswith("#6] alice: 5")


def test_a_count_that_may_be_too_high(start_server, connect):
    """Far behind, the server does not look at all entries, and says so in both formats."""
    server = start_server("--room", "lab", unread_entries=3)
    bob = program(server, connect, command="signup")
    ask(bob, do="join", room="lab")
    for text in range(5):
        ask(bob, do="say", room="lab", text=str(text))
    row = unread(bob)["lab"]
    assert (row["unread"], row["exact"]) == (2, False)
    assert unread(bob)["@"]["exact"]
    assert person(server, connect).expect(" unread") == "* lab: about 2 unread"


def test_a_guest_is_shown_the_last_lines(start_server, connect):
    """As many as the operator says, marked as past ones; a script is shown none."""
    server = start_server("--room", "lab", "--recent-lines", "2")
    alice = connect(server, "alice")
    alice.send("/join lab", "one", "two", "three", "/history")
    alice.expect("three")
    bob = connect(server)
    bob.expect("* Welcome")
    bob.send("bob", "/join lab")
    bob.expect("* /history")
    assert bob.line().endswith("Z #2] alice: two")
    assert bob.line().endswith("Z #3] alice: three")
    carol = connect(server)
    carol.send("carol", "/join lab", "/who")
    carol.expect("You are in lab")
    carol.expect("in lab:")
    assert "alice: " not in carol.seen


def test_none_of_the_past_if_the_operator_says_so(start_server, connect):
    """With `--recent-lines 0` a person sees only what is said from then on."""
    server = start_server("--room", "lab", "--recent-lines", "0")
    alice = connect(server, "alice")
    alice.send("/join lab", "one", "/history")
    alice.expect("#1]")
    bob = connect(server)
    bob.expect("* Welcome")
    bob.send("bob", "/join lab", "/who")
    bob.expect("2 in lab")
    assert "alice: one" not in bob.seen


def test_a_server_that_stops_keeps_read_positions(start_server, connect):
    """Those of connections that it ends, too; a killed one keeps the rooms."""
    server = start_server("--room", "lab")
    bob = program(server, connect, command="signup")
    alice = connect(server, "alice")
    ask(bob, do="join", room="lab")
    alice.send("/join lab", "one", "two")
    while bob.event("message")["seq"] < 2:
        pass
    ask(bob, do="read", room="lab", position=1)
    reader = person(server, connect, "bob")
    reader.expect("* lab: 1 unread")
    server.stop()
    server.start()
    assert unread(program(server, connect))["lab"]["read"] == 1
    reader = person(server, connect, "bob")
    reader.send("/join lab")
    assert reader.expect("two").endswith("#2] alice: two")
    server.stop(signal.SIGTERM)
    server.start()
    bob = program(server, connect)
    assert unread(bob)["lab"]["read"] == 2
    ask(bob, do="create", room="attic")
    server.stop(signal.SIGKILL)
    server.start()
    assert list(unread(program(server, connect))) == ["lobby", "lab", "attic", "@"]


def test_lines_that_are_wrong(server, connect):
    """Each is refused with a sentence that says what to do."""
    guest = connect(server, "eve")
    guest.send("/unread", "/unread #x y z", "/unread #1x2 lab extra")
    assert guest.line() == "* Nothing is unread."
    assert guest.line() == "! That is one word too many: /unread [#POSITION] [ROOM]"
    assert guest.line() == "! That is one word too many: /unread [#POSITION] [ROOM]"
    bob = program(server, connect, command="signup")
    ask(bob, do="join", room="lab")
    for fields in (
        {"do": "read"},
        {"do": "read", "room": "lab"},
        {"do": "read", "room": "lab", "position": -1},
        {"do": "read", "room": "lab", "position": True},
        {"do": "read", "room": "lab", "position": "1"},
        {"do": "read", "room": "lab", "position": 1 << 60},
        {"do": "read", "position": 1},
        {"do": "unread", "room": 7},
        {"do": "unread", "room": "lab", "position": 1.5},
        {"do": "leave", "room": "lab", "keep": "yes"},
    ):
        assert ask(bob, **fields)["code"] == "bad-argument", fields
    assert ask(bob, do="read", room="lab", position=(1 << 60) - 1)["position"] == 0


def test_what_is_made_unread_stays_so(server, connect):
    """The inbox's read position, moved back, is not moved on by a join: nothing new came."""
    bob = program(server, connect, command="signup")
    alice = connect(server)
    ask(alice, do="hello", name="alice")
    for text in ("one", "two", "three"):
        ask(alice, do="msg", to="bob", text=text)
    while bob.event().get("text") != "three":
        pass
    ask(bob, do="unread", room="@", position=2)
    assert unread(bob)["@"]["unread"] == 2
    ask(bob, do="join", room="lab")
    ask(alice, do="join", room="lab")
    ask(alice, do="say", room="lab", text="hi")
    while bob.event().get("text") != "hi":
        pass
    assert unread(bob)["@"]["unread"] == 2
