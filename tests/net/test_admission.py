"""Admission: the bounds on connections, in all and by address, and the answer to a refused one."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from chatservice.net.admission import LOG_SECONDS, Admission
from tests.servers import RawClient

FULL = "! The server has {} connections, and no more; come back later."


@pytest.fixture
def bounded():
    """Return a function that makes an admission whose clock stands still, and its log."""

    def make(make_room=lambda: False, **values):
        told, clock = [], [1e6]
        report = lambda form, **fields: told.append(form.format(**fields))  # noqa: E731
        return Admission(lambda: clock[0], report, make_room, Limits(**values)), told, clock

    return make


def refused(admission, address):
    """Return the code with which a connection is refused, or None."""
    try:
        admission.add(address)
    except Refusal as refusal:
        return refusal.code
    return None


def test_one_address_cannot_fill_the_server(bounded):
    """It has at most so many, and never more than half of all."""
    admission, told, _ = bounded(connections=10, connections_an_address=3)
    assert [refused(admission, "192.0.2.1") for _ in range(4)] == [None] * 3 + [Code.TOO_MANY]
    assert refused(admission, "192.0.2.2") is None
    admission.remove("192.0.2.1")
    assert refused(admission, "192.0.2.1") is None
    admission, told, _ = bounded(connections=10, connections_an_address=1000)
    assert [refused(admission, "192.0.2.1") for _ in range(6)] == [None] * 5 + [Code.TOO_MANY]
    assert told == [
        "connections from 192.0.2.1 are turned away (5 are here, 1 were turned away since this was "
        "last said)"
    ]


def test_what_has_no_address_is_counted_in_all_only(bounded):
    """This machine's own."""
    admission, _, _ = bounded(connections=10, connections_an_address=1)
    assert [refused(admission, "") for _ in range(11)] == [None] * 10 + [Code.TOO_MANY]
    assert refused(admission, "192.0.2.1") == Code.TOO_MANY
    admission.remove("")
    assert refused(admission, "192.0.2.1") is None


def test_who_connects_over_and_over_is_slowed_down(bounded):
    """A burst passes; then it is so many a second."""
    admission, _, clock = bounded(arrivals_burst=3, arrivals_per_second=2.0)
    for _ in range(3):
        assert refused(admission, "192.0.2.1") is None
        admission.remove("192.0.2.1")
    assert refused(admission, "192.0.2.1") == Code.SLOW_DOWN
    assert refused(admission, "192.0.2.2") is None
    clock[0] += 0.6
    assert refused(admission, "192.0.2.1") is None
    assert refused(admission, "192.0.2.1") == Code.SLOW_DOWN


def test_a_flood_is_a_line_a_minute_in_the_log(bounded):
    """For each address, and for the whole server."""
    admission, told, clock = bounded(arrivals_burst=1, connections=2)
    for _ in range(1000):
        refused(admission, "192.0.2.1")
    assert len(told) == 1
    clock[0] += LOG_SECONDS
    refused(admission, "192.0.2.1")
    refused(admission, "192.0.2.1")
    assert len(told) == 2
    assert "1000 were turned away" in told[1] or "999 were turned away" in told[1]


def test_an_address_that_is_not_known_any_more_takes_no_memory(bounded):
    """However many there were."""
    admission, _, clock = bounded(connections=1 << 20)
    for at in range(20_000):
        clock[0] += 1
        assert refused(admission, f"a{at}") is None
        admission.remove(f"a{at}")
    assert len(admission._neighbours) <= 3000


@given(st.lists(st.tuples(st.sampled_from("cgm"), st.integers(0, 3)), max_size=200))
def test_who_comes_and_goes_is_counted(steps):
    """The count of connections is right, whatever happens in between."""
    admission = Admission(lambda: 1e6, lambda *_, **__: None, lambda: False, Limits())
    here = []
    for what, number in steps:
        address = f"192.0.2.{number}" if number else ""
        if what == "c":
            if refused(admission, address) is None:
                here.append(address)
        elif here and what == "g":
            admission.remove(here.pop(number % len(here)))
        elif here:
            before = here.pop(number % len(here))
            admission.move(before, address)
            here.append(address)
    assert admission.here == len(here)
    for address in set(here) - {""}:
        assert admission._neighbours[address].here == here.count(address)


def test_a_full_server_says_so_at_the_door(start_server, connect):
    """The answer is one line, in the client's format. Connected clients go on, and when one leaves,
    another one may come."""
    server = start_server(connections=2)
    alice, bob = connect(server, "alice"), connect(server, "bob")
    assert RawClient(server.port).rest().decode() == FULL.format(2) + "\n"
    fourth = RawClient(server.port)
    fourth.ask(do="hello", name="bot")
    assert fourth.event()["message"] == FULL.format(2).removeprefix("! ")
    bob.send("still here")
    alice.expect("bob: still here")
    server.log.expect(r"connections are turned away \(2 are here, 1 were")
    bob.close()
    alice.expect("bob left")
    connect(server, "carol")


def test_too_many_of_one_address(start_server, connect):
    """An address has its bound, if this machine's own addresses are not trusted."""
    server = start_server("--listen", "unix:chat.sock", trusted=(), connections_an_address=2)
    alice = connect(server, "alice")
    connect(server, "bob")
    third = RawClient(server.port)
    assert "! 2 connections are here from your address" in third.line()
    server.log.expect("connections from 127.0.0.1 are turned away")
    with socket.socket(socket.AF_UNIX) as pipe:  # a socket without an address
        pipe.connect(str(server.folder / "chat.sock"))
        pipe.sendall(b"carol\nhello\n")
        alice.expect("carol: hello")


def test_behind_a_proxy_the_users_own_address_counts(start_server):
    """It counts as soon as the proxy has sent it. One user does not use up another one's share, and
    the log names the user's address."""
    server = start_server("--listen", "haproxy:tcp:0:interface=127.0.0.1", connections_an_address=1)
    port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])

    def come(address, name):
        bare = RawClient(port)
        bare.send_raw(b"PROXY TCP4 %b 192.0.2.99 5000 5555\r\n" % address)
        bare.send(name, "/who")
        return bare

    alice = come(b"192.0.2.1", "alice")
    alice.expect("1 in lobby")
    server.log.expect("alice connected from 192.0.2.1:5000")
    bob = come(b"192.0.2.2", "bob")
    bob.expect("2 in lobby")
    again = come(b"192.0.2.1", "eve")
    assert again.line().startswith("! 1 connections are here from your address")
    alice.close()
    bob.expect("alice left")
    come(b"192.0.2.1", "carol").expect("2 in lobby")


def test_the_one_who_was_idle_for_longest_makes_room(start_server, connect):
    """An idle guest is told to come back later; never a registered user, a writer, or a client with
    a transfer."""
    server = start_server(connections=5, idle_seconds=0.3)
    owner = connect(server, "owner")
    owner.send("/register secret")
    owner.expect("your name from now on")
    sender = connect(server, "sender")
    sender.send("/put file 10")
    sender.expect("Send its 10 bytes")
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    idle, writer = connect(server, "idle"), connect(server, "writer")
    while True:  # until the bot has been idle for long enough
        writer.send("/who")
        writer.expect("in lobby")
        idle.send("/who")
        idle.expect("in lobby")
        came = RawClient(server.port)
        line = came.line()
        came.close()
        if line.startswith("* Welcome"):
            break
        assert line == FULL.format(5)
    told = bot.event("notice")
    assert told["text"] == "The server is full, and you were idle: come back later."
    assert bot.rest() == b""
    sender.send_raw(b"x" * 10)
    sender.expect("= 10 ")
    owner.send("/who")
    owner.expect("in lobby")
