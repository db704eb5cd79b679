"""WebSocket on the port: the JSON format, an object a message."""

import json
import signal

import pytest

from tests.servers import RawClient
from tests.web.clients import KEY, HttpClient, WebSocketClient
from tests.websocketframes import client_frame, fragmented


def as_browser(server, name, room="lab", **headers):
    """Return a WebSocket of a user in a room."""
    browser = WebSocketClient(server.port, **headers)
    assert browser.handshake.status == 101
    browser.tell(do="hello", name=name, id="hello")
    browser.until(id="hello")
    browser.tell(do="join", room=room, id="join")
    browser.until(id="join")
    return browser


def test_talk_between_a_browser_and_a_person(server):
    """Each hears the other, and a message is acknowledged by its position."""
    bob = as_browser(server, "bob")
    ann = RawClient(server.port)
    ann.send("ann", "/join lab", "/who")
    ann.expect("2 in lab")
    bob.tell(do="say", room="lab", text="hi ann ☃", id=7)
    stored = bob.until(event="ok", id=7)
    ann.expect("bob: hi ann ☃")
    ann.send("hello bob")
    heard = bob.until(event="message", **{"from": "ann"})
    assert heard["text"] == "hello bob"
    assert heard["seq"] > stored["seq"]


def test_objects_in_fragments_and_over_lines(server):
    """A message is an object however it is cut, and its own line ends mean nothing."""
    bob = WebSocketClient(server.port)
    pieces = [b'{"do":"hello",\n"na', b'me":"b\xc3', b'\xb6b",\r\n"id":1}']
    bob.send_raw(fragmented(pieces, between=client_frame(b"?", 9)))
    assert bob.frame() == (10, b"?")
    assert bob.frame() == (10, b"?")
    assert bob.object()["name"] == "böb"


def test_a_message_in_the_segment_of_the_handshake(server):
    """It is not lost: some clients do not wait for the answer."""
    head = "GET /ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"
    told = f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", "", ""
    bob = HttpClient(server.port)
    hello = client_frame(b'{"do":"hello","name":"bob"}')
    bob.send_raw("\r\n".join((*head, *told)).encode() + hello)
    assert bob.response().status == 101
    assert bob.bytes(1) == b"\x81", "the text frame that answers"


def test_many_requests_in_one_piece(server):
    """Each has its answer, in order, also behind the rate limit's pause."""
    bob = as_browser(server, "bob")
    requests = ({"do": "topic", "room": "lab", "id": at} for at in range(300))
    bob.send_raw(b"".join(client_frame(json.dumps(it).encode()) for it in requests))
    assert [bob.until(event="ok")["id"] for _ in range(300)] == list(range(300))


def test_a_reader_who_stops_loses_nothing(server):
    """It reads on from where it stood, each entry once, while others talked on."""
    bob, ann = as_browser(server, "bob"), as_browser(server, "ann")
    text = "x" * 2000
    for at in range(2000):
        ann.tell(do="say", room="lab", text=f"{at} {text}")
    ann.tell(do="topic", room="lab", id="last")
    ann.until(id="last")
    seen = [int(bob.until(event="message")["text"].split(" ")[0]) for _ in range(2000)]
    assert seen == list(range(2000))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(b"\x00", 2), 1003),
        (client_frame(b"\xff"), 1007),
        (client_frame(b"{}", key=None), 1002),
        (client_frame(b"x" * 70_000), 1009),
        (client_frame((4000).to_bytes(2, "big"), 8), 4000),
        (client_frame(b"", 8), 1000),
    ],
    ids=["binary", "not UTF-8", "no mask", "too long", "closed", "closed without a code"],
)
def test_each_end_has_its_code(server, data, code):
    """The server says in its close frame why the connection ends, and others go on."""
    bob, ann = as_browser(server, "bob"), as_browser(server, "ann")
    bob.send_raw(data)
    assert bob.close_code() == code
    assert bob.rest() == b""
    ann.until(event="left", **{"from": "bob"})


def test_an_object_that_is_none_is_refused(server):
    """The sentence is that of the JSON format, and the connection goes on."""
    bob = as_browser(server, "bob")
    bob.send_raw(client_frame(b"hi"))
    assert bob.until(event="error")["code"] == "bad-line"
    bob.tell(do="topic", room="lab", id=1)
    bob.until(id=1)


def test_the_last_request_of_one_who_half_closes(server):
    """It is done before the connection ends."""
    bob, ann = as_browser(server, "bob"), as_browser(server, "ann")
    bob.tell(do="say", room="lab", text="bye")
    bob.end()
    ann.until(event="message", text="bye")
    ann.until(event="left", **{"from": "bob"})


def test_quit_and_a_stopping_server(server):
    """Both end with a close frame; a stop is told before."""
    bob, ann = as_browser(server, "bob"), as_browser(server, "ann")
    bob.tell(do="quit", id=1)
    bob.until(id=1)
    assert bob.close_code() == 1000
    server.process.send_signal(signal.SIGTERM)
    assert ann.until(event="notice")["end"] == "stopping"
    assert ann.close_code() == 1001


def test_a_browser_without_a_name_is_told(start_server):
    """The login timeout ends it with a refusal."""
    server = start_server(name_seconds=0.3)
    bob = WebSocketClient(server.port)
    assert bob.object()["code"] == "name-needed"
    assert bob.close_code() == 1000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": ""}, 426),
        ({"Sec_WebSocket_Version": "12"}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Origin": "http://evil.example"}, 403),
    ],
    ids=str,
)
def test_a_handshake_that_is_none(server, headers, status):
    """It gets a status and a sentence, and the connection takes another request."""
    bob = WebSocketClient(server.port, **headers)
    assert bob.handshake.status == status
    assert bob.handshake.body.endswith(b".\n")
    assert bob.request("GET", "/").status == 200


def test_origin_of_our_own_page(server):
    """The page itself may connect."""
    client = HttpClient(server.port)
    host = f"127.0.0.1:{server.port}"
    assert WebSocketClient(server.port, Origin=f"http://{host}").handshake.status == 101
    client.close()
