"""The client's state, without I/O, against every order of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.client import clientstate
from chatservice.client.clientstate import UNREAD_KEPT, ClientState, Incoming, mentions
from chatservice.entries import Entry, Kind, Quote
from chatservice.events import Notice, UserJoined
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request
from chatservice.replies import Joined, Welcome


def message(who: str, text: str) -> Entry:
    """Return a message."""
    return Entry(Kind.MESSAGE, 0, who, text)


def in_room(room: str = "lab", seq: int = 0) -> ClientState:
    """Return the state of anna's client, in a room with `seq` entries."""
    state = ClientState()
    state.logged_in(Welcome("anna", False, "token", 0))
    state.room_joined(Joined(room, 1, "", (), seq))
    return state


def say(state: ClientState, text: str) -> str:
    """Say something and return its key."""
    return state.say(Request(COMMANDS["say"], {"room": state.current_room, "text": text}))[0]


def texts(items: list[Incoming]) -> list[str]:
    """Return the texts of entries."""
    return [each.item.text for each in items if isinstance(each.item, Entry)]


def test_own_texts_are_not_shown():
    """The entry may come before its acknowledgement or after it."""
    state = in_room()
    key = say(state, "one")
    assert state.entry_received(1, message("anna", "one"), "lab") == []
    assert state.stored(key, 1) == []
    key = say(state, "two")
    assert state.stored(key, 2) == []
    assert state.entry_received(2, message("anna", "two"), "lab") == []
    assert state.rooms[state.current_room].position == 2


def test_another_client_of_the_user_is_shown():
    """Messages of the same user on another connection are shown, even with the same text."""
    state = in_room()
    assert texts(state.entry_received(1, message("anna", "from the other place"), "lab")) == [
        "from the other place"
    ]
    key = say(state, "same")
    assert state.entry_received(2, message("anna", "same"), "lab") == []
    assert texts(state.entry_received(3, message("bob", "behind it"), "lab")) == []
    assert state.entry_received(4, message("anna", "same"), "lab") == []
    assert texts(state.stored(key, 4)) == ["same", "behind it"]


def test_a_refused_text_holds_nothing_back():
    """A refusal also settles that an entry is not the user's own."""
    state = in_room()
    key = say(state, "same")
    state.entry_received(1, message("anna", "same"), "lab")
    assert texts(state.refused(key)) == ["same"]


def test_held_back_entries_come_again_after_a_reconnect():
    """A held entry was not shown, so the position stays before it."""
    state = in_room(seq=7)
    say(state, "one")
    state.entry_received(8, message("anna", "one"), "lab")
    state.connection_lost()
    assert state.rooms[state.current_room].position == 7
    assert len(state.unacknowledged) == 1


def test_nothing_is_shown_twice():
    """An entry at or before the position was shown."""
    state = in_room()
    assert texts(state.entry_received(3, message("bob", "hi"), "lab")) == ["hi"]
    assert state.entry_received(3, message("bob", "hi"), "lab") == []
    assert state.entry_received(2, message("bob", "older"), "lab") == []


def test_entries_from_before_the_join_are_late():
    """Missed messages carry their time, and live ones do not."""
    state = in_room(seq=3)
    state.room_resumed(Joined("lab", 1, "", (), 5), after=3)
    assert [n.late for n in state.entry_received(4, message("bob", "missed"), "lab")] == [True]
    assert [n.late for n in state.entry_received(6, message("bob", "live"), "lab")] == [False]


def test_a_shorter_log_is_read_from_its_end():
    """A server whose data was put back to an earlier state is not ignored for ever."""
    state = in_room(seq=100)
    state.room_resumed(Joined("lab", 1, "", (), 10), after=100)
    assert texts(state.entry_received(11, message("bob", "hi"), "lab")) == ["hi"]


def test_events_of_a_left_room_are_not_shown():
    """Events that were sent before the user left are dropped."""
    state = in_room("lab")
    state.room_joined(Joined("den", 2, "", (), 50))
    state.room_left("lab")
    assert state.entry_received(1, message("bob", "late"), "lab") == []
    assert state.event_received(UserJoined("lab", "carl")) == []
    assert len(state.event_received(UserJoined("den", "carl"))) == 1
    assert len(state.event_received(Notice("the end"))) == 1


def test_joining_a_joined_room_skips_nothing():
    """Entries that are on their way are shown."""
    state = in_room(seq=3)
    state.room_joined(Joined("lab", 1, "", (), 9))
    assert texts(state.entry_received(4, message("bob", "on its way"), "lab")) == ["on its way"]


def test_unread_entries_are_kept_until_the_user_switches():
    """Entries of others are counted; turning to the room shows all, in order and once."""
    state = in_room("lab", seq=7)
    state.room_joined(Joined("den", 2, "", (), 50))
    assert state.entry_received(8, message("bob", "one"), "lab") == []
    assert state.entry_received(9, message("anna", "from the other place"), "lab") == []
    assert state.entry_received(10, message("bob", "Anna, look"), "lab") == []
    assert state.event_received(UserJoined("lab", "carl")) == []
    assert texts(state.entry_received(51, message("bob", "here"), "den")) == ["here"]
    lab = state.rooms["lab"]
    assert (lab.unread, lab.mentioned, state.rooms["den"].unread) == (2, True, 0)
    unread = state.switch("lab")
    assert texts(list(unread.items)) == ["one", "from the other place", "Anna, look"]
    assert (unread.room, unread.after, unread.unread, unread.complete) == ("lab", 7, 2, True)
    assert (lab.unread, lab.mentioned) == (0, False)
    assert state.switch("lab").items == ()
    assert texts(state.entry_received(11, message("bob", "two"), "lab")) == ["two"]


def test_own_texts_are_not_unread():
    """The user switches to another room before the acknowledgement and the entry arrive."""
    state = in_room("lab")
    key = say(state, "one")
    state.room_joined(Joined("den", 2, "", (), 50))
    assert state.entry_received(1, message("anna", "one"), "lab") == []
    assert state.entry_received(2, message("bob", "two"), "lab") == []
    assert state.rooms["lab"].unread == 0
    assert state.stored(key, 1) == []
    assert state.rooms["lab"].unread == 1
    assert texts(list(state.switch("lab").items)) == ["two"]


def test_too_many_unread_entries_are_read_again():
    """Beyond a bound no entry is kept, and the position goes back to the first unread one."""
    state = in_room("lab", seq=7)
    state.room_joined(Joined("den", 2, "", (), 50))
    last = 8 + UNREAD_KEPT
    for position in range(8, last + 1):
        state.entry_received(position, message("bob", str(position)), "lab")
    assert state.rooms["lab"].unread == UNREAD_KEPT + 1
    unread = state.switch("lab")
    assert (unread.items, unread.complete, unread.unread) == ((), False, UNREAD_KEPT + 1)
    state.room_resumed(Joined("lab", 1, "", (), last), unread.after)
    again = [state.entry_received(n, message("bob", str(n)), "lab") for n in range(8, last + 1)]
    assert all(len(news) == 1 and news[0].late for news in again)


def test_unread_entries_outlive_a_connection():
    """Unread messages rooms, and later ones are added to them."""
    state = in_room("lab", seq=7)
    state.room_joined(Joined("den", 2, "", (), 50))
    state.entry_received(8, message("bob", "one"), "lab")
    state.connection_lost()
    assert state.entry_received(9, message("bob", "before one is there again"), "lab") == []
    state.room_resumed(Joined("lab", 1, "", (), 9), 8)
    state.entry_received(9, message("bob", "two"), "lab")
    assert texts(list(state.switch("lab").items)) == ["one", "two"]


def test_the_previous_room_follows_a_left_one():
    """It is the room that was current last, of those that are joined."""
    state = in_room("lab")
    state.room_joined(Joined("den", 2, "", (), 0))
    state.room_joined(Joined("attic", 3, "", (), 0))
    state.switch("lab")
    state.room_left("lab")
    assert (state.current_room, state.previous_room) == ("", "attic")
    state.room_left("attic")
    state.room_left("den")
    assert state.previous_room is None


def test_finding_a_room():
    """The name may be in any case, and the number works, too."""
    state = in_room("Lab")
    for called in ("Lab", "lab", "1"):
        assert state.find(called) is state.rooms["Lab"]
    assert state.find("den") is None


def test_a_program_gets_everything():
    """A program gets its own texts at once, and the entries of all rooms."""
    state = ClientState(echo=True)
    state.logged_in(Welcome("anna", False, "token", 0))
    state.room_joined(Joined("lab", 1, "", (), 0))
    state.room_joined(Joined("den", 2, "", (), 0))
    key = say(state, "mine")
    assert texts(state.entry_received(1, message("anna", "mine"), "den")) == ["mine"]
    assert state.stored(key, 1) == []
    assert texts(state.entry_received(1, message("bob", "elsewhere"), "lab")) == ["elsewhere"]


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
    state = in_room(seq=1000)
    private = Entry(Kind.PRIVATE, 0, "bob", "psst")
    assert texts(state.entry_received(1, private, "@")) == ["psst"]
    assert state.entry_received(1, private, "@") == []
    assert state.inbox_position == 1


def sent(text, to="bob"):
    """Return the copy of a private message of anna's."""
    return Entry(Kind.SENT, 0, "anna", text, to=to)


def test_own_private_messages_are_not_shown():
    """The copy may come before its acknowledgement or after it. One from another connection is
    shown, also with the same text, in its place."""
    state = in_room()

    def send(text):
        return state.say(Request(COMMANDS["msg"], {"to": "Bob", "text": text}))[0]

    key = send("one")
    assert state.entry_received(1, sent("one"), "@") == []
    assert state.stored(key, 1) == []
    key = send("two")
    assert state.stored(key, 2) == []
    assert state.entry_received(2, sent("two"), "@") == []
    key = send("three")
    assert texts(state.entry_received(3, sent("three", to="carl"), "@")) == ["three"]
    assert state.entry_received(4, sent("three"), "@") == []
    assert state.entry_received(5, Entry(Kind.PRIVATE, 0, "bob", "behind it"), "@") == []
    assert texts(state.entry_received(1, message("bob", "here"), "lab")) == ["here"]
    assert texts(state.stored(key, 6)) == ["three", "behind it"]
    assert state.entry_received(6, sent("three"), "@") == []
    assert state.inbox_position == 6


def test_private_messages_that_were_held_back_come_again():
    """A connection breaks before the acknowledgement: the next one sends the copy again."""
    state = in_room()
    key = state.say(Request(COMMANDS["msg"], {"to": "bob", "text": "one"}))[0]
    assert state.entry_received(1, sent("one"), "@") == []
    state.connection_lost()
    state.logged_in(Welcome("anna", False, "token", state.inbox_position))
    assert state.entry_received(1, sent("one"), "@") == []
    assert texts(state.refused(key)) == ["one"]
    assert state.inbox_position == 1


@given(
    st.lists(st.tuples(st.sampled_from("hab"), st.sampled_from("xy")), max_size=12),
    st.lists(st.sampled_from(("entry", "acknowledgement", "break")), max_size=40),
)
def test_entries_are_shown_once_and_in_order(said, steps):
    """The log has texts by anna here, anna elsewhere and bob. Acknowledgements come at any time, or
    are lost with the connection, which breaks anywhere. Texts from elsewhere are shown once and in
    order, and own ones never."""
    state, shown = in_room(), []
    keys = {n: say(state, text) for n, (who, text) in enumerate(said, 1) if who == "h"}
    seen, unacknowledged = 0, list(keys)
    for what in steps + ["entry"] * len(said) + ["acknowledgement"] * len(said):
        if what == "entry" and seen < len(said):
            seen += 1
            who, text = said[seen - 1]
            entry = message("bob" if who == "b" else "anna", text)
            shown += state.entry_received(seen, entry, "lab")
        elif what == "acknowledgement" and unacknowledged:
            n = unacknowledged.pop(0)
            shown += state.stored(keys[n], n)
        elif what == "break":
            state.connection_lost()
            seen = state.rooms[state.current_room].position
            state.room_resumed(Joined("lab", 1, "", (), len(said)), after=seen)
    assert [n.position for n in shown] == [n for n, (who, _) in enumerate(said, 1) if who != "h"]
    assert state.rooms[state.current_room].position == len(said)


class TwoRooms:
    """The state of anna's client in two rooms, and a server with `logs`: authors and texts of each
    room. `shown` has the positions that were shown."""

    def __init__(self, logs: dict[str, list[tuple[str, str]]]) -> None:
        self.state = in_room("lab")
        self.state.room_joined(Joined("den", 2, "", (), 0))
        self.logs = logs
        self.sent = dict.fromkeys(logs, 0)
        self.shown: dict[str, list[int]] = {room: [] for room in logs}
        self.unacknowledged = [
            (room, position, self.state.say(Request(COMMANDS["say"], {"room": room, "text": text})))
            for room, log in logs.items()
            for position, (who, text) in enumerate(log, 1)
            if who == "h"
        ]

    def show(self, items) -> None:
        """Note the positions that are shown."""
        for each in items:
            self.shown[each.log].append(each.position)

    def entry(self, room: str) -> None:
        """Send the next entry of a room."""
        if self.sent[room] < len(self.logs[room]):
            who, text = self.logs[room][self.sent[room]]
            self.sent[room] += 1
            entry = message("bob" if who == "b" else "anna", text)
            self.show(self.state.entry_received(self.sent[room], entry, room))

    def acknowledge(self) -> None:
        """Acknowledge the next text."""
        if self.unacknowledged:
            _, position, (key, _) = self.unacknowledged.pop(0)
            self.show(self.state.stored(key, position))

    def switch(self) -> None:
        """Switch to the other room."""
        unread = self.state.switch("den" if self.state.current_room == "lab" else "lab")
        self.show(unread.items)
        if not unread.complete:
            self.resume(unread.room, unread.after)

    def resume(self, room: str, after: int) -> None:
        """Send a room again from behind a position."""
        self.state.room_resumed(Joined(room, 1, "", (), len(self.logs[room])), after)
        self.sent[room] = after

    def reconnect(self) -> None:
        """Reconnect."""
        self.state.connection_lost()
        for room in self.logs:
            self.resume(room, self.state.rooms[room].position)


LOGS = st.lists(st.tuples(st.sampled_from("hab"), st.sampled_from("xy")), max_size=8)


@given(LOGS, LOGS, st.lists(st.sampled_from(("lab", "den", "ack", "switch", "break")), max_size=60))
def test_entries_of_two_rooms_are_shown_once_and_in_order(lab, den, steps):
    """The user switches at any time, and there are more unread entries than are kept."""
    rooms = TwoRooms({"lab": lab, "den": den})
    before, clientstate.UNREAD_KEPT = clientstate.UNREAD_KEPT, 2
    try:
        for what in [*steps, *["lab", "den", "ack"] * 20, *["switch", *["lab", "den"] * 10] * 2]:
            match what:
                case "ack":
                    rooms.acknowledge()
                case "switch":
                    rooms.switch()
                case "break":
                    rooms.reconnect()
                case room:
                    rooms.entry(room)
    finally:
        clientstate.UNREAD_KEPT = before
    for room, log in rooms.logs.items():
        others = [position for position, (who, _) in enumerate(log, 1) if who != "h"]
        assert rooms.shown[room] == others


def test_an_erased_entry_is_gone_with_its_edits_and_quotes():
    """Of what waits in a room in the background, nothing shows its text. Other entries stay."""
    state = in_room("lab")
    state.room_joined(Joined("den", 2, "", (), 0))
    quote = Quote("bob", "secret")
    for position, entry in enumerate(
        [
            message("bob", "secret"),
            message("carl", "what?")._replace(about=1, quote=quote),
            Entry(Kind.EDIT, 0, "bob", "secrets", about=1),
            message("carl", "hello"),
            Entry(Kind.ERASED, 0, "bob", "1"),
        ],
        1,
    ):
        assert state.entry_received(position, entry, "lab") == []
    items = [each.item for each in state.switch("lab").items]
    assert [(it.kind, it.text) for it in items] == [
        *((Kind.GONE, ""), (Kind.MESSAGE, "what?"), (Kind.GONE, "")),
        *((Kind.MESSAGE, "hello"), (Kind.ERASED, "1")),
    ]
    assert items[1].quote is None
    assert items[2].is_annotation
