"""The table of commands. Dispatch, `/help`, the client and docs/protocol.md come from it."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from types import MappingProxyType
from typing import Any

from chatservice import answers


class Dialect(Flag):
    """Which of the two dialects knows a command, or an argument."""

    TEXT = auto()
    JSON = auto()
    BOTH = TEXT | JSON


class Need(Enum):
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
    DOOR = "to come through the operator's door"


class Form(Enum):
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
        self.type = type_

    @property
    def mark(self) -> str:
        """The sign that a word of this form begins with, or nothing."""
        marks = {Form.USER: "@", Form.POSITION: "#", Form.VERSION: "#", Form.OFFSET: "+"}
        return marks.get(self, "")

    @property
    def greedy(self) -> bool:
        """Whether it may hold spaces."""
        return self in (Form.REST, Form.FILE)


class Secret(Enum):
    """What is asked for where nobody sees it typed, if it is left out."""

    KNOWN = "a password that one has"
    NEW = "a password to have, asked for twice"


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument of a command. `help` says what goes in, for the reference. One that needs more
    than the command does says so in `needs`, and a password in `secret`. Where only a few words
    make sense, they are `choices`."""

    name: str
    form: Form
    help: str = ""
    optional: bool = False
    dialect: Dialect = Dialect.BOTH
    json_optional: bool | None = None
    needs: Need = Need.NOTHING
    secret: Secret | None = None
    choices: tuple[str, ...] = ()

    @property
    def private(self) -> bool:
        """Whether it is a password, which nobody but who types it may see or keep."""
        return self.secret is not None or self.name == "password"

    def is_optional(self, dialect: Dialect) -> bool:
        """Return whether it may be left out in that dialect."""
        if dialect is Dialect.JSON and self.json_optional is not None:
            return self.json_optional
        return self.optional

    @property
    def usage(self) -> str:
        """How `/help` names it: `ROOM`, `[PASSWORD]`, `[@USER]`."""
        word = self.form.mark + ("USER" if self.form is Form.USER else self.name.upper())
        return f"[{word}]" if self.optional else word


@dataclass(frozen=True, slots=True)
class Also:
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
    also: tuple[Also, ...] = ()
    answer: type = answers.Done
    needs: Need = Need.NAME
    dialect: Dialect = Dialect.BOTH

    def arguments(self, dialect: Dialect) -> Iterator[Arg]:
        """The arguments that it has in that dialect, in their order."""
        return (arg for arg in self.args if arg.dialect & dialect)

    @property
    def usage(self) -> str:
        """`/put NAME SIZE [SHA256] [@USER]`."""
        shown = (a.usage for a in self.arguments(Dialect.TEXT) if a.form is not Form.FLAG)
        return " ".join([f"/{self.name}", *shown])


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its arguments, whichever way it came in. `args` holds only what was given.
    `bare` is the line, where that called it without its slash: it may have been meant as talk."""

    command: Command
    args: Mapping[str, Any]
    id: str | int | None = None
    bare: str = ""


_T, _J = Dialect.TEXT, Dialect.JSON
_HERE = Arg("room", Form.WORD, "the room", dialect=_J)
"""The room of a command that, typed, always means the room one is in."""
_SHELF = Arg("room", Form.WORD, "the shelf; `@` is your own", dialect=_J)
_FILE = Arg("name", Form.FILE, "the file's name; ROOM/NAME, @/NAME: of another shelf")
_USER = Arg("user", Form.WORD, "the user")
_WHY = Arg("text", Form.REST, "why", True)
_FOR = Arg("time", Form.TIME, "for how long; else for good", True)
_CODE = Arg("code", Form.WORD, "where one registers by invitation", True)
_ACCESS = ("public", "hidden", "invited")
_KEY = Arg(
    "key", Form.WORD, "the client's choice; sent again with it, it is not said twice", True, _J
)

_ROWS = (
    Command(
        "hello",
        "says who one is; comes first",
        (
            Arg("name", Form.WORD, "the user's name"),
            Arg("password", Form.WORD, "of a registered name, or a token in its place", True),
            Arg("token", Form.WORD, "of an earlier `hello`, to take the name over", True),
            Arg("after", Form.NUMBER, "inbox: what comes after that position", True),
        ),
        answer=answers.Welcome,
        needs=Need.NOTHING,
        dialect=_J,
    ),
    Command(
        "join",
        "moves to a room, by name or by number",
        (
            Arg("room", Form.WORD, "its name or number"),
            Arg("password", Form.WORD, "where it has one", True),
            Arg("after", Form.NUMBER, "first the entries after that position", True, _J),
        ),
        (Also("join [ROOM]"), Also("-goto ROOM")),
        answer=answers.Joined,
    ),
    Command(
        "create",
        "makes a room and moves there",
        (
            Arg("room", Form.WORD, "its name; else the server picks one", True),
            Arg("password", Form.WORD, "to be asked of who joins", True),
        ),
        (Also("create [ROOM]"), Also("NEW [ROOM]")),
        answer=answers.Made,
    ),
    Command(
        "leave",
        "leaves the room; who types is in the lobby then",
        (
            Arg(
                "room",
                Form.WORD,
                "the room; typed, this one if none is named",
                True,
                json_optional=False,
            ),
        ),
    ),
    Command(
        "exit",
        "back to the lobby; from the lobby, ends the connection",
        also=(Also("exit"),),
        dialect=_T,
    ),
    Command(
        "rooms",
        "lists the rooms; see /help /rooms",
        (
            Arg("after", Form.POSITION, "only those whose numbers come after that", True),
            Arg(
                "filter",
                Form.REST,
                "words that all fit: public, hidden, invited, closed, locked, empty, used; or a "
                "name with * in it, as dev-*",
                True,
            ),
        ),
        answer=answers.RoomList,
    ),
    Command(
        "who",
        "lists who is in a room",
        (
            Arg(
                "room",
                Form.WORD,
                "the room; typed, this one if none is named",
                True,
                json_optional=False,
            ),
            Arg("after", Form.WORD, "only those whose names come after that", True, _J),
        ),
        answer=answers.Members,
        needs=Need.READ,
    ),
    Command(
        "topic",
        "shows or sets what the room is about",
        (_HERE, Arg("text", Form.REST, "the new topic", True, needs=Need.SPEAK)),
        answer=answers.Topic,
        needs=Need.READ,
    ),
    Command(
        "say",
        "says a line, also one that begins with a slash",
        (_HERE, Arg("text", Form.REST, "what to say"), _KEY),
        answer=answers.Stored,
        needs=Need.SPEAK,
    ),
    Command(
        "me",
        "shows what you do: ~ alice waves",
        (_HERE, Arg("text", Form.REST, "what you do"), _KEY),
        answer=answers.Stored,
        needs=Need.SPEAK,
    ),
    Command(
        "msg",
        "writes to one user; a registered one may be away",
        (Arg("to", Form.WORD, "the user"), Arg("text", Form.REST, "what to say"), _KEY),
        (Also("@TO TEXT"), Also("-pr TO TEXT")),
        answer=answers.Private,
    ),
    Command(
        "away",
        "tells who writes to you that you are away, and why; alone: you are back",
        (Arg("text", Form.REST, "why", True),),
    ),
    Command(
        "ignore",
        "hides what a user says from this connection; again: shows it",
        (Arg("user", Form.WORD, "the user"),),
    ),
    Command(
        "history",
        "shows the last entries, or those after #AFTER",
        (
            Arg("room", Form.WORD, "the room", dialect=_J),
            Arg("after", Form.POSITION, "those after this position, the first ones", True),
            Arg("before", Form.NUMBER, "those before this position, the last ones", True, _J),
            Arg("limit", Form.NUMBER, "how many at most (20; never more than 1000)", True),
        ),
        answer=answers.History,
        needs=Need.READ,
    ),
    Command(
        "search",
        'finds what was said here: all words, "in a row", or begin*',
        (
            Arg("room", Form.WORD, "the room", dialect=_J),
            Arg("text", Form.REST, "words that an entry has; any case, with or without accents"),
            Arg("before", Form.NUMBER, "those before this position", True, _J),
            Arg("limit", Form.NUMBER, "how many at most (20; never more than 100)", True, _J),
        ),
        answer=answers.Matches,
        needs=Need.READ,
    ),
    Command(
        "skip",
        "jumps to the newest entry, if you are far behind",
        (_HERE,),
        needs=Need.PRESENCE,
    ),
    Command(
        "files",
        "lists the shelf of a room; @ is your own",
        (
            Arg(
                "room",
                Form.WORD,
                "the room; typed, this one if none is named",
                True,
                json_optional=False,
            ),
            Arg("brief", Form.FLAG, "only how many", True),
            Arg("after", Form.WORD, "only those whose names come after that", True, _J),
        ),
        (Also("access server files", {"brief": True}), Also("list server files")),
        answer=answers.FileList,
        needs=Need.READ,
    ),
    Command(
        "versions",
        "lists all that a file's name has held",
        (_SHELF, _FILE, Arg("before", Form.NUMBER, "those before this number", True, _J)),
        answer=answers.Versions,
        needs=Need.READ,
    ),
    Command(
        "put",
        "uploads a file, to the room or to one user: exactly SIZE bytes follow the line",
        (
            Arg("room", Form.WORD, "the room; or `to`", True, _J),
            Arg("name", Form.FILE, "the file's name"),
            Arg("size", Form.NUMBER, "how many bytes"),
            Arg("sha256", Form.SHA256, "checked if given; then it can be interrupted", True),
            Arg("offset", Form.OFFSET, "go on behind so many bytes, which are not sent", True, _T),
            Arg("to", Form.USER, "only for that user", True),
            Arg(
                "key",
                Form.WORD,
                "the client's choice; what was shared with it is not shared twice",
                True,
                _J,
            ),
        ),
        answer=answers.PutTicket,
        needs=Need.SPEAK,
    ),
    Command(
        "get",
        "downloads a file; who types is told how to fetch it, unless it is a short text",
        (
            _SHELF,
            _FILE,
            Arg("version", Form.VERSION, "which one; else the newest", True),
            Arg("offset", Form.NUMBER, "where to begin; 0 gets the bytes in any case", True, _T),
            Arg("arriving", Form.FLAG, "also one that is still being uploaded", True, _J),
        ),
        (Also("download NAME"),),
        answer=answers.GetTicket,
        needs=Need.READ,
    ),
    Command(
        "link",
        "tells how to fetch a file from another terminal",
        (_SHELF, _FILE, Arg("version", Form.VERSION, "which one; else the newest", True)),
        answer=answers.GetTicket,
        needs=Need.READ,
    ),
    Command(
        "remove",
        "takes your own file off the shelf",
        (_SHELF, _FILE, Arg("version", Form.VERSION, "only that one; else all of yours", True)),
        needs=Need.READ,
    ),
    Command(
        "transfers",
        "lists your transfers, and the uploads that you can go on with",
        answer=answers.TransferList,
    ),
    Command(
        "cancel",
        "ends the transfers of a file, and keeps nothing of what came",
        (Arg("name", Form.REST, "the file's name"),),
    ),
    Command(
        "kick",
        "puts a user out of the room; out of the lobby is off the server",
        (_HERE, _USER, _WHY),
        needs=Need.MODERATE,
    ),
    Command(
        "ban",
        "keeps a user, or an address or a range of them, out of the room",
        (_HERE, Arg("user", Form.WORD, "the user, or as 10.1.0.0/16"), _FOR, _WHY),
        needs=Need.MODERATE,
    ),
    Command(
        "unban",
        "lets them in again",
        (_HERE, Arg("user", Form.WORD, "whom, as /rules shows it")),
        needs=Need.MODERATE,
    ),
    Command(
        "mute",
        "keeps a user from speaking in the room",
        (_HERE, _USER, _FOR, _WHY),
        needs=Need.MODERATE,
    ),
    Command("unmute", "lets them speak again", (_HERE, _USER), needs=Need.MODERATE),
    Command("freeze", "lets only who moderates the room speak", (_HERE,), needs=Need.MODERATE),
    Command("unfreeze", "lets everybody in it speak again", (_HERE,), needs=Need.MODERATE),
    Command(
        "slow",
        "lets each user say something only every so often; 0 ends it",
        (_HERE, Arg("seconds", Form.NUMBER, "from one message to the next; at most 3600")),
        needs=Need.MODERATE,
    ),
    Command(
        "erase",
        "erases what you said last, or entry #POSITION; moderators erase anybody's",
        (_HERE, Arg("position", Form.POSITION, "its position, as /history shows it", True)),
        answer=answers.Erased,
        needs=Need.READ,
    ),
    Command(
        "invite",
        "lets a user in without a password, and tells them",
        (_HERE, _USER),
        needs=Need.MODERATE,
    ),
    Command("uninvite", "takes that back", (_HERE, _USER), needs=Need.MODERATE),
    Command("op", "lets a user moderate the room", (_HERE, _USER), needs=Need.OWN),
    Command("deop", "takes that back", (_HERE, _USER), needs=Need.OWN),
    Command("owner", "gives the room to a registered user", (_HERE, _USER), needs=Need.OWN),
    Command(
        "access",
        "says who may come in: public, hidden from /rooms, or invited; and with which password",
        (
            _HERE,
            Arg("access", Form.WORD, "public, hidden or invited", choices=_ACCESS),
            Arg("password", Form.WORD, "to be asked of who joins; else there is none", True),
        ),
        needs=Need.OWN,
    ),
    Command(
        "close",
        "puts everybody out of the room, and keeps it as it is; /access opens it again",
        (_HERE,),
        needs=Need.OWN,
    ),
    Command(
        "rules",
        "shows who owns and moderates the room, and what holds there",
        (_HERE,),
        answer=answers.RoomRules,
        needs=Need.READ,
    ),
    Command(
        "record",
        "shows what was done to keep order in the room",
        (_HERE, Arg("limit", Form.NUMBER, "how many at most (20; never more than 100)", True)),
        answer=answers.Record,
        needs=Need.MODERATE,
    ),
    Command(
        "users",
        "lists everybody who is here, in which rooms, and from where",
        (
            Arg("filter", Form.REST, "guest, registered, away, or a name with * in it", True),
            Arg("after", Form.WORD, "only those whose names come after that", True, _J),
        ),
        answer=answers.UserList,
        needs=Need.OPERATE,
    ),
    Command(
        "accounts",
        "lists the registered names",
        (
            Arg("filter", Form.REST, "here, gone, operator, token, or a name with * in it", True),
            Arg("after", Form.WORD, "only those that come after that", True, _J),
        ),
        answer=answers.AccountList,
        needs=Need.OPERATE,
    ),
    Command(
        "backup",
        "copies the database, the files and the key for TLS, while the server runs, and checks it",
        (Arg("dir", Form.REST, "a new directory on the server's machine, with its whole path"),),
        answer=answers.Backup,
        needs=Need.DOOR,
    ),
    Command(
        "status",
        "tells how the server is: who and what is here, the disk, what waits, what was refused",
        answer=answers.Status,
        needs=Need.OPERATE,
    ),
    Command(
        "broadcast",
        "tells everybody on the server something, now",
        (Arg("text", Form.REST, "what"),),
        needs=Need.OPERATE,
    ),
    Command(
        "register",
        "keeps your name for you",
        (Arg("password", Form.WORD, "to log in with", secret=Secret.NEW), _CODE),
    ),
    Command(
        "signup",
        "registers a name, and takes it",
        (
            Arg("name", Form.WORD, "the name to register"),
            Arg("password", Form.WORD, "to log in with", secret=Secret.NEW),
            _CODE,
        ),
        answer=answers.Welcome,
        needs=Need.NOTHING,
    ),
    Command(
        "login",
        "takes your registered name",
        (
            Arg("name", Form.WORD, "the registered name"),
            Arg("password", Form.WORD, "its password, or a token", secret=Secret.KNOWN),
        ),
        answer=answers.Welcome,
        needs=Need.NOTHING,
    ),
    Command(
        "password",
        "changes your password, and ends your other connections that came in with it",
        (
            Arg("old", Form.WORD, "the one that you have", secret=Secret.KNOWN),
            Arg("new", Form.WORD, "the one to have from now on", secret=Secret.NEW),
        ),
        needs=Need.ACCOUNT,
    ),
    Command(
        "token",
        "makes a token: for a program, in place of your password; for one room, if you wish",
        (
            Arg("label", Form.WORD, "what you call it"),
            Arg("room", Form.WORD, "the only room that it is good for", True),
        ),
        answer=answers.MadeToken,
        needs=Need.ACCOUNT,
    ),
    Command("tokens", "lists your tokens", answer=answers.TokenList, needs=Need.ACCOUNT),
    Command(
        "revoke",
        "ends a token, and the connections that came in with it",
        (Arg("label", Form.WORD, "what you call it"),),
        needs=Need.ACCOUNT,
    ),
    Command(
        "account",
        "registers a name for somebody; without a password the server makes one up",
        (
            Arg("name", Form.WORD, "the name"),
            Arg("password", Form.WORD, "to log in with", True),
        ),
        answer=answers.Password,
        needs=Need.OPERATE,
    ),
    Command(
        "reset",
        "gives a registered name another password, and ends its tokens and connections",
        (
            Arg("name", Form.WORD, "the registered name"),
            Arg("password", Form.WORD, "the new one; else the server makes one up", True),
        ),
        answer=answers.Password,
        needs=Need.OPERATE,
    ),
    Command(
        "code",
        "makes an invitation code, with which one person can register",
        answer=answers.Invitation,
        needs=Need.OPERATE,
    ),
    Command(
        "uncode",
        "takes an invitation code back that nobody has used",
        (Arg("code", Form.WORD, "the code"),),
        needs=Need.OPERATE,
    ),
    Command(
        "unregister",
        "deletes an account: what it said stays, as of deleted-N; with erase, it is erased",
        (
            Arg("name", Form.WORD, "the registered name"),
            Arg("erase", Form.WORD, "the word erase", True, choices=("erase",)),
        ),
        needs=Need.OPERATE,
    ),
    Command(
        "destroy",
        "deletes a room: what was said stays in the closed room deleted-N; with erase, it goes",
        (
            Arg("room", Form.WORD, "the room"),
            Arg("erase", Form.WORD, "the word erase", True, choices=("erase",)),
        ),
        needs=Need.OPERATE,
    ),
    Command(
        "operator",
        "lets a registered name run the server; with off, no longer",
        (
            Arg("name", Form.WORD, "the registered name"),
            Arg("off", Form.WORD, "the word off, to take it back", True, choices=("off",)),
        ),
        needs=Need.OPERATE,
    ),
    Command(
        "operators",
        "lists the registered names that run the server",
        answer=answers.Operators,
        needs=Need.OPERATE,
    ),
    Command(
        "nick",
        "takes another name",
        (Arg("name", Form.WORD, "the new name"),),
        answer=answers.Welcome,
    ),
    Command(
        "help",
        "lists commands, or explains one",
        (Arg("command", Form.WORD, "which one; or a topic, or all", True),),
        (Also("help"),),
        answer=answers.Help,
        needs=Need.NOTHING,
    ),
    Command(
        "quit",
        "ends the connection",
        (Arg("text", Form.REST, "a last word", True),),
        (Also("quit"), Also("bye")),
        needs=Need.NOTHING,
    ),
)

COMMANDS: Mapping[str, Command] = MappingProxyType({row.name: row for row in _ROWS})
"""Every command, by its name."""

SAY = COMMANDS["say"]


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(time: str) -> int:
    """Return how many seconds a word of the form `TIME` is: `1h30m`, `30min`."""
    parts = re.findall(r"([0-9]+)([a-z])[a-z]*", time)
    return sum(int(count) * _SECONDS[unit] for count, unit in parts)


_UNITS = re.compile(r"(?:sec|second|min|minute|hour|hr|day|week|month|year)s?\b")
_COUNTS = re.compile(
    r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|some|few|several) +"
)


def seems_a_time(text: str) -> bool:
    """Return whether somebody may have meant a time by the beginning of a text that is none:
    `60`, `-5m`, `for 2 hours`, `an hour`, `PT1H`."""
    text = re.sub("^(?:for|in|until|till) +", "", text[:64].strip().casefold())
    bare = re.sub(r"^(?:pt?(?=[0-9])|\W+)", "", text)
    while found := _COUNTS.match(text):
        text = text[found.end() :]
        if _UNITS.match(text):
            return True
    return bare[:1].isnumeric()


def nearest(name: str, dialect: Dialect) -> str | None:
    """Return the command whose name is most like `name`, or None where none is like it."""
    known = [row.name for row in _ROWS if row.dialect & dialect]
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
        "order": tuple(row.name for row in _ROWS if row.needs in (Need.MODERATE, Need.OWN)),
        "server": tuple(row.name for row in _ROWS if row.needs in (Need.OPERATE, Need.DOOR)),
    }
)
"""The topics of `/help`. Every command that can be typed is there once."""

ALL = "all"
"""The topic that has all of them."""

_FIRST = ("rooms", "join", "create", "who", "msg", "history", "files", "link", "register", "quit")
_FIRST_OF_STRANGERS = ("signup", "login", "quit")

May = Callable[[Command], bool]
"""Returns whether who asks may give a command."""


def first_help(may: May, named: bool) -> tuple[str, ...]:
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


def help_lines(about: str | None = None, may: May = lambda _: True) -> tuple[str, ...]:
    """Return all about a command, or a line for each command of a topic that one `may` give; of
    all, where none is named. Empty if there is no such."""
    topic = None if about is None else about.casefold()
    if topic in (None, ALL):
        return tuple(_explained(row) for row in _ROWS if row.dialect & Dialect.TEXT and may(row))
    if topic in TOPICS:
        return tuple(_explained(COMMANDS[name]) for name in TOPICS[topic] if may(COMMANDS[name]))
    row = COMMANDS.get(topic.removeprefix("/"))
    if row is None or not row.dialect & Dialect.TEXT:
        return ()
    lines = [_explained(row)]
    lines += [
        f"  {arg.usage} - {arg.help}"
        for arg in row.arguments(Dialect.TEXT)
        if arg.form is not Form.FLAG
    ]
    if row.also:
        lines.append("  also: " + ", ".join(also.shape for also in row.also))
    return tuple(lines)


def _explained(row: Command) -> str:
    return f"{row.usage} - {row.help}"
