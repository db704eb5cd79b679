"""Clients whose network goes: the server finds out in time, and their name is free again."""

import json
import shutil
import socket
import subprocess
import sys

import pytest

from tests.servers import PATIENCE, Server
from tests.tls import TlsClient


class Telling(Server):
    """A server that logs what the sockets are set to on which somebody says who they are."""

    before = (
        "import json, socket, sys\n"
        "from chatservice.protocols.chatprotocol import ChatProtocol\n"
        "named = ChatProtocol.logged_in\n"
        "def tell(self):\n"
        "    named(self)\n"
        "    it = getattr(self.transport, 'transport', self.transport).socket\n"
        "    ask = lambda name: it.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))\n"
        "    names = ('TCP_KEEPIDLE', 'TCP_KEEPINTVL', 'TCP_KEEPCNT')\n"
        "    found = {name: ask(name) for name in names}\n"
        "    found['SO_KEEPALIVE'] = it.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)\n"
        "    print('sockets are', json.dumps(found), flush=True)\n"
        "ChatProtocol.logged_in = tell\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other options")
@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_the_system_looks_whether_the_other_side_is_there(tmp_path, connect, kind):
    """Within two minutes, on each connection, in any format."""
    server = Telling(tmp_path, "--tls", "auto")
    try:
        if kind == "plain":
            connect(server, "alice")
        else:
            TlsClient(server.port).send("alice")
        found = json.loads(server.log.expect(r"sockets are (.*)")[1])
    finally:
        server.kill()
    probing = found["TCP_KEEPIDLE"] + found["TCP_KEEPINTVL"] * found["TCP_KEEPCNT"]
    assert found["SO_KEEPALIVE"] == 1
    assert probing <= 120


class Looking(Server):
    """A server that logs when it looks for those whose network went."""

    before = (
        "from chatservice.net.deadpeers import DeadPeers\n"
        "look = DeadPeers._look\n"
        "def tell(self):\n"
        "    look(self)\n"
        "    print('it looked', flush=True)\n"
        "DeadPeers._look = tell\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("count", [6, 200], ids=["in the system's buffers", "beyond them"])
def test_who_has_stopped_reading_may_stay(tmp_path, connect, count):
    """A client that is suspended answers that it takes nothing now, for much longer than nothing is
    answered where a network went. Then it reads all."""
    server = Looking(tmp_path, unanswered_seconds=1)
    try:
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 13)
            slow.settimeout(PATIENCE)
            slow.connect(("127.0.0.1", server.port))
            slow.sendall(b"slow\n")
            server.log.expect("slow came into lobby")
            bob = connect(server, "bob")
            bob.send(*(f"{at} {'x' * 7000}" for at in range(count)), "/who", "that was all")
            bob.expect("2 in lobby: bob, slow")
            for _ in range(20):  # of which four are within a second
                server.log.expect("it looked")
            found = b""
            while b"that was all" not in found[-1000:]:
                piece = slow.recv(1 << 16)
                assert piece, "the connection was ended"
                found += piece
            assert found.count(b"bob: ") >= count
    finally:
        server.kill()


def _ip(*args: str) -> subprocess.CompletedProcess:
    return subprocess.run(["ip", *args], capture_output=True, check=False)


@pytest.fixture
def far():
    """Return the name of a network of its own, from which 10.231.77.1 is this machine."""
    name = "chatfar"
    if shutil.which("ip") is None or _ip("netns", "add", name).returncode:
        pytest.skip("networks cannot be made here")
    made = [
        _ip("link", "add", "chatnear", "type", "veth", "peer", "name", "eth0", "netns", name),
        _ip("addr", "add", "10.231.77.1/30", "dev", "chatnear"),
        _ip("link", "set", "chatnear", "up"),
        _ip("-n", name, "addr", "add", "10.231.77.2/30", "dev", "eth0"),
        _ip("-n", name, "link", "set", "eth0", "up"),
    ]
    try:
        if any(each.returncode for each in made):
            pytest.skip("networks cannot be made here")
        yield name
    finally:
        _ip("link", "del", "chatnear")
        _ip("netns", "del", name)


class Open(Server):
    """A server that listens on all addresses."""

    def __init__(self, *args, **limits: float) -> None:
        super().__init__(*args, "--listen", "tcp:0:interface=10.231.77.1", **limits)


FAR = """
import socket, sys
it = socket.create_connection(("10.231.77.1", int(sys.argv[1])))
it.sendall(b"alice\\n")
print("in", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("talk", [False, True], ids=["idle", "spoken to"])
def test_the_name_of_who_is_cut_off_is_free_again(far, tmp_path, connect, talk):
    """Nobody says that they left; it is found by nothing coming back, with talk on its way to them
    and without."""
    bounds = {
        "keepalive_idle_seconds": 1,
        "keepalive_interval_seconds": 1,
        "keepalive_probes": 2,
        "unanswered_seconds": 3,
    }
    server = Open(tmp_path, **bounds)
    port = server.log.expect(r"listening on 10\.231\.77\.1:(\d+)")[1]
    command = ["ip", "netns", "exec", far, sys.executable, "-c", FAR, port]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alice:
        try:
            assert alice.stdout.readline() == b"in\n"
            server.log.expect("alice came into lobby")
            bob = connect(server, "bob")
            _ip("-n", far, "link", "set", "eth0", "down")
            if talk:
                bob.send("are you there?")
            bob.expect("* alice left")
            carol = connect(server)
            carol.expect("* Welcome")
            carol.send("alice")
            carol.expect("* You are alice.")
        finally:
            alice.kill()
            server.kill()
