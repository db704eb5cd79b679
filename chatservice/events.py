"""What is shown to those who are there, and kept nowhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Came:
    """`who` came into `room`."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Left:
    """`who` left `room`; `text` is a last word, or empty."""

    room: str
    who: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Renamed:
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
    """The server tells `text` to one session, or to all of them."""

    text: str


Event = Came | Left | Renamed | Moderated | Notice
