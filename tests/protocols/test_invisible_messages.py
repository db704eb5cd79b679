"""Messages without anything visible: refused in both formats, in every place."""

import subprocess

import pytest

from chatservice import names
from tests.servers import CLIENT, PATIENCE, environment

NOTHING = {
    "zero width": "\u200b",
    "joiners": "\u200d\u200c\u2060",
    "braille": "\u2800",
    "braille and blanks": "\u2800 \u2800",
    "filler": "\u3164",
    "half a filler": "\uffa0",
    "fillers of jamo": "\u115f\u1160",
    "accents alone": "\u0301\u0302",
    "enclosing": "\u20dd",
    "selector": "\ufe0f",
    "tags": "\U000e0061\U000e007f",
    "soft hyphen": "\xad",
    "byte order": "\ufeff",
    "directions": "\u200e\u200f",
    "vowel of Khmer": "\u17b4",
    "Mongolian": "\u180e",
    "mark and blank": "\u0903\u3000\u0903",
    "note": "\U0001d159",
}
BLANK = ["", " ", "\t", "\xa0", "\u3000 \u2003"]
SEEN = [
    "x",
    ".",
    "\u00b7",
    "\U0001f600",
    "a\u0301",
    "\u200b!",
    "\u1161",
    "\ufffd",
    "\x01",
    "\u0e01",
]


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_nothing_is_said_in_it(server, connect, text):
    """By a person, alone, with a command, among good lines; by a program; to a room, to a user, as
    a topic. It is refused each time, and nobody else sees anything."""
    reader, eve = connect(server, "reader"), connect(server, "eve")
    reader.expect("eve came in")
    lines = [text, f"/say {text}", f"/me {text}", f"/msg reader {text}", f"@reader {text}"]
    eve.send(*lines, f"/topic {text}")
    for _ in range(6):
        assert eve.line().startswith("! There is nothing in that to be seen; type a text.")
    eve.send("one", text, "two", *["three"] * 3)
    assert eve.line().startswith("! There is nothing")
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lobby")
    for do, place in (("say", "room"), ("me", "room"), ("topic", "room"), ("msg", "to")):
        bot.ask(do=do, id=do, text=text, **{place: "reader" if place == "to" else "lobby"})
        assert bot.event("error")["code"] == "bad-argument"
    bot.ask(do="say", room="lobby", text="end")
    reader.expect("bot: end")
    seen = [line for line in reader.seen.splitlines() if not line.startswith("* ")]
    assert seen == ["eve: one", "eve: two", *["eve: three"] * 3, "bot: end"]


def test_a_blank_line_says_nothing(server, connect):
    """Typed, it is passed over, as ever; with a command, or from a program, it is refused."""
    eve, bot = connect(server, "eve"), connect(server)
    eve.send(*BLANK, "/say  \t", "/me  \xa0", "/msg eve  \u3000", "end", "/history")
    for _ in range(2):
        assert eve.line().startswith("! There is nothing in that to be seen; type a text.")
    assert eve.line().startswith(("! There is nothing", "! TEXT is missing"))
    assert eve.line().endswith("] eve: end")
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lobby")
    for text in BLANK:
        bot.ask(do="say", room="lobby", text=text)
        assert bot.event("error")["code"] == "bad-argument"


def test_an_empty_topic_takes_it_away(server, connect):
    """Still; blanks do so, too."""
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lobby")
    for text in ("", " \t"):
        bot.ask(do="topic", room="lobby", text="plans")
        assert bot.event("topic")["text"] == "plans"
        bot.ask(do="topic", room="lobby", text=text)
        assert bot.event("topic")["text"] == ""


def test_words_that_nobody_sees_are_none(server, connect):
    """Invisible farewells and reasons for being away are left out."""
    reader, eve = connect(server, "reader"), connect(server, "eve")
    reader.expect("eve came in")
    eve.send("/away \u2800", "/away out \u200b", "/quit \u200b")
    assert eve.line() == "* You are back."
    assert eve.line() == "* You are away."
    assert reader.line() == "* eve left"


@pytest.mark.parametrize("text", ["", " ", "\u200b", "-"])
def test_the_client_says_nothing(server, text):
    """With --say: status 65, and a sentence; also where standard input is blank."""
    command = [*CLIENT, "eve", "127.0.0.1", str(server.port), "--say", text]
    done = subprocess.run(
        command, input=b"\n", env=environment(), capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 65
    assert b"nothing" in done.stderr


def test_what_can_be_seen():
    """Everything else, however little of it there is."""
    assert [text for text in SEEN if not names.is_visible(text)] == []
    assert [text for text in (*NOTHING.values(), *BLANK) if names.is_visible(text)] == []


def test_a_file_is_not_called_that():
    """Nobody could fetch it."""
    assert not any(map(names.is_file, [*NOTHING.values(), *BLANK]))
