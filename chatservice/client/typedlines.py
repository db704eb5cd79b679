"""The lines that send a file: `/put PATH`, `-file PATH`, `transfer PATH`, or just a path.

Behind each, ` @USER` sends it to that user only. A path is taken as it stands, with its spaces and
backslashes; quotes around it are taken off. Where nothing of that name is there, it is read once
more as a shell would, because that is how many terminals write a file that is dropped on them.
"""

import json
import os
import re
import shlex
from typing import NamedTuple

from chatservice import limits, names
from chatservice.errors import Code, Refusal
from chatservice.grammar import textparser
from chatservice.grammar.commands import Request

_FORMS = re.compile(r"((?i:/put)|-file|transfer)(?: +(\S.*)| *)", re.DOTALL)
_QUOTED = re.compile(r"""(["'])(.+)\1(?: +@(\S+))?""", re.DOTALL)

_SEPARATOR = re.compile(r"\\\w")
"""A backslash that stands between folders: no terminal writes one before a letter or a digit."""

_TALK = frozenset({"say", "me", "msg"})


class FileToSend(NamedTuple):
    """A file to send: where it is, and the one user that it is for, if it is for one only."""

    path: str
    to: str | None = None


def file_to_send(line: str) -> FileToSend | None:
    """Return what a line asks to be sent, or None where it is another command, or talk.

    Raises `Refusal` for a form without a path, and for a path that leads nowhere: behind a form, or
    alone where the line looks like nothing but a path.
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


def no_such_file(path: object) -> str:
    """Return the beginning of a sentence about a path that leads nowhere."""
    return f"There is no file {path} here (no such file); give its exact path"


def _is_command(line: str) -> bool:
    try:
        request = textparser.parse(line)
    except Refusal:
        return False  # no command that there is, so it may be a path
    return request is None or request.command.name != "say" or line.startswith(("//", "/say "))


def _is_file(sending: FileToSend) -> bool:
    try:
        return os.path.isfile(sending.path)
    except ValueError:  # a NUL
        return False


def _is_absent(sending: FileToSend) -> bool:
    try:
        os.stat(sending.path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # why it cannot be read is said when it is opened
        return False
    return False


def _readings(text: str) -> tuple[list[FileToSend], FileToSend]:
    """Return what a text can mean, the likeliest first, and what is meant where none is there."""
    found = [_sending(text)]
    path, space, user = text.rpartition(" @")
    if space and path and user and " " not in user:
        found.append(_sending(path.rstrip(" "), user))
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        found.append(_sending(quoted[2], quoted[3]))
    return found + _as_shell_words(text), found[-1]


def _as_shell_words(text: str) -> list[FileToSend]:
    if _SEPARATOR.search(text):
        return []
    try:
        words = shlex.split(text)
    except ValueError:  # a quote without its other half
        return []
    if len(words) == 1 and words[0] != text:
        return [_sending(words[0])]
    if len(words) == 2 and words[1].startswith("@") and len(words[1]) > 1:
        return [_sending(words[0], words[1][1:])]
    return []


def _sending(path: str, user: str | None = None) -> FileToSend:
    return FileToSend(os.path.expanduser(path), user)


def may_be_remembered(line: str) -> bool:
    """Return whether a line holds no password, as far as can be told: one that was not understood
    may be a command with a password and a slip in it."""
    try:
        if file_to_send(line) is not None:
            return True
        request = textparser.parse(line, may_prompt=True)
    except Refusal:
        return False
    return request is not None and not _passwords(request)


def masked(line: str) -> str:
    """Return a line as it can stand on the screen: with `***` for its passwords."""
    try:
        request = textparser.parse(line, may_prompt=True)
    except Refusal:
        return line
    for password in _passwords(request) if request is not None else []:
        before, _, behind = line.rpartition(password)
        line = f"{before}***{behind}"
    return line


def _passwords(request: Request) -> list[str]:
    """Return the passwords in a request, the last one first."""
    args = [arg for arg in request.command.args if arg.private and arg.name in request.args]
    return [request.args[arg.name] for arg in reversed(args)]


def could_be_room(line: str) -> bool:
    """Return whether a line can be meant as the name or the number of a room."""
    if len(line.split()) > 1:
        return False
    try:
        if file_to_send(line) is not None:
            return False
        request = textparser.parse(line.strip())
    except Refusal:
        return False
    return request is not None and request.args.get("text") == line.strip()


def is_talk(line: str) -> bool:
    """Whether a line is talk, which is shown once it is stored."""
    try:
        if file_to_send(line) is not None:
            return False
        request = textparser.parse(line)
    except Refusal:
        return False
    return request is not None and request.command.name in _TALK


AROUND = 256
"""Bytes that the rest of a request takes at most: the names of a room and of the command, a key,
and what JSON puts around them."""


def with_newlines(pasted: str) -> str:
    """Return what was pasted with newlines as texts have them, and none at its end."""
    return pasted.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def paste_question(text: str) -> str:
    """Return what to ask about a text of several lines."""
    count = text.count("\n") + 1
    return f"Say these {count} lines as one message? Enter or y: yes; n: drop; e: edit first"


def paste_too_long(text: str) -> str | None:
    """Return why a text cannot be said, if it is too long for that."""
    try:
        names.lines(text)
    except Refusal as refused:
        return refused.sentence
    size = len(json.dumps(text, ensure_ascii=False).encode(errors="replace"))
    if size <= limits.LINE_BYTES - AROUND:
        return None
    most = limits.LINE_BYTES - AROUND
    return (
        f"That paste has {size} bytes, and a message at most {most}; put it into a file, and type "
        "the file's path."
    )


def say_line(text: str) -> str:
    """Return the line that says a text of several lines, whatever it begins with."""
    return f"/say {text}"
