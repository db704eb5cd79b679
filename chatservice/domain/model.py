"""Rooms, users and sessions."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from chatservice import names
from chatservice.domain import tokens
from chatservice.domain.log import Cursor, Log, Peer
from chatservice.domain.ratelimit import RateLimiter
from chatservice.domain.rules import Access, Rules
from chatservice.entries import FileMark, Kind, Run
from chatservice.errors import NAME_NEEDED, NOT_IN_ROOM, Code, Refusal


class TopicSetter(NamedTuple):
    """The name of the user who set a topic, empty if that is not known any more, and when: in
    milliseconds since 1970."""

    who: str
    time: int


@dataclass(eq=False, repr=False)
class Room:
    """A room: a log, a folder of files, and rules.

    `topic_setter` is known once somebody has asked for it (`HistoryReader.topic_setter`). In a
    `frozen` room only moderators speak. In slow mode, `slow` is the pause in seconds between
    two messages of a user, and `last_spoke` has the times of their last ones, by `User.id`, in
    milliseconds on a clock that never goes back. `names_shown` has the last name that was shown
    of a user whose new one was not. `sessions` and `users()` are in order of arrival.
    `elsewhere` has the users who are in it at other nodes of a cluster, by their keys.
    """

    log: Log
    topic: str
    password: str | None
    access: Access = Access.PUBLIC
    frozen: bool = False
    slow: int = 0
    rules: Rules = field(default_factory=Rules)
    last_spoke: dict[str, int] = field(default_factory=dict)
    names_shown: dict["User", str] = field(default_factory=dict)
    elsewhere: "Mapping[str, User]" = field(default_factory=dict)
    topic_setter: "TopicSetter | None" = None

    def __post_init__(self) -> None:
        self.number, self.name = self.log.id, self.log.name
        self.as_tuple = (self,)  # one `Session.rooms` for all sessions that are only here

    @property
    def is_open(self) -> bool:
        """True if everybody sees it and may come in."""
        return self.access is Access.PUBLIC and self.password is None

    def has_user(self, user: "User") -> bool:
        """Return whether a user is in the room, seen or not."""
        if self.elsewhere.get(user.key) is user:
            return True
        return any(session in self.sessions for session in user.sessions)

    def shows(self, user: "User") -> bool:
        """Return whether others see a user in the room."""
        return user.key in self.elsewhere or self.shows_here(user)

    def shows_here(self, user: "User") -> bool:
        """Return whether others see a user in the room, at this node."""
        return any(it in self.sessions for it in user.sessions if it.traits.visible)

    @property
    def folder(self) -> str:
        """The folder of its files, in the file store."""
        return "" if self.name == names.LOBBY else self.name

    @property
    def sessions(self) -> "dict[Session, Cursor]":
        """The sessions in it, with their cursors."""
        return self.log.cursors

    def users(self, unseen: bool = False) -> "dict[User, None]":
        """Return a new dict of the users whom others see in it; with `unseen`, of all at this
        node."""
        here = self.log.cursors
        found = [it.user for it in here if it.user is not None and (it.traits.visible or unseen)]
        users = dict.fromkeys(found)
        if self.elsewhere and not unseen:
            keys = {user.key for user in users}
            users |= dict.fromkeys(it for key, it in self.elsewhere.items() if key not in keys)
        return users


@dataclass(slots=True)
class KeptRoom:
    """A room that a registered user keeps: how far they have `read` it, and the read position that
    is stored (`saved`)."""

    read: int
    saved: int = field(init=False)

    def __post_init__(self) -> None:
        self.saved = self.read


_NO_PARTNERS: Mapping[str, int] = {}


class KeptRooms:
    """The `rooms` that an account keeps, by their numbers. There is one for all its sessions. Those
    of a guest, without an account, are not stored. `partners` has positions in the inbox: how far
    private talk with single users is read, by their keys, as far as a session has told; they are
    not stored."""

    __slots__ = ("__weakref__", "account", "partners", "rooms")

    def __init__(self, account: str) -> None:
        self.account = account
        self.partners: Mapping[str, int] = _NO_PARTNERS
        self.rooms: dict[int, KeptRoom] = {}

    def unsaved(self) -> "dict[tuple[str, int], int]":
        """Return the read positions that are not stored, by the account and the room."""
        rooms = self.rooms if self.account else {}
        moved = ((number, it.read) for number, it in rooms.items() if it.read != it.saved)
        return {(self.account, number): read for number, read in moved}


class User:
    """A person or a program with a name: a guest while connected, or a registered user.

    A guest stays the same user under another name. `inbox` is None for a guest to whom nobody has
    written. `guest_number` is unique among all guests ever (the port `NameClaims`), and 0 for a
    registered user. `kept` has the rooms that a registered user keeps; of a guest, those that they
    have gone out of, or said how far they have read. It is None before the first of these.
    `real_name` is what a client of IRC has said beside the name; empty if that is the same.
    """

    __slots__ = ("away", "guest_number", "inbox", "kept", "key", "name", "real_name", "sessions")

    def __init__(self, name: str, inbox: Log | None, guest: int) -> None:
        self.rename(name)
        self.inbox = inbox
        self.guest_number = guest
        self.away = self.real_name = ""
        self.kept: KeptRooms | None = None
        self.sessions: tuple[Session, ...] = ()

    def rename(self, name: str) -> None:
        """Change the name."""
        self.name, self.key = name, names.key(name)

    @property
    def id(self) -> str:
        """The key of all that belongs to the user: a registered name's key, or unique to a
        guest."""
        return self.folder if self.guest_number else self.key

    @property
    def registered(self) -> bool:
        """True if the user has an account."""
        return not self.guest_number

    def keeps(self, room: Room) -> bool:
        """Return whether the user is a member of a room: keeps it, or as a guest is in it."""
        if self.kept is not None and room.number in self.kept.rooms:
            return True
        return not self.registered and room.has_user(self)

    @property
    def visible(self) -> bool:
        """True if others see that the user is here."""
        return any(session.traits.visible for session in self.sessions)

    @property
    def bot(self) -> bool:
        """True if one of the user's sessions has said that it is a program."""
        return any(session.traits.bot for session in self.sessions)

    @property
    def rooms(self) -> "Collection[Room]":
        """The rooms in which others see the user, each once."""
        visible = (session for session in self.sessions if session.traits.visible)
        return dict.fromkeys(room for session in visible for room in session.rooms)

    def run(
        self, kind: Kind, time: int, texts: Sequence[str] = ("",), file: FileMark | None = None
    ) -> Run:
        """Return a run of the user's."""
        return Run(kind, time, self.name, texts, file, self.registered)

    @property
    def has_left(self) -> bool:
        """True for a guest who has left, for good."""
        return bool(self.guest_number) and not self.sessions

    @property
    def folder(self) -> str:
        """The folder of files sent to the user, in the file store."""
        return guest_id(self.guest_number) if self.guest_number else account_folder(self.key)


GUEST_PREFIX = ".guests/"
"""The beginning of guests' folders and `User.id`s. No name begins like this."""

_INBOX_PREFIX = ".inboxes/"
"""The beginning of registered users' folders."""


def account_folder(key: str) -> str:
    """Return the folder of a registered user, by the key of their name."""
    return f"{_INBOX_PREFIX}{key}"


def guest_id(number: int) -> str:
    """Return the `User.id` of the guest with a number."""
    return f"{GUEST_PREFIX}{number}"


def is_guest_id(id_: str) -> bool:
    """Return whether a `User.id` or a folder is a guest's, and ends with the guest."""
    return id_.startswith(GUEST_PREFIX)


def is_user_folder(folder: str) -> bool:
    """Return whether a folder is a user's, and not a room's."""
    return folder.startswith((GUEST_PREFIX, _INBOX_PREFIX))


class PauseReason(StrEnum):
    """A reason not to read a connection for a while."""

    TURN = "turn"  # others go first
    ANSWER = "answer"  # a command is being answered
    FILE = "file"  # the engine moves a file's bytes
    DISK = "disk"  # an upload's bytes wait to be written
    FULL = "full"  # the client does not read
    CORK = "cork"  # a script's first lines are on their way, and no more answers can wait
    RATE = "rate"  # it sent too much for a rate limit
    UNSTORED = "unstored"  # too much of its talk is not stored yet


class FlowControl(Protocol):
    """Pauses and resumes the reading of a session's connection."""

    def pause_reading(self, reason: PauseReason) -> None:
        """Read nothing more. Each pause needs a `resume_reading` with the same reason."""

    def resume_reading(self, reason: PauseReason) -> None:
        """Take one pause with that reason back, if there is one. Read on when no reason is left."""

    def slow_down(self, seconds: float) -> None:
        """Read nothing for so long."""


FREE_COMMANDS = 16
"""Commands of a session that no rate limit counts: most sessions never give more."""


@dataclass(frozen=True, slots=True)
class SessionTraits:
    """Properties of a session, by its protocol.

    sees_own_entries: it is shown its own entries.
    many_rooms: it may be in several rooms; else it is always in one.
    resumable: it gets a resume token.
    carries_files: its own connection carries the bytes of files, between its lines.
    visible: others see that it is here. One that is not visible serves single requests: nobody is
    told that it joins or leaves a room, it is in no room's list of users, and it does not read the
    inbox.
    admin: it came through the admin socket.
    sees_typing: it is told who is typing.
    sees_invitations: it is told by an event that its user is invited to a room.
    sees_real_names: it is told who has another real name.
    reads_as_shown: its user has read what it is shown, without saying so.
    sees_past: in a room that it comes into, it is shown what is unread, or else the last entries.
    sees_unread: in a room that it comes into, it is shown what is unread.
    bot: it is a program, and has said so.
    """

    sees_own_entries: bool
    many_rooms: bool
    resumable: bool
    carries_files: bool
    visible: bool = True
    admin: bool = False
    sees_typing: bool = False
    sees_invitations: bool = False
    sees_real_names: bool = False
    reads_as_shown: bool = False
    sees_past: bool = False
    sees_unread: bool = False
    bot: bool = False


PERSON = SessionTraits(False, False, False, True, reads_as_shown=True, sees_past=True)
SCRIPT = SessionTraits(False, False, False, True)
PROGRAM = SessionTraits(True, True, True, False)


NOBODY: frozenset[str] = frozenset()
"""One for all sessions: CPython makes a new one at each call, of 216 bytes."""


class Session:
    """One connection's user, rooms and cursors.

    A session that is always in one room has it as `current_room`; for others that is None. It does
    not hear the users in `ignored` (`names.key`). `only_room` is the only room that its token
    allows. `flow` stops the reading of its connection. `unstored` is the weight of its entries
    that are not on the disk yet: 1 each, and more for a long one (`Limits.unstored_characters`).
    `active` is the time of its last request, in milliseconds since 1970.
    `free_commands` is the number of further commands that no `rate_limiter` counts. There is one
    session for each connection, and most are idle, so it is small.
    """

    __slots__ = (
        *("_token", "active", "current_room", "ended", "flow", "free_commands", "ignored"),
        *("inbox", "only_room", "peer", "rate_limiter", "rooms", "traits", "unstored", "user"),
    )

    def __init__(self, peer: Peer, traits: SessionTraits, flow: FlowControl) -> None:
        self.peer = peer
        self.traits = traits
        self.flow = flow
        self.free_commands = FREE_COMMANDS
        self.rate_limiter: RateLimiter | None = None
        self.unstored = 0
        self.active = 0
        self.user: User | None = None
        self.ended = False
        self.current_room: Room | None = None
        self.inbox: Cursor | None = None
        self.rooms: tuple[Room, ...] = ()
        self.ignored = NOBODY
        self.only_room: Room | None = None
        self._token: bytes | None = None

    @property
    def resume_token(self) -> str:
        """The token with which the user takes this session over on another connection."""
        if self._token is None:
            self._token = tokens.new_resume_token()
        return urlsafe_b64encode(self._token).decode()

    def adopt_token(self, token: str) -> None:
        """Take a guest's former resume token, if it is one."""
        try:
            found = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return
        if len(found) == tokens.RESUME_TOKEN_BYTES:
            self._token = found

    @property
    def guest_secret(self) -> bytes | None:
        """The secret that makes a program with the same resume token the same guest, also after a
        restart of the server; None for a person, who has no token."""
        return self.resume_token.encode() if self.traits.resumable else None

    def may_be_evicted(self, busy: Collection["User"]) -> bool:
        """Return whether a full server may end it: its user is no registered one, and not
        `busy`."""
        user = self.user
        return user is None or not (user.registered or user in busy)

    def require_user(self) -> User:
        """Return the user. Raises `Refusal` (name-needed) if there is none."""
        if self.user is None:
            raise Refusal(Code.NAME_NEEDED, NAME_NEEDED)
        return self.user

    def require_cursor(self, room: Room) -> Cursor:
        """Return the cursor in a room. Raises `Refusal` (not-in-room) if there is none."""
        cursor = room.sessions.get(self)
        if cursor is None:
            raise Refusal(Code.NOT_IN_ROOM, NOT_IN_ROOM, room=room.name)
        return cursor

    def author_cursor(self, log: Log) -> Cursor | None:
        """Return the cursor that passes over the session's own entries in a log; None if it is
        shown them, or does not read the log."""
        return None if self.traits.sees_own_entries else log.cursors.get(self)

    def wake(self) -> None:
        """Let the connection read on in all logs."""
        inbox = () if self.inbox is None else (self.inbox,)
        cursors = [room.log.cursors[self] for room in self.rooms]
        behind = [it for it in cursors if it.position < it.log.last]
        self.peer.wake((*inbox, *behind))
