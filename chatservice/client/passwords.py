"""Where a password comes from, if not from the command line, where all could see it: a file, the
environment, or who sits at the terminal."""

import os
from pathlib import Path
from typing import Any

from chatservice.client import system
from chatservice.client.pipescreen import PipeScreen
from chatservice.client.questions import is_cancelled
from chatservice.client.screen import InputEnded
from chatservice.errors import Code, Refusal

VARIABLE = "CHAT_PASSWORD"
"""The environment variable that may hold a password."""

TERMINAL = "/dev/tty"
"""The terminal that the program runs on, wherever its input comes from (POSIX)."""


class Unreadable(Refusal):
    """The file that the password is to come from cannot be read."""


def given(file: str | None) -> str | None:
    """Return the password that stands in the first line of `file`, if one is named, or else in the
    environment; None if there is none. Raises `Unreadable`."""
    if file is None:
        return os.environ.get(VARIABLE) or None
    try:
        lines = Path(file).read_text().splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise Unreadable(Code.BAD_ARGUMENT, f"{file} cannot be read ({reason}).") from None
    if not lines or not lines[0]:
        raise Unreadable(
            Code.BAD_ARGUMENT, f"The first line of {file} is empty; put a password there."
        )
    return lines[0]


async def asked(reactor: Any, prompt: str) -> str | None:
    """Return what is typed on the terminal, unseen; None if there is no terminal, or nothing is."""
    try:
        terminal = os.open(TERMINAL, system.flags("O_RDWR", "O_NOCTTY"))
    except OSError:
        return None
    screen = PipeScreen(reactor, terminal, terminal)
    screen.start(lambda: None)
    try:
        answer = await screen.read_line(prompt, hidden=True)
        return None if is_cancelled(answer) else answer
    except InputEnded:
        return None
    finally:
        await screen.close()
        os.close(terminal)
