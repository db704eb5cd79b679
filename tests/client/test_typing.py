"""Typing on a terminal: history, completion, pastes, several lines, other rooms."""

from chatservice import names
from tests.client.test_terminal import arrive


def test_own_talk_is_shown_as_others_see_it(server, connect, terminal):
    """The user's message gets its time and name when it is stored."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.type("hello all")
    bob.expect("anna: hello all")
    client.see("anna: hello all")
    client.type("/me waves")
    client.see("~ anna waves")
    client.type("@bob psst")
    client.see("anna -> bob: psst")
    assert not any("(waits)" in row for row in client.rows)


def test_lines_are_remembered_from_one_run_to_the_next(server, terminal):
    """The key Up brings them back, and Ctrl+R finds them; passwords are not among them."""
    client = arrive(terminal, server)
    client.type("the first line")
    client.see("anna: the first line")
    client.type("/create vault p4ss")
    client.see("* You are in vault, alone for now.")
    client.type("/who")
    client.see("* 1 in vault: anna")
    client.press("\x04")
    assert client.wait() == 0
    later = arrive(lambda *arguments: terminal(*arguments, again=client), server)
    later.press("\x1b[A")
    later.see_input("/who")
    later.press("\x1b[A")
    later.see_input("the first line")
    later.press("\x1b[B\x1b[B\x12wh\r")
    later.see_input("/who")


def test_tab_completes(server, connect, terminal):
    """Tab completes commands, rooms, users, files, paths and words; again, it takes the
    next one."""
    (server.files / "report.pdf").write_bytes(b"x")
    connect(server, "boris")
    client = arrive(terminal, server)
    (client.folder / "document.txt").write_text("x")
    for typed, completed in (
        ("/joi", "/join"),
        ("/join la", "/join lab"),
        ("/get rep", "/get report.pdf"),
        ("/msg bo", "/msg boris"),
        ("bo", "boris:"),
        ("/put doc", "/put document.txt"),
        ("/access inv", "/access invited"),
        ("/help ke", "/help keys"),
    ):
        client.press(typed + "\t")
        client.see_input(completed)
        client.press("\x15")
        client.see_input("")
    client.press("/to\t")
    client.until(lambda it: any("topic" in row for row in it.rows), "what there is")
    client.press("\t")
    client.see_input("/token")
    client.press("\t\t")
    client.see_input("/topic")


def test_help_fits_the_screen(server, terminal):
    """All commands are seen at once; the keys have a help of their own."""
    client = arrive(terminal, server)
    client.type("/help")
    client.see_in("/help COMMAND explains one of them")
    shown = "\n".join(client.rows)
    assert all(f"/{name}" in shown for name in ("join", "say", "put", "quit"))
    client.type("/help keys")
    client.see_in("Tab completes")
    client.type("/help join")
    client.see_in("/join ROOM [PASSWORD] - joins a room and stays")


def test_several_lines_that_are_pasted_are_one_message(server, connect, terminal):
    """The client asks first; the half-typed line is part of the message. Nothing is
    sent by itself."""
    bob = connect(server)
    bob.ask(do="hello", name="bob")
    bob.event("ok")
    bob.ask(do="join", room="lobby")
    bob.event("ok")
    client = arrive(terminal, server)
    client.press("look: ")
    client.paste("def f():\n    return 1\n")
    client.see_in("Say these 2 lines as one message?")
    client.press("x")  # is no answer
    client.press("y")
    assert bob.event("message")["text"] == "look: def f():\n    return 1"
    client.see("anna: look: def f():")
    client.see_in("|     return 1")
    client.paste("/usr\n* not a command\n")
    client.see_in("Say these 2 lines")
    client.press("\r")
    assert bob.event("message")["text"] == "/usr\n* not a command"


def test_a_paste_can_be_dropped_or_edited(server, connect, terminal):
    """`n` restores the half-typed line; `e` keeps the whole paste in the line for editing."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.press("half")
    client.paste("one\ntwo")
    client.see_in("Say these 2 lines")
    client.press("n")
    client.see_input("half")
    client.press("\x15")
    client.paste("one\ntwo")
    client.see_in("Say these 2 lines")
    client.press("e")
    client.until(lambda it: not any("Say these" in row for row in it.rows), "the decision")
    client.press("!\r")
    assert bob.expect("anna: ") == "anna: one"
    assert bob.line() == "anna: two!"


def test_one_line_that_is_pasted_is_as_if_typed(server, connect, terminal):
    """Even with a newline at its end, it is sent only by Enter."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.paste("pasted\n")
    client.see_input("pasted")
    client.type(" and said")
    assert bob.expect("anna: ") == "anna: pasted and said"


def test_a_paste_that_no_message_holds_is_refused(server, terminal):
    """The refusal says what to do instead. The half-typed line stays."""
    client = arrive(terminal, server)
    client.press("half")
    client.paste("1" * names.LINE_BYTES + "\n2")
    client.see_in("put it into a file")
    client.see_input("half")


def test_a_paste_of_too_many_lines_is_refused(server, connect, terminal):
    """It is refused without a question, and the half-typed line stays. The most lines allowed are
    sent."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    client.press("half")
    client.paste("x\n" * (names.TEXT_LINES + 1))
    client.see_in(f"at most {names.TEXT_LINES} lines, not {names.TEXT_LINES + 1}")
    client.see_input("half")
    client.paste("\n" * (names.TEXT_LINES - 1) + "last")
    client.see_in(f"Say these {names.TEXT_LINES} lines")
    client.press("\r")
    bob.expect("anna: last")


def test_alt_enter_begins_a_line_of_the_same_message(server, connect, terminal):
    """A message of several lines can be typed."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.press("one\x1b\rtwo")
    client.until(lambda it: it.bottom == "  two", "the second line")
    client.press("\r")
    assert bob.expect("anna: ") == "anna: one"
    assert bob.line() == "anna: two"


def test_keys_turn_to_other_rooms(server, connect, terminal):
    """The bottom row counts unread messages and marks mentions. Turning to the room shows them
    below a mark."""
    bob, carl = connect(server, "bob"), connect(server, "carl")
    client = arrive(terminal, server)
    client.type("/join lab")
    client.see("* You are in lab, alone for now.")
    bob.expect("* anna came in")
    bob.send("one")
    client.see_in("Alt+1 lobby(1)")
    carl.send("hello anna")
    client.see_in("Alt+1 lobby(2!)")
    assert not any("bob: one" in row for row in client.all_rows)
    client.press("half")
    client.press("\x0e")  # Ctrl+N
    client.see_in("-- 2 unread ---")
    client.see("bob: one")
    client.see("carl: hello anna")
    client.until(
        lambda it: any("Alt+1 lobby Alt+2 lab" in row for row in it.rows), "nothing unread"
    )
    client.see_input("half")
    client.press("\x1b2")  # Alt+2
    client.until(lambda it: sum("You are in lab" in row for row in it.all_rows) == 2, "the lab")
    bob.send("two")
    client.see_in("Alt+1 lobby(1)")
    client.press("\x1ba")  # Alt+A
    client.see("bob: two")
    client.press("\x10")  # Ctrl+P
    client.until(lambda it: sum("You are in lab" in row for row in it.all_rows) == 3, "the lab")
    client.see_input("half")
