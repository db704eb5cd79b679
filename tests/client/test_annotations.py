"""Replies, edits, reactions and pins in `chat-client`."""

import pytest

from tests.client.driving import untimed


@pytest.fixture
def bob(server, connect):
    """Return bob, who owns the room studio."""
    bob = connect(server, "bob")
    bob.send("/create studio", "is it green?")
    bob.expect("You are in studio")
    return bob


def test_on_a_terminal(server, bob, terminal):
    """The user's own are shown once, as others see them; the history tells the state."""
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "studio")
    client.see("* You are in studio with bob.")
    client.type("/reply #1 yse")
    bob.expect('anna (to bob #1 "is it green?"): yse')
    client.type("/edit yes")
    client.see("anna (edited #2): yes")
    bob.expect("anna (edited #2): yes")
    client.type("/react #1 +1")
    client.see('* anna: +1 on #1 "is it green?"')
    bob.send("/pin #1", "/react #2 +1")
    client.see('* bob pinned #1 "is it green?"')
    client.see('* bob: +1 on #2 "yes"')
    client.type("/history")
    client.see("#1 bob: is it green?")
    client.see_in("* pinned, +1 1 (anna)")
    client.see('#2 anna (to bob #1 "is it green?", edited): yes')
    client.type("/edit #1 no")
    client.see("! #1 is not yours: you can edit what you said last, or what you said under your")
    rows = [untimed(row) for row in client.all_rows]
    assert rows.count("anna (edited #2): yes") == 1
    assert rows.count('* anna: +1 on #1 "is it green?"') == 1


def test_in_a_pipe(server, bob, piped):
    """Lines are those of the text format."""
    client = piped(server, "anna", "--room", "studio")
    client.type("/reply #1 yes", "/react #1 +1", "/react #1 +1")
    bob.expect('anna (to bob #1 "is it green?"): yes')
    bob.expect("+1 taken off")
    bob.send("/edit is it red?", "/reply #2 good")
    client.expect(r"^bob \(edited #1\): is it red\?$")
    client.expect(r'^bob \(to anna #2 "yes"\): good$')


def test_an_older_server(hostile, piped):
    """A refusal of a command that it does not know is shown."""
    refused = {"event": "error", "code": "unknown-command", "message": "No."}
    server = hostile(react=refused, edit=refused)
    client = piped(server, "anna")
    server.wait_for("join")
    client.type("/react #1 +1", "/edit #1 x")
    client.expect("^! No")
    client.expect("^! No")
