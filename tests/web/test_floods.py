"""Peers that send without an end, read nothing, or stop half-way: a real server stays small, and
serves others."""

import json
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatservice.limits import Limits
from tests.servers import PATIENCE, RawClient, Server
from tests.tls import TLS
from tests.web.clients import HttpClient, WebSocketClient
from tests.websocketframes import client_frame, client_header

MB = 1_000_000
HEAD = b"Host: localhost\r\n"
PEERS = 20
A_PEER = Limits().unsent_bytes + (1 << 16)
"""Bytes of memory that a peer costs at most who asks and does not read: what may wait for it, and a
piece of input with all that is made of it."""


class TrimmedServer(Server):
    """A server that gives freed memory back to the system when its memory is asked for: what the
    allocator keeps for later, of threads that have read talk, is not a peer's."""

    before = (
        "import ctypes, signal; free = ctypes.CDLL(None).malloc_trim; "
        "signal.signal(signal.SIGUSR2, lambda *_: free(0)); "
    )

    def memory(self) -> int:
        """Return its resident memory, in bytes."""
        self.process.send_signal(signal.SIGUSR2)
        served(self)
        return super().memory()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., TrimmedServer]]:
    """Return a function that starts a server with options and limits."""
    started: list[TrimmedServer] = []

    def start(*options: str, **limits: float) -> TrimmedServer:
        started.append(TrimmedServer(tmp_path / "server", *options, **limits))
        return started[-1]

    yield start
    for it in started:
        it.kill()


@pytest.fixture
def flooded(start_server: Callable[..., Server]) -> Iterator[Server]:
    """Return a server that stays small."""
    server = start_server("--room", "lab", request_seconds=600)
    WebSocketClient(server.port).close()
    with staying_small(server):
        yield server


@contextmanager
def staying_small(server: Server, beyond: int = 0) -> Iterator[None]:
    """Check that its memory grows by no more than `A_PEER` for each peer, `beyond` some bytes, and
    that it serves somebody else while the peers are still there."""
    before = server.memory()
    yield
    grown = server.memory() - before - beyond
    print(f"{grown / MB:.1f} MB for {PEERS} peers")
    assert grown < PEERS * A_PEER


def served(server: Server) -> None:
    """Somebody else is served as ever, by lines and by HTTP."""
    somebody = RawClient(server.port)
    somebody.ask(do="hello", name="somebody")
    somebody.ask(do="rooms", id=1)
    somebody.expect('"id":1')
    somebody.close()
    client = HttpClient(server.port)
    assert client.request("GET", "/healthz").status == 200
    client.close()


def pour(client: RawClient, data: bytes, most: int) -> int:
    """Send data again and again, until nothing more is taken for a moment, or it is `most` bytes.
    Return how much was taken."""
    client.socket.settimeout(0.1)
    taken = 0
    try:
        while taken < most:
            taken += client.socket.send(data)
    except (TimeoutError, ConnectionError):
        pass
    return taken


class TlsClient(HttpClient):
    """A connection that speaks HTTP over TLS."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.socket = TLS.wrap_socket(self.socket, server_hostname="127.0.0.1")


class TlsWebSocketClient(WebSocketClient, TlsClient):
    """A WebSocket over TLS."""


def small(port: int, kind: type[HttpClient] = HttpClient) -> HttpClient:
    """Connect with a small receive buffer."""
    client = kind(port)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    return client


ASKED = ["/", "/openapi.json", "/lobby", "/metrics", "/nothing/x/y", "/static/none", "/lobby/big"]


@pytest.mark.parametrize("path", ASKED)
def test_thousands_of_requests_and_no_answer_read(flooded, path):
    """Of a pipeline the server answers only as much as the client reads."""
    big = HttpClient(flooded.port)
    assert big.request("PUT", "/lobby/big", bytes(3 * MB)).status == 201
    request = f"GET {path} HTTP/1.1\r\n".encode() + HEAD + b"\r\n"
    clients = [small(flooded.port) for _ in range(PEERS)]
    taken = [pour(it, request * 1000, 10 * MB) for it in clients]
    assert max(taken) < 10 * MB
    served(flooded)
    (one, *others) = clients
    for it in others:
        it.close()
    one.socket.settimeout(PATIENCE)
    for _ in range(50):
        assert one.response().status in (200, 403, 404)


def test_a_stream_that_nobody_reads(start_server):
    """A follower who stops, and asks on meanwhile, costs a position."""
    # The newest talk is kept for all of them: with little of it, one sees what each of them costs.
    server = start_server("--room", "lab", tail_bytes=1 << 18, scan_entries=1)
    talk(server, small(server.port))
    wait_for_index(server)
    with staying_small(server):
        clients = [small(server.port) for _ in range(PEERS)]
        talk(server, *clients)
        request = b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n"
        for it in clients:
            assert pour(it, request * 1000, 50 * MB) < 50 * MB


def talk(server: Server, *followers: HttpClient) -> None:
    """Say four megabytes in a room that others follow."""
    for it in followers:
        it.ask_for("GET", "/lab?follow")
        assert it.response().status == 200
    ann = RawClient(server.port)
    ann.ask(do="hello", name="ann")
    ann.ask(do="join", room="lab")
    for at in range(2000):
        ann.ask(do="say", room="lab", text=f"{at} " + "x" * 2000)
    ann.ask(do="topic", room="lab", id="last")
    ann.expect('"last"')
    ann.close()


def wait_for_index(server: Server) -> None:
    """Wait until all talk can be searched: before, the index takes megabytes, and SQLite's caches
    grow."""
    ann = RawClient(server.port)
    ann.ask(do="hello", name="ann")
    while True:
        ann.ask(do="search", room="lab", text="nothing", id="found")
        if not json.loads(ann.expect('"found"')).get("pending"):
            ann.close()
            return
        time.sleep(0.1)


HALVES = {
    "line": b"GET /",
    "head": b"GET / HTTP/1.1\r\n" + HEAD,
    "body": b"POST /lobby HTTP/1.1\r\n" + HEAD + b"Content-Length: 8000\r\n\r\nhalf",
    "chunk": b"POST /lobby HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "file": b"PUT /lobby/f HTTP/1.1\r\n" + HEAD + b"Content-Length: 8000\r\n\r\nhalf",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_a_thousand_half_requests(start_server, half):
    """They cost little, and all of them are told in time that they were too slow; a file may take
    its time, and goes with its connection."""
    server = start_server(request_seconds=3.0, connections=2000)
    served(server)
    before = server.memory()
    most = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    clients = [RawClient(server.port) for _ in range(most)]
    for it in clients:
        it.send_raw(half)
    served(server)
    grown = server.memory() - before
    print(f"{grown // most} bytes a half request")
    assert grown < most * 64_000
    for it in clients:
        if not half.startswith(b"PUT"):
            assert it.rest().startswith(b"HTTP/1.1 408 ")
        it.close()
    served(server)


@pytest.mark.parametrize("half", [HALVES["head"], HALVES["body"]], ids=["head", "body"])
def test_bytes_that_trickle_in(start_server, half):
    """The time is that of the whole head, or of the whole body, whatever comes meanwhile."""
    server = start_server(request_seconds=1.0)
    client = HttpClient(server.port)
    client.send_raw(half)
    client.socket.settimeout(0.05)
    trickled = 0
    while True:
        try:
            answer = client.socket.recv(1 << 16)
        except TimeoutError:
            client.send_raw(b"x")
            trickled += 1
            assert trickled < 1000
            continue
        assert answer.startswith(b"HTTP/1.1 408 ")
        break
    assert trickled > 3


CHUNKED = b"POST /lobby HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n"

ENDLESS = {
    "line": (b"GET /", b"x" * 8192),
    "header": (b"GET / HTTP/1.1\r\nX: ", b"x" * 8192),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 2000),
    "blank lines": (b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n", b"\r\n" * 4000),
    "text": (b"POST /lobby HTTP/1.1\r\n" + HEAD + b"Content-Length: 99999999\r\n\r\n", b"x" * 8192),
    "chunk size": (
        b"POST /lobby HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n",
        b"0" * 8192,
    ),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 2000),
    "small chunks": (CHUNKED, b"1\r\nx\r\n" * 2000),
}


@pytest.mark.parametrize(("start", "more"), ENDLESS.values(), ids=ENDLESS)
def test_a_request_without_an_end(flooded, start, more):
    """It is refused once, in a sentence, however much comes."""
    for _ in range(PEERS):
        client = HttpClient(flooded.port)
        client.send_raw(start)
        pour(client, more, 2 * MB)
        try:
            client.socket.settimeout(PATIENCE)
            answer = client.rest()
        except ConnectionError:  # it was ended while we still sent
            continue
        assert answer.count(b"HTTP/1.1 4") == 1, answer[:300]
        client.close()


FRAMES = {
    "message": client_header(7000),
    "fragments": client_frame(b"x", final=False) + client_frame(b"", 0, final=False) * 1000,
    "pings": client_frame(b"x" * 125, 9),
    "empty pings": client_frame(b"", 9),
    "pongs": client_frame(b"x" * 125, 10),
    "requests": client_frame(b'{"do":"help"}'),
    "empty messages": client_frame(b""),
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_frames_without_an_end_and_no_answer_read(flooded, frames):
    """A WebSocket that sends what it can, and reads nothing, is not read in turn."""
    clients = [small(flooded.port, WebSocketClient) for _ in range(PEERS)]
    for at, it in enumerate(clients):
        it.send_raw(client_frame(b'{"do":"hello","name":"p%d"}' % at))
        pour(it, frames * 500 if len(frames) < 1000 else frames, 5 * MB)
    served(flooded)


@pytest.mark.parametrize("kind", [TlsClient, TlsWebSocketClient])
def test_floods_over_tls(start_server: Callable[..., Server], kind: type[HttpClient]):
    """TLS holds no more: nothing of what is asked is answered beyond what is read."""
    server = start_server("--room", "lab", "--tls", "auto", request_seconds=600)
    kind(server.port).close()
    asked = b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n"
    if kind is TlsWebSocketClient:
        asked = FRAMES["pings"]
    with staying_small(server, beyond=PEERS * OF_TLS):
        clients = [small(server.port, kind) for _ in range(PEERS)]
        for it in clients:
            assert pour(it, asked * 500, 20 * MB) < 20 * MB


OF_TLS = 1 << 18
"""Bytes allowed for what a connection of TLS holds beside: records of 16 KiB (RFC 8446, 5.1), in
each direction, before and after they are encrypted, and OpenSSL's own state."""


@pytest.mark.parametrize("size", range(1, 40))
def test_a_websocket_that_half_closes_within_a_frame(server, size):
    """Wherever that is, what was whole is done, and the rest is not: it gets a close frame."""
    client = WebSocketClient(server.port)
    client.tell(do="hello", name="bob", id=1)
    client.until(id=1)
    client.send_raw(client_frame(b'{"do":"say","room":"lobby","text":"half"}')[:size])
    client.end()
    assert client.close_code() == 1000
    assert client.rest() == b""
