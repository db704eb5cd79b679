"""The lines that send a file: `/put PATH`, `-file PATH`, `transfer PATH`, or just a path.

Behind each, ` @USER` sends it to that user only. A path may have spaces, and may be quoted as in a
shell.
"""

import os
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from chatservice.errors import Code, Refusal
from chatservice.grammar import typed

_FORMS = re.compile(r"((?i:/put)|-file|transfer)(?: +(\S.*)| *)")


class Sending(NamedTuple):
    """A file to send: where it is, and the one user that it is for, if it is for one only."""

    path: str
    to: str | None = None


def asked_for(line: str) -> Sending | None:
    """Return what a line asks to be sent, or None where it is another command, or talk.

    One that says so need not name a file that is there; one that is only a path must. Raises
    `Refusal` for a `/put` without one.
    """
    explicit = _FORMS.fullmatch(line)
    if explicit is not None and explicit[2]:
        readings = list(_readings(explicit[2].rstrip(" ")))
        return next(filter(_is_there, readings), readings[min(1, len(readings) - 1)])
    if explicit is not None and line.startswith("/"):
        raise Refusal(Code.BAD_ARGUMENT, "PATH is missing: /put PATH [@USER]")
    if _is_command(line):
        return None
    return next(filter(_is_there, _readings(line.strip(" "))), None)


def _is_command(line: str) -> bool:
    try:
        request = typed.parse(line)
    except Refusal:
        return False  # no command that there is, so it may be a path
    return request is None or request.command.name != "say" or line.startswith(("//", "/say "))


def _is_there(sending: Sending) -> bool:
    try:
        return os.path.isfile(sending.path)
    except ValueError:  # a NUL
        return False


def _readings(text: str) -> Iterator[Sending]:
    """What a text can mean: the path as it stands first, then without a user, then unquoted."""
    yield Sending(os.path.expanduser(text))
    path, space, user = text.rpartition(" @")
    if space and path and user and " " not in user:
        yield Sending(os.path.expanduser(path.rstrip(" ")), user)
    try:
        words = shlex.split(text)
    except ValueError:  # a quote without its other half
        return
    if len(words) == 1 and words[0] != text:
        yield Sending(os.path.expanduser(words[0]))
    elif len(words) == 2 and words[1].startswith("@") and len(words[1]) > 1:
        yield Sending(os.path.expanduser(words[0]), words[1][1:])
