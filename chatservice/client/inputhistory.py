"""What was typed, remembered from one run of the client to the next, without passwords."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from prompt_toolkit.history import History

from chatservice.client import typedlines
from chatservice.errors import Refusal
from chatservice.grammar import textparser
from chatservice.grammar.commands import Request

LINES_REMEMBERED = 1000
"""Lines that a start remembers. The file is cut back to them when it holds twice as many."""


class InputHistory(History):
    """Lines in the file at `place`, each as a JSON string. Where it cannot be read or written, they
    are remembered as long as the client runs."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self._place = place

    def load_history_strings(self) -> Iterable[str]:
        """Return what is remembered, the newest first."""
        try:
            lines = self._place.read_bytes().splitlines(keepends=True)
        except OSError:
            return []
        if len(lines) > 2 * LINES_REMEMBERED:
            lines = lines[-LINES_REMEMBERED:]
            self._cut_back(lines)
        return [line for line in map(_loaded, reversed(lines[-LINES_REMEMBERED:])) if line]

    def _cut_back(self, lines: list[bytes]) -> None:
        new = self._place.with_suffix(".new")
        with suppress(OSError):
            new.unlink(missing_ok=True)
            with _private(new) as file:
                file.write(b"".join(lines))
            new.replace(self._place)

    def append_string(self, string: str) -> None:
        """Remember a line, unless it may hold a password."""
        if may_be_remembered(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write a line behind the others, in one write: there may be other clients."""
        with suppress(OSError):
            self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _private(self._place) as file:
                file.write(json.dumps(string).encode() + b"\n")


def _private(place: Path) -> FileIO:
    """Open a file to write behind its end, which only its owner can read from now on."""
    descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if os.fstat(descriptor).st_mode & 0o077:  # somebody copied it there, say
        with suppress(OSError):
            place.chmod(0o600)
    return FileIO(descriptor, "w")


def _loaded(line: bytes) -> str:
    try:
        string = json.loads(line)
    except ValueError:  # cut off, or not ours
        return ""
    return string if isinstance(string, str) else ""


def may_be_remembered(line: str) -> bool:
    """Return whether a line holds no password, as far as can be told: one that was not understood
    may be a command with a password and a slip in it."""
    try:
        if typedlines.file_to_send(line) is not None:
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
