"""Fragments of streams that get far into the code: of both formats, of HTTP and WebSocket, of
telnet, and of forbidden characters. Fuzzing combines them."""

from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.webroutes import ROUTES
from tests.harm.corpus import cases
from tests.web.clients import KEY
from tests.websocketframes import client_frame, client_header

_WORDS = [command.name.encode() for command in COMMANDS.values()]
_SHAPES = [also.shape.encode() for command in COMMANDS.values() for also in command.aliases]
_FIELDS = sorted({arg.name.encode() for command in COMMANDS.values() for arg in command.args})

HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
"""The beginning of a WebSocket."""

_HELLO = b'{"do":"hello","name":"eve"}\n{"do":"join","room":"lobby"}\n'

BEFORE: list[bytes] = [
    *(b"", b"eve\n", _HELLO),
    b"GET /lobby?name=eve HTTP/1.1\r\nHost: localhost\r\n\r\n",
    HANDSHAKE + b"".join(client_frame(line) for line in _HELLO.splitlines()),
]
"""The bytes that a client has sent before: a stranger, a person, and programs, by each door."""


class _Parts(dict[str, str]):
    """A value for each part of a path that varies."""

    def __missing__(self, key: str) -> str:
        return {"room": "lab", "position": "1", "user": "anna"}.get(key, "x")


_REQUESTS: list[bytes] = [
    f"{row.method} {row.path.format_map(_Parts())} HTTP/1.1\r\nHost: localhost\r\n".encode()
    for row in ROUTES
]

_WEB: list[bytes] = [
    *_REQUESTS,
    *(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: localhost\r\n", b"\r\n\r\n", b"?follow", b"?"),
    *(b"Content-Length: 3\r\n\r\nabc", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n\r\n"),
    *(
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"ffffffff\r\n",
        b";a=b",
        b"Expect: 100-continue\r\n",
    ),
    *(b"Connection: close\r\n", b"Range: bytes=", b"0-", b"Content-Range: bytes 0-2/3\r\n", b"-1"),
    *(b"If-Match: ", b"If-None-Match: *\r\n", b"If-Range: ", b"Repr-Digest: sha-256=:", b":\r\n"),
    *(b"Content-Type: application/json\r\n", b"Content-Type: text/plain\r\n", b"Accept: text/"),
    *(
        b"Authorization: Basic ZXZlOnB3\r\n",
        b"Authorization: Bearer chat_",
        b"Room-Password: pw\r\n",
    ),
    *(
        b"Last-Event-ID: 1\r\n",
        b"Accept: text/event-stream\r\n",
        b"Origin: null\r\n",
        b"Cookie: room=",
    ),
    *(
        b"X-Forwarded-For: 10.0.0.1\r\n",
        b"Forwarded: for=",
        b"/%00",
        b"/../",
        b"%ff",
        b"%2f",
        b"/t/",
    ),
]

_FRAMES: list[bytes] = [
    *(HANDSHAKE, client_header(125), client_header(200), client_header(70_000), b"\x81", b"\x80"),
    *(client_frame(b"", opcode) for opcode in (0, 1, 2, 3, 8, 9, 10, 11)),
    *(client_frame(b"x", opcode, final=False) for opcode in (0, 1, 2, 9)),
    *(client_frame(code.to_bytes(2, "big"), 8) for code in (999, 1000, 1005, 4999)),
    *(client_frame(b'{"do":"' + word + b'","room":"lab","text":"x"}') for word in _WORDS),
    *(client_frame(text) for text in (b"NICK eve", b"{", b"\xff", b"[" * 2000)),
]

WEB: list[bytes] = [*_WEB, *_FRAMES]
"""Those of HTTP and WebSocket."""

TOKENS: list[bytes] = [
    *(b"\n", b"\r\n", b"\r", b" ", b"/", b"//", b"@", b"#", b"+", b'"', b"\\", b"\0", b"\t"),
    *(b"{", b"}", b"[", b"]", b":", b",", b'":"', b'","', b'"}\n', b"null", b"true", b"-", b"1e9"),
    *(b"0", b"1", b"7", b"#1", b"+0", b"999999999999999999", b"ab" * 32, b"1d", b"2h"),
    *(
        b"anna",
        b"lobby",
        b"lab",
        b"room1",
        b"x",
        b"\xc3\xa9",
        b"\xe2\x80\xae",
        b"\x1b[2J",
        b"\xc2\x9b",
    ),
    *(b"\xff\xf1", b"\xff\xfb\x01", b"\xff\xfd\n", b"\xff\xfa", b"\xff\xf0", b"\xff\xff", b"\xff"),
    *(b"\xed\xa0\x80", b"\xc0\x80", b"\xf0\x9f", b"\\ud800", b"\\u0000", b"\\n", b"\xef\xbb\xbf"),
    *(b"GET ", b"PUT ", b"POST / HTTP/1.1\r\n", b"\x16\x03\x01", b"x" * 8200, b"\xcc\x81" * 40),
    *(b"/" + word + b" " for word in _WORDS),
    *(b'{"do":"' + word + b'","' for word in _WORDS),
    *(name + b'":"' for name in _FIELDS),
    *(b'"' + name + b'":' for name in _FIELDS),
    *_SHAPES,
    *(b'{"do":"hello","name":"eve","id":1}\n', b'{"do":"join","room":"lab","id":2}\n', b"eve\n"),
    *(b'{"do":"say","room":"lab","text":"', b"/put x 3\nabc", b"/put x 0\n", b"/get x\n"),
    *(b"/register pw\n", b"/login eve pw\n", b"/history\n", b"/search x*\n", b"/create y\n"),
    *WEB,
]

SEEDS: list[bytes] = [
    *(it + b"\r\n" for it in _REQUESTS),
    *(it + b"Content-Length: 3\r\n\r\nabc" for it in _REQUESTS if it[:2] in (b"PU", b"PO")),
    *(HANDSHAKE + frame for frame in _FRAMES),
    *cases("streams.txt").values(),
    *cases("foreign.txt").values(),
    *cases("found.txt").values(),
    *(
        b"/say " + text.encode(errors="surrogatepass") + b"\n"
        for text in cases("texts.txt").values()
    ),
]
