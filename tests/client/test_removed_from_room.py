"""Users who are put out do not come back by themselves, and are told why."""

import pytest

from chatservice.client.clientoptions import ExitStatus
from tests.servers import RawAdminClient

LAB = ("--room", "lab")


@pytest.fixture
def operator(server):
    """Return the server's operator, in the lab."""
    client = RawAdminClient(server)
    client.send("/join lab")
    client.expect("* You are in lab")
    yield client
    client.close()


def test_removed_from_the_server(server, operator, piped):
    """A client in a pipe ends, says why, and does not try again."""
    client = piped(server, "anna")
    client.expect("You are in lobby")
    operator.send("/leave", "/kick anna too loud")
    client.expect(r"^! operator has put you off this server: too loud$")
    assert client.wait() == ExitStatus.REFUSED
    assert not [line for line in client.shown if "again" in line]
    operator.send("/who")
    operator.expect("* 1 in lobby: operator")


def test_removed_from_the_server_on_a_terminal(server, operator, terminal):
    """The client ends, and the reason is the last line on the screen."""
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lobby")
    client.see_in("You are in lobby")
    operator.send("/leave", "/ban anna 1h spam")
    assert client.wait() == ExitStatus.REFUSED
    assert "! operator has put you off this server: spam" in client.all_rows


def test_following_ends_with_an_error(server, operator, piped):
    """The status and the sentence tell a script that nothing more comes."""
    operator.send("/leave")
    operator.expect("* You are in lobby")
    client = piped(server, "bot", "--room", "lobby", "--follow")
    operator.expect("bot came in")
    operator.send("/kick bot not now")
    client.expect(r"^chat-client: operator has put you off this server: not now$")
    assert client.wait() == ExitStatus.REFUSED


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("/kick bot too loud", "operator put bot out: too loud"),
        ("/ban bot 1h spam", "operator banned bot for 60 min: spam"),
        ("/ban 127.0.0.0/8 1h spam", "You are out of lab, because of operator: spam"),
        ("/close", "You are out of lab, because of operator: it is closed"),
    ],
)
def test_following_ends_at_a_removal(server, operator, piped, deed, why):
    """A moderator may remove by name, by address, or everybody."""
    client = piped(server, "bot", *LAB, "--follow")
    operator.expect("* bot came in")
    operator.send(deed)
    sentence = client.expect("^chat-client: ").string
    assert client.wait() == ExitStatus.REFUSED
    assert sentence.startswith("chat-client: You ")
    assert sentence.rstrip(".").endswith(why)


def test_a_removed_room(server, operator, terminal):
    """The client says so, because no other line names the user, and shows the previous room."""
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lobby")
    client.see_in("You are in lobby")
    client.type("/join lab")
    client.see_in("You are in lab")
    operator.expect("* anna came in")
    operator.send("/close")
    client.see("! You are out of lab, because of operator: it is closed.")
    client.see("* You are in lobby now.")
    client.type("hello")
    client.see("anna: hello")


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("/kick anna too loud", "operator put anna out: too loud"),
        ("/ban anna 1h spam", "operator banned anna for 60 min: spam"),
    ],
)
def test_removed_from_a_room_in_the_background(server, operator, terminal, deed, why):
    """The client says so, because otherwise the room would only vanish from the last row."""
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lab")
    client.see_in("You are in lab")
    operator.expect("* anna came in")
    client.type("/join lobby")
    client.see_in("You are in lobby")
    operator.send(deed)
    client.see(f"! You were put out of lab: {why}.")
    client.type("hello")
    client.see("anna: hello")


def test_a_stopped_server_is_waited_for(server, connect, piped):
    """A stop is not final."""
    client = piped(server, "anna")
    client.expect("You are in lobby")
    server.stop()
    client.expect("Connection lost; trying again")
    server.start()
    client.expect("Connected again")
    assert client.finish("/quit")
    assert client.wait() == 0


def test_the_reason_for_programs(server, operator, connect):
    """It is in `end` of the last notice, and in the event `out`."""
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lab")
    bot.ask(do="join", room="lobby")
    operator.expect("* bot came in")
    operator.send("/kick bot hush")
    out = bot.event("out")
    assert (out["room"], out["from"], out["what"], out["text"]) == (
        *("lab", "operator", "kick", "hush"),
    )
    operator.send("/leave", "/kick bot")
    assert bot.event("notice") == {
        "event": "notice",
        "end": "put-out",
        "text": "operator has put you off this server.",
    }
