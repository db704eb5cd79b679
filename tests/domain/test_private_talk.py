"""Private talk: both sides of it are in the inboxes of both."""

import pytest

from chatservice.entries import Kind
from chatservice.errors import Code
from tests.domain.harness import Gate


@pytest.fixture
def alice(world):
    """Return alice, who is registered."""
    return world.registered("alice")


@pytest.fixture
def bob(world):
    """Return bob, a guest."""
    return world.guest("bob")


def shown(member):
    """Return what the inbox of a member has shown: kinds, authors, recipients and texts."""
    entries = [it for log, it in member.peer.entries if log == "@"]
    return [(it.kind, it.who, it.to, it.text) for it in entries]


def kept(member, room="@", **args):
    """Return positions and texts of a member's inbox."""
    return [(at, it.text) for at, it in member.do("history", room=room, **args).entries]


def test_both_sides_are_in_both_inboxes(alice, bob):
    """A conversation between a registered user and a guest can be read at both ends."""
    first = alice.do("msg", to="bob", text="hello")
    second = bob.do("msg", to="ALICE", text="hi", notice=True)
    assert (first.seq, first.copy) == (1, 1)
    assert (second.seq, second.copy) == (2, 2)
    assert shown(alice) == [("sent", "alice", "bob", "hello"), ("notice", "bob", "", "hi")]
    assert shown(bob) == [("private", "alice", "", "hello"), ("sent-notice", "bob", "alice", "hi")]
    assert kept(alice) == kept(bob) == [(1, "hello"), (2, "hi")]


def test_one_erases_ones_own_side(world, alice, bob):
    """An entry leaves the inbox, whoever wrote it, and the user's other connections are told, and
    in which talk. The other user keeps their copy."""
    phone = world.again("alice")
    alice.do("msg", to="bob", text="hello")
    bob.do("msg", to="alice", text="a secret")
    assert alice.code("erase", room="@") is Code.BAD_ARGUMENT
    for position, text in ((1, "hello"), (2, "a secret")):
        assert (
            alice.do("erase", room="@", position=position).text == f"#{position} is erased: {text}"
        )
        assert alice.code("erase", room="@", position=position) is Code.NO_SUCH_ENTRY
        assert alice.do("search", room="@", text=text).entries == ()
        assert shown(phone)[-1] == ("erased", "alice", "bob", str(position))
    assert alice.code("erase", room="@", position=99) is Code.NO_SUCH_ENTRY
    assert kept(alice)[:2] == [(1, ""), (2, "")]
    assert kept(bob) == [(1, "hello"), (2, "a secret")]


def test_the_sender_is_told_on_all_other_connections(world, alice, bob):
    """A person does not see their line again where they typed it. It counts as read."""
    phone = world.member(person=True)
    phone.do("login", name="alice", password="secret")
    phone.do("msg", to="bob", text="from the phone")
    assert shown(phone) == []
    assert shown(alice) == [("sent", "alice", "bob", "from the phone")]
    world.settle()
    assert world.now(world.engine.accounts.account("alice")).read_position == 1
    bob.do("msg", to="alice", text="so?")
    assert shown(phone) == [("private", "bob", "", "so?")]


def test_what_is_unread_before_an_own_message_stays_unread(world, alice):
    """A person whose connection takes nothing writes privately: only what they were shown counts as
    read."""
    phone = world.member(person=True)
    phone.do("login", name="alice", password="secret")
    phone.peer.wake = lambda cursors: 0
    world.chat.users.leave(alice.session)
    carol = world.guest("carol")
    carol.do("msg", to="alice", text="unread")
    phone.do("msg", to="carol", text="mine")
    world.chat.users.leave(phone.session)
    world.settle()
    assert world.now(world.engine.accounts.account("alice")).read_position == 0


def test_a_note_to_oneself_is_one_entry(alice):
    """It has one side."""
    assert alice.do("msg", to="Alice", text="remember").copy == 0
    assert shown(alice) == [("private", "alice", "", "remember")]


def test_a_repetition_has_one_copy(world, alice, bob):
    """A key stands for one message to one user: both sides are stored once, for each of two."""
    world.guest("carol")
    said = [alice.do("msg", to=to, text="x", key="k") for to in ("bob", "carol", "bob", "carol")]
    assert [(it.to, it.seq, it.copy) for it in said] == [("bob", 1, 1), ("carol", 1, 2)] * 2
    assert [it.to for _, it in alice.do("history", room="@").entries] == ["bob", "carol"]
    bob.do("nick", name="robert")
    again = alice.do("msg", to="robert", text="x", key="k")
    assert (again.seq, again.copy) == (1, 1)
    bob.do("register", password="secret")
    registered = alice.do("msg", to="robert", text="x", key="k")
    assert (registered.seq, registered.copy) == (1, 0)
    assert len(kept(alice)) == 2


def test_both_sides_are_stored_or_none(world, alice, bob):
    """A disk that refuses one side refuses both."""
    world.engine.failing = True
    assert alice.code("msg", to="bob", text="lost") is Code.NOT_STORED
    world.engine.failing = False
    assert len(world.loop.failures) == 1
    world.loop.failures.clear()
    assert kept(alice) == kept(bob) == []


def test_a_guest_who_registers_keeps_both_sides(world, bob):
    """The copies are in the account's inbox, for the next login."""
    carol = world.guest("carol")
    bob.do("msg", to="carol", text="before")
    carol.do("msg", to="bob", text="answer")
    bob.do("register", password="secret")
    bob.do("msg", to="carol", text="after")
    world.chat.users.leave(bob.session)
    assert kept(world.again("bob")) == [(1, "before"), (2, "answer"), (3, "after")]


def test_a_guest_registers_while_a_message_is_stored(world, bob):
    """The copy goes to the inbox of the account."""
    world.guest("carol")
    gate = Gate(world.engine.logs, "append")
    sending = bob.begin("msg", to="carol", text="now")
    registering = bob.begin("register", password="secret")
    world.settle()
    gate.open()
    world.settle()
    assert registering.reply
    assert sending.reply.copy == 1
    assert kept(bob) == [(1, "now")]


@pytest.mark.parametrize("erase", [{}, {"erase": "erase"}])
def test_a_deleted_account_is_no_recipient_any_more(world, alice, erase):
    """A message to it stays its sender's, with the mark of the account for the name."""
    carol, root = world.guest("carol"), world.operator()
    carol.do("msg", to="alice", text="for you")
    alice.do("msg", to="carol", text="for me")
    root.do("unregister", name="alice", **erase)
    (_, sent), (_, came) = carol.do("history", room="@").entries
    assert (sent.kind, sent.who, sent.text) == (Kind.SENT, "carol", "for you")
    assert sent.to == came.who
    assert sent.to.startswith("deleted-")
    assert came.text == ("" if erase else "for me")


def test_a_file_for_one_user(world, alice, bob):
    """Its sender has an entry of it, and no file of their own; one to oneself is one entry."""
    world.upload(alice.do("put", to="bob", name="a.txt", size=3, key="k").ticket, b"abc")
    assert alice.do("put", to="bob", name="a.txt", size=3, key="k").stored
    ((_, sent),) = alice.do("history", room="@").entries
    assert (sent.kind, sent.to, sent.file.name) == (Kind.SENT_FILE, "bob", "a.txt")
    assert alice.code("get", room="@", name="a.txt") is Code.NO_SUCH_FILE
    assert world.download(bob.do("get", room="@", name="a.txt").ticket) == b"abc"
    world.upload(bob.do("put", to="bob", name="b.txt", size=3).ticket, b"abc")
    kinds = [it.kind for _, it in bob.do("history", room="@").entries]
    assert kinds == [Kind.FILE, Kind.FILE]


def test_a_person_who_sends_a_file_is_not_told_of_it_again(world, bob):
    """Their own connection gets a reply; their others get the entry."""
    here, there = world.member(person=True), world.registered("alice")
    here.do("login", name="alice", password="secret")
    upload = here.do("put", to="bob", name="a.txt", size=3)
    files = world.chat.files
    writing = world.now(files.begin_upload(upload, 0, lambda why: None))
    writing.write(b"abc")
    world.finish(writing, upload)
    assert shown(here) == []
    assert [kind for kind, *_ in shown(there)] == ["sent-file"]


def test_a_file_whose_sender_has_left(world, bob):
    """A guest's upload ends with them; that of a registered user is shared, with both sides."""
    alice = world.registered("alice")
    code = alice.do("put", to="bob", name="a.txt", size=3).ticket
    upload = world.uploading(code, b"abc")
    world.chat.users.leave(alice.session)
    world.finish(*upload)
    assert [it.kind for _, it in world.again("alice").do("history", room="@").entries] == [
        "sent-file"
    ]


def test_a_conversation_with_one_user(world, alice, bob):
    """It leaves out what was said to others, and finds the user in any case."""
    carol = world.guest("carol")
    for member, to, text in (
        (alice, "bob", "one"),
        (carol, "alice", "other"),
        (bob, "alice", "two"),
        (alice, "carol", "another"),
        (alice, "bob", "three"),
    ):
        member.do("msg", to=to, text=text)
    assert kept(alice, "@BOB") == [(1, "one"), (3, "two"), (5, "three")]
    assert kept(alice, "@bob", limit=1) == [(5, "three")]
    assert kept(alice, "@bob", after=1) == [(3, "two"), (5, "three")]
    assert kept(alice, "@bob", before=5) == [(1, "one"), (3, "two")]
    assert kept(alice, "@nobody") == []
    assert alice.do("history", room="@bob").room == "@bob"


def test_a_long_inbox_is_looked_through_in_part(world, alice, bob):
    """The reply says that there is more."""
    world.limits.scan_entries = 5
    alice.do("msg", to="bob", text="hello")
    for _ in range(9):
        world.settle()
        bob.do("msg", to="alice", text="x")
    found = alice.do("history", room="@nobody")
    assert (found.entries, found.more) == ((), True)
    found = alice.do("history", room="@nobody", after=0)
    assert (len(found.entries), found.more) == (1, True)  # to go on from
    assert not alice.do("history", room="@bob", after=8).more


def test_an_inbox_is_its_users_alone(world, alice, bob):
    """Each reads their own; a token for one room reads none, nor does somebody without a name."""
    alice.do("msg", to="bob", text="psst")
    alice.do("create", room="den")
    token = alice.do("token", label="ci", room="den").token
    program = world.again("alice", "den", password=token)
    for room in ("@", "@bob"):
        assert program.code("history", room=room) is Code.NOT_ALLOWED
        assert world.member().code("history", room=room) is Code.NAME_NEEDED
        assert kept(world.guest(f"eve{room[1:]}"), room) == []
    assert alice.code("who", room="@") is Code.NO_SUCH_ROOM
    assert alice.code("history", room="#1") is Code.NO_SUCH_ROOM


def test_history_of_the_inbox_hides_ignored_users(world, alice, bob):
    """Their side of a conversation is left out, as in a room."""
    alice.do("msg", to="bob", text="hello")
    bob.do("msg", to="alice", text="spam")
    alice.do("ignore", user="bob")
    assert kept(alice) == [(1, "hello")]
