"""Ten thousand browsers that are only there."""

import resource
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.servers import PATIENCE, RawClient, Server
from tests.web.clients import KEY, HttpClient, WebSocketClient
from tests.websocketframes import client_frame, server_frames

MANY = 10_000
AT_ONCE = 200
DESCRIPTORS = 3 * MANY // 2  # a server takes connections on three quarters of them
ADDRESSES = [f"127.0.0.{at}" for at in range(2, 6)]
"""Addresses of this machine; each has 28,000 ports for connections to one place (ip(7))."""


class RoomyServer(Server):
    """A server that may have as many descriptors as this process."""

    before = (
        "import resource; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS})); "
    )


@pytest.fixture
def descriptors():
    """Let this process open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < DESCRIPTORS:
        pytest.skip(f"a process may open only {hard} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(port: int, at: int) -> socket.socket:
    """Connect a WebSocket of a guest, and wait for nothing."""
    source = ADDRESSES[at % len(ADDRESSES)], 0
    it = socket.create_connection(("127.0.0.1", port), PATIENCE, source)
    told = "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}"
    lines = "GET /ws HTTP/1.1", "Host: localhost", *told, "Sec-WebSocket-Version: 13", "", ""
    it.sendall("\r\n".join(lines).encode() + client_frame(b'{"do":"hello","name":"g%d"}' % at))
    return it


def expect_welcome(it: socket.socket) -> None:
    """Wait for the answers to the handshake and to the hello."""
    came = b""
    while b"}" not in came:
        data = it.recv(4096)
        assert data, came
        came += data
    assert came.startswith(b"HTTP/1.1 101 "), came
    assert b'"ok"' in came, came


def ended_with(it: socket.socket) -> int:
    """Read to the end of a connection, and return the code of its close frame."""
    came = b""
    while data := it.recv(4096):
        came += data
    *_, last = server_frames(came)
    it.close()
    assert last.opcode == 8
    return int.from_bytes(last.payload[:2], "big")


@pytest.mark.long
def test_ten_thousand_idle_websockets(tmp_path: Path, descriptors):
    """They cost little memory, others are served as ever meanwhile, and each gets its close frame
    when the server stops."""
    server = RoomyServer(tmp_path / "server", connections=MANY + 100, greeting_seconds=3600.0)
    WebSocketClient(server.port).close()
    before = server.memory()
    try:
        idle: list[socket.socket] = []
        while len(idle) < MANY:
            lot = [connect(server.port, len(idle) + at) for at in range(AT_ONCE)]
            for it in lot:
                expect_welcome(it)
            idle += lot
        each = (server.memory() - before) / MANY
        slowest = 0.0
        for _ in range(100):
            began = time.monotonic()
            client, bare = HttpClient(server.port), RawClient(server.port)
            assert client.request("GET", "/healthz").status == 200
            bare.ask(do="hello", name="somebody", id=1)
            bare.expect('"id":1')
            client.close()
            bare.close()
            slowest = max(slowest, time.monotonic() - began)
        print(f"{each:.0f} bytes an idle WebSocket; the slowest of 100 others {slowest:.3f} s")
        assert each < 16_384
        assert slowest < 5
        server.process.send_signal(signal.SIGTERM)
        assert {ended_with(it) for it in idle} == {1001}
        assert server.process.wait(PATIENCE) == -signal.SIGTERM
    finally:
        server.kill()
