"""The ports: what the domain needs of a storage engine, and what the engine promises.

Each method that may wait returns an awaitable. Other nodes may write, too, so the engine gives
positions, rooms' numbers and names. Every change of storage can raise `Refusal` (not-stored); then
nothing of it is stored, now or later.
"""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from chatservice import names
from chatservice.domain.log import Block, Cursor, Log
from chatservice.domain.model import is_guest_id, is_user_folder
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.entries import Entry, EntryState, FileMark, Run
from chatservice.errors import Code, Refusal
from chatservice.replies import CountInfo, FileInfo

T = TypeVar("T")

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


def not_stored() -> Refusal:
    """Return the refusal for a failure to store."""
    return Refusal(
        Code.NOT_STORED, "The server could not store that, so nobody was shown it; try again later."
    )


def no_entry(position: int) -> Refusal:
    """Return the refusal for a position without an entry, or with one that says nothing."""
    return Refusal(
        Code.NO_SUCH_ENTRY,
        "There is no entry #{position} here; `history` shows their positions.",
        position=position,
    )


def too_many_rooms(most: int) -> Refusal:
    """Return the refusal for an account that keeps as many rooms as may be."""
    return Refusal(
        Code.TOO_MANY, "You keep {limit} rooms already; `leave` one of them first.", limit=most
    )


class Promise(Protocol[T]):
    """An awaitable that gets its result later, such as Twisted's `Deferred`."""

    def callback(self, result: T) -> None:
        """Give the result."""

    def errback(self, fail: Exception) -> None:
        """Give an exception instead of a result."""

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result."""


class EventLoop(Protocol):
    """The event loop, as far as the domain needs one."""

    def call_soon(self, call: Callable[[], object]) -> None:
        """Call a function in the next turn, after all sockets that are ready are read."""

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call a function after some seconds."""

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine, without waiting for it."""

    def promise(self) -> Promise[Any]:
        """Return a new promise."""

    def failed(self, what: str) -> None:
        """Log the exception that is being handled."""


@dataclass(frozen=True, slots=True)
class RoomRow:
    """A stored room. `last` is its log's last position, `password` a hash or None."""

    number: int
    name: str
    topic: str
    password: str | None
    last: int
    access: Access = Access.PUBLIC
    frozen: bool = False
    slow: int = 0
    rules: Sequence[Rule] = ()


class ModerationRecord(NamedTuple):
    """An action of a moderator, `who`: the command `what`, for `whom`, for how long (`term`), and
    `why`.

    `time` is in milliseconds since 1970. It puts out the user with the `User.id` `put_out`. Of a
    stored one, all text is in `what`.
    """

    time: int
    who: str
    what: str
    whom: str = ""
    why: str = ""
    term: str = ""
    put_out: str = ""

    @property
    def terms(self) -> str:
        """For how long, and why."""
        return ": ".join(filter(None, (self.term, self.why)))

    @property
    def text(self) -> str:
        """All that is stored of it, beside `time` and `who`."""
        return " ".join(filter(None, (self.what, self.whom, self.terms)))


class RoomBounds(NamedTuple):
    """Limits for a new room: the numbers of all rooms, and of those that no registered user owns;
    None means no limit. `numbered` allows a name made of another room's number (room12)."""

    rooms: int | None = None
    unowned: int | None = None
    numbered: bool = True


class RoomStore(Protocol):
    """Rooms, their rules and their records."""

    def exclusive(self, room: int) -> AbstractAsyncContextManager[None]:
        """Lock a room for one task at a time, on all nodes.

        When the lock is entered, this node's follower has been told every change of the room and
        its rules that an earlier holder made, on any node. While it is held, nobody else's
        `configure`, `change_rules`, `retire` or `remove` of the room is stored. If that can no
        longer be kept (the node has lost the others, or the lock), these refuse (not-stored). Other
        rooms, talk, and changes of accounts are not held up. A lock ends with its node.
        """

    def create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        bounds: RoomBounds = RoomBounds(),  # noqa: B008 - it cannot be changed
    ) -> Awaitable[RoomRow]:
        """Make a room, which belongs to the registered user `owner`, or to nobody.

        Without a `name` it is called after its number (`names.numbered`). A name is given once, and
        no two names of rooms look alike (`confusables.skeletons`): of two that are made at once,
        on any nodes, one is refused, and the last place within `bounds` is given once. A number is
        never given again, and no room has the number of another room's name.

        Tells the follower a `RoomRow`. Raises `Refusal`: room-exists; bad-argument where there are
        as many rooms as may be; too-many where nobody owns as many as may be.
        """

    def remove(self, room: int) -> Awaitable[None]:
        """Forget a room: its rules, its record, the tokens for it alone, its log and its files.
        The name can be given again once this answers. Tells the follower `RoomRemoved`."""

    def retire(self, room: int, name: str) -> Awaitable[None]:
        """Close a room under another name; its rules and the tokens for it alone are gone. Tells
        the follower `RoomRetired`."""

    def configure(self, change: "RoomChanged") -> Awaitable[None]:
        """Store a room's settings, and a record of that; tell the follower of them."""

    def change_rules(self, change: "RulesChanged") -> Awaitable[None]:
        """Add rules to a room, drop others, and keep a record of that, all at once. The rules of
        guests (`is_guest_id`) are told, and not stored. Tells the follower, also of a record alone.
        """

    def add_record(self, room: int, deed: ModerationRecord) -> Awaitable[None]:
        """Record an action of a moderator. Nobody is told."""

    def records(self, room: int, limit: int) -> Awaitable[Sequence[ModerationRecord]]:
        """Return the last actions of moderators, oldest first."""


@dataclass(frozen=True, slots=True)
class Account:
    """A registered user. `inbox` is the number of their inbox's log, and `read_position` how far
    they have read it. `operator` says that they run the server. `password` is a hash, or empty
    where the operator's checkers know it. `created` is in milliseconds since 1970, as is `seen`:
    when they were here last, or 0 if that is not known. Others see it if `shows_seen`."""

    name: str
    password: str
    inbox: int
    read_position: int
    operator: bool = False
    created: int = 0
    seen: int = 0
    shows_seen: bool = True

    @property
    def id(self) -> str:
        """The `User.id` of the user."""
        return names.key(self.name)


class Token(NamedTuple):
    """A token or a key, which replaces the password of the `account` with that key. A token may be
    for one `room` (number) only. Made at `time`, in milliseconds since 1970."""

    account: str
    label: str
    room: int | None
    time: int


class Membership(NamedTuple):
    """A room that an account keeps: the key of the account, the number of the room, and the
    account's read position there. It began at `since`, in milliseconds since 1970."""

    account: str
    room: int
    read: int
    since: int


class MemberPage(NamedTuple):
    """A page of a room's members: their names, in the order of their keys, and how many follow."""

    names: Sequence[str]
    following: int


ReadPositions = Mapping[tuple[str, int], int]
"""Read positions, by the key of an account and the number of a log."""


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
    from before `until` (milliseconds since 1970). With `files`, they are those of files. `words`
    may be empty if there is a `who` or an `other`, or with `files`.
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


class AccountStore(Protocol):
    """Registered users, by the keys of their names, with their tokens and the invitation codes, of
    which it has only the SHA-256."""

    def account(self, key: str) -> Awaitable[Account | None]:
        """Return the account of a name, or None."""

    def operators(self) -> Awaitable[Sequence[str]]:
        """Return the operators' names."""

    def accounts(self) -> Awaitable[Mapping[str, Account]]:
        """Return every account, by its key."""

    def token_counts(self) -> Awaitable[Mapping[str, int]]:
        """Return the numbers of tokens, by the keys of accounts."""

    def register(
        self,
        name: str,
        password: str,
        inbox: int | None,
        time: int,
        code: str | None = None,
        guest: str = "",
    ) -> Awaitable[Account]:
        """Create an account. All that is stored of a `guest` (`User.id`) becomes its own, and so
        does their `inbox`, by the number of its log. A `code` is used up with it: of two accounts
        that are made with one code, one is refused. A name is refused that another guest has, or
        that looks like a guest's or an account's; the name of `guest` becomes the account's.

        Tells the follower `GuestRegistered`, or without an inbox `AccountChanged`. Entries for the
        guest's inbox that come before the follower is told go to the account's. Raises `Refusal`
        (already-registered, name-taken, bad-code).
        """

    def rename(self, key: str, name: str) -> Awaitable[None]:
        """Change the case of an account's name. Tells `AccountChanged`."""

    def set_password(
        self, key: str, password: str, alone: bool = False, before: str | None = None
    ) -> Awaitable[bool]:
        """Change a password hash; with `alone`, revoke all tokens. With `before`, only if that is
        the present hash. Return whether it is changed. Tells the follower `PasswordChanged`."""

    def delete(self, key: str, mark: str) -> Awaitable[None]:
        """Delete an account, its tokens, inbox and rules in rooms; its files become `mark`'s. Tells
        the follower `AccountChanged`."""

    def set_operator(self, key: str, operator: bool) -> Awaitable[None]:
        """Make an account an operator, or no longer one. Tells the follower `AccountChanged`."""

    def note_seen(self, times: Mapping[str, int]) -> Awaitable[None]:
        """Store when registered users were here last, by their keys, in milliseconds since 1970. An
        earlier time than the stored one changes nothing, nor does a key without an account."""

    def show_seen(self, key: str, shown: bool) -> Awaitable[None]:
        """Set whether others see when a registered user was here last."""

    def token(self, sha256: str) -> Awaitable[Token | None]:
        """Return a valid token by its SHA-256, or a key by its fingerprint; None if there is
        none."""

    def tokens(self, key: str) -> Awaitable[Sequence[Token]]:
        """Return the tokens and keys of an account, oldest first."""

    def add_token(self, sha256: str, token: Token) -> Awaitable[None]:
        """Add a token, or a key, which only one account has. Raises `Refusal` (token-exists,
        too-many)."""

    def revoke(self, key: str, label: str) -> Awaitable[None]:
        """Revoke a token. Tells the follower `TokenRevoked`. Raises `Refusal` (no-such-token)."""

    def add_code(self, sha256: str, who: str, time: int) -> Awaitable[None]:
        """Add a code, for one registration."""

    def code(self, sha256: str) -> Awaitable[bool]:
        """Return whether a code is valid."""

    def drop_code(self, sha256: str) -> Awaitable[bool]:
        """Make a code invalid; return whether it was valid."""


class MemberStore(Protocol):
    """The rooms that accounts keep, and how far they have read them.

    A membership ends with its account, with its room, also a retired one, and with a ban of the
    account from the room (`RulesChanged`). That is told as those changes alone.
    """

    def keep(self, member: Membership, most: int) -> Awaitable[None]:
        """Add a room to those of an account, unless it is one of them, or either of them is gone.

        Of two that are added at once, on any nodes, the last place among `most` is given once.
        Tells the follower `MemberChanged`. Raises `Refusal` (too-many).
        """

    def drop(self, account: str, room: int) -> Awaitable[None]:
        """End a membership, if there is one. Tells the follower `MemberChanged`."""

    def of_account(self, account: str) -> Awaitable[Sequence[Membership]]:
        """Return the memberships of an account, by the numbers of the rooms."""

    def of_room(self, room: int, after: str, limit: int) -> Awaitable[MemberPage]:
        """Return the first `limit` members of a room whose keys follow `after`."""

    def mark_read(self, positions: ReadPositions) -> Awaitable[None]:
        """Store how far accounts have read rooms that they keep, or their inboxes; also back. Tells
        the follower `ReadChanged`."""


class Authenticator(Protocol):
    """Checks the passwords of names."""

    @property
    def elsewhere(self) -> bool:
        """True if it also knows names without an account here."""

    def vouched(self, name: str, password: str) -> Awaitable[str | None]:
        """Return the name as its owner writes it, if the password is right; else None."""


class NameClaims(Protocol):
    """The names of users who are here. Of two claims made at once, on any nodes, one is refused."""

    def check_free(self, name: str) -> Awaitable[None]:
        """Raise `Refusal` (name-taken) if a guest has a name, or if it looks like a guest's or an
        account's (`confusables.skeletons`)."""

    def claim_guest(
        self, name: str, secret: bytes | None = None, own: str | None = None
    ) -> Awaitable[int]:
        """Take a name for a guest, and answer with the guest's number: the same for the same
        `secret`, also after a restart; without one, a number that no guest ever had. The name may
        look like the asker's former one, which has the key `own`.

        Raises `Refusal` (name-taken), as `check_free` does.
        """

    def rename_guest(self, name: str, new: str) -> Awaitable[None]:
        """Take another name for a guest, who keeps the former one too until that is released; they
        may look alike. If only the case differs, the former one is released with it.

        Raises `Refusal` (name-taken).
        """

    def claim_account(self, key: str) -> Awaitable[None]:
        """Take an account's name, by its key. All nodes may have it at once, but no guest."""

    def release(self, name: str) -> None:
        """Give back a name of this node's."""


class PasswordHasher(Protocol):
    """Hashes passwords, slowly on purpose, and never in the reactor's thread."""

    def hash(self, password: str) -> Awaitable[str]:
        """Return the hash of a password."""

    def fits(self, kept: str, password: str) -> Awaitable[bool]:
        """Return whether a password fits a hash."""


UNKNOWN_SIZE = -1
"""The size of an upload that tells its size only by its end."""


class DeclaredFile(NamedTuple):
    """A file before its bytes come: `size` in bytes or `UNKNOWN_SIZE`, `sha256` in hexadecimal or
    None. The user `who`, with the `User.id` `owner`, sends it to `folder` at `time` (milliseconds).

    Without a SHA-256 it is resumed by `id` (`PartialUpload.id`); a new one that is to be kept has
    an empty `id`, and one that is not to be kept has None.
    """

    folder: str
    name: str
    size: int
    sha256: str | None
    who: str
    time: int
    owner: str = ""
    id: str | None = None

    @property
    def is_resumable(self) -> bool:
        """True if its bytes are kept when it stops: by its SHA-256 or its id, it is known again."""
        return self.sha256 is not None or self.id is not None

    @property
    def upload_key(self) -> tuple[str, str, int, str | None, str, str]:
        """The key by which a partial upload is found again.

        A guest's upload to a room is found by name and SHA-256, which nobody else is told: so the
        guest can resume it after a broken connection. An upload to a user is its sender's alone.
        """
        owner = self.owner if is_user_folder(self.folder) else ""
        said = self.sha256 or self.id
        return self.folder, self.name, self.size, said, names.key(self.who), owner

    def is_same(self, other: "DeclaredFile") -> bool:
        """Return whether both are the same upload, begun twice."""
        return bool(self.sha256 or self.id) and self.upload_key == other.upload_key

    @property
    def ends_with_guest(self) -> bool:
        """True if it is deleted when a guest leaves: one who gets it, or who sends it to a user."""
        return is_guest_id(self.folder) or (is_guest_id(self.owner) and is_user_folder(self.folder))


class FileLocation(NamedTuple):
    """The location of a version of a file."""

    folder: str
    name: str
    version: int


class DiskUsage(NamedTuple):
    """Bytes of a folder, of one user's files everywhere, and free on the disk."""

    folder: int
    user: int
    free: int


class PartialUpload(NamedTuple):
    """A partial upload, of which the first `have` bytes are here. Its `id` stays the same."""

    declared: DeclaredFile
    have: int
    id: str


class FileListing(NamedTuple):
    """A page of a folder's `files`, by name; their `total` number and `bytes`; and the number of
    those from the first one here on (`following`)."""

    total: int
    bytes: int
    following: int
    files: Sequence[FileInfo]


class UploadWriter(Protocol):
    """A file that is being uploaded."""

    @property
    def id(self) -> str:
        """The `PartialUpload.id` of its bytes, if it stops."""

    @property
    def have(self) -> int:
        """The number of bytes that came."""

    def write(self, data: bytes) -> None:
        """Write the next bytes; the disk may lag behind."""

    def receive(self, descriptor: int, most: int) -> Awaitable[int] | None:
        """Take up to `most` bytes from a non-blocking socket, and return how many; fewer at their
        end, and whenever it is useful. Return None where only `write` works now. Nothing but
        `abandon` and `refuse` may be called meanwhile: then that is over soon."""

    def when_ready(self) -> Awaitable[None] | None:
        """Return None if more may come at once, else an awaitable to wait for."""

    def finish(self) -> Awaitable[FileMark]:
        """Verify the file, make it durable, and put it into its folder.

        Raises `Refusal` (incomplete, wrong-sha256, not-stored), and deletes what cannot be right.
        """

    def abandon(self) -> None:
        """Stop. The received bytes stay, as a partial upload, if it can be resumed."""

    def refuse(self) -> None:
        """Stop, and delete what came."""


class FileReader(Protocol):
    """An open file, whose content stays that of `mark`. `left` bytes are still to be read."""

    folder: str
    mark: FileMark

    @property
    def left(self) -> int:
        """The bytes that were not read yet."""

    def read(self, count: int) -> Awaitable[bytes]:
        """Return the next bytes. Nothing but `close` may be called meanwhile."""

    def send(self, descriptor: int) -> Awaitable[None] | None:
        """Send the rest to a non-blocking socket; return None where only `read` works. Nothing but
        `close` may be called meanwhile: then that is over soon. Raises `OSError`, also if the file
        has changed."""

    def seek(self, offset: int) -> None:
        """Continue at an offset. Raises `Refusal` (bad-offset)."""

    def more(self) -> "Awaitable[None] | None":
        """After `read` returned nothing: return an awaitable for more, which raises `Refusal` if
        none comes, or None at the end."""

    def close(self) -> None:
        """Close the file."""


class FileStore(Protocol):
    """Shared files, in folders (`Room.folder`, `User.folder`).

    The content of a version never changes. A file with a name that exists becomes a new version;
    older ones are found by their numbers.
    """

    def files(self, folder: str, after: str, limit: int) -> Awaitable[FileListing]:
        """Return the newest versions in a folder: the first `limit` with names after `after`."""

    def versions(self, folder: str, name: str) -> Awaitable[Sequence[FileInfo]]:
        """Return all versions of a file, oldest first. Raises `Refusal` (no-such-file)."""

    def open(self, folder: str, name: str, version: int | None = None) -> Awaitable[FileReader]:
        """Open a version of a file, or the newest. Raises `Refusal` (no-such-file)."""

    def arriving(self, folder: str, name: str, sha256: str | None = None) -> FileReader | None:
        """Open an upload under way, to be read as it comes: with this SHA-256, or else the latest
        with any. None if there is none. Its `mark` has the version 0, and its last byte can be read
        only when it is stored."""

    def used(self, declared: DeclaredFile, exactly: bool = False) -> Awaitable[DiskUsage]:
        """Return the disk usage without this upload. Files that the operator has removed may still
        count, unless `exactly`, which takes longer."""

    def have(self, declared: DeclaredFile) -> Awaitable[int]:
        """Return the number of bytes of a partial upload."""

    def receive(self, declared: DeclaredFile, offset: int) -> Awaitable[UploadWriter]:
        """Begin an upload, or resume one behind its first `offset` bytes. A former connection of
        the same upload ends. Without a SHA-256, bytes behind `offset` are dropped.

        Raises `Refusal` (bad-offset, not-stored).
        """

    def unfinished(self, owner: str) -> Awaitable[Sequence[PartialUpload]]:
        """Return the partial uploads of a user (`User.id`)."""

    def drop(self, declared: DeclaredFile) -> Awaitable[None]:
        """Delete a partial upload, also one that has only just stopped. One under way stays."""

    def places(self, size: int, sha256: str) -> Awaitable[Sequence[FileLocation]]:
        """Return the locations of files with that content."""

    def copy(self, place: FileLocation, declared: DeclaredFile) -> Awaitable[FileMark | None]:
        """Copy a file to another folder or name, sharing its disk space if possible. Return None if
        it is no longer there as it was."""

    def remove(
        self, folder: str, name: str, version: int | None, owner: str
    ) -> Awaitable[Sequence[int]]:
        """Remove a version of a file, or all versions of the user `owner`, or of anybody if that is
        empty. Return their numbers. Raises `Refusal` (no-such-file, not-yours)."""

    def move(self, folder: str, to: str, owner: str) -> Awaitable[None]:
        """Move all files, and uploads under way, to another folder: a guest has registered, and is
        `owner` now."""

    def rename(self, owner: str, name: str) -> Awaitable[None]:
        """Change the user's name in their partial uploads."""

    def shared(self, owner: str) -> Awaitable[Sequence[tuple[str, str]]]:
        """Return the folder and name of each file of which a user has shared a version."""

    def forget(self, folder: str) -> Awaitable[None]:
        """Delete the folder of a guest who left, or of a removed room, and partial uploads to it or
        by that guest."""


class StorageStats(NamedTuple):
    """An engine's figures: numbers of `accounts`, `entries` and `files`; bytes on the `disk`, by
    use; and numbers of `waiting` jobs."""

    accounts: int
    entries: int
    files: int
    disk: Sequence[CountInfo]
    waiting: Sequence[CountInfo]


@dataclass(slots=True)
class BackupSummary:
    """The content of a backup: shared files, bytes in all, and whether it has a `key` for TLS.
    `unread` files could not be read; `left_out` names some of them."""

    files: int = 0
    bytes: int = 0
    key: bool = False
    unread: int = 0
    left_out: list[str] = field(default_factory=list)


class Maintenance(Protocol):
    """Backups and figures, for operators."""

    def backup(
        self, to: str, tell: Callable[[str], None], wanted: Callable[[], bool]
    ) -> Awaitable[BackupSummary]:
        """Make a consistent copy of all data at a place that the engine understands, and verify it.
        `tell` is called with the progress; the backup ends if it is no longer `wanted`.

        Raises `Refusal` (bad-argument, too-many, disk-full, not-stored, cancelled), and leaves
        nothing then.
        """

    def stats(self) -> Awaitable[StorageStats]:
        """Return the figures."""


# -- changes, which the engine tells the domain --------------------------------------------------


class RoomChanged(NamedTuple):
    """The settings of a room, as they are now, and the action that changed them."""

    number: int
    password: str | None
    access: Access
    frozen: bool
    slow: int
    record: ModerationRecord | None = None


class RoomRetired(NamedTuple):
    """A room is closed under another name; it has no rules any more."""

    number: int
    name: str


class RoomRemoved(NamedTuple):
    """A room is gone, with all that was in it."""

    number: int


class RulesChanged(NamedTuple):
    """Rules of a room that hold from now on, rules that hold no longer, and the action that changed
    them; a kick changes none."""

    room: int
    added: Sequence[Rule] = ()
    dropped: Sequence[Rule] = ()
    record: ModerationRecord | None = None

    @property
    def banned(self) -> frozenset[str]:
        """The users (`User.id`) that the new rules ban by name."""
        return frozenset(rule.subject for rule in self.added if rule.kind is RuleKind.BANNED)


class TopicChanged(NamedTuple):
    """The topic of a room."""

    room: int
    topic: str


class BlockReplaced(NamedTuple):
    """A block of a log, in which entries have changed: they were erased, reassigned or edited. What
    others quote of the entries at `positions` is not to be shown any more."""

    log: int
    block: Block
    positions: Collection[int] = ()


class AccountChanged(NamedTuple):
    """An account, by its key, as it is now; None where it was deleted."""

    key: str
    account: Account | None


class PasswordChanged(NamedTuple):
    """An account's password has this hash now; with `alone`, its tokens are revoked."""

    key: str
    password: str
    alone: bool


class TokenRevoked(NamedTuple):
    """A token is not valid any more."""

    sha256: str


class MemberChanged(NamedTuple):
    """An account keeps a room from now on, and has read it up to the position `read`; or keeps it
    no longer, where that is None."""

    account: str
    room: int
    read: int | None


class ReadChanged(NamedTuple):
    """Read positions, as they are now."""

    positions: ReadPositions


class GuestRegistered(NamedTuple):
    """A guest (`User.id`) has an account now, and the log `inbox` has the account's number."""

    guest: str
    inbox: int
    account: Account


Change = (
    RoomRow
    | RoomChanged
    | RoomRetired
    | RoomRemoved
    | RulesChanged
    | TopicChanged
    | BlockReplaced
    | AccountChanged
    | PasswordChanged
    | TokenRevoked
    | MemberChanged
    | ReadChanged
    | GuestRegistered
)


class Follower(Protocol):
    """Receives what the engine tells the domain, in the order of commits, in the reactor's
    thread."""

    def changed(self, change: Change) -> None:
        """Apply a change that is durable, whichever node made it."""

    def appended(self, runs: Mapping[int, Sequence[tuple[int, Run]]]) -> None:
        """Show what another node has appended: all runs of one batch, with their first positions,
        by the numbers of the logs. So a block is the same on all nodes, and `BlockReplaced` finds
        it. This node's own runs are the answer of `LogStore.append` instead."""

    def ended(self, positions: Mapping[int, int]) -> None:
        """Forget what is no longer kept: up to a position each, by the numbers of the logs."""


class Engine(Protocol):
    """Everything that lasts, and all that nodes of one server decide together.

    A change is told to the follower before its own call answers. So the domain finds its state
    changed when it goes on, and never changes that state itself.
    """

    @property
    def logs(self) -> LogStore:
        """The logs."""

    @property
    def rooms(self) -> RoomStore:
        """The rooms."""

    @property
    def accounts(self) -> AccountStore:
        """The registered users."""

    @property
    def members(self) -> MemberStore:
        """The rooms that registered users keep."""

    @property
    def claims(self) -> NameClaims:
        """The names that are in use."""

    @property
    def hasher(self) -> PasswordHasher:
        """The hashes of passwords."""

    @property
    def authenticator(self) -> Authenticator:
        """The check of passwords."""

    @property
    def files(self) -> FileStore:
        """The shared files."""

    @property
    def maintenance(self) -> Maintenance | None:
        """Backups and figures; None where the server cannot be looked after from here."""

    def start(self) -> Awaitable[None]:
        """Make everything ready. Nothing else is asked before it answers, and no connection is
        accepted. Raises `Refusal`, with a sentence for the operator."""

    def follow(self, follower: Follower) -> Awaitable[None]:
        """Tell a follower every room (`RoomRow`) and every operator (`AccountChanged`) there is,
        then answer; and from then on each change, without a gap. There is one follower."""

    def stopping(self) -> Awaitable[None]:
        """End soon what takes long (a backup); answer when it has ended."""

    def stop(self) -> Awaitable[None]:
        """Store what was accepted, and let go of everything."""
