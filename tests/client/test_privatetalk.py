"""Private talk in the client: its partners, what is unread of it, and what a typed line means."""

import pytest

from chatservice.client.clientstate import ClientState, Unread
from chatservice.client.privatetalk import (
    MOST_PARTNERS,
    PARTNERS_RECALLED,
    PrivateTalk,
    directed,
)
from chatservice.entries import Entry, Kind
from chatservice.errors import Refusal
from chatservice.grammar import textparser
from chatservice.replies import Joined, Welcome


def private(who, to="", time=0):
    """Return an entry of an inbox: from `who`, or the copy of what went `to` somebody."""
    return Entry(Kind.SENT if to else Kind.PRIVATE, time, who, "psst", to=to)


def in_lab():
    """Return the state of anna's client on a full screen, in the lab."""
    state = ClientState(all_rooms=True)
    state.logged_in(Welcome("anna", True, "token", 0))
    state.room_joined(Joined("lab", 2, "", (), 0))
    return state


def test_each_partner_has_a_view_with_unread_counts():
    """Messages of others count in their views, but not one's own, and not those that one sees.
    Turning there tells behind which position it begins."""
    state = in_lab()
    state.entry_received(1, private("anna", to="carl"), "@")
    state.entry_received(2, private("bob"), "@")
    state.entry_received(3, private("BOB"), "@")
    assert [(it.room, it.unread, it.mentioned) for it in state.places] == [
        ("lab", 0, False),
        ("@carl", 0, False),
        ("@bob", 2, True),
    ]
    assert state.private.first_unread == 2
    assert state.talk_with("bob") == Unread("@bob", 1, 2, True, (), True)
    state.entry_received(4, private("bob"), "@")
    assert (state.here, state.partner, state.private.first_unread) == ("@bob", "bob", 0)


def test_the_room_is_in_the_background_meanwhile():
    """Its entries are unread, until one turns back to it."""
    state = in_lab()
    state.talk_with("bob")
    state.entry_received(1, Entry(Kind.MESSAGE, 0, "carl", "hello anna"), "lab")
    assert (state.rooms["lab"].unread, state.current_room) == (1, "lab")
    assert state.switch("lab") == Unread("lab", 0, 1, True, (), True)
    assert state.here == "lab"


def test_partners_have_a_bound():
    """However many write, those with something unread stay longest, and the one that is shown."""
    talk = PrivateTalk()
    talk.turn_to("bob")
    talk.of("carl")
    for n in range(MOST_PARTNERS + 5):
        talk.take(n + 1, private(f"user{n}"), "anna")
    names = [it.name for it in talk.partners]
    assert len(names) == MOST_PARTNERS
    assert names[0] == "bob"
    assert "carl" not in names


def test_the_last_partners_are_recalled():
    """The newest ones of an earlier run, but none of long ago."""
    talk = PrivateTalk()
    past = [(n, private(f"user{n % 20}", time=n)) for n in range(100)]
    talk.recall([*past, (100, private("anna", to="dora", time=100))], since=95)
    assert [it.name for it in talk.partners] == ["dora", *(f"user{n}" for n in range(19, 14, -1))]
    talk.recall(past, since=0)
    assert len(talk.partners) == PARTNERS_RECALLED + 1


@pytest.mark.parametrize(
    ("line", "command", "args"),
    [
        ("hello", "msg", {"to": "bob", "text": "hello"}),
        ("//hello", "msg", {"to": "bob", "text": "/hello"}),
        ("@carl hello", "msg", {"to": "carl", "text": "hello"}),
        ("/history 5", "history", {"room": "@bob", "limit": 5}),
        ("/history @carl", "history", {"room": "@carl"}),
        ("/search all hello", "search", {"room": "*", "text": "hello"}),
        ("/search hello", "search", {"room": "@bob", "text": "hello"}),
        ("/get notes.txt", "get", {"room": "@", "name": "notes.txt"}),
        ("/unread #5", "unread", {"room": "@", "position": 5}),
        ("/unread", "unread", {}),
        ("/erase #5", "erase", {"room": "@", "position": 5}),
        ("/who lab", "who", {"room": "lab"}),
        ("/leave", "leave", {}),
        ("/away lunch", "away", {"text": "lunch"}),
        ("/me waves", "msg", {"to": "bob", "text": "waves", "action": True}),
        ("/reply #1 yes", None, {}),
        ("/edit yes", None, {}),
        ("/kick bob", None, {}),
        ("/topic new", None, {}),
    ],
)
def test_a_line_in_the_view_of_a_partner(line, command, args):
    """Talk goes to the partner alone; nothing is done in a room that is not seen."""
    request = textparser.parse(line)
    if command is None:
        with pytest.raises(Refusal, match="here you talk with bob alone"):
            directed(request, "bob")
        return
    meant = directed(request, "bob")
    assert (meant.command.name, dict(meant.args)) == (command, args)
