"""The meaning of a typed line: a file to send, a room, talk, a password, a paste.

`/put PATH`, `-file PATH`, `transfer PATH` and a bare path send a file; ` @USER` at the end sends it
to that user only. A path is taken literally, with its spaces and backslashes, but without quotes
around it. If there is no such file, the path is read again as a shell reads it: many terminals
write a file that is dropped on them in that form.
"""

import json
import os
import re
import shlex
from typing import NamedTuple

from chatservice import names
from chatservice.client.owncommands import own_command
from chatservice.errors import Code, Refusal
from chatservice.grammar import textparser
from chatservice.grammar.commandtypes import Request

_FORMS = re.compile(r"((?i:/put)|-file|transfer)(?: +(\S.*)| *)", re.DOTALL)
_QUOTED = re.compile(r"""(["'])(.+)\1(?: +@(\S+))?""", re.DOTALL)

_PARTNER = re.compile(r"/(?i:msg) +@?(\S+) *")

_SEPARATOR = re.compile(r"\\\w")
"""A backslash between folders: no terminal escapes a letter or a digit."""


class FileToSend(NamedTuple):
    """A file to send: its path, and its receiver if it is for one user only."""

    path: str
    to: str | None = None


def file_to_send(line: str) -> FileToSend | None:
    """Return the file that a line sends, or None for any other line.

    Raises `Refusal` for a command without a path, and for a file that does not exist if the line
    can only be meant as a path.
    """
    explicit = _FORMS.fullmatch(line)
    if explicit is None and _is_command(line):
        return None
    text = explicit[2] if explicit is not None else line
    if text is None:
        form = line.strip(" ").lower()
        refusal = Refusal(Code.BAD_ARGUMENT, f"PATH is missing: {form} PATH [@USER].")
        raise textparser.with_say_hint(refusal, line)
    readings, meant = _readings(text.strip(" "))
    there = next(filter(_is_file, readings), None)
    if there is not None or (explicit is None and not textparser.names_local_file(line)):
        return there
    if _is_absent(meant):
        raise textparser.with_say_hint(
            Refusal(Code.NO_SUCH_FILE, no_such_file(meant.path) + "."), line
        )
    return meant


def partner_to_show(line: str) -> str | None:
    """Return the user whose talk a line without a text is to show; None for any other line."""
    found = _PARTNER.fullmatch(line)
    return found[1] if found is not None else None


def no_such_file(path: object) -> str:
    """Return the beginning of a sentence about a path that does not exist."""
    return f"There is no file {path} here (no such file); give its exact path"


def _is_command(line: str) -> bool:
    try:
        request = textparser.parse(line)
    except Refusal:
        return False  # no known command, so it may be a path
    return request is None or request.command.name != "say" or line.startswith(("//", "/say "))


def _is_file(file: FileToSend) -> bool:
    try:
        return os.path.isfile(file.path)
    except ValueError:  # a NUL in the path
        return False


def _is_absent(file: FileToSend) -> bool:
    try:
        os.stat(file.path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # opening the file tells the reason
        return False
    return False


def _readings(text: str) -> tuple[list[FileToSend], FileToSend]:
    """Return the files that a text can mean, the likeliest first, and the one for an error."""
    found = [_file(text)]
    path, space, user = text.rpartition(" @")
    if space and path and user and " " not in user:
        found.append(_file(path.rstrip(" "), user))
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        found.append(_file(quoted[2], quoted[3]))
    return found + _as_shell_words(text), found[-1]


def _as_shell_words(text: str) -> list[FileToSend]:
    if _SEPARATOR.search(text):
        return []
    try:
        words = shlex.split(text)
    except ValueError:  # an unclosed quote
        return []
    if len(words) == 1 and words[0] != text:
        return [_file(words[0])]
    if len(words) == 2 and words[1].startswith("@") and len(words[1]) > 1:
        return [_file(words[0], words[1][1:])]
    return []


def _file(path: str, user: str | None = None) -> FileToSend:
    return FileToSend(os.path.expanduser(path), user)


def may_be_remembered(line: str) -> bool:
    """Return whether a line certainly holds no password.

    A line that was refused may be a command with a password and a typing error.
    """
    if own_command(line) is not None:
        return True
    try:
        if file_to_send(line) is not None:
            return True
        request = textparser.parse(line, may_prompt=True)
    except Refusal:
        return False
    return request is not None and not _passwords(request)


def masked(line: str) -> str:
    """Return a line for the screen, with `***` for its passwords."""
    try:
        request = textparser.parse(line, may_prompt=True)
    except Refusal:
        return line
    for password in _passwords(request) if request is not None else []:
        before, _, behind = line.rpartition(password)
        line = f"{before}***{behind}"
    return line


def _passwords(request: Request) -> list[str]:
    """Return the passwords in a request, in reverse order."""
    args = [arg for arg in request.command.args if arg.private and arg.name in request.args]
    return [request.args[arg.name] for arg in reversed(args)]


def could_be_room(line: str) -> bool:
    """Return whether a line can be the name or the number of a room."""
    word = line.strip()
    request = _request(word) if len(word.split()) == 1 else None
    return request is not None and request.args.get("text") == word


def shows_itself(line: str) -> bool:
    """Return whether what a line does is shown in the talk, so that the line itself need not be."""
    own, request = own_command(line), _request(line)
    name = request.command.name if request is not None else own[0] if own is not None else ""
    return name in _SHOWN_IN_TALK


_SHOWN_IN_TALK = frozenset(
    {"say", "me", "msg", "reply", "edit", "react", "pin", "unpin", "join", "create", "go"}
)


def _request(line: str) -> Request | None:
    """Return the request of a line; None if it sends a file, is empty, or is refused."""
    try:
        return textparser.parse(line) if file_to_send(line) is None else None
    except Refusal:
        return None


ENVELOPE_BYTES = 256
"""Most bytes of a request beside its text: the command, the room, a key, and JSON's signs."""


def paste_too_long(text: str) -> str | None:
    """Return the reason if a text is too long for one message, else None."""
    try:
        names.count_lines(text)
    except Refusal as refused:
        return refused.sentence
    size = len(json.dumps(text, ensure_ascii=False).encode(errors="replace"))
    most = names.LINE_BYTES - ENVELOPE_BYTES
    if size <= most:
        return None
    return (
        f"That paste has {size} bytes, and a message at most {most}; put it into a file, and type "
        "the file's path."
    )
