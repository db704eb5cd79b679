"""What is shown to those who are there, and kept nowhere."""

from dataclasses import dataclass
from enum import StrEnum


class EndReason(StrEnum):
    """Why the server ends a connection. A client comes back by itself after some of these only
    (`FOR_GOOD`); after one that it does not know it does."""

    PUT_OUT = "put-out"
    REPLACED = "replaced"
    REVOKED = "revoked"
    STOPPING = "stopping"
    IDLE = "idle"
    FAILED = "failed"


END_MEANINGS: dict[EndReason, str] = {
    EndReason.PUT_OUT: "somebody has put the user off the server",
    EndReason.REPLACED: "the same user came in on another connection, with this one's token",
    EndReason.REVOKED: "what one came in with is good no more: a password, a token, an account",
    EndReason.STOPPING: "the server stops, and may be there again soon",
    EndReason.IDLE: "the server is full, and one was idle",
    EndReason.FAILED: "an error of the server's",
}
"""The meaning of each of them, for docs/protocol.md."""

FINAL_ENDS = frozenset({EndReason.PUT_OUT, EndReason.REPLACED, EndReason.REVOKED})
"""After these a client does not come back by itself: a person decides that."""


@dataclass(frozen=True, slots=True)
class UserJoined:
    """`who` came into `room`."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class UserLeft:
    """`who` left `room`; `text` is a last word, or empty."""

    room: str
    who: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class UserRenamed:
    """`who`, in `room`, is called `name` from now on."""

    room: str
    who: str
    name: str


@dataclass(frozen=True, slots=True)
class Moderated:
    """`who` did `what` in `room`, as the command is called, to `user`, or nobody, because of
    `text`, or for no reason."""

    room: str
    who: str
    what: str
    user: str
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """The server tells `text` to one session, or to all of them. With `end`, one of `End`, the
    connection ends now, for that reason."""

    text: str
    end: str = ""


@dataclass(frozen=True, slots=True)
class PutOut:
    """One is not in `room` any more, because `who` did `what` there, as the command is called, for
    the reason `text`, or for none. It is told to who was put out."""

    room: str
    who: str
    what: str
    text: str = ""


Event = UserJoined | UserLeft | UserRenamed | Moderated | PutOut | Notice
