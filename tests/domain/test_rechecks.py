"""Rights and bounds that change during a wait: they are checked again after it."""

import pytest

from chatservice import names
from chatservice.errors import Code
from chatservice.grammar.commands import COMMANDS
from tests.domain.harness import Gate


@pytest.fixture
def alice(world):
    """Return alice, who owns the room studio, with the password `door`."""
    found = world.registered("alice", "lobby")
    found.do("create", room="studio", password="door")
    return found


@pytest.fixture
def root(world):
    """Return an operator, who is in the lobby."""
    found = world.operator()
    found.do("join", room="lobby")
    return found


@pytest.fixture
def eve(world, alice):
    """Return eve, a guest."""
    return world.guest("eve")


def gate(world, port, *methods, answers=False):
    """Return a gate in front of a part of the engine, which lets everything be done when it
    opens."""
    return Gate(getattr(world.engine, port), *methods, answers=answers)


def opened(world, it):
    """Open a gate, and let all be done."""
    it.open()
    world.settle()


MEANWHILE = {
    "ban": ({"user": "eve"}, Code.BANNED),
    "close": ({}, Code.NOT_ALLOWED),
    "access": ({"access": "invited"}, Code.NOT_ALLOWED),
    "a new password": ({"access": "public", "password": "other"}, Code.WRONG_PASSWORD),
}


@pytest.mark.parametrize("change", MEANWHILE)
def test_a_room_that_changes_while_its_password_is_looked_at(world, alice, eve, change):
    """The password was right when it was asked for, and nobody comes in with it."""
    slow = gate(world, "hasher", "fits", answers=True)
    joining = eve.begin("join", room="studio", password="door")
    assert not joining.known
    args, code = MEANWHILE[change]
    alice.do(change if change in COMMANDS else "access", room="studio", **args)
    opened(world, slow)
    assert joining.code is code
    assert eve.session not in world.room("studio").sessions


def test_a_password_that_is_no_longer_asked_for(world, alice, eve):
    """Somebody who gave the one of before comes in."""
    slow = gate(world, "hasher", "fits", answers=True)
    joining = eve.begin("join", room="studio", password="door")
    alice.do("access", room="studio", access="public")
    opened(world, slow)
    assert joining.reply.room == "studio"


def test_a_ban_from_the_server_while_somebody_logs_in(world, root):
    """They do not come in, though nothing was against it when they asked."""
    world.registered("bob")
    slow = gate(world, "authenticator", "vouched", answers=True)
    bob = world.member()
    coming = bob.begin("hello", name="bob", password="secret")
    root.do("ban", room="lobby", user="bob")
    opened(world, slow)
    assert coming.code is Code.BANNED
    assert bob.session.user is None


def test_changes_at_once_are_made_one_after_another(world, alice, root):
    """None of two that were acknowledged is lost, neither here nor in storage."""
    slow = gate(world, "rooms", "configure")
    changes = [
        alice.begin("access", room="studio", access="hidden"),
        root.begin("slow", room="studio", seconds=7),
        alice.begin("freeze", room="studio"),
    ]
    opened(world, slow)
    assert all(it.reply for it in changes)
    here = world.room("studio")
    for room in (here, world.engine.rooms.rows[here.number]):
        assert (room.access, room.slow, room.frozen) == ("hidden", 7, True)


def test_who_owned_the_room_a_moment_ago(world, alice):
    """A change that waited for the one that gave the room away is not made."""
    bob = world.registered("bob")
    slow = gate(world, "rooms", "change_rules")
    giving = alice.begin("owner", room="studio", user="bob")
    closing = alice.begin("close", room="studio")
    again = alice.begin("owner", room="studio", user="alice")
    opened(world, slow)
    assert giving.reply
    assert closing.code is again.code is Code.NOT_ALLOWED
    owners = [it.user for it in bob.do("rules", room="studio").rules if it.what == "owner"]
    assert owners == ["bob"]


def test_an_owner_who_is_no_operator_any_more(world, alice, root):
    """Nothing that an operator asked for before is done after; neither is a password reset."""
    bob = world.registered("bob")
    root.do("operator", name="bob")
    before = world.room("studio").password
    slow = gate(world, "hasher", "hash")
    asked = [
        bob.begin("access", room="studio", access="public", password="mine"),
        bob.begin("reset", name="alice"),
        bob.begin("account", name="carol"),
    ]
    root.do("operator", name="bob", off="off")
    opened(world, slow)
    assert [it.code for it in asked] == [Code.NOT_ALLOWED] * 3
    assert world.room("studio").password == before
    assert world.now(world.engine.accounts.account("carol")) is None


@pytest.mark.parametrize("stored", [False, True])
def test_a_password_that_is_reset_while_another_is_chosen(world, alice, root, stored):
    """The operator's holds, also while its answer is still on its way from the disk."""
    slow = gate(world, "hasher", "hash")
    changing = alice.begin("password", old="secret", new="mine")
    slow.shut = False
    storing = gate(world, "accounts", "set_password", answers=True)
    storing.shut = stored
    resetting = root.begin("reset", name="alice", password="theirs")
    opened(world, slow)
    opened(world, storing)
    assert resetting.reply.name == "alice"
    assert changing.code in (Code.NAME_NEEDED, Code.WRONG_PASSWORD)
    assert world.now(world.engine.authenticator.vouched("alice", "theirs")) == "alice"


def test_a_reset_by_who_is_gone(world, alice, root):
    """The sessions of the account end all the same."""
    slow = gate(world, "accounts", "set_password")
    resetting = root.begin("reset", name="alice", password="theirs")
    world.chat.users.leave(root.session)
    opened(world, slow)
    assert resetting.reply.name == "alice"
    assert alice.session.user is None


def test_rooms_that_look_alike_made_at_once(world, eve):
    """One of them is made; who asked for the other is told."""
    slow = gate(world, "rooms", "create")
    making = [eve.begin("create", room=name) for name in ("paypal", "paypaI", "PAYPAL", "other")]
    opened(world, slow)
    assert [making[at].reply.room for at in (0, 3)] == ["paypal", "other"]
    assert making[1].code is making[2].code is Code.ROOM_EXISTS


def test_users_who_look_alike_at_once(world):
    """Of look-alike names that are requested at the same time, one is given."""
    slow = gate(world, "hasher", "hash")
    for name in ("paypal", "paypaI", "PAYPAL"):
        world.member().begin("signup", name=name, password="pw")
    world.member().ask("hello", name="paypa1")
    opened(world, slow)
    looking = {names.key(it.name) for it in world.chat.users.by_key.values()}
    assert len(looking & {"paypal", "paypai", "paypa1"}) == 1


def test_bounds_hold_for_many_at_once(world, alice, eve):
    """Of rooms, and of the rules of a room."""
    world.limits.rooms, world.limits.rules = len(world.chat.rooms.by_key) + 1, 3
    slow = gate(world, "rooms", "create", "change_rules")
    making = [eve.begin("create", room=f"r{at}") for at in range(5)]
    banning = [alice.begin("ban", room="studio", user=f"u{at}") for at in range(5)]
    opened(world, slow)
    assert len(world.chat.rooms.by_key) == world.limits.rooms
    assert [it.code for it in making[1:]] == [Code.BAD_ARGUMENT] * 4
    assert len(world.room("studio").rules) == 3
    assert [it.code for it in banning[2:]] == [Code.TOO_MANY] * 3


def test_no_room_is_made_for_who_cannot_be_in_it(world, alice):
    """A user in the largest number of rooms is refused before another one is made."""
    world.limits.rooms_joined = 1
    before = len(world.chat.rooms.by_key)
    assert alice.code("create", room="more") is Code.BAD_ARGUMENT
    assert len(world.chat.rooms.by_key) == before


def test_nothing_is_done_for_who_was_put_off_the_server(world, root, eve):
    """The session has no user from then on, so requests that it has sent already are refused."""
    eve.do("join", room="lobby")
    slow = gate(world, "hasher", "fits", answers=True)
    joining = eve.begin("join", room="studio", password="door")
    root.do("kick", room="lobby", user="eve")
    assert eve.session.user is None
    opened(world, slow)
    assert joining.code is Code.NAME_NEEDED
    assert eve.code("create", room="mine") is Code.NAME_NEEDED


@pytest.mark.parametrize("command", ["kick", "ban", "close"])
def test_a_moderator_whose_connection_is_gone(world, alice, root, eve, command):
    """Their last command is done wholly: whom it is for is put out, and it is on record."""
    alice.do("access", room="studio", access="public")
    eve.do("join", room="studio")
    slow = gate(world, "rooms", "change_rules", "configure")
    done = alice.begin(command, room="studio", **({} if command == "close" else {"user": "eve"}))
    world.chat.users.leave(alice.session)
    opened(world, slow)
    assert done.reply
    assert eve.session not in world.room("studio").sessions
    deeds = root.do("record", room="studio").deeds
    assert [(it.who, it.did.split()[0]) for it in deeds[-1:]] == [("alice", command)]


def test_who_is_banned_reads_nothing_more(world, alice):
    """They are out before the moderator has the answer; so is a user who came under that name
    meanwhile."""
    alice.do("access", room="studio", access="public")
    bob = world.guest("bob", "studio")
    late = gate(world, "rooms", "change_rules", answers=True)
    banning = alice.begin("ban", room="studio", user="bob")
    assert (banning.known, bob.session.rooms) == (False, ())
    opened(world, late)
    slow = gate(world, "rooms", "change_rules")
    banning = alice.begin("ban", room="studio", user="carol")
    carol = world.guest("carol", "studio")
    opened(world, slow)
    assert banning.reply
    assert carol.session.rooms == ()
