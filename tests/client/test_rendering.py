"""Rendering for a terminal: times, days, names, mentions."""

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.output import ColorDepth

from chatservice import replies
from chatservice.client import rendering
from chatservice.client.clientstate import Incoming
from chatservice.client.fullscreen import KEY_HELP
from chatservice.client.rendering import RowRenderer
from chatservice.client.statusline import PendingTexts
from chatservice.entries import Entry, EntryState, FileMark, Kind, Quote, ReactionCount
from chatservice.events import UserJoined
from chatservice.grammar import textformat
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request, Right
from chatservice.grammar.help import help_lines
from tests.servers import environment

NOON = 1_795_262_400_000
"""2026-11-21 12:00:00 UTC, in milliseconds."""

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    """The reader is in Kolkata, where it is five hours and a half later than in London."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def look(columns=80, depth=ColorDepth.DEPTH_8_BIT):
    """Return how things look to anna."""
    return RowRenderer(lambda: "anna", lambda: columns, depth, lambda: NOON / 1000)


def rows(fragments):
    """Return rows without styles."""
    return "".join(text for _, text in fragments).removesuffix("\n").split("\n")


def style_of(fragments, text):
    """Return the style of a piece of text."""
    return next(style for style, piece in fragments if piece == text)


def said(text, who="bob", at=NOON, kind=Kind.MESSAGE):
    """Return a message as it comes."""
    return Incoming(Entry(kind, at, who, text), "lab", 7)


def test_times_are_the_readers_own_and_days_are_apart():
    """A new day begins with a row that says so, once; at half past five in Kolkata's morning it is
    still yesterday in London."""
    it = look()
    assert rows(it.incoming(said("one")))[0].startswith("-- Saturday, 21 November 2026 ---")
    assert rows(it.incoming(said("two"))) == ["17:30 bob: two"]
    assert rows(it.incoming(said("three", at=NOON + 6 * HOUR))) == ["23:30 bob: three"]
    late = rows(it.incoming(said("four", at=NOON + 7 * HOUR)))
    assert late[0].startswith("-- Sunday, 22 November 2026 --")
    assert late[1:] == ["00:30 bob: four"]


def test_each_kind_has_its_look():
    """Messages, actions, private messages, files and joins differ."""
    it = look()
    it.incoming(said("the day is said"))
    assert rows(it.incoming(said("waves", kind=Kind.ACTION))) == ["17:30 ~ bob waves"]
    assert rows(it.incoming(said("psst", kind=Kind.PRIVATE))) == ["17:30 bob -> you: psst"]
    told = said("done", kind=Kind.NOTICE)
    assert rows(it.incoming(told)) == ["17:30 -bob- done"]
    assert rows(it.incoming(Incoming(told.item, "@", 7))) == ["17:30 -bob -> you- done"]
    assert rows(it.incoming(Incoming(UserJoined("lab", "carl"), "lab"))) == ["17:30 * carl came in"]
    sent = Entry(Kind.SENT, NOON, "anna", "psst", to="bob")
    assert rows(it.incoming(Incoming(sent, "@", 7))) == ["17:30 anna -> bob: psst"]
    sent = sent._replace(kind=Kind.SENT_NOTICE)
    assert rows(it.incoming(Incoming(sent, "@", 7))) == ["17:30 -anna -> bob- psst"]
    assert not it.is_for_user(Incoming(sent._replace(text="anna"), "@", 7))
    sent = sent._replace(kind=Kind.SENT_ACTION, text="waves")
    assert rows(it.incoming(Incoming(sent, "@", 7))) == ["17:30 ~ anna -> bob: waves"]
    waved = said("waves", kind=Kind.ACTION)
    assert rows(it.incoming(Incoming(waved.item, "@", 7))) == ["17:30 ~ bob -> you: waves"]
    file = Entry(Kind.FILE, NOON, "bob", "", FileMark("a.pdf", 1500, "0" * 64))
    assert rows(it.incoming(Incoming(file, "lab", 8))) == [
        "17:30 * bob shared a.pdf (1.5 kB): /get a.pdf"
    ]


def test_several_lines_of_one_message_cannot_be_taken_for_others():
    """Further lines begin with a bar, in columns that never hold a name."""
    it = look()
    it.incoming(said(""))
    assert rows(it.incoming(said("one\ncarl: two\n* three"))) == [
        "17:30 bob: one",
        "      | carl: two",
        "      | * three",
    ]


def test_the_own_name_is_highlighted():
    """The user's name stands out in messages of others, in any case, as a word of its own."""
    it = look()
    it.incoming(said(""))
    made = it.incoming(said("well, ANNA, look"))
    assert "named" in style_of(made, "ANNA")
    assert "mention" in style_of(made, "bob")
    for text in ("annabel", "joanna", "anna.b", "anna-marie"):
        assert not any("mention" in style for style, _ in it.incoming(said(text)))
        assert not it.is_for_user(said(text))
    assert it.is_for_user(said("is that right, anna?"))
    assert it.is_for_user(said("psst", kind=Kind.PRIVATE))
    assert not it.is_for_user(said("I am anna", who="Anna"))


def test_no_server_can_control_the_terminal():
    """No text, name or file name of any server has control characters."""
    it = look()
    it.incoming(said(""))
    for news in (
        said("a\x1b[2Jb\x9b1m\u202ec"),
        said("x", who="b\x1b]0;x\x07b"),
        Incoming(
            Entry(Kind.FILE, NOON, "bob", "", FileMark("a\x1b[2J\u202e", 1, "0" * 64)), "lab", 8
        ),
        Incoming(UserJoined("lab", "b\x1b[Hb"), "lab"),
    ):
        text = "".join(piece for _, piece in it.incoming(news)).replace("\n", "")
        assert text.isprintable(), text
        assert "\u202e" not in text


def test_history_tells_days_times_and_positions():
    """Positions are what `/erase` is told."""
    it = look()
    old = it.replayed(said("one", at=NOON - 24 * HOUR)._replace(position=3))
    new = it.replayed(said("two")._replace(position=4))
    assert [row[:12] for row in rows(old + new)] == [
        "-- Friday, 2",
        "17:30 #3 bob",
        "-- Saturday,",
        "17:30 #4 bob",
    ]


def test_a_command_to_copy_is_one_row():
    """The terminal breaks it, and joins it again when it is copied; all other lines are broken
    between words. Nothing in a command can control the terminal."""
    ticket = replies.GetTicket("x" * 24, "a b.pdf", 6, "0" * 64, 1)
    instructions = textformat.fetch_instructions(ticket, "chat.example.org", 5555, tls=False)
    shown = rows(look(40).lines(instructions))
    assert f"  echo GET {'x' * 24} | nc chat.example.org 5555 > 'a b.pdf'" in shown
    assert f"  echo {'0' * 64}'  ''a b.pdf' | sha256sum -c" in shown
    assert all(len(row) <= 40 for row in shown if row.startswith("* "))
    assert "\x1b" not in "".join(rows(look(40).lines(b"  echo \x1b[2J")))


def test_the_keys_fit_a_narrow_screen():
    """Each has one row of forty columns, and 24 rows have them all: with a title, the line that
    asked for them, the line of input and the row below it."""
    made = rows(look(40).reply(replies.Help(KEY_HELP)))
    assert len(made) == len(KEY_HELP) <= 24 - 4


@pytest.mark.parametrize(("columns", "most"), [(80, 14), (40, 20)])
def test_help_fits_the_screen(columns, most):
    """All commands at once, but for who runs the server, and how to learn more, in fewer rows than
    a terminal of 24 has left."""
    lines = help_lines(may=lambda row: row.needs is not Right.OPERATE)
    made = rows(look(columns).reply(replies.Help(lines)))
    assert len(made) <= most
    assert max(map(len, made)) <= columns
    assert all(f"/{name}" in " ".join(made) for name in ("say", "join", "get", "quit"))


def test_pending_texts_are_shown_until_they_are_stored():
    """Stored texts appear among the talk, in the order in which they were stored."""
    it = look()
    it.incoming(said(""))
    waiting = PendingTexts(it)
    for n in range(5):
        waiting.add(f"key{n}", Request(COMMANDS["say"], {"text": f"line {n}"}))
    assert rows(waiting.rows([])) == [
        *(f"(waits) line {n}" for n in range(3)),
        "(waits) and 2 more",
    ]
    assert rows(waiting.resolve("key0", True)) == ["17:30 anna: line 0"]
    assert rows(waiting.resolve("key1", False)) == ["> line 1"]
    waiting.add("p", Request(COMMANDS["msg"], {"to": "bob", "text": "psst"}))
    assert rows(waiting.resolve("p", False)) == ["> @bob psst"]
    assert rows(waiting.rows(["/who"]))[-1] == "(waits) and 1 more"


def luminance(colour):
    """Return the relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@given(st.text("abcdefgh", min_size=1, max_size=8))
def test_a_name_has_one_colour_that_can_be_read_on_white_and_on_black(name):
    """A name always has the same colour, in any case."""
    depth = ColorDepth.DEPTH_8_BIT
    style = rendering.name_style(name, depth)
    assert style == rendering.name_style(name.upper(), depth)
    light = luminance("#" + rendering.terminal_style(depth).get_attrs_for_style_str(style).color)
    assert 1.05 / (light + 0.05) >= 3.8
    assert (light + 0.05) / 0.05 >= 3.6


@pytest.mark.parametrize(
    ("variables", "depth"),
    [
        ({"TERM": "xterm-256color"}, ColorDepth.DEPTH_8_BIT),
        ({"TERM": "linux"}, ColorDepth.DEPTH_4_BIT),
        ({"TERM": "vt100"}, ColorDepth.DEPTH_1_BIT),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, ColorDepth.DEPTH_1_BIT),
    ],
)
def test_as_many_colours_as_the_terminal_has(variables, depth):
    """With NO_COLOR, there are none. Each terminal is asked about in a process of its own, which
    terminfo requires."""
    code = "from chatservice.client import rendering; print(rendering.colour_depth().name)"
    wanted = {"NO_COLOR": "", "COLORTERM": ""} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(**wanted), capture_output=True, text=True
    )
    assert done.stdout.strip() == depth.name, done.stderr


def test_entries_about_others():
    """A reply and an edit tell it behind the name; reactions and pins are the server's lines. Below
    an earlier entry stand its reactions."""
    it = look(120)
    it.incoming(said(""))
    reply = Entry(Kind.MESSAGE, NOON, "bob", "yes", about=7, quote=Quote("anna", "green?"))
    assert rows(it.incoming(Incoming(reply, "lab", 8))) == ['17:30 bob (to anna #7 "green?"): yes']
    edit = Entry(Kind.EDIT, NOON, "bob", "a\nb", about=8)
    assert rows(it.incoming(Incoming(edit, "lab", 9))) == [
        *("17:30 bob (edited #8): a", "      bob (edited #8): b")
    ]
    reaction = Entry(Kind.REACTION, NOON, "bob", "+1", about=7, quote=Quote("anna", "green?"))
    assert rows(it.incoming(Incoming(reaction, "lab", 9))) == ['17:30 * bob: +1 on #7 "green?"']
    pinned = Entry(Kind.PINNED, NOON, "bob", about=7)
    assert rows(it.incoming(Incoming(pinned, "lab", 9))) == ["17:30 * bob pinned #7"]
    state = EntryState(9, NOON, (ReactionCount("+1", 2, ("al", "bo")),), True)
    entry = Entry(Kind.ACTION, NOON, "bob", "waves", state=state)
    assert rows(it.replayed(Incoming(entry, "lab", 8))) == [
        *("17:30 #8 ~ bob (edited) waves", "      * pinned, +1 2 (al, bo)")
    ]
