"""One ordered table tells the protocols on a port apart, by the first bytes of a connection.

Inside TLS, which is a row itself (`chatservice.net.tls`), the same table is asked again.
"""

from collections.abc import Callable, Iterable
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
    """A row for a protocol whose connections begin with one of `prefixes`.

    `serve(connection, chat)` makes a Twisted protocol, to which the connection hands all bytes
    over, or raises `Refusal`. `refusal` words a refusal in answer to the first bytes.
    """

    name: str
    serve: Callable[[Any, Chat], Any]
    refusal: Callable[[Refusal, bytes], bytes]
    prefixes: tuple[bytes, ...]


Row = LineRow | PrefixRow


class SniffTable:
    """The `rows` of a port, in order: the first one that fits has the connection. The `last` one is
    a `LineRow` for any line.

    Each connection asks it, so what the rows tell of first bytes is kept ready.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        self._lines = [row for row in self.rows if isinstance(row, LineRow)]
        self._prefixes = [
            (it, row) for row in self.rows if isinstance(row, PrefixRow) for it in row.prefixes
        ]
        self._first_bytes = bytes({prefix[0] for prefix, _ in self._prefixes})
        self.last = self._lines[-1]

    def replaced(self, row: Row) -> "SniffTable":
        """Return the table with `row` in the place of the row of its name."""
        return SniffTable(row if it.name == row.name else it for it in self.rows)

    def row_of_line(self, line: bytes) -> LineRow:
        """Return the row of a connection with that first line."""
        return next(row for row in self._lines if row.first_line(line))

    def row_of_bytes(self, data: bytes) -> PrefixRow | None:
        """Return the row whose prefix has come, or None."""
        data = _without_blank_lines(data)
        if data[:1] not in self._first_bytes:
            return None
        return next((row for prefix, row in self._prefixes if data.startswith(prefix)), None)

    def needs_more(self, data: bytes) -> bool:
        """Return whether `data` may be the beginning of a prefix."""
        data = _without_blank_lines(data)
        return data[:1] in self._first_bytes and any(
            len(data) < len(prefix) and prefix.startswith(data) for prefix, _ in self._prefixes
        )

    def row_of(self, data: bytes, longest: int) -> Row | None:
        """Return the row of a connection that begins with `data`, or None while more must come, of
        a line of at most `longest` bytes."""
        if self.needs_more(data):
            return None
        line, end, _ = data.lstrip(b"\r\n").partition(b"\n")
        found: Row | None = self.row_of_bytes(data)
        if found is None and (end or len(data) > longest):  # also of blank lines
            found = self.row_of_line(line.removesuffix(b"\r"))
        return found


def _without_blank_lines(data: bytes) -> bytes:
    """Return data without the blank lines before it, which old clients of HTTP send (RFC 9112,
    2.2); but not nothing."""
    return data.lstrip(b"\r\n") or data


def hand_over(outer: Any, inner: Any, data: bytes) -> None:
    """Let the protocol `inner` have the transport of `outer`, and `data`, which has come already.

    `outer` has it as `inner` from then on, and passes on what the transport tells: attributes of
    its own with `inner`'s methods would take 250 bytes, and most WebSockets are idle.
    """
    outer.inner = inner
    inner.makeConnection(outer.transport)
    inner.dataReceived(data)
