"""Changes during a login: checking a password takes a while."""

import pytest

from chatservice.domain import tokens
from chatservice.errors import Code
from tests.domain.harness import Gate


@pytest.fixture
def alice(world):
    """Return alice, who is registered."""
    return world.registered("alice")


@pytest.fixture
def root(world):
    """Return an operator."""
    return world.operator()


@pytest.fixture
def slow(world, alice, root):
    """Return the gate behind which passwords are checked: the answers come late."""
    return Gate(world.engine.authenticator, "vouched", answers=True)


def test_a_password_that_is_reset_while_somebody_comes_in_with_it(world, alice, root, slow):
    """They do not come in, though it was right when they gave it."""
    late = world.member()
    coming = late.begin("hello", name="alice", password="secret")
    answer = root.do("reset", name="alice", password="new")
    assert (answer.name, answer.password) == ("alice", "")
    assert alice.peer.ended[0].startswith("An operator changed your password")
    assert alice.session.user is None
    slow.open()
    assert coming.code is Code.WRONG_PASSWORD
    assert late.session.user is None
    assert "alice" not in world.chat.users.by_key


def test_one_that_is_gone_when_the_answer_is_there(world, alice, slow):
    """Nothing is left of them."""
    late = world.member()
    coming = late.begin("hello", name="alice", password="secret")
    world.chat.users.leave(late.session)
    slow.open()
    assert coming.code is Code.NAME_NEEDED
    assert world.chat.users.by_key["alice"].sessions == (alice.session,)


def test_a_session_is_taken_over_once(world, alice):
    """Of two who come back with the same token of a registered user, the second does not."""
    token, first = alice.session.resume_token, world.member()
    first.do("hello", name="alice", token=token)
    assert world.member().code("hello", name="alice", token=token) is Code.PASSWORD_NEEDED
    assert first.session.resume_token != token


def test_nothing_more_is_done_for_a_session_that_is_ended(world, alice):
    """Requests that a session sent before it knew of its end are refused."""
    bot = world.again("alice", "lab", password=alice.do("token", label="ci").token)
    alice.do("revoke", label="ci")
    assert bot.session.rooms == ()
    for command, args in (
        ("join", {"room": "lab"}),
        ("hello", {"name": "guest"}),
        ("signup", {"name": "other", "password": "pw"}),
    ):
        assert bot.code(command, **args) is Code.NAME_NEEDED
    assert set(world.chat.users.by_key) == {"alice"}
    assert world.now(world.engine.accounts.tokens("alice")) == []
    assert world.chat.rights.tokens == {}


def test_who_is_banned_does_not_sign_up_either(world, root):
    """Neither under a name nor from an address that is banned from the lobby."""
    for whom in ("eve", "192.0.2.0/24"):
        root.do("ban", room="lobby", user=whom)
    for name, address in (("eve", ""), ("mallory", "192.0.2.7")):
        assert world.member(address).code("signup", name=name, password="pw") is Code.BANNED


def test_looks_go_with_their_names(world):
    """Skeletons of guests' names are forgotten with the guests, in every way that they leave."""
    for name in ("I1l0", "m", "а", "quiet"):
        guest = world.guest(name)
        for other in ("mm00", "guest"):
            guest.do("nick", name=other)
        world.chat.users.leave(guest.session)
    kept = world.guest("m0m0")
    kept.do("register", password="pw")
    world.chat.users.leave(kept.session)
    assert world.engine.claims._skeletons == {}


def test_what_is_made_up_is_long_enough():
    """And never the same twice; what is kept of it does not depend on how it was pasted."""
    for make, length in ((tokens.new_token, 37), (tokens.new_password, 19), (tokens.new_code, 14)):
        made = {make() for _ in range(100)}
        assert len(made) == 100
        assert {len(it) for it in made} == {length}
        one = made.pop()
        assert tokens.digest(f" {one}\n") == tokens.digest(one) != tokens.digest(made.pop())
