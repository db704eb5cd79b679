"""WebSocket on the port: the JSON format, an object a message."""

import json
import signal

import pytest

from tests.servers import RawClient
from tests.web.clients import KEY, HttpClient, WebSocketClient
from tests.websocketframes import client_frame, client_header, fragmented


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


BAD_OPCODES = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
BAD_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]
BROKEN = {
    **{f"opcode {it}": client_frame(b"x", it) for it in BAD_OPCODES},
    **{f"opcode {it}, in a message": client_frame(b"x", final=False) + client_frame(b"x", it)
       for it in BAD_OPCODES},
    **{f"RSV {it}": client_frame(b"{}", reserved=it) for it in range(1, 8)},
    **{f"RSV {it} of a ping": client_frame(b"", 9, reserved=it) for it in range(1, 8)},
    **{f"no mask, opcode {it}": client_frame(b"", it, key=None) for it in (0, 1, 2, 8, 9, 10)},
    **{f"a fragment of {it}": client_frame(b"", it, final=False) for it in (8, 9, 10)},
    **{f"126 bytes of {it}": client_frame(b"x" * 126, it) for it in (8, 9, 10)},
    **{f"an endless {it}": client_header(1 << 40, it) for it in (8, 9, 10)},
    "a length in 16 bits": client_frame(b"x" * 125, length_bytes=2),
    "a length in 64 bits": client_frame(b"x" * 126, length_bytes=8),
    "a negative length": client_header(1 << 63),
    "no beginning": client_frame(b"x", 0),
    "no beginning, nor end": client_frame(b"x", 0, final=False),
    "two beginnings": client_frame(b"x", final=False) + client_frame(b"x"),
    "two beginnings of kinds": client_frame(b"x", final=False) + client_frame(b"x", 2),
    "behind the end": fragmented([b"{", b"}"]) + client_frame(b"", 0),
    "half a close code": client_frame(b"\x03", 8),
    **{f"close code {it}": client_frame(it.to_bytes(2, "big"), 8) for it in BAD_CODES},
}  # fmt: skip
"""Frames that RFC 6455 has no meaning for, as in parts 3, 4, 5 and 7 of Autobahn's suite."""


@pytest.mark.parametrize("after", [b"", client_frame(b'{"do":"say","room":"lab","text":"more"}')])
def test_what_breaks_the_protocol(server, after):
    """Each ends with 1002 and a sentence, at once and byte by byte; what comes behind is not done,
    and others go on."""
    ann = as_browser(server, "ann")
    for name, data in BROKEN.items():
        for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
            bob = WebSocketClient(server.port)
            bob.tell(do="hello", name="bob", id=1)
            bob.until(id=1)
            for piece in pieces:
                try:
                    bob.send_raw(piece)
                except ConnectionError:
                    break  # it was ended before
            if len(pieces) == 1:
                bob.send_raw(after)
            opcode, payload = bob.frame()
            while opcode in (1, 9):
                opcode, payload = bob.frame()
            assert (opcode, payload[:2]) == (8, (1002).to_bytes(2, "big")), name
            assert payload.endswith(b"."), name
            bob.close()
    ann.tell(do="say", room="lab", text="all is well", id=1)
    assert ann.until(id=1)["seq"] == 1


SIGNS = "aµ€\U0001f600"
LINE = json.dumps({"do": "say", "room": "lab", "text": SIGNS}, ensure_ascii=False).encode()


def test_a_text_cut_between_any_two_bytes(server):
    """A character may begin in one fragment and end in another; a message may not end in one."""
    ann, bob = as_browser(server, "ann"), as_browser(server, "bob")
    for at in range(len(LINE) + 1):
        bob.send_raw(fragmented([LINE[:at], LINE[at:]], between=client_frame(b"", 9)))
        assert ann.until(event="message")["text"] == SIGNS
    whole = len(SIGNS.encode())
    start = LINE.index(b"a\xc2")
    for at in range(start, start + whole):
        if LINE[at] & 0xC0 == 0x80:  # within a character
            for broken in (client_frame(LINE[:at]), fragmented([LINE[:at], b""])):
                carl = WebSocketClient(server.port)
                carl.send_raw(broken)
                assert carl.close_code() == 1007
                carl.close()


@pytest.mark.parametrize(
    "bad",
    [b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\x80"],
)
def test_text_that_is_not_utf8(server, bad):
    """Over-long forms, surrogates, what is beyond Unicode, and lone bytes: 1007, also in a reason
    for closing (Autobahn's part 6, and 7.5)."""
    for sent in (
        client_frame(b'{"do":"' + bad + b'"}'),
        fragmented([b'{"do":"' + bad, b'"}']),
        client_frame((1000).to_bytes(2, "big") + bad, 8),
    ):
        bob = WebSocketClient(server.port)
        bob.send_raw(sent)
        assert bob.close_code() == 1007
        bob.close()


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_a_code_to_close_with_is_echoed(server, code):
    """Every code that may be sent comes back, and the connection ends (7.4.1)."""
    bob = WebSocketClient(server.port)
    bob.send_raw(client_frame(code.to_bytes(2, "big") + "schön".encode(), 8))
    assert bob.close_code() == code
    assert bob.rest() == b""


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
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "close"}, 426),
        ({"Connection": ""}, 426),
        ({"Sec_WebSocket_Version": ""}, 426),
        ({"Sec_WebSocket_Version": "13, 13"}, 426),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": f"{KEY}, {KEY}"}, 400),
        ({"Sec_WebSocket_Key": KEY[:-1]}, 400),
        ({"Sec_WebSocket_Version": "12"}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Origin": "http://evil.example"}, 403),
    ],
    ids=str,
)
def test_a_handshake_that_is_none(server, headers, status):
    """It gets a status and a sentence, and the connection takes another request, if it stays."""
    bob = WebSocketClient(server.port, **headers)
    assert bob.handshake.status == status
    assert bob.handshake.body.endswith(b".\n")
    if headers != {"Connection": "close"}:
        assert bob.request("GET", "/").status == 200


@pytest.mark.parametrize(
    ("version", "more"),
    [
        (b"1.0", b""),
        (b"1.1", b"Content-Length: 1\r\n"),
        (b"1.1", b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_a_handshake_that_proxies_read_differently(server, version, more):
    """RFC 6455, 4.2.1: one of HTTP/1.0, and one with a body, is refused; what follows is no frame
    and no request."""
    told = b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    told += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n" % KEY.encode()
    bob = HttpClient(server.port)
    bob.send_raw(b"GET /ws HTTP/%b\r\n%b%b\r\n" % (version, told, more))
    bob.send_raw(client_frame(b'{"do":"hello","name":"bob"}'))
    assert bob.response().status == 400
    assert bob.rest() == b""


def test_origin_of_our_own_page(server):
    """The page itself may connect."""
    client = HttpClient(server.port)
    host = f"127.0.0.1:{server.port}"
    assert WebSocketClient(server.port, Origin=f"http://{host}").handshake.status == 101
    client.close()
