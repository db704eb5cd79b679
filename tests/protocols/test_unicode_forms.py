"""Names whose accents stand apart from their letters (NFD), as macOS gives them, or with them."""

import hashlib
import sqlite3
from contextlib import closing
from unicodedata import normalize

import pytest

from tests.servers import RawClient

NAMES = ("\u00e9t\u00e9.txt", "\ud55c\uad6d\uc5b4.txt", "\u1ec7.txt")
"""French, Korean and Vietnamese."""

FORMS = ("NFC", "NFD")


def asks(bot: RawClient, do: str, **fields):
    """Ask for something, and return the answer."""
    bot.ask(do=do, id=do, **fields)
    while (it := bot.event()).get("id") != do:
        pass
    return it


def fetched(bot, connect, server, name):
    """Return the result of fetching a file of the lobby."""
    ticket = asks(bot, "get", room="lobby", name=name)["ticket"]
    carrier = connect(server)
    carrier.send(f"GET {ticket}")
    return carrier.rest()


@pytest.fixture
def bot(server, connect):
    """Return a program that is in the lobby."""
    bot = connect(server)
    asks(bot, "hello", name="bot")
    asks(bot, "join", room="lobby")
    return bot


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("there", FORMS)
def test_a_file_that_was_dropped_in_is_found_in_either_form(server, connect, bot, name, there):
    """It is fetched, linked and listed, and what is sent under its name is a version of it."""
    place = server.files / normalize(there, name)
    place.write_bytes(b"from a Mac")
    for form in FORMS:
        asked = normalize(form, name)
        assert fetched(bot, connect, server, asked) == b"from a Mac"
        assert asks(bot, "link", room="lobby", name=asked)["size"] == 10
        assert len(asks(bot, "versions", room="lobby", name=asked)["files"]) == 1
    person = connect(server, "anna")
    for at, form in enumerate(FORMS):
        person.send(f"/put {normalize(form, name)} 2")
        person.expect("* Send its 2 bytes now.")
        person.send_raw(b"%02d" % at)
        person.expect("= 2 ")
        assert fetched(bot, connect, server, normalize(form, name)) == b"%02d" % at
    assert [it.name for it in server.files.iterdir() if it.name[0] != "."] == [place.name]
    for form in FORMS:
        assert len(asks(bot, "versions", room="lobby", name=normalize(form, name))["files"]) == 3
    person.send(f"/remove {normalize('NFC' if there == 'NFD' else 'NFD', name)} #3")
    person.expect("is removed.")


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_goes_on_and_is_cancelled_in_either_form(server, connect, bot, name):
    """The bytes that came belong to one name."""
    sha256 = hashlib.sha256(b"hello").hexdigest()
    whole = {"room": "lobby", "size": 5, "sha256": sha256}
    ticket = asks(bot, "put", name=normalize("NFD", name), **whole)["ticket"]
    carrier = connect(server)
    carrier.send(f"PUT {ticket} 0")
    carrier.send_raw(b"he")
    carrier.close()
    while not any(it["stopped"] for it in asks(bot, "transfers")["transfers"]):
        pass
    assert asks(bot, "put", name=normalize("NFC", name), **whole)["offset"] == 2
    assert asks(bot, "cancel", name=normalize("NFD", name))["event"] == "ok"
    assert asks(bot, "transfers")["transfers"] == []


@pytest.mark.parametrize("said", FORMS)
@pytest.mark.parametrize("asked", FORMS)
def test_a_search_finds_either_form(server, connect, bot, said, asked):
    """Also by an index that an older version has made: it is made again."""
    texts = ("\ud55c\uad6d\uc5b4", "caf\u00e9", "Vi\u1ec7t")
    for text in texts:
        asks(bot, "say", room="lobby", text=normalize(said, text))
    for again in (False, True):
        if again:
            server.stop()
            with closing(sqlite3.connect(server.data / "search.sqlite")) as db:
                db.execute("PRAGMA user_version = 3")
            server.start()
            bot = connect(server)
            asks(bot, "hello", name="bot")
            asks(bot, "join", room="lobby")
        for at, text in enumerate(texts, 1):
            found = asks(bot, "search", room="lobby", text=normalize(asked, text))["entries"]
            assert [it["seq"] for it in found] == [at]
        found = asks(bot, "search", room="lobby", text=normalize(asked, "\ud55c\uad6d") + "*")
        assert [it["seq"] for it in found["entries"]] == [1]
