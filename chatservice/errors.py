"""Refusals: a stable code, a sentence that says what to do, and the values in that sentence."""

import re
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any


class Code(StrEnum):
    """The reason of a refusal. Programs compare these; docs/protocol.md lists them."""

    BAD_LINE = "bad-line"
    TOO_LONG = "too-long"
    BAD_NAME = "bad-name"
    NAME_TAKEN = "name-taken"
    PASSWORD_NEEDED = "password-needed"
    WRONG_PASSWORD = "wrong-password"
    NAME_NEEDED = "name-needed"
    UNKNOWN_COMMAND = "unknown-command"
    BAD_ARGUMENT = "bad-argument"
    NO_SUCH_ROOM = "no-such-room"
    ROOM_EXISTS = "room-exists"
    NOT_IN_ROOM = "not-in-room"
    NO_SUCH_USER = "no-such-user"
    NO_SUCH_ENTRY = "no-such-entry"
    NOT_ALLOWED = "not-allowed"
    BANNED = "banned"
    TOO_FAST = "too-fast"
    ALREADY_REGISTERED = "already-registered"
    BAD_CODE = "bad-code"
    TOKEN_EXISTS = "token-exists"
    NO_SUCH_TOKEN = "no-such-token"
    BAD_FILE_NAME = "bad-file-name"
    NO_SUCH_FILE = "no-such-file"
    NOT_YOURS = "not-yours"
    TOO_LARGE = "too-large"
    OVER_QUOTA = "over-quota"
    DISK_FULL = "disk-full"
    TOO_MANY = "too-many"
    SLOW_DOWN = "slow-down"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"
    WRONG_SHA256 = "wrong-sha256"
    BAD_OFFSET = "bad-offset"
    BAD_TICKET = "bad-ticket"
    TOO_SLOW = "too-slow"
    NOT_STORED = "not-stored"
    TLS_NEEDED = "tls-needed"
    SERVER_ERROR = "server-error"


PASSWORD_REFUSED = frozenset({Code.WRONG_PASSWORD, Code.SLOW_DOWN})
"""Refusals of a password; the user may mistype and try again."""

PASSWORD_RELATED = PASSWORD_REFUSED | {Code.PASSWORD_NEEDED}
"""Refusals that another password can turn into a success."""

MEANINGS: dict[Code, str] = {
    Code.BAD_LINE: "the line is not UTF-8, holds a NUL, or is not one JSON object",
    Code.TOO_LONG: "the line, or a text in it, is longer than allowed",
    Code.BAD_NAME: "a name is empty, too long, or has a character that it may not have",
    Code.NAME_TAKEN: "somebody has that name, or one that looks like it",
    Code.PASSWORD_NEEDED: "the name is registered, or the room has a password, and none was given",
    Code.WRONG_PASSWORD: "the password is wrong",
    Code.NAME_NEEDED: "say who you are first (`hello`)",
    Code.UNKNOWN_COMMAND: "there is no such command in this format",
    Code.BAD_ARGUMENT: "an argument is missing, of the wrong type, or one too many",
    Code.NO_SUCH_ROOM: "there is no such room",
    Code.ROOM_EXISTS: "a room of that name exists already, or of one that looks like it",
    Code.NOT_IN_ROOM: "join the room first",
    Code.NO_SUCH_USER: "nobody of that name is here, and it is not a registered name",
    Code.NO_SUCH_ENTRY: "there is no entry at that position, or it is no longer kept",
    Code.NOT_ALLOWED: "that takes a role that the user does not have: moderator, owner or operator",
    Code.BANNED: "the user is banned from the room, or from the server",
    Code.TOO_FAST: "the room is in slow mode; say it again later",
    Code.ALREADY_REGISTERED: "the name is registered already",
    Code.BAD_CODE: "registering takes a valid invitation code",
    Code.TOKEN_EXISTS: "the user has a token of that label already",
    Code.NO_SUCH_TOKEN: "the user has no token of that label",
    Code.BAD_FILE_NAME: "a file cannot be called that",
    Code.NO_SUCH_FILE: "there is no such file",
    Code.NOT_YOURS: "only the user who shared the file may do that",
    Code.TOO_LARGE: "the file is larger than the operator allows, or than was declared",
    Code.OVER_QUOTA: "the user's files, or the room's, would be more than the operator allows",
    Code.DISK_FULL: "the disk has no room for the file",
    Code.TOO_MANY: "too many uploads are under way, or connections open",
    Code.SLOW_DOWN: "passwords are tried, or connections opened, too often; try again later",
    Code.CANCELLED: "the user cancelled the transfer",
    Code.INCOMPLETE: "fewer bytes came than were declared, or more",
    Code.WRONG_SHA256: "the bytes do not have the declared SHA-256; nothing was kept",
    Code.BAD_OFFSET: "OFFSET lies outside of the file",
    Code.BAD_TICKET: "no such ticket: made up, used already, or too old",
    Code.TOO_SLOW: "a search that would take too long, or a file that is still being read; later",
    Code.NOT_STORED: "the disk refused it: not stored, and shown to nobody",
    Code.TLS_NEEDED: "this server takes TLS connections only; the connection ends",
    Code.SERVER_ERROR: "an error in the server; its operator finds it in the log",
}
"""The meaning of each code, for docs/protocol.md (checked by tests/test_docs.py)."""


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
        self = super().__new__(cls, _worded(template, _in_quotes, params))
        self.template, self.params = template, params
        return self

    def worded(self, command: Callable[[str], str]) -> str:
        """Return the sentence in which `command` makes what stands for each command (with its
        arguments, as `join lab`)."""
        return _worded(self.template, command, self.params)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that it names, with their arguments, as they stand in the sentence."""
        found = _COMMAND.findall(self.template)
        return tuple(it.format(**self.params) if self.params else it for it in found)


_COMMAND = re.compile("`([^`]+)`")


def _in_quotes(command: str) -> str:
    return f'"{command}"'


def _worded(template: str, command: Callable[[str], str], params: dict[str, Any]) -> str:
    template = _with_commands(template, command)
    return template.format(**params) if params else template


@lru_cache(maxsize=512)
def _with_commands(template: str, command: Callable[[str], str]) -> str:
    return _COMMAND.sub(lambda found: command(found[1]), template)


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


NAME_NEEDED = Message("Say who you are first: `hello` NAME.")
"""The refusal of what needs a name, where there is none yet. Each format says how it is given."""
