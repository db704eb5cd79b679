"""The contents of a log: entries, and runs of entries."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The sort of an entry, and the `event` of its JSON object. A notice is a message, or a private
    one in an inbox, that no program answers: so two programs never answer each other for ever."""

    MESSAGE = "message"
    ACTION = "action"
    NOTICE = "notice"
    PRIVATE = "private"
    FILE = "file"
    TOPIC = "topic"
    REMOVED = "removed"
    ERASED = "erased"
    GONE = "gone"


class FileMark(NamedTuple):
    """A version of a shared file: `size` in bytes, `sha256` in hexadecimal. Versions of one name in
    one folder count from 1."""

    name: str
    size: int
    sha256: str
    version: int = 1


class Entry(NamedTuple):
    """One stored event of a room or an inbox. Its position is the log's to know.

    `time` is in milliseconds since 1970 (UTC); `who` is a user's name, then that of an account if
    they were `registered` (older entries do not tell). `text` is the talk, the new
    topic, the name of a removed file, or the position of an erased entry. In the place of an erased
    entry stands one of the kind `GONE`, by the same user. `about` is the position of another entry
    of its log, which it is about, or 0; `to` is the user whom a private message was sent to, in its
    sender's inbox, or empty.
    """

    kind: str
    time: int
    who: str
    text: str = ""
    file: FileMark | None = None
    registered: bool = False
    about: int = 0
    to: str = ""

    @property
    def encoded_size(self) -> int:
        """Its estimated size for a reader, in bytes, in the longer of the formats."""
        lines = self.text.count("\n") + 1
        return len(self.text.encode(errors="replace")) + lines * (len(self.who) + 40) + 200

    def as_run(self) -> "Run":
        """Return a run of this entry alone."""
        return Run(self.kind, self.time, self.who, (self.text,), *self[4:])


class Run(NamedTuple):
    """Consecutive entries of one user that differ only in their texts.

    Input is taken by the chunk, and a chunk of talk becomes one run. A run is checked, stored,
    encoded and delivered as one, so each of these costs once a run instead of once a line.
    """

    kind: str
    time: int
    who: str
    texts: Sequence[str] = ("",)
    file: FileMark | None = None
    registered: bool = False
    about: int = 0
    to: str = ""

    def entry(self, at: int) -> Entry:
        """Return the entry with the text at an index."""
        return Entry(*self[:3], self.texts[at], *self[4:])

    def entries(self, first: int) -> Iterator[tuple[int, Entry]]:
        """Iterate over positions and entries, from the position `first` on."""
        for at in range(len(self.texts)):
            yield first + at, self.entry(at)
