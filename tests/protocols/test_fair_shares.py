"""Shares of what all have together: uploads, downloads, and descriptors."""

import contextlib
import socket

import pytest

from chatservice.limits import Limits
from tests.servers import RawClient, Server, descriptors


class Few(Server):
    """A server that may have 128 files open."""

    before = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))\n"


@pytest.fixture
def few(tmp_path):
    """Return such a server, with a large file in the lobby."""
    server = Few(tmp_path)
    server.files.mkdir(exist_ok=True)
    with open(server.files / "large", "wb") as file:
        file.truncate(64 << 20)
    yield server
    server.kill()


def fetching(server, name) -> RawClient:
    """Return a connection whose user has asked for the large file, and does not read it."""
    bare = RawClient.__new__(RawClient)
    bare._seen, bare._buffer = [], b""
    bare.socket = socket.socket()
    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    bare.socket.settimeout(60)
    bare.socket.connect(("127.0.0.1", server.port))
    bare.send(name, "/get large")
    return bare


def open_files(server) -> list[str]:
    """Return the paths of what a server has open."""
    return descriptors(server.process.pid)


def test_downloads_that_nobody_reads_leave_descriptors(few, connect):
    """A further guest's download is refused; all others go on to talk, and registered users to
    download."""
    alice = connect(few, "alice")
    alice.send("/register secret")
    alice.expect("is your name from now on")
    stalled, told = [], []
    for at in range(20):
        stalled.append(fetching(few, f"g{at}"))
        told.append(stalled[-1].line())
    assert [line.startswith("= ") for line in told].count(True) == 3
    assert "downloads of guests are under way, and no more may be" in told[-1]
    script = RawClient(few.port)
    script.send("/login alice secret", "/get large")
    script.expect("= ")
    script.read(64 << 20)
    connect(few, "bob").send("hello")
    alice.expect("bob: hello")


def test_a_download_that_nobody_reads_ends(start_server, connect):
    """And gives back what it has open."""
    server = start_server(stalled_seconds=0.5)
    server.files.mkdir(exist_ok=True)
    with open(server.files / "large", "wb") as file:
        file.truncate(64 << 20)
    stalled = fetching(server, "stalled")
    assert stalled.line().startswith("= ")
    server.log.expect("nothing more is taken of a file by")
    with contextlib.suppress(ConnectionError):
        stalled.rest()
    while str(server.files / "large") in open_files(server):
        pass


def test_who_trickles_does_not_hold_an_upload(start_server, connect):
    """A few bytes now and then are no upload: it stops, can go on, and others may send."""
    server = start_server("--uploads", "1", stalled_seconds=0.5)
    alice = connect(server, "alice")
    alice.send(f"/put x {64 << 20} {'ab' * 32}")
    alice.expect("* Send its")
    alice.socket.settimeout(0.02)
    seen = b""
    while b"Nothing has come" not in seen:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            alice.send_raw(b"x")
        try:
            seen += alice.socket.recv(65536)
        except TimeoutError:
            continue
    again = connect(server)
    again.expect("* Welcome")


def test_the_shares_are_parts():
    """However they are set, somebody may have something."""
    assert 0 < Limits().address_share < 1
    assert 0 < Limits().guests_share < 1
