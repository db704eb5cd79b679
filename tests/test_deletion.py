"""`chatctl unregister` and `destroy`: what was said stays under a mark, or is erased, as asked."""

import os
import sqlite3
from contextlib import closing

import pytest

from tests.test_backup import put
from tests.test_chatctl import chatctl


@pytest.fixture
def talk(start_server, connect):
    """Return a server on which alice, who has registered, and bob have talked and shared."""
    server = start_server("--room", "lab")
    alice, bob, bot = connect(server, "alice"), connect(server, "bob"), connect(server)
    alice.send("/register sesame", "/token ci")
    alice.expect("* ci: ")
    bob.send("/register sesame")
    bob.expect("* bob is your name")
    alice.send("/join lab", "alice-said-this", "/me waves", "/msg bob alice-wrote-this", "/who")
    alice.expect("in lab")
    bob.expect("alice -> you: alice-wrote-this")
    bob.send("/join lab", "bob said this", "/msg alice for alice alone", "/who")
    bob.expect("in lab")
    bot.ask(do="hello", name="alice", password="sesame")
    bot.event("ok")
    bot.ask(do="join", room="lab")
    put(bot, "lab", "of-alice", b"content")
    return server, alice, bob


def stored(server):
    """Return all bytes of the database, of a server that was stopped."""
    server.stop()
    data = b"".join(
        path.read_bytes() for path in server.data.iterdir() if path.name.startswith("chat.sqlite")
    )
    server.start()
    return data


def test_what_a_deleted_account_said_stays_under_a_mark(talk, connect):
    """It stays in rooms and inboxes, in memory, and after a restart. The account admits nobody; its
    name is free, without its belongings; nobody can take the mark."""
    server, alice, bob = talk
    status, said, wrong = chatctl(server.data, "unregister", "ALICE")
    assert (status, wrong) == (0, "")
    mark = said.split()[-2].removesuffix("'s")
    assert said == f"* The account alice is deleted, and what it said is {mark}'s now.\n"
    server.log.expect(f"operator deleted the account alice: it is {mark}")
    alice.expect("An operator deleted your account.")
    bob.send("/history", "/search alice-said-this", "/files")
    for _ in range(2):
        bob.expect(f"{mark}: alice-said-this")
    bob.expect(f"* of-alice (7 bytes, from {mark})")
    for again in (False, True):
        if again:
            server.stop()
            server.start()
        late = connect(server)
        late.ask(do="hello", name="alice", password="sesame")
        assert late.event("error")["code"] == "no-such-user"
        late = connect(server)
        late.expect("* Welcome")
        late.send(mark)
        assert late.expect("! ") == "! That account was deleted; take another name."
        late.send("alice")
        late.expect("* You are alice.")
        late.send("/join lab", "/history", "/remove of-alice", "/files @", "/create deleted-7")
        late.expect(f"{mark}: alice-said-this")
        late.expect(f"~ {mark} waves")
        assert "You did not share of-alice" in late.expect("! ")
        late.expect("* 0 files of your own")
        assert "what a deleted room is called" in late.expect("! ")
        assert "for alice alone" not in late.seen
        late.send("/quit")
        late.rest()
    assert chatctl(server.data, "accounts")[1] == "* bob\n"
    assert chatctl(server.data, "unregister", "alice")[0] == 1


def test_what_a_deleted_account_said_is_erased_if_asked(talk, connect):
    """From the history, from the search, from memory, from inboxes, and from the disk."""
    server, alice, bob = talk
    alice.send("/topic alice-is-about-this", "/topic")
    alice.expect("* Topic of lab: alice-is-about-this")
    status, said, _ = chatctl(server.data, "unregister", "alice", "erase")
    assert (status, said) == (0, "* The account alice is deleted, and what it said is erased.\n")
    bob.send("/history", "/search alice-said-this", "/files")
    bob.expect("was erased")
    bob.expect("bob: bob said this")
    bob.send("/topic")
    bob.expect("* Nothing in lab has all these words")
    bob.expect("* 0 files in lab")
    bob.expect("* lab has no topic")
    assert not os.path.exists(server.files / "lab" / "of-alice")
    data = stored(server)
    assert b"alice-said-this" not in data
    assert b"alice-wrote-this" not in data
    assert b"alice-is-about-this" not in data
    assert b"for alice alone" in data  # in the inbox of bob, who said it
    assert b"bob said this" in data
    late = connect(server, "carl")
    late.send("/join lab", "/history")
    late.expect("was erased")
    late.expect("bob: bob said this")


def test_what_was_said_in_a_deleted_room_stays_in_a_closed_one(talk, connect):
    """Its name is free, and a new room of that name has other files."""
    server, _, bob = talk
    number = json_of_room(server, "lab")
    status, said, wrong = chatctl(server.data, "destroy", "lab")
    assert (status, wrong) == (0, "")
    mark = f"deleted-{number}"
    assert said == f"* The room lab is deleted; what was said stays in {mark}, closed.\n"
    bob.expect("operator removed the room")
    assert "alice-said-this" in chatctl(server.data, "export", mark, "--json")[1]
    assert "of-alice" in chatctl(server.data, "files", mark)[1]
    for again in (False, True):
        if again:
            server.stop()
            server.start()
        late = connect(server, "carl")
        late.send("/rooms", f"/join {mark}", "/create lab" if not again else "/join lab")
        assert mark not in late.seen
        assert "closed" in late.expect("! ")
        late.expect("* You are in lab")
        late.send("/history", "/files")
        late.expect("* Nothing there in lab")
        late.expect("* 0 files in lab")
        late.send("/quit")
        late.rest()
        assert "alice-said-this" in chatctl(server.data, "export", mark, "--json")[1]
    assert chatctl(server.data, "destroy", mark, "erase")[0] == 0
    assert chatctl(server.data, "export", mark)[0] == 1


def json_of_room(server, name):
    """Return a room's number."""
    with closing(sqlite3.connect(server.data / "chat.sqlite")) as db:
        return db.execute("SELECT log FROM room WHERE key = ?", (name,)).fetchone()[0]


def test_a_room_is_erased_if_asked(talk):
    """With its files, and from the disk."""
    server, _, bob = talk
    assert chatctl(server.data, "destroy", "lab", "erase") == (
        0,
        "* The room lab is deleted, with all that was said in it.\n",
        "",
    )
    bob.expect("operator removed the room")
    assert not os.path.exists(server.files / "lab")
    assert b"alice-said-this" not in stored(server)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["destroy", "lobby"], "The lobby is where all begin; it stays."),
        (["destroy", "lobby", "erase"], "The lobby is where all begin; it stays."),
        (["destroy", "none"], "There is no room none"),
        (["destroy", "lab", "now"], "After the name, only the word erase is allowed."),
        (["unregister", "nobody"], "nobody is not a registered name."),
        (["unregister", "operator"], "operator is not a registered name."),
        (["unregister", "bob", "erased"], "After the name, only the word erase is allowed."),
    ],
)
def test_what_cannot_be_deleted_is_told(server, words, sentence):
    """And nothing is done."""
    status, said, wrong = chatctl(server.data, *words)
    assert (status, said) == (1, "")
    assert sentence in wrong


def test_operators_delete_others_and_not_themselves(talk, connect):
    """From their own connections, too."""
    server, alice, bob = talk
    assert chatctl(server.data, "operator", "bob")[0] == 0
    bob.send("/unregister bob", "/unregister alice")
    assert bob.expect("! ") == "! You cannot delete yourself; ask another operator."
    bob.expect("* The account alice is deleted")
    alice.expect("An operator deleted your account")
