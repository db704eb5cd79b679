"""One connection in the JSON format, without a network."""

import json

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from chatservice.client.jsonconnection import (
    REPLY_SECONDS,
    JsonConnection,
    Lost,
    NotAChatServer,
    ServerPush,
)
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.replies import Joined, Stored


class Transport(StringTransport):
    """A transport with what TCP has besides, which tells its protocol when it is aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def setTcpNoDelay(self, on: bool) -> None:
        """Nothing to do."""

    setTcpKeepAlive = setTcpNoDelay

    def getHandle(self) -> "Transport":
        """Stand in for the socket."""
        return self

    def setsockopt(self, *_: int) -> None:
        """Nothing to do."""

    def abortConnection(self) -> None:
        """End at once."""
        self.aborted = True


class Line:
    """A connection, and the other end of it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.events: list[ServerPush] = []
        self.connection = JsonConnection(self.clock, self.events.append)
        self.transport = Transport()
        self.connection.makeConnection(self.transport)
        self.results: list = []

    def ask(self, name: str, /, **args: object) -> int:
        """Ask for something, and return the id that it was asked with."""
        self.transport.clear()
        self.connection.ask(name, **args).addBoth(self.results.append)
        asked = self.transport.value()
        return json.loads(asked)["id"] if asked else 0

    def receive(self, **fields: object) -> None:
        """Let an object come."""
        self.connection.dataReceived(json.dumps(fields).encode() + b"\n")

    def end(self) -> None:
        """Let the connection end."""
        self.connection.connectionLost(Failure(ConnectionDone()))


def test_replies_find_their_requests():
    """Replies in any order get the class of their command."""
    line = Line()
    say = line.ask("say", room="lab", text="hi", key=None)
    assert "key" not in json.loads(line.transport.value())
    join = line.ask("join", room="lab")
    line.receive(event="ok", id=join, room="lab", number=2, topic="", users=["bob"], seq=7)
    line.receive(event="ok", id=say, seq=8)
    assert line.results == [Joined("lab", 2, "", ("bob",), 7), Stored(8)]


def test_refusals_fail_their_requests():
    """They have a code and a sentence. An unknown code of a newer server is kept."""
    line = Line()
    for code in ("no-such-room", "brand-new"):
        asked = line.ask("join", room="lab")
        line.receive(event="error", id=asked, code=code, message="No.")
    first, second = (failure.value for failure in line.results)
    assert (first.code, first.sentence) == (Code.NO_SUCH_ROOM, "No.")
    assert (second.code, second.sentence) == (Code.SERVER_ERROR, "No.")


def test_an_object_that_is_no_reply_is_a_push():
    """An error without a request is one, too."""
    line = Line()
    line.receive(event="notice", text="hi")
    line.receive(event="error", code="too-long", message="No.")
    notice, refusal = line.events
    assert (notice, refusal.code) == (Notice("hi"), Code.TOO_LONG)


def test_the_end_fails_open_requests():
    """Open requests fail, and later ones fail at once."""
    line = Line()
    line.ask("who", room="lab")
    line.end()
    line.ask("who", room="lab")
    assert [type(failure.value) for failure in line.results] == [Lost, Lost]
    assert line.connection.closed.called


def test_a_silent_server():
    """It is dead only if it owes a reply. Any byte shows that it lives."""
    line = Line()
    line.clock.advance(10 * REPLY_SECONDS)
    asked = line.ask("who", room="lab")
    line.clock.advance(REPLY_SECONDS - 1)
    line.receive(event="notice", text="hi")
    line.clock.advance(REPLY_SECONDS - 1)
    assert not line.transport.aborted
    line.receive(event="ok", id=asked, room="lab", users=[])
    line.clock.advance(10 * REPLY_SECONDS)
    assert not line.transport.aborted
    line.ask("who", room="lab")
    line.clock.advance(REPLY_SECONDS)
    assert line.transport.aborted


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"[]\n", b"{}\n", b"\xff\n"])
def test_something_else_than_a_chat_server(data):
    """The connection is ended, and what is asked fails with a sentence."""
    line = Line()
    line.ask("hello", name="anna")
    line.connection.dataReceived(data)
    assert line.transport.aborted
    line.end()
    assert isinstance(line.results[0].value, NotAChatServer)


def test_a_malformed_reply():
    """It is a refusal, and the connection stays."""
    line = Line()
    line.receive(event="ok", id=line.ask("rooms"))
    assert isinstance(line.results[0].value, Refusal)
    assert not line.transport.aborted


def test_a_request_that_is_too_long():
    """It is not sent, because the server would refuse it without naming it."""
    line = Line()
    assert line.ask("say", room="lab", text="x" * 8192) == 0
    assert line.results[0].value.code is Code.TOO_LONG


def test_a_reply_of_many_megabytes():
    """It arrives whole, in any pieces."""
    line = Line()
    asked = line.ask("help")
    data = json.dumps({"event": "ok", "id": asked, "lines": ["x" * 4_000_000]}).encode() + b"\n"
    for start in range(0, len(data), 65536):
        line.connection.dataReceived(data[start : start + 65536])
    assert len(line.results[0].lines[0]) == 4_000_000
