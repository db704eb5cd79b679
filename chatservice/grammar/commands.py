"""The table of commands. Dispatch, `/help`, the client and docs/protocol.md come from it."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from types import MappingProxyType
from typing import Any

from chatservice import replies


class Format(Flag):
    """Which of the two formats knows a command, or an argument."""

    TEXT = auto()
    JSON = auto()
    BOTH = TEXT | JSON


class Right(Enum):
    """What a command, or an argument of it, needs of who gives it. `chatservice.domain.rights` says
    who has it."""

    NOTHING = "nothing"
    NAME = "a name"
    ACCOUNT = "a registered name"
    READ = "to be let into the room"
    PRESENCE = "to be in the room"
    SPEAK = "to be in the room, and let speak"
    MODERATE = "to moderate the room"
    OWN = "to own the room"
    OPERATE = "to run the server"
    ADMIN_SOCKET = "to connect through the admin socket"


class ArgType(Enum):
    """What an argument looks like.

    The value says it in words, has the pattern that a typed word must match to be taken for it,
    and the type that it has in JSON. `REST` and `FILE` take all that the words around them leave
    over, with its spaces.
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
    FLAG = ("true or false", r"(?!)", bool)

    def __init__(self, description: str, pattern: str, type_: type) -> None:
        self.description = description
        self.pattern = re.compile(pattern, re.DOTALL)
        self.json_type = type_

    @property
    def mark(self) -> str:
        """The sign that a word of this form begins with, or nothing."""
        marks = {
            ArgType.USER: "@",
            ArgType.POSITION: "#",
            ArgType.VERSION: "#",
            ArgType.OFFSET: "+",
        }
        return marks.get(self, "")

    @property
    def greedy(self) -> bool:
        """Whether it may hold spaces."""
        return self in (ArgType.REST, ArgType.FILE)


class PasswordKind(Enum):
    """What is asked for where nobody sees it typed, if it is left out."""

    CURRENT = "a password that one has"
    NEW = "a password to have, asked for twice"


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument of a command. `help` says what goes in, for the reference. One that needs more
    than the command does says so in `needs`, and a password in `secret`. Where only a few words
    make sense, they are `choices`."""

    name: str
    type: ArgType
    help: str = ""
    optional: bool = False
    formats: Format = Format.BOTH
    json_optional: bool | None = None
    needs: Right = Right.NOTHING
    secret: PasswordKind | None = None
    choices: tuple[str, ...] = ()

    @property
    def private(self) -> bool:
        """Whether it is a password, which nobody but who types it may see or keep."""
        return self.secret is not None or self.name == "password"

    def is_optional(self, format_: Format) -> bool:
        """Return whether it may be left out in that format."""
        if format_ is Format.JSON and self.json_optional is not None:
            return self.json_optional
        return self.optional

    @property
    def usage(self) -> str:
        """How `/help` names it: `ROOM`, `[PASSWORD]`, `[@USER]`."""
        word = self.type.mark + ("USER" if self.type is ArgType.USER else self.name.upper())
        return f"[{word}]" if self.optional else word


@dataclass(frozen=True, slots=True)
class Alias:
    """Words that call a command without its slash, where the whole line has exactly that shape.

    `shape` is made of words to be typed as they stand and, in capitals, arguments of the command;
    `sets` gives further arguments a value.
    """

    shape: str
    sets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the table. `answer` is what it is answered with."""

    name: str
    help: str
    args: tuple[Arg, ...] = ()
    aliases: tuple[Alias, ...] = ()
    reply: type = replies.Done
    needs: Right = Right.NAME
    formats: Format = Format.BOTH

    def arguments(self, format_: Format) -> Iterator[Arg]:
        """The arguments that it has in that format, in their order."""
        return (arg for arg in self.args if arg.formats & format_)

    @property
    def usage(self) -> str:
        """`/put NAME SIZE [SHA256] [@USER]`."""
        shown = (a.usage for a in self.arguments(Format.TEXT) if a.type is not ArgType.FLAG)
        return " ".join([f"/{self.name}", *shown])


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its arguments, whichever way it came in. `args` holds only what was given.
    `bare` is the line, where that called it without its slash: it may have been meant as talk."""

    command: Command
    args: Mapping[str, Any]
    id: str | int | None = None
    bare: str = ""


_T, _J = Format.TEXT, Format.JSON
_HERE = Arg("room", ArgType.WORD, "the room", formats=_J)
"""The room of a command that, typed, always means the room one is in."""
_SHELF = Arg("room", ArgType.WORD, "the shelf; `@` is your own", formats=_J)
_FILE = Arg("name", ArgType.FILE, "the file's name; ROOM/NAME, @/NAME: of another shelf")
_USER = Arg("user", ArgType.WORD, "the user")
_WHY = Arg("text", ArgType.REST, "why", True)
_FOR = Arg("time", ArgType.TIME, "for how long; else for good", True)
_CODE = Arg("code", ArgType.WORD, "where one registers by invitation", True)
_ACCESS = ("public", "hidden", "invited")
_KEY = Arg(
    "key", ArgType.WORD, "the client's choice; sent again with it, it is not said twice", True, _J
)

_ROWS = (
    Command(
        "hello",
        "says who one is; comes first",
        (
            Arg("name", ArgType.WORD, "the user's name"),
            Arg("password", ArgType.WORD, "of a registered name, or a token in its place", True),
            Arg("token", ArgType.WORD, "of an earlier `hello`, to take the name over", True),
            Arg("after", ArgType.NUMBER, "inbox: what comes after that position", True),
        ),
        reply=replies.Welcome,
        needs=Right.NOTHING,
        formats=_J,
    ),
    Command(
        "join",
        "moves to a room, by name or by number",
        (
            Arg("room", ArgType.WORD, "its name or number"),
            Arg("password", ArgType.WORD, "where it has one", True),
            Arg("after", ArgType.NUMBER, "first the entries after that position", True, _J),
        ),
        (Alias("join [ROOM]"), Alias("-goto ROOM")),
        reply=replies.Joined,
    ),
    Command(
        "create",
        "makes a room and moves there",
        (
            Arg("room", ArgType.WORD, "its name; else the server picks one", True),
            Arg("password", ArgType.WORD, "to be asked of who joins", True),
        ),
        (Alias("create [ROOM]"), Alias("NEW [ROOM]")),
        reply=replies.Created,
    ),
    Command(
        "leave",
        "leaves the room; who types is in the lobby then",
        (
            Arg(
                "room",
                ArgType.WORD,
                "the room; typed, this one if none is named",
                True,
                json_optional=False,
            ),
        ),
    ),
    Command(
        "exit",
        "back to the lobby; from the lobby, ends the connection",
        aliases=(Alias("exit"),),
        formats=_T,
    ),
    Command(
        "rooms",
        "lists the rooms; see /help /rooms",
        (
            Arg("after", ArgType.POSITION, "only those whose numbers come after that", True),
            Arg(
                "filter",
                ArgType.REST,
                "words that all fit: public, hidden, invited, closed, locked, empty, used; or a "
                "name with * in it, as dev-*",
                True,
            ),
        ),
        reply=replies.RoomList,
    ),
    Command(
        "who",
        "lists who is in a room",
        (
            Arg(
                "room",
                ArgType.WORD,
                "the room; typed, this one if none is named",
                True,
                json_optional=False,
            ),
            Arg("after", ArgType.WORD, "only those whose names come after that", True, _J),
        ),
        reply=replies.MemberList,
        needs=Right.READ,
    ),
    Command(
        "topic",
        "shows or sets what the room is about",
        (_HERE, Arg("text", ArgType.REST, "the new topic", True, needs=Right.SPEAK)),
        reply=replies.Topic,
        needs=Right.READ,
    ),
    Command(
        "say",
        "says a line, also one that begins with a slash",
        (_HERE, Arg("text", ArgType.REST, "what to say"), _KEY),
        reply=replies.Stored,
        needs=Right.SPEAK,
    ),
    Command(
        "me",
        "shows what you do: ~ alice waves",
        (_HERE, Arg("text", ArgType.REST, "what you do"), _KEY),
        reply=replies.Stored,
        needs=Right.SPEAK,
    ),
    Command(
        "msg",
        "writes to one user; a registered one may be away",
        (Arg("to", ArgType.WORD, "the user"), Arg("text", ArgType.REST, "what to say"), _KEY),
        (Alias("@TO TEXT"), Alias("-pr TO TEXT")),
        reply=replies.PrivateSent,
    ),
    Command(
        "away",
        "tells who writes to you that you are away, and why; alone: you are back",
        (Arg("text", ArgType.REST, "why", True),),
    ),
    Command(
        "ignore",
        "hides what a user says from this connection; again: shows it",
        (Arg("user", ArgType.WORD, "the user"),),
    ),
    Command(
        "history",
        "shows the last entries, or those after #AFTER",
        (
            Arg("room", ArgType.WORD, "the room", formats=_J),
            Arg("after", ArgType.POSITION, "those after this position, the first ones", True),
            Arg("before", ArgType.NUMBER, "those before this position, the last ones", True, _J),
            Arg("limit", ArgType.NUMBER, "how many at most (20; never more than 1000)", True),
        ),
        reply=replies.History,
        needs=Right.READ,
    ),
    Command(
        "search",
        'finds what was said here: all words, "in a row", or begin*',
        (
            Arg("room", ArgType.WORD, "the room", formats=_J),
            Arg("text", ArgType.REST, "words that an entry has; any case, with or without accents"),
            Arg("before", ArgType.NUMBER, "those before this position", True, _J),
            Arg("limit", ArgType.NUMBER, "how many at most (20; never more than 100)", True, _J),
        ),
        reply=replies.SearchMatches,
        needs=Right.READ,
    ),
    Command(
        "skip",
        "jumps to the newest entry, if you are far behind",
        (_HERE,),
        needs=Right.PRESENCE,
    ),
    Command(
        "files",
        "lists the shelf of a room; @ is your own",
        (
            Arg(
                "room",
                ArgType.WORD,
                "the room; typed, this one if none is named",
                True,
                json_optional=False,
            ),
            Arg("brief", ArgType.FLAG, "only how many", True),
            Arg("after", ArgType.WORD, "only those whose names come after that", True, _J),
        ),
        (Alias("access server files", {"brief": True}), Alias("list server files")),
        reply=replies.FileList,
        needs=Right.READ,
    ),
    Command(
        "versions",
        "lists all that a file's name has held",
        (_SHELF, _FILE, Arg("before", ArgType.NUMBER, "those before this number", True, _J)),
        reply=replies.VersionList,
        needs=Right.READ,
    ),
    Command(
        "put",
        "uploads a file, to the room or to one user: exactly SIZE bytes follow the line",
        (
            Arg("room", ArgType.WORD, "the room; or `to`", True, _J),
            Arg("name", ArgType.FILE, "the file's name"),
            Arg("size", ArgType.NUMBER, "how many bytes"),
            Arg("sha256", ArgType.SHA256, "checked if given; then it can be interrupted", True),
            Arg(
                "offset", ArgType.OFFSET, "go on behind so many bytes, which are not sent", True, _T
            ),
            Arg("to", ArgType.USER, "only for that user", True),
            Arg(
                "key",
                ArgType.WORD,
                "the client's choice; what was shared with it is not shared twice",
                True,
                _J,
            ),
        ),
        reply=replies.PutTicket,
        needs=Right.SPEAK,
    ),
    Command(
        "get",
        "downloads a file; who types is told how to fetch it, unless it is a short text",
        (
            _SHELF,
            _FILE,
            Arg("version", ArgType.VERSION, "which one; else the newest", True),
            Arg("offset", ArgType.NUMBER, "where to begin; 0 gets the bytes in any case", True, _T),
            Arg("arriving", ArgType.FLAG, "also one that is still being uploaded", True, _J),
        ),
        (Alias("download NAME"),),
        reply=replies.GetTicket,
        needs=Right.READ,
    ),
    Command(
        "link",
        "tells how to fetch a file from another terminal",
        (_SHELF, _FILE, Arg("version", ArgType.VERSION, "which one; else the newest", True)),
        reply=replies.GetTicket,
        needs=Right.READ,
    ),
    Command(
        "remove",
        "takes your own file off the shelf",
        (_SHELF, _FILE, Arg("version", ArgType.VERSION, "only that one; else all of yours", True)),
        needs=Right.READ,
    ),
    Command(
        "transfers",
        "lists your transfers, and the uploads that you can go on with",
        reply=replies.TransferList,
    ),
    Command(
        "cancel",
        "ends the transfers of a file, and keeps nothing of what came",
        (Arg("name", ArgType.REST, "the file's name"),),
    ),
    Command(
        "kick",
        "puts a user out of the room; out of the lobby is off the server",
        (_HERE, _USER, _WHY),
        needs=Right.MODERATE,
    ),
    Command(
        "ban",
        "keeps a user, or an address or a range of them, out of the room",
        (_HERE, Arg("user", ArgType.WORD, "the user, or as 10.1.0.0/16"), _FOR, _WHY),
        needs=Right.MODERATE,
    ),
    Command(
        "unban",
        "lets them in again",
        (_HERE, Arg("user", ArgType.WORD, "whom, as /rules shows it")),
        needs=Right.MODERATE,
    ),
    Command(
        "mute",
        "keeps a user from speaking in the room",
        (_HERE, _USER, _FOR, _WHY),
        needs=Right.MODERATE,
    ),
    Command("unmute", "lets them speak again", (_HERE, _USER), needs=Right.MODERATE),
    Command("freeze", "lets only who moderates the room speak", (_HERE,), needs=Right.MODERATE),
    Command("unfreeze", "lets everybody in it speak again", (_HERE,), needs=Right.MODERATE),
    Command(
        "slow",
        "lets each user say something only every so often; 0 ends it",
        (_HERE, Arg("seconds", ArgType.NUMBER, "from one message to the next; at most 3600")),
        needs=Right.MODERATE,
    ),
    Command(
        "erase",
        "erases what you said last, or entry #POSITION; moderators erase anybody's",
        (_HERE, Arg("position", ArgType.POSITION, "its position, as /history shows it", True)),
        reply=replies.Erased,
        needs=Right.READ,
    ),
    Command(
        "invite",
        "lets a user in without a password, and tells them",
        (_HERE, _USER),
        needs=Right.MODERATE,
    ),
    Command("uninvite", "takes that back", (_HERE, _USER), needs=Right.MODERATE),
    Command("op", "lets a user moderate the room", (_HERE, _USER), needs=Right.OWN),
    Command("deop", "takes that back", (_HERE, _USER), needs=Right.OWN),
    Command("owner", "gives the room to a registered user", (_HERE, _USER), needs=Right.OWN),
    Command(
        "access",
        "says who may come in: public, hidden from /rooms, or invited; and with which password",
        (
            _HERE,
            Arg("access", ArgType.WORD, "public, hidden or invited", choices=_ACCESS),
            Arg("password", ArgType.WORD, "to be asked of who joins; else there is none", True),
        ),
        needs=Right.OWN,
    ),
    Command(
        "close",
        "puts everybody out of the room, and keeps it as it is; /access opens it again",
        (_HERE,),
        needs=Right.OWN,
    ),
    Command(
        "rules",
        "shows who owns and moderates the room, and what holds there",
        (_HERE,),
        reply=replies.RoomRules,
        needs=Right.READ,
    ),
    Command(
        "record",
        "shows what was done to keep order in the room",
        (_HERE, Arg("limit", ArgType.NUMBER, "how many at most (20; never more than 100)", True)),
        reply=replies.ModerationLog,
        needs=Right.MODERATE,
    ),
    Command(
        "users",
        "lists everybody who is here, in which rooms, and from where",
        (
            Arg("filter", ArgType.REST, "guest, registered, away, or a name with * in it", True),
            Arg("after", ArgType.WORD, "only those whose names come after that", True, _J),
        ),
        reply=replies.UserList,
        needs=Right.OPERATE,
    ),
    Command(
        "accounts",
        "lists the registered names",
        (
            Arg(
                "filter", ArgType.REST, "here, gone, operator, token, or a name with * in it", True
            ),
            Arg("after", ArgType.WORD, "only those that come after that", True, _J),
        ),
        reply=replies.AccountList,
        needs=Right.OPERATE,
    ),
    Command(
        "backup",
        "copies the database, the files and the key for TLS, while the server runs, and checks it",
        (Arg("dir", ArgType.REST, "a new directory on the server's machine, with its whole path"),),
        reply=replies.BackupMade,
        needs=Right.ADMIN_SOCKET,
    ),
    Command(
        "status",
        "tells how the server is: who and what is here, the disk, what waits, what was refused",
        reply=replies.ServerStatus,
        needs=Right.OPERATE,
    ),
    Command(
        "broadcast",
        "tells everybody on the server something, now",
        (Arg("text", ArgType.REST, "what"),),
        needs=Right.OPERATE,
    ),
    Command(
        "register",
        "keeps your name for you",
        (Arg("password", ArgType.WORD, "to log in with", secret=PasswordKind.NEW), _CODE),
    ),
    Command(
        "signup",
        "registers a name, and takes it",
        (
            Arg("name", ArgType.WORD, "the name to register"),
            Arg("password", ArgType.WORD, "to log in with", secret=PasswordKind.NEW),
            _CODE,
        ),
        reply=replies.Welcome,
        needs=Right.NOTHING,
    ),
    Command(
        "login",
        "takes your registered name",
        (
            Arg("name", ArgType.WORD, "the registered name"),
            Arg("password", ArgType.WORD, "its password, or a token", secret=PasswordKind.CURRENT),
        ),
        reply=replies.Welcome,
        needs=Right.NOTHING,
    ),
    Command(
        "password",
        "changes your password, and ends your other connections that came in with it",
        (
            Arg("old", ArgType.WORD, "the one that you have", secret=PasswordKind.CURRENT),
            Arg("new", ArgType.WORD, "the one to have from now on", secret=PasswordKind.NEW),
        ),
        needs=Right.ACCOUNT,
    ),
    Command(
        "token",
        "makes a token: for a program, in place of your password; for one room, if you wish",
        (
            Arg("label", ArgType.WORD, "what you call it"),
            Arg("room", ArgType.WORD, "the only room that it is good for", True),
        ),
        reply=replies.NewToken,
        needs=Right.ACCOUNT,
    ),
    Command("tokens", "lists your tokens", reply=replies.TokenList, needs=Right.ACCOUNT),
    Command(
        "revoke",
        "ends a token, and the connections that came in with it",
        (Arg("label", ArgType.WORD, "what you call it"),),
        needs=Right.ACCOUNT,
    ),
    Command(
        "account",
        "registers a name for somebody; without a password the server makes one up",
        (
            Arg("name", ArgType.WORD, "the name"),
            Arg("password", ArgType.WORD, "to log in with", True),
        ),
        reply=replies.NewPassword,
        needs=Right.OPERATE,
    ),
    Command(
        "reset",
        "gives a registered name another password, and ends its tokens and connections",
        (
            Arg("name", ArgType.WORD, "the registered name"),
            Arg("password", ArgType.WORD, "the new one; else the server makes one up", True),
        ),
        reply=replies.NewPassword,
        needs=Right.OPERATE,
    ),
    Command(
        "code",
        "makes an invitation code, with which one person can register",
        reply=replies.InvitationCode,
        needs=Right.OPERATE,
    ),
    Command(
        "uncode",
        "takes an invitation code back that nobody has used",
        (Arg("code", ArgType.WORD, "the code"),),
        needs=Right.OPERATE,
    ),
    Command(
        "unregister",
        "deletes an account: what it said stays, as of deleted-N; with erase, it is erased",
        (
            Arg("name", ArgType.WORD, "the registered name"),
            Arg("erase", ArgType.WORD, "the word erase", True, choices=("erase",)),
        ),
        needs=Right.OPERATE,
    ),
    Command(
        "destroy",
        "deletes a room: what was said stays in the closed room deleted-N; with erase, it goes",
        (
            Arg("room", ArgType.WORD, "the room"),
            Arg("erase", ArgType.WORD, "the word erase", True, choices=("erase",)),
        ),
        needs=Right.OPERATE,
    ),
    Command(
        "operator",
        "lets a registered name run the server; with off, no longer",
        (
            Arg("name", ArgType.WORD, "the registered name"),
            Arg("off", ArgType.WORD, "the word off, to take it back", True, choices=("off",)),
        ),
        needs=Right.OPERATE,
    ),
    Command(
        "operators",
        "lists the registered names that run the server",
        reply=replies.OperatorList,
        needs=Right.OPERATE,
    ),
    Command(
        "nick",
        "takes another name",
        (Arg("name", ArgType.WORD, "the new name"),),
        reply=replies.Welcome,
    ),
    Command(
        "help",
        "lists commands, or explains one",
        (Arg("command", ArgType.WORD, "which one; or a topic, or all", True),),
        (Alias("help"),),
        reply=replies.Help,
        needs=Right.NOTHING,
    ),
    Command(
        "quit",
        "ends the connection",
        (Arg("text", ArgType.REST, "a last word", True),),
        (Alias("quit"), Alias("bye")),
        needs=Right.NOTHING,
    ),
)

COMMANDS: Mapping[str, Command] = MappingProxyType({row.name: row for row in _ROWS})
"""Every command, by its name."""

SAY = COMMANDS["say"]


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(time: str) -> int:
    """Return how many seconds a word of the form `TIME` is: `1h30m`, `30min`."""
    parts = re.findall(r"([0-9]+)([a-z])[a-z]*", time)
    return sum(int(count) * _SECONDS[unit] for count, unit in parts)


_UNITS = re.compile(r"(?:sec|second|min|minute|hour|hr|day|week|month|year)s?\b")
_COUNTS = re.compile(
    r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|some|few|several) +"
)


def looks_like_a_time(text: str) -> bool:
    """Return whether somebody may have meant a time by the beginning of a text that is none:
    `60`, `-5m`, `for 2 hours`, `an hour`, `PT1H`."""
    text = re.sub("^(?:for|in|until|till) +", "", text[:64].strip().casefold())
    bare = re.sub(r"^(?:pt?(?=[0-9])|\W+)", "", text)
    while found := _COUNTS.match(text):
        text = text[found.end() :]
        if _UNITS.match(text):
            return True
    return bare[:1].isnumeric()


def closest_command(name: str, format_: Format) -> str | None:
    """Return the command whose name is most like `name`, or None where none is like it."""
    known = [row.name for row in _ROWS if row.formats & format_]
    near = difflib.get_close_matches(name.casefold()[:32], known, n=1, cutoff=0.6)
    return near[0] if near else None


TOPICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "talking": (
            *("say", "me", "msg", "away", "ignore", "topic", "history", "search", "skip", "erase"),
            *("help", "quit"),
        ),
        "rooms": ("rooms", "join", "create", "leave", "exit", "who", "rules"),
        "files": ("files", "link", "get", "put", "versions", "remove", "transfers", "cancel"),
        "names": (
            *("nick", "register", "signup", "login", "password", "token", "tokens", "revoke"),
        ),
        "order": tuple(row.name for row in _ROWS if row.needs in (Right.MODERATE, Right.OWN)),
        "server": tuple(
            row.name for row in _ROWS if row.needs in (Right.OPERATE, Right.ADMIN_SOCKET)
        ),
    }
)
"""The topics of `/help`. Every command that can be typed is there once."""

ALL = "all"
"""The topic that has all of them."""

_FIRST = ("rooms", "join", "create", "who", "msg", "history", "files", "link", "register", "quit")
_FIRST_OF_STRANGERS = ("signup", "login", "quit")

MayUse = Callable[[Command], bool]
"""Returns whether who asks may give a command."""


def help_overview(may: MayUse, named: bool) -> tuple[str, ...]:
    """Return what `/help` alone shows to a person, who is `named` or has yet to say who they are:
    the commands that matter first, of those that they may give, and how to learn of the others."""
    rows = [COMMANDS[name] for name in (_FIRST if named else _FIRST_OF_STRANGERS)]
    lines = [_explained(row) for row in rows if may(row)]
    if not named:
        return ("Type your name to come in.", *lines)
    topics = [it for it, of in TOPICS.items() if any(may(COMMANDS[name]) for name in of)]
    return (
        *lines,
        f"/help TOPIC - tells more: {', '.join(topics)}, {ALL}",
        "/help COMMAND - explains one of them",
    )


def help_lines(about: str | None = None, may: MayUse = lambda _: True) -> tuple[str, ...]:
    """Return all about a command, or a line for each command of a topic that one `may` give; of
    all, where none is named. Empty if there is no such."""
    topic = None if about is None else about.casefold()
    if topic in (None, ALL):
        return tuple(_explained(row) for row in _ROWS if row.formats & Format.TEXT and may(row))
    if topic in TOPICS:
        return tuple(_explained(COMMANDS[name]) for name in TOPICS[topic] if may(COMMANDS[name]))
    row = COMMANDS.get(topic.removeprefix("/"))
    if row is None or not row.formats & Format.TEXT:
        return ()
    lines = [_explained(row)]
    lines += [
        f"  {arg.usage} - {arg.help}"
        for arg in row.arguments(Format.TEXT)
        if arg.type is not ArgType.FLAG
    ]
    if row.aliases:
        lines.append("  also: " + ", ".join(also.shape for also in row.aliases))
    return tuple(lines)


def _explained(row: Command) -> str:
    return f"{row.usage} - {row.help}"
