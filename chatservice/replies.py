"""Replies: what commands answer, before a format encodes them.

The docstring of each class names its commands. In JSON the fields keep their names, except that
`who` becomes `from`.
"""

from dataclasses import dataclass, field
from typing import Any, dataclass_transform

from chatservice.entries import Entry


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record:
    """The base class of replies and of their rows. It makes frozen dataclasses of them."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)


class Reply(Record):
    """The base class of all replies."""


class Done(Reply):
    """The request is done. `text` says so to a person."""

    text: str = ""


class Welcome(Reply):
    """`hello`, `login`: the session's user.

    `token` takes the name over from a connection that broke unnoticed. `inbox` is the read position
    in the user's inbox.
    """

    name: str
    registered: bool
    token: str
    inbox: int


class Stored(Reply):
    """`say`, `me`: the position of the entry in its log."""

    seq: int


class Annotated(Reply):
    """`edit`, `react`, `pin`, `unpin`: the position of the new entry. `text` says to a person what
    was done."""

    text: str
    seq: int


class Erased(Reply):
    """`erase`: the position. `text` says so to a person, with the beginning of what was erased."""

    text: str
    position: int


class PrivateSent(Reply):
    """`msg`: `seq` is the position in the inbox of `to`, and `copy` that of the copy in the user's
    own inbox: 0 if there is none, or if it is not known any more. `away` is the reason why they are
    away, or empty."""

    seq: int
    to: str
    away: str
    copy: int = 0


class Joined(Reply):
    """`join`: the room, its number, topic and users; `seq` is its last position. `more` counts the
    users that are left out; `who` lists them. `read` is the user's read position, or `seq`."""

    room: str
    number: int
    topic: str
    users: tuple[str, ...]
    seq: int
    more: int = 0
    read: int = 0


class Created(Joined):
    """`create`: the same, of a new room."""


class RoomInfo(Record):
    """A row of `rooms`: `users` counts those present, `locked` tells of a password, `access` is an
    `Access` (`chatservice.domain.rules`). Of a room that the user keeps, `member` is true."""

    room: str
    number: int
    topic: str
    users: int
    locked: bool
    access: str = "public"
    member: bool = False


class RoomList(Reply):
    """`rooms`: those that the user keeps, and then the others, by number; `more` rooms follow."""

    rooms: tuple[RoomInfo, ...] = field(metadata={"of": RoomInfo})
    more: int = 0


class Member(Record):
    """A row of `who`; `away` is the reason why they are away, or empty. `idle` is for how many
    seconds they have sent nothing, or 0 if that is not long."""

    name: str
    away: str
    idle: int = 0


class RoomMember(Record):
    """A row of `who`: a registered user who keeps the room, and whether others see them `here`. Of
    those who are on no connection, `time` is when they were here last, as in `Seen`."""

    name: str
    here: bool
    time: int | None = None


class MemberList(Reply):
    """`who`: `count` users are present, and `more` follow behind the last one here, whose name asks
    for them (`after`). Likewise the members, registered users who keep the room: `more_members`
    follow."""

    room: str
    users: tuple[Member, ...] = field(metadata={"of": Member})
    count: int = 0
    more: int = 0
    members: tuple[RoomMember, ...] = field(default=(), metadata={"of": RoomMember})
    more_members: int = 0


class UnreadInfo(Record):
    """A row of `unread`: a room that the user keeps, with its `number`, its `last` position and the
    read position (`read`); or the inbox, `@`. `unread` counts what others said behind that, and
    `mentions` what of it names the user. A count that is not `exact` may be too high: it has all
    entries behind the first ones."""

    room: str
    number: int
    last: int
    read: int
    unread: int
    mentions: int
    exact: bool = True


class UnreadList(Reply):
    """`unread`: by number, and the inbox last."""

    rooms: tuple[UnreadInfo, ...] = field(metadata={"of": UnreadInfo})


class ReadMark(Reply):
    """`read`: the read position in the room, or in the inbox (`@`)."""

    room: str
    position: int


class Seen(Reply):
    """`seen`: the `state` of `user`: `here`, `idle` for some seconds, `away` for the reason `text`,
    or `gone`. Of those who are gone, `time` is when they were here last (milliseconds since
    1970), or None if that is not known or not shown. For the user's own name, `shown` tells whether
    others see that."""

    user: str
    state: str
    idle: int = 0
    text: str = ""
    time: int | None = None
    shown: bool | None = None


class RuleInfo(Record):
    """A row of `rules`: `what` (a `RuleKind`) holds for `user`, a name's key or a range of
    addresses, by the decision of `who`. It ends in `left` seconds; None: never."""

    what: str
    user: str
    left: int | None
    who: str


class RoomRules(Reply):
    """`rules` of a room: its `access`, whether it has a password (`locked`), whether only
    moderators speak (`frozen`), the seconds between two messages of a user (`slow`), and the rules
    for single users. Only moderators see bans and the like."""

    room: str
    access: str
    locked: bool
    frozen: bool
    slow: int
    rules: tuple[RuleInfo, ...] = field(metadata={"of": RuleInfo})


class ModerationInfo(Record):
    """A row of `record`: `who` gave the command `did`; `time` in milliseconds since 1970."""

    time: int
    who: str
    did: str


class ModerationLog(Reply):
    """`record`: oldest first."""

    room: str
    deeds: tuple[ModerationInfo, ...] = field(metadata={"of": ModerationInfo})


class Topic(Reply):
    """`topic`."""

    room: str
    text: str


class History(Reply):
    """`history`: positions and entries, oldest first. `more` tells that some are left out, because
    the reply would be too long: behind the last one (with `after`), or before the first one.
    `room` may be `@`, or `@USER`."""

    room: str
    entries: tuple[tuple[int, Entry], ...]
    more: bool = False

    @property
    def logs(self) -> tuple[str, ...]:
        """The log of each entry: the room, or `@` for the inbox."""
        log = "@" if self.room.startswith("@") else self.room
        return (log,) * len(self.entries)


class SearchMatches(History):
    """`search`: the same. While `pending`, the newest entries are not indexed yet; there may be
    more. Of a search in all rooms (`room` is `*`), `rooms` has the room of each entry."""

    pending: bool = False
    rooms: tuple[str, ...] = ()

    @property
    def logs(self) -> tuple[str, ...]:
        """The log of each entry, as `log` names it."""
        return self.rooms or super().logs


class PinList(History):
    """`pins`: the pinned entries; with `more`, older ones are left out."""


class EditList(History):
    """`edits`: an entry as it was at first, and its edits, oldest first."""


class FileInfo(Record):
    """A row of `files`.

    A file that the operator put into the folder has an empty `who`, and no `sha256` until the
    server has read it. `time` is in milliseconds since 1970. Versions of a name count from 1.
    """

    name: str
    size: int
    sha256: str | None
    who: str
    time: int
    version: int = 1


class FileList(Reply):
    """`files`: `room` is `@` for the user's own files. `brief` replies have counts only. `more`
    files follow."""

    room: str
    count: int
    bytes: int
    files: tuple[FileInfo, ...] = field(metadata={"of": FileInfo})
    brief: bool = False
    more: int = 0


class VersionList(Reply):
    """`versions`: oldest first. `more` are older; the number of the first one here asks for them
    (`before`)."""

    room: str
    files: tuple[FileInfo, ...] = field(metadata={"of": FileInfo})
    more: int = 0


class TransferInfo(Record):
    """A row of `transfers`: a file on its way `up` to the server, or down from it.

    `rate` is in bytes a second; `left` is in seconds, or None while unknown. A `stopped` upload can
    be resumed.
    """

    name: str
    size: int
    done: int
    up: bool
    stopped: bool
    rate: int
    left: float | None
    sha256: str | None


class TransferList(Reply):
    """`transfers`."""

    transfers: tuple[TransferInfo, ...] = field(metadata={"of": TransferInfo})


class GetTicket(Reply):
    """`get` (JSON), `link`: a ticket for one download."""

    ticket: str
    name: str
    size: int
    sha256: str
    version: int


class PutTicket(Reply):
    """`put` (JSON): a ticket for one upload; the server has the first `offset` bytes already.

    If it has all of them, in a file that the user may read, the file is `stored` and announced at
    once, and there is no ticket.
    """

    ticket: str | None
    offset: int
    stored: bool = False


class NewPassword(Reply):
    """`reset`, `account`: the name, and the password if the server generated it; else empty."""

    name: str
    password: str


class NewToken(Reply):
    """`token`: a new token, which is shown only here. It may be for one `room` only."""

    label: str
    token: str
    room: str | None


class PushKey(Reply):
    """`pushkey`: the public key with which a browser subscribes (RFC 8292), in base64url."""

    key: str


class TokenInfo(Record):
    """A row of `tokens`; made at `time`, in milliseconds since 1970."""

    label: str
    room: str | None
    time: int


class TokenList(Reply):
    """`tokens`: oldest first."""

    tokens: tuple[TokenInfo, ...] = field(metadata={"of": TokenInfo})


class InvitationCode(Reply):
    """`code`: lets one person register."""

    code: str


class OperatorList(Reply):
    """`operators`: their registered names."""

    operators: tuple[str, ...]


class CountInfo(Record):
    """A count of one kind of things, in `status`."""

    what: str
    count: int


class ServerStatus(Reply):
    """`status` of the server. `uptime` is in seconds; `connections` are by kind; `guests` are among
    the `users` present; `entries` are those stored, of all rooms and inboxes. `disk` is in bytes,
    `waiting` counts work to be done, and `refused` counts refusals since the start by their
    code."""

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


class NodeInfo(Record):
    """A row of `cluster`: a node's `host`, and whether it is the one that answers (`here`). It has
    still to apply `lag` messages of the log, or does not answer (-1)."""

    host: str
    here: bool
    lag: int


class ClusterStatus(Reply):
    """`cluster`: the log at `servers`, whose messages have the numbers from `first` to `last`; what
    came before the `first` is in a snapshot of `snapshot_bytes` that stands at message `snapshot`
    (both are 0 if there is none). Of its `copies`, `current` are up to date; there is a `quorum` if
    it can be written to. `nodes` are those that nobody took for dead."""

    servers: str
    first: int
    last: int
    snapshot: int
    snapshot_bytes: int
    copies: int
    current: int
    quorum: bool
    nodes: tuple[NodeInfo, ...] = field(metadata={"of": NodeInfo})


class UserInfo(Record):
    """A row of `users`: their `rooms`, the `origins` of their connections, and the reason why they
    are `away`, or empty."""

    name: str
    registered: bool
    rooms: tuple[str, ...]
    origins: tuple[str, ...]
    away: str


class UserList(Reply):
    """`users`: by name; `more` follow."""

    users: tuple[UserInfo, ...] = field(metadata={"of": UserInfo})
    more: int = 0


class AccountInfo(Record):
    """A row of `accounts`: whether it is an `operator`, and its `connections` and `tokens`."""

    name: str
    operator: bool
    connections: int
    tokens: int


class AccountList(Reply):
    """`accounts`: by name; `more` follow."""

    accounts: tuple[AccountInfo, ...] = field(metadata={"of": AccountInfo})
    more: int = 0


class BackupMade(Reply):
    """`backup`: its directory, its shared files and bytes, and whether it has a `key` for TLS.
    `unread` files could not be read; some of them are named in `left_out`."""

    dir: str
    files: int
    bytes: int
    key: bool
    unread: int
    left_out: tuple[str, ...]


class Help(Reply):
    """`help`: lines for a person, and the names of the commands that they tell of."""

    lines: tuple[str, ...]
    commands: tuple[str, ...] = ()


Fields = dict[str, Any]
"""A JSON object."""
