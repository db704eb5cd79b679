"""The target of an HTTP request, strictly decoded: the segments of its path, and its query."""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from chatservice.errors import Code, Message, Refusal
from chatservice.grammar.webfaults import NotFound

NO_TARGET = "An address has a path that begins with a slash, and printable ASCII only; give one."
"""The sentence about a target that is none."""


class Origin(NamedTuple):
    """The part of a target in the absolute form (RFC 9112, 3.2.2) before its path."""

    scheme: str
    authority: str


def split(target: bytes) -> tuple[Origin | None, bytes]:
    """Return the origin that a target names, and the rest, which begins with a slash or is `*`.

    Raises `Refusal` (bad-line) for what is no target of a server, as `other:5555` or `/a#b`.
    """
    found = _TARGET.fullmatch(target)
    if found is None:
        raise Refusal(Code.BAD_LINE, NO_TARGET)
    if found[1] is None:
        return None, target
    origin = Origin(found[1].decode().lower(), found[2].decode())
    return origin, found[3] if found[3].startswith(b"/") else b"/" + found[3]


_TARGET = re.compile(rb"(?:(?i:(https?)://)([^/?]+))?(|[/?][!-\"$-~]*|\*)")

Pairs = list[tuple[str, str | None]]
"""The fields of a query or a form, in order. None is the value of a field without `=`."""


class Target(NamedTuple):
    """A path, as its decoded segments, and a query: `/lab/?brief` has the segments `lab` and an
    empty one."""

    segments: tuple[str, ...]
    query: Pairs


def parse(target: bytes) -> Target:
    """Return the parts of a target without its origin (`split`).

    Raises `Refusal` (bad-line) for what is not UTF-8 in percent-encoding, and for a segment that no
    name can be: with a slash, a backslash or a control character, or `.` or `..`; `NotFound` for a
    target without a path.
    """
    path, _, query = target.partition(b"?")
    if not path.startswith(b"/"):
        raise NotFound(Message("An address has a path that begins with a slash; give one."))
    return Target(tuple(map(_segment, path[1:].split(b"/"))), parse_pairs(query))


def _segment(raw: bytes) -> str:
    text = decode(raw)
    if _NO_NAME.search(text):
        raise Refusal(
            Code.BAD_LINE,
            "A name in a path has no slash, backslash or control character in it, and is not . or "
            "..; give its last part only.",
        )
    return text


_NO_NAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f]|\A\.{1,2}\Z")


def parse_pairs(data: bytes) -> Pairs:
    """Return the fields of a query, or of a form. Raises `Refusal` (bad-line)."""
    return [_pair(part) for part in data.split(b"&") if part]


def _pair(part: bytes) -> tuple[str, str | None]:
    name, equals, value = part.replace(b"+", b" ").partition(b"=")
    return decode(name), decode(value) if equals else None


def decode(raw: bytes) -> str:
    """Return the text of bytes in percent-encoding, decoded once. Raises `Refusal` (bad-line)
    unless each `%` begins two hexadecimal digits, and the bytes are UTF-8 without a NUL."""
    if _BROKEN.search(raw):
        raise Refusal(
            Code.BAD_LINE,
            "In an address or a form, a % begins two hexadecimal digits; write %25.",
        )
    try:
        text = (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
    except UnicodeDecodeError:
        raise Refusal(Code.BAD_LINE, "That address is not UTF-8; encode it so.") from None
    if "\0" in text:
        raise Refusal(Code.BAD_LINE, "That address has a NUL in it; leave it out.")
    return text


_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def encode(segment: str) -> str:
    """Return a segment of a path in percent-encoding. `@` stays, as RFC 3986 (3.3) allows."""
    return quote(segment, safe="@")
