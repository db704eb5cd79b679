"""Texts of IRC: formatting and CTCP, which are taken out, lines that are too long, which are split,
and words, which are put into lines."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

ACTION = "ACTION"
"""The only CTCP request that is talk: `/me`."""

_FORMATTING = re.compile(
    "\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?"
    "|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?"
    "|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
"""Colours, and bold, reset, monospace, reverse, italics, strikethrough and underline
(https://modern.ircdocs.horse/formatting)."""


def without_formatting(text: str) -> str:
    """Return a text without the characters that change its look."""
    return text if text.isprintable() else _FORMATTING.sub("", text)


class Ctcp(NamedTuple):
    """A request of CTCP: its `command` in capitals, and its text
    (https://modern.ircdocs.horse/ctcp)."""

    command: str
    text: str


def parse_ctcp(text: str) -> Ctcp | None:
    """Return the CTCP request of a text, or None if it is plain."""
    if not text.startswith("\x01"):
        return None
    command, _, rest = text[1:].removesuffix("\x01").partition(" ")
    return Ctcp(command.upper(), rest)


def pieces(line: str, most: int) -> Iterator[str]:
    """Iterate over the pieces of a line of at most `most` bytes (at least 4), which make it again
    if they are put together. None of them ends within a character."""
    data = line.encode()
    while len(data) > most:
        end = _end(data, most)
        yield data[:end].decode()
        data = data[end:]
    yield data.decode()


def _end(data: bytes, most: int) -> int:
    """Return the greatest number of bytes up to `most` that ends with a character (RFC 3629, 3)."""
    while data[most] & 0xC0 == 0x80:
        most -= 1
    return most


def split_text(text: str, most: int) -> Iterator[str]:
    """Iterate over the lines of a text, each in pieces of at most `most` bytes (at least 4): at
    spaces where there are some, and never within a character. For an empty line there is a space,
    because a message has a text."""
    for line in text.split("\n"):
        data = line.encode()
        while len(data) > most:
            end = data.rfind(b" ", 1, most + 1)
            if end <= 0:
                end = _end(data, most)
                yield data[:end].decode()
                data = data[end:]
            else:
                yield data[:end].decode()
                data = data[end + 1 :]
        yield data.decode() or " "


def packed(words: Iterable[str], most: int, between: str = " ") -> Iterator[str]:
    """Iterate over lines of words: in each as many as fit into `most` bytes, and at least one."""
    line = ""
    for word in words:
        if line and len(f"{line}{between}{word}".encode()) > most:
            yield line
            line = ""
        line += between + word if line else word
    if line:
        yield line
