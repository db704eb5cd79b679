"""One more protocol is one more row of the table, and a full server turns each away in its own
words."""

import contextlib
import ssl

import pytest
from twisted.internet.task import Clock

from chatservice.net.sniff import LineRow
from chatservice.protocols.factory import ChatFactory
from tests.servers import RawClient, Server
from tests.tls import TlsClient

REQUEST = b"ECHO /path HTTP/1.1\r\nHost: here\r\n\r\n"
FULL = "The server has 2 connections, and no more; come back later."


class Echoing(Server):
    """A server with a row for a protocol that sends back what it gets."""

    before = (
        "from twisted.internet.protocol import Protocol\n"
        "from chatservice.net.sniff import PrefixRow\n"
        "from chatservice.protocols.factory import ChatFactory\n"
        "class Echo(Protocol):\n"
        "    def dataReceived(self, data):\n"
        "        self.transport.write(data)\n"
        "def refused(refusal, data):\n"
        "    return b'ECHO 503 ' + data[5:6] + refusal.code.encode()\n"
        "row = PrefixRow('echo', lambda connection, chat: Echo(), refused, (b'ECHO /',))\n"
        "from functools import partialmethod\n"
        "ChatFactory.__init__ = partialmethod(ChatFactory.__init__, more_rows=(row,))\n"
    )


@pytest.fixture
def echoing(tmp_path):
    """Return a function that starts such a server."""
    made = []

    def start(*options, **limits):
        made.append(Echoing(tmp_path, *options, **limits))
        return made[-1]

    yield start
    for each in made:
        each.kill()


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_a_row_is_a_protocol(echoing, connect, kind):
    """Its connections are known by their first bytes, in pieces or at once, plain and inside TLS;
    others are served as before."""
    server = echoing("--tls", "auto")
    alice = connect(server, "alice")
    for pieces in ((REQUEST,), (REQUEST[:3], REQUEST[3:])):
        made = RawClient(server.port) if kind == "plain" else TlsClient(server.port)
        for piece in pieces:
            made.send_raw(piece)
        assert made.read(len(REQUEST)) == REQUEST
        made.send_raw(b"more")
        assert made.read(4) == b"more"
        made.close()
    bob = RawClient(server.port) if kind == "plain" else TlsClient(server.port)
    bob.send("ECHO", "hello")
    alice.expect("ECHO: hello")
    bob.close()
    alice.expect("ECHO left")
    server.stop()
    server.log.expect("Server Shut Down")
    assert not [line for line in server.log.lines if "Traceback" in line]


def test_a_full_server_answers_each_in_its_own_protocol(echoing, connect):
    """JSON, TLS, the further protocol, and the text of a person, who sends nothing; a connection
    whose protocol is not known at its end is closed without a word. None of them takes a place."""
    patient = {"first_byte_seconds": 3600.0, "greeting_seconds": 3600.0}
    server = echoing("--tls", "auto", connections=2, **patient)
    alice, _ = full(server, connect)
    echo = RawClient(server.port)
    echo.send_raw(REQUEST)
    assert echo.rest() == b"ECHO 503 /too-many"
    bot = RawClient(server.port)
    bot.ask(do="hello", name="bot", id=3)
    assert bot.event() == {"event": "error", "id": 3, "code": "too-many", "message": FULL}
    assert bot.rest() == b""
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        TlsClient(server.port)
    unknown = RawClient(server.port)
    unknown.send_raw(b"ECH")
    unknown.end()
    with contextlib.suppress(ConnectionError):
        assert unknown.rest() == b""
    alice.send("still here")
    alice.send("/who")
    alice.expect("2 in lobby")
    server.stop()
    server = echoing("--tls", "auto", connections=2, first_byte_seconds=0.001)
    full(server, connect)
    assert RawClient(server.port).rest().decode() == f"! {FULL}\n"


def full(server, connect):
    """Fill a server with two connections, which send first, and return them."""
    members = []
    for count, name in enumerate(("alice", "bob"), 1):
        members.append(connect(server))
        members[-1].send(name, "/who")
        members[-1].expect(f"{count} in lobby")
    return members


def test_a_full_server_answers_half_a_line(echoing, connect):
    """A person who has typed half a name, or only Return, or whose telnet has negotiated, is told;
    and a script whose line has no end, as soon as it sends no more. Blank lines without end are as
    long as a line can be."""
    server = echoing(connections=2, first_byte_seconds=0.3)
    connect(server, "alice")
    connect(server, "bob")
    for typed in (b"car", b"\r\n", b"\xff\xfb\x1f"):
        person = RawClient(server.port)
        person.send_raw(typed)
        assert person.line() == f"! {FULL}"
    server.stop()
    server = echoing(connections=2, first_byte_seconds=3600.0, greeting_seconds=3600.0)
    full(server, connect)
    for sent in (b"carol", b""):
        script = RawClient(server.port)
        script.send_raw(sent)
        script.end()
        assert script.line() == f"! {FULL}"
    bot = RawClient(server.port)
    bot.send_raw(b'{"do":"hello","name":"bot"}')
    bot.end()
    assert bot.event()["code"] == "too-many"
    flood = RawClient(server.port)
    flood.send_raw(b"\n" * 10_000)
    assert flood.line() == f"! {FULL}"


def test_turned_away_connections_are_few_and_short(echoing, connect):
    """Beyond a number of them the others end at once; and those that say and read nothing end after
    a moment."""
    server = echoing(connections=2, rejected=3, greeting_seconds=0.2)
    alice, _ = connect(server, "alice"), connect(server, "bob")
    waiting = [RawClient(server.port) for _ in range(10)]
    said = 0
    for each in waiting:
        with contextlib.suppress(ConnectionError):
            said += each.rest() != b""
    assert said <= 3
    alice.send("/who")
    alice.expect("2 in lobby")


def test_further_rows_come_before_that_of_tickets():
    """It refuses what looks like another protocol. On the admin socket they are the same."""
    finger = LineRow("finger", None, None, lambda line: line.startswith(b"/W "))
    factory = ChatFactory(Clock(), more_rows=(finger,))
    factory.chat = None
    for table in (factory.table, factory.admin_factory().table):
        names = [row.name for row in table.rows]
        assert names == ["TLS", "finger", "HTTP", "HTTP", "IRC", "tickets", "JSON", "text"]
        assert table.row_of_line(b"/W ann") is finger
        assert table.row_of_line(b"NICK ann").name == "IRC"
        assert table.row_of_line(b"ann").name == "text"
