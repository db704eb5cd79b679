"""Telnet (RFC 854), as far as a line of text meets it.

0xFF never occurs in UTF-8, so in a line it always means telnet. It is looked for in one line at a
time and never in a file's bytes.
"""

from typing import NamedTuple

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240

ECHO = 1
HIDE, SHOW = bytes((IAC, WILL, ECHO)), bytes((IAC, WONT, ECHO))
"""Keep the other side from showing what is typed there, by saying that we do; and let it again
(RFC 857)."""


class Found(NamedTuple):
    """A line without telnet's bytes, how many bytes it took, and what to answer."""

    line: bytes
    taken: int
    answer: bytes


def take_line(data: bytes, offered: bytes = b"") -> Found | None:
    """Return the first line of `data`, or None where its end has not come yet.

    A line feed inside a telnet command ends no line. Every option is declined, as RFC 854 allows,
    but for those that we have `offered`; only requests to begin something are answered, so that no
    two programs answer each other for ever.
    """
    line, answer = bytearray(), bytearray()
    at, size = 0, len(data)
    while at < size:
        byte = data[at]
        if byte == 0x0A:
            return Found(bytes(line), at + 1, bytes(answer))
        if byte != IAC:
            line.append(byte)
            at += 1
            continue
        end = _command_end(data, at)
        if end is None:
            return None
        if data[at + 1] == IAC:
            line.append(IAC)
        elif data[at + 1] == DO and data[at + 2] not in offered:
            answer += bytes((IAC, WONT, data[at + 2]))
        elif data[at + 1] == WILL:
            answer += bytes((IAC, DONT, data[at + 2]))
        at = end
    return None


def _command_end(data: bytes, at: int) -> int | None:
    """Return where the command that begins at `at` ends, or None if it has not ended yet."""
    if at + 1 >= len(data):
        return None
    if data[at + 1] == SB:
        return _subnegotiation_end(data, at + 2)
    end = at + (3 if WILL <= data[at + 1] <= DONT else 2)
    return end if end <= len(data) else None


def _subnegotiation_end(data: bytes, at: int) -> int | None:
    """Return where `IAC SE` ends; a doubled IAC before an SE is data (RFC 855)."""
    while 0 <= (at := data.find(IAC, at)) < len(data) - 1:
        if data[at + 1] == SE:
            return at + 2
        at += 2
    return None
