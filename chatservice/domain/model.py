"""Where one can be, and who one is: rooms, users, sessions."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterable
from typing import Protocol

from chatservice import names
from chatservice.domain.log import Cursor, Log, Peer
from chatservice.domain.ratelimit import RateLimits
from chatservice.domain.rules import Access, Rule, Rules
from chatservice.errors import NAME_NEEDED, Code, Refusal


class Room:
    """A log to talk in, and a shelf.

    `frozen` says whether only who moderates it speaks, `slow` how many seconds a user waits from
    one message to the next; `last_spoke` is when, in milliseconds on a clock that only goes on,
    they did last, by `User.id`.
    """

    def __init__(
        self,
        log: Log,
        topic: str,
        password: str | None,
        access: Access = Access.PUBLIC,
        frozen: bool = False,
        slow: int = 0,
        rules: Iterable[Rule] = (),
    ) -> None:
        self.number = log.id
        self.name = log.name
        self.topic = topic
        self.password = password
        self.access = access
        self.frozen = frozen
        self.slow = slow
        self.rules = Rules(rules)
        self.last_spoke: dict[str, int] = {}
        self.log = log
        self.as_tuple = (
            self,
        )  # what those are in who are here and nowhere else: one tuple for all

    @property
    def is_open(self) -> bool:
        """Whether everybody may come in, and knows of it."""
        return self.access is Access.PUBLIC and self.password is None

    def has_user(self, user: "User") -> bool:
        """Return whether a user is in it."""
        return any(session in self.sessions for session in user.sessions)

    @property
    def folder(self) -> str:
        """Where its files are kept."""
        return "" if self.name == names.LOBBY else self.name

    @property
    def sessions(self) -> "dict[Session, Cursor]":
        """Who is in it, in the order in which they came."""
        return self.log.cursors

    def users(self) -> "Collection[User]":
        """Who is here, each once, in the order in which they came."""
        return dict.fromkeys([s.user for s in self.sessions if s.user is not None])


class User:
    """A person or a program with a name: a guest's for as long as they are connected, or a
    registered one's for good.

    A guest may change the name, and is the same user. `inbox` is None for a guest to whom nobody
    wrote yet. `guest_number` is a number that no other guest ever has (`ports.NameClaims`),
    and 0 for a registered user.
    """

    __slots__ = ("away", "guest_number", "inbox", "key", "name", "sessions")

    def __init__(self, name: str, inbox: Log | None, guest: int) -> None:
        self.rename(name)
        self.inbox = inbox
        self.guest_number = guest
        self.away = ""
        self.sessions: tuple[Session, ...] = ()

    def rename(self, name: str) -> None:
        """Have another name from now on."""
        self.name = name
        key = names.key(name)
        self.key = key if key != name else name  # one string where one will do: users are many

    @property
    def id(self) -> str:
        """The key by which all that belongs to a user is remembered: that of a registered name, or,
        of a guest, one that no other user ever has."""
        return self.folder if self.guest_number else self.key

    @property
    def registered(self) -> bool:
        """Whether the name is theirs for good."""
        return not self.guest_number

    @property
    def has_left(self) -> bool:
        """Whether this was a guest, who has left: nobody else can come to be them."""
        return bool(self.guest_number) and not self.sessions

    @property
    def folder(self) -> str:
        """Where files meant for them are kept."""
        return guest_id(self.guest_number) if self.guest_number else account_folder(self.key)


GUEST_PREFIX = ".guests/"
"""The beginning of the shelves of guests, and of their `User.id`. No name begins so."""

_INBOX_PREFIX = ".inboxes/"
"""The beginning of the shelves of registered users."""


def account_folder(key: str) -> str:
    """The shelf of the inbox of a registered user, by the key of their name."""
    return f"{_INBOX_PREFIX}{key}"


def guest_id(number: int) -> str:
    """Return the `User.id` of the guest with a number."""
    return f"{GUEST_PREFIX}{number}"


def is_guest_id(id_: str) -> bool:
    """Return whether a `User.id`, or a shelf, is a guest's: it ends with them."""
    return id_.startswith(GUEST_PREFIX)


def is_user_folder(shelf: str) -> bool:
    """Return whether a shelf is one user's, and not a room's."""
    return shelf.startswith((GUEST_PREFIX, _INBOX_PREFIX))


EMPTY: frozenset[str] = frozenset()


_TOKEN_BYTES = 15
"""120 bits, which nobody guesses, and the most that Python keeps in 48 bytes."""


class FlowControl(Protocol):
    """What stops the reading of a session's connection."""

    def pause_reading(self, reason: str) -> None:
        """Read nothing more until `resume_reading` was called as often with the same reason."""

    def resume_reading(self, reason: str) -> None:
        """Read on, unless there is another reason not to."""

    def slow_down(self, seconds: float) -> None:
        """Read nothing for so long."""

    def note_talk(self) -> None:
        """Note that something was said: requests share the reactor's time in smaller slices."""


class NoFlowControl:
    """A `FlowControl` that stops nothing."""

    def pause_reading(self, reason: str) -> None:
        """Read on."""

    def resume_reading(self, reason: str) -> None:
        """Read on."""

    def slow_down(self, seconds: float) -> None:
        """Read on."""

    def note_talk(self) -> None:
        """Ignore it."""


NO_FLOW_CONTROL = NoFlowControl()

FREE_COMMANDS = 16
"""Commands of a session that no rate limit counts: most sessions never give more."""


class Session:
    """One connection of one user.

    `echo` says whether it sees its own entries too. `current_room` is the room that a person is in;
    a program is in as many as it likes, and `current_room` is None. `ignored` holds the keys
    (`names.key`) of users whom it does not hear. `only_room` is the one room that it may be in, if
    its token is good for just that. `flow` stops the reading of its connection. `unstored` counts
    its entries on their way to the disk, `free_commands` the commands that `rate_limits` do not
    count yet. There is one for each connection, and most are idle: what it holds is kept small.
    """

    __slots__ = (
        *("_token", "current_room", "echo", "ended", "flow", "free_commands", "ignored"),
        *("inbox", "only_room", "peer", "rate_limits", "rooms", "unstored", "user"),
    )

    from_admin_socket = False

    def __init__(self, peer: Peer, echo: bool, flow: FlowControl = NO_FLOW_CONTROL) -> None:
        self.peer = peer
        self.echo = echo
        self.flow = flow
        self.free_commands = FREE_COMMANDS
        self.rate_limits: RateLimits | None = None
        self.unstored = 0
        self.user: User | None = None
        self.ended = False
        self.current_room: Room | None = None
        self.inbox: Cursor | None = None
        self.rooms: tuple[Room, ...] = ()
        self.ignored = EMPTY
        self.only_room: Room | None = None
        self._token: bytes | None = None

    @property
    def resume_token(self) -> str:
        """What it proves itself with when it comes back on another connection."""
        if self._token is None:
            self._token = secrets.token_bytes(_TOKEN_BYTES)
        return urlsafe_b64encode(self._token).decode()

    def adopt_token(self, token: str) -> None:
        """Prove itself with the token that a guest had before, if it can be one."""
        try:
            found = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return
        if len(found) == _TOKEN_BYTES:
            self._token = found

    @property
    def guest_secret(self) -> bytes | None:
        """What makes a program that comes back with its token the same guest, also after a restart
        of the server; None for a person, who has no token."""
        return self.resume_token.encode() if self.echo else None

    @property
    def carries_files(self) -> bool:
        """Whether the bytes of files travel on its own connection, between its lines."""
        return not self.echo

    def may_be_evicted(self, busy: Collection["User"]) -> bool:
        """Return whether it is a guest's, or nobody's, and none of who is `busy`."""
        user = self.user
        return user is None or not (user.registered or user in busy)

    def void_token(self) -> None:
        """Let the token that it has given out prove nothing any more."""
        self._token = None

    def require_user(self) -> User:
        """Return the user. Raises `Refusal` (name-needed) if there is none yet."""
        if self.user is None:
            raise Refusal(Code.NAME_NEEDED, NAME_NEEDED)
        return self.user

    def require_cursor(self, room: Room) -> Cursor:
        """Return the cursor in a room. Raises `Refusal` (not-in-room) if it is not in it."""
        cursor = room.sessions.get(self)
        if cursor is None:
            raise Refusal(Code.NOT_IN_ROOM, "You are not in {room}; join it first.", room=room.name)
        return cursor

    def wake(self) -> None:
        """Let the reader look at all that it reads."""
        inbox = () if self.inbox is None else (self.inbox,)
        self.peer.wake((*inbox, *(room.sessions[self] for room in self.rooms)))


class AdminSession(Session):
    """The session of an operator on the admin socket."""

    __slots__ = ()

    from_admin_socket = True
