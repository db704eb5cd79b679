"""Connections that come, go, stand still, send without an end, or ask without reading."""

import json
import resource
import socket
import struct
import time
from collections.abc import Callable

import pytest

from chatservice.domain.model import FREE_COMMANDS
from tests.harm.checks import check_http, check_irc, check_json, check_text, without_telnet
from tests.harm.conftest import WatchedServer
from tests.servers import PATIENCE, RawClient

MB = 1_000_000


def reset(bare: RawClient) -> None:
    """End a connection as a crash does."""
    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bare.close()


def served(server: WatchedServer) -> None:
    """Somebody else is served as ever."""
    bare = RawClient(server.port)
    bare.ask(do="hello", name="somebody")
    bare.ask(do="rooms", id=1)
    bare.expect('"id":1')
    bare.end()
    check_json(bare.rest())
    bare.close()


def as_person(server: WatchedServer) -> RawClient:
    """Return a person's connection."""
    bare = RawClient(server.port)
    bare.send("eve", "/who")
    bare.expect("in lobby")
    return bare


def as_program(server: WatchedServer) -> RawClient:
    """Return a program's connection."""
    bare = RawClient(server.port)
    bare.ask(do="hello", name="mal")
    bare.event("ok")
    return bare


ENDLESS = {
    "a line": (b"", b"x", 10 * MB),
    "a command": (b"/topic ", b"x", 10 * MB),
    "wide": (b"", "\U0001f389".encode(), 10 * MB),
    "JSON": (b'{"do":"', b"[", 10 * MB),
    "a subnegotiation": (b"\xff\xfa", b"\n", MB // 5),
    "bytes in a subnegotiation": (b"\xff\xfa", b"\xff\xff", MB // 5),
    "bytes that are none": (b"", b"\xff\xff", MB // 5),
}


@pytest.mark.parametrize("speaker", [as_person, as_program])
@pytest.mark.parametrize("begun", ENDLESS.values(), ids=ENDLESS)
def test_a_line_without_an_end(house, speaker, begun):
    """However much of it comes, it is refused once, takes no memory, and the next line is as good
    as any."""
    start, more, size = begun
    bare = speaker(house)
    before = house.memory()
    bare.send_raw(start)
    bare.send_raw(more * (size // len(more)))
    served(house)
    assert house.memory() - before < 10 * MB
    assert_goes_on(bare, speaker)
    assert bare.seen.count("bytes; send a shorter one.") == 1
    bare.close()


def assert_goes_on(bare: RawClient, speaker: Callable[[WatchedServer], RawClient]) -> None:
    """Check that the connection goes on: a request on a new line is granted."""
    bare.send_raw(b"\xff\xf0\n\n")
    bare.send('{"do":"help","id":"then"}' if speaker is as_program else "/help quit")
    bare.expect("then" if speaker is as_program else "ends the connection")


@pytest.mark.parametrize("speaker", [as_person, as_program])
@pytest.mark.parametrize("more", [b"\n", b"\r\n", b" \n", b"\xff\xf1", b"\xff\xf1\n"], ids=repr)
def test_nothing_without_an_end(house, speaker, more):
    """A hundred thousand lines, or none, that say nothing are not answered, and take no memory."""
    bare = speaker(house)
    before = house.memory()
    bare.send_raw(more * 100_000)
    served(house)
    assert house.memory() - before < 10 * MB
    assert_goes_on(bare, speaker)
    assert "send" not in bare.seen
    bare.close()


@pytest.mark.long
def test_lines_without_an_end_again_and_again(server):
    """A hundred of ten megabytes leave nothing behind."""
    bare = as_person(server)
    before = server.memory()
    for _ in range(100):
        for _ in range(160):
            bare.send_raw(b"x" * 65536)
        bare.send_raw(b"\n")
        bare.expect("! A line has at most 8192 bytes")
    served(server)
    assert server.memory() - before < 10 * MB


def test_requests_before_and_behind_a_refusal(house):
    """Requests in one piece have an answer each, and granted ones come in their order."""
    bare = RawClient(house.port)
    good = '{"do":"topic","room":"lobby","id":%d}'
    bad = ['{"do":"nosuch","id":%d}', '{"do":"get","room":"lobby","name":"../x","id":%d}']
    bad += ['{"do":"join","room":"nosuch","id":%d}', '{"do":"say","room":"lab","text":7,"id":%d}']
    lines = ['{"do":"hello","name":"pipe","id":0}']
    for at in range(1, 2000, 5):
        lines += [good % at, *(line % (at + 1 + i) for i, line in enumerate(bad))]
    bare.send_raw("\n".join(lines).encode())
    bare.end()
    events = check_json(bare.rest())
    assert [it["id"] for it in events if it["event"] == "ok"] == [0, *range(1, 2000, 5)]
    assert sorted(it["id"] for it in events) == list(range(2001))
    bare.close()


def test_what_a_person_pipes_before_and_behind_a_refusal(house):
    """The same, typed: what is refused takes nothing with it."""
    reader, bare = as_person(house), RawClient(house.port)
    lines = ["pipe", "no name?"]
    for at in range(300):
        lines += [f"good {at}", "/nosuch", "/join", "/put x", f"/msg nobody {at}"]
        lines[-2] = "/get nosuch"
    bare.send_raw("\n".join(lines).encode())
    bare.end()
    answers = check_text(bare.rest())
    assert len([line for line in answers if line.startswith("! ")]) == 4 * 300
    reader.expect("pipe: no name?")
    assert [reader.line() for _ in range(300)] == [f"pipe: good {at}" for at in range(300)]
    reader.close()
    bare.close()


# -- coming and going ------------------------------------------------------------------------------

SAID = {
    "nothing": b"",
    "half a name": b"al",
    "a name": b"%s\n",
    "a name and talk": b"%s\nhello\n/history\n",
    "half a line": b"%s\nhello\nhal",
    "half a character": b"%s\n\xf0\x9f",
    "a subnegotiation": b"\xff\xfa\x1f",
    "half a file": b"%s\n/put x 100000\nhalf",
    "a refused file": b"%s\n/put ../x 100000\nhalf",
    "a program": b'{"do":"hello","name":"%s"}\n{"do":"join","room":"lab","after":0}\n',
    "half a request": b'{"do":"hello","name":"%s"}\n{"do":"sa',
    "everything": b'{"do":"hello","name":"%s"}\n' + b'{"do":"help"}\n{"do":"rooms"}\n' * 20,
    "a login": b'{"do":"hello","name":"%s"}\n{"do":"register","password":"x"}\n',
    "no ticket": b"GET nosuch\n",
    "half a ticket": b"PUT nosuch 1",
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "half of IRC": b"CAP LS 302\r\nNICK %s\r\nUSER a 0",
    "IRC": b"NICK %s\r\nUSER a 0 * :a\r\nJOIN #lab\r\nMONITOR + x,y\r\nPRIVMSG #lab :hi\r\n",
}


def visit(server: WatchedServer, at: int, end: Callable[[RawClient], None]) -> None:
    """Connect, say something, and go, without a look at what comes."""
    said = list(SAID.values())[at % len(SAID)]
    bare = RawClient(server.port)
    bare.send_raw(said.replace(b"%s", b"visitor%d" % at))
    end(bare)


class Tally:
    """The sizes of the structures in a server that only this user uses. The user makes the server
    finish all earlier requests before they are counted."""

    def __init__(self, server: WatchedServer) -> None:
        self._server = server
        for at in range(2 * len(SAID)):  # some objects are made once, and kept
            visit(server, at, reset if at % 2 else RawClient.close)
        self._keeper = as_program(server)
        self._keeper.ask(do="join", room="lobby")
        for _ in range(FREE_COMMANDS):  # its own commands are counted from now on
            self._now()
        self.before = self._now()

    def _now(self) -> dict[str, int]:
        self._keeper.ask(do="say", room="lobby", text="all is well")
        self._keeper.ask(do="history", room="lobby", limit=1, id="past")
        self._keeper.expect('"past"')
        now = self._server.count()
        for kept in ("Account", "Block"):  # registered users, and the last entries
            now.pop(kept, None)
        return now

    def more(self) -> dict[str, int]:
        """Return what there is more than before, once that is nothing, or does not change."""
        until = time.monotonic() + PATIENCE
        while True:
            now = self._now()
            more = {it: now[it] - self.before.get(it, 0) for it in now}
            more = {it: count for it, count in more.items() if count > 0}
            if not more or time.monotonic() > until:
                return more
            time.sleep(0.05)


def come_and_go(server: WatchedServer, times: int) -> None:
    """Nothing is left of those who came: no object, no descriptor."""
    tally = Tally(server)
    for at in range(times):
        visit(server, at, reset if at % 2 else RawClient.close)
    served(server)
    assert tally.more() == {}


def test_connects_and_resets(server):
    """Thousands of them leave no object and no descriptor, whatever they sent before."""
    come_and_go(server, 1500)


@pytest.mark.long
def test_connects_and_resets_by_the_ten_thousand(server):
    """The same, ten thousand times."""
    come_and_go(server, 10_000)


def test_many_at_once_that_say_nothing(server):
    """A thousand half-open connections cost nobody anything; when they are reset, all is gone."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    tally = Tally(server)
    waiting = [RawClient(server.port) for _ in range(min(1000, descriptors - 200))]
    for at, bare in enumerate(waiting):
        bare.send_raw(list(SAID.values())[at % len(SAID)].replace(b"%s", b"w%d" % at)[:-1])
        if at % 3 == 0:
            bare.end()
    served(server)
    for bare in waiting:
        reset(bare)
    served(server)
    assert tally.more() == {}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_half_open(house, said):
    """A client that has half-closed gets all its answers, and then the end."""
    bare = RawClient(house.port)
    bare.send_raw(said.replace(b"%s", b"halfway"))
    bare.end()
    answer = bare.rest()
    if said.startswith(b"GET /"):
        assert check_http(answer) == [400]
    elif said.startswith((b"CAP ", b"NICK ")):
        check_irc(answer)
    else:
        (check_json if said.startswith(b"{") else check_text)(without_telnet(answer))
    bare.close()


# -- asking without reading ------------------------------------------------------------------------

QUESTIONS = {
    "person": [
        *("/help", "/rooms", "/who", "/history 1000", "/files", "/search x*", "/topic"),
        *("/history #1 1000", "/transfers", "/versions x", "/nosuch", "/join nosuch", "/away x"),
    ],
    "program": [
        *({"do": it} for it in ("help", "rooms", "transfers")),
        *({"do": it, "room": "lobby"} for it in ("who", "topic", "files")),
        {"do": "history", "room": "lobby", "limit": 1000},
        {"do": "history", "room": "lobby", "after": 0},
        {"do": "search", "room": "lobby", "text": "x*", "limit": 100},
        {"do": "join", "room": "lobby", "after": 0},
        {"do": "nosuch"},
    ],
}


@pytest.fixture
def wordy(server: WatchedServer) -> WatchedServer:
    """Return a server with ten megabytes of talk in its lobby."""
    bare = as_person(server)
    for _ in range(5):
        bare.send(*("xylophone " + "x" * 8000 for _ in range(250)))
        bare.send("/history 1")
        bare.expect("xylophone")
    bare.close()
    return server


@pytest.mark.parametrize("kind", QUESTIONS)
def test_who_asks_for_everything_and_reads_nothing(wordy, kind):
    """Ten of them stop themselves; the server's memory does not grow, and the others are served."""
    before = wordy.memory()
    asking = b"".join(
        (it if isinstance(it, str) else json.dumps(it)).encode() + b"\n"
        for it in QUESTIONS[kind] * 50
    )
    greedy = []
    for at in range(10):
        bare = RawClient(wordy.port)
        bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        bare.send(f"greedy{at}" if kind == "person" else f'{{"do":"hello","name":"greedy{at}"}}')
        bare.send_raw(asking)
        greedy.append(bare)
    for _ in range(20):
        served(wordy)
    assert wordy.memory() - before < 200 * MB
    for bare in greedy:
        reset(bare)
    served(wordy)
