"""Checks that all output must pass, whoever wrote the text. They do not use the server's own code:
Unicode's data say which characters control a terminal."""

import json
import re
import unicodedata
from itertools import groupby

from tests.websocketframes import server_frames

LINE = re.compile(
    r"""(?:\[\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\dZ\ \#\d+\]\ )?       # history
        (?: [*!]\ .*                                             # the server
          | (?P<name>[^\s:*!~=\[\]/\\@-][^\s:*!~=\[\]/\\@]{0,31})            # said
            (?:\ \((?:edited(?:\ \#\d+)?|to\ [^\s:]+\ \#\d+.*)\))?:\ .*  # ... about another
          | ~\ [^\s:*!~=\[\]/\\@-][^\s:*!~=\[\]/\\@]{0,31}\ .*   # done
          | [^\s:*!~=\[\]/\\@-][^\s:*!~=\[\]/\\@]{0,31}\ ->\ [^\s:]{1,32}:\ .*    # privately
        )
      | =\ \d+\ [0-9a-f]{64}\ .+                                 # a file
      | \ \ (?:echo|exec)\ .*                                    # the commands of /link
    """,
    re.VERBOSE | re.DOTALL,
)
"""A line that a person may receive (docs/protocol.md, "What one reads")."""

LOGGED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \[[^\]]*\] ")
"""The beginning of each line of the server's log."""


def steering(text: str) -> list[str]:
    """Return the characters of a text that control a terminal or end a line."""
    return [
        c
        for c in text
        if (unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in "\t\n")
        or unicodedata.bidirectional(c)
        in ("LRO", "RLO", "LRE", "RLE", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]


def height(text: str) -> int:
    """Return the largest number of characters without width in one place."""
    flat = (unicodedata.category(c) in ("Mn", "Me", "Cf") for c in text)
    return max((len(list(run)) for is_mark, run in groupby(flat) if is_mark), default=0)


def without_telnet(data: bytes) -> bytes:
    """Return received bytes without telnet's options, which are in no line."""
    return re.sub(rb"\xff[\xfb-\xfe].", b"", data, flags=re.DOTALL)


def check_text(data: bytes) -> list[str]:
    """Check all lines that a person received, and return them."""
    assert not data or data.endswith(b"\n"), data[-100:]
    lines = data.decode().split("\n")[:-1]
    for line in lines:
        assert LINE.fullmatch(line), line
        assert not steering(line), ascii(line)
        assert height(line) <= 30, ascii(line)
    return lines


HTTP = b"HTTP/1.1 "

_HEAD = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z -]+\r\n((?:[A-Za-z-]+: [ -~]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"^Content-Length: ([0-9]+)\r$", re.MULTILINE)
_READ = re.compile(rb"^Content-Type: (text/plain|application/(?:problem\+)?json)", re.MULTILINE)


def check_http(data: bytes) -> list[int]:
    """Check all responses that a client of HTTP received, and return their statuses. After a
    handshake of a WebSocket, what follows is checked as its frames."""
    statuses = []
    while data:
        head = _HEAD.match(data)
        assert head is not None, data[:200]
        statuses.append(int(head[1]))
        data = data[head.end() :]
        if statuses[-1] == 101:
            check_frames(data)
            break
        length = _LENGTH.search(head[2])
        if length is not None and not data.startswith(HTTP):  # a response to HEAD has no body
            assert not data or len(data) >= int(length[1]), data[:200]
            body, data = data[: int(length[1])], data[int(length[1]) :]
            if body and _READ.search(head[2]):
                check_plain(body)
        elif b"Transfer-Encoding: chunked" in head[2]:
            data = data.partition(b"\r\n0\r\n\r\n")[2]
    return statuses


def check_frames(data: bytes) -> list[dict]:
    """Check all frames that a WebSocket received, and return their objects. The last one closes."""
    frames = list(server_frames(data))
    assert [it.opcode for it in frames if it.opcode not in (1, 8, 9, 10)] == []
    closing = [it for it in frames if it.opcode == 8]
    assert closing == frames[-1:]
    if closing[0].payload:
        check_plain(closing[0].payload[2:] + b"-\n")
    return [check_object(it.payload.decode()) for it in frames if it.opcode == 1]


def check_plain(data: bytes) -> list[str]:
    """Check an answer of HTTP in plain text, and return its lines."""
    assert data.endswith(b"\n"), data[-100:]
    lines = data.decode().split("\n")[:-1]
    for line in lines:
        assert line, data
        assert not steering(line), ascii(line)
        assert height(line) <= 30, ascii(line)
    return lines


def check_json(data: bytes) -> list[dict]:
    """Check all objects that a program received, one a line, and return them."""
    assert not data or data.endswith(b"\n"), data[-100:]
    return [check_object(line) for line in data.decode().split("\n")[:-1]]


def check_object(line: str) -> dict:
    """Return the object of a line."""
    it = json.loads(line, parse_constant=float)
    assert isinstance(it, dict), line
    assert isinstance(it["event"], str), line
    for name in ("text", "message", "topic", "away", "name", "room", "from"):
        if isinstance(it.get(name), str):
            assert not steering(it[name]), line
            assert height(it[name]) <= 30, line
    return it


IRC = re.compile(
    r"""(?:@(?P<tags>[^\ ]+)\ )?
        (?::(?P<source>server|[^\s!@:]{1,32}!~u@chat)\ )?
        (?P<command>[A-Z]+|[0-9]{3})
        (?P<words>(?:\ [^\ :][^\ ]*)*)
        (?:\ :(?P<text>.*))?
    """,
    re.VERBOSE | re.DOTALL,
)
"""A line that an IRC client may receive."""

BEGINS_AS_IRC = (b":server ", b"@", b"ERROR ", b"AUTHENTICATE ")
"""The beginnings of answers to an IRC client."""


def check_irc(data: bytes) -> list[re.Match[str]]:
    """Check all lines that an IRC client received, and return their parts."""
    assert not data or data.endswith(b"\r\n"), data[-100:]
    return [check_message(line) for line in data.decode().split("\n")[:-1]]


def check_message(line: str) -> re.Match[str]:
    """Check a line for an IRC client, with its CR, and return its parts."""
    assert line.endswith("\r"), ascii(line)
    found = IRC.fullmatch(line[:-1])
    assert found is not None, ascii(line)
    text = found["text"] or ""
    if found["command"] == "PRIVMSG" and text.startswith("\x01ACTION "):
        text = text[1:].removesuffix("\x01")
    assert not steering(f"{found['tags']}{found['words']}{text}"), ascii(line)
    assert height(text) <= 30, ascii(line)
    untagged = line.partition(" ")[2] if line.startswith("@") else line
    assert len(f"{untagged}\n".encode()) <= 512, ascii(line)
    assert line.startswith("ERROR ") or found["source"] or found["command"] == "AUTHENTICATE", line
    return found


def check_log(lines: list[str], *secrets: str) -> None:
    """Check a log: no forged line, no error, no secret."""
    for line in lines:
        assert LOGGED.match(line), line
        assert not steering(line), ascii(line)
        assert not re.search("Traceback|Unhandled|Error|failed", line), line
    for secret in secrets:
        assert not [line for line in lines if secret in line]
