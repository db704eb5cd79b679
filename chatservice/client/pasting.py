"""Pastes of several lines: asked about, and said as one message."""

import json

from chatservice import limits, names
from chatservice.errors import Refusal

AROUND = 256
"""Bytes that the rest of a request takes at most: the names of a room and of the command, a key,
and what JSON puts around them."""


def with_newlines(pasted: str) -> str:
    """Return what was pasted with newlines as texts have them, and none at its end."""
    return pasted.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def paste_question(text: str) -> str:
    """Return what to ask about a text of several lines."""
    count = text.count("\n") + 1
    return f"Say these {count} lines as one message? Enter or y: yes; n: drop; e: edit first"


def paste_too_long(text: str) -> str | None:
    """Return why a text cannot be said, if it is too long for that."""
    try:
        names.lines(text)
    except Refusal as refused:
        return refused.sentence
    size = len(json.dumps(text, ensure_ascii=False).encode(errors="replace"))
    if size <= limits.LINE_BYTES - AROUND:
        return None
    most = limits.LINE_BYTES - AROUND
    return (
        f"That paste has {size} bytes, and a message at most {most}; put it into a file, and type "
        "the file's path."
    )


def say_line(text: str) -> str:
    """Return the line that says a text of several lines, whatever it begins with."""
    return f"/say {text}"
