"""Refusals: a stable code, a sentence that says what to do, and the values in that sentence."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self


class ExplainedWord(StrEnum):
    """Words of the protocol, each with its meaning, for docs/protocol.md."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Make a word of the protocol."""
        self = str.__new__(cls, word)
        self._value_, self.meaning = word, meaning
        return self


class Code(ExplainedWord):
    """The reason of a refusal. Programs compare these."""

    BAD_LINE = "bad-line", "the line is not UTF-8, holds a NUL, or is not one JSON object"
    TOO_LONG = "too-long", "the line, or a text in it, is longer than allowed"
    BAD_NAME = "bad-name", "a name is empty, too long, or has a character that it may not have"
    NAME_TAKEN = "name-taken", "somebody has that name, or one that looks like it"
    PASSWORD_NEEDED = (
        "password-needed",
        "a registered name, or a room with a password, and none was given",
    )
    WRONG_PASSWORD = "wrong-password", "the password is wrong"
    NAME_NEEDED = "name-needed", "say who you are first"
    UNKNOWN_COMMAND = "unknown-command", "there is no such command in this format"
    BAD_ARGUMENT = "bad-argument", "an argument is missing, of the wrong type, or one too many"
    NO_SUCH_ROOM = "no-such-room", "there is no such room"
    ROOM_EXISTS = "room-exists", "a room of that name exists already, or of one that looks like it"
    NOT_IN_ROOM = "not-in-room", "join the room first"
    NO_SUCH_USER = "no-such-user", "nobody of that name is here, and it is not a registered name"
    NO_SUCH_ENTRY = "no-such-entry", "there is no entry at that position, or it is no longer kept"
    NOT_ALLOWED = (
        "not-allowed",
        "that takes a role that the user does not have: moderator, owner or operator",
    )
    BANNED = "banned", "the user is banned from the room, or from the server"
    TOO_FAST = "too-fast", "the room is in slow mode; say it again later"
    ALREADY_REGISTERED = "already-registered", "the name is registered already"
    BAD_CODE = "bad-code", "registering takes a valid invitation code"
    TOKEN_EXISTS = "token-exists", "the user has a token of that label already"
    NO_SUCH_TOKEN = "no-such-token", "the user has no token of that label"
    BAD_FILE_NAME = "bad-file-name", "a file cannot be called that"
    NO_SUCH_FILE = "no-such-file", "there is no such file"
    NOT_YOURS = "not-yours", "only the user who shared the file, or a moderator, may do that"
    TOO_LARGE = "too-large", "the file is larger than the operator allows, or than was declared"
    OVER_QUOTA = (
        "over-quota",
        "the files of the user or the room would be more than the operator allows",
    )
    DISK_FULL = "disk-full", "the disk has no room for the file"
    TOO_MANY = "too-many", "too many uploads are under way, or connections open"
    SLOW_DOWN = "slow-down", "passwords are tried, or connections opened, too often; try later"
    CANCELLED = "cancelled", "the user cancelled the transfer"
    INCOMPLETE = "incomplete", "fewer bytes came than were declared, or more"
    WRONG_SHA256 = "wrong-sha256", "the bytes do not have the declared SHA-256; nothing was kept"
    FILE_CHANGED = "file-changed", "the file is not, or not any more, as the request wants it to be"
    BAD_OFFSET = "bad-offset", "OFFSET lies outside of the file"
    BAD_TICKET = "bad-ticket", "no such ticket: made up, used already, or too old"
    TOO_SLOW = (
        "too-slow",
        "the search would take too long, or the file is still being read; try later",
    )
    NOT_STORED = "not-stored", "the disk refused it: not stored, and shown to nobody"
    TLS_NEEDED = "tls-needed", "this server takes TLS connections only; the connection ends"
    SERVER_ERROR = "server-error", "an error in the server; its operator finds it in the log"


PASSWORD_REFUSED = frozenset({Code.WRONG_PASSWORD, Code.SLOW_DOWN})
"""Refusals of a password; the user may mistype and try again."""

PASSWORD_RELATED = PASSWORD_REFUSED | {Code.PASSWORD_NEEDED}
"""Refusals that another password can turn into a success."""


Sentences = Mapping[str, str]
"""A format's own templates, by the shared ones that they replace."""


class Message(str):
    """A sentence for people, which each format words in its own way.

    `template` is the sentence with its values in braces (`str.format`) and commands in backquotes:
    "There is no room {room}; `rooms` lists them." `params` are the values. As a string, it is what
    a format without slash commands shows: a command stands in quotation marks there.
    """

    __slots__ = ("params", "template")

    template: str
    params: dict[str, Any]

    def __new__(cls, template: str, **params: Any) -> "Message":
        """Word a template without slash commands."""
        self = super().__new__(cls, _worded(template, '"{}"', params))
        self.template, self.params = template, params
        return self

    def worded(self, command: str | Callable[[str], str], own: Sentences) -> str:
        """Return the sentence of a format: `command` shows a command (`/{}`), with its arguments,
        or is a function that does. A template in the format's `own` sentences replaces that of the
        message."""
        return _worded(own.get(self.template, self.template), command, self.params)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that it names, with their arguments, as they stand in the sentence."""
        return tuple(_filled(it, self.params) for it in _COMMAND.findall(self.template))


_COMMAND = re.compile("`([^`]+)`")


def _worded(template: str, command: str | Callable[[str], str], params: dict[str, Any]) -> str:
    return _filled(_with_commands(template, command), params)


def _filled(template: str, params: dict[str, Any]) -> str:
    return template.format(**params) if params else template


@lru_cache(maxsize=512)
def _with_commands(template: str, command: str | Callable[[str], str]) -> str:
    word = command if callable(command) else command.format
    return _COMMAND.sub(lambda found: word(found[1]), template)


class Refusal(Exception):
    """The answer to a request that is not granted. The fault is the asker's unless the code is
    `SERVER_ERROR`.

    `code` is for programs. `sentence` is for people, ends with a full stop, and says what to do
    instead. It is made of a template and its values (see `Message`).
    """

    def __init__(self, code: Code, template: str, **params: Any) -> None:
        self.code = code
        self.sentence = template if isinstance(template, Message) else Message(template, **params)
        super().__init__(self.sentence)

    @property
    def params(self) -> dict[str, Any]:
        """The values in its sentence."""
        return self.sentence.params


NAME_NEEDED = "Say who you are first: `hello` NAME."
"""The refusal of what needs a name. The formats have templates of their own for it."""

NOT_IN_ROOM = "You are not in {room}; join it first."
"""The refusal of what takes a user in the room."""
