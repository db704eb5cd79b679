"""Real names: who is told of them. They can be messages, so they are where a text may be."""

from dataclasses import replace

import pytest

from chatservice.events import UserJoined, UserRealName
from tests.domain.harness import MemoryChat


@pytest.fixture
def chat():
    """Return a chat."""
    return MemoryChat()


@pytest.fixture
def told(chat):
    """Return a function that returns the real names that a session in the room lab was told: of
    those who came in, and of those who have another one."""
    member = chat.guest("alice", "lab")
    member.session.traits = replace(member.session.traits, sees_real_names=True)

    def found():
        came = [it.real_name for it in member.events(UserJoined)]
        return came, [(it.who, it.text) for it in member.events(UserRealName)]

    found.member = member
    return found


def test_only_those_who_ask_are_told(chat, told):
    """Each once, however many rooms they share; an equal one is no news, and the name is none."""
    bob, carol = chat.guest("bob", "lab", "lobby"), chat.guest("carol", "lab")
    told.member.do("join", room="lobby")
    for name in ("Bob", "Bob", "bob", "bob"):
        chat.chat.real_names.set(bob.session, name)
    assert told() == ([""] * 2, [("bob", "Bob"), ("bob", "bob")])
    assert bob.session.user.real_name == ""
    assert carol.events(UserRealName) == bob.events(UserRealName) == []


@pytest.mark.parametrize("how", ["mute", "slow", "ignore"])
def test_who_may_not_speak_shows_nothing(chat, told, how):
    """Neither as it changes, nor as they come in again."""
    bob, root = chat.guest("bob", "lab"), chat.operator()
    root.do("join", room="lab")
    if how == "mute":
        root.do("mute", room="lab", user="bob")
    elif how == "slow":
        root.do("slow", room="lab", seconds=60)
        bob.say("hello")
    else:
        told.member.do("ignore", user="bob")
    chat.chat.real_names.set(bob.session, "Buy this")
    bob.do("leave", room="lab")
    bob.do("join", room="lab")
    assert told() == ([""] * 3, [])
