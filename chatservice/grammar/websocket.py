"""WebSocket frames, as a server reads and writes them (RFC 6455, with its sections in parentheses).
There are no extensions; subprotocols are the caller's.

A server's frame has no mask, so the same bytes serve every client. `FrameReader` makes events of a
client's bytes; each frame is one event, so the caller can count frames, and stop after any of them.
"""

import re
import struct
from base64 import b64encode
from codecs import utf_8_decode
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from hashlib import sha1
from typing import NamedTuple

VERSION = "13"

UPGRADE_HEADERS: Mapping[str, str] = {"Upgrade": "websocket", "Connection": "Upgrade"}
"""Headers of the answer, also of one that asks for an upgrade (RFC 9110, 15.5.22)."""

_NEEDED_HEADERS = {**UPGRADE_HEADERS, "Sec-WebSocket-Version": VERSION}

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
"""Opcodes (11.8). Those from `CLOSE` on are of control frames."""

_OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))

FINAL, RESERVED, OPCODE = 0x80, 0x70, 0x0F
"""Bits of a frame's first byte (5.2)."""

MASKED, LENGTH = 0x80, 0x7F
"""Bits of its second byte."""

LENGTH_16, LENGTH_64 = 126, 127
"""Values of `LENGTH` that say how many bits the length has; it follows."""

CONTROL_BYTES = 125
"""The largest payload of a control frame (5.5)."""


class CloseCode(IntEnum):
    """Reasons for which the server closes (7.4.1)."""

    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    TOO_LARGE = 1009


_SENT_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Codes that a close frame may have: IANA's registry, and those of libraries and applications."""


class WebSocketError(ValueError):
    """The client has broken the protocol. `close_frame(code, reason)` says so to it."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


# -- the handshake ---------------------------------------------------------------------------------


class UpgradeRefusal(NamedTuple):
    """An HTTP status, a sentence and headers: the answer to a request that is no upgrade."""

    status: int
    sentence: str
    headers: Mapping[str, str]


_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
"""Sixteen bytes in base64 (4.2.1)."""


def upgrade_refusal(header: Callable[[str], str | None]) -> UpgradeRefusal | None:
    """Return the reason why a GET request cannot be upgraded, or None if it can.

    `header` takes a name in lower case, and returns the header's values, joined by commas, or None.
    Method, version of HTTP, Host and Origin are the caller's to check.
    """
    if not (_has(header("connection"), "upgrade") and _has(header("upgrade"), "websocket")):
        return UpgradeRefusal(426, "Here is a WebSocket; ask for an upgrade.", _NEEDED_HEADERS)
    if header("sec-websocket-version") != VERSION:
        sentence = f"Only version {VERSION} of WebSocket is known here; ask for it."
        return UpgradeRefusal(426, sentence, _NEEDED_HEADERS)
    if not _KEY.fullmatch(header("sec-websocket-key") or ""):
        return UpgradeRefusal(400, "Sec-WebSocket-Key must be 16 bytes in base64.", {})
    return None


def _has(value: str | None, token: str) -> bool:
    """Return whether a list of tokens, of any case, has this one."""
    return token in (it.strip().lower() for it in (value or "").split(","))


def accept_key(key: str) -> str:
    """Return the `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (4.2.2)."""
    joined = f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()
    return b64encode(sha1(joined, usedforsecurity=False).digest()).decode()


# -- frames to a client ----------------------------------------------------------------------------


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a whole message, or a control frame of at most `CONTROL_BYTES`, as one frame."""
    size = len(payload)
    if size < LENGTH_16:
        return bytes((FINAL | opcode, size)) + payload
    if size < 1 << 16:
        return struct.pack(">BBH", FINAL | opcode, LENGTH_16, size) + payload
    return struct.pack(">BBQ", FINAL | opcode, LENGTH_64, size) + payload


def close_frame(code: int | None = None, reason: str = "") -> bytes:
    """Return a close frame. A reason that is too long is cut; without a code there is none."""
    if code is None:
        return frame(b"", CLOSE)
    cut = reason.encode()[: CONTROL_BYTES - 2].decode(errors="ignore")
    return frame(code.to_bytes(2, "big") + cut.encode(), CLOSE)


def ping(payload: bytes = b"") -> bytes:
    """Return a ping of at most `CONTROL_BYTES`."""
    return frame(payload, PING)


def pong(payload: bytes) -> bytes:
    """Return the answer to a ping with this payload."""
    return frame(payload, PONG)


# -- frames from a client --------------------------------------------------------------------------


class TextMessage(NamedTuple):
    """A whole text message, in UTF-8, which is checked."""

    data: bytes


class BinaryMessage(NamedTuple):
    """A whole binary message."""

    data: bytes


class Fragment(NamedTuple):
    """A frame that does not end its message."""


class Ping(NamedTuple):
    """A ping, which is to be answered with a pong of its payload."""

    payload: bytes


class Pong(NamedTuple):
    """An answer to a ping, or a sign of life that nobody asked for."""

    payload: bytes


class Close(NamedTuple):
    """A close frame. Its code is to be echoed, unless the server closed first; None is no code."""

    code: int | None
    reason: str


Event = TextMessage | BinaryMessage | Fragment | Ping | Pong | Close


class FrameReader:
    """Takes a client's bytes in any pieces, and gives events.

    Once `events` has taken what is whole, at most a message of `limit` bytes and a control frame
    are kept. After a close frame or an error everything is dropped, also what comes later.
    """

    __slots__ = ("_buffer", "_checked", "_ended", "_kind", "_message", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """The longest message in bytes, all its fragments together. It may change at any time."""
        # Most connections are idle, and two empty bytearrays would be 110 bytes of each.
        self._buffer: bytes | bytearray = b""
        self._message: bytes | bytearray = b""  # a list would grow with empty fragments
        self._kind = CONTINUATION  # TEXT or BINARY within a message
        self._checked = 0  # bytes of the message that are whole characters
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take bytes from the client; `events` has what they mean."""
        if not self._ended:
            self._buffer = _longer(self._buffer, data)

    def events(self) -> Iterator[Event]:
        """Give an event for each frame that is whole. Another call goes on after the last one.

        Raises `WebSocketError`: for a header at once, for text at the end of its frame.
        """
        try:
            while (found := self._take_frame()) is not None:
                yield self._event(*found)
        except WebSocketError:
            self._end()
            raise

    def _end(self) -> None:
        self._ended = True
        self._buffer = self._message = b""

    def _take_frame(self) -> tuple[int, bytes] | None:
        """Return the first byte of the next frame, and its payload, if it is whole."""
        buffer = self._buffer
        place = self._place()
        if place is None or len(buffer) < place.stop:
            return None
        first = buffer[0]
        payload = _unmasked(buffer[place], key=buffer[place.start - 4 : place.start])
        if place.stop == len(buffer):
            self._buffer = b""
        elif isinstance(buffer, bytearray):
            del buffer[: place.stop]
        return first, payload

    def _place(self) -> slice | None:
        """Check the header of the next frame, if it is whole, and return where its payload is."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        self._check(first, second)
        size, start = second & LENGTH, 2
        if size >= LENGTH_16:
            start = 4 if size == LENGTH_16 else 10
            if len(buffer) < start:
                return None
            size = _long_length(buffer[2:start])
        if first & OPCODE < CLOSE and len(self._message) + size > self.limit:
            sentence = f"A message has at most {self.limit} bytes."
            raise WebSocketError(CloseCode.TOO_LARGE, sentence)
        return slice(start + 4, start + 4 + size)

    def _check(self, first: int, second: int) -> None:
        """Check the first two bytes of a frame: all rules but those about its length."""
        opcode = first & OPCODE
        if first & RESERVED:
            raise _broken("The reserved bits of a frame must be 0.")
        if opcode not in _OPCODES:
            raise _broken("The opcode of a frame must be one of RFC 6455.")
        if not second & MASKED:
            raise _broken("A frame of a client must be masked.")
        if opcode >= CLOSE:
            if not first & FINAL or second & LENGTH > CONTROL_BYTES:
                raise _broken(
                    f"A control frame must be whole, and have at most {CONTROL_BYTES} bytes."
                )
        elif (opcode == CONTINUATION) != (self._kind != CONTINUATION):
            raise _broken(
                "A message must end before another one begins, and begin before it goes on."
            )

    def _event(self, first: int, payload: bytes) -> Event:
        opcode = first & OPCODE
        if opcode < CLOSE:
            return self._data(opcode, bool(first & FINAL), payload)
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        closing = _closing(payload)
        self._end()
        return closing

    def _data(self, opcode: int, final: bool, payload: bytes) -> Event:
        """Add a frame to its message."""
        self._kind = opcode or self._kind
        self._message = _longer(self._message, payload)
        if self._kind == TEXT:
            self._check_text(final)
        if not final:
            return Fragment()
        data, kind = bytes(self._message), self._kind
        self._message = b""
        self._kind, self._checked = CONTINUATION, 0
        return TextMessage(data) if kind == TEXT else BinaryMessage(data)

    def _check_text(self, final: bool) -> None:
        """Check what came; of a fragment's last character some bytes may be still to come."""
        try:
            _, used = utf_8_decode(self._message[self._checked :], "strict", final)
        except UnicodeDecodeError:
            raise _not_utf8() from None
        self._checked += used


def _longer(buffer: bytes | bytearray, data: bytes) -> bytearray:
    """Return a buffer with more bytes, which is the same one if there were some."""
    if isinstance(buffer, bytearray):
        buffer += data
        return buffer
    return bytearray(data)


def _long_length(data: bytes | bytearray) -> int:
    """Return a length that does not fit into a frame's second byte."""
    size = int.from_bytes(data, "big")
    if size >> 63 or size < (LENGTH_16 if len(data) == 2 else 1 << 16):
        raise _broken("The length of a frame must have its shortest form, and be below 2^63.")
    return size


def _unmasked(data: bytes | bytearray, key: bytes | bytearray) -> bytes:
    """Undo the mask of a payload (5.3).

    64 KiB take 0.4 ms, and byte by byte 6. Four tables and `translate` take 0.25, but thrice as
    long for a short message (measured on Python 3.11).
    """
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    plain = int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")
    return plain.to_bytes(size, "little")


def _closing(payload: bytes) -> Close:
    """Return the event of a close frame. A code of one byte is in no range."""
    if not payload:
        return Close(None, "")
    code = int.from_bytes(payload[:2], "big")
    if not any(code in codes for codes in _SENT_CODES):
        raise _broken("A close frame must have a code that may be sent.")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise _not_utf8() from None


def _broken(reason: str) -> WebSocketError:
    return WebSocketError(CloseCode.PROTOCOL_ERROR, reason)


def _not_utf8() -> WebSocketError:
    return WebSocketError(CloseCode.NOT_UTF8, "Text must be UTF-8.")
