"""The contents of a log: entries, and runs of entries."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The sort of an entry, and the `event` of its JSON object. A notice is a message, or a private
    one in an inbox, that no program answers: so two programs never answer each other for ever. An
    action in an inbox is a private one, too."""

    MESSAGE = "message"
    ACTION = "action"
    NOTICE = "notice"
    PRIVATE = "private"
    FILE = "file"
    TOPIC = "topic"
    REMOVED = "removed"
    ERASED = "erased"
    GONE = "gone"
    EDIT = "edit"
    REACTION = "reaction"
    REACTION_REMOVED = "reaction-removed"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    SENT = "sent"
    SENT_ACTION = "sent-action"
    SENT_NOTICE = "sent-notice"
    SENT_FILE = "sent-file"


TALK = frozenset({Kind.MESSAGE, Kind.ACTION, Kind.NOTICE})
"""Kinds of what is said in a room."""

SAID = TALK | {Kind.FILE}
"""Kinds of entries that others can be about."""

NOTICES = frozenset({Kind.NOTICE, Kind.SENT_NOTICE})
"""Kinds of what no program answers."""

ALL_TALK = TALK | NOTICES | {Kind.PRIVATE, Kind.SENT, Kind.SENT_ACTION}
"""Kinds of what is said in a room or to one user, and of the copies of that."""

ANNOTATIONS = frozenset(
    {Kind.EDIT, Kind.REACTION, Kind.REACTION_REMOVED, Kind.PINNED, Kind.UNPINNED}
)
"""Kinds of annotations: entries that change how the entry that they are about is shown. The history
shows what they changed in their place."""

COPY_KINDS: Mapping[Kind, Kind] = {
    Kind.PRIVATE: Kind.SENT,
    Kind.ACTION: Kind.SENT_ACTION,
    Kind.NOTICE: Kind.SENT_NOTICE,
    Kind.FILE: Kind.SENT_FILE,
}
"""The kind of the copy in a sender's inbox, by the kind of what they sent to one user. It is
another one, so that no program answers its own message, or fetches its own file."""


class FileMark(NamedTuple):
    """A version of a shared file: `size` in bytes, `sha256` in hexadecimal. Versions of one name in
    one folder count from 1."""

    name: str
    size: int
    sha256: str
    version: int = 1


ANY_FILE = "*"
"""Stands for every SHA-256 in a `FileCondition`."""


class FileCondition(NamedTuple):
    """A condition of a request about a file: the SHA-256 of its newest version is `one_of` these,
    and `none_of` those. None asks nothing."""

    one_of: frozenset[str] | None = None
    none_of: frozenset[str] | None = None

    def holds(self, sha256: str | None) -> bool:
        """Return whether it is so for a file, or for none."""
        same = {sha256, ANY_FILE} if sha256 is not None else set()
        wanted = self.one_of is None or not same.isdisjoint(self.one_of)
        return wanted and (self.none_of is None or same.isdisjoint(self.none_of))


QUOTE_CHARACTERS = 24
"""Characters of a quote: with two names it leaves half a line of 80 columns."""


class Quote(NamedTuple):
    """The beginning of an entry of `who`, in one line and without double quotes, which an entry
    about it is shown with."""

    who: str
    text: str


class ReactionCount(NamedTuple):
    """A `word` with which a `total` of users have reacted to an entry, and the names of the first
    of them."""

    word: str
    total: int
    names: tuple[str, ...]


class EntryState(NamedTuple):
    """The present state of an entry, after its annotations: the position and the time of its newest
    edit, or zeros; the reactions to it, in the order in which their words came; and whether it is
    pinned."""

    edit: int = 0
    edit_time: int = 0
    reactions: tuple[ReactionCount, ...] = ()
    pinned: bool = False

    @property
    def encoded_size(self) -> int:
        """Its estimated size for a reader, in bytes."""
        return 100 + sum(80 + sum(4 * len(name) for name in it.names) for it in self.reactions)


class Entry(NamedTuple):
    """One stored event of a room or an inbox. Its position is the log's to know.

    `time` is in milliseconds since 1970 (UTC); `who` is a user's name, then that of an account if
    they were `registered` (older entries do not tell). `text` is the talk, the new topic, the name
    of a removed file, the word of a reaction, or the position of an erased entry. In the place of
    an erased entry stands one of the kind `GONE`, by the same user. `about` is the position of
    another entry of its log, which it is about, or 0; `to` is the user whom a private message was
    sent to, in its sender's inbox, or empty. `quote` and `state` are not stored with it, but made
    when it is shown; the text of an entry that was edited is the newest one.
    """

    kind: str
    time: int
    who: str
    text: str = ""
    file: FileMark | None = None
    registered: bool = False
    about: int = 0
    to: str = ""
    quote: Quote | None = None
    state: EntryState | None = None

    @property
    def encoded_size(self) -> int:
        """Its estimated size for a reader, in bytes, in the longer of the formats."""
        lines = self.text.count("\n") + 1
        size = len(self.text.encode(errors="replace")) + lines * (len(self.who) + 40) + 200
        return size + 200 * (self.about > 0) + (self.state.encoded_size if self.state else 0)

    @property
    def is_annotation(self) -> bool:
        """True for an entry that the history does not list by itself."""
        return self.kind in ANNOTATIONS or (self.kind == Kind.GONE and self.about > 0)

    def as_run(self) -> "Run":
        """Return a run of this entry alone."""
        return Run(self.kind, self.time, self.who, (self.text,), *self[4:-1])


def quote(entry: Entry) -> Quote:
    """Return the quote of an entry. It has no double quotes, so nobody can end it early."""
    said = entry.file.name if entry.file is not None else entry.text
    text = said[: QUOTE_CHARACTERS + 1].replace("\n", " ").replace('"', "'")
    whole = len(text) <= QUOTE_CHARACTERS
    return Quote(entry.who, text if whole else f"{text[:QUOTE_CHARACTERS].rstrip()}...")


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
    quote: Quote | None = None

    @property
    def may_have_quote(self) -> bool:
        """True if it is shown with a quote of the entry that it is about, if that is there."""
        return self.about > 0 and self.kind not in (Kind.EDIT, Kind.GONE)

    def entry(self, at: int) -> Entry:
        """Return the entry with the text at an index."""
        return Entry(self.kind, self.time, self.who, self.texts[at], *self[4:])

    def entries(self, first: int) -> Iterator[tuple[int, Entry]]:
        """Iterate over positions and entries, from the position `first` on."""
        for at in range(len(self.texts)):
            yield first + at, self.entry(at)
