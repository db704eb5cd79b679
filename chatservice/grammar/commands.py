"""The table of commands. Both formats, dispatch, `/help`, clients and docs/protocol.md use it."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, Flag, auto
from functools import cache, partial
from types import MappingProxyType
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


class Rate(Enum):
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
        return isinstance(room, str) and re.fullmatch(self.elsewhere, room) is not None

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


_T, _J = Format.TEXT, Format.JSON
_REST, _FLAG = ArgType.REST, ArgType.FLAG
_NUMBER, _POSITION, _VERSION = ArgType.NUMBER, ArgType.POSITION, ArgType.VERSION
_IN_ROOM = Arg("room", "the room", formats=_J)
"""The room of a command that means the current room in the text format."""
_ROOM_OR_INBOX = Arg(
    "room",
    "the room; `@` is your inbox, and `@USER` what is between you and that user in it",
    ArgType.INBOX,
    optional=True,
    json_optional=False,
)
"""In the text format, the current room if it is left out."""
_PLACE_TO_SEARCH = replace(
    _ROOM_OR_INBOX,
    help="the room; all rooms that you may read (in JSON, `*`), your inbox (`@`), or what is "
    "between you and a user in it (`@USER`)",
    type=ArgType.PLACES,
)
_ANY_ROOM = Arg(
    "room",
    "the room; in text, the current one if none is named",
    optional=True,
    json_optional=False,
)
_FILES_OF = Arg("room", "the room whose file it is; `@` is you", formats=_J)
_FILE = Arg("name", "the file's name; ROOM/NAME and @/NAME name others", ArgType.FILE)
_FILE_VERSION = Arg("version", "the version; the newest if none is named", _VERSION, True)
_USER = Arg("user", "the user")
_REASON = Arg("text", "the reason", _REST, True)
_TIME = Arg("time", "for how long; for good if none is given", ArgType.TIME, True)
_TEXT = Arg("text", "the text", _REST)
_AFTER = Arg("after", "list only names after this one", optional=True, formats=_J)
_CODE = Arg("code", "an invitation code, where the server asks for one", optional=True)
_KEY = Arg(
    "key",
    "chosen by the client; a request repeated with the same key is done once",
    optional=True,
    formats=_J,
)
_ENTRY = Arg("position", "its position, as /history shows it", _POSITION)
_ABOUT = Arg("about", "the position of the entry that this replies to", _NUMBER, True, _J)
_NOTICE = Arg("notice", "true for a text that no program answers", _FLAG, True, _J)
_NEW_PASSWORD = Arg("password", "the password to log in with", secret=PasswordKind.NEW)
_ACCOUNT = Arg("name", "the registered name")
_ERASE = Arg("erase", "the word erase", optional=True, choices=("erase",))

_for_anybody = partial(Command, needs=Right.NOTHING)
_for_accounts = partial(Command, needs=Right.ACCOUNT, changes=True, password_only=True)
_for_readers = partial(Command, needs=Right.READ)
_for_present = partial(Command, needs=Right.PRESENCE)
_for_speakers = partial(Command, needs=Right.SPEAK, changes=True)
_for_moderators = partial(Command, needs=Right.MODERATE, changes=True)
_for_owners = partial(Command, needs=Right.OWN, changes=True)
_for_operators = partial(Command, needs=Right.OPERATE, changes=True, password_only=True)
_showing_operators = partial(Command, needs=Right.OPERATE)

_everywhere = partial(Command, room_token=True)
_moving = partial(_everywhere, rates=(Rate.COMMANDS, Rate.JOINS))
_entering = partial(Command, rates=(Rate.COMMANDS, Rate.JOINS))
_creating = partial(Command, rates=(Rate.COMMANDS, Rate.JOINS, Rate.CREATIONS))
_talk = partial(_for_speakers, reply=replies.Stored, rates=(Rate.LINES,))
_about_files = partial(_for_readers, elsewhere="@")
_TEXTS = (Rate.COMMANDS, Rate.LINES)

_ROWS = (
    _entering(
        "hello",
        "logs in; comes first",
        (
            Arg("name", "the user's name"),
            Arg("password", "the password of a registered name, or a token", optional=True),
            Arg("token", "from an earlier `hello`, to take over its session", optional=True),
            Arg("after", "inbox: the entries after this position", _NUMBER, True),
        ),
        reply=replies.Welcome,
        needs=Right.NOTHING,
        formats=_J,
    ),
    _moving(
        "join",
        "joins a room, by name or by number",
        (
            Arg("room", "its name or number"),
            Arg("password", "its password, if it has one", optional=True),
            Arg("after", "send the entries after this position first", _NUMBER, True, _J),
        ),
        (Alias("join [ROOM]"), Alias("-goto ROOM")),
        reply=replies.Joined,
    ),
    _creating(
        "create",
        "creates a room and joins it",
        (
            Arg("room", "its name; the server picks one if none is given", optional=True),
            Arg("password", "the password to join it", optional=True),
        ),
        (Alias("create [ROOM]"), Alias("NEW [ROOM]")),
        reply=replies.Created,
    ),
    _moving(
        "leave",
        "leaves a room for good; in text, you are in the lobby then",
        (_ANY_ROOM, Arg("keep", "true to stay a member, and come back", _FLAG, True, _J)),
    ),
    _moving(
        "exit",
        "goes back to the lobby, and keeps the room; in the lobby, ends the connection",
        aliases=(Alias("exit"),),
        formats=_T,
    ),
    Command(
        "rooms",
        "lists the rooms; see /help /rooms",
        (
            Arg("after", "list only rooms with higher numbers", _POSITION, True),
            Arg(
                "filter",
                "list only rooms that fit all these words: public, hidden, invited, closed, "
                "locked, empty, used; or a name with * in it, as dev-*",
                _REST,
                True,
            ),
        ),
        reply=replies.RoomList,
    ),
    _for_readers(
        "who",
        "lists the users in a room, and its members",
        (_ANY_ROOM, _AFTER),
        reply=replies.MemberList,
    ),
    _for_readers(
        "topic",
        "shows or sets the room's topic",
        (_IN_ROOM, Arg("text", "the new topic", _REST, True, needs=Right.SPEAK)),
        reply=replies.Topic,
        rates=_TEXTS,
        changes=True,
    ),
    _talk(
        "say",
        "says a line, which may begin with a slash",
        (_IN_ROOM, _TEXT, _NOTICE, _KEY, _ABOUT),
        talk=Kind.MESSAGE,
    ),
    _talk(
        "reply",
        "replies to entry #ABOUT; /history shows the positions",
        (Arg("about", "the position of the entry", _POSITION), _TEXT),
        talk=Kind.MESSAGE,
        formats=_T,
    ),
    _talk(
        "me",
        "says what you do: ~ alice waves",
        (_IN_ROOM, Arg("text", "what you do", _REST), _KEY),
        talk=Kind.ACTION,
    ),
    Command(
        "msg",
        "writes to one user; a registered user may be away",
        (Arg("to", "the user"), _TEXT, _NOTICE, _KEY),
        (Alias("@TO TEXT"), Alias("-pr TO TEXT")),
        reply=replies.PrivateSent,
        rates=_TEXTS,
    ),
    Command(
        "seen",
        "tells whether a user is here, or was last; with off, nobody is told that of you",
        (
            Arg(
                "show",
                "off: others do not see when you were here last; on: they do",
                ArgType.SWITCH,
                True,
                needs=Right.ACCOUNT,
                choices=("on", "off"),
            ),
            Arg("user", "the user, or @ and the user; you, if none is named", optional=True),
        ),
        reply=replies.Seen,
    ),
    Command("away", "sets you away, with a reason; without one, you are back", (_REASON,)),
    Command(
        "typing",
        "tells a room that you are typing, or asks to be told who is",
        (
            Arg("room", "the room in which you are typing", optional=True, needs=Right.SPEAK),
            Arg("show", "whether this connection is told who is typing", _FLAG, True),
        ),
        formats=_J,
        room_token=True,
    ),
    _everywhere("ignore", "hides what a user says from this connection; again: shows it", (_USER,)),
    _for_readers(
        "history",
        "shows what was said, here or with @USER",
        (
            _ROOM_OR_INBOX,
            Arg("after", "show the first entries after this position", _POSITION, True),
            Arg("before", "show the last entries before this position", _NUMBER, True, _J),
            Arg("limit", "at most so many (20; never more than 1000)", _NUMBER, True),
        ),
        reply=replies.History,
        elsewhere=r"@\S*",
    ),
    _for_readers(
        "search",
        'finds entries here, in all rooms or your inbox, by words, "in a row", or begin*',
        (
            _PLACE_TO_SEARCH,
            Arg(
                "text",
                "the words, in any case; and from:USER, in:ROOM, has:file, before: or after: with "
                "a date, or a time such as 7d",
                _REST,
            ),
            Arg("before", "show entries before this position", _NUMBER, True, _J),
            Arg("limit", "at most so many (20; never more than 100)", _NUMBER, True, _J),
        ),
        reply=replies.SearchMatches,
        elsewhere=r"\*|@\S*",
    ),
    Command(
        "unread",
        "lists the rooms with unread entries, or shows those of ROOM; #POSITION makes it unread",
        (
            Arg("position", "the first entry here that is to be unread again", _POSITION, True),
            Arg("room", "only this room; `@` is the inbox", optional=True),
        ),
        reply=replies.UnreadList,
        needs=Right.ACCOUNT,
        room_token=True,
    ),
    Command(
        "read",
        "moves the read position in a room that you keep forward",
        (
            Arg("room", "the room; `@` is the inbox"),
            Arg("position", "the last entry that was read", _POSITION),
        ),
        reply=replies.ReadMark,
        needs=Right.ACCOUNT,
        formats=_J,
        room_token=True,
        changes=True,
    ),
    _for_present("skip", "jumps to the newest entry, if you are far behind", (_IN_ROOM,)),
    _about_files(
        "files",
        "lists the files of a room; @ lists your own",
        (_ANY_ROOM, Arg("brief", "only count them", _FLAG, True), _AFTER),
        (Alias("access server files", {"brief": True}), Alias("list server files")),
        reply=replies.FileList,
    ),
    _about_files(
        "versions",
        "lists all versions of a file",
        (_FILES_OF, _FILE, Arg("before", "list versions before this one", _NUMBER, True, _J)),
        reply=replies.VersionList,
    ),
    _for_speakers(
        "put",
        "uploads a file, to the room or to one user: exactly SIZE bytes follow the line",
        (
            Arg("room", "the room; or give `to`", optional=True, formats=_J),
            Arg("name", "the file's name", ArgType.FILE),
            Arg("size", "its size in bytes", _NUMBER),
            Arg("sha256", "to check it; such an upload can be resumed", ArgType.SHA256, True),
            Arg("offset", "resume: the first byte that follows", ArgType.OFFSET, True, _T),
            Arg("to", "send it only to this user", ArgType.USER, True),
            _KEY,
        ),
        reply=replies.PutTicket,
    ),
    _about_files(
        "get",
        "downloads a file; in text, shows a short one, and how to fetch any other",
        (
            _FILES_OF,
            _FILE,
            _FILE_VERSION,
            Arg("offset", "the first byte to send; 0 sends any file here", _NUMBER, True, _T),
            Arg("arriving", "also one that is still being uploaded", _FLAG, True, _J),
        ),
        (Alias("download NAME"),),
        reply=replies.GetTicket,
    ),
    _about_files(
        "link",
        "shows how to fetch a file from another terminal",
        (_FILES_OF, _FILE, _FILE_VERSION),
        reply=replies.GetTicket,
    ),
    _about_files(
        "remove",
        "removes a file of yours",
        (
            _FILES_OF,
            _FILE,
            Arg("version", "remove only this version; else all of yours", _VERSION, True),
        ),
        changes=True,
    ),
    _everywhere(
        "transfers",
        "lists your transfers, and the uploads that you can resume",
        reply=replies.TransferList,
    ),
    _everywhere(
        "cancel",
        "ends the transfers of a file, and deletes what was uploaded",
        (Arg("name", "the file's name", _REST),),
    ),
    _for_moderators(
        "kick",
        "puts a user out of the room; in the lobby, off the server",
        (_IN_ROOM, _USER, _REASON),
    ),
    _for_moderators(
        "ban",
        "keeps a user, or an address or a range of them, out of the room",
        (_IN_ROOM, Arg("user", "the user, or a range as 10.1.0.0/16"), _TIME, _REASON),
    ),
    _for_moderators(
        "unban", "ends a ban", (_IN_ROOM, Arg("user", "the user or range, as /rules shows it"))
    ),
    _for_moderators(
        "mute", "keeps a user from speaking in the room", (_IN_ROOM, _USER, _TIME, _REASON)
    ),
    _for_moderators("unmute", "lets a muted user speak again", (_IN_ROOM, _USER)),
    _for_moderators("freeze", "lets only moderators speak in the room", (_IN_ROOM,)),
    _for_moderators("unfreeze", "lets everybody in it speak again", (_IN_ROOM,)),
    _for_moderators(
        "slow",
        "sets the time between two messages of a user; 0 ends slow mode",
        (_IN_ROOM, Arg("seconds", "from one message to the next; at most 3600", _NUMBER)),
    ),
    _for_speakers(
        "edit",
        "gives what you said last, or your entry #POSITION, another text",
        (
            _IN_ROOM,
            Arg("position", "its position, as /history shows it", _POSITION, True),
            Arg("text", "the new text", _REST),
            _KEY,
        ),
        reply=replies.Annotated,
        rates=_TEXTS,
    ),
    _for_speakers(
        "react",
        "reacts to entry #POSITION with an emoji or a word; again: takes that back",
        (
            _IN_ROOM,
            _ENTRY,
            Arg("word", "an emoji, or a word of at most 40 bytes"),
            _KEY,
        ),
        reply=replies.Annotated,
        rates=_TEXTS,
    ),
    _for_moderators(
        "pin", "pins entry #POSITION", (_IN_ROOM, _ENTRY, _KEY), reply=replies.Annotated
    ),
    _for_moderators(
        "unpin",
        "takes the pin off entry #POSITION",
        (_IN_ROOM, _ENTRY, _KEY),
        reply=replies.Annotated,
    ),
    _for_readers("pins", "shows the pinned entries", (_IN_ROOM,), reply=replies.PinList),
    Command(
        "edits",
        "shows the former texts of entry #POSITION",
        (_IN_ROOM, _ENTRY),
        reply=replies.EditList,
        needs=Right.MODERATE,
    ),
    _for_readers(
        "erase",
        "erases what you said last, or entry #POSITION; moderators erase anybody's",
        (_IN_ROOM, Arg("position", "its position, as /history shows it", _POSITION, True)),
        reply=replies.Erased,
        changes=True,
    ),
    _for_moderators(
        "invite", "lets a user in without a password, and tells them", (_IN_ROOM, _USER)
    ),
    _for_moderators("uninvite", "takes an invitation back", (_IN_ROOM, _USER)),
    _for_owners("op", "makes a user a moderator of the room", (_IN_ROOM, _USER)),
    _for_owners("deop", "makes a moderator a user again", (_IN_ROOM, _USER)),
    _for_owners(
        "owner", "gives the room to a registered user", (_IN_ROOM, _USER), password_only=True
    ),
    _for_owners(
        "access",
        "sets who may join: everybody (public, or hidden from /rooms) or invited users; and a "
        "password",
        (
            _IN_ROOM,
            Arg("access", "public, hidden or invited", choices=("public", "hidden", "invited")),
            Arg("password", "the password to join; none if it is left out", optional=True),
        ),
    ),
    _for_owners(
        "close",
        "closes the room: everybody is put out, and all in it is kept; /access opens it again",
        (_IN_ROOM,),
    ),
    _for_readers(
        "rules",
        "shows the room's owner, moderators and rules",
        (_IN_ROOM,),
        reply=replies.RoomRules,
    ),
    Command(
        "record",
        "shows what moderators did in the room",
        (_IN_ROOM, Arg("limit", "at most so many (20; never more than 100)", _NUMBER, True)),
        reply=replies.ModerationLog,
        needs=Right.MODERATE,
    ),
    _showing_operators(
        "users",
        "lists all users who are here, with their rooms and addresses",
        (Arg("filter", "guest, registered, away, or a name with * in it", _REST, True), _AFTER),
        reply=replies.UserList,
    ),
    _showing_operators(
        "accounts",
        "lists the registered names",
        (Arg("filter", "here, gone, operator, token, or a name with * in it", _REST, True), _AFTER),
        reply=replies.AccountList,
    ),
    Command(
        "backup",
        "copies the database, the files and the TLS key of the running server, and checks the copy",
        (Arg("dir", "a new directory on the server's machine; the whole path", _REST),),
        reply=replies.BackupMade,
        needs=Right.ADMIN_SOCKET,
    ),
    _showing_operators(
        "status",
        "shows the server's state: connections, users, rooms, disk, queues, refusals",
        reply=replies.ServerStatus,
    ),
    Command(
        "broadcast",
        "sends a notice to everybody on the server",
        (_TEXT,),
        needs=Right.OPERATE,
        changes=True,
    ),
    _creating("register", "registers your name", (_NEW_PASSWORD, _CODE)),
    _creating(
        "signup",
        "registers a name, and takes it",
        (Arg("name", "the name to register"), _NEW_PASSWORD, _CODE),
        reply=replies.Welcome,
        needs=Right.NOTHING,
    ),
    _entering(
        "login",
        "takes your registered name",
        (_ACCOUNT, Arg("password", "its password, or a token", secret=PasswordKind.CURRENT)),
        reply=replies.Welcome,
        needs=Right.NOTHING,
    ),
    _for_accounts(
        "password",
        "changes your password, and ends your other connections that used it",
        (
            Arg("old", "your current password", secret=PasswordKind.CURRENT),
            Arg("new", "your new password", secret=PasswordKind.NEW),
        ),
    ),
    _for_accounts(
        "token",
        "makes a token: a password for a program; for one room, if you name it",
        (
            Arg("label", "your name for the token"),
            Arg("room", "the only room that it is good for", optional=True),
        ),
        reply=replies.NewToken,
    ),
    Command("tokens", "lists your tokens", reply=replies.TokenList, needs=Right.ACCOUNT),
    _for_accounts(
        "revoke",
        "revokes a token, and ends the connections that used it",
        (Arg("label", "the token's label"),),
    ),
    _for_operators(
        "account",
        "registers a name for somebody; without a password, the server makes one",
        (Arg("name", "the name"), Arg("password", "the password to log in with", optional=True)),
        reply=replies.NewPassword,
    ),
    _for_operators(
        "reset",
        "changes the password of a registered name, and ends its tokens and connections",
        (
            _ACCOUNT,
            Arg("password", "the new one; the server makes one if it is left out", optional=True),
        ),
        reply=replies.NewPassword,
    ),
    _for_operators(
        "code",
        "makes an invitation code, with which one person can register",
        reply=replies.InvitationCode,
    ),
    _for_operators(
        "uncode", "takes back an invitation code that nobody has used", (Arg("code", "the code"),)
    ),
    _for_operators(
        "unregister",
        "deletes an account: what it said stays, as of deleted-N; with erase, it is erased",
        (_ACCOUNT, _ERASE),
    ),
    _for_operators(
        "destroy",
        "deletes a room: what was said stays in the closed room deleted-N; with erase, it goes",
        (Arg("room", "the room"), _ERASE),
    ),
    _for_operators(
        "operator",
        "makes a registered name an operator of the server; with off, no longer",
        (_ACCOUNT, Arg("off", "the word off", optional=True, choices=("off",))),
    ),
    _showing_operators(
        "operators",
        "lists the registered names that operate the server",
        reply=replies.OperatorList,
    ),
    _entering("nick", "changes your name", (Arg("name", "the new name"),), reply=replies.Welcome),
    _for_anybody(
        "help",
        "lists commands, or explains one",
        (Arg("command", "a command, a topic, or all", optional=True),),
        (Alias("help"),),
        reply=replies.Help,
    ),
    _for_anybody(
        "quit",
        "ends the connection",
        (Arg("text", "a last word", _REST, True),),
        (Alias("quit"), Alias("bye")),
        rates=(),
    ),
)

COMMANDS: Mapping[str, Command] = MappingProxyType({row.name: row for row in _ROWS})
"""Every command, by name."""

SAY = COMMANDS["say"]


MayUse = Callable[[Command], bool]
"""Returns whether the user may use a command now."""


def closest_command(name: str, format_: Format, may: MayUse) -> str | None:
    """Return the name of the command closest to `name` that the user may use; None if none is
    close."""
    known = [row.name for row in _ROWS if row.formats & format_]
    near = difflib.get_close_matches(name.casefold()[:32], known, n=len(known), cutoff=0.6)
    return next((it for it in near if may(COMMANDS[it])), None)


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(time: str) -> int:
    """Return the seconds of a word of the type `TIME`: `1h30m`, `30min`."""
    parts = re.findall(r"([0-9]+)([a-z])[a-z]*", time)
    return sum(int(count) * _SECONDS[unit] for count, unit in parts)


_UNITS = re.compile(r"(?:sec|second|min|minute|hour|hr|day|week|month|year)s?\b")
_COUNTS = re.compile(
    r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|some|few|several) +"
)


def looks_like_a_time(text: str) -> bool:
    """Return whether a text that begins with no `TIME` may be meant to begin with one.

    Examples: `60`, `-5m`, `for 2 hours`, `an hour`, `PT1H`.
    """
    text = re.sub("^(?:for|in|until|till) +", "", text[:64].strip().casefold())
    bare = re.sub(r"^(?:pt?(?=[0-9])|\W+)", "", text)
    while found := _COUNTS.match(text):
        text = text[found.end() :]
        if _UNITS.match(text):
            return True
    return bare[:1].isnumeric()
