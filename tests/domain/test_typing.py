"""Typing: who is told that a user types, and how often."""

import pytest

from chatservice.errors import Code
from chatservice.events import UserTyping
from tests.domain.harness import MemoryChat


@pytest.fixture
def alice(world):
    """Return alice, in lab, who asked to be told."""
    found = world.guest("alice", "lab")
    found.do("typing", show=True)
    return found


@pytest.fixture
def bob(world):
    """Return bob, in lab."""
    return world.guest("bob", "lab")


def told(member):
    """Return the events that somebody was told."""
    return member.events(UserTyping)


def test_only_those_who_asked_are_told(world, alice, bob):
    """It is told to others in the room, and to no other session of the user. Nothing is stored."""
    carol, den = world.guest("carol", "lab"), world.guest("dan")
    den.do("create", room="den")
    den.do("typing", show=True)
    bob.do("typing", room="lab", show=True)
    assert told(alice) == [UserTyping("lab", "bob")]
    assert told(bob) == told(carol) == told(den) == []
    assert bob.do("history", room="lab").entries == ()
    alice.do("typing", show=False)
    world.wait(10)
    bob.do("typing", room="lab")
    assert len(told(alice)) == 1


def test_a_user_types_not_all_the_time(world, alice, bob):
    """A room is told at most once in a while, by each user."""
    for _ in range(100):
        bob.do("typing", room="lab")
    assert len(told(alice)) == 1
    world.guest("carol", "lab").do("typing", room="lab")
    assert len(told(alice)) == 2
    world.wait(3)
    bob.do("typing", room="lab")
    assert len(told(alice)) == 3


def test_so_many_users_are_remembered():
    """Any more are not told of, until others are forgotten."""
    world = MemoryChat(typing_users=2)
    alice = world.guest("alice", "lab")
    alice.do("typing", show=True)
    users = [world.guest(f"u{at}", "lab") for at in range(3)]
    for user in users:
        user.do("typing", room="lab")
    assert [it.who for it in told(alice)] == ["u0", "u1"]
    world.wait(3)
    users[2].do("typing", room="lab")
    assert [it.who for it in told(alice)][2:] == ["u2"]


def test_who_may_not_speak_does_not_type(world, alice, bob):
    """A muted user, one elsewhere, one without a name; and a request must say something."""
    root = world.operator()
    root.do("mute", room="lab", user="bob")
    assert bob.code("typing", room="lab") is Code.NOT_ALLOWED
    bob.do("leave", room="lab")
    assert bob.code("typing", room="lab") is Code.NOT_IN_ROOM
    assert bob.code("typing", room="nowhere") is Code.NO_SUCH_ROOM
    assert world.member().code("typing", room="lab") is Code.NAME_NEEDED
    assert bob.code("typing") is Code.BAD_ARGUMENT
    assert told(alice) == []


def test_an_ignored_user_types(world, alice, bob):
    """It is not told to a session that ignores them."""
    alice.do("ignore", user="bob")
    bob.do("typing", room="lab")
    assert told(alice) == []
