"""What the domain needs of a storage engine, and what the engine promises.

Answers may come later: each method that can wait returns an awaitable. Nothing here takes this
process for the only one that writes: positions, rooms' numbers and names are the engine's to give.
"""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from chatservice import names
from chatservice.domain.log import Block, Cursor, Log
from chatservice.domain.model import is_guest_id, is_user_folder
from chatservice.domain.rules import Access, Rule
from chatservice.entries import Entry, FileMark, Run
from chatservice.errors import Code, Refusal
from chatservice.replies import CountInfo, FileInfo

T = TypeVar("T")

OnStored = Callable[[int | Exception], None]
"""Called once, with the position of the first entry that was stored, or with what went wrong."""


@dataclass(slots=True)
class Draft:
    """A run of entries on its way into a log.

    `author` does not get it back, and `speaker` notes where it stands. `done` is called before it
    is shown to others, `shown` after. `key`, chosen by the writer, makes the repetition of a single
    entry harmless: what the same user, by their `User.id` in `writer`, sent to the same log with
    the same key is stored once, and answered with the position that it has.
    """

    log: Log
    run: Run
    author: Cursor | None = None
    key: str | None = None
    done: OnStored | None = None
    shown: OnStored | None = None
    writer: str = ""
    speaker: Cursor | None = None


class Appended(NamedTuple):
    """The result of storing a batch: the position of each draft's first entry, in the order of the
    batch, and the indexes of the drafts that were stored before, by their keys."""

    positions: Sequence[int]
    repeated: Collection[int]


def not_stored() -> Refusal:
    """Return the refusal of what could not be stored."""
    return Refusal(
        Code.NOT_STORED, "The server could not store that, so nobody was shown it; try again later."
    )


class Promise(Protocol[T]):
    """Something to await, which gets its result later. Twisted's `Deferred` is one."""

    def callback(self, result: T) -> None:
        """Give the result."""

    def errback(self, fail: Exception) -> None:
        """Give an exception in the place of a result."""

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result."""


class EventLoop(Protocol):
    """The event loop, as far as the domain needs one."""

    def call_soon(self, call: Callable[[], object]) -> None:
        """Call something in the next pass, after what can be read now is read."""

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call something after so many seconds."""

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine, and wait for nothing."""

    def promise(self) -> Promise[Any]:
        """Return a new promise."""

    def failed(self, what: str) -> None:
        """Log, for the operator, the exception that is being handled."""


@dataclass(frozen=True, slots=True)
class RoomRow:
    """A room as it is kept. `last` is its log's last position, `password` a hash or None."""

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
    """What a moderator did, as it was asked for. `time` in milliseconds since 1970."""

    time: int
    who: str
    what: str


class RoomBounds(NamedTuple):
    """Bounds for a new room: the largest number of rooms, and of rooms that no registered user
    owns; None is no bound. `numbered` allows a name that is the number of another room (room12).
    """

    rooms: int | None = None
    unowned: int | None = None
    numbered: bool = True


class RoomStore(Protocol):
    """Rooms, and who may do what there. Changes raise `Refusal` (not-stored)."""

    def exclusive(self, room: int) -> AbstractAsyncContextManager[None]:
        """Let a room be changed by nobody else meanwhile: what is entered second waits until the
        first is left, on all nodes. So what a change decides still holds when it is made."""

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
        as many rooms as may be; too-many where nobody owns as many as may be; not-stored.
        """

    def remove(self, room: int) -> Awaitable[None]:
        """Forget a room: its rules, its record, the tokens for it alone, its log and its files.
        The name can be given again once this answers, and the number never.

        Tells the follower `RoomRemoved`. Raises `Refusal` (not-stored).
        """

    def retire(self, room: int, name: str) -> Awaitable[None]:
        """Close a room under another name; its rules and the tokens for it alone are gone.

        Tells the follower `RoomRetired`. Raises `Refusal` (not-stored).
        """

    def configure(
        self, room: int, password: str | None, access: Access, frozen: bool, slow: int
    ) -> Awaitable[None]:
        """Keep a room's settings. Tells the follower `RoomChanged`."""

    def change_rules(
        self, room: int, add: Sequence[Rule], drop: Sequence[Rule] = ()
    ) -> Awaitable[None]:
        """Add rules to a room and drop others, all at once. Tells the follower `RulesChanged`."""

    def add_record(self, room: int, deed: ModerationRecord) -> Awaitable[None]:
        """Put on record what a moderator did."""

    def records(self, room: int, limit: int) -> Awaitable[Sequence[ModerationRecord]]:
        """The last things that moderators did, oldest first."""


@dataclass(frozen=True, slots=True)
class Account:
    """A registered user. `inbox` is the number of their inbox's log, and `read_position` how far
    they have read it. `operator` says that they run the server. `password` is a hash, or empty
    where the operator's checkers know it. `created` is in milliseconds since 1970."""

    name: str
    password: str
    inbox: int
    read_position: int
    operator: bool = False
    created: int = 0


class Token(NamedTuple):
    """What is good in place of the password of the `account` with that key, for whoever has it, and
    in the `room` of that number alone unless it is None. `time` in milliseconds since 1970."""

    account: str
    label: str
    room: int | None
    time: int


class SearchResult(NamedTuple):
    """The result of a search: entries with their positions, oldest first. `pending` says that the
    newest ones are still being read in, so that there may be others; `more`, that there are more
    before these."""

    entries: Sequence[tuple[int, Entry]]
    pending: bool
    more: bool = False


class LogStore(Protocol):
    """The logs: where entries are added, and their past."""

    def append(self, batch: Sequence[Draft], read: Mapping[int, int]) -> Awaitable[Appended]:
        """Store a batch, all of it or nothing, and how far inboxes were `read`, by their numbers.

        Of a draft it takes `log.id`, `run`, `key` and `writer`. It answers when all is durable.
        Batches are stored in the order in which they are given. Positions of a log are dense, and
        begin with 1. A key that the same writer used in the same log before is not stored again: it
        has the position of then.

        Tells the follower a `TopicChanged` for each topic. Any exception means that nothing of the
        batch is stored, now or later.
        """

    def erase(self, log: int, position: int) -> Awaitable[bool]:
        """Take what an entry says out of storage, for good, and out of what a search finds. In its
        place there is an entry of the kind `Kind.GONE`. Answer whether the entry was kept.

        Tells the follower `BlockReplaced`. Raises `Refusal` (not-stored).
        """

    def read(self, log: int, after: int, limit: int) -> Awaitable[Sequence[Block]]:
        """The entries behind a position: a block or more, of about `limit` entries altogether."""

    def read_back(self, log: int, before: int, limit: int) -> Awaitable[Sequence[Block]]:
        """The entries before a position: the newest blocks, in their order, with about `limit` of
        them altogether."""

    def search(self, log: int, words: str, before: int, limit: int) -> "Awaitable[SearchResult]":
        """The last `limit` entries of a room before a position in which all of `words` occur: words
        in any case, `"one behind the other"`, or the beginning of one, `begin*`.

        Raises `Refusal` (bad-argument, too-slow).
        """

    def reassign(self, key: str, mark: str, erase: bool, after: int) -> Awaitable[int | None]:
        """Let some of what an account said be `mark`'s; with `erase`, let it be gone as well. It
        begins behind the block with the number `after`, and answers with the number of the last
        block that was looked at; None once there are no more.

        Tells the follower `BlockReplaced` and `TopicChanged`. Raises `Refusal` (not-stored).
        """

    def last(self, log: int) -> Awaitable[int]:
        """A log's last position."""

    def position_of_key(self, log: int, writer: str, key: str) -> Awaitable[int | None]:
        """The position of what a user sent to a log with that key (`Draft.key`); None if that was
        nothing, or so long ago that it is not known any more."""

    def drop_inbox(self, log: int) -> Awaitable[None]:
        """Drop the inbox of a guest who left."""


class AccountStore(Protocol):
    """Registered users, by the keys of their names, and what lets them in. Of tokens and codes it
    knows but the SHA-256. Changes raise `Refusal` (not-stored)."""

    def account(self, key: str) -> Awaitable[Account | None]:
        """The account of a name, or None."""

    def operators(self) -> Awaitable[Sequence[str]]:
        """The names of those who run the server."""

    def accounts(self) -> Awaitable[Mapping[str, Account]]:
        """Every account, by its key, in no order."""

    def token_counts(self) -> Awaitable[Mapping[str, int]]:
        """The number of tokens of each account that has any, by its key."""

    def register(
        self,
        name: str,
        password: str,
        inbox: int | None,
        time: int,
        code: str | None = None,
        guest: str = "",
    ) -> Awaitable[Account]:
        """Make an account. All that is kept of a `guest` (`User.id`) becomes its own, and so does
        their `inbox`, by the number of its log. A `code` is used up with it: of two accounts that
        are made with one code, one is refused. A name is refused that another guest has, or that
        looks like a guest's or an account's; the name of `guest` becomes the account's.

        Tells the follower `GuestRegistered`, or without an inbox `AccountChanged`. What is appended
        to the guest's inbox before the follower is told goes to the account's. Raises `Refusal`
        (already-registered, name-taken, bad-code, not-stored).
        """

    def rename(self, key: str, name: str) -> Awaitable[None]:
        """Write the name of an account in another way; its key stays. Tells `AccountChanged`."""

    def set_password(
        self, key: str, password: str, alone: bool = False, before: str | None = None
    ) -> Awaitable[bool]:
        """Keep another password; with `alone`, no token is good for the account any more. With
        `before`, only if that is what is kept. Return whether it is done."""

    def delete(self, key: str, mark: str) -> Awaitable[None]:
        """Forget an account, its tokens, its inbox, and the rooms in which it is in charge or
        invited; what it shared is `mark`'s. Tells the follower `AccountChanged`. Raises `Refusal`
        (not-stored)."""

    def set_operator(self, key: str, operator: bool) -> Awaitable[None]:
        """Let somebody run the server, or no longer. Tells the follower `AccountChanged`."""

    def token(self, sha256: str) -> Awaitable[Token | None]:
        """A token that is good, or None."""

    def tokens(self, key: str) -> Awaitable[Sequence[Token]]:
        """The tokens of an account, oldest first."""

    def add_token(self, sha256: str, token: Token) -> Awaitable[None]:
        """Let a token be good. Raises `Refusal` (token-exists, too-many)."""

    def revoke(self, key: str, label: str) -> Awaitable[str]:
        """End a token; answer with its SHA-256. Raises `Refusal` (no-such-token)."""

    def add_code(self, sha256: str, who: str, time: int) -> Awaitable[None]:
        """Let a code be good for one registration."""

    def code(self, sha256: str) -> Awaitable[bool]:
        """Whether a code is good."""

    def drop_code(self, sha256: str) -> Awaitable[bool]:
        """Let a code be good no more; answer whether it was."""


class Authenticator(Protocol):
    """Who vouches that a password is the one of a name."""

    @property
    def elsewhere(self) -> bool:
        """Whether names can be good that have no account here yet."""

    def vouched(self, name: str, password: str) -> Awaitable[str | None]:
        """Answer with the name, as its owner writes it, if the password is theirs; else None."""


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
        """Take the name of an account, by its key, for its user. All nodes may have it at once, and
        no guest has it meanwhile."""

    def release(self, name: str) -> None:
        """Give a name back that this node has."""


class PasswordHasher(Protocol):
    """Slow on purpose, so never done where others wait."""

    def hash(self, password: str) -> Awaitable[str]:
        """Return what to keep of a password."""

    def fits(self, kept: str, password: str) -> Awaitable[bool]:
        """Return whether it is the one."""


class DeclaredFile(NamedTuple):
    """What is said of a file before its bytes come: `size` in bytes, `sha256` in hexadecimal, or
    None where the sender does not know it; `who` sends it to `shelf`, at `time` (milliseconds).
    `owner` is the `User.id` of who sends it.
    """

    folder: str
    name: str
    size: int
    sha256: str | None
    who: str
    time: int
    owner: str = ""

    @property
    def upload_key(self) -> tuple[str, str, int, str | None, str, str]:
        """The key that an upload that goes on has in common with the one that was begun.

        To go on with what a guest sent to a room takes their name, and the content's SHA-256, which
        nobody else is told: so it can be done after a broken connection, and not by somebody who
        happens to come by the name. What is for one user is its sender's alone.
        """
        owner = self.owner if is_user_folder(self.folder) else ""
        return self.folder, self.name, self.size, self.sha256, names.key(self.who), owner

    @property
    def ends_with_guest(self) -> bool:
        """True if it ends with a guest: who sends it to one user, or to whom it is sent."""
        return is_guest_id(self.folder) or (is_guest_id(self.owner) and is_user_folder(self.folder))


class FileLocation(NamedTuple):
    """Where a version of a file is."""

    folder: str
    name: str
    version: int


class DiskUsage(NamedTuple):
    """Bytes: of a shelf, of one user's files on all of them, and free on the disk."""

    folder: int
    user: int
    free: int


class PartialUpload(NamedTuple):
    """An upload that stopped half-way, and can go on behind the `have` bytes that are there."""

    declared: DeclaredFile
    have: int


class FileListing(NamedTuple):
    """Some files of a shelf, by name; how many there are in `all` and how large; and how many
    from the first one of `files` on."""

    total: int
    bytes: int
    following: int
    files: Sequence[FileInfo]


class UploadWriter(Protocol):
    """A file on its way in."""

    @property
    def have(self) -> int:
        """How many of its bytes are there."""

    def write(self, data: bytes) -> None:
        """Take the next bytes; storing may lag behind."""

    def when_ready(self) -> Awaitable[None] | None:
        """None if more may come at once, else what to wait for first."""

    def finish(self) -> Awaitable[FileMark]:
        """Check, make durable, and put on the shelf.

        Raises `Refusal` (incomplete, wrong-sha256, not-stored); of what cannot be right nothing is
        kept then.
        """

    def abandon(self) -> None:
        """No more will come now. What came is kept, if it can go on some day: if its SHA-256 was
        declared."""

    def refuse(self) -> None:
        """Keep nothing of it."""


class FileReader(Protocol):
    """A file of a shelf, opened: its content stays what `mark` says."""

    shelf: str
    mark: FileMark
    left: int

    def read(self, count: int) -> bytes:
        """Return the next bytes, of the `left` that are still to come."""

    def seek(self, offset: int) -> None:
        """Go on from there. Raises `Refusal` (bad-offset)."""

    def more(self) -> "Awaitable[None] | None":
        """When `read` returned nothing: what to wait for, or None if nothing more will come. What
        is waited for raises `Refusal` if the rest does not come."""

    def close(self) -> None:
        """Be done with it."""


class FileStore(Protocol):
    """Keeps shared files. A shelf is named by a path (`Room.shelf`, `User.shelf`).

    The content of a version never changes. Putting a file where there is one of that name makes a
    new version, which has the name from then on; a version can be asked for by its number.
    """

    def files(self, shelf: str, after: str, limit: int) -> Awaitable[FileListing]:
        """The newest versions of what is there: the first `limit` whose names come after one."""

    def versions(self, shelf: str, name: str) -> Awaitable[Sequence[FileInfo]]:
        """All versions of a file, oldest first. Raises `Refusal` (no-such-file)."""

    def open(self, shelf: str, name: str, version: int | None = None) -> Awaitable[FileReader]:
        """Open a file for reading. Raises `Refusal` (no-such-file)."""

    def arriving(self, shelf: str, name: str, sha256: str | None = None) -> FileReader | None:
        """Open a file that is being uploaded, to be read as it comes; None if there is none whose
        SHA-256 was declared: this one, or else any, the one that was begun last. The version of its
        `mark` is 0: it has none yet. Its last byte can only be read once it is on the shelf."""

    def used(self, declared: DeclaredFile, exactly: bool = False) -> Awaitable[DiskUsage]:
        """How much room is taken on the shelf and by the user, but for this upload, and how much
        there is. What an operator has taken away may still count, unless `exactly` is asked for,
        which takes longer."""

    def have(self, declared: DeclaredFile) -> Awaitable[int]:
        """How many bytes are there of an upload that stopped half-way."""

    def receive(self, declared: DeclaredFile, offset: int) -> Awaitable[UploadWriter]:
        """Begin an upload, or go on with one: `offset` bytes are not sent again. One that still
        seems to be under way ends, and this one goes on in its place.

        Raises `Refusal` (bad-offset, not-stored).
        """

    def unfinished(self, owner: str) -> Awaitable[Sequence[PartialUpload]]:
        """The uploads that stopped half-way of a user, by their `User.id`."""

    def drop(self, declared: DeclaredFile) -> Awaitable[None]:
        """Keep nothing of an upload that stopped half-way."""

    def places(self, size: int, sha256: str) -> Awaitable[Sequence[FileLocation]]:
        """Where there are files with that content."""

    def copy(self, place: FileLocation, declared: DeclaredFile) -> Awaitable[FileMark | None]:
        """Put a file that is there on another shelf, or under another name, without taking room for
        its bytes twice, if that can be done. None if it is not there any more as it was."""

    def remove(
        self, shelf: str, name: str, version: int | None, owner: str
    ) -> Awaitable[Sequence[int]]:
        """Take a version of a file away, or all of them that the user with that id put there, or
        anybody, if the id is empty. Answer with their numbers. Raises `Refusal` (no-such-file,
        not-yours)."""

    def move(self, shelf: str, to: str, owner: str) -> Awaitable[None]:
        """Give what is on one shelf, or is to come to it, to another: the guest whose it was has
        registered, and has the id `owner` now."""

    def rename(self, owner: str, name: str) -> Awaitable[None]:
        """A user is called otherwise now: what they began to upload goes on under that name."""

    def shared(self, owner: str) -> Awaitable[Sequence[tuple[str, str]]]:
        """The shelf and the name of each file of which the user with that id has put a
        version there."""

    def forget(self, shelf: str) -> Awaitable[None]:
        """Drop the whole shelf of a guest who left, or of a room that is removed, and what stopped
        half-way on its way to it, or is owned by that guest."""


class StorageStats(NamedTuple):
    """An engine's figures: the numbers of `accounts`, kept `entries` and known `files`; the bytes
    on the `disk`, by what has them; and what is yet to be done (`waiting`)."""

    accounts: int
    entries: int
    files: int
    disk: Sequence[CountInfo]
    waiting: Sequence[CountInfo]


@dataclass(slots=True)
class BackupSummary:
    """The content of a backup: the number of files of shelves, the bytes in all, and whether there
    is a key for TLS. So many files cannot be read (`unread`); `left_out` names some of them."""

    files: int = 0
    bytes: int = 0
    key: bool = False
    unread: int = 0
    left_out: list[str] = field(default_factory=list)


class Maintenance(Protocol):
    """The work of an operator with all that is kept."""

    def backup(
        self, to: str, tell: Callable[[str], None], wanted: Callable[[], bool]
    ) -> Awaitable[BackupSummary]:
        """Make a copy of all that a server needs at a place that the engine understands, of one
        moment, and read again. `tell` is told how far it is; it ends once it is not `wanted` any
        more.

        Raises `Refusal` (bad-argument, too-many, disk-full, not-stored, cancelled), and nothing is
        left of it then.
        """

    def stats(self) -> Awaitable[StorageStats]:
        """Tell how much there is."""


# -- changes, which the engine tells the domain --------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """The settings of a room, as they are now."""

    number: int
    password: str | None
    access: Access
    frozen: bool
    slow: int


@dataclass(frozen=True, slots=True)
class RoomRetired:
    """A room is closed under another name; it has no rules any more."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class RoomRemoved:
    """A room is gone, with all that was in it."""

    number: int


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """Rules of a room that hold from now on, and rules that hold no longer."""

    room: int
    added: Sequence[Rule]
    dropped: Sequence[Rule]


@dataclass(frozen=True, slots=True)
class TopicChanged:
    """The topic of a room."""

    room: int
    topic: str


@dataclass(frozen=True, slots=True)
class BlockReplaced:
    """A block of a log, of which something was erased or reassigned."""

    log: int
    block: Block


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """An account, by its key, as it is now; None where it was deleted."""

    key: str
    account: Account | None


@dataclass(frozen=True, slots=True)
class GuestRegistered:
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
    | GuestRegistered
)


class Follower(Protocol):
    """What the engine tells the domain, in the order of the commits, in the reactor's thread."""

    def changed(self, change: Change) -> None:
        """Apply a change that is durable, whichever node made it."""

    def appended(self, runs: Mapping[int, Sequence[tuple[int, Run]]]) -> None:
        """Show what other nodes have appended: runs and their first positions, by the numbers of
        the logs. What this node appends is the answer of `LogStore.append` instead."""

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
