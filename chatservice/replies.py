"""What a command is answered with, before any dialect gives it a form.

Each class is the answer of the command its docstring names. In JSON the fields stand as they are,
except that `who` is called `from`.
"""

from dataclasses import dataclass, field
from typing import Any

from chatservice.entries import Entry


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to add: what was asked for is done. `text` says so to a person."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """`hello`, `login`: who one is now.

    `token` takes the name over from a connection that broke unnoticed; `inbox` is the last
    position in one's inbox that was shown.
    """

    name: str
    registered: bool
    token: str
    inbox: int


@dataclass(frozen=True, slots=True)
class Stored:
    """`say`, `me`: the position of the entry in its log."""

    seq: int


@dataclass(frozen=True, slots=True)
class Erased:
    """`erase`: where it stood. `text` tells a person, with the beginning of what was said there."""

    text: str
    position: int


@dataclass(frozen=True, slots=True)
class PrivateSent:
    """`msg`: the position in the inbox of `to`; `away` is why they do not see it now, or empty."""

    seq: int
    to: str
    away: str


@dataclass(frozen=True, slots=True)
class Joined:
    """`join`: the room, its number, topic and users; `seq` is its last position. There are `more`
    users than those named; `who` lists all."""

    room: str
    number: int
    topic: str
    users: tuple[str, ...]
    seq: int
    more: int = 0


@dataclass(frozen=True, slots=True)
class Created(Joined):
    """`create`: the same, of a room that was made just now."""


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A row of `rooms`; `users` is how many are there, `locked` whether it has a password, `access`
    who may come in (`chatservice.domain.rules.Access`)."""

    room: str
    number: int
    topic: str
    users: int
    locked: bool
    access: str = "public"


@dataclass(frozen=True, slots=True)
class RoomList:
    """`rooms`: by number; `more` is how many come after the last one of them."""

    rooms: tuple[RoomInfo, ...] = field(metadata={"of": RoomInfo})
    more: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A row of `who`; `away` is why they are away, or empty."""

    name: str
    away: str


@dataclass(frozen=True, slots=True)
class MemberList:
    """`who`: `count` users are there. `more` come behind the last one that is named, and are asked
    for by its name (`after`)."""

    room: str
    users: tuple[Member, ...] = field(metadata={"of": Member})
    count: int = 0
    more: int = 0


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A row of `rules`: `what` holds for `user`, a name's key or a range of addresses, because of
    `who`. `left` is for how many seconds yet, or None for good."""

    what: str
    user: str
    left: int | None
    who: str


@dataclass(frozen=True, slots=True)
class RoomRules:
    """`rules`: who may come into the room (`access`), whether it has a password (`locked`), whether
    only who moderates it speaks (`frozen`), how many seconds lie between two messages of a user
    (`slow`), and what holds for single ones. Bans and the like are shown to who moderates it."""

    room: str
    access: str
    locked: bool
    frozen: bool
    slow: int
    rules: tuple[RuleInfo, ...] = field(metadata={"of": RuleInfo})


@dataclass(frozen=True, slots=True)
class ModerationInfo:
    """A row of `record`: what `who` did, as it was asked for; `time` in milliseconds since 1970."""

    time: int
    who: str
    did: str


@dataclass(frozen=True, slots=True)
class ModerationLog:
    """`record`: oldest first."""

    room: str
    deeds: tuple[ModerationInfo, ...] = field(metadata={"of": ModerationInfo})


@dataclass(frozen=True, slots=True)
class Topic:
    """`topic`."""

    room: str
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """`history`: positions and entries, oldest first. `more` says whether some of those that were
    asked for are left out, because they are too long for one answer: behind the last one (with
    `after`), or before the first one."""

    room: str
    entries: tuple[tuple[int, Entry], ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class SearchMatches(History):
    """`search`: the same, and whether the newest entries are still being read in, so that there may
    be more."""

    pending: bool = False


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A row of `files`.

    `sha256` is None while the server has not read a file that its operator dropped in; `who` is
    empty for those. `time` is milliseconds since 1970. `version` is how often there was a file of
    that name, with this one.
    """

    name: str
    size: int
    sha256: str | None
    who: str
    time: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class FileList:
    """`files`: `room` is `@` for one's own inbox. `files` is empty where only `count` was asked;
    `more` is how many come after the last one of them."""

    room: str
    count: int
    bytes: int
    files: tuple[FileInfo, ...] = field(metadata={"of": FileInfo})
    brief: bool = False
    more: int = 0


@dataclass(frozen=True, slots=True)
class VersionList:
    """`versions`: oldest first. `more` are older than these, and are asked for by the number of the
    first one (`before`)."""

    room: str
    files: tuple[FileInfo, ...] = field(metadata={"of": FileInfo})
    more: int = 0


@dataclass(frozen=True, slots=True)
class TransferInfo:
    """A row of `transfers`: a file on its way `up` to the server, or down from it.

    `rate` is in bytes a second, `left` in seconds, or None while nobody can tell. One that has
    `stopped` is an upload that can go on.
    """

    name: str
    size: int
    done: int
    up: bool
    stopped: bool
    rate: int
    left: float | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class TransferList:
    """`transfers`."""

    transfers: tuple[TransferInfo, ...] = field(metadata={"of": TransferInfo})


@dataclass(frozen=True, slots=True)
class GetTicket:
    """`get` (JSON), `link`: a ticket for one download."""

    ticket: str
    name: str
    size: int
    sha256: str
    version: int


@dataclass(frozen=True, slots=True)
class PutTicket:
    """`put` (JSON): a ticket for one upload; `offset` is how much the server already has.

    If it has all of it, as another file that one may read, then this one is `stored` and told of,
    and there is no ticket.
    """

    ticket: str | None
    offset: int
    stored: bool = False


@dataclass(frozen=True, slots=True)
class NewPassword:
    """`reset`, `account`: whose it is, and the password where the server has made it up; else it is
    empty."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """`token`: what is good in place of one's password; it is told this once. `room` is the only
    one that it is good for, or None."""

    label: str
    token: str
    room: str | None


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A row of `tokens`; `time` is when it was made, in milliseconds since 1970."""

    label: str
    room: str | None
    time: int


@dataclass(frozen=True, slots=True)
class TokenList:
    """`tokens`: oldest first."""

    tokens: tuple[TokenInfo, ...] = field(metadata={"of": TokenInfo})


@dataclass(frozen=True, slots=True)
class InvitationCode:
    """`code`: with it, one person can register."""

    code: str


@dataclass(frozen=True, slots=True)
class OperatorList:
    """`operators`: the registered names that run the server."""

    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CountInfo:
    """A count of one kind of things: a row of several lists of `status`."""

    what: str
    count: int


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """`status`: how the server is. `uptime` is in seconds; `connections` counts them by their kind;
    of `users` who are here so many are `guests`; `entries` are those that are kept, of all rooms
    and inboxes. `disk` tells bytes, `waiting` what is yet to be done, and `refused` how often
    something was refused since the start, by the code of the limit or the trouble that it was
    for."""

    version: str
    uptime: int
    connections: tuple[CountInfo, ...] = field(metadata={"of": CountInfo})
    users: int
    guests: int
    accounts: int
    rooms: int
    entries: int
    files: int
    disk: tuple[CountInfo, ...] = field(metadata={"of": CountInfo})
    waiting: tuple[CountInfo, ...] = field(metadata={"of": CountInfo})
    refused: tuple[CountInfo, ...] = field(metadata={"of": CountInfo})


@dataclass(frozen=True, slots=True)
class UserInfo:
    """A row of `users`: in which `rooms` they are, from where their connections come (`origins`),
    and why they are away, or empty."""

    name: str
    registered: bool
    rooms: tuple[str, ...]
    origins: tuple[str, ...]
    away: str


@dataclass(frozen=True, slots=True)
class UserList:
    """`users`: by name; `more` is how many come after the last one of them."""

    users: tuple[UserInfo, ...] = field(metadata={"of": UserInfo})
    more: int = 0


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """A row of `accounts`: whether they run the server (`operator`), how many `connections` of
    theirs are here, and how many `tokens` they have."""

    name: str
    operator: bool
    connections: int
    tokens: int


@dataclass(frozen=True, slots=True)
class AccountList:
    """`accounts`: by name; `more` is how many come after the last one of them."""

    accounts: tuple[AccountInfo, ...] = field(metadata={"of": AccountInfo})
    more: int = 0


@dataclass(frozen=True, slots=True)
class BackupMade:
    """`backup`: where it is, how many files of shelves and bytes are in it, and whether there is a
    key for TLS. So many files could not be read (`unread`), of which some are `left_out`."""

    dir: str
    files: int
    bytes: int
    key: bool
    unread: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Help:
    """`help`: lines for a person."""

    lines: tuple[str, ...]


Reply = (
    Done
    | Welcome
    | Stored
    | Erased
    | PrivateSent
    | Joined
    | Created
    | RoomList
    | MemberList
    | RoomRules
    | ModerationLog
    | Topic
    | History
    | SearchMatches
    | FileList
    | VersionList
    | TransferList
    | GetTicket
    | PutTicket
    | NewPassword
    | NewToken
    | TokenList
    | InvitationCode
    | OperatorList
    | BackupMade
    | ServerStatus
    | UserList
    | AccountList
    | Help
)

Fields = dict[str, Any]
"""A JSON object."""
