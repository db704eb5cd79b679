"""A full disk: authors are refused, nobody sees entries that were not stored, and talk goes on when
there is space again.

The limit on the size of files that a process may write (`RLIMIT_FSIZE`) is lowered from outside, so
that the server's own writes fail, whoever runs the tests.
"""

import contextlib
import resource
import signal
from collections.abc import Iterator

import pytest

from tests.durability.asking import answer, follow, history, joined, say
from tests.servers import RawClient, Server

REFUSED = "! The server could not store that"


@contextlib.contextmanager
def full_disk(server: Server, largest: int = 0) -> Iterator[None]:
    """Let the server write no file beyond so many bytes."""
    pid = server.process.pid
    old = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, old[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, old)


def test_talk_on_a_full_disk(server, connect):
    """In both formats authors are refused, readers see nothing of it, and requests that only read
    go on. When there is space again, talk goes on; refused entries stay away."""
    alice, dave = joined(connect(server), "alice"), joined(connect(server), "dave")
    bob, carol = connect(server, "bob"), connect(server, "carol")
    for person in (bob, carol):
        person.send("/join lab", "/who")
        person.expect("in lab:")
    assert say(alice, "before")["seq"] == 1
    assert carol.expect("before") == "alice: before"
    with full_disk(server):
        refusal = say(alice, "lost")
        assert (refusal["event"], refusal["code"]) == ("error", "not-stored")
        bob.send("lost, too")
        assert bob.expect("! ").startswith(REFUSED)
        bob.send("/history", "/who")
        assert bob.line().endswith("#1] alice: before")
        assert bob.line() == "* 4 in lab: alice, bob, carol, dave"
    assert say(alice, "after")["seq"] == 2
    assert carol.line() == "alice: after"
    assert dave.event("message")["text"] == "before"
    assert dave.event("message")["text"] == "after"
    assert say(alice, "lost")["seq"] == 3  # with the key that was refused
    assert server.stop() == -signal.SIGTERM
    server.start()
    assert history(joined(connect(server), "eve")) == {1: "before", 2: "after", 3: "lost"}


@pytest.mark.parametrize("largest", [0, 1000], ids=["for nothing", "for a small file"])
def test_whatever_is_to_be_kept_is_refused(server, connect, largest):
    """A topic, a room, an account, a private message, an edit, a reaction, a reply, a file: each is
    `not-stored`, and is as it was; the same wish is granted when there is room."""
    alice, bob = joined(connect(server), "alice"), joined(connect(server), "bob")
    assert say(alice, "old")["seq"] == 1
    wishes = [
        {"do": "topic", "room": "lab", "text": "all about it"},
        {"do": "create", "room": "den"},
        {"do": "msg", "to": "bob", "text": "psst"},
        {"do": "edit", "room": "lab", "position": 1, "text": "new"},
        {"do": "react", "room": "lab", "position": 1, "word": "+1"},
        {"do": "say", "room": "lab", "about": 1, "text": "indeed"},
        {"do": "register", "password": "open sesame"},
    ]
    with full_disk(server, largest):
        for wish in wishes:
            alice.ask(**wish, id="wish")
            refusal = answer(alice, "wish")
            assert (refusal["event"], refusal["code"]) == ("error", "not-stored"), wish
        assert upload(server, alice) == b"! "
        alice.ask(do="files", room="lab", id="files")
        assert answer(alice, "files")["files"] == []
        alice.ask(do="rooms", id="rooms")
        rooms = answer(alice, "rooms")["rooms"]
        assert [(room["room"], room["topic"]) for room in rooms] == [("lab", ""), ("lobby", "")]
    for wish in wishes:
        alice.ask(**wish, id="wish")
        assert answer(alice, "wish")["event"] == "ok"
    assert bob.event("private")["text"] == "psst"
    assert upload(server, alice) == b"= "
    assert (server.files / "lab" / "a.txt").read_bytes() == b"abc"


def upload(server: Server, bare: RawClient) -> bytes:
    """Send a file, and return the first two bytes of the answer."""
    bare.ask(do="put", room="lab", name="a.txt", size=3, id="put")
    ticket = answer(bare, "put")["ticket"]
    with contextlib.closing(RawClient(server.port)) as carrier:
        carrier.send_raw(f"PUT {ticket}\nabc".encode())
        return carrier.rest()[:2]


@pytest.mark.parametrize("free", [0, 5_000, 50_000])
def test_a_disk_that_fills_up_in_the_middle_of_talk(server, connect, free):
    """Some entries on their way are stored, the rest are refused. Then the disk has space, and then
    it is full again. The entries that were acknowledged, shown, and found after a restart are the
    same, in the same order."""
    alice, dave = joined(connect(server), "alice"), joined(connect(server), "dave")
    granted, refused = {}, 0
    for turn, full in enumerate((True, False, True, False)):
        wal = (server.data / "chat.sqlite-wal").stat().st_size
        with full_disk(server, wal + free) if full else contextlib.nullcontext():
            for lot in range(20):
                texts = [f"{turn} {lot} {number} " + "x" * 200 for number in range(20)]
                for text in texts:
                    alice.ask(do="say", room="lab", text=text, key=text, id=text)
                answers = [answer(alice, text) for text in texts]
                stored = {it["seq"]: it["id"] for it in answers if it["event"] == "ok"}
                assert len(stored) == len(texts) or full
                assert all(it["code"] == "not-stored" for it in answers if it["event"] == "error")
                assert min(stored, default=1 << 60) > max(granted, default=0)
                granted |= stored
                refused += len(texts) - len(stored)
    assert refused
    for position, text in granted.items():
        event = dave.event("message")
        assert (event["seq"], event["text"]) == (position, text)
    server.kill()
    server.start()
    eve = connect(server)
    eve.ask(do="hello", name="eve")
    assert {event["seq"]: event["text"] for event in follow(eve)} == granted
