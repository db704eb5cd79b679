"""`/search`, as people and programs meet it."""

import pytest


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
    assert den.line() == "! TEXT is missing: /search TEXT"
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
