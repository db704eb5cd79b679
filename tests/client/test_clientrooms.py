"""Several rooms at once, on a terminal: one is shown, the others are kept until the user turns to
them."""

import pytest

from chatservice.client.clientstate import UNREAD_KEPT
from tests.client.driving import untimed


@pytest.fixture
def net(server, wire):
    """Return a network in front of the server."""
    return wire(server)


@pytest.fixture
def client(net, connect, server, terminal):
    """Return anna's client on a terminal, in the lobby and in the lab, which is the current one."""
    client = terminal("anna", "127.0.0.1", str(net.port), "--room", "lab")
    client.see("* You are in lab, alone for now.")
    client.type("/join lobby")
    client.see("* You are in lobby, alone for now.")
    client.type("/join lab")
    client.see("* You are in lab.")
    return client


def test_unread_messages_are_shown_when_the_user_switches(server, connect, client):
    """Messages of another room are shown when the user turns to it. The user speaks in the shown
    room only."""
    bob, carl = connect(server, "bob"), connect(server)
    carl.send("carl", "/join lab")
    client.see("* carl came in")
    bob.send("one", "two")
    bob.send("/who lab")
    bob.expect("anna, carl")
    client.type("here")
    carl.expect("anna: here")
    client.type("/join lobby")
    client.see("* You are in lobby; 2 unread.")
    client.see("bob: two")
    rows = [untimed(row) for row in client.all_rows]
    at = rows.index("* You are in lobby; 2 unread.")
    assert rows[at + 1].startswith("-- 2 unread ---")
    assert rows[at + 2 : at + 4] == ["bob: one", "bob: two"]
    assert not any("bob" in row for row in rows[:at])
    client.type("there")
    bob.expect("anna: there")
    assert "anna: here" not in bob.seen


def test_more_unread_messages_than_are_kept(server, connect, client):
    """All are shown once and in order."""
    bob = connect(server, "bob")
    count = UNREAD_KEPT + 100
    bob.send(*(f"message {n}" for n in range(count)))
    bob.send("/who")
    bob.expect("* 2 in lobby")
    client.type("/who lobby")  # by then all that was said has come
    client.see("* 2 in lobby: anna, bob")
    client.type("/join 1")
    client.see_in(f"bob: message {count - 1}")
    said = [row.partition("bob: ")[2] for row in client.all_rows if "bob: " in row]
    assert said == [f"message {n}" for n in range(count)]
    bob.send("live")
    client.see("bob: live")


def test_switching_without_a_connection(server, connect, client, net):
    """Messages beyond the kept ones, and missed ones, arrive after the reconnection."""
    bob = connect(server, "bob")
    count = UNREAD_KEPT + 10
    bob.send(*(f"message {n}" for n in range(count)))
    bob.send("/who")
    bob.expect("* 2 in lobby")
    client.type("/who lobby")
    client.see("* 2 in lobby: anna, bob")
    net.down = True
    net.cut()
    client.see("* Connection lost; trying again.")
    client.press("\x10")  # Ctrl+P: the room before
    client.see_in(f"* You are in lobby; {count} unread.")
    bob.expect("* anna left")
    bob.send("missed", "/who")
    bob.expect("* 1 in")
    net.down = False
    client.see_in("bob: missed")
    said = [row.partition("bob: ")[2] for row in client.all_rows if "bob: " in row]
    assert said == [*(f"message {n}" for n in range(count)), "missed"]


def test_every_room_is_resumed(server, connect, client, net):
    """After a reconnect, missed messages of each room are shown once."""
    bob, carl = connect(server, "bob"), connect(server, "carl")
    carl.send("/join lab")
    client.see("* carl came in")
    bob.send("lobby before")
    carl.send("lab before")
    client.see("carl: lab before")
    net.down = True
    net.cut()
    client.see("* Connection lost; trying again.")
    carl.expect("* anna left")
    bob.send("lobby meanwhile", "/who")
    carl.send("lab meanwhile", "/who")
    bob.expect("* 1 in")
    carl.expect("* 1 in")
    net.down = False
    client.see_in("carl: lab meanwhile")
    client.type("/join lobby")
    client.see_in("bob: lobby meanwhile")
    said = [untimed(row) for row in client.all_rows]
    assert [row for row in said if row.startswith("carl: ")] == [
        "carl: lab before",
        "carl: lab meanwhile",
    ]
    assert [row for row in said if row.startswith("bob: ")] == [
        "bob: lobby before",
        "bob: lobby meanwhile",
    ]


def test_leaving_goes_back_to_the_previous_room(server, connect, client):
    """The user may leave a room in the background, too. After the last room the user is in the
    lobby."""
    bob = connect(server, "bob")
    client.type("/create den")
    client.see("* You are in den, alone for now.")
    client.type("/leave lobby")
    client.see("* You left lobby.")
    bob.expect("* anna left")
    client.type("/leave")
    client.until(lambda it: it.all_rows.count("* You are in lab.") == 2, "the lab again")
    client.type("/leave attic")
    client.see("! You are not in attic; join it first.")
    client.type("/leave")
    client.see("* You are in lobby with bob.")
    client.type("/leave")
    client.see_in("! You are in the lobby")


def test_a_removed_user_is_in_the_previous_room(server, connect, client):
    """The screen shows who did it, and nothing is said in a room that the user is not in."""
    owner = connect(server, "owner")
    owner.send("/create den")
    owner.expect("* You are in den")
    client.type("/join den")
    client.see("* You are in den with owner.")
    owner.send("/kick anna")
    client.see("* You are in lab now.")
    client.see_in("owner put anna out")
    client.type("/join den")
    there = "* You are in den with owner."
    client.until(lambda it: sum(there in row for row in it.all_rows) == 2, "the den again")


def test_a_room_that_refuses_after_a_reconnect(server, connect, client, net):
    """The client says why, and shows the room before."""
    owner = connect(server, "owner")
    owner.send("/create den")
    owner.expect("* You are in den")
    client.type("/join den")
    client.see("* You are in den with owner.")
    net.down = True
    net.cut()
    owner.expect("* anna left")
    owner.send("/access invited")
    owner.expect("*")
    net.down = False
    client.see("* You are in lab now.")
    client.type("/who")
    client.see("* 1 in lab: anna")
