"""Erased lines go from the screens that show it."""

import pytest


@pytest.mark.parametrize("size", [(24, 80), (12, 40)])
def test_an_erased_line_is_seen_no_more(server, connect, terminal, size):
    """Erased lines of others, the user's own and those in a history disappear; others stay in
    place."""
    bob = connect(server, "bob")
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lobby", size=size)
    client.see_in("* You are in lobby")
    bob.expect("* anna came in")
    bob.send("my secret")
    client.see("bob: my secret")
    client.type("a slip of mine")
    bob.expect("anna: a slip")
    client.see("anna: a slip of mine")
    client.type("/history")
    client.until(lambda it: sum("my secret" in row for row in it.rows) == 2, "the history")
    client.press("half")
    bob.send("/erase #1")
    client.see_in("what bob said was erased")
    client.until(lambda it: not any("my secret" in row for row in it.rows), "no secret")
    client.press("\x15/erase #2\r")
    client.until(
        lambda it: sum("what anna said was erased" in row for row in it.rows) >= 1, "the mark"
    )
    bob.send("and so on")
    client.see("bob: and so on")
    assert sum("You are in lobby" in row for row in client.all_rows) >= 1
    assert client.bottom.startswith(">")
    client.type("bye")
    client.wait()


def test_entries_erased_before_they_were_read_are_not_shown(server, connect, terminal):
    """An erased entry of another room is not shown when the user switches to that room."""
    bob = connect(server, "bob")
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lobby")
    client.see_in("* You are in lobby")
    client.type("/join lab")
    client.see_in("* You are in lab")
    bob.send("something else", "my secret")
    client.see_in("lobby(2)")
    bob.send("/erase")
    client.see_in("lobby(3)")
    client.press("\x1b1")
    client.see("bob: something else")
    client.see_in("what bob said was erased")
    assert not any("secret" in row for row in client.all_rows)
