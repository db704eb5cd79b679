"""Rooms are made by anybody, and nobody takes the space of all: over real connections."""

import json

import pytest

from chatservice.errors import Code
from tests.protocols.test_moderation import ask, code, ok
from tests.servers import RawAdminClient


def come(server, connect, name, register=False):
    """Return a JSON connection of a user."""
    bot = connect(server)
    ok(bot, do="hello", name=name)
    if register:
        ok(bot, do="register", password="pass-word")
    return bot


def rooms(bot, **more):
    """Return the names of the rooms in one answer."""
    return [it["room"] for it in ok(bot, do="rooms", **more)["rooms"]]


def until_gone(bot, *gone):
    """Wait until there are no rooms of these names."""
    while set(gone) & set(rooms(bot)):
        pass


def test_a_vacant_room_goes_by_itself(start_server, connect):
    """One in which nobody is, nobody registered owns, and nothing was ever said; no other, and not
    while somebody is there. Its number does not come again."""
    server = start_server("--room", "lab", vacant_seconds=0.3)
    owner, guest = (come(server, connect, it, it == "owner") for it in ("owner", "guest"))
    ok(owner, do="create", room="owned")
    ok(guest, do="create", room="spoken")
    ok(guest, do="say", room="spoken", text="hello")
    ok(guest, do="create", room="here")
    number = ok(guest, do="create", room="vacant")["number"]
    ok(guest, do="create", room="dropped")
    (server.files / "dropped").mkdir()
    (server.files / "dropped" / "a.txt").write_text("hi")
    for name in ("owned", "spoken", "vacant", "dropped"):
        ok(owner if name == "owned" else guest, do="leave", room=name)
    until_gone(guest, "vacant")
    ok(guest, do="create", room="other")
    ok(guest, do="leave", room="other")
    until_gone(guest, "other")  # other rooms would be gone by now, too
    assert rooms(guest) == ["here", "lobby", "lab", "owned", "spoken", "dropped"]
    assert ok(guest, do="create", room="vacant")["number"] > number
    server.stop()
    server.start()
    back = come(server, connect, "back")
    until_gone(back, "vacant", "here")
    assert rooms(back) == ["lobby", "lab", "owned", "spoken", "dropped"]


def test_who_comes_back_in_time_has_the_room_still(start_server, connect):
    """And with it all that holds there."""
    server = start_server(vacant_seconds=3600)
    guest = come(server, connect, "guest")
    ok(guest, do="create", room="den")
    ok(guest, do="leave", room="den")
    ok(guest, do="join", room="den")
    ok(guest, do="freeze", room="den")  # it is theirs


def test_guests_do_not_take_the_space_of_all(start_server, connect):
    """A vacant room gives way to one that is to be made; where none is vacant, registered users
    have space still, and guests are told what to do."""
    server = start_server(rooms=8, rooms_of_guests=4, vacant_seconds=3600)
    flood = come(server, connect, "flood")
    for at in range(20):
        ok(flood, do="create", room=f"flood{at}")
        ok(flood, do="leave", room=f"flood{at}")
    there = [it for it in rooms(flood) if it.startswith("flood")]
    assert there == ["flood17", "flood18", "flood19"]  # the lobby is nobody's, too
    guest = come(server, connect, "guest")
    for at in range(3):
        ok(guest, do="create", room=f"used{at}")
        ok(guest, do="say", room=f"used{at}", text="it is in use")
    found = ask(guest, do="create", room="another")
    assert found["code"] == Code.TOO_MANY
    assert "register" in found["commands"]
    owner = come(server, connect, "owner", register=True)
    for at in range(4):
        ok(owner, do="create", room=f"owned{at}")
    assert code(owner, do="create", room="another") == Code.BAD_ARGUMENT
    ok(guest, do="register", password="pass-word")  # then their rooms are owned


def test_an_address_makes_so_many_rooms(start_server, connect):
    """So many at once, and then at a rate; this machine's address counts like any other."""
    server = start_server(
        trusted=(), rooms_an_address_burst=3, rooms_an_address_per_second=0.0001, rooms_burst=50
    )
    one, two = come(server, connect, "one"), come(server, connect, "two")
    ok(one, do="create", room="a")
    ok(two, do="create", room="b")
    ok(one, do="create", room="c")
    for bot in (one, two):
        assert code(bot, do="create", room="d") == Code.SLOW_DOWN
    ok(RawAdminClient(server), do="create", room="d")


def test_guests_of_an_address_have_so_many_rooms(start_server, connect):
    """A room that goes, or is a registered user's, counts no more."""
    server = start_server(trusted=(), rooms_an_address=2, vacant_seconds=0.3)
    one, two = come(server, connect, "one"), come(server, connect, "two")
    ok(one, do="create", room="a")
    ok(two, do="create", room="b")
    assert code(one, do="create", room="c") == Code.TOO_MANY
    ok(two, do="leave", room="b")
    until_gone(two, "b")
    ok(two, do="create", room="c")
    assert code(one, do="create", room="d") == Code.TOO_MANY
    ok(one, do="register", password="pass-word")
    ok(two, do="create", room="d")


@pytest.mark.parametrize("bound", [{"listed": 3}, {"listed_bytes": 360}], ids=str)
def test_many_rooms_are_told_in_parts(start_server, connect, bound):
    """Each part says how many follow, and how to get the rest, in both formats."""
    server = start_server(*(f"--room=r{at}" for at in range(6)), **bound)
    bot = come(server, connect, "bot")
    found, answer = [], ok(bot, do="rooms")
    assert len(json.dumps(answer)) < 600
    while True:
        found += [it["room"] for it in answer["rooms"]]
        if not answer["more"]:
            break
        answer = ok(bot, do="rooms", after=answer["rooms"][-1]["number"])
    assert found == ["lobby", "r0", "r1", "r2", "r3", "r4", "r5"]
    assert rooms(bot, filter="r*", after=6) == ["r5"]
    person = connect(server, "person")
    person.send("/rooms")
    line = person.expect("* and 4 more: /rooms #")
    person.send(line.partition(": ")[2].removesuffix(" lists them"))
    person.expect("r2 (0 here)")
    person.send("/rooms #6 r*")
    person.expect("r5 (0 here)")
    person.send("/join r5", "/rooms")
    person.expect("* Rooms:")
    assert person.line() == "*   1 lobby (0 here), yours"
    assert person.line() == "*   7 r5 (1 here), yours"
