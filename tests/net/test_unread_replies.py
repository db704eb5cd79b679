"""Clients who send and do not read: what is gathered for them has a bound."""

import json
import socket
import threading

import pytest

from tests.servers import PATIENCE, RawClient
from tests.tls import TLS

QUIET = 2.0
"""Seconds after which a server that takes nothing is taken not to read any more."""

BOUND = 96 << 20
"""Bytes that a server may take more for one such client, most of it garbage that Python has not
collected yet. Without bounds it would be what the client asks for: hundreds of MB."""


def poured(server, bare: RawClient, data: bytes, most: int = 4 << 20) -> int:
    """Send `data` over and over without reading: `most` bytes, or until nothing more is taken, or
    the server has got larger than it may. Return by how much it grew, in bytes."""
    before = grown = server.memory()
    bare.socket.settimeout(QUIET)
    try:
        for _ in range(most // len(data)):
            bare.socket.sendall(data)
            grown = max(grown, server.memory())
            if grown - before > BOUND:
                break
    except TimeoutError:
        grown = max(grown, server.memory())
    bare.socket.settimeout(PATIENCE)
    return grown - before


def small(server) -> RawClient:
    """Return a connection whose system takes little in."""
    bare = RawClient.__new__(RawClient)
    bare._seen, bare._buffer = [], b""
    bare.socket = socket.socket()
    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    bare.socket.settimeout(PATIENCE)
    bare.socket.connect(("127.0.0.1", server.port))
    return bare


@pytest.mark.parametrize(
    ("first", "line"),
    [
        (b"bot\n", b"/help\n"),
        (b"bot\n", b"/who nowhere\n"),
        (b"bot\n", b"\xff\xfd\x18" * 600 + b"/help say\n"),
        (b'{"do":"hello","name":"bot"}\n', b'{"do":"help"}\n'),
        (b'{"do":"hello","name":"bot"}\n', b"no JSON\n"),
        (b'{"do":"help"}\n', b'{"do":"say","room":"lobby","text":"x"}\n'),
    ],
    ids=["help", "refused", "telnet", "json", "no json", "nameless"],
)
def test_who_asks_without_a_pause_and_does_not_read_is_not_read(start_server, connect, first, line):
    """Also a script that speaks first, and has never been answered yet."""
    server = start_server(commands_burst=1_000_000)
    alice = connect(server, "alice")
    rude = small(server)
    rude.send_raw(first)
    assert poured(server, rude, line * (8192 // len(line))) < BOUND
    alice.send("/who")
    alice.expect("in lobby")
    rude.close()


@pytest.mark.parametrize(
    "said", [b"\n" * 4096, b"\xff\xfd\x18" * 1365, b"\xff\xfb\x01" * 1365], ids=["n", "do", "will"]
)
def test_who_has_not_given_a_name_is_answered_up_to_a_bound_too(start_server, connect, said):
    """Blank lines, and telnet's negotiation, each of which is answered."""
    server = start_server()
    rude = small(server)
    assert rude.line().startswith("* Welcome")
    assert poured(server, rude, said, (4 if said == b"\n" * 4096 else 128) << 20) < BOUND
    connect(server, "alice")
    rude.close()


def test_a_script_whose_answers_were_gathered_gets_all_of_them(start_server):
    """It goes on without a pause, and reads at the end; they come in their order."""
    server = start_server(commands_burst=1_000_000)
    script, count = RawClient(server.port), 3000

    def speak() -> None:
        script.send_raw(b"script\n" + b"".join(b"/who r%d\n" % at for at in range(count)))
        script.send_raw(b"/quit\n")

    speaking = threading.Thread(target=speak)
    speaking.start()
    for at in range(count):
        assert f"no room r{at};" in script.line()
    speaking.join()
    script.rest()


def test_over_tls_it_is_the_same(start_server):
    """Over TLS, the bytes gather in another transport."""
    server = start_server("--tls", "auto", commands_burst=1_000_000)
    rude = small(server)
    rude.socket = TLS.wrap_socket(rude.socket)
    rude.send_raw(b"bot\n")
    assert poured(server, rude, b"/help\n" * 1365) < BOUND
    rude.close()


@pytest.mark.parametrize("speaks", ["script", "sixty programs"])
def test_long_answers_that_nobody_reads_do_not_gather(start_server, speaks):
    """One write that asks for the whole past a hundred times, before anything is answered; and many
    who ask for it once."""
    server = start_server("--room", "lab")
    writer = RawClient(server.port)
    writer.ask(do="hello", name="writer")
    writer.ask(do="join", room="lab")

    def say() -> None:
        for at in range(500):
            writer.send(json.dumps({"do": "say", "room": "lab", "text": "x" * 7000, "id": at}))

    speaking = threading.Thread(target=say)
    speaking.start()
    while writer.event("ok").get("id") != 499:
        pass
    speaking.join()
    before, rude = server.memory(), []
    if speaks == "script":
        rude.append(small(server))
        rude[0].send_raw((b"script\n/join lab\n" + b"/history 1000\n" * 140)[:1684])
    else:
        for at in range(60):
            rude.append(small(server))
            rude[at].ask(do="hello", name=f"u{at}")
            rude[at].ask(do="history", room="lab", after=0, limit=1000)
    # Each has its first answer by then, and one who reads is answered behind all of them.
    for each in rude:
        each.read(1)
    grown = 0
    for _ in range(200):
        writer.ask(do="history", room="lab", after=0, limit=1000, id="last")
        while writer.event("ok").get("id") != "last":
            pass
        grown = max(grown, server.memory() - before)
    assert grown < BOUND
    for each in rude:
        each.close()
