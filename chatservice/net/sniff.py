"""One ordered table tells the protocols on a port apart, by the first bytes of a connection.

Inside TLS, which is a row itself (`chatservice.net.tls`), the same table is asked again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chatservice.errors import Refusal
from chatservice.grammar import jsonlines, textformat


@dataclass(frozen=True, slots=True)
class SniffRow:
    """A row of the table: a protocol, and how its connections begin.

    A connection begins with the bytes of `prefix`, or its first line looks as `first_line` says.
    The rows stand in order (`ChatFactory.rows`): the first one that fits has the connection.

    `serve(connection, chat)` makes what serves it, or raises `Refusal`: behind a `prefix` a
    Twisted protocol, to which the connection hands all bytes over; behind a first line a
    `chatservice.protocols.chatprotocol.ProtocolSession`. `refusal` words a refusal in answer to
    the first bytes.
    """

    name: str
    serve: Callable[..., Any]
    refusal: Callable[[Refusal, bytes], bytes]
    prefix: bytes = b""
    first_line: Callable[[bytes], object] = lambda line: False


def row_of_line(rows: Sequence[SniffRow], line: bytes) -> SniffRow:
    """Return the row of a connection with that first line. The last row takes all."""
    return next((row for row in rows if row.first_line(line)), rows[-1])


def row_of_bytes(rows: Sequence[SniffRow], data: bytes) -> SniffRow | None:
    """Return the row whose prefix has come, or None."""
    return next((row for row in rows if row.prefix and data.startswith(row.prefix)), None)


def needs_more(rows: Sequence[SniffRow], data: bytes) -> bool:
    """Return whether `data` may be the beginning of a prefix."""
    return any(len(data) < len(row.prefix) and row.prefix.startswith(data) for row in rows)


def row_of(rows: Sequence[SniffRow], data: bytes, longest: int) -> SniffRow | None:
    """Return the row of a connection that begins with `data`, or None while more must come, of a
    line of at most `longest` bytes."""
    if needs_more(rows, data):
        return None
    line, end, _ = data.lstrip(b"\r\n").partition(b"\n")
    found = row_of_bytes(rows, data)
    if found is None and (end or len(data) > longest):  # also of blank lines
        found = row_of_line(rows, line.removesuffix(b"\r"))
    return found


def hand_over(outer: Any, inner: Any, data: bytes) -> None:
    """Let the protocol `inner` have the transport of `outer`, and `data`, which has come already.

    `outer` is told of the connection's end only, and passes that on.
    """
    for name in ("dataReceived", "readConnectionLost", "writeConnectionLost", "handshakeCompleted"):
        setattr(outer, name, getattr(inner, name, outer.transport.loseConnection))
    inner.makeConnection(outer.transport)
    inner.dataReceived(data)


def text_refusal(refusal: Refusal, data: bytes) -> bytes:
    """Word a refusal for people."""
    return textformat.refusal(refusal)


def json_refusal(refusal: Refusal, data: bytes) -> bytes:
    """Word a refusal for a program, in answer to its first request."""
    return jsonlines.refusal(refusal, _id_in(data))


def _id_in(data: bytes) -> str | int | None:
    try:
        return jsonlines.request_id(jsonlines.load(data.lstrip().partition(b"\n")[0]))
    except Refusal:
        return None
