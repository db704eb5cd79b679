"""Sentences that begin as commands without a slash do: what they did not do can be said, and what
they did can be undone."""

import pytest

from tests.client.driving import Piped

SENTENCES = {
    "join us": "There is no room us",
    "-goto work": "There is no room work",
    "@5pm then": "Nobody called 5pm is here",
    "-pr campaign launch": "Nobody called campaign is here",
    "download the file from the web": "There is no file the file from the web",
    "create 7": "add a letter",
    "create lab": "There is a room lab already",
    "join": "ROOM is missing: /join ROOM",
    "./notes.txt": "chat-client sends one whose path you type",
    "-file C:\\docs\\report.pdf": "chat-client sends one whose path you type",
}
"""Lines that count as commands, and why they are refused."""

TALK = [
    *("create beauty contest tomorrow", "NEW ideas are welcome", "join us tomorrow", "bye all"),
    *("transfer the money", "transfer money", "help me", "quit it", "exit here", "downloads"),
    *("@ home", "download", "created", "joined up", "access server files now", "list server"),
]
"""Lines that are said as they stand."""


@pytest.fixture
def reader(server, connect):
    """Return somebody who reads in the lobby."""
    bare = connect(server, "reader")
    bare.send("/who")
    bare.expect("in lobby")
    return bare


@pytest.mark.parametrize(("line", "why"), SENTENCES.items(), ids=SENTENCES)
def test_what_a_bare_word_did_not_do_can_be_said(server, reader, connect, line, why):
    """The refusal says how; nothing is made, and nothing said meanwhile."""
    eve = connect(server, "eve")
    eve.send(line)
    refusal = eve.line()
    assert refusal.startswith("! ")
    assert why in refusal
    assert refusal.endswith(f". To say it: /say {line}")
    eve.send(refusal.partition("To say it: ")[2])
    assert reader.expect("eve: ") == f"eve: {line}"
    eve.send("/rooms", "/topic")
    eve.expect("no topic")
    assert [it.split()[2] for it in eve.seen.splitlines()[-3:-1]] == ["lobby", "lab"]


def test_a_long_line_is_not_told_again(server, connect):
    """But how to say it is; a command with its slash is no sentence."""
    eve = connect(server, "eve")
    eve.send("@nobody " + "x" * 200, "/msg nobody hi")
    assert eve.line().endswith(" To say it: put /say before it")
    assert "say" not in eve.line()


@pytest.mark.parametrize("line", TALK)
def test_what_has_not_the_shape_of_a_command_is_said(server, reader, connect, line):
    """A line that only begins as a command does is no command."""
    connect(server, "eve").send(line)
    assert reader.expect("eve: ") == f"eve: {line}"


def test_a_room_that_was_not_meant(server, reader, connect):
    """`create` and a word makes a room, as ever; the answer says how to undo it, and how to say it.
    That is not said where there is nothing to be said: alone, and with a slash."""
    eve = connect(server, "eve")
    eve.send("create beauty")
    eve.expect("* It is room number ")
    hint = "* That made a room. To say it instead: /leave, and then /say create beauty"
    assert eve.expect("That made a room") == hint
    eve.send("/leave", "/say create beauty")
    assert reader.expect("eve: ") == "eve: create beauty"
    eve.send("NEW", "/create other", "/exit", "exit")
    assert eve.rest().decode().count("That made a room") == 0


def test_the_client_tells_it_too(server, reader, tmp_path):
    """Behind each line, as the server does."""
    client = Piped(tmp_path / "client", "eve", "127.0.0.1", str(server.port), "--room", "lobby")
    client.expect("in lobby")
    for line, why in SENTENCES.items():
        if "path" in why:
            why = "There is no file"
        client.type(line)
        refusal = client.expect(f"^! .*{why}").string
        assert refusal.endswith(f". To say it: /say {line}")
    client.type("transfer the money")
    client.expect(r"^! There is no file the money .*\. To say it: /say transfer the money$")
    client.kill()


def test_hello_at_the_question_for_a_room(server, connect, tmp_path):
    """It is no room: how to say it is told; so is how many rooms there are, when they are many, and
    the question stays in sight."""
    maker = connect(server)
    maker.ask(do="hello", name="maker")
    for number in range(18):
        maker.ask(do="create", room=f"den{number}", id=number)
        maker.expect(f'"id":{number},')
    client = Piped(tmp_path / "client")
    client.type("eve", "127.0.0.1", str(server.port))
    client.expect("^Room")
    listed = [line for line in client.output.lines if "here)" in line]
    assert len(listed) == 12
    assert any("and 8 more; /rooms lists all of them." in line for line in client.output.lines)
    client.type("hi")
    assert client.expect("^! There is no room hi").string.endswith(" To say it: /say hi")
    client.expect("^Room")
    client.type("/say hi")
    maker.ask(do="history", room="lobby", id="then")
    client.kill()
