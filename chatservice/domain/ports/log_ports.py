"""The ports to the logs: drafts on their way in, reading, searching, and changes of blocks."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from chatservice.domain.log import Block, Cursor, Log
from chatservice.entries import Entry, EntryState, Run
from chatservice.errors import Code, Refusal

OnStored = Callable[[int | Exception], None]
"""Called once, with the position of the first entry that was stored, or with the error."""


@dataclass(slots=True)
class Draft:
    """A run of entries on its way into a log.

    The cursor `author` does not show it, and `speaker` notes its position. `on_stored` is called
    before others are shown it, `on_shown` after; both get the error if it is not stored. An entry
    with the `key` of an earlier one, in the same log and by the same `writer` (`User.id`), is not
    stored again: it gets that one's position.

    `copy` is a copy for the sender's own inbox, and the next draft of the batch. Where this draft
    is not stored again, the copy is not stored either: its position is that of its own key, or 0.
    """

    log: Log
    run: Run
    author: Cursor | None = None
    key: str | None = None
    on_stored: OnStored | None = None
    on_shown: OnStored | None = None
    writer: str = ""
    speaker: Cursor | None = None
    copy: "Draft | None" = None


class Appended(NamedTuple):
    """The position of each draft's first entry, in the order of the batch; and the indexes of
    drafts that were stored before, by their keys. `about` has, by their indexes, the runs about
    other entries as they are stored and shown, or the refusals of those that are not stored, whose
    positions are 0."""

    positions: Sequence[int]
    repeated: Collection[int]
    about: Mapping[int, Run | Refusal] = MappingProxyType({})


def no_entry(position: int) -> Refusal:
    """Return the refusal for a position without an entry, or with one that says nothing."""
    return Refusal(
        Code.NO_SUCH_ENTRY,
        "There is no entry #{position} here; `history` shows their positions.",
        position=position,
    )


FAR_FUTURE = 1 << 62
"""A time in milliseconds since 1970 that no entry has."""


class SearchQuery(NamedTuple):
    """A search of several `logs`, for the last `limit` entries of all together that contain all
    `words`, in any case. A word may be a phrase, `"one behind the other"`, or a beginning,
    `begin*`. `logs` has the numbers of logs; of each, entries before a position are looked for. At
    most one of them is a guest's inbox.

    Entries are behind the position `after`, which is for a single log. `who` is the key of the
    author's name. `other` is that of the other side of private talk: of the user whom an entry was
    sent to, or else of its author. Empty ones fit all. Entries are from the time `since` on and
    from before `until` (milliseconds since 1970). With `files`, they are those of files. With
    `mentions`, a user's name, they have that name as a word, or `names.EVERYBODY`. `words` may be
    empty if something else narrows the search. Of entries that are not indexed yet, at most `scan`
    are looked through, if it is given.
    """

    words: str
    logs: Mapping[int, int]
    limit: int
    after: int = 0
    who: str = ""
    other: str = ""
    since: int = 0
    until: int = FAR_FUTURE
    files: bool = False
    mentions: str = ""
    scan: int | None = None


class Match(NamedTuple):
    """An entry that a search has found, at a position in the log with that number."""

    log: int
    position: int
    entry: Entry


class SearchResult(NamedTuple):
    """The result of a search: what matches, oldest first. While `pending`, the newest entries are
    not indexed yet."""

    matches: Sequence[Match]
    pending: bool


class LogStore(Protocol):
    """The logs: where entries are added, and their past."""

    def append(self, batch: Sequence[Draft], read: Mapping[int, int]) -> Awaitable[Appended]:
        """Store a batch, all of it or nothing, and how far inboxes were `read`, by their numbers.

        Of a draft it takes `log.id`, `run`, `key` and `writer`. It answers when all is durable.
        Batches are stored in the order in which they are given. Positions of a log are dense, and
        begin with 1.

        A run about another entry (`Run.about`) is decided upon as it is stored, on all nodes one
        after another, and is refused by itself (`Appended.about`): no-such-entry, unless that is
        talk or a file, and for an edit talk; too-many, beyond `Limits.edits` of one entry. It is
        shown with a quote of the other entry, which is not stored. Such a draft has a `writer`.

        Tells the follower a `TopicChanged` for each topic, and for an edit a `BlockReplaced` for
        each block that shows the former text. Any exception, not only a `Refusal`, means that
        nothing is stored.
        """

    def erase(self, log: int, position: int) -> Awaitable[bool]:
        """Erase an entry from storage and from the search index, and put one of the kind
        `Kind.GONE` in its place. Its annotations do not count any more, and its edits are erased
        with it; an edit is erased with the entry that it is about. Return whether it existed. Tells
        the follower `BlockReplaced`."""

    def read(self, log: int, after: int, limit: int) -> Awaitable[Sequence[Block]]:
        """Return blocks behind a position, of about `limit` entries altogether.

        Here and wherever entries are read or searched, one that was edited has its newest text, and
        so has each of its edits; and an entry about another one has a quote of it, if it is there.
        """

    def read_back(self, log: int, before: int, limit: int) -> Awaitable[Sequence[Block]]:
        """Return the last blocks before a position, in order, of about `limit` entries
        altogether."""

    def entries_at(self, log: int, positions: Collection[int]) -> Awaitable[Mapping[int, Entry]]:
        """Return the entries at some positions, by these."""

    def states(self, log: int, positions: Collection[int]) -> Awaitable[Mapping[int, EntryState]]:
        """Return the states of the entries at some positions, of those that have annotations."""

    def pinned(self, log: int) -> Awaitable[Sequence[int]]:
        """Return the positions of the entries that are pinned, in order."""

    def edits(self, log: int, position: int) -> Awaitable[Sequence[tuple[int, Entry]]]:
        """Return an entry as it was stored at first, and its edits as they were, oldest first, with
        their positions; nothing if it is not there."""

    def search(self, query: SearchQuery) -> "Awaitable[SearchResult]":
        """Return the entries that a query asks for. Those of one log are in the order of their
        positions, and those of several in that of their times.

        Raises `Refusal` (bad-argument, too-slow).
        """

    def reassign(self, key: str, mark: str, erase: bool, after: int) -> Awaitable[int | None]:
        """Give some entries of an account to `mark`; with `erase`, erase them. Start behind the
        block with the number `after`, and return that of the last block seen, or None at the end.
        Tells the follower `BlockReplaced` and `TopicChanged`."""

    def last(self, log: int) -> Awaitable[int]:
        """Return a log's last position."""

    def position_of_key(self, log: int, writer: str, key: str) -> Awaitable[int | None]:
        """Return the position of the entry with a key (`Draft.key`), or None if it is not known."""

    def drop_inbox(self, log: int) -> Awaitable[None]:
        """Delete the inbox of a guest who left."""


class BlockReplaced(NamedTuple):
    """A block of a log, in which entries have changed: they were erased, reassigned or edited. What
    others quote of the entries at `positions` is not to be shown any more, nor their former texts
    in other edits of them."""

    log: int
    block: Block
    positions: Collection[int] = ()
