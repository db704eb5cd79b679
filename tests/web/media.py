"""Small pictures, sounds and films, made here: nothing in them comes from elsewhere."""

import io
import math
import struct
import wave
import zlib
from base64 import b64decode

from playwright.sync_api import Page


def png(width: int, height: int, colour: tuple[int, int, int] = (30, 120, 110)) -> bytes:
    """Return a PNG of one colour, red, green and blue (PNG, third edition, 5)."""
    row = b"\x00" + bytes(colour) * width
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * height)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def wav(seconds: float) -> bytes:
    """Return a soft tone of that length."""
    rate, file = 8000, io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        steps = range(int(rate * seconds))
        sound.writeframes(b"".join(struct.pack("<h", _tone(step / rate)) for step in steps))
    return file.getvalue()


def _tone(time: float) -> int:
    return int(2000 * math.sin(2 * math.pi * 440 * time))


def webm(page: Page, seconds: int, second_bytes: int = 0) -> bytes:
    """Return a film of one picture a second (WebM, RFC 9559), each with so many bytes of padding,
    so that a browser does not read all of it at once. `page` is of a browser that makes the
    picture: a WebP has one frame of VP8 (RFC 9649, 2.5)."""
    frame = b64decode(page.evaluate(_WEBP))
    frame = frame[frame.index(b"VP8 ") + 8 :]
    video = _element(0xE0, _number(0xB0, _SIZE), _number(0xBA, _SIZE))
    track = (
        _number(0xD7, 1),
        _number(0x73C5, 1),
        _number(0x83, 1),
        _element(0x86, b"V_VP8"),
        video,
    )
    info = (_number(0x2AD7B1, 1_000_000), _element(0x4489, struct.pack(">d", seconds * 1000)))
    app = _element(0x4D80, b"tests") + _element(0x5741, b"tests")
    head = _element(0x1549A966, *info, app) + _element(0x1654AE6B, _element(0xAE, *track))
    clusters = [_cluster(second, frame, second_bytes) for second in range(seconds)]
    first = len(head) + len(_cues(clusters, 0))
    body = (head, _cues(clusters, first), *clusters)
    return _element(0x1A45DFA3, _element(0x4282, b"webm")) + _element(0x18538067, *body)


_SIZE = 16

_WEBP = f"""() => new Promise((made) => {{
  const canvas = document.createElement('canvas');
  Object.assign(canvas, {{width: {_SIZE}, height: {_SIZE}}});
  canvas.getContext('2d').fillRect(0, 0, 8, 8);
  const reader = new FileReader();
  reader.onload = () => made(reader.result.split(',')[1]);
  canvas.toBlob((blob) => reader.readAsDataURL(blob), 'image/webp', 0.5);
}})"""


def _cluster(second: int, frame: bytes, padding: int) -> bytes:
    block = b"\x81\x00\x00\x80" + frame  # of track 1, at the time of the cluster, a key frame
    pad = _element(0xEC, bytes(padding))
    return _element(0x1F43B675, _number(0xE7, second * 1000), _element(0xA3, block), pad)


def _cues(clusters: list[bytes], first: int) -> bytes:
    """Return where each second is: in bytes behind the beginning of the segment."""
    points, at = [], first
    for second, cluster in enumerate(clusters):
        place = _element(0xB7, _number(0xF7, 1), _number(0xF1, at))
        points.append(_element(0xBB, _number(0xB3, second * 1000), place))
        at += len(cluster)
    return _element(0x1C53BB6B, *points)


def _number(id_: int, value: int) -> bytes:
    return _element(id_, value.to_bytes(8))


def _element(id_: int, *content: bytes) -> bytes:
    """Return an element of EBML, whose size has eight bytes (RFC 8794, 4)."""
    data = b"".join(content)
    name = id_.to_bytes((id_.bit_length() + 7) // 8)
    return name + (len(data) | 1 << 56).to_bytes(8) + data
