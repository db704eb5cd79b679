"""Changes during a login: checking a password takes a while."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from chatservice.domain import tokens
from chatservice.domain.chat import Chat
from chatservice.domain.model import PROGRAM, Session
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.errors import Code, Refusal
from chatservice.eventloop import ReactorLoop
from tests.domain.harness import NoFlowControl


class SlowPasswords:
    """A hasher and authenticator whose hash is the password itself; the test decides when a check
    ends."""

    elsewhere = False

    def __init__(self, accounts):
        self.accounts = accounts
        self.waiting = []

    def hash(self, password):
        """Return it."""
        return succeed(f"kept {password}")

    async def vouched(self, name, password):
        """Answer later with what was true when it was asked."""
        account = await self.accounts.account(name.casefold())
        fits = account is not None and account.password == f"kept {password}"
        asked = Deferred()
        self.waiting.append(asked)
        await asked
        return name if fits else None

    def answer(self):
        """Answer all that was asked."""
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.callback(None)


class RecordingPeer:
    """Somebody who reads, and is told why they may not any more."""

    origin, address = "here", ""

    def __init__(self):
        self.ended = None

    def wake(self, cursors):
        """Read nothing."""

    def tell(self, news):
        """Hear nothing."""

    def end(self, sentence, why):
        """Be gone."""
        self.ended = sentence


class NoFiles:
    """Nothing is on any."""

    def move(self, folder, to, owner):
        """Do nothing."""
        return succeed(None)

    def forget(self, folder):
        """Do nothing."""
        return succeed(None)


class ChatWithoutNetwork:
    """A chat without a network, on a database that does not wait."""

    def __init__(self, path):
        self.clock = Clock()
        self.store = LogStore(None, path)
        accounts = self.store.accounts
        self.slow = SlowPasswords(accounts)
        engine = SimpleNamespace(
            logs=self.store,
            rooms=self.store.rooms,
            accounts=accounts,
            claims=self.store.accounts.claims,
            hasher=self.slow,
            authenticator=self.slow,
            files=NoFiles(),
            follow=self.store.follow,
        )
        self.chat = Chat(engine, lambda: 0.0, ReactorLoop(self.clock), lambda *_, **__: None)
        self.now(self.chat.open())

    def now(self, doing):
        """Return the result of something at once, or raise its error."""
        found = []
        Deferred.fromCoroutine(doing).addBoth(found.append)
        assert found, "it is waited for"
        if hasattr(found[0], "raiseException"):
            found[0].raiseException()
        return found[0]

    def later(self, doing):
        """Begin something; return a list that gets its result."""
        found = []
        Deferred.fromCoroutine(doing).addBoth(found.append)
        assert not found
        return found

    def session(self):
        """Return somebody who just came."""
        return Session(RecordingPeer(), PROGRAM, NoFlowControl())


@pytest.fixture
def house(tmp_path):
    """Return a house in which alice and the operator are, and alice has the password `old`."""
    house = ChatWithoutNetwork(tmp_path / "chat.sqlite")
    house.alice, house.operator = house.session(), house.session()
    house.now(house.chat.accounts.sign_up(house.alice, "alice", "old", None))
    house.now(house.chat.users.enter_as_operator(house.operator))
    yield house
    house.store.close()


def refused(found):
    """Return the code with which something was refused."""
    (failure,) = found
    assert isinstance(failure.value, Refusal), failure
    return failure.value.code


def test_a_password_that_is_reset_while_somebody_comes_in_with_it(house):
    """They do not come in, though it was right when they gave it."""
    late = house.session()
    found = house.later(house.chat.users.enter(late, "alice", "old"))
    answer = house.now(house.chat.accounts.reset_password(house.operator, "alice", "new"))
    assert (answer.name, answer.password) == ("alice", "")
    assert house.alice.peer.ended.startswith("Your password was changed by")
    assert house.alice.user is None
    house.slow.answer()
    assert refused(found) is Code.WRONG_PASSWORD
    assert late.user is None
    assert "alice" not in house.chat.users.by_key


def test_one_that_is_gone_when_the_answer_is_there(house):
    """Nothing is left of them."""
    late = house.session()
    found = house.later(house.chat.users.enter(late, "alice", "old"))
    house.chat.users.leave(late)
    house.slow.answer()
    assert refused(found) is Code.NAME_NEEDED
    assert house.chat.users.by_key["alice"].sessions == (house.alice,)


def test_a_session_is_taken_over_once(house):
    """Of two who come back with the same token, the second does not."""
    token = house.alice.resume_token
    first, second = house.session(), house.session()
    house.now(house.chat.users.enter(first, "alice", token=token))
    with pytest.raises(Refusal) as caught:
        house.now(house.chat.users.enter(second, "alice", token=token))
    assert caught.value.code is Code.PASSWORD_NEEDED
    assert first.resume_token != token


def test_nothing_more_is_done_for_a_session_that_is_ended(house):
    """Requests that a session sent before it knew of its end are refused."""
    token = house.now(house.chat.accounts.create_token(house.alice, "ci", None)).token
    bot = house.session()
    house.now(house.chat.users.enter(bot, "alice", token))
    house.now(house.chat.rooms.join(bot, "lobby"))
    house.now(house.chat.accounts.revoke_token(house.alice, "ci"))
    assert bot.rooms == ()
    for doing in (
        house.chat.rooms.join(bot, "lobby"),
        house.chat.users.enter(bot, "guest"),
        house.chat.accounts.sign_up(bot, "other", "pw", None),
    ):
        with pytest.raises(Refusal) as caught:
            house.now(doing)
        assert caught.value.code is Code.NAME_NEEDED
    assert set(house.chat.users.by_key) == {"alice", "operator"}
    assert house.store.accounts._tokens == {}
    assert house.chat.rights.tokens == {}


def test_who_is_banned_does_not_sign_up_either(house):
    """Neither under a name nor from an address that is banned from the lobby."""
    lobby, moderation = house.chat.rooms.lobby, house.chat.moderation
    house.now(house.chat.rooms.join(house.operator, "lobby"))
    for whom in ("eve", "192.0.2.0/24"):
        house.now(moderation.ban(house.operator, lobby, whom, 0, ""))
    for name, address in (("eve", ""), ("mallory", "192.0.2.7")):
        late = house.session()
        late.peer.address = address
        with pytest.raises(Refusal) as caught:
            house.now(house.chat.accounts.sign_up(late, name, "pw", None))
        assert caught.value.code is Code.BANNED


def test_looks_go_with_their_names(house):
    """Skeletons of guests' names are forgotten with the guests, in every way that they leave."""
    users = house.chat.users
    for name in ("I1l0", "m", "а", "quiet"):
        guest = house.session()
        house.now(users.enter(guest, name))
        for other in ("mm00", "guest"):
            house.now(users.enter(guest, other))
        users.leave(guest)
    kept = house.session()
    house.now(users.enter(kept, "m0m0"))
    house.now(house.chat.accounts.register(kept, "pw", None))
    users.leave(kept)
    assert house.store.accounts.claims._skeletons == {}


def test_what_is_made_up_is_long_enough():
    """And never the same twice; what is kept of it does not depend on how it was pasted."""
    for make, length in ((tokens.new_token, 37), (tokens.new_password, 19), (tokens.new_code, 14)):
        made = {make() for _ in range(100)}
        assert len(made) == 100
        assert {len(it) for it in made} == {length}
        one = made.pop()
        assert tokens.digest(f" {one}\n") == tokens.digest(one) != tokens.digest(made.pop())
