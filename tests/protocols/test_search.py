"""`/search`, as people and programs meet it."""

import re

import pytest

from tests.protocols.test_inbox import STAMP


@pytest.fixture
def den(server, connect):
    """Return alice, in a room with a password, where something was said."""
    alice = connect(server, "alice")
    alice.send("/create den s3cret")
    alice.send("the build is green", "/me builds a boat", "the cat is black", "/who")
    alice.expect("* 1 in den")
    return alice


def test_a_person_finds_what_was_said_here(den):
    """With its time and position, oldest first, what was just said too."""
    den.send("/search BUILD")
    assert den.line().endswith("Z #1] alice: the build is green")
    den.send("/search the is")
    assert [den.line().split("] ")[1] for _ in range(2)] == [
        "alice: the build is green",
        "alice: the cat is black",
    ]
    den.send("/search build*")
    assert den.expect("builds a boat").endswith("#2] ~ alice builds a boat")


def test_what_cannot_be_found_is_said_so(den):
    """A search without results says so, and so does one without words."""
    den.send("/search submarine")
    assert den.line() == "* Nothing in den has all these words"
    den.send("/search ?!")
    assert den.line() == "! There is no word in that; say what to search for."
    den.send("/search")
    assert den.line() == "! TEXT is missing: /search [all | @USER] TEXT"
    den.send('/search "green build" AND OR (')
    assert den.line() == "* Nothing in den has all these words"


def test_only_who_may_read_may_search(server, connect, den):
    """Only members search a room with a password, and the lobby finds nothing of it."""
    bob = connect(server)
    bob.ask(do="hello", name="bob")
    bob.event("ok")
    bob.ask(do="search", room="den", text="build")
    assert bob.event("error")["code"] == "not-in-room"
    bob.ask(do="search", room="lobby", text="build")
    assert bob.event("ok")["entries"] == []
    bob.ask(do="join", room="den", password="s3cret")
    bob.event("ok")
    bob.ask(do="search", room="den", text="build")
    assert [entry["seq"] for entry in bob.event("ok")["entries"]] == [1]


def test_a_program_pages_through_what_it_finds(server, connect, den):
    """`limit` and `before` work as they do with history."""
    bob = connect(server)
    bob.ask(do="hello", name="bob")
    bob.ask(do="join", room="den", password="s3cret")
    bob.ask(do="search", room="den", text="the", limit=1)
    newest = [bob.event("ok") for _ in range(3)][2]
    assert [entry["text"] for entry in newest["entries"]] == ["the cat is black"]
    assert newest["pending"] is False
    bob.ask(do="search", room="den", text="the", before=newest["entries"][0]["seq"])
    assert [entry["text"] for entry in bob.event("ok")["entries"]] == ["the build is green"]


def test_who_is_ignored_is_not_found_either(server, connect, den):
    """Search leaves out ignored users, too."""
    bob = connect(server, "bob")
    bob.send("/join den s3cret", "/ignore alice", "/search build")
    bob.expect("You do not hear alice")
    assert bob.line() == "* Nothing in den has all these words"


def test_it_is_found_after_a_restart(server, connect, den):
    """From the index, which outlives the server, or is made again."""
    server.stop()
    server.start()
    alice = connect(server, "alice")
    alice.send("/join den s3cret", "/search green")
    alice.expect("alice: the build is green")


NAMED = STAMP.replace("#", r"(?:(\S+) )?#")


def found(bare, line):
    """Return what a search finds: pairs of a room, if it is named, and a line."""
    before = len(bare.seen)
    bare.send(line, "/who nowhere")
    bare.expect("no room nowhere")
    matches = (re.match(NAMED + "(.*)", it) for it in bare.seen[before:].split("\n"))
    return [(it[1], it[3]) for it in matches if it is not None]


def test_a_person_searches_everywhere(server, connect):
    """The lines name their rooms where there are several. A wrong filter gets a sentence."""
    alice, bob = connect(server, "alice"), connect(server, "bob")
    bob.send(
        "/join lab", "the green build", "/put green.txt 3", "abc/create den pw", "green secret"
    )
    bob.send("@alice it is green", "/who")
    bob.expect("* 1 in den")
    assert found(alice, "/search all green") == [
        ("lab", "bob: the green build"),
        ("lab", "* bob shared green.txt (3 bytes): /get green.txt"),
    ]
    assert found(alice, "/search all from:BOB has:file") == [
        ("lab", "* bob shared green.txt (3 bytes): /get green.txt")
    ]
    assert found(alice, "/search in:lab build") == [(None, "bob: the green build")]
    assert found(alice, "/search @ green") == [(None, "bob -> you: it is green")]
    assert found(bob, "/search @alice green") == [(None, "bob -> alice: it is green")]
    assert found(alice, '/search "all"') == []
    assert "* Nothing in lobby has all these words" in alice.seen
    assert found(alice, "/search all nothing") == found(alice, "/search @ nothing") == []
    assert "* Nothing in any room that you may read has all these words" in alice.seen
    assert "* Nothing in your inbox has all these words" in alice.seen
    alice.send("/search in:den green", "/search x before:soon", "/search all", "/search @")
    assert alice.expect("! ") == "! You are not in den; join it first."
    assert alice.line().startswith(
        "! before:soon is not understood; write it like before:2026-11-01"
    )
    assert alice.line().startswith("! TEXT is missing: /search [all | @USER] TEXT")
    assert alice.line().startswith("! TEXT is missing")


def test_a_program_searches_everywhere(server, connect):
    """Each entry has its room, or none in the inbox. A search of one room is answered as ever."""
    bot, alice = connect(server), connect(server, "alice")
    alice.send("/join lab", "green one", "/create den", "green two", "/who")
    alice.expect("* 1 in den")
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    bot.ask(do="search", room="*", text="green", id=1)
    reply = bot.event("ok")
    assert reply["room"] == "*"
    assert [(it["room"], it["seq"], it["text"]) for it in reply["entries"]] == [
        *(("lab", 1, "green one"), ("den", 1, "green two"))
    ]
    assert (reply["more"], reply["pending"]) == (False, False)
    bot.ask(do="search", room="*", text=f"green before:{reply['entries'][1]['time']}", id=2)
    assert [it["room"] for it in bot.event("ok")["entries"]] == ["lab"]
    bot.ask(do="msg", to="bot", text="green note", id=3)
    bot.event("ok")
    bot.ask(do="search", room="@", text="green", id=4)
    (entry,) = bot.event("ok")["entries"]
    assert (entry["event"], entry.get("room"), entry["text"]) == ("private", None, "green note")
    bot.ask(do="search", room="lab", text="green", id=5)
    reply = bot.event("ok")
    assert reply.keys() == {"event", "id", "room", "entries", "more", "pending"}
    for room, text in (("@x" * 5000, "green"), ("*", "in:"), ("**", "green"), (7, "green")):
        bot.ask(do="search", room=room, text=text, id=6)
        assert bot.event("error" if room != "@x" * 5000 else None)["event"] in ("error", "ok")


def test_a_guests_talk_is_found_after_they_register(server, connect):
    """Their inbox goes into the index of the search with the account; a restart changes nothing."""
    alice, bob = connect(server, "alice"), connect(server, "bob")
    alice.send("@bob before it", "/register pw", "@bob after it")
    bob.expect("after it")
    wanted = [(None, "alice -> bob: before it"), (None, "alice -> bob: after it")]
    assert found(alice, "/search @ it") == wanted
    server.stop()
    server.start()
    alice = connect(server)
    alice.send("/login alice pw")
    assert found(alice, "/search @bob it") == wanted
