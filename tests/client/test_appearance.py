"""The look of the client: other terminals and sizes, bad networks, all scripts."""

import pytest

from tests.client.driving import untimed
from tests.client.test_terminal import arrive

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"


def test_it_can_be_resized_in_the_middle_of_typing(server, connect, terminal):
    """On a narrower and a wider terminal, the half-typed line stays, and new rows fit."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.press("half a line that does not end")
    client.see_input("half a line that does not end")
    client.resize(20, 24)
    client.until(lambda it: it.bottom.endswith("not end"), "the line in two rows")
    bob.send("some words that are too many for one row of this terminal")
    client.see_in("terminal")
    assert all(len(row) <= 24 for row in client.rows)
    client.resize(24, 80)
    client.see_input("half a line that does not end")
    client.type("s")
    assert bob.expect("anna: ") == "anna: half a line that does not ends"


def test_forty_columns_are_enough(server, connect, terminal, wire):
    """Questions, talk, help, transfers and pastes work in 40 columns, the width of a phone."""
    (server.files / "a long name of a report.pdf").write_bytes(bytes(20_000_000))
    bob = connect(server, "bob")
    net = wire(server)
    client = terminal("anna", "127.0.0.1", str(net.port), size=(24, 40))
    client.see_in("(its name")
    client.type("")
    client.see_in("What you type is said to everybody")
    bob.send("a message of some length that has to be broken twice, or at least once")
    client.see_in("once")
    client.type("/help")
    client.see_in("/quit")
    client.see_in("/help keys")
    net.bytes_a_second = 2_000_000
    client.type("/get a long name of a report.pdf")
    client.until(lambda it: any("%" in row and "MB/s" in row for row in it.rows), "a bar")
    net.bytes_a_second = None
    client.see_in("checked.")
    client.paste("one\ntwo\n")
    client.see_in("edit first")
    client.press("n")
    words = [untimed(row).strip() for row in client.all_rows]
    assert all(len(row) <= 40 for row in client.all_rows)
    assert any(row.startswith("bob: a message of some length") for row in words)


def test_names_have_colours_and_mentions_stand_out(server, connect, terminal):
    """Two names have two colours; the user's own name is reversed, and with `--bell` the bell
    rings."""
    bob, carl = connect(server, "bob"), connect(server, "carl")
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lobby", "--bell")
    client.see("* You are in lobby with bob, carl.")
    bob.send("first")
    client.see("bob: first")
    assert client.rung == 0
    carl.send("second, anna")
    client.see("carl: second, anna")
    client.until(lambda it: it.rung == 1, "the bell")
    bobs, carls = (client.style_of(who, f"{who}: ").split()[0] for who in ("bob", "carl"))
    assert "default" not in (bobs, carls)
    assert bobs != carls
    assert "bold" in client.style_of("second", "carl: second")
    assert "reverse" in client.style_of("anna", "carl: second")


@pytest.mark.parametrize(
    "variables", [{"TERM": "vt100"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}]
)
def test_without_colours_nothing_is_missing(server, connect, terminal, variables):
    """Without colours, names, mentions and the line of input are complete."""
    bob = connect(server, "bob")
    client = arrive(lambda *arguments: terminal(*arguments, **variables), server)
    bob.expect("* anna came in")
    client.press("half")
    bob.send("hello anna")
    client.see("bob: hello anna")
    client.see_input("half")
    assert client.style_of("bob", "bob: hello").split()[0] == "default"
    assert "reverse" in client.style_of("anna", "bob: hello")


@pytest.mark.parametrize("term", ["linux", "screen", "tmux-256color"])
def test_other_terminals(server, connect, terminal, term):
    """It works on the Linux console, and inside screen and tmux."""
    bob = connect(server, "bob")
    client = arrive(lambda *arguments: terminal(*arguments, TERM=term), server)
    bob.expect("* anna came in")
    client.press("half")
    bob.send("hello")
    client.see("bob: hello")
    client.see_input("half")
    client.type(" a line")
    assert bob.expect("anna: ") == "anna: half a line"


def test_a_dumb_terminal_gets_plain_lines(server, connect, terminal):
    """A terminal that can only show lines gets no escape sequence."""
    bob = connect(server, "bob")
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lobby", TERM="dumb")
    client.see("* You are in lobby with bob.")
    bob.expect("* anna came in")
    bob.send("hello")
    client.see("bob: hello")
    client.type("hello bob")
    bob.expect("anna: hello bob")
    client.press("\x04")
    assert client.wait() == 0
    assert b"\x1b" not in client.received


def test_every_script_is_shown_without_breaking_the_line(server, connect, terminal):
    """Wide letters, combining accents, emoji and Hebrew wrap correctly; the half-typed line
    stays."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.press("half")
    for text, sign in (
        ("你好" * 60, "你好" * 15),
        ("\u00e9" * 100, "\u00e9" * 79),
        (f"{FAMILY} " * 40, "\U0001f468"),
        (f"{HEBREW} " * 30, f"{HEBREW} {HEBREW}"),
    ):
        bob.send(text.strip(), "the end")
        client.see("bob: the end")
        assert any(sign in row for row in client.rows), sign
        client.see_input("half")
        client.press("\x0c")  # Ctrl+L: a clear screen
        client.until(lambda it: it.rows[0] == "> half", "a clear screen")


def test_typing_is_fast_on_a_slow_network(server, connect, terminal, wire):
    """While nothing gets through, keys appear at once, and a text is marked as waiting."""
    bob = connect(server, "bob")
    net = wire(server)
    client = arrive(terminal, net)
    bob.expect("* anna came in")
    net.bytes_a_second = 20_000
    bob.send(*(f"message {n}" for n in range(100)))
    client.press("typed")
    client.see_input("typed")
    client.see("bob: message 99")
    net.through.clear()
    client.press(" and said\r")
    client.see_in("(waits) typed and said")
    bob.expect("anna: typed and said")
    client.press("more")
    client.see_input("more")
    assert any("(waits)" in row for row in client.rows)
    net.through.set()
    client.see("anna: typed and said")
    client.until(lambda it: not any("(waits)" in row for row in it.rows), "nothing that waits")
    client.see_input("more")


def test_talk_during_an_outage_is_marked_and_sent_later(server, connect, terminal, wire):
    """The client tells of the outage; the half-typed line stays; after it, each text is sent
    once."""
    bob = connect(server, "bob")
    net = wire(server)
    client = arrive(terminal, net)
    bob.expect("* anna came in")
    client.press("half")
    net.down = True
    net.cut()
    client.see("* Connection lost; trying again.")
    client.see_in("offline, trying again")
    client.see_input("half")
    client.type(" said offline")
    client.see_in("(waits) half said offline")
    client.type("/who")
    client.press("more")
    client.see_input("more")
    bob.expect("* anna left")
    bob.send("said meanwhile", "/who")
    bob.expect("* 1 in lobby")
    net.down = False
    client.see("bob: said meanwhile")
    client.see("anna: half said offline")
    rows = [untimed(row) for row in client.all_rows]
    assert rows[rows.index("bob: said meanwhile") - 1].startswith("-- missed meanwhile ---")
    client.see("* 2 in lobby: anna, bob")
    client.until(lambda it: not any("(waits)" in row for row in it.rows), "nothing that waits")
    client.until(lambda it: not any("offline, trying" in row for row in it.rows), "the server")
    client.see_input("more")
    bob.expect("anna: half said offline")
    bob.send("/history")
    bob.expect("anna: half said offline")
    assert bob.seen.count("half said offline") == 2


@pytest.mark.long
def test_typing_works_beside_a_transfer_of_two_gibibytes(server, connect, terminal, wire):
    """During a download of 2 GiB, its bar moves, keys appear, and talk goes both ways."""
    with (server.files / "huge.bin").open("wb") as file:
        file.truncate(2 << 30)
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.type("/get huge.bin")
    client.until(lambda it: any("huge.bin [" in row for row in it.rows), "the bar")
    said = 0
    while not any("is saved as" in row for row in client.all_rows):
        client.press(f"line {said}")
        client.see_input(f"line {said}")
        client.press("\r")
        bob.expect(f"anna: line {said}")
        bob.send(f"answer {said}")
        client.see(f"bob: answer {said}")
        said += 1
    assert said > 3
    assert (client.folder / "anna" / "huge.bin").stat().st_size == 2 << 30
