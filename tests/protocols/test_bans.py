"""Users who are kept out of a room, or of the server, stay so: by any name, and from anywhere."""

import pytest

from tests.protocols.test_moderation import code, ok
from tests.protocols.test_tickets import CONTENT, redeemed
from tests.servers import RawAdminClient


@pytest.fixture
def operator(server):
    """Return the operator, who has made the room studio and is in it."""
    admin = RawAdminClient(server)
    ok(admin, do="create", room="studio")
    yield admin
    admin.close()


@pytest.fixture
def enter(server, connect):
    """Return a function that opens a JSON connection, and comes into studio."""

    def open_(name, register=False, room="studio"):
        bot = connect(server)
        ok(bot, do="hello", name=name)
        if register:
            ok(bot, do="register", password="pass-word")
        if room is not None:
            ok(bot, do="join", room=room)
        return bot

    return open_


@pytest.mark.parametrize("what", ["kick", "ban", "a range"])
def test_a_program_that_is_not_in_the_lobby(operator, enter, what):
    """Out of the lobby is off the server, for those too who are in another room only."""
    eve = enter("eve")
    if what == "a range":
        ok(operator, do="ban", room="lobby", user="127.0.0.0/8")
    else:
        ok(operator, do=what, room="lobby", user="eve")
    assert b'"put-out"' in eve.rest()
    assert ok(operator, do="who", room="studio")["count"] == 0  # nobody sees the operator there


@pytest.mark.parametrize("how", ["login", "nick"])
def test_who_becomes_somebody_who_is_banned(operator, enter, how):
    """A user who takes a banned name is out of the room, and gets nothing more of it."""
    if how == "login":
        enter("eve", register=True, room=None).close()
    ok(operator, do="ban", room="studio", user="eve")
    guest = enter("guest")
    more = {"password": "pass-word"} if how == "login" else {}
    ok(guest, do=how, name="eve", **more)
    ok(operator, do="say", room="studio", text="behind closed doors")
    assert code(guest, do="say", room="studio", text="x") in ("banned", "not-in-room")
    assert code(guest, do="history", room="studio") == "banned"
    ok(guest, do="join", room="lab")
    assert "behind closed doors" not in guest.seen
    assert '"event":"out","room":"studio"' in guest.seen


def test_a_moderator_of_a_closed_room_who_is_nobody_any_more(operator, enter):
    """They do not stay as a guest where no guest may be."""
    alice = enter("alice", register=True)
    ok(operator, do="op", room="studio", user="alice")
    ok(operator, do="close", room="studio")
    ok(alice, do="say", room="studio", text="I moderate it")
    ok(alice, do="nick", name="someone")
    assert code(alice, do="say", room="studio", text="x") == "not-in-room"
    assert code(alice, do="join", room="studio") == "not-allowed"


CHANGES = {
    "the addresses": {"do": "ban", "user": "127.0.0.0/8"},
    "a password": {"do": "access", "access": "public", "password": "pass-word"},
    "by invitation": {"do": "access", "access": "invited"},
}


@pytest.mark.parametrize("verb", ["PUT", "GET"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_ticket_of_who_left_before(server, operator, enter, connect, change, verb):
    """A ticket ends if its user could not join the room now; otherwise it stays valid."""
    eve, bob = enter("eve", register=True), enter("bob", register=True)

    def ticket(bot, verb, name):
        asked = {"do": "put", "size": len(CONTENT)} if verb == "PUT" else {"do": "get"}
        return ok(bot, **asked, room="studio", name=name)["ticket"]

    def use(verb, ticket):
        return redeemed(connect, server, verb, ticket, CONTENT if verb == "PUT" else b"")

    assert use("PUT", ticket(bob, "PUT", "a")).startswith(b"= 8 ")
    mine, theirs = ticket(eve, verb, "a"), ticket(bob, verb, "a")
    ok(eve, do="quit")
    eve.rest()
    if change != "the addresses":
        ok(operator, room="studio", **CHANGES[change])
        assert not use(verb, theirs).startswith(b"! ")
    else:
        ok(bob, do="quit")
        bob.rest()
        ok(operator, do="ban", room="studio", user="10.0.0.0/8")
        assert not use(verb, theirs).startswith(b"! ")
        ok(operator, room="studio", **CHANGES[change])
    assert use(verb, mine).startswith(b"! ")


def test_what_a_guest_said_under_a_name_that_is_registered_since(server, operator, enter):
    """The registered user cannot erase a guest's entries under the same name, but can erase their
    own."""
    first = enter("eve")
    said = ok(first, do="say", room="studio", text="of the first eve")["seq"]
    ok(first, do="quit")
    first.rest()
    second = enter("eve", register=True)
    mine = ok(second, do="say", room="studio", text="of the second eve")["seq"]
    ok(second, do="say", room="studio", text="more")
    assert code(second, do="erase", room="studio", position=said) == "not-allowed"
    ok(second, do="erase", room="studio", position=mine)
    server.stop()
    server.start()


NO_ADDRESSES = ["1.2.3", "010.1.1.1", "0x7f.1", "127.0x1", "1.2.3.256", "\uff11.2.3"]


def test_what_only_looks_like_an_address(operator, enter):
    """It bans nobody, and is not said to; behind an `@`, it is a user. An address with blanks about
    it, or in wide letters, is an address."""
    for whom in NO_ADDRESSES:
        assert code(operator, do="ban", room="studio", user=whom) == "bad-argument", whom
    ok(operator, do="ban", room="studio", user="@1.2.3")
    for whom in (" 10.1.0.1 ", "\uff11\uff10.1.0.2"):
        ok(operator, do="ban", room="studio", user=whom)
    rules = ok(operator, do="rules", room="studio")["rules"]
    banned = [it["user"] for it in rules if it["what"] == "banned"]
    assert sorted(banned) == ["1.2.3", "10.1.0.1/32", "10.1.0.2/32"]
    bob = enter("1.2.3.x")
    ok(operator, do="ban", room="studio", user="1.2.3.x")
    assert code(bob, do="history", room="studio") == "banned"


def test_a_token_for_one_room_is_told_of_no_other(operator, enter, connect, server):
    """To speak in a room that is there is refused as in one that is not."""
    eve = enter("eve", register=True)
    token = ok(eve, do="token", label="t", room="studio")["token"]
    bot = connect(server)
    ok(bot, do="hello", name="eve", password=token)
    ok(bot, do="join", room="studio")
    ok(bot, do="say", room="studio", text="here")
    for do in ("say", "me"):
        for room in ("lab", "nowhere"):
            assert code(bot, do=do, room=room, text="x") == "not-allowed"
