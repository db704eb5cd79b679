"""Frames of a WebSocket, as a client writes and reads them (RFC 6455)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

KEY = b"\x37\xfa\x21\x3d"
"""The mask of the RFC's examples (5.7)."""


class ServerFrame(NamedTuple):
    """A frame that a server has sent."""

    opcode: int
    payload: bytes


def client_frame(
    payload: bytes = b"",
    opcode: int = 1,
    *,
    final: bool = True,
    reserved: int = 0,
    key: bytes | None = KEY,
    length_bytes: int | None = None,
) -> bytes:
    """Return a frame. Without a key it is not masked; `length_bytes` are 0, 2 or 8."""
    size = len(payload)
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 1 << 16 else 8
    return (
        client_header(size, opcode, final, reserved, key is not None, length_bytes)
        + (key or b"")
        + masked(payload, key or bytes(4))
    )


def client_header(
    size: int,
    opcode: int = 1,
    final: bool = True,
    reserved: int = 0,
    masks: bool = True,
    length_bytes: int = 8,
) -> bytes:
    """Return a frame up to its mask."""
    first, mask = final << 7 | reserved << 4 | opcode, masks << 7
    if length_bytes == 0:
        return bytes((first, mask | size))
    if length_bytes == 2:
        return struct.pack(">BBH", first, mask | 126, size)
    return struct.pack(">BBQ", first, mask | 127, size)


def masked(payload: bytes, key: bytes) -> bytes:
    """Apply a mask, or undo it."""
    return bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def fragmented(pieces: list[bytes], opcode: int = 1, between: bytes = b"") -> bytes:
    """Return a message of a frame for each piece, with other frames between each two."""
    last = len(pieces) - 1
    return between.join(
        client_frame(piece, 0 if at else opcode, final=at == last)
        for at, piece in enumerate(pieces)
    )


def server_frames(data: bytes) -> Iterator[ServerFrame]:
    """Give a server's frames. Each must be whole, final, not masked, and of the shortest form."""
    while data:
        assert data[0] & 0xF0 == 0x80
        size, at = data[1], 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
            assert size >= 126
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
            assert size >= 1 << 16
        assert data[0] & 0x0F < 8 or size <= 125
        assert len(data) >= at + size
        yield ServerFrame(data[0] & 0x0F, data[at : at + size])
        data = data[at + size :]
