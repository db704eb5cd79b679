"""What a log is made of."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What sort of thing happened. Also the `event` that a JSON session is told."""

    MESSAGE = "message"
    ACTION = "action"
    PRIVATE = "private"
    FILE = "file"
    TOPIC = "topic"
    REMOVED = "removed"


class FileMark(NamedTuple):
    """A shared file as an entry names it: `size` in bytes, `sha256` in hexadecimal."""

    name: str
    size: int
    sha256: str


class Entry(NamedTuple):
    """One thing that happened in a room, or came into an inbox, and is kept.

    `time` is milliseconds since 1970 (UTC); `who` did it; `text` is what was said, the new topic,
    or the name of the file that was removed. Where an entry stands is its log's business: it does
    not know its own position.
    """

    kind: str
    time: int
    who: str
    text: str = ""
    file: FileMark | None = None
