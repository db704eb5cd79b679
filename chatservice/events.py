"""Events: shown to those present, and not stored."""

from dataclasses import dataclass
from enum import StrEnum


class EndReason(StrEnum):
    """The reason for which the server ends a connection. A client reconnects by itself after any
    reason, also an unknown one, but not after those in `FINAL_ENDS`."""

    PUT_OUT = "put-out"
    REPLACED = "replaced"
    REVOKED = "revoked"
    STOPPING = "stopping"
    IDLE = "idle"
    FAILED = "failed"


END_MEANINGS: dict[EndReason, str] = {
    EndReason.PUT_OUT: "a moderator has put the user off the server",
    EndReason.REPLACED: "the user came in on another connection, with this one's token",
    EndReason.REVOKED: "the user's password, token or account is no longer valid",
    EndReason.STOPPING: "the server stops, and may be back soon",
    EndReason.IDLE: "the server is full, and the user was idle",
    EndReason.FAILED: "an error in the server",
}
"""The meaning of each reason, for docs/protocol.md."""

FINAL_ENDS = frozenset({EndReason.PUT_OUT, EndReason.REPLACED, EndReason.REVOKED})
"""Reasons after which a person decides whether to come back."""


@dataclass(frozen=True, slots=True)
class UserJoined:
    """`who` came into `room`."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class UserLeft:
    """`who` left `room`; `text` is a farewell, or empty."""

    room: str
    who: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class UserRenamed:
    """`who`, in `room`, has a new name: `name`."""

    room: str
    who: str
    name: str


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
    which may be empty."""

    room: str
    who: str
    what: str
    text: str = ""


Event = UserJoined | UserLeft | UserRenamed | Moderated | PutOut | Notice
