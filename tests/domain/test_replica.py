"""Two nodes on one engine: each acts on a change when the engine says so, whoever made it."""

from types import SimpleNamespace

import pytest

from chatservice.domain.log import Cursor
from chatservice.domain.model import PROGRAM, Session
from chatservice.domain.rules import RuleKind
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason, Moderated, Notice, PutOut, UserRenamed
from tests.domain.harness import MemoryChat, NoFlowControl, RecordingPeer


@pytest.fixture
def nodes():
    """Return two nodes, `here` and `there`, each with an operator (`root`), who is in the lab."""
    here = MemoryChat()
    there = MemoryChat(beside=here)
    made = SimpleNamespace(here=here, there=there, root=here.operator())
    made.root.do("join", room="lab")
    made.root_there = there.again("root", "lab")
    yield made
    assert here.loop.failures == []


def test_rooms_and_their_settings_are_the_same(nodes):
    """A room that is made, changed and removed on one node is so on the other."""
    nodes.root.do("create", room="den")
    here, there = nodes.here.room("den"), nodes.there.room("den")
    assert (here.number, here is there) == (there.number, False)
    nodes.root.do("access", room="den", access="hidden", password="secret")
    nodes.root.do("freeze", room="den")
    nodes.root.do("slow", room="den", seconds=5)
    nodes.root.do("ban", room="den", user="eve")
    assert there.password is not None
    for name in ("password", "access", "frozen", "slow"):
        assert getattr(here, name) == getattr(there, name)
    assert there.rules.find(RuleKind.BANNED, "eve", 1) is not None
    assert nodes.root_there.code("create", room="DEN") is Code.ROOM_EXISTS


def test_an_engine_that_fails_does_so_on_all_nodes(nodes):
    """Neither node stores anything while one of them says that the engine fails."""
    nodes.there.engine.failing = True
    for root in (nodes.root, nodes.root_there):
        assert root.code("create", room="den") is Code.NOT_STORED
    nodes.here.engine.failing = False
    nodes.root_there.do("create", room="den")
    nodes.root.do("destroy", room="den", erase="erase")
    assert nodes.root_there.code("join", room="den") is Code.NO_SUCH_ROOM


def test_what_is_said_on_one_node_is_read_on_the_other(nodes):
    """At the same positions, with the topic of the room; and what is erased is erased on both."""
    nodes.root.do("say", room="lab", text="hello")
    nodes.root.do("topic", room="lab", text="all about it")
    assert nodes.root_there.texts == ["hello", "all about it"]
    here, there = nodes.here.room("lab"), nodes.there.room("lab")
    assert there.topic == here.topic == "all about it"
    assert there.log.last == here.log.last == 2
    nodes.root.do("erase", room="lab", position=1)
    reader = Cursor(there.log, Session(RecordingPeer(""), PROGRAM, NoFlowControl()), 0)
    block = there.log.block_after(reader.position)
    assert [entry.text for _, entry in block.entries()] == [""]


def test_a_name_is_one_guests(nodes):
    """On both nodes together."""
    nodes.here.guest("bob")
    assert nodes.there.member().code("hello", name="BOB") is Code.NAME_TAKEN
    assert nodes.there.guest("carol").name == "carol"


@pytest.mark.parametrize("registered", [False, True])
def test_a_ban_and_a_kick_put_out_on_every_node(nodes, registered):
    """The user is told who did it and why, everybody sees it, and both nodes have it on record."""
    nodes.root.do("op", room="lab", user="root")
    bob = (nodes.there.registered if registered else nodes.there.guest)("bob", "lab")
    if registered:  # they can be kicked from where they are
        nodes.here.again("bob", "lab")
        nodes.root.do("kick", room="lab", user="bob", text="calm down")
        assert bob.session.rooms == ()
        bob.do("join", room="lab")
    nodes.root.do("ban", room="lab", user="bob", text="spam", time="1h")
    assert bob.session.rooms == ()
    assert bob.code("join", room="lab") is Code.BANNED
    told = [(it.who, it.what, it.text) for it in bob.events(PutOut)]
    assert told[-1:] == [("root", "ban", "spam")]
    seen = [(it.what, it.user) for it in nodes.root_there.events(Moderated)]
    done = ["op root", *(["kick bob calm down"] if registered else []), "ban bob for 60 min: spam"]
    assert seen[-1:] == [("ban", "bob")]
    for root in (nodes.root, nodes.root_there):
        assert [it.did for it in root.do("record", room="lab").deeds] == done


def test_a_ban_of_addresses_holds_on_every_node(nodes):
    """From the lobby, it ends the connections."""
    near, far = (nodes.there.guest(f"g{at}", "lab", address=f"192.0.2.{at}") for at in (1, 200))
    nodes.root.do("ban", room="lobby", user="192.0.2.0/25")
    assert near.peer.ended[1] is EndReason.PUT_OUT
    assert far.peer.ended is None
    other = nodes.there.member(address="192.0.2.3")
    assert other.code("hello", name="mallory") is Code.BANNED


def test_a_guests_ban_holds_under_every_name_on_every_node(nodes):
    """Until it is lifted, for the name and the guest."""
    eve = nodes.here.guest("eve", "lab")
    nodes.root_there.do("mute", room="lab", user="eve")
    nodes.root.do("mute", room="lab", user="eve")
    eve.do("nick", name="adam")
    assert eve.code("say", room="lab", text="psst") is Code.NOT_ALLOWED
    nodes.root_there.do("unmute", room="lab", user="eve")
    assert eve.say("hello") == 1


def test_a_room_that_is_closed_or_removed_is_empty_on_every_node(nodes):
    """Those who may not stay are put out, whatever node they are on."""
    for command, room in (("close", "one"), ("destroy", "two"), ("destroy", "three")):
        nodes.root.do("create", room=room)
        bob = nodes.there.guest(f"in-{room}", room)
        nodes.root.do(command, room=room, **({"erase": "erase"} if room == "three" else {}))
        assert bob.session.rooms == ()


def test_a_changed_password_ends_sessions_on_every_node(nodes):
    """But the one that changed it, and those of tokens; a reset ends these too."""
    here, there = nodes.here.registered("alice"), nodes.there.again("alice")
    token = here.do("token", label="bot").token
    bots = nodes.there.again("alice", password=token), nodes.here.again("alice", password=token)
    here.do("password", old="secret", new="other")
    assert there.peer.ended[0].startswith("Your password was changed;")
    assert [it.peer.ended for it in (here, *bots)] == [None] * 3
    nodes.root_there.do("reset", name="alice")
    assert all("An operator changed" in it.peer.ended[0] for it in (here, *bots))
    assert nodes.root.peer.ended is nodes.root_there.peer.ended is None


def test_a_revoked_token_ends_sessions_on_every_node(nodes):
    """The answer counts those of this node."""
    alice = nodes.here.registered("alice")
    token = alice.do("token", label="bot").token
    bots = [node.again("alice", password=token) for node in (nodes.here, nodes.there)]
    assert "1 connection ended" in alice.do("revoke", label="bot").text
    assert all("token" in bot.peer.ended[0] for bot in bots)
    assert alice.peer.ended is None


def test_a_deleted_account_is_gone_on_every_node(nodes):
    """So are its sessions and its rights in rooms."""
    alice = nodes.there.registered("alice")
    alice.do("create", room="den")
    nodes.root.do("unregister", name="alice")
    assert alice.peer.ended[0].startswith("An operator deleted your account")
    assert [list(node.room("den").rules.all(0)) for node in (nodes.here, nodes.there)] == [[], []]


def test_operators_are_the_same(nodes):
    """An operator on one node is one on the other; when that ends, they leave the rooms that are
    closed to them."""
    alice = nodes.there.registered("alice", "lab")
    nodes.root.do("close", room="lab")
    assert alice.session.rooms == ()
    nodes.root.do("operator", name="alice")
    assert alice.do("join", room="lab").room == "lab"
    nodes.root.do("operator", name="alice", off="off")
    assert alice.session.rooms == ()
    assert alice.code("status") is Code.NOT_ALLOWED


def test_a_new_spelling_is_shown_on_every_node(nodes):
    """Once to each, but for the session that asked."""
    here, there = nodes.here.registered("alice", "lab"), nodes.there.again("alice", "lab")
    here.do("nick", name="ALICE")
    assert (here.name, there.name) == ("ALICE", "ALICE")
    for member, times in ((here, 0), (there, 1), (nodes.root, 1), (nodes.root_there, 1)):
        seen = [(it.who, it.name) for it in member.events(UserRenamed)]
        assert seen == [("alice", "ALICE")] * times


def test_what_cannot_be_stored_is_refused(nodes):
    """While the engine refuses everything, talk is refused and reading goes on; everybody is told
    when that begins, and when it ends."""
    nodes.root.do("say", room="lab", text="before")
    follower = nodes.here.engine.logs.follower
    follower.refusing(Refusal(Code.NOT_STORED, "Nothing is stored now; say it again later."))
    assert nodes.root.code("say", room="lab", text="meanwhile") is Code.NOT_STORED
    assert nodes.root.code("msg", to="root", text="psst") is Code.NOT_STORED
    entries = nodes.root.do("history", room="lab").entries
    assert [entry.text for _, entry in entries] == ["before"]
    follower.refusing(None)
    nodes.root.do("say", room="lab", text="after")
    assert nodes.root_there.texts == ["before", "after"]
    told = [it.text for it in nodes.root.events(Notice)]
    assert told == ["Nothing is stored now; say it again later.", "What you say is stored again."]
