"""The full screen: a view for each room, with its own scrollback, lists and keys."""

import json
import re
import resource
import sys
from functools import partial

import pytest

from tests.client.driving import untimed

SIZES = [(12, 40), (24, 80), (50, 200)]


@pytest.fixture
def arrive(server, terminal):
    """Return a function that starts a client with a full screen in a room, on a terminal of a
    size."""

    def start(room="lab", size=(24, 80), where=server, **how):
        client = terminal(
            *("anna", "127.0.0.1", str(where.port), "--room", room), size=size, inline=False, **how
        )
        client.see_in(f"You are in {room}")
        client.see_input("")
        return client

    return start


def talk(client):
    """Return the rows of the talk, without their times and without the lists beside it."""
    rows = [row.split("│") for row in client.rows]
    return [untimed((row[1][1:] if len(row) > 1 else row[0]).rstrip()) for row in rows]


def shows(*rows):
    """Return whether the talk has these rows, in this order and together."""

    def seen(client):
        found = talk(client)
        return any(found[at : at + len(rows)] == list(rows) for at in range(len(found)))

    return seen


def first_shown(client):
    """Return the number of the first message on the screen."""
    found = re.search(r"message (\d+)", "\n".join(client.rows))
    return int(found[1]) if found else sys.maxsize


def lists(client):
    """Return whether the list of rooms and the list of users are there."""
    return client.rows[1].startswith(" 1 lab"), any(" here" in row for row in client.rows)


def speaker(connect, server, *rooms, name="bob"):
    """Return a bare connection that is in the last one of the rooms."""
    it = connect(server, name)
    for room in rooms:
        it.send(f"/join {room}")
        it.expect(f"* You are in {room}")
    return it


@pytest.mark.parametrize("size", SIZES)
def test_talk_is_above_the_line_of_input(server, connect, arrive, size):
    """New messages appear at the bottom of the talk, the line of input stays, and what one says is
    shown as others see it."""
    client = arrive(size=size)
    bob = speaker(connect, server, "lab")
    client.press("half a lin")
    for n in range(60):
        bob.send(f"message {n}")
    client.until(shows("bob: message 58", "bob: message 59"), "the last message")
    client.see_input("half a lin")
    client.type("e")
    bob.expect("anna: half a line")
    client.until(shows("bob: message 59", "anna: half a line"), "what was said")
    client.see_input("")
    assert all(len(row) <= size[1] for row in client.rows)


@pytest.mark.parametrize("size", SIZES)
def test_older_talk_is_read_from_the_server(server, connect, arrive, size):
    """PgUp and Home show what was said before one came; End shows the newest again, and what is
    typed stays."""
    bob = speaker(connect, server, "lab")
    bob.send(*(f"message {n}" for n in range(300)), "/who")
    bob.expect("* 1 in lab")
    client = arrive(size=size)
    client.until(shows("bob: message 298", "bob: message 299"), "the end of the history")
    client.press("\x1b[5~")  # PgUp
    client.see_in("more below")
    assert not any("message 299" in row for row in client.rows)
    while before := first_shown(client):
        client.press("\x1b[H")  # Home
        client.until(lambda it, top=before: first_shown(it) < top, "older talk")
    assert shows("bob: message 0", "bob: message 1")(client)
    client.press("typed")
    client.see_input("typed")
    client.press("\x15\x1b[F")  # Ctrl+U, End
    client.until(shows("bob: message 298", "bob: message 299"), "the end")
    assert not any("more below" in row for row in client.rows)


def test_each_room_has_its_own_view_and_line(server, connect, arrive):
    """Keys turn to other rooms. Each keeps its place, its half-typed line, and a mark where the
    unread talk begins."""
    client = arrive("lobby")
    client.type("/join lab")
    client.see_in("You are in lab")
    bob, carl = connect(server, "bob"), speaker(connect, server, "lab", name="carl")
    client.press("for the lab")
    bob.send("one", "hello anna")
    client.see_in("Alt+1 lobby(2!)")
    carl.send("in the lab")
    client.until(shows("carl: in the lab"), "the lab")
    assert not any("bob: one" in row for row in client.rows)
    client.press("\x1b1")  # Alt+1
    client.see_input("")
    client.until(shows("bob: one", "bob: hello anna"), "the lobby")
    assert any(row.startswith("-- unread ---") for row in client.rows)
    assert not any("carl: in the lab" in row for row in client.rows)
    client.press("for the lobby\x1b[1;3B")  # Alt+Down
    client.see_input("for the lab")
    client.until(shows("carl: in the lab"), "the lab")
    client.press("\x1b[1;3A")  # Alt+Up
    client.see_input("for the lobby")
    bob.send("three")
    client.until(shows("bob: hello anna", "bob: three"), "no mark, because all was read")


def test_lists_are_beside_the_talk_on_a_wide_terminal(server, connect, arrive):
    """The rooms are at the left with their unread counts, the users at the right; Alt+L hides and
    shows them."""
    bob = connect(server, "bob")
    client = arrive(size=(50, 200))
    client.type("/join lobby")
    client.see_in("You are in lobby")
    client.see_in("2 here")
    bob.send("/join lab")
    client.see_in("1 here")
    bob.send("hello anna")
    client.until(lambda it: any(row.startswith(" 1 lab") and "1!│" in row for row in it.rows), "1!")
    for there in ((True, False), (False, True), (False, False), (True, True)):
        client.press("\x1bl")
        client.until(lambda it: lists(it) == there, str(there))  # noqa: B023


def test_arrivals_are_one_row(server, connect, arrive):
    """Users who come and go after each other are counted in one row."""
    client = arrive()
    for name in ("bob", "carl", "dora"):
        connect(server, name).send("/join lab")
        client.see_in(name)
    client.until(shows("* +3 came: bob, carl, dora"), "one row")


def test_a_resized_terminal(server, connect, arrive):
    """Lists come and go with the width, and the half-typed line stays."""
    client = arrive()
    bob = speaker(connect, server, "lab")
    bob.send("some words that are too many for one row of a narrow terminal, which has forty")
    client.see_in("has forty")
    client.press("half")
    client.resize(12, 40)
    client.until(shows("  for one row of a narrow terminal,", "  which has forty"), "three rows")
    client.see_input("half")
    client.resize(50, 200)
    client.see_in("2 here")
    client.see_input("half")
    client.resize(24, 80)
    client.until(lambda it: not any("2 here" in row for row in it.rows), "no lists")
    client.see_input("half")


def test_the_line_of_input_may_have_several_rows(server, connect, arrive):
    """It grows and shrinks, and the talk makes room for it."""
    client = arrive()
    bob = speaker(connect, server, "lab")
    bob.send(*(f"message {n}" for n in range(40)))
    client.until(shows("bob: message 39"), "the talk")
    client.press("one\x1b\rtwo\x1b\rthree")
    client.until(lambda it: it.bottom == "  three", "three rows")
    client.until(lambda it: talk(it)[-5] == "bob: message 39", "the talk above them")
    client.press("\r")
    bob.expect("anna: three")
    client.see_input("")
    client.see("      | three")


def test_erased_lines_go(server, connect, arrive):
    """The row is replaced, wherever it is."""
    client = arrive()
    bob = speaker(connect, server, "lab")
    bob.send("my secret")
    client.until(shows("bob: my secret"), "the secret")
    client.type("and more")
    client.until(shows("bob: my secret", "anna: and more"), "both")
    bob.send("/erase #1")
    client.until(shows("* what bob said was erased", "anna: and more"), "the mark")


def test_links_lead_to_their_urls(server, connect, arrive):
    """A terminal that knows links gets them; a URL cannot end the sequence that it stands in."""
    client = arrive()
    bob = speaker(connect, server, "lab")
    bob.send("see https://example.org/a, not \x07https://evil.example/\x1b]8;;x")
    client.see_in("see https://example.org/a")
    assert b"\x1b]8;;https://example.org/a\x1b\\" in client.received
    assert b"\x1b]8;;x" not in client.received


def test_an_outage(server, connect, arrive, wire):
    """Texts wait above the line of input, are sent once, and what was missed is there: much talk,
    and edits and reactions in their places, each once."""
    net = wire(server)
    client = arrive(where=net)
    bob = speaker(connect, server, "lab")
    client.see_in("bob came in")
    bob.send("helo")
    client.see_in("bob: helo")
    net.down = True
    net.cut()
    client.see_in("offline, trying again")
    client.type("said offline")
    client.see_in("(waits) said offline")
    bob.expect("* anna left")
    bob.send("/edit hello", "/react #1 +1", *(f"talk {n}" for n in range(1100)), "said meanwhil")
    bob.send("/react #1104 ok", "/edit said meanwhile", "/topic")
    bob.expect("* lab has no topic")
    net.down = False
    client.until(shows("bob: talk 1099", "bob (edited): said meanwhile"), "what was missed")
    client.see_in("* ok 1 (bob)")
    bob.expect("anna: said offline")
    client.until(lambda it: not any("(waits)" in row for row in it.rows), "nothing that waits")
    client.see_in("anna: said offline")
    client.type("/go #1")
    client.until(shows("bob (edited): hello"), "the first message")
    client.see_in("* +1 1 (bob)")


def test_the_last_words_stay_on_the_screen(server, arrive):
    """After the end, the terminal shows the reason."""
    client = arrive()
    server.stop()
    client.see_in("trying again")
    client.press("\x03")
    assert client.wait() == 0
    assert b"\x1b[?1049l" in client.received
    assert client.received.count(b"\x1b[?1000h") == client.received.count(b"\x1b[?1000l") == 1


def test_questions_are_asked_on_it(server, terminal):
    """Name, server and room are asked for; passwords are hidden."""
    client = terminal(inline=False)
    client.see("Your name:")
    client.type("anna")
    client.see_question("Host [localhost]:")
    client.type("127.0.0.1")
    client.see_question("Port [5555]:")
    client.type(str(server.port))
    client.see_question("Room")
    client.type("lab")
    client.see_in("You are in lab")
    client.type("/register")
    client.see_question("Type a password")
    client.type("s3cret word")
    client.see_question("Type it once more:")
    client.type("s3cret word")
    client.see_in("anna is your name from now on")
    assert b"s3cret" not in client.received


def test_a_transfer_has_its_bar(server, arrive, wire):
    """The row is below the line of input, which can be used meanwhile."""
    net = wire(server)
    client = arrive(where=net)
    (client.folder / "big.bin").write_bytes(bytes(30_000_000))
    net.bytes_a_second = 20_000_000
    client.type("big.bin")
    client.until(lambda it: any("big.bin" in row and "%" in row for row in it.rows), "the bar")
    client.press("typing on")
    net.bytes_a_second = None
    client.see_in("big.bin (30.0 MB) is sent.")
    client.see_input("typing on")
    client.until(lambda it: not any("%" in row for row in it.rows), "no bar any more")


def test_the_wheel_scrolls_and_a_press_turns_to_a_room(server, connect, arrive):
    """The mouse is used where the terminal tells about it."""
    bob = speaker(connect, server, "lab")
    bob.send(*(f"message {n}" for n in range(100)), "/who")
    bob.expect("* 1 in lab")
    client = arrive(size=(30, 120))
    client.until(shows("bob: message 99"), "the end")
    client.press("\x1b[<64;50;10M" * 3)
    client.until(lambda it: not any("message 99" in row for row in it.rows), "older talk")
    client.press("\x1b[<65;50;10M" * 3)
    client.until(shows("bob: message 99"), "the end")
    client.type("/join lobby")
    client.see_in("You are in lobby")
    client.press("\x1b[<0;3;2M")
    client.until(shows("bob: message 99"), "the lab")


def test_a_message_is_selected_and_copied(server, connect, arrive):
    """Alt+S and the arrows select a message; `c` copies its text alone, in base64."""
    client = arrive()
    bob = speaker(connect, server, "lab")
    bob.send("first", "second", "third")
    client.until(shows("bob: third"), "the talk")
    client.press("\x1bs")
    client.until(lambda it: "reverse" in it.style_of("third", "bob: third"), "the third selected")
    client.press("\x1b[A")
    client.until(lambda it: "reverse" in it.style_of("second", "bob: second"), "the second")
    client.press("p")
    client.until(lambda it: it.rows[0] == "second", "the text alone")
    client.press("p")
    client.until(shows("bob: second", "bob: third"), "everything again")
    client.press("c")
    client.see_in("Copied")
    assert b"\x1b]52;c;c2Vjb25k\x1b\\" in client.received
    client.press("\x1bstyped")
    client.see_input("typed")
    assert "reverse" not in client.style_of("third", "bob: third")


def test_a_selected_message_is_erased(server, arrive):
    """`x` begins the command, and Enter runs it."""
    client = arrive()
    client.type("a slip")
    client.until(shows("anna: a slip"), "the slip")
    client.press("\x1bsx")
    client.see_input("/erase #1")
    client.press("\r")
    client.until(shows("* what anna said was erased"), "the mark")


def test_going_to_a_position_a_mention_and_back(server, connect, arrive):
    """The talk around it is read from the server, the entry is selected, and Ctrl+O returns."""
    bob = speaker(connect, server, "lab")
    bob.send(*(f"message {n}" for n in range(1, 200)), "good morning, anna")
    bob.send(*(f"message {n}" for n in range(201, 400)), "hello anna")
    bob.send(*(f"message {n}" for n in range(401, 2000)), "/who")
    bob.expect("* 1 in lab")
    client = arrive()
    client.until(shows("bob: message 1999"), "the end")
    client.type("/go #1000")
    client.until(shows("bob: message 999", "bob: message 1000"), "the position")
    assert "reverse" in client.style_of("message 1000", "bob: message 1000")
    client.press("\x1bm")
    client.until(shows("bob: message 399", "bob: hello anna"), "the mention")
    client.press("\x1bm")
    client.until(shows("bob: message 199", "bob: good morning, anna", "bob: message 201"), "before")
    client.press("\x0f")
    client.until(shows("bob: message 399", "bob: hello anna"), "the mention")
    client.press("\x0f")
    client.until(shows("bob: message 999", "bob: message 1000"), "where one was")
    client.press("\x0f")
    client.until(shows("bob: message 1999"), "the end")
    client.type("/go today")
    client.until(shows("bob: message 1"), "the beginning of the day")
    client.type("/go nowhere")
    client.see_in("Go where?")
    client.type("/go #99999999")
    client.see_in("There is no entry #99999999 here yet.")


def test_going_to_the_unread_and_to_other_rooms(server, connect, arrive):
    """Alt+U shows where the unread talk begins; a result of a search over all rooms is shown in its
    room. Ctrl+O returns, also to another room."""
    client = arrive("lobby")
    bob = connect(server, "bob")
    bob.send("a needle", *(f"hay {n}" for n in range(100)), "/join lab")
    bob.expect("* You are in lab")
    client.until(shows("bob: hay 99"), "the lobby")
    client.type("/join lab")
    client.see_in("You are in lab")
    client.press("\x1b1")
    client.until(shows("bob: hay 99"), "the lobby")
    bob.send("before it", *(f"message {n}" for n in range(100)))
    client.see_in("lab(101)")
    client.press("\x1b2")
    client.until(shows("bob: message 98", "bob: message 99"), "the newest")
    client.press("\x1bu")
    client.until(shows("bob: before it", "bob: message 0"), "what is unread")
    rows = talk(client)
    assert rows[rows.index("bob: before it") - 1].startswith("-- unread")
    client.press("\x0f")
    client.until(shows("bob: message 98", "bob: message 99"), "the newest again")
    client.type("/search all needle")
    client.see("* /go ROOM #N shows one in its place; Ctrl+O comes back.")
    client.type("/go lobby #1")
    client.until(shows("bob: a needle", "bob: hay 0"), "the lobby")
    assert client.rows[0].startswith(" lobby")
    client.press("\x0f")
    client.until(lambda it: it.rows[0].startswith(" lab"), "the lab")
    client.type("/go nowhere #1")
    client.see_in("You are not in that room")


def test_settings_change_the_look_and_stay(server, connect, terminal, arrive):
    """They are in the next run, too; a bad one is refused with those that there are."""
    client = arrive()
    client.type("/set")
    client.see_in("* lists auto: lists beside the talk")
    client.press("/set th\t")
    client.see_input("/set theme")
    client.press("da\t")
    client.see_input("/set theme dark")
    client.press("\r")
    client.see("* theme is dark.")
    client.type("/set time none")
    bob = speaker(connect, server, "lab")
    bob.send("hello")
    client.until(lambda it: "bob: hello" in it.rows, "no time")
    assert client.style_of("bob", "bob: hello").split()[0] != "default"
    client.type("/set theme pink")
    client.see_in("theme is one of terminal, dark, light; choose one.")
    client.type("/set color.server #ff0000 bold")
    client.see("* color.server is #ff0000 bold.")
    client.until(lambda it: it.style_of("*", "color.server is") == "ff0000 bold", "the colour")
    client.type("/set color.server reddish")
    client.see_in("reddish is no look; type a colour")
    client.type("/set colour red")
    client.see_in("There is no setting colour")
    client.type("/set hook /no/such/program")
    client.see("! There is no program /no/such/program; give its path.")
    client.type("/set hook false")
    client.see("* The hook has ended, with status 1.")
    client.type("/set hook -")
    client.see("* hook is not set.")
    client.press("\x04")
    assert client.wait() == 0
    again = arrive(again=client)
    bob.send("hello again")
    again.until(lambda it: "bob: hello again" in it.rows, "no time")
    assert again.style_of("*", "You are in") == "ff0000 bold"


def test_a_hook_gets_entries_as_lines_of_json(server, connect, arrive):
    """Those of others and the user's own, from all rooms; it ends with the client."""
    client = arrive()
    bob = speaker(connect, server, "lab")
    out = client.folder / "out"
    client.type(f"/set hook sh -c 'cat > {out}'")
    client.see_in("hook is sh -c")
    bob.send("for the hook")
    client.until(shows("bob: for the hook"), "what was said")
    client.type("mine")
    client.until(shows("anna: mine"), "what was said")
    client.press("\x04")
    assert client.wait() == 0
    entries = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(it["from"], it["text"], it["room"]) for it in entries] == [
        ("bob", "for the hook", "lab"),
        ("anna", "mine", "lab"),
    ]


def test_notifications_go_to_the_terminal(server, connect, arrive):
    """A mention rings, or sends the terminal's sequence."""
    client = arrive()
    bob = speaker(connect, server, "lab")
    client.type("/set notify osc777")
    client.see_in("notify is osc777")
    bob.send("hello anna")
    client.until(shows("bob: hello anna"), "the mention")
    assert b"\x1b]777;notify;bob in lab;bob: hello anna\x1b\\" in client.received


def test_who_is_typing(server, connect, arrive):
    """Others see it while one types talk, and one sees it of others until they say something. The
    row also tells that one is away."""
    client = arrive()
    bob = connect(server)
    bob.ask(do="hello", name="bob")
    bob.event("ok")
    bob.ask(do="join", room="lab")
    bob.event("ok")
    bob.ask(do="typing", room="lab", show=True)
    client.until(lambda it: it.rows[-1].endswith("bob is typing"), "that bob is typing")
    bob.ask(do="say", room="lab", text="done")
    client.until(shows("bob: done"), "what he said")
    client.until(lambda it: "typing" not in it.rows[-1], "that he is not")
    client.type("/away lunch")
    client.until(lambda it: it.rows[-1].startswith("anna (away)"), "that one is away")
    client.press("h")
    assert bob.event("typing")["from"] == "anna"


def test_edits_and_reactions_change_their_row(server, connect, arrive):
    """A message is shown with its newest text, and with a row of reactions and pins. `r`, `e` and
    `+` begin a reply, an edit and a reaction; the lines that they begin do not stay in the talk."""
    bob = connect(server, "bob")
    bob.send("/create studio")
    bob.expect("You are in studio")
    client = arrive("studio")
    bob.send("helo")
    client.until(shows("bob: helo"), "the text")
    client.type("mine")
    client.until(shows("bob: helo", "anna: mine"), "both")
    bob.send("/edit #1 hello")
    client.see_in("bob (edited): hello")
    assert not any("helo" in row for row in client.rows)
    client.press("\x1bs\x1b[A+")
    client.see_input("/react #1")
    client.press("+1\r")
    client.see_in("+1")
    client.until(lambda it: any("+1" in row and "anna" in row for row in talk(it)), "the row")
    client.press("\x1bsr")
    client.see_input("/reply #2")
    client.press("and more\r")
    client.until(shows('anna (to anna #2 "mine"): and more'), "the reply, as others see it")
    bob.send("/pin #2")
    client.until(shows("anna: mine", "      * pinned"), "the mark of the pin")
    bob.send("/unpin #2")
    client.until(shows("anna: mine", 'anna (to anna #2 "mine"): and more'), "no mark")
    client.press("\x15\x1b[A")  # Ctrl+U, Up
    client.see_input("/edit #5 and more")
    client.press("!\r")
    client.see_in('anna (to anna #2 "mine", edited): and more!')
    assert not any(row.startswith("> /") for row in talk(client))


def test_kept_rooms_are_there_from_the_start(server, connect, piped, arrive):
    """A registered user's rooms are joined by themselves, with what is unread in them."""
    piped(server, "anna").finish("/register sesame")
    bob = speaker(connect, server, "lab")

    come = partial(arrive, "lobby", CHAT_PASSWORD="sesame")
    client = come()
    client.type("/join lab")
    client.see_in("You are in lab")
    bob.expect("* anna came in")
    bob.send("before")
    client.until(shows("bob: before"), "what was read")
    client.press("\x1b1")
    client.until(lambda it: it.rows[0].startswith(" lobby"), "the lobby")
    client.press("\x04")
    assert client.wait() == 0
    bob.expect("* anna left")
    bob.send("one", "two for anna", "/who")
    bob.expect("lab: bob")
    again = come()
    again.see_in("lab(2!)")
    again.press("\x1b2")
    again.until(shows("bob: one", "bob: two for anna"), "what is unread")
    rows = talk(again)
    assert rows[rows.index("bob: one") - 1].startswith("-- unread")
    bob.send("/join lobby")
    bob.expect("* You are in lobby")
    bob.send("three", "/join lab")
    again.see_in("lobby(1)")
    again.type("/unread")
    again.see("* lobby: 1 unread")
    again.press("half\x1b1")
    again.until(lambda it: it.rows[0].startswith(" lobby"), "the lobby")
    again.type("/unread lab")
    again.until(lambda it: it.rows[0].startswith(" lab"), "the lab")
    assert again.bottom == "> half"
    again.press("\x15\x1b1")
    again.until(lambda it: it.rows[0].startswith(" lobby") and it.bottom == ">", "the lobby")
    again.press("\x1b2")
    again.until(lambda it: it.rows[0].startswith(" lab"), "the lab")
    again.type("/unread #3")
    again.see("* lab: 1 unread, 1 for you")
    rows = talk(again)
    assert rows[rows.index("bob: two for anna") - 1].startswith("-- unread")
    bob.send("/join lobby", "four")
    again.until(lambda it: "lobby(1)" in it.rows[-1], "what is unread in the lobby")
    phone = connect(server)
    phone.ask(do="hello", name="anna", password="sesame")
    phone.ask(do="read", room="lobby", position=2)
    again.until(lambda it: "lobby(" not in it.rows[-1], "what another device has read")
    phone.ask(do="away", text="lunch")
    again.until(lambda it: it.rows[-1].startswith("anna (away)"), "that another one is away")


@pytest.mark.parametrize("size", [SIZES[0], SIZES[-1]])
def test_coming_back_after_an_hour_of_talk_in_five_rooms(start_server, connect, terminal, size):
    """All of them are there with what is unread. Alt+A turns to those with a mention first, and
    Alt+U to where the unread talk begins."""
    rooms = [f"r{n}" for n in range(1, 6)]
    server = start_server(*(f"--room={room}" for room in rooms))
    bob, anna = connect(server, "bob"), connect(server, "anna")
    for room in rooms:
        bob.send(f"/join {room}", "good morning", "/who")
        bob.expect(f"1 in {room}: bob")
    anna.send("/register sesame", *(f"/join {room}" for room in rooms))
    anna.expect("* You are in r5")
    anna.expect("bob: good morning")
    anna.close()
    for n, room in enumerate(rooms, 1):
        bob.send(f"/join {room}", *(f"{room} message {k}" for k in range(10 * n)))
        bob.send(*["look, anna"] * (room in ("r3", "r5")), "/who")
        bob.expect(f" in {room}: bob")
    client = terminal(
        *("anna", "127.0.0.1", str(server.port), "--room", "lobby"),
        size=size,
        inline=False,
        CHAT_PASSWORD="sesame",
    )
    client.see_in("You are in lobby")
    counts = {"r1": "10", "r2": "20", "r3": "31!", "r4": "40", "r5": "51!"}
    beside = size == SIZES[-1]  # a list of rooms is beside the talk there
    for room, count in counts.items() if beside else [("r3", "31!")]:
        shown = rf" {room} +{count}│" if beside else rf"{room}\({count}\)"
        client.until(lambda it, shown=shown: re.search(shown, "\n".join(it.rows)), shown)
    for room in ("r3", "r5", "r1"):
        client.press("\x1ba")  # Alt+A
        client.until(lambda it, room=room: it.rows[0].startswith(f" {room}"), room)
        client.press("\x1bu")  # Alt+U
        client.until(shows(f"bob: {room} message 0", f"bob: {room} message 1"), "the first unread")
        rows = talk(client)
        assert rows[rows.index(f"bob: {room} message 0") - 1].startswith("-- unread")


@pytest.mark.long
def test_a_day_of_talk(server, connect, arrive):
    """100,000 messages pass: the last one is shown, and the client takes no more memory than for a
    fifth of them. One scrolls back to the first one, and that takes no more either."""
    client = arrive()
    bob = speaker(connect, server, "lab")

    def memory():
        with open(f"/proc/{client.process.pid}/statm") as found:
            return int(found.read().split()[1]) * resource.getpagesize() / 1e6

    def say(first, behind):
        for at in range(first, behind, 1000):
            bob.send(*(f"message {n}" for n in range(at, at + 1000)))
            client.until(shows(f"bob: message {at + 999}"), "the last message")

    say(0, 20_000)
    before = memory()
    say(20_000, 100_000)
    assert memory() < before + 10
    first = shows("bob: message 0", "bob: message 1")
    while not first(client):
        top = talk(client)[1]
        client.press("\x1b[H")  # Home
        client.until(lambda it, top=top: talk(it)[1] != top or first(it), "older talk")
    assert memory() < before + 10


def test_private_talk_has_a_view_of_its_own(server, connect, piped, arrive):
    """A private message waits in a view for its sender, and what one types there is for them
    alone. Its half-typed line and its older talk are there again, also in the next run."""
    piped(server, "anna").finish("/register sesame")
    bob, carl = speaker(connect, server, "lab"), speaker(connect, server, "lab", name="carl")
    bob.send(*(f"@anna message {n}" for n in range(200)), "/who")
    bob.expect("lab: bob")

    come = partial(arrive, "lab", size=(24, 40), CHAT_PASSWORD="sesame")
    client = come()
    client.see_in("@bob(200!)")
    assert not any("bob: message" in row for row in client.rows)
    client.press("\x1ba")  # Alt+A
    client.until(shows("bob: message 198", "bob: message 199"), "what bob wrote")
    client.see_in("@bob: only bob and you read this")
    client.press("\x1b[H")  # Home
    client.until(shows("bob: message 0", "bob: message 1"), "the beginning")
    client.type("hey")
    bob.expect("anna -> you: hey")
    client.until(shows("bob: message 199", "anna: hey"), "what anna wrote")
    client.type("/me waves")
    client.until(shows("~ anna waves"), "what anna did")
    client.type("/topic ours")
    client.see_in("alone; go to a room for that")
    client.press("\x1bsr")  # Alt+S, a reply
    client.see_in("Only messages in rooms")
    client.type("a slip")
    client.until(shows("anna: a slip"), "the slip")
    client.press("\x1bsx\r")  # Alt+S, erased for oneself
    client.until(shows("* what anna said was erased"), "the mark")
    client.press("for bob\x1b1")
    client.see_input("")
    client.type("@carl psst")
    carl.expect("anna -> you: psst")
    client.until(shows("anna -> carl: psst"), "what anna wrote, where she wrote it")
    client.type("/msg nobody")
    client.see_in("! Nobody called nobody")
    client.type("/msg carl")
    client.until(shows("anna: psst", "* carl is here."), "the view of carl")
    client.press("\x1b3")
    client.see_input("for bob")
    client.press("\x15")  # Ctrl+U
    client.type("/leave")
    client.until(lambda it: it.rows[0].startswith(" lab"), "the lab")
    client.until(lambda it: not any("@bob" in row for row in it.rows), "no bob")
    bob.send("@anna one more", "/who")
    client.see_in("@bob(1!)")
    client.press("\x04")
    assert client.wait() == 0
    again = come(again=client)
    again.see_in("@bob(1!)")
    again.until(lambda it: it.rows[-1].endswith("@bob(1!) @carl"), "both, and nobody else")
    again.type("/msg bob")
    again.until(shows("anna: hey"), "what was said before")
    again.until(shows("bob: one more", "* bob is here."), "what was not read")


def test_a_line_that_waits_goes_where_it_was_typed(server, connect, arrive, wire):
    """While a command waits for the connection, one types for a partner, and goes to a room. The
    line is for the partner all the same."""
    net = wire(server)
    bob = speaker(connect, server, "lab")
    client = arrive(where=net)
    client.type("/msg bob")
    client.see_in("only bob and you read this")
    net.down = True
    net.cut()
    client.see_in("offline, trying again")
    client.type("/seen bob")
    client.type("for bob alone")
    client.see_in("(waits) for bob alone")
    client.press("\x1b1")
    client.until(lambda it: it.rows[0].startswith(" lab"), "the lab")
    client.type("for all")
    net.down = False
    bob.expect("anna -> you: for bob alone")
    assert bob.expect("for") == "anna: for all"
