"""Texts of several lines as one message (https://ircv3.net/specs/extensions/multiline)."""

import pytest

from tests.servers import RawClient

CAPS = "batch message-tags draft/multiline standard-replies labeled-response echo-message"


@pytest.fixture
def pair(server, join_irc):
    """Return an IRC client that knows such texts, and a program, in the room lab."""
    bob = join_irc(server, "bob", CAPS)
    bob.send("JOIN #lab")
    bob.until("366")
    program = RawClient(server.port)
    program.ask(do="hello", name="prog")
    program.event("ok")
    program.ask(do="join", room="lab")
    program.event("ok")
    bob.until("JOIN")
    yield bob, program
    program.close()


def received(client):
    """Wait for a batch, check it, and return its first message and its text."""
    begin = client.until("BATCH")
    assert begin.params[1:] == ("draft/multiline", "#lab")
    text = None
    while (it := client.message()).command != "BATCH":
        assert it.tags["batch"] == begin.params[0][1:]
        assert "msgid" not in it.tags
        concat = "draft/multiline-concat" in it.tags
        text = it.params[1] if text is None else text + ("" if concat else "\n") + it.params[1]
    return begin, text


@pytest.mark.parametrize(
    "text", ["one\ntwo", "one\n\n  two", "\U0001f389" * 400, "a " * 600 + "\n" + "b" * 700]
)
def test_long_texts_come_as_one(pair, text):
    """Lines, blank ones too, and the pieces of long ones make the text again, byte by byte; the id
    is the batch's."""
    bob, program = pair
    program.ask(do="say", room="lab", text=text)
    begin, told = received(bob)
    assert (begin.tags["msgid"], begin.tags[""]) == ("lab-1", "prog!~u@chat")
    assert told == text
    program.ask(do="say", room="lab", text="short")
    assert bob.message().params == ("#lab", "short")


def test_a_text_is_said_as_one(pair):
    """Lines of a batch, some of which go on the one before, are one message; its echo has the label
    of the beginning."""
    bob, program = pair
    bob.send(
        "@label=x BATCH +t draft/multiline #lab",
        "@batch=t PRIVMSG #lab :one",
        "@batch=t PRIVMSG #lab :",
        "@batch=t PRIVMSG #lab :tw",
        "@batch=t;draft/multiline-concat PRIVMSG #lab :o",
        "PRIVMSG #lab :between",
        "BATCH -t",
    )
    assert program.event("message")["text"] == "between"
    assert program.event("message")["text"] == "one\n\ntwo"
    labelled = bob.until("BATCH", "labeled-response")
    assert labelled.tags["label"] == "x"
    assert received(bob)[1] == "one\n\ntwo"


def test_texts_that_cannot_be(pair):
    """A text that is too long, goes elsewhere, has nothing to see or was not begun is refused, and
    nothing of it is said."""
    bob, program = pair
    begin = "BATCH +t draft/multiline #lab"
    line = "@batch=t PRIVMSG #lab :" + "x" * 400
    refused = {
        ("MULTILINE_MAX_BYTES", "4096"): [line] * 12,
        ("MULTILINE_INVALID_TARGET", "#lab", "#other"): ["@batch=t PRIVMSG #other :x", line],
        ("MULTILINE_MAX_LINES", "500"): ["@batch=t PRIVMSG #lab :"] * 503,
    }
    for told, lines in refused.items():
        bob.send(begin, *lines, "BATCH -t")
        assert bob.until("FAIL").params[1:-1] == told
        assert bob.settled() == []
    bob.send("@batch=t PRIVMSG #lab :x")
    assert bob.until("FAIL").params[1] == "MULTILINE_INVALID"
    bob.send("BATCH -t", "BATCH +x other #lab", "BATCH")
    assert [bob.until("FAIL").params[1] for _ in range(3)] == ["MULTILINE_INVALID"] * 3
    bob.send(begin, "@batch=t PRIVMSG #lab :", "BATCH -t")
    bob.until("412")
    bob.send("PRIVMSG #lab :end")
    assert program.event("message")["text"] == "end"
