"""Names that look alike are not had side by side: users', rooms', those of the server itself."""

import sqlite3
from contextlib import closing

import pytest


def refused(connect, server, do, **fields):
    """Ask for something on a connection of its own; return the code of the refusal, or None."""
    bare = connect(server)
    bare.ask(do=do, id=1, **fields)
    return bare.event().get("code")


ALIKE = [("alice", "аlice"), ("alice", "AIice"), ("Al", "A1"), ("mo", "rno"), ("BOB", "ВОВ")]


@pytest.mark.parametrize(("one", "other"), [*ALIKE, *(pair[::-1] for pair in ALIKE)])
def test_beside_who_is_here(server, connect, one, other):
    """A guest's name keeps others like it away until the guest is gone, or has another."""
    first = connect(server, one)
    assert refused(connect, server, "hello", name=other) == "name-taken"
    assert refused(connect, server, "signup", name=other, password="pw") == "name-taken"
    first.send("/nick quite-another")
    first.expect("* You are quite-another.")
    second = connect(server, other)
    assert refused(connect, server, "hello", name=one) == "name-taken"
    second.send("/quit")
    second.rest()
    assert refused(connect, server, "hello", name=one) is None


def test_the_refusal_does_not_tell_whose(server, connect):
    """Only that there is such a name."""
    connect(server, "alice")
    eve = connect(server)
    eve.expect("* Welcome")
    eve.send("аlice")
    assert eve.line() == "! аlice looks like a name that is taken; type another name."


def test_ones_own_name_is_in_nobodys_way(server, connect):
    """A user who is alone with a name may change its case."""
    alice = connect(server, "alice")
    alice.send("/nick AIice", "/nick alice", "/nick a1ice")
    for name in ("AIice", "alice", "a1ice"):
        assert alice.line() == f"* You are {name}."
    assert refused(connect, server, "hello", name="alice") == "name-taken"


def test_beside_a_registered_name(server, connect):
    """A look-alike of a registered name is refused, with its owner here or not, also after a
    restart. The owner can log in."""
    bob = connect(server)
    bob.ask(do="signup", id=1, name="Bobby", password="pw")
    assert bob.event()["event"] == "ok"
    for _ in range(2):
        for name in ("Воbby", "B0bby", "b0bby"):
            assert refused(connect, server, "hello", name=name) == "name-taken"
            assert refused(connect, server, "signup", name=name, password="x") == "name-taken"
        assert refused(connect, server, "hello", name="bobby", password="pw") is None
        server.stop()
        server.start()


def test_rooms(server, connect):
    """A room is not made beside one that looks like it; rooms without a name find one."""
    for name in ("1ab", "Iab", "lаb", "Iobby", "lobbу"):
        bare = connect(server)
        bare.ask(do="hello", name=f"x-{name.encode().hex()}")
        bare.ask(do="create", room=name, id=2)
        answer = bare.event("error")
        assert (answer["code"], answer["id"]) == ("room-exists", 2)
        assert "looks like the name of another room" in answer["message"]
        bare.ask(do="create", room="LAB", id=3)
        assert '"join LAB" takes you there' in bare.event("error")["message"]
    bare.ask(do="create", room="roorn3", id=4)
    assert bare.event("ok")["room"] == "roorn3"
    bare.ask(do="create", id=5)
    assert bare.event("ok")["room"] == "room4"


def test_those_that_were_there_before_go_on(server, connect):
    """Look-alikes that an older version registered can log in, talk, and are kept apart."""
    for name in ("ann", "dan"):
        assert refused(connect, server, "signup", name=name, password=name) is None
    server.stop()
    with closing(sqlite3.connect(server.data / "chat.sqlite")) as db:
        db.execute("UPDATE account SET key = 'аnn', name = 'аnn' WHERE key = 'dan'")
        db.execute("UPDATE room SET key = '1obby', name = '1obby' WHERE key = 'lab'")
        db.commit()
    server.start()
    ann, other = connect(server), connect(server)
    ann.ask(do="hello", name="ann", password="ann")
    other.ask(do="hello", name="аnn", password="dan")
    for bare in (ann, other):
        assert bare.event("ok")["registered"]
        bare.ask(do="join", room="1obby", id=2)
        assert bare.event("ok")["room"] == "1obby"
    other.ask(do="say", room="1obby", text="hi")
    assert ann.event("message")["from"] == "аnn"
    assert refused(connect, server, "hello", name="ann", password="dan") == "wrong-password"
