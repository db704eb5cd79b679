"""Users at another node: they are seen, reached and put out as if they were here."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from chatservice.domain.tickets import DownloadTicket, UploadTicket
from chatservice.errors import Code, Refusal
from chatservice.events import (
    Moderated,
    PutOut,
    UserAway,
    UserJoined,
    UserLeft,
    UserRealName,
    UserRenamed,
    UserTyping,
    UserWatched,
)
from tests.domain.harness import MemoryChat, Outcome


@pytest.fixture
def nodes():
    """Return two nodes, `here` and `there`, with a guest each, `alice` and `bob`, in the lab."""
    here = MemoryChat()
    there = MemoryChat(beside=here)
    made = SimpleNamespace(here=here, there=there)
    made.alice, made.bob = here.guest("alice", "lab"), there.guest("bob", "lab")
    here.wait(1)
    yield made
    assert here.loop.failures == []


def shown(nodes, member, kind):
    """Return the events of a class that a user was shown, also of what another node told."""
    nodes.here.wait(1)
    return member.events(kind)


def listed(member, room="lab"):
    """Return the names that `/who` lists, with the reasons of those who are away."""
    return {it.name: it.away for it in member.do("who", room=room).users}


def test_who_lists_users_of_all_nodes(nodes):
    """And so do the reply to a join, and the list of rooms."""
    assert listed(nodes.alice) == listed(nodes.bob) == {"alice": "", "bob": ""}
    carol = nodes.here.guest("carol")
    assert set(carol.do("join", room="lab").users) == {"alice", "bob"}
    nodes.here.wait(1)
    counts = {it.room: it.users for it in nodes.bob.do("rooms").rooms}
    assert counts["lab"] == 3


def test_arrivals_and_departures_are_seen_at_all_nodes(nodes):
    """Each once: also of a user who is at both nodes."""
    nodes.there.registered("dave", "lab")
    again = nodes.here.again("dave", "lab")
    nodes.here.wait(1)
    assert [it.who for it in shown(nodes, nodes.alice, UserJoined)] == ["bob", "dave"]
    again.do("leave", room="lab", keep=True)
    assert shown(nodes, nodes.alice, UserLeft) == []
    assert listed(nodes.alice).keys() == {"alice", "bob", "dave"}
    nodes.bob.do("leave", room="lab")
    left = shown(nodes, nodes.alice, UserLeft)
    assert [(it.who, it.reason) for it in left] == [("bob", "left")]


def test_a_user_who_quits_is_gone_at_all_nodes(nodes):
    """The name is free, and nobody of that name can be written to."""
    nodes.bob.do("quit")
    assert [(it.who, it.reason) for it in shown(nodes, nodes.alice, UserLeft)] == [("bob", "quit")]
    assert nodes.alice.code("msg", to="bob", text="psst") is Code.NO_SUCH_USER
    assert nodes.here.guest("bob").name == "bob"


def test_new_names_and_reasons_are_seen(nodes):
    """A user at another node has another name, is away, and comes back."""
    nodes.bob.do("nick", name="rob")
    assert [(it.who, it.name) for it in shown(nodes, nodes.alice, UserRenamed)] == [("bob", "rob")]
    nodes.bob.do("away", text="lunch")
    assert [(it.who, it.text) for it in shown(nodes, nodes.alice, UserAway)] == [("rob", "lunch")]
    assert listed(nodes.alice) == {"alice": "", "rob": "lunch"}
    seen = nodes.alice.do("seen", user="rob")
    assert (seen.state, seen.text) == ("away", "lunch")
    nodes.bob.do("register", password="secret")
    nodes.here.wait(1)
    assert shown(nodes, nodes.alice, UserJoined)[1:] == shown(nodes, nodes.alice, UserLeft) == []
    assert listed(nodes.alice).keys() == {"alice", "rob"}


def test_a_muted_name_is_not_shown(nodes):
    """A user who may not speak shows nothing by a new name, at no node."""
    root = nodes.here.operator()
    root.do("join", room="lab")
    root.do("mute", room="lab", user="bob")
    nodes.bob.do("nick", name="Spam")
    assert shown(nodes, nodes.alice, UserRenamed) == []


def test_private_messages_reach_guests_at_other_nodes(nodes):
    """Both write to each other, each message is shown once, in order."""
    for at in range(2):
        nodes.alice.do("msg", to="bob", text=f"to bob {at}")
        nodes.bob.do("msg", to="alice", text=f"to alice {at}")
    nodes.here.settle()
    assert [it for it in nodes.bob.texts if it.startswith("to bob")] == ["to bob 0", "to bob 1"]
    told = [it for it in nodes.alice.texts if it.startswith("to alice")]
    assert told == ["to alice 0", "to alice 1"]


@pytest.mark.parametrize("what", ["kick", "ban"])
def test_guests_at_other_nodes_are_put_out(nodes, what):
    """By name, from a room and, from the lobby, off the server."""
    root = nodes.here.operator()
    root.do("join", room="lab")
    root.do(what, room="lab", user="bob", text="spam")
    assert nodes.bob.session.rooms == ()
    assert [it.what for it in shown(nodes, nodes.bob, PutOut)] == [what]
    assert [it.user for it in shown(nodes, nodes.alice, Moderated)] == ["bob"]
    assert listed(nodes.alice).keys() == {"alice", "root"}
    root.do(what, room="lobby", user="bob")
    nodes.here.wait(1)
    assert nodes.bob.peer.ended
    assert nodes.alice.code("msg", to="bob", text="psst") is Code.NO_SUCH_USER


def test_watchers_are_told(nodes):
    """A watcher is told of users at other nodes, once each."""
    nodes.here.chat.users.watching.watch(nodes.alice.session, "eve")
    eve = nodes.there.guest("eve")
    nodes.here.wait(1)
    eve.do("quit")
    assert [it.here for it in shown(nodes, nodes.alice, UserWatched)] == [True, False]


def test_real_names_are_seen_at_all_nodes(nodes):
    """They are told as they change, and a user at both nodes has the one that was said last."""
    nodes.alice.session.traits = replace(nodes.alice.session.traits, sees_real_names=True)
    there = nodes.there.chat.real_names
    there.set(nodes.bob.session, "Bob Builder")
    eve = nodes.there.guest("eve")
    there.set(eve.session, "Eve Smith")
    eve.do("join", room="lab")
    told = shown(nodes, nodes.alice, UserRealName)
    assert [(it.who, it.text) for it in told] == [("bob", "Bob Builder")]
    assert nodes.here.chat.users.find("bob").real_name == "Bob Builder"
    assert shown(nodes, nodes.alice, UserJoined)[-1].real_name == "Eve Smith"
    dave, again = nodes.there.registered("dave", "lab"), nodes.here.again("dave")
    nodes.here.wait(1)
    there.set(dave.session, "Dave One")
    nodes.here.wait(1)
    assert again.session.user.real_name == "Dave One"
    nodes.here.chat.real_names.set(again.session, "Dave Two")
    nodes.here.wait(1)
    assert dave.session.user.real_name == "Dave Two"
    told = shown(nodes, nodes.alice, UserRealName)[1:]
    assert [it.text for it in told] == ["Dave One", "Dave Two"]


def test_typing_is_shown_at_all_nodes(nodes):
    """A session that asked for it is told."""
    nodes.alice.do("typing", show=True)
    nodes.bob.do("typing", room="lab")
    assert [it.who for it in shown(nodes, nodes.alice, UserTyping)] == ["bob"]


def test_users_of_a_node_that_ends_are_gone(nodes):
    """They leave their rooms, for those at the other nodes."""
    nodes.there.now(nodes.there.engine.stop())
    assert [it.who for it in shown(nodes, nodes.alice, UserLeft)] == ["bob"]
    assert listed(nodes.alice).keys() == {"alice"}


def test_operators_see_the_nodes(nodes):
    """Each node says which one it is."""
    status = nodes.here.operator().do("cluster")
    assert [it.here for it in status.nodes] == [True, False]
    assert status.quorum


def code_of(node, ticket, class_=DownloadTicket):
    """Return the code with which a node refuses a ticket, or its use."""
    files = node.chat.files

    async def use():
        right = await files.redeem(ticket, class_, "")
        if class_ is DownloadTicket:
            await files.open_for_ticket(right)
        else:
            await files.begin_upload(right, 0, lambda why: None)

    return Outcome(use()).code


def test_tickets_of_another_node_are_good_once(nodes):
    """Files for a room and for users go up and down at the node that did not make the tickets, and
    each ticket is used up at both."""

    def put(**to):
        return nodes.alice.do("put", **to, name="a.txt", size=5).ticket

    up = put(room="lab")
    nodes.there.upload(up, b"hello")
    down = nodes.alice.do("get", room="lab", name="a.txt").ticket
    assert code_of(nodes.there, down, UploadTicket) is Code.BAD_TICKET
    down = nodes.alice.do("get", room="lab", name="a.txt").ticket
    assert nodes.there.download(down) == b"hello"
    for node in (nodes.here, nodes.there):
        assert code_of(node, up, UploadTicket) is Code.BAD_TICKET
        assert code_of(node, down) is Code.BAD_TICKET
    nodes.there.upload(put(to="bob"), b"hello")
    nodes.there.registered("dave")
    nodes.there.upload(put(to="dave"), b"hello")
    assert [log for log, it in nodes.bob.peer.entries if it.file] == ["lab", "@"]


def test_tickets_of_another_node_end(nodes):
    """With a kick, also of a guest at the other node; and with the recipient."""
    nodes.here.upload(nodes.alice.do("put", room="lab", name="a.txt", size=5).ticket, b"hello")

    def get():
        return nodes.alice.do("get", room="lab", name="a.txt").ticket

    root = nodes.there.operator()
    root.do("join", room="lab")
    kept, up = get(), nodes.alice.do("put", room="lab", name="b.txt", size=5).ticket
    upload, right = nodes.there.uploading(up, b"he")
    root.do("kick", user="alice", room="lab")
    assert code_of(nodes.there, kept) is Code.BAD_TICKET
    upload.write(b"llo")
    with pytest.raises(Refusal) as refused:
        nodes.there.finish(upload, right)
    assert refused.value.code is Code.NOT_ALLOWED
    late = nodes.alice.do("put", to="bob", name="c.txt", size=5).ticket
    nodes.bob.do("quit")
    nodes.here.wait(1)
    assert code_of(nodes.there, late, UploadTicket) is Code.NO_SUCH_USER
