"""Users: guests and their names, accounts, tokens, and operators."""

import pytest

from chatservice.domain.users import Registration, RegistrationPolicy
from chatservice.errors import Code
from chatservice.events import EndReason, UserRenamed
from tests.domain.harness import Gate, MemoryChat, Outcome


def test_a_name_is_for_one_guest(world):
    """Nobody else gets it, in any case, nor one that looks like it, until the guest has left."""
    bob = world.guest("bob")
    for name in ("bob", "BOB", "b\N{CYRILLIC SMALL LETTER O}b"):
        refusal = world.member().ask("hello", name=name).refusal
        assert (refusal.code, refusal.params) == (Code.NAME_TAKEN, {"name": name})
    world.chat.users.leave(bob.session)
    assert world.guest("BOB").name == "BOB"


def test_names_that_nobody_gets(world):
    """Those of the server, and those that are no names."""
    for name, code in (
        ("server", Code.NAME_TAKEN),
        ("operator", Code.NAME_TAKEN),
        ("a b", Code.BAD_NAME),
        ("a:b", Code.BAD_NAME),
        ("", Code.BAD_NAME),
        ("x" * 200, Code.BAD_NAME),
    ):
        assert world.member().code("hello", name=name) is code, name


def test_a_guest_with_another_name_is_the_same_user(world):
    """They stay in their rooms, own what they owned, and are still muted. Others see the new name,
    but not where the user may not speak."""
    alice, bob = world.registered("alice", "lab"), world.guest("bob", "lab")
    bob.do("create", room="den")
    alice.do("create", room="studio")
    bob.do("join", room="studio")
    alice.do("mute", room="studio", user="bob")
    assert bob.do("nick", name="robert").name == "robert"
    renamed = [(it.room, it.who, it.name) for it in alice.events(UserRenamed)]
    assert renamed == [("lab", "bob", "robert")]
    assert sorted(room.name for room in bob.session.rooms) == ["den", "lab", "studio"]
    bob.do("freeze", room="den")
    assert bob.code("say", room="studio", text="hello") is Code.NOT_ALLOWED
    alice.do("unmute", room="studio", user="robert")
    bob.say("hello", "studio")


def test_a_guest_with_another_name_keeps_what_was_sent_to_them(world):
    """Their inbox and their files go with them; the former name is free."""
    bob, carol = world.guest("bob"), world.guest("carol")
    carol.do("msg", to="bob", text="one")
    world.upload(carol.do("put", to="bob", name="a.txt", size=3).ticket, b"abc")
    bob.do("nick", name="robert")
    assert carol.do("msg", to="robert", text="two").seq == 3
    assert [it.text for _, it in bob.peer.entries if it.file is None] == ["one", "two"]
    assert world.download(bob.do("get", room="@", name="a.txt").ticket) == b"abc"
    assert world.guest("bob").do("files", room="@").count == 0


def test_a_new_name_may_not_be_taken(world):
    """Nor registered, nor banned."""
    root, bob = world.operator(), world.guest("bob")
    world.guest("carol")
    root.do("ban", room="lobby", user="eve")
    for name, code in (
        ("carol", Code.NAME_TAKEN),
        ("bob", Code.NAME_TAKEN),
        ("root", Code.PASSWORD_NEEDED),
        ("eve", Code.BANNED),
        ("server", Code.NAME_TAKEN),
    ):
        assert bob.code("nick", name=name) is code, name
    assert bob.do("nick", name="Bob").name == "Bob"


def test_a_ban_is_for_the_name_too(world):
    """A guest who takes a banned name while in the room is put out."""
    alice, bob = world.registered("alice"), world.guest("bob")
    alice.do("create", room="studio")
    bob.do("join", room="studio")
    alice.do("ban", room="studio", user="eve")
    bob.do("nick", name="eve")
    assert bob.session not in world.room("studio").sessions


def test_registering_keeps_what_a_guest_has(world):
    """Inbox, files, rooms and rules are the account's from then on."""
    bob, carol = world.guest("bob", "lab"), world.guest("carol")
    bob.do("create", room="den")
    carol.do("msg", to="bob", text="one")
    world.upload(carol.do("put", to="bob", name="a.txt", size=3).ticket, b"abc")
    bob.do("register", password="secret")
    assert bob.code("register", password="secret") is Code.ALREADY_REGISTERED
    world.chat.users.leave(bob.session)
    assert world.member().code("hello", name="bob") is Code.PASSWORD_NEEDED
    assert world.member().code("hello", name="bob", password="wrong") is Code.WRONG_PASSWORD
    bob = world.again("bob", "den")
    bob.do("freeze", room="den")
    assert world.download(bob.do("get", room="@", name="a.txt").ticket) == b"abc"
    assert world.guest("dave").do("msg", to="bob", text="two").seq == 3


def test_one_user_with_several_connections(world):
    """All of them hear what is said, and the user is listed once."""
    alice, other = world.registered("alice", "lab"), world.again("alice", "lab")
    world.guest("bob", "lab").say("hello")
    assert alice.texts == other.texts == ["hello"]
    assert [it.name for it in other.do("who", room="lab").users] == ["alice", "bob"]
    world.chat.users.leave(alice.session)
    assert other.do("who", room="lab").count == 2


def test_a_session_is_taken_over_with_its_token(world):
    """The former connection ends. With a wrong token the name is taken."""
    bob = world.member()
    token = bob.do("hello", name="bob").token
    assert world.member().code("hello", name="bob", token="x") is Code.NAME_TAKEN
    again = world.member()
    assert again.do("hello", name="bob", token=token).name == "bob"
    assert bob.peer.ended[1] is EndReason.REPLACED


def test_a_new_password(world):
    """It ends the other sessions; the old one is no good any more."""
    alice, other = world.registered("alice"), world.again("alice")
    assert alice.code("password", old="wrong", new="other") is Code.WRONG_PASSWORD
    alice.do("password", old="secret", new="other")
    assert other.peer.ended[1] is EndReason.REVOKED
    assert alice.peer.ended is None
    assert world.member().code("hello", name="alice", password="secret") is Code.WRONG_PASSWORD
    assert world.again("alice", password="other").name == "alice"
    assert world.guest("bob").code("password", old="a", new="b") is Code.NOT_ALLOWED


def test_a_token_for_one_room(world):
    """It allows that room alone, and nothing that outlasts it."""
    alice = world.registered("alice", "lab")
    alice.do("create", room="studio")
    token = alice.do("token", label="ci", room="lab").token
    assert alice.code("token", label="ci") is Code.TOKEN_EXISTS
    bot = world.again("alice", "lab", password=token)
    assert bot.say("built") == 1
    for command, args in (
        ("join", {"room": "studio"}),
        ("say", {"room": "studio", "text": "hello"}),
        ("msg", {"to": "alice", "text": "hello"}),
        ("password", {"old": "secret", "new": "other"}),
        ("token", {"label": "more"}),
        ("create", {"room": "mine"}),
        ("files", {"room": "@"}),
        ("rooms", {}),
    ):
        assert bot.code(command, **args) is Code.NOT_ALLOWED, command
    assert alice.do("revoke", label="ci").text
    assert bot.peer.ended[1] is EndReason.REVOKED
    assert world.member().code("hello", name="alice", password=token) is Code.WRONG_PASSWORD
    assert alice.code("revoke", label="ci") is Code.NO_SUCH_TOKEN


def test_a_token_of_an_operator(world):
    """It does not make operators or accounts, but shows the server's state."""
    root = world.operator()
    bot = world.again("root", password=root.do("token", label="status").token)
    assert bot.do("status").users == 1
    for command in ("operator", "unregister", "reset", "account"):
        assert bot.code(command, name="root") is Code.NOT_ALLOWED


@pytest.mark.parametrize("command", ["status", "users", "accounts", "operators", "code"])
def test_operators_commands(world, command):
    """They are refused to everybody else, with the name of the command."""
    world.operator().do(command)
    for member in (world.guest("bob"), world.registered("alice")):
        refusal = member.ask(command).refusal
        assert (refusal.code, refusal.params) == (Code.NOT_ALLOWED, {"command": command})
    assert world.member().code(command) is Code.NAME_NEEDED


def test_a_deleted_account(world):
    """Its sessions end, and what it said is of deleted-N; the name is never given again."""
    root, alice = world.operator(), world.registered("alice", "lab")
    alice.say("hello")
    root.do("unregister", name="alice")
    assert alice.peer.ended[1] is EndReason.REVOKED
    ((_, entry),) = world.guest("bob", "lab").do("history", room="lab").entries
    assert (entry.who.startswith("deleted-"), entry.text) == (True, "hello")
    assert world.member().code("hello", name=entry.who) is Code.NAME_TAKEN
    assert root.code("unregister", name="alice") is Code.NO_SUCH_USER


def test_registration_by_invitation():
    """Each code is for one account. An operator makes accounts without one."""
    world = MemoryChat(policy=RegistrationPolicy(registration=Registration.INVITED))
    bob = world.guest("bob")
    assert bob.code("register", password="secret") is Code.BAD_CODE
    root = world.member()
    world.now(world.chat.users.enter_as_operator(root.session))
    code = root.do("code").code
    bob.do("register", password="secret", code=code)
    carol = world.guest("carol")
    assert carol.code("register", password="secret", code=code) is Code.BAD_CODE
    made = root.do("account", name="dave")
    assert world.again("dave", password=made.password).name == "dave"


def test_a_server_without_guests():
    """Everybody needs a password, and no answer tells which names are registered."""
    world = MemoryChat(policy=RegistrationPolicy(guests=False))
    world.registered("alice")
    for name in ("alice", "nobody"):
        assert world.member().code("hello", name=name) is Code.PASSWORD_NEEDED
        assert world.member().code("hello", name=name, password="x") is Code.WRONG_PASSWORD


def test_a_key_in_the_place_of_the_password(world):
    """A protocol has verified it. It is as good as the password, and revoking it ends its
    connections."""
    alice, users = world.registered("alice"), world.chat.users
    world.now(world.chat.accounts.add_key(alice.session, "laptop", "ssh:abc"))
    assert [it.label for it in alice.do("tokens").tokens] == ["laptop"]
    again, other = world.member(), world.member()
    world.now(users.enter(again.session, "alice", identity="ssh:abc"))
    assert again.do("token", label="bot").label == "bot"
    for name, identity in (("alice", "ssh:xyz"), ("alice", None)):
        refused = Outcome(users.enter(other.session, name, identity=identity))
        assert refused.code is Code.PASSWORD_NEEDED
    world.now(users.enter(other.session, "bob", identity="ssh:abc"))
    assert not other.session.user.registered
    alice.do("revoke", label="laptop")
    assert again.peer.ended[1] is EndReason.REVOKED
    assert world.member().code("hello", name="alice", password="ssh:abc") is Code.WRONG_PASSWORD


def test_the_newest_connection_with_a_guests_token_wins(world):
    """However long the older ones take to go. The guest is the same, and keeps what they own."""
    members = [world.guest("gil", "lab")]
    members[0].do("create", room="den")
    token, id_ = members[0].session.resume_token, members[0].session.user.id
    for _ in range(3):
        members.append(world.member())
        members[-1].do("hello", name="gil", token=token)
        assert members[-2].peer.ended[1] is EndReason.REPLACED
        assert members[-2].session.rooms == ()
        assert members[-2].code("join", room="lab") is Code.NAME_NEEDED
        if len(members) == 3:  # the connection that took over breaks before the first one is gone
            world.chat.users.leave(members.pop().session)
            members.append(world.member())
            members[-1].do("hello", name="gil", token=token)
    for member in members[:-1]:
        world.chat.users.leave(member.session)
    assert members[-1].session.user.id == id_
    assert world.member().code("hello", name="gil") is Code.NAME_TAKEN


def test_of_many_with_a_guests_token_at_once_the_last_wins(world):
    """None is refused because another one came first."""
    first = world.guest("gil")
    gate = Gate(world.engine.accounts, "account")
    members = [world.member() for _ in range(3)]
    token = first.session.resume_token
    coming = [member.begin("hello", name="gil", token=token) for member in members]
    gate.open()
    assert [it.reply.name for it in coming] == ["gil"] * 3
    assert [it.session.user is not None for it in (first, *members)] == [False, False, False, True]
