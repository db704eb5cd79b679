"""The client's state, without I/O, against every order of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.client import clientstate
from chatservice.client.clientstate import UNREAD_KEPT, ClientState, Incoming, mentions
from chatservice.entries import Entry, Kind
from chatservice.events import Notice, UserJoined
from chatservice.grammar.commands import COMMANDS, Request
from chatservice.replies import Joined, Welcome


def message(who: str, text: str) -> Entry:
    """Return something said."""
    return Entry(Kind.MESSAGE, 0, who, text)


def in_room(room: str = "lab", seq: int = 0) -> ClientState:
    """Return anna's conversation, in a room with `seq` entries so far."""
    here = ClientState()
    here.logged_in(Welcome("anna", False, "token", 0))
    here.room_joined(Joined(room, 1, "", (), seq))
    return here


def say(here: ClientState, text: str) -> str:
    """Say something and return its key."""
    return here.say(Request(COMMANDS["say"], {"room": here.current_room, "text": text}))[0]


def texts(news: list[Incoming]) -> list[str]:
    """Return what was said in some news."""
    return [each.item.text for each in news if isinstance(each.item, Entry)]


def test_ones_own_talk_is_not_shown_whichever_comes_first():
    """The entry may come before its acknowledgement or after it."""
    here = in_room()
    key = say(here, "one")
    assert here.entry_received(1, message("anna", "one"), "lab") == []
    assert here.stored(key, 1) == []
    key = say(here, "two")
    assert here.stored(key, 2) == []
    assert here.entry_received(2, message("anna", "two"), "lab") == []
    assert here.rooms[here.current_room].position == 2


def test_the_same_user_elsewhere_is_shown():
    """Messages of the same user on another connection are shown, even with the same text."""
    here = in_room()
    assert texts(here.entry_received(1, message("anna", "from the other place"), "lab")) == [
        "from the other place"
    ]
    key = say(here, "same")
    assert here.entry_received(2, message("anna", "same"), "lab") == []
    assert texts(here.entry_received(3, message("bob", "behind it"), "lab")) == []
    assert here.entry_received(4, message("anna", "same"), "lab") == []
    assert texts(here.stored(key, 4)) == ["same", "behind it"]


def test_what_was_refused_does_not_hold_back_anything():
    """A refusal also settles that an entry is not the user's own."""
    here = in_room()
    key = say(here, "same")
    here.entry_received(1, message("anna", "same"), "lab")
    assert texts(here.refused(key)) == ["same"]


def test_what_was_held_back_comes_again_after_a_broken_connection():
    """A held entry was not shown, so the position stays before it."""
    here = in_room(seq=7)
    say(here, "one")
    here.entry_received(8, message("anna", "one"), "lab")
    here.connection_lost()
    assert here.rooms[here.current_room].position == 7
    assert len(here.unacknowledged) == 1


def test_nothing_is_shown_twice():
    """An entry at or before the position was shown."""
    here = in_room()
    assert texts(here.entry_received(3, message("bob", "hi"), "lab")) == ["hi"]
    assert here.entry_received(3, message("bob", "hi"), "lab") == []
    assert here.entry_received(2, message("bob", "older"), "lab") == []


def test_what_lies_before_the_answer_to_join_is_late():
    """Missed messages carry their time, and live ones do not."""
    here = in_room(seq=3)
    here.room_resumed(Joined("lab", 1, "", (), 5), after=3)
    assert [n.late for n in here.entry_received(4, message("bob", "missed"), "lab")] == [True]
    assert [n.late for n in here.entry_received(6, message("bob", "live"), "lab")] == [False]


def test_a_log_that_became_shorter_is_read_on():
    """A server whose data was put back to an earlier state is not ignored for ever."""
    here = in_room(seq=100)
    here.room_resumed(Joined("lab", 1, "", (), 10), after=100)
    assert texts(here.entry_received(11, message("bob", "hi"), "lab")) == ["hi"]


def test_other_rooms_are_not_heard():
    """Late events of a room that the user has left are not shown."""
    here = in_room("lab")
    here.room_joined(Joined("den", 2, "", (), 50))
    here.room_left("lab")
    assert here.entry_received(1, message("bob", "late"), "lab") == []
    assert here.event_received(UserJoined("lab", "carl")) == []
    assert len(here.event_received(UserJoined("den", "carl"))) == 1
    assert len(here.event_received(Notice("the end"))) == 1


def test_to_join_again_where_one_is_skips_nothing():
    """Entries that are on their way then are shown still."""
    here = in_room(seq=3)
    here.room_joined(Joined("lab", 1, "", (), 9))
    assert texts(here.entry_received(4, message("bob", "on its way"), "lab")) == ["on its way"]


def test_what_comes_elsewhere_is_kept_until_one_goes_there():
    """Entries of others are counted; turning to the room shows all, in order and once."""
    here = in_room("lab", seq=7)
    here.room_joined(Joined("den", 2, "", (), 50))
    assert here.entry_received(8, message("bob", "one"), "lab") == []
    assert here.entry_received(9, message("anna", "from the other place"), "lab") == []
    assert here.entry_received(10, message("bob", "Anna, look"), "lab") == []
    assert here.event_received(UserJoined("lab", "carl")) == []
    assert texts(here.entry_received(51, message("bob", "here"), "den")) == ["here"]
    lab = here.rooms["lab"]
    assert (lab.unread, lab.mentioned, here.rooms["den"].unread) == (2, True, 0)
    unread = here.switch("lab")
    assert texts(list(unread.items)) == ["one", "from the other place", "Anna, look"]
    assert (unread.room, unread.after, unread.unread, unread.complete) == ("lab", 7, 2, True)
    assert (lab.unread, lab.mentioned) == (0, False)
    assert here.switch("lab").items == ()
    assert texts(here.entry_received(11, message("bob", "two"), "lab")) == ["two"]


def test_what_one_said_elsewhere_is_not_unread():
    """One says something and goes to another room before the acknowledgement and the entry came."""
    here = in_room("lab")
    key = say(here, "one")
    here.room_joined(Joined("den", 2, "", (), 50))
    assert here.entry_received(1, message("anna", "one"), "lab") == []
    assert here.entry_received(2, message("bob", "two"), "lab") == []
    assert here.rooms["lab"].unread == 0
    assert here.stored(key, 1) == []
    assert here.rooms["lab"].unread == 1
    assert texts(list(here.switch("lab").items)) == ["two"]


def test_too_much_to_keep_is_read_again():
    """Beyond a bound nothing is held in memory: one stands before all of it again."""
    here = in_room("lab", seq=7)
    here.room_joined(Joined("den", 2, "", (), 50))
    last = 8 + UNREAD_KEPT
    for position in range(8, last + 1):
        here.entry_received(position, message("bob", str(position)), "lab")
    assert here.rooms["lab"].unread == UNREAD_KEPT + 1
    unread = here.switch("lab")
    assert (unread.items, unread.complete, unread.unread) == ((), False, UNREAD_KEPT + 1)
    here.room_resumed(Joined("lab", 1, "", (), last), unread.after)
    again = [here.entry_received(n, message("bob", str(n)), "lab") for n in range(8, last + 1)]
    assert all(len(news) == 1 and news[0].late for news in again)


def test_what_is_unread_outlives_a_connection():
    """Unread messages stay, and later ones are added to them."""
    here = in_room("lab", seq=7)
    here.room_joined(Joined("den", 2, "", (), 50))
    here.entry_received(8, message("bob", "one"), "lab")
    here.connection_lost()
    assert here.entry_received(9, message("bob", "before one is there again"), "lab") == []
    here.room_resumed(Joined("lab", 1, "", (), 9), 8)
    here.entry_received(9, message("bob", "two"), "lab")
    assert texts(list(here.switch("lab").items)) == ["one", "two"]


def test_a_room_that_one_left_is_followed_by_the_one_before():
    """Of those where one still is, the current one last."""
    here = in_room("lab")
    here.room_joined(Joined("den", 2, "", (), 0))
    here.room_joined(Joined("attic", 3, "", (), 0))
    here.switch("lab")
    here.room_left("lab")
    assert (here.current_room, here.previous_room) == ("", "attic")
    here.room_left("attic")
    here.room_left("den")
    assert here.previous_room is None


def test_a_room_is_found_by_its_name_in_any_case_and_by_its_number():
    """As in a command."""
    here = in_room("Lab")
    for called in ("Lab", "lab", "1"):
        assert here.find(called) is here.rooms["Lab"]
    assert here.find("den") is None


def test_a_program_is_told_everything():
    """Its own talk, at once, and what comes in every room."""
    here = ClientState(echo=True)
    here.logged_in(Welcome("anna", False, "token", 0))
    here.room_joined(Joined("lab", 1, "", (), 0))
    here.room_joined(Joined("den", 2, "", (), 0))
    key = say(here, "mine")
    assert texts(here.entry_received(1, message("anna", "mine"), "den")) == ["mine"]
    assert here.stored(key, 1) == []
    assert texts(here.entry_received(1, message("bob", "elsewhere"), "lab")) == ["elsewhere"]


@pytest.mark.parametrize("text", ["anna", "Anna: look", "ask @ANNA!", "annabel or anna"])
def test_a_mention(text):
    """A mention is the user's name as a word of its own."""
    assert mentions(message("bob", text), "anna")


@pytest.mark.parametrize("text", ["annabel", "joanna", "anna_2", "", "hello"])
def test_no_mention(text):
    """The name within another word is no mention, nor in a change of the room's files."""
    assert not mentions(message("bob", text), "anna")
    assert not mentions(Entry(Kind.REMOVED, 0, "bob", "anna"), "anna")


def test_the_inbox_has_its_own_position():
    """Private messages are shown in any room, once each."""
    here = in_room(seq=1000)
    private = Entry(Kind.PRIVATE, 0, "bob", "psst")
    assert texts(here.entry_received(1, private, "@")) == ["psst"]
    assert here.entry_received(1, private, "@") == []
    assert here.inbox_position == 1


@given(
    st.lists(st.tuples(st.sampled_from("hab"), st.sampled_from("xy")), max_size=12),
    st.lists(st.sampled_from(("entry", "acknowledgement", "break")), max_size=40),
)
def test_everything_is_shown_once_in_order_whatever_happens(said, steps):
    """A log of talk by anna here, anna elsewhere and bob; acknowledgements at any time, or lost
    with the connection; connections that break anywhere. Messages from elsewhere are shown once and
    in order, and those from here never."""
    here, shown = in_room(), []
    keys = {n: say(here, text) for n, (who, text) in enumerate(said, 1) if who == "h"}
    seen, unacknowledged = 0, list(keys)
    for what in steps + ["entry"] * len(said) + ["acknowledgement"] * len(said):
        if what == "entry" and seen < len(said):
            seen += 1
            who, text = said[seen - 1]
            entry = message("bob" if who == "b" else "anna", text)
            shown += here.entry_received(seen, entry, "lab")
        elif what == "acknowledgement" and unacknowledged:
            n = unacknowledged.pop(0)
            shown += here.stored(keys[n], n)
        elif what == "break":
            here.connection_lost()
            seen = here.rooms[here.current_room].position
            here.room_resumed(Joined("lab", 1, "", (), len(said)), after=seen)
    assert [n.position for n in shown] == [n for n, (who, _) in enumerate(said, 1) if who != "h"]
    assert here.rooms[here.current_room].position == len(said)


class Stay:
    """Anna's conversation in two rooms, as a session leads it, with a server that has `logs`: for
    each room, who said what. `shown` is what was shown of each."""

    def __init__(self, logs: dict[str, list[tuple[str, str]]]) -> None:
        self.here = in_room("lab")
        self.here.room_joined(Joined("den", 2, "", (), 0))
        self.logs = logs
        self.sent = dict.fromkeys(logs, 0)
        self.shown: dict[str, list[int]] = {room: [] for room in logs}
        self.unacknowledged = [
            (room, position, self.here.say(Request(COMMANDS["say"], {"room": room, "text": text})))
            for room, log in logs.items()
            for position, (who, text) in enumerate(log, 1)
            if who == "h"
        ]

    def show(self, news) -> None:
        """Note what is shown."""
        for each in news:
            self.shown[each.log].append(each.position)

    def entry(self, room: str) -> None:
        """The server sends the next entry of a room."""
        if self.sent[room] < len(self.logs[room]):
            who, text = self.logs[room][self.sent[room]]
            self.sent[room] += 1
            entry = message("bob" if who == "b" else "anna", text)
            self.show(self.here.entry_received(self.sent[room], entry, room))

    def acknowledge(self) -> None:
        """The server acknowledges the next thing that was said."""
        if self.unacknowledged:
            _, position, (key, _) = self.unacknowledged.pop(0)
            self.show(self.here.stored(key, position))

    def switch(self) -> None:
        """One turns to the other room."""
        unread = self.here.switch("den" if self.here.current_room == "lab" else "lab")
        self.show(unread.items)
        if not unread.complete:
            self.resume(unread.room, unread.after)

    def resume(self, room: str, after: int) -> None:
        """The server reads a room anew."""
        self.here.room_resumed(Joined(room, 1, "", (), len(self.logs[room])), after)
        self.sent[room] = after

    def come_back(self) -> None:
        """The connection breaks, and there is another one."""
        self.here.connection_lost()
        for room in self.logs:
            self.resume(room, self.here.rooms[room].position)


LOGS = st.lists(st.tuples(st.sampled_from("hab"), st.sampled_from("xy")), max_size=8)


@given(LOGS, LOGS, st.lists(st.sampled_from(("lab", "den", "ack", "switch", "break")), max_size=60))
def test_in_two_rooms_everything_is_shown_once_in_order(lab, den, steps):
    """The same in two rooms, with turning from one to the other at any time, and more unread than
    is kept."""
    stay = Stay({"lab": lab, "den": den})
    before, clientstate.UNREAD_KEPT = clientstate.UNREAD_KEPT, 2
    try:
        for what in [*steps, *["lab", "den", "ack"] * 20, *["switch", *["lab", "den"] * 10] * 2]:
            match what:
                case "ack":
                    stay.acknowledge()
                case "switch":
                    stay.switch()
                case "break":
                    stay.come_back()
                case room:
                    stay.entry(room)
    finally:
        clientstate.UNREAD_KEPT = before
    for room, log in stay.logs.items():
        others = [position for position, (who, _) in enumerate(log, 1) if who != "h"]
        assert stay.shown[room] == others
