"""The parts of a command: its rights, rates, formats, arguments, aliases; and a request for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, StrEnum, auto
from functools import cache
from typing import Any

from chatservice import replies
from chatservice.entries import Kind

ALL_ROOMS = "*"
"""The value of `room` for all rooms that a user may read. No room is called so."""


class Format(Flag):
    """The formats that have a command or an argument."""

    TEXT = auto()
    JSON = auto()
    BOTH = TEXT | JSON


class Right(Enum):
    """A right that a command or an argument needs. `domain.rights` decides who has it."""

    NOTHING = "nothing"
    NAME = "a name"
    ACCOUNT = "a registered name"
    READ = "access to the room"
    PRESENCE = "presence in the room"
    SPEAK = "presence in the room, and leave to speak"
    MODERATE = "moderating the room"
    OWN = "owning the room"
    OPERATE = "operating the server"
    ADMIN_SOCKET = "a connection through the admin socket"


class Rate(StrEnum):  # a plain `Enum` has a hash in Python, and each request asks for it
    """A rate limit that a command counts against; see `domain.ratelimit`."""

    LINES = "lines of talk"
    COMMANDS = "commands"
    JOINS = "joins, leaves and renames"
    CREATIONS = "rooms and accounts"


class ArgType(Enum):
    """The type of an argument: its description, the pattern of a typed word, its type in JSON.

    `REST` and `FILE` take all words that the other arguments leave, with the spaces between them.
    """

    WORD = ("a word", r"\S+", str)
    REST = ("text", r".+", str)
    FILE = ("a file's name", r".+", str)
    USER = ("a user", r"@\S+", str)
    SHA256 = ("64 hexadecimal digits", r"[0-9A-Fa-f]{64}", str)
    NUMBER = ("a whole number that is not negative", r"[0-9]{1,18}", int)
    POSITION = ("a position", r"#[0-9]{1,18}", int)
    VERSION = ("# and the number of a version", r"#[1-9][0-9]{0,8}", int)
    OFFSET = ("+ and a number of bytes", r"\+[0-9]{1,18}", int)
    TIME = (
        "a time, such as 10m, 1h30m or 7d",
        r"(?:[1-9][0-9]{0,4}(?:s|m|h|d|w|secs?|mins?|hours?|days?|weeks?)){1,5}",
        str,
    )
    INBOX = ("@, or @ and a user", r"@\S*", str)
    PLACES = ("all, @, or @ and a user", r"all|@\S*", str)
    SWITCH = ("on or off", r"on|off", bool)
    FLAG = ("true or false", r"(?!)", bool)

    def __init__(self, description: str, pattern: str, type_: type) -> None:
        self.description = description
        self.pattern = re.compile(pattern, re.DOTALL)
        self.json_type = type_

    def value(self, word: str) -> str | int:
        """Return the value of a typed word of this type."""
        if self is ArgType.SWITCH:
            return word == "on"
        if self is ArgType.PLACES and word == "all":
            return ALL_ROOMS
        text = word[len(self.mark) :]
        return int(text) if self.json_type is int else text

    @property
    def mark(self) -> str:
        """The sign that a typed word of this type begins with, or an empty string."""
        return {"USER": "@", "POSITION": "#", "VERSION": "#", "OFFSET": "+"}.get(self.name, "")

    @property
    def greedy(self) -> bool:
        """True if it may contain spaces."""
        return self in (ArgType.REST, ArgType.FILE)


class PasswordKind(Enum):
    """The kind of password that a person is prompted for if they leave it out."""

    CURRENT = "the current password"
    NEW = "a new password, prompted for twice"


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument of a command.

    `help` is its description in the reference. `needs` is a right beyond the command's own.
    `secret` marks a password that is prompted for. `choices` lists the words that make sense,
    where there are only a few.
    """

    name: str
    help: str = ""
    type: ArgType = ArgType.WORD
    optional: bool = False
    formats: Format = Format.BOTH
    json_optional: bool | None = None
    needs: Right = Right.NOTHING
    secret: PasswordKind | None = None
    choices: tuple[str, ...] = ()

    @property
    def private(self) -> bool:
        """True for a password, which must not be shown or kept."""
        return self.secret is not None or self.name == "password"

    @property
    def is_secret(self) -> bool:
        """True for a password, or a token that takes over a session."""
        return self.private or self.name == "token"

    def is_optional(self, format_: Format) -> bool:
        """Return whether it may be left out in a format."""
        if format_ is Format.JSON and self.json_optional is not None:
            return self.json_optional
        return self.optional

    @property
    def usage(self) -> str:
        """Its name in `/help`: `ROOM`, `[PASSWORD]`, `[@USER]`."""
        word = _USAGE.get(self.type) or self.type.mark + self.name.upper()
        return f"[{word}]" if self.optional else word


_USAGE = {
    ArgType.USER: "@USER",
    ArgType.INBOX: "@USER",
    ArgType.PLACES: "all | @USER",
    ArgType.SWITCH: "on | off",
}


@dataclass(frozen=True, slots=True)
class Alias:
    """A line without a slash that calls a command: the whole line must have this shape.

    `shape` contains words to type as they are, and the command's arguments in capitals. `sets`
    gives values to further arguments.
    """

    shape: str
    sets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A row of the table, equal to itself alone.

    `reply` is the class of its reply. `rates` are the rate limits that it counts against. `talk` is
    the kind of the entries that it makes, for a command that is talk: dispatch hands these to the
    publisher. A command that `changes` something has done so, and its reply is always sent. For all
    others a right beyond a name is checked again behind the wait for the reply. `elsewhere` is a
    pattern of what may stand in the place of its room, and takes no right in a room: `@` is the
    user's own files or inbox, `@USER` what is between the two in the inbox, and `*` all rooms.

    No token allows a command that is `password_only`: it changes who may come in or who is in
    charge, so its effects would outlast the token. A token for one room allows the commands that
    need a right there, or none at all, and those with `room_token`.
    """

    name: str
    help: str
    args: tuple[Arg, ...] = ()
    aliases: tuple[Alias, ...] = ()
    reply: type = replies.Done
    needs: Right = Right.NAME
    formats: Format = Format.BOTH
    rates: tuple[Rate, ...] = (Rate.COMMANDS,)
    talk: Kind | None = None
    changes: bool = False
    elsewhere: str = ""
    password_only: bool = False
    room_token: bool = False

    @cache  # noqa: B019 - there are as many commands as rows; a flag costs more than a lookup
    def arguments(self, format_: Format) -> tuple[Arg, ...]:
        """Return the arguments that it has in a format, in order."""
        return tuple(arg for arg in self.args if arg.formats & format_)

    @cache  # noqa: B019
    def needing_rights(self) -> tuple[Arg, ...]:
        """Return the arguments that need a right of their own."""
        return tuple(arg for arg in self.args if arg.needs is not Right.NOTHING)

    @cache  # noqa: B019
    def proves_user(self) -> bool:
        """Return whether it takes a password: if it is granted, the user is the name's owner."""
        return any(arg.secret for arg in self.args)

    def is_elsewhere(self, room: Any) -> bool:
        """Return whether the value of its argument `room` stands for something that is no room."""
        is_told = self.elsewhere and isinstance(room, str)
        return bool(is_told and re.fullmatch(self.elsewhere, room))

    @property
    def usage(self) -> str:
        """Its line in `/help`: `/put NAME SIZE [SHA256] [@USER]`."""
        shown = (a.usage for a in self.arguments(Format.TEXT) if a.type is not ArgType.FLAG)
        return " ".join([f"/{self.name}", *shown])


@dataclass(frozen=True, slots=True)
class Request:
    """A command with the arguments that were given, in any format.

    `id` is the client's, for the reply. `bare` is the typed line, if an alias called the command:
    the line may have been meant as talk.
    """

    command: Command
    args: Mapping[str, Any]
    id: str | int | None = None
    bare: str = ""
