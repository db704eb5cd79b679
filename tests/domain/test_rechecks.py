"""Rights and bounds that change during a wait: they are checked again after it."""

from contextlib import suppress
from inspect import isawaitable

import pytest
from twisted.internet.defer import Deferred, succeed

from chatservice import names
from chatservice.domain.handlers import HANDLERS
from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import COMMANDS, Request
from tests.domain.test_accounts import ChatWithoutNetwork, SlowPasswords


async def awaited(answer):
    """Return an answer that comes now or later."""
    return await answer if isawaitable(answer) else answer


class DelayedStore:
    """A stand-in that does all when the test says so, while it `waits`."""

    def __init__(self, inner):
        self._inner = inner
        self.waits = False
        self.waiting = []

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if name not in ("create", "configure", "change_rules", "add_record"):
            return found

        async def later(*args, **kwargs):
            if self.waits:
                asked = Deferred()
                self.waiting.append(asked)
                await asked
            return await found(*args, **kwargs)

        return later

    def answer(self):
        """Answer all that waits, and all that waits because of that."""
        self.waits = False
        while self.waiting:
            self.waiting.pop(0).callback(None)


class SlowRoomPasswords(SlowPasswords):
    """Passwords of rooms too, which are hashed and looked at when the test says so."""

    hashing = False

    async def _when_asked(self, answer):
        asked = Deferred()
        self.waiting.append(asked)
        await asked
        return answer

    def hash(self, password):
        """Return what is kept of it."""
        kept = f"kept {password}"
        return self._when_asked(kept) if self.hashing else succeed(kept)

    def fits(self, kept, password):
        """Answer later with what was true when it was asked."""
        return self._when_asked(kept == f"kept {password}")


class ChatWithStudio(ChatWithoutNetwork):
    """A house with the room studio, of alice, in which commands are given as in the server."""

    def __init__(self, path):
        super().__init__(path)
        self.rooms = DelayedStore(self.store.rooms)
        self.chat.rooms._store = self.chat.moderation._store = self.rooms
        self.alice, self.operator = self.session(), self.session()
        self.now(self.chat.accounts.sign_up(self.alice, "alice", "old", None))
        self.now(self.chat.users.enter_as_operator(self.operator))
        for session in (self.alice, self.operator):
            self.do(session, "join", room="lobby")
        self.do(self.alice, "create", room="studio", password="secret")

    def new(self, name):
        """Return the session of a guest."""
        session = self.session()
        self.now(self.chat.users.enter(session, name))
        return session

    async def asked(self, session, command, **args):
        """Give a command, as a connection does."""
        self.chat.check(session, Request(COMMANDS[command], args))
        return await awaited(HANDLERS[command](self.chat, session, args))

    def do(self, session, command, **args):
        """Give a command that does not wait."""
        return self.now(self.asked(session, command, **args))

    def begin(self, session, command, **args):
        """Run a command, and return a list that gets its result."""
        found = []
        Deferred.fromCoroutine(self.asked(session, command, **args)).addBoth(found.append)
        return found

    @property
    def studio(self):
        """The room."""
        return self.chat.rooms.find("studio")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a place, where wrong passwords are not slower each time."""
    monkeypatch.setattr("tests.domain.test_accounts.SlowPasswords", SlowRoomPasswords)
    found = ChatWithStudio(tmp_path / "chat.sqlite")
    yield found
    found.store.close()


def refused(found):
    """Return the code with which something was refused."""
    (failure,) = found
    assert isinstance(getattr(failure, "value", None), Refusal), found
    return failure.value.code


MEANWHILE = {
    "ban": ({"user": "eve"}, Code.BANNED),
    "close": ({}, Code.NOT_ALLOWED),
    "access": ({"access": "invited"}, Code.NOT_ALLOWED),
    "a new password": ({"access": "public", "password": "other"}, Code.WRONG_PASSWORD),
}


@pytest.mark.parametrize("change", MEANWHILE)
def test_a_room_that_changes_while_its_password_is_looked_at(place, change):
    """The password was right when it was asked for, and nobody comes in with it."""
    eve = place.new("eve")
    joining = place.begin(eve, "join", room="studio", password="secret")
    assert not joining
    args, code = MEANWHILE[change]
    command = change if change in COMMANDS else "access"
    place.do(place.alice, command, room="studio", **args)
    place.slow.answer()
    assert refused(joining) is code
    assert eve not in place.studio.sessions


def test_a_password_that_is_no_longer_asked_for(place):
    """Somebody who gave the one of before comes in."""
    eve = place.new("eve")
    joining = place.begin(eve, "join", room="studio", password="secret")
    place.do(place.alice, "access", room="studio", access="public")
    place.slow.answer()
    assert joining[0].room == "studio"


def test_a_ban_from_the_server_while_somebody_logs_in(place):
    """They do not come in, though nothing was against it when they asked."""
    place.now(place.chat.accounts.sign_up(place.session(), "bob", "pw", None))
    bob = place.session()
    coming = place.later(place.chat.users.enter(bob, "bob", "pw"))
    place.do(place.operator, "ban", room="lobby", user="bob")
    place.slow.answer()
    assert refused(coming) is Code.BANNED
    assert bob.user is None


def test_changes_at_once_are_made_one_after_another(place):
    """None of two that were acknowledged is lost, neither here nor in storage."""
    place.rooms.waits = True
    changes = [
        place.begin(place.alice, "access", room="studio", access="hidden"),
        place.begin(place.operator, "slow", room="studio", seconds=7),
        place.begin(place.alice, "freeze", room="studio"),
    ]
    place.rooms.answer()
    assert all(len(found) == 1 for found in changes)
    here = place.studio
    (row,) = (it for it in place.store.rooms.rows.values() if it.name == "studio")
    for room in (here, row):
        assert (room.access, room.slow, room.frozen) == ("hidden", 7, True)


def test_who_owned_the_room_a_moment_ago(place):
    """A change that waited for the one that gave the room away is not made."""
    bob = place.session()
    place.now(place.chat.accounts.sign_up(bob, "bob", "pw", None))
    place.rooms.waits = True
    giving = place.begin(place.alice, "owner", room="studio", user="bob")
    closing = place.begin(place.alice, "close", room="studio")
    again = place.begin(place.alice, "owner", room="studio", user="alice")
    place.rooms.answer()
    assert len(giving) == 1
    assert refused(closing) is refused(again) is Code.NOT_ALLOWED
    owners = [it.user for it in place.do(bob, "rules", room="studio").rules if it.what == "owner"]
    assert owners == ["bob"]


def test_an_owner_who_is_no_operator_any_more(place):
    """Nothing that an operator asked for before is done after; neither is a password reset."""
    bob = place.session()
    place.now(place.chat.accounts.sign_up(bob, "bob", "pw", None))
    place.do(place.operator, "operator", name="bob")
    place.slow.hashing = True
    asked = [
        place.begin(bob, "access", room="studio", access="public", password="mine"),
        place.begin(bob, "reset", name="alice"),
        place.begin(bob, "account", name="carol"),
    ]
    place.do(place.operator, "operator", name="bob", off="off")
    place.slow.hashing = False
    place.slow.answer()
    assert [refused(found) for found in asked] == [Code.NOT_ALLOWED] * 3
    assert place.studio.password == "kept secret"
    assert place.now(place.store.accounts.register("carol", "", None, 1)).name == "carol"


def test_a_password_that_is_reset_while_another_is_chosen(place):
    """The operator's holds."""
    place.slow.hashing = True
    changing = place.begin(place.alice, "password", old="old", new="mine")
    place.slow.answer()  # the old one fits; now the new one is hashed
    waiting, place.slow.waiting = place.slow.waiting, []
    place.slow.hashing = False
    other = place.session()
    place.now(place.chat.users.enter_as_operator(other))
    place.do(other, "reset", name="alice", password="theirs")
    for each in waiting:
        each.callback(None)
    assert refused(changing) is Code.NAME_NEEDED
    account = place.now(awaited(place.store.accounts.account("alice")))
    assert account.password == "kept theirs"


def test_rooms_that_look_alike_made_at_once(place):
    """One of them is made; who asked for the other is told."""
    eve = place.new("eve")
    place.rooms.waits = True
    making = [
        place.begin(eve, "create", room=name) for name in ("paypal", "paypaI", "PAYPAL", "other")
    ]
    place.rooms.answer()
    made = [found[0].room for found in making if hasattr(found[0], "room")]
    assert made == ["paypal", "other"]
    assert refused(making[1]) is refused(making[2]) is Code.ROOM_EXISTS


def test_users_who_look_alike_at_once(place):
    """Of look-alike names that are requested at the same time, one is given."""
    place.slow.hashing = True
    coming = [
        place.later(place.chat.accounts.sign_up(place.session(), name, "pw", None))
        for name in ("paypal", "paypaI", "PAYPAL")
    ]
    with suppress(Refusal):
        place.new("paypa1")
    place.slow.answer()
    assert len([found for found in coming if hasattr(found[0], "name")]) <= 1
    looking = {names.key(it.name) for it in place.chat.users.by_key.values()}
    assert len(looking & {"paypal", "paypai", "paypa1"}) == 1


def test_bounds_hold_for_many_at_once(place):
    """Of rooms, and of the rules of a room."""
    eve = place.new("eve")
    place.chat.limits.rooms = len(place.chat.rooms.by_key) + 1
    place.chat.limits.rules = 3
    place.rooms.waits = True
    making = [place.begin(eve, "create", room=f"r{at}") for at in range(5)]
    banning = [place.begin(place.alice, "ban", room="studio", user=f"u{at}") for at in range(5)]
    place.rooms.answer()
    assert len(place.chat.rooms.by_key) == place.chat.limits.rooms
    assert [refused(found) for found in making[1:]] == [Code.BAD_ARGUMENT] * 4
    assert len(place.studio.rules) == 3
    assert [refused(found) for found in banning[2:]] == [Code.TOO_MANY] * 3


def test_no_room_is_made_for_who_cannot_be_in_it(place):
    """A user in the largest number of rooms is refused before another one is made."""
    place.chat.limits.rooms_joined = 1
    before = len(place.chat.rooms.by_key)
    assert refused(place.begin(place.alice, "create", room="more")) is Code.BAD_ARGUMENT
    assert len(place.chat.rooms.by_key) == before


def test_nothing_is_done_for_who_was_put_off_the_server(place):
    """The session has no user from then on, so requests that it has sent already are refused."""
    eve = place.new("eve")
    place.do(eve, "join", room="lobby")
    joining = place.begin(eve, "join", room="studio", password="secret")
    place.do(place.operator, "kick", room="lobby", user="eve")
    assert eve.user is None
    place.slow.answer()
    assert refused(joining) is Code.NAME_NEEDED
    assert refused(place.begin(eve, "create", room="mine")) is Code.NAME_NEEDED


@pytest.mark.parametrize("command", ["kick", "ban", "close"])
def test_a_moderator_whose_connection_is_gone(place, command):
    """Their last command is done wholly: whom it is for is put out, and it is on record."""
    eve = place.new("eve")
    place.do(place.alice, "access", room="studio", access="public")
    place.do(eve, "join", room="studio")
    place.rooms.waits = True
    args = {} if command == "close" else {"user": "eve"}
    done = place.begin(place.alice, command, room="studio", **args)
    place.chat.users.leave(place.alice)
    place.rooms.answer()
    assert not isinstance(getattr(done[0], "value", None), Refusal)
    assert eve not in place.studio.sessions
    deeds = place.do(place.operator, "record", room="studio").deeds
    assert [(it.who, it.did.split()[0]) for it in deeds[-1:]] == [("alice", command)]


def test_who_is_banned_reads_nothing_more(place):
    """They are out as soon as the ban holds, before it is stored; so is a user who came under that
    name meanwhile."""
    eve = place.new("eve")
    place.do(place.alice, "access", room="studio", access="public")
    place.do(eve, "join", room="studio")
    place.rooms.waits = True
    banning = [place.begin(place.alice, "ban", room="studio", user="eve")]
    place.rooms.waiting.pop(0).callback(None)  # the rule is stored
    assert eve not in place.studio.sessions
    place.rooms.answer()
    place.rooms.waits = True
    banning.append(place.begin(place.alice, "ban", room="studio", user="bob"))
    bob = place.new("bob")
    place.do(bob, "join", room="studio")
    place.rooms.answer()
    assert bob not in place.studio.sessions
    assert all(not isinstance(getattr(it[0], "value", None), Refusal) for it in banning)


class SlowChanges:
    """A stand-in that changes accounts at once, and answers when the test says so."""

    def __init__(self, accounts, monkeypatch):
        self._change = accounts._store
        self.waiting = []
        monkeypatch.setattr(accounts, "_store", self.change)

    async def change(self, *job):
        """Do a job, and answer later."""
        done = await self._change(*job)
        asked = Deferred()
        self.waiting.append(asked)
        await asked
        return done

    def answer(self):
        """Answer all that waits."""
        while self.waiting:
            self.waiting.pop(0).callback(None)


def test_a_password_that_is_chosen_while_another_is_stored(place, monkeypatch):
    """The operator's holds, also where it is on its way to the disk when the other is hashed."""
    place.slow.hashing = True
    changing = place.begin(place.alice, "password", old="old", new="mine")
    place.slow.answer()  # the old one fits; now the new one is hashed
    place.slow.hashing = False
    changes = SlowChanges(place.store.accounts, monkeypatch)
    resetting = place.begin(place.operator, "reset", name="alice", password="theirs")
    place.slow.answer()
    changes.answer()
    assert len(resetting) == 1
    assert refused(changing) in (Code.NAME_NEEDED, Code.WRONG_PASSWORD)
    account = place.now(awaited(place.store.accounts.account("alice")))
    stored = place.store._db.execute("SELECT password FROM account WHERE key = 'alice'").fetchone()
    assert account.password == stored[0] == "kept theirs"


def test_a_reset_by_who_is_gone(place, monkeypatch):
    """The sessions of the account end all the same."""
    changes = SlowChanges(place.store.accounts, monkeypatch)
    resetting = place.begin(place.operator, "reset", name="alice", password="theirs")
    place.chat.users.leave(place.operator)
    changes.answer()
    assert len(resetting) == 1
    assert place.alice.user is None
