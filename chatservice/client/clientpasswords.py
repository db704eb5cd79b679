"""Sources of a password: a file, the environment, the system's keyring, the terminal."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from chatservice import names
from chatservice.client import system
from chatservice.client.pipescreen import PipeScreen
from chatservice.client.questions import is_cancelled
from chatservice.client.screen import InputEnded
from chatservice.errors import Code, Refusal

KEYRING_SERVICE = "chat-client"

_UNSAFE_BACKENDS = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""Where keyrings come from that keep nothing, or keep it where anybody can read it."""


class Keyring:
    """The passwords for the server at `place`; what is told over `tls` is not told without it.

    A keyring may ask its owner something first, so it is asked in a thread; what it cannot do is as
    if there were none.
    """

    def __init__(self, reactor: Any, place: str, tls: bool) -> None:
        self._reactor = reactor
        self._place = f"{place} (TLS)" if tls else place

    def recall(self, user: str) -> "Deferred[str | None]":
        """Return the password of a user; None if it is not known."""
        return self._in_thread(_recall, self._entry(user))

    def keep(self, user: str, password: str) -> "Deferred[bool | None]":
        """Keep the password of a user. Return whether it is kept."""
        return self._in_thread(_keep, self._entry(user), password)

    async def renew(self, user: str, password: str) -> None:
        """Keep another password, if there is one of that user."""
        if await self.recall(user) is not None:
            await self.keep(user, password)

    def _entry(self, user: str) -> str:
        return f"{names.key(user)}@{self._place}"

    def _in_thread(self, work: Any, *args: str) -> "Deferred[Any]":
        doing = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work, *args)
        return doing.addErrback(lambda failure: failure.trap(Exception) and None)


def _recall(called: str) -> str | None:
    ring = find_keyring()
    found: str | None = ring.get_password(KEYRING_SERVICE, called) if ring is not None else None
    return found


def _keep(called: str, password: str) -> bool:
    ring = find_keyring()
    if ring is not None:
        ring.set_password(KEYRING_SERVICE, called, password)
    return ring is not None


def find_keyring() -> Any:
    """Return the keyring to use: the best one that is safe. None if there is none."""
    try:
        keyring: Any = import_module("keyring")
    except ImportError:
        return None
    first = keyring.get_keyring()
    rings = getattr(first, "backends", (first,))  # several are asked one after another
    return next((it for it in rings if not type(it).__module__.startswith(_UNSAFE_BACKENDS)), None)


PASSWORD_VARIABLE = "CHAT_PASSWORD"
"""The environment variable that may hold a password."""

TERMINAL_PATH = "/dev/tty"
"""The terminal that the program runs on, wherever its input comes from (POSIX)."""


class PasswordFileError(Refusal):
    """The file that the password is to come from cannot be read."""


def given_password(file: str | None) -> str | None:
    """Return the password that stands in the first line of `file`, if one is named, or else in the
    environment; None if there is none. Raises `Unreadable`."""
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE) or None
    try:
        lines = Path(file).read_text().splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise PasswordFileError(Code.BAD_ARGUMENT, f"{file} cannot be read ({reason}).") from None
    if not lines or not lines[0]:
        raise PasswordFileError(
            Code.BAD_ARGUMENT, f"The first line of {file} is empty; put a password there."
        )
    return lines[0]


async def ask_password(reactor: Any, prompt: str) -> str | None:
    """Return what is typed on the terminal, unseen; None if there is no terminal, or nothing is."""
    try:
        terminal = os.open(TERMINAL_PATH, system.open_flags("O_RDWR", "O_NOCTTY"))
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
