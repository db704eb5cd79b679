"""Lines without the negotiation of telnet (RFC 854).

The byte 0xFF never occurs in UTF-8, so in a line it means telnet. Only lines are searched for it,
one at a time: in a file it is a byte like any other.
"""

import re
from typing import NamedTuple

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240

ECHO = 1
HIDE_INPUT, SHOW_INPUT = bytes((IAC, WILL, ECHO)), bytes((IAC, WONT, ECHO))
"""Stop and restart local echo at the other side: the server claims to echo (RFC 857)."""


NO_UTF8 = 0xFE
"""Replaces a doubled IAC (the byte 0xFF) in a line. Neither is UTF-8, so the line is refused; but
it need not be searched again."""


class TelnetLine(NamedTuple):
    """A line, or its beginning, without telnet's bytes.

    `end` is where it ends in the data; `reply` is what to send back.
    """

    line: bytes
    end: int
    complete: bool
    reply: bytes


_COMMAND_OR_END = re.compile(rb"[\xff\n]")

_SUBNEGOTIATION = re.compile(rb"(?:[^\xff]++|\xff[^\xf0])*+\xff\xf0", re.DOTALL)
"""Up to `IAC SE`. A doubled IAC before SE is data (RFC 855)."""


def take_line(data: bytes, start: int = 0, offered: bytes = b"") -> TelnetLine:
    """Return the line of `data` that begins at `start`.

    If it is not complete, call again with it, the data behind `end`, and more data. A line feed
    inside a telnet command ends no line. Every option but the `offered` ones is declined, as RFC
    854 allows. Only requests to begin something are answered, so that no loop arises.
    """
    line, answer = bytearray(), bytearray()
    at = start
    while (found := _COMMAND_OR_END.search(data, at)) is not None:
        line += data[at : found.start()]
        if found[0] == b"\n":
            return TelnetLine(bytes(line), found.end(), True, bytes(answer))
        at = found.start()
        end = _command_end(data, at)
        if end is None:
            return TelnetLine(bytes(line), at, False, bytes(answer))
        if data[at + 1] == IAC:
            line.append(NO_UTF8)
        elif data[at + 1] == DO and data[at + 2] not in offered:
            answer += bytes((IAC, WONT, data[at + 2]))
        elif data[at + 1] == WILL:
            answer += bytes((IAC, DONT, data[at + 2]))
        at = end
    return TelnetLine(bytes(line + data[at:]), len(data), False, bytes(answer))


def _command_end(data: bytes, at: int) -> int | None:
    """Return the end of the command that begins at `at`, or None if it has not come yet."""
    if at + 1 >= len(data):
        return None
    if data[at + 1] == SB:
        found = _SUBNEGOTIATION.match(data, at + 2)
        return found.end() if found is not None else None
    end = at + (3 if WILL <= data[at + 1] <= DONT else 2)
    return end if end <= len(data) else None
