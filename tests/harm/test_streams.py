"""Every stream of bytes of the corpus, from strangers, persons and programs, however it is cut."""

import random
from collections.abc import Iterator

import pytest

from tests.harm.checks import HTTP, check_http, check_json, check_object, check_text, without_telnet
from tests.harm.conftest import WatchedServer
from tests.harm.corpus import each
from tests.servers import RawClient
from tests.websocketframes import client_frame, fragmented

REFUSED = (b"! ", b"\x15\x03")
"""The answers to other protocols: a refusal, or a TLS alert."""

HTTP_STATUSES = {200, 400, 403, 405, 408, 431, 501}
"""The statuses of what is HTTP: only a whole GET of the page gets it."""


class Street:
    """A server, and two readers in its lobby, who see everybody that comes in."""

    def __init__(self, server: WatchedServer) -> None:
        self.server = server
        self.anna = RawClient(server.port)
        self.anna.send("anna", "/who")
        self.anna.expect("* 1 in lobby")
        self.bot = RawClient(server.port)
        self.bot.ask(do="hello", name="bot")
        self.bot.ask(do="join", room="lobby")
        self.anna.expect("bot came in")
        self.done = 0

    def walk(self, data: bytes, cuts: int, before: bytes = b"") -> bytes:
        """Send bytes in pieces on a connection of their own, and no more. Return what came back."""
        stranger = RawClient(self.server.port)
        try:
            stranger.send_raw(before)
            for piece in pieces(data, cuts):
                stranger.send_raw(piece)
            stranger.end()
            return stranger.rest()
        except ConnectionError:  # it was ended while we still sent
            return b""
        finally:
            stranger.close()

    def seen(self) -> list[str]:
        """Return what was read in the lobby meanwhile. It goes on as before."""
        self.done += 1
        end = f"done {self.done}"
        self.bot.ask(do="say", room="lobby", text=end)
        lines = []
        while (line := self.anna.line()) != f"bot: {end}":
            lines.append(line)
        while check_object(self.bot.line()).get("text") != end:
            pass
        return check_text("".join(f"{line}\n" for line in lines).encode())


def pieces(data: bytes, cuts: int) -> Iterator[bytes]:
    """Cut bytes at so many places, always the same ones; with -1, everywhere."""
    where = (
        range(1, len(data))
        if cuts < 0
        else sorted(random.Random(7).choices(range(len(data)), k=cuts))
    )
    last = 0
    for at in where:
        yield data[last:at]
        last = at
    yield data[last:]


@pytest.fixture(scope="module")
def street(house: WatchedServer) -> Iterator[Street]:
    """Return the server with its readers."""
    street = Street(house)
    yield street
    street.anna.close()
    street.bot.close()


def check_answer(data: bytes, is_program: bool) -> None:
    """Check that the answer is lines of one format, after the refusals of telnet options."""
    data = without_telnet(data)
    (check_json if is_program else check_text)(data)


@pytest.mark.parametrize("cuts", [0, 20], ids=["whole", "cut"])
@pytest.mark.parametrize("data", each("streams.txt", "found.txt"))
def test_bytes_from_strangers(street, data, cuts):
    """They mean something or are refused; who reads in the lobby reads only lines of its kind."""
    answer = street.walk(data, cuts)
    check_answer(answer, data.lstrip().startswith(b"{"))
    street.seen()


@pytest.mark.parametrize("cuts", [0, 20], ids=["whole", "cut"])
@pytest.mark.parametrize("data", each("streams.txt", "found.txt"))
def test_bytes_from_persons_and_programs(street, data, cuts):
    """Harmful bytes do no harm after a name was given, and are not said."""
    check_answer(street.walk(data, cuts, b"eve\n"), False)
    check_answer(street.walk(data, cuts, b'{"do":"hello","name":"mal"}\n'), True)
    assert not [line for line in street.seen() if "not said" in line]


HOST = b"Host: localhost\r\n"
GET = b"GET /lobby HTTP/1.1\r\n" + HOST
POST = b"POST /lobby?name=mal HTTP/1.1\r\n" + HOST
UPGRADE = (
    b"GET /ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HELLO = client_frame(b'{"do":"hello","name":"mal"}')
PING = client_frame(b"?", 9)
JOIN = client_frame(b'{"do":"join","room":"lobby"}')

PLACES = {
    "head": lambda data: GET + data,
    "target": lambda data: b"GET /" + data,
    "value": lambda data: GET + b"X: " + data + b"\r\n\r\n",
    "behind a request": lambda data: GET + b"\r\n" + data,
    "body": lambda data: POST + b"Content-Length: %d\r\n\r\n%b" % (len(data), data),
    "chunk": lambda data: (
        POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    ),
    "chunks": lambda data: POST + b"Transfer-Encoding: chunked\r\n\r\n" + data,
    "JSON": lambda data: (
        POST.replace(b"/lobby?", b"/api/v1/do/say?")
        + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
    ),
    "file": lambda data: b"PUT /lobby/x HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n" + data,
    "frames": lambda data: UPGRADE + data,
    "frames of a user": lambda data: UPGRADE + HELLO + JOIN + data,
    "message": lambda data: UPGRADE + HELLO + JOIN + client_frame(data),
    "fragments": lambda data: (
        UPGRADE + HELLO + fragmented([data[:9], data[9:], b""], between=HELLO)
    ),
    "ping": lambda data: UPGRADE + client_frame(data[:125], 9) + client_frame(data[:125], 8),
}
"""The places in HTTP and in a WebSocket that bytes may stand in."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("data", each("streams.txt", "found.txt"))
def test_bytes_in_http_and_in_websockets(street, data, place):
    """Each request has one answer of its kind, and each frame is one of RFC 6455; others read lines
    as ever."""
    said = PLACES[place](data)
    answer = street.walk(said, 0)
    check_http(answer)
    if len(data) < 2000:
        check_http(street.walk(said, 20))
    street.seen()


@pytest.mark.parametrize("cuts", [0, 20, -1], ids=["whole", "cut", "slow"])
@pytest.mark.parametrize("data", each("foreign.txt"))
def test_other_protocols(street, data, cuts):
    """Nobody comes in, nothing is said, no room is made; who spoke is refused, and that is all."""
    answer = without_telnet(street.walk(data[:3000] if cuts < 0 else data, cuts))
    if answer.startswith(HTTP):
        assert set(check_http(answer)) <= HTTP_STATUSES
    else:
        assert answer.startswith(REFUSED) or not answer
        assert answer.count(b"\n") <= 1
    assert street.seen() == []


@pytest.mark.parametrize("data", each("streams.txt"))
def test_slow_senders(street, data):
    """A stream a byte at a time gives the same results as at once; other clients do not wait for
    it."""
    data = data[:2000]
    answers = [street.walk(data + b"\n", cuts, b"slow\n") for cuts in (0, -1)]
    assert answers[0] == answers[1]
    street.seen()
