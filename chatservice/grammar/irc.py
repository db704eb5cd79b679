"""Messages of IRC: lines to messages and back. No state, and nothing of the chat.

The grammar is that of Modern IRC (https://modern.ircdocs.horse/) with message tags
(https://ircv3.net/specs/extensions/message-tags).
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chatservice.errors import Code, Refusal

LINE_BYTES = 510
"""A message without its tags and its CR LF (RFC 1459, 2.3)."""

TAG_BYTES = 4096
"""The tags of a client, with the `@` before and the space behind them (message-tags, Size limit).
"""

MOST_PARAMETERS = 15
"""Parameters of a message (RFC 1459, 2.3). The last one takes the rest of the line."""


class IrcMessage(NamedTuple):
    """A message: its `command` in capitals, its parameters and its tags. The source that a client
    may give is dropped, because the server knows it."""

    command: str
    params: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}

    def param(self, at: int) -> str:
        """Return the parameter at an index, or an empty string."""
        return self.params[at] if at < len(self.params) else ""


def parse(line: bytes) -> IrcMessage:
    """Return the message of a line, without its end. Raises `Refusal` (too-long, bad-line)."""
    tags = b""
    if line.startswith(b"@"):
        tags, _, line = line.partition(b" ")
        if len(tags) >= TAG_BYTES:
            raise Refusal(
                Code.TOO_LONG, "The tags have more than {limit} bytes.", limit=TAG_BYTES - 2
            )
    if len(line) > LINE_BYTES:
        sentence = "A line has at most {limit} bytes without its tags; send a shorter one."
        raise Refusal(Code.TOO_LONG, sentence, limit=LINE_BYTES)
    try:
        text = line.decode()
        found = parse_tags(tags[1:].decode()) if tags else {}
    except UnicodeDecodeError:
        raise Refusal(Code.BAD_LINE, NOT_UTF8) from None
    if "\0" in text:
        raise Refusal(Code.BAD_LINE, "That line has a NUL in it; leave it out.")
    if text[:1] == ":":
        text = text.partition(" ")[2]
    text, colon, last = (" " + text).partition(" :")
    words = text.split(" ", MOST_PARAMETERS + 10) if "  " in text else text.split(" ")
    words = [word for word in words if word]
    if not words:
        raise Refusal(Code.BAD_LINE, "There is no command in that line; send one.")
    command, params = words[0].upper(), words[1:]
    if colon:
        params.append(last)
    if len(params) > MOST_PARAMETERS:
        rest = [*params[MOST_PARAMETERS - 1 :]]
        params = [*params[: MOST_PARAMETERS - 1], " ".join(rest)]
    return IrcMessage(command, tuple(params), found)


def parse_talk(chunk: bytes) -> tuple[str, list[str]] | None:
    """Return the channel and the texts of a chunk, if all its lines are plain messages to one
    channel, or else None. `chunk` ends with a line end. It is searched as a whole, which costs less
    than line by line; `parse` would make the same messages (tests/grammar/test_irc.py)."""
    if not chunk.startswith(b"PRIVMSG #"):
        return None
    chunk = chunk.replace(b"\r\n", b"\n")
    start = chunk.partition(b" :")[0] + b" :"
    if _NOT_PLAIN.search(chunk) or b"," in start or start.count(b" ") != 2:
        return None
    count = chunk.count(b"\n")
    if chunk.count(b"\n" + start) + 1 != count:
        return None
    lines = chunk[len(start) : -1].split(b"\n" + start)
    if len(lines) != count or max(map(len, lines)) > LINE_BYTES - len(start):
        return None
    if not all(map(bytes.strip, lines)):
        return None
    return start[len(b"PRIVMSG ") : -2].decode(), b"\n".join(lines).decode().split("\n")


_NOT_PLAIN = re.compile(rb"[^\n -~]")

NOT_UTF8 = "That line is not UTF-8; set your client's character set to UTF-8."
"""The refusal of a line in another character set (https://ircv3.net/specs/extensions/utf8-only)."""


def parse_tags(text: str) -> dict[str, str]:
    """Return the tags of a text without its `@`. Of one that occurs twice, the last one counts."""
    found = {}
    for tag in text.split(";"):
        key, _, value = tag.partition("=")
        if key:
            found[key] = _unescaped(value) if "\\" in value else value
    return found


def _unescaped(value: str) -> str:
    """Return the value of an escaped one. A backslash before any other character, or at the end, is
    dropped (message-tags, Escaping values)."""
    return re.sub(r"\\(.?)", lambda found: _ESCAPED.get(found[1], found[1]), value, flags=re.DOTALL)


_ESCAPED: Mapping[str, str] = {":": ";", "s": " ", "\\": "\\", "r": "\r", "n": "\n"}
_ESCAPES = str.maketrans({character: "\\" + it for it, character in _ESCAPED.items()})


def render_tags(tags: Iterable[tuple[str, str]]) -> str:
    """Return tags as they stand before a message, with the space behind them; empty for none."""
    shown = [
        f"{key}={value.translate(_ESCAPES).replace(chr(0), '')}" if value else key
        for key, value in tags
    ]
    return f"@{';'.join(shown)} " if shown else ""


def with_tag(line: str, key: str, value: str = "") -> str:
    """Return a line with one more tag, before those that it has."""
    tag = render_tags([(key, value)])
    return f"{tag[:-1]};{line[1:]}" if line[0] == "@" else tag + line


def render(source: str, command: str, *params: str) -> str:
    """Return a message as a line, without tags and end. No parameter can begin another one, or
    another line: in all but the last one, spaces become `_`, and `*` stands for an empty one. A
    line that would be too long is cut."""
    parts = [f":{source} {command}" if source else command]
    if params:
        *words, last = (it.translate(_LINE_ENDS) for it in params)
        parts += [_word(word) for word in words]
        needs_colon = not last or last[0] == ":" or " " in last
        parts.append((":" if needs_colon else "") + last)
    return cut(" ".join(parts), LINE_BYTES)


def cut(text: str, most: int) -> str:
    """Return the beginning of a text, of at most `most` bytes."""
    if 4 * len(text) <= most:
        return text
    return text.encode()[:most].decode(errors="ignore")


def _word(text: str) -> str:
    text = text.replace(" ", "_")
    return f"_{text[1:]}" if text[:1] == ":" else text or "*"


_LINE_ENDS = str.maketrans("\r\n\0", "   ")
