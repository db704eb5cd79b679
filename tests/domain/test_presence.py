"""Presence: who is here, idle or away, and when somebody was here last."""

import pytest

from chatservice.errors import Code
from chatservice.replies import Seen
from tests.domain.harness import START, MemoryChat


@pytest.fixture
def alice(world):
    """Return alice, who is registered, in the lab."""
    return world.registered("alice", "lab")


def idle(member, room="lab"):
    """Return for how long the users in a room are idle, by their names."""
    return {it.name: it.idle for it in member.do("who", room=room).users}


def test_a_user_who_sends_nothing_is_idle(world, alice):
    """Talk, commands, and any of their connections count. Nobody is told by an event."""
    bob, carol = world.guest("bob", "lab"), world.guest("carol", "lab")
    world.wait(599)
    assert idle(carol) == {"alice": 0, "bob": 0, "carol": 0}
    bob.say("hello")
    world.wait(61)
    assert idle(carol) == {"alice": 660, "bob": 0, "carol": 0}
    world.wait(600)
    phone = world.again("alice")
    assert idle(carol) == {"alice": 0, "bob": 661, "carol": 0}
    world.wait(600)
    phone.do("rooms")
    assert idle(carol)["alice"] == 0
    assert {type(it).__name__ for it in carol.peer.events} == set()


def test_the_time_of_being_idle_is_a_limit():
    """The operator sets it."""
    world = MemoryChat(presence_seconds=5)
    bob, eve = world.guest("bob", "lab"), world.guest("eve")
    world.wait(5)
    assert idle(eve) == {"bob": 5}
    assert eve.do("seen", user="BOB") == Seen("bob", "idle", 5)
    assert bob.do("seen") == Seen("bob", "here")


def test_away_goes_before_idle(world, alice):
    """The reason is told, but not to who ignores the user."""
    bob = world.guest("bob")
    assert bob.do("seen", user="@Alice") == Seen("alice", "here")
    alice.do("away", text="lunch")
    world.wait(1000)
    assert bob.do("seen", user="alice") == Seen("alice", "away", text="lunch")
    bob.do("ignore", user="alice")
    assert bob.do("seen", user="alice") == Seen("alice", "away", text="away")


def test_when_a_registered_user_was_here_last(world, alice):
    """It is the end of the last of their connections, and is stored then."""
    bob, phone = world.guest("bob"), world.again("alice")
    world.wait(100)
    world.chat.users.leave(alice.session)
    assert bob.do("seen", user="alice").state == "here"
    world.wait(100)
    world.chat.users.leave(phone.session)
    gone = Seen("alice", "gone", time=round(START + 200) * 1000)
    assert bob.do("seen", user="alice") == gone
    world.wait(50)
    assert world.now(world.engine.accounts.account("alice")).seen == gone.time
    assert bob.do("seen", user="alice") == gone
    assert bob.code("seen", user="nobody") is Code.NO_SUCH_USER
    assert bob.code("seen", user="a b") is Code.NO_SUCH_USER


def test_a_user_may_hide_it(world, alice):
    """Others are then told what they are told of somebody of whom nothing is known; the setting
    stays."""
    bob, carol = world.guest("bob"), world.registered("carol")
    assert alice.do("seen").shown is True
    assert alice.do("seen", show=False) == Seen("alice", "here", shown=False)
    for member in (alice, carol):
        world.chat.users.leave(member.session)
    world.wait(1)
    assert bob.do("seen", user="alice") == Seen("alice", "gone")
    alice = world.again("alice")
    assert alice.do("seen").shown is False
    assert alice.do("seen", show=True).shown is True
    assert alice.do("seen", user="carol").time
    assert bob.code("seen", show=False) is Code.NOT_ALLOWED


def test_many_who_leave_at_once_are_stored_at_once(world):
    """As when a network breaks: there is one change for all of them."""
    members = [world.registered(f"user{at}") for at in range(20)]
    calls = []
    note = world.engine.accounts.note_seen
    world.engine.accounts.note_seen = lambda times: calls.append(set(times)) or note(times)
    for member in members:
        world.chat.users.leave(member.session)
    world.wait(1)
    assert calls == [{f"user{at}" for at in range(20)}]


def test_a_disk_that_is_full_keeps_the_time_of_before(world, alice):
    """Leaving works all the same."""
    bob = world.guest("bob")
    world.engine.failing = True
    world.chat.users.leave(alice.session)
    world.wait(1)
    world.engine.failing = False
    assert bob.do("seen", user="alice") == Seen("alice", "gone")
    assert world.loop.failures == []


def test_users_who_are_here_when_the_server_stops(world, alice):
    """They were here until then; a guest leaves nothing behind."""
    world.guest("bob")
    world.wait(60)
    world.now(world.chat.presence.save_all())
    assert world.now(world.engine.accounts.account("alice")).seen == round(START + 60) * 1000
