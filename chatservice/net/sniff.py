"""One ordered table tells the protocols on a port apart, by the first bytes of a connection.

Inside TLS, which is a row itself (`chatservice.net.tls`), the same table is asked again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chatservice.domain.chat import Chat
from chatservice.errors import Refusal
from chatservice.net.connection import ProtocolSession


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row for a protocol of lines, whose connections have a first line as `first_line` says; any,
    without it.

    `serve(connection, chat)` makes the session, which gets this line too, or raises `Refusal`.
    `refusal` words a refusal in answer to the first bytes, and `notice` a sentence for those who
    have sent nothing and were greeted.
    """

    name: str
    serve: Callable[[Any, Chat], ProtocolSession]
    refusal: Callable[[Refusal, bytes], bytes]
    first_line: Callable[[bytes], object] = lambda line: True
    notice: Callable[[str], bytes] = lambda sentence: b""


@dataclass(frozen=True, slots=True)
class PrefixRow:
    """A row for a protocol whose connections begin with the bytes of `prefix`.

    `serve(connection, chat)` makes a Twisted protocol, to which the connection hands all bytes
    over, or raises `Refusal`. `refusal` words a refusal in answer to the first bytes.
    """

    name: str
    serve: Callable[[Any, Chat], Any]
    refusal: Callable[[Refusal, bytes], bytes]
    prefix: bytes


Row = LineRow | PrefixRow
"""The rows stand in order (`ChatFactory.rows`): the first one that fits has the connection. The
last one is a `LineRow` for any line."""


def row_of_line(rows: Sequence[Row], line: bytes) -> LineRow:
    """Return the row of a connection with that first line."""
    return next(row for row in rows if isinstance(row, LineRow) and row.first_line(line))


def _prefixes(rows: Sequence[Row]) -> Iterator[PrefixRow]:
    return (row for row in rows if isinstance(row, PrefixRow))


def row_of_bytes(rows: Sequence[Row], data: bytes) -> PrefixRow | None:
    """Return the row whose prefix has come, or None."""
    return next((row for row in _prefixes(rows) if data.startswith(row.prefix)), None)


def needs_more(rows: Sequence[Row], data: bytes) -> bool:
    """Return whether `data` may be the beginning of a prefix."""
    return any(
        len(data) < len(row.prefix) and row.prefix.startswith(data) for row in _prefixes(rows)
    )


def row_of(rows: Sequence[Row], data: bytes, longest: int) -> Row | None:
    """Return the row of a connection that begins with `data`, or None while more must come, of a
    line of at most `longest` bytes."""
    if needs_more(rows, data):
        return None
    line, end, _ = data.lstrip(b"\r\n").partition(b"\n")
    found: Row | None = row_of_bytes(rows, data)
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
