"""Events: shown to those present, and not stored."""

from dataclasses import dataclass
from enum import StrEnum

from chatservice.errors import ExplainedWord


class EndReason(ExplainedWord):
    """The reason for which the server ends a connection. A client reconnects by itself after any
    reason, also an unknown one, but not after those in `FINAL_ENDS`."""

    PUT_OUT = "put-out", "a moderator has put the user off the server"
    REPLACED = "replaced", "the user came in on another connection, with this one's token"
    REVOKED = "revoked", "the user's password, token or account is no longer valid"
    STOPPING = "stopping", "the server stops, and may be back soon"
    IDLE = "idle", "the server is full, and the user was idle"
    FAILED = "failed", "an error in the server"


FINAL_ENDS = frozenset({EndReason.PUT_OUT, EndReason.REPLACED, EndReason.REVOKED})
"""Reasons after which a person decides whether to come back."""


class LeaveReason(StrEnum):
    """The reason for which a user is no longer in a room."""

    LEFT = "left"
    QUIT = "quit"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class UserJoined:
    """`who`, who is maybe `registered`, and maybe a `moderator` there, came into `room`. The
    `real_name` is empty if it is the name, or not to be shown there."""

    room: str
    who: str
    registered: bool = False
    moderator: bool = False
    real_name: str = ""


@dataclass(frozen=True, slots=True)
class UserLeft:
    """`who` left `room` because of `reason`: left the room alone, quit the server, or was put out,
    maybe `by` a moderator. `text` is a farewell, or empty; or why they were put out."""

    room: str
    who: str
    text: str = ""
    reason: str = LeaveReason.LEFT
    by: str = ""


@dataclass(frozen=True, slots=True)
class UserAway:
    """`who`, in `room`, is away for the reason `text`; an empty one: is back. Without a room, a
    session that watches them is told."""

    room: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class UserRenamed:
    """`who`, in `room`, has a new name: `name`."""

    room: str
    who: str
    name: str


@dataclass(frozen=True, slots=True)
class UserRealName:
    """`who` has another real name: `text`. Only sessions that asked for it are shown this: those
    that share a room, and those that have `watched` the user without one."""

    who: str
    text: str
    watched: bool = False


@dataclass(frozen=True, slots=True)
class UserRegistered:
    """`who`, a guest in `room`, has registered that name. Without a room, a session that watches
    them is told."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class UserTyping:
    """`who` is typing in `room`. Only sessions that asked for it are shown this."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Moderated:
    """A moderator, `who`, used the command `what` in `room` on `user`, because of `text`. `user`
    and `text` may be empty."""

    room: str
    who: str
    what: str
    user: str
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence of the server's. With `end`, an `EndReason`, the connection ends now."""

    text: str
    end: str = ""


@dataclass(frozen=True, slots=True)
class PutOut:
    """Tells a user that they are out of `room`: `who` used the command `what`, because of `text`,
    which may be empty. `leave` is the user's own, on another connection."""

    room: str
    who: str
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class ReadMoved:
    """Tells a user's other sessions that their read position in `room` (`@`: the inbox) is now
    `position`."""

    room: str
    position: int


@dataclass(frozen=True, slots=True)
class Invited:
    """Tells `user` that `who` has invited them to `room`. Only sessions that asked for it are shown
    this; all others get a private message."""

    room: str
    who: str
    user: str


@dataclass(frozen=True, slots=True)
class UserWatched:
    """`who`, whom a session watches, has come, and is `here`; or is gone. Only sessions that asked
    for it are shown this."""

    who: str
    here: bool


Event = (
    UserJoined
    | UserLeft
    | UserAway
    | UserRenamed
    | UserRealName
    | UserRegistered
    | UserTyping
    | Moderated
    | PutOut
    | ReadMoved
    | UserWatched
    | Invited
    | Notice
)
