"""Moderation: who may act on whom, ownership, erasing, and the record."""

import pytest

from chatservice.entries import Kind
from chatservice.errors import Code
from chatservice.events import Moderated, PutOut, UserLeft

CHANGES = {
    "kick": {"user": "bob"},
    "ban": {"user": "bob"},
    "unban": {"user": "bob"},
    "mute": {"user": "bob"},
    "unmute": {"user": "bob"},
    "freeze": {},
    "unfreeze": {},
    "slow": {"seconds": 1},
    "invite": {"user": "bob"},
    "uninvite": {"user": "bob"},
    "record": {},
}
OWNERS = {
    "op": {"user": "bob"},
    "deop": {"user": "bob"},
    "owner": {"user": "bob"},
    "access": {"access": "public"},
    "close": {},
}


@pytest.fixture
def mia(world, alice):
    """Return mia, a moderator of the room studio."""
    found = world.registered("mia", "studio")
    alice.do("op", room="studio", user="mia")
    return found


def record(member, room="studio"):
    """Return the record of a room: who did what."""
    return [(it.who, it.did) for it in member.do("record", room=room).deeds]


def rules(member, room="studio"):
    """Return the rules of a room that somebody is shown."""
    return [(it.what, it.user) for it in member.do("rules", room=room).rules]


@pytest.mark.parametrize("command", [*CHANGES, *OWNERS])
def test_users_change_nothing_in_a_room(world, bob, command):
    """All that moderators and owners do is refused to others, who are told what it takes."""
    args = {**CHANGES, **OWNERS}[command]
    refusal = bob.ask(command, room="studio", **args).refusal
    who = "the owner" if command in OWNERS else "moderators"
    assert (refusal.code, refusal.params) == (Code.NOT_ALLOWED, {"who": who, "room": "studio"})


@pytest.mark.parametrize("command", OWNERS)
def test_moderators_do_not_do_what_owners_do(mia, bob, command):
    """It is refused to them."""
    assert mia.code(command, room="studio", **OWNERS[command]) is Code.NOT_ALLOWED


def test_a_kick_puts_a_user_out(world, alice, mia, bob):
    """Everybody sees who did it and why. The user may come in again."""
    mia.do("kick", room="studio", user="bob", text="calm down")
    assert bob.session not in world.room("studio").sessions
    assert [(it.room, it.who, it.text) for it in bob.events(PutOut)] == [
        ("studio", "mia", "calm down")
    ]
    seen = [(it.who, it.what, it.user) for it in alice.events(Moderated)]
    assert seen == [("alice", "op", "mia"), ("mia", "kick", "bob")]
    assert mia.code("kick", room="studio", user="bob") is Code.NO_SUCH_USER
    assert bob.do("join", room="studio").room == "studio"


def test_a_kick_from_the_lobby_ends_the_connection(world, bob):
    """Only operators moderate the lobby."""
    mallory = world.registered("mallory", "studio")
    assert mallory.code("kick", room="lobby", user="bob") is Code.NOT_ALLOWED
    world.operator().do("kick", room="lobby", user="bob")
    assert [(it.who, it.reason) for it in mallory.events(UserLeft)] == [("bob", "out")]
    assert bob.peer.ended is not None
    assert bob.code("join", room="studio") is Code.NAME_NEEDED


@pytest.mark.parametrize("command", ["kick", "ban", "mute"])
def test_rank_decides(world, alice, mia, bob, command):
    """A moderator acts on users, an owner on moderators, an operator on owners; never upwards, nor
    on equals."""
    root, max_ = world.operator(), world.registered("max", "studio")
    root.do("join", room="studio")
    alice.do("op", room="studio", user="max")
    for member, user in (
        *((mia, "max"), (mia, "mia"), (mia, "alice"), (mia, "root")),
        *((alice, "alice"), (alice, "root"), (root, "root")),
    ):
        refusal = member.ask(command, room="studio", user=user).refusal
        assert (refusal.code, refusal.params["shown"]) == (Code.NOT_ALLOWED, user)
        assert "lower role than yours" in refusal.sentence
    mia.do(command, room="studio", user="bob")
    alice.do(command, room="studio", user="max")
    root.do(command, room="studio", user="alice")
    by = [(who, did.split()[:2]) for who, did in record(root)]
    assert by[-3:] == [
        ("mia", [command, "bob"]),
        ("alice", [command, "max"]),
        ("root", [command, "alice"]),
    ]
    assert max_.name == "max"


def test_rank_holds_for_those_who_are_away(world, alice, mia):
    """A moderator who is not connected cannot be banned by another one."""
    world.chat.users.leave(alice.session)
    assert mia.code("ban", room="studio", user="alice") is Code.NOT_ALLOWED
    mia.do("ban", room="studio", user="nobody")
    assert world.guest("nobody").code("join", room="studio") is Code.BANNED


def test_what_moderators_do_is_on_record(world, alice, mia, bob):
    """The record has granted actions, oldest first, with reasons and times; refused ones are left
    out."""
    mia.do("mute", room="studio", user="bob", time="1h", text="noise")
    world.wait(60)
    alice.do("slow", room="studio", seconds=5)
    assert mia.code("kick", room="studio", user="alice") is Code.NOT_ALLOWED
    assert record(mia) == [
        ("alice", "op mia"),
        ("mia", "mute bob for 60 min: noise"),
        ("alice", "slow 5"),
    ]
    times = [it.time for it in mia.do("record", room="studio").deeds]
    assert times[2] - times[1] == 60_000
    assert [it.did for it in mia.do("record", room="studio", limit=1).deeds] == ["slow 5"]


def test_what_is_not_stored_is_not_done(world, alice, bob):
    """A ban that the disk refuses does not hold, and is not on record."""
    world.engine.failing = True
    assert alice.code("ban", room="studio", user="bob") is Code.NOT_STORED
    world.engine.failing = False
    assert bob.say("still here", "studio") == 1
    assert record(alice) == []


def test_rules_are_shown_by_rank(world, alice, mia, bob):
    """Everybody sees who is in charge; moderators also see mutes and bans, with their time."""
    alice.do("mute", room="studio", user="bob", time="10m")
    alice.do("ban", room="studio", user="10.9.0.0/16")
    in_charge = [("owner", "alice"), ("moderator", "mia")]
    assert rules(bob) == in_charge
    assert sorted(rules(mia)) == sorted([*in_charge, ("muted", "bob"), ("banned", "10.9.0.0/16")])
    world.wait(60)
    (left,) = [it.left for it in mia.do("rules", room="studio").rules if it.what == "muted"]
    assert left == 540


def test_a_room_belongs_to_who_made_it(world):
    """A guest's room is nobody's when the guest has left, and a registered user's stays theirs."""
    for member in (world.guest("gil"), world.registered("rita")):
        name = f"of-{member.name}"
        member.do("create", room=name)
        assert rules(member, name) == [("owner", member.name)]
        member.do("freeze", room=name)
        world.chat.users.leave(member.session)
    assert world.guest("gil", "of-gil").code("unfreeze", room="of-gil") is Code.NOT_ALLOWED
    world.again("rita").do("unfreeze", room="of-rita")


def test_a_room_is_given_away(world, alice, mia, bob):
    """Only to a registered user. The former owner keeps no right."""
    assert alice.code("owner", room="studio", user="bob") is Code.NOT_ALLOWED
    assert alice.code("owner", room="studio", user="nobody") is Code.NO_SUCH_USER
    alice.do("owner", room="studio", user="mia")
    assert alice.code("close", room="studio") is Code.NOT_ALLOWED
    assert alice.code("freeze", room="studio") is Code.NOT_ALLOWED
    mia.do("op", room="studio", user="alice")
    alice.do("freeze", room="studio")
    assert ("owner", "mia") in rules(bob)


def test_a_moderator_no_longer(world, alice, mia, bob):
    """After `deop`, requests are refused."""
    mia.do("mute", room="studio", user="bob")
    alice.do("deop", room="studio", user="mia")
    assert mia.code("unmute", room="studio", user="bob") is Code.NOT_ALLOWED
    assert alice.code("deop", room="studio", user="mia") is Code.NO_SUCH_USER


def test_erasing(world, alice, mia, bob):
    """Users erase what they said last; moderators what users say; nobody what ranks above."""
    for member, text in ((bob, "a"), (bob, "b"), (mia, "c"), (alice, "d")):
        member.say(text, "studio")
    assert bob.code("erase", room="studio", position=1) is Code.NOT_ALLOWED
    assert bob.code("erase", room="studio", position=4) is Code.NOT_ALLOWED
    assert mia.code("erase", room="studio", position=4) is Code.NOT_ALLOWED
    assert bob.do("erase", room="studio").position == 2
    assert mia.do("erase", room="studio", position=1).position == 1
    assert alice.do("erase", room="studio", position=3).position == 3
    assert bob.code("erase", room="studio", position=77) is Code.NO_SUCH_ENTRY
    assert mia.code("erase", room="studio", position=1) is Code.NO_SUCH_ENTRY
    found = [(it.kind, it.text) for _, it in bob.do("history", room="studio").entries]
    assert found == [
        *[(Kind.GONE, "")] * 3,
        (Kind.MESSAGE, "d"),
        *((Kind.ERASED, position) for position in ("2", "1", "3")),
    ]
    assert record(alice)[1:] == [("mia", "erase #1, of bob"), ("alice", "erase #3, of mia")]


def test_a_registered_user_erases_what_they_said_before(world, alice, bob):
    """Also after they have come in anew. A guest cannot: anybody may have had the name."""
    alice.say("mine", "studio")
    bob.say("mine, too", "studio")
    for member in (alice, bob):
        world.chat.users.leave(member.session)
    assert world.again("alice", "studio").do("erase", room="studio", position=1).position == 1
    bob = world.guest("bob", "studio")
    assert bob.code("erase", room="studio") is Code.NO_SUCH_ENTRY
    assert bob.code("erase", room="studio", position=2) is Code.NOT_ALLOWED


def test_operators_moderate_everywhere(world, alice, bob):
    """They need not be in a room, but to speak in it."""
    root = world.operator()
    root.do("mute", room="studio", user="bob")
    root.do("access", room="studio", access="invited")
    assert root.code("say", room="studio", text="hello") is Code.NOT_IN_ROOM
    assert root.do("join", room="studio").room == "studio"


def test_an_operator_no_longer(world, alice):
    """Another operator takes the role away, and with it every right."""
    root = world.operator()
    alice_ = root.do("operator", name="alice")
    assert "alice" in alice_.text
    assert sorted(root.do("operators").operators) == ["alice", "root"]
    assert alice.do("status").accounts >= 2
    root.do("operator", name="alice", off="off")
    assert alice.code("status") is Code.NOT_ALLOWED
    assert alice.code("operator", name="alice") is Code.NOT_ALLOWED
    assert root.code("operator", name="nobody") is Code.NO_SUCH_USER
