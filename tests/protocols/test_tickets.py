"""Tickets whose user loses the right meanwhile."""

import hashlib

import pytest

from tests.protocols.test_moderation import code, ok
from tests.servers import RawAdminClient, RawClient

CONTENT = b"the file"
TAKEN = {
    "kick": {"room": "studio", "user": "eve"},
    "ban": {"room": "studio", "user": "eve"},
    "mute": {"room": "studio", "user": "eve"},
    "freeze": {"room": "studio"},
    "close": {"room": "studio"},
    "the server": {"room": "lobby", "user": "eve"},
    "its addresses": {"room": "lobby", "user": "127.0.0.0/8"},
}
"""Commands that take from eve the right to send a file to the room, with their arguments."""

READING = ("mute", "freeze")
"""After these she may still read."""


@pytest.fixture
def house(server, connect):
    """Return the server, the operator, eve in the room studio, and a reader of it."""
    operator, eve, reader = RawAdminClient(server), connect(server), connect(server)
    ok(eve, do="hello", name="eve")
    ok(eve, do="register", password="pass-word")
    ok(reader, do="hello", name="reader")
    ok(operator, do="create", room="studio")
    for bot in (eve, reader):
        ok(bot, do="join", room="lobby")
        ok(bot, do="join", room="studio")
    yield server, operator, eve, reader
    operator.close()


def take(operator, what):
    """Take it from her."""
    ok(operator, do=what if what in ("kick", "mute", "freeze", "close") else "ban", **TAKEN[what])


def redeemed(connect, server, verb, ticket, data=b""):
    """Use a ticket, and return all that comes back."""
    carrier = connect(server)
    carrier.send_raw(f"{verb} {ticket}\n".encode() + data)
    carrier.end()
    return carrier.rest()


def put(eve, **more):
    """Return a ticket for her file."""
    return ok(eve, do="put", room="studio", name="a", size=len(CONTENT), **more)["ticket"]


@pytest.mark.parametrize("what", TAKEN)
def test_a_ticket_from_before(house, connect, what):
    """It is good no more to send a file to the room; nor to fetch one, unless she still may."""
    server, operator, eve, reader = house
    assert redeemed(connect, server, "PUT", put(eve), CONTENT).startswith(b"= 8 ")
    reader.event("file")
    sending, fetching = put(eve), ok(eve, do="get", room="studio", name="a")["ticket"]
    take(operator, what)
    assert redeemed(connect, server, "PUT", sending, CONTENT).startswith(b"! ")
    fetched = redeemed(connect, server, "GET", fetching)
    assert fetched.startswith(CONTENT if what in READING else b"! "), fetched
    nothing_was_told(operator, reader, what)


def nothing_was_told(operator, reader, what):
    """Check that nobody was told of a file, and that only the first one is shared."""
    (file,) = ok(operator, do="files", room="studio")["files"]
    assert file["version"] == 1
    if what not in ("close", "its addresses"):
        ok(operator, do="join", room="studio")
        ok(operator, do="say", room="studio", text="last")
        seen = []
        while (found := reader.event()).get("text") != "last":
            seen.append(found["event"])
        assert "file" not in seen


@pytest.mark.parametrize("what", TAKEN)
def test_an_upload_under_way(house, connect, what):
    """It ends without an announcement, and its file is not shared."""
    server, operator, eve, _ = house
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    carrier = connect(server)
    carrier.send_raw(f"PUT {put(eve, sha256=sha256)}\n".encode() + CONTENT[:4])
    while not ok(eve, do="transfers")["transfers"]:
        pass
    take(operator, what)
    carrier.send_raw(CONTENT[4:])
    assert carrier.rest().startswith(b"! ")
    assert ok(operator, do="files", room="studio")["files"] == []


def test_typed_uploads_are_asked_about_too(house, connect):
    """A file that a person sends on their own connection is not told of when they are muted
    meanwhile."""
    server, operator, _, reader = house
    one = connect(server, "one")
    one.send("/join studio")
    one.expect("You are in studio")
    one.send("/put a 8")
    one.expect("* Send its 8 bytes now.")
    one.send_raw(CONTENT[:4])
    ok(operator, do="mute", room="studio", user="one")
    one.send_raw(CONTENT[4:])
    one.expect("! You are muted in studio")
    assert ok(operator, do="files", room="studio")["files"] == []
    ok(operator, do="unmute", room="studio", user="one")
    one.send("/put a 8")
    one.expect("* Send its 8 bytes now.")
    one.send_raw(CONTENT)
    one.expect("= 8 ")
    assert reader.event("file")["from"] == "one"


def test_who_comes_in_again_gets_another_ticket(house, connect):
    """A ticket from before the kick is not good, and one from after it is."""
    server, operator, eve, reader = house
    before = put(eve)
    take(operator, "kick")
    ok(eve, do="join", room="studio")
    assert redeemed(connect, server, "PUT", before, CONTENT).startswith(b"! You were put out")
    assert redeemed(connect, server, "PUT", put(eve), CONTENT).startswith(b"= 8 ")
    assert reader.event("file")["from"] == "eve"


def test_who_left_by_themselves_may_go_on(house, connect):
    """A broken connection or leaving the room takes no ticket from a user who may come back."""
    server, _, eve, reader = house
    ticket, other = put(eve), put(eve)
    ok(eve, do="leave", room="studio")
    assert redeemed(connect, server, "PUT", ticket, CONTENT).startswith(b"= 8 ")
    eve.close()
    reader.event("left")
    assert redeemed(connect, server, "PUT", other, CONTENT).startswith(b"= 8 ")


WAYS = ("revoke", "reset", "password")


@pytest.mark.parametrize("way", WAYS)
def test_what_somebody_came_in_with_is_good_no_more(house, connect, way):
    """Neither are the tickets that they were given, even if their connection is gone already."""
    server, operator, eve, _ = house
    password = ok(eve, do="token", label="bot")["token"] if way == "revoke" else "pass-word"
    tickets = []
    for stays in (True, False):
        bot = RawClient(server.port)
        ok(bot, do="hello", name="eve", password=password)
        ok(bot, do="join", room="studio")
        tickets += [put(bot), ok(bot, do="put", to="reader", name="b", size=8)["ticket"]]
        if not stays:
            bot.close()
    mine = put(eve)
    if way == "revoke":
        ok(eve, do="revoke", label="bot")
    elif way == "reset":
        ok(operator, do="reset", name="eve")
    else:
        ok(eve, do="password", old="pass-word", new="other")
    for ticket in tickets:
        assert redeemed(connect, server, "PUT", ticket, CONTENT).startswith(b"! You were put out")
    kept = redeemed(connect, server, "PUT", mine, CONTENT)
    assert kept.startswith(b"! " if way == "reset" else b"= 8 ")


def test_a_file_that_was_removed(house, connect):
    """A ticket for it is good no more, and one for what has its name now is another."""
    server, _, eve, _ = house
    assert redeemed(connect, server, "PUT", put(eve), CONTENT).startswith(b"= 8 ")
    ticket = ok(eve, do="get", room="studio", name="a")["ticket"]
    ok(eve, do="remove", room="studio", name="a")
    assert redeemed(connect, server, "GET", ticket).startswith(b"! There is no ")
    assert code(eve, do="get", room="studio", name="a") == "no-such-file"
