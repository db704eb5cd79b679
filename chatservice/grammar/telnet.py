"""Telnet (RFC 854), as far as a line of text meets it.

0xFF never occurs in UTF-8, so in a line it always means telnet. It is looked for in one line at a
time and never in a file's bytes.
"""

import re
from typing import NamedTuple

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240

ECHO = 1
HIDE_INPUT, SHOW_INPUT = bytes((IAC, WILL, ECHO)), bytes((IAC, WONT, ECHO))
"""Keep the other side from showing what is typed there, by saying that we do; and let it again
(RFC 857)."""


NO_UTF8 = 0xFE
"""Stands in a line for a doubled IAC, which means the byte 0xFF. Neither is UTF-8, so the line is
refused either way; but what was looked at need not be looked at again."""


class TelnetLine(NamedTuple):
    """A line, or what there is of it, without telnet's bytes; where that ends; whether it is all of
    the line; and what to answer."""

    line: bytes
    end: int
    complete: bool
    reply: bytes


_COMMAND_OR_END = re.compile(rb"[\xff\n]")

_SUBNEGOTIATION = re.compile(rb"(?:[^\xff]++|\xff[^\xf0])*+\xff\xf0", re.DOTALL)
"""Up to `IAC SE`; a doubled IAC before an SE is data (RFC 855)."""


def take_line(data: bytes, start: int = 0, offered: bytes = b"") -> TelnetLine:
    """Return the line of `data` that begins at `start`.

    Where its end has not come yet, what was found and what stands behind `end` are to be given here
    again, once there is more. A line feed inside a telnet command ends no line. Every option is
    declined, as RFC 854 allows, but for those that we have `offered`; only requests to begin
    something are answered, so that no two programs answer each other for ever.
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
    """Return where the command that begins at `at` ends, or None if it has not ended yet."""
    if at + 1 >= len(data):
        return None
    if data[at + 1] == SB:
        found = _SUBNEGOTIATION.match(data, at + 2)
        return found.end() if found is not None else None
    end = at + (3 if WILL <= data[at + 1] <= DONT else 2)
    return end if end <= len(data) else None
