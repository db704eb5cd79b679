"""What a log is made of."""

from collections.abc import Iterator, Sequence
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
    ERASED = "erased"
    GONE = "gone"


class FileMark(NamedTuple):
    """A shared file as an entry names it: `size` in bytes, `sha256` in hexadecimal; `version`
    counts from 1 for each name on a shelf."""

    name: str
    size: int
    sha256: str
    version: int = 1


class Entry(NamedTuple):
    """One thing that happened in a room, or came into an inbox, and is kept.

    `time` is milliseconds since 1970 (UTC); `who` did it; `text` is what was said, the new topic,
    the name of the file that was removed, or the position of the entry whose text was erased: in
    the place of that one, by the same user, there is one that is `GONE`. Where an entry stands is
    its log's business: it does not know its own position.
    """

    kind: str
    time: int
    who: str
    text: str = ""
    file: FileMark | None = None

    @property
    def encoded_size(self) -> int:
        """About how many bytes it is to who reads it, in the dialect that takes more."""
        lines = self.text.count("\n") + 1
        return len(self.text.encode(errors="replace")) + lines * (len(self.who) + 40) + 200

    def as_run(self) -> "Run":
        """Return it as a run of one."""
        return Run(self.kind, self.time, self.who, (self.text,), self.file)


class Run(NamedTuple):
    """Entries that one user made at once, one behind the other: alike but for their texts.

    What comes in is taken by the chunk, and a chunk of talk is a run. It is checked, stored,
    rendered and handed on as one, so all that costs something costs it once a run, not once a line.
    The positions of its entries are consecutive.
    """

    kind: str
    time: int
    who: str
    texts: Sequence[str] = ("",)
    file: FileMark | None = None

    def entries(self, first: int) -> Iterator[tuple[int, Entry]]:
        """Iterate over its entries, with their positions; the first one is at `first`."""
        for position, text in enumerate(self.texts, first):
            yield position, Entry(self.kind, self.time, self.who, text, self.file)
