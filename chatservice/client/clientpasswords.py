"""Sources of a password: a file, the environment, the system's keyring, the terminal.

The command line is none of them, because all users of the machine can see it.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from chatservice import names
from chatservice.client import system
from chatservice.client.pipescreen import PipeScreen
from chatservice.client.screen import InputEnded
from chatservice.errors import Code, Refusal

PASSWORD_VARIABLE = "CHAT_PASSWORD"
"""The environment variable that may hold a password."""

TERMINAL_PATH = "/dev/tty"
"""The terminal of the process, wherever its input comes from (POSIX)."""

KEYRING_SERVICE = "chat-client"

T = TypeVar("T")

_UNSAFE_BACKENDS = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""Backends of the package `keyring` that keep nothing, or keep it in plain files."""


class PasswordFileError(Refusal):
    """The password file cannot be read."""


def given_password(file: str | None) -> str | None:
    """Return the first line of `file`, if one is named, or else the value of `PASSWORD_VARIABLE`;
    None if it is not set. Raises `PasswordFileError`."""
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


def no_password(name: str) -> Refusal:
    """Return the refusal of a script that has no password for a name."""
    return Refusal(
        Code.PASSWORD_NEEDED,
        f"{name} needs a password; put it into a file and name that with --password-file, or set "
        f"{PASSWORD_VARIABLE}.",
    )


async def ask_password(reactor: Any, user: str) -> str | None:
    """Return the password of a user, typed on the terminal and hidden; None without a terminal, or
    if it is cancelled."""
    try:
        terminal = os.open(TERMINAL_PATH, system.open_flags("O_RDWR", "O_NOCTTY"))
    except OSError:
        return None
    screen = PipeScreen(reactor, terminal, terminal)
    screen.start(lambda: None)
    try:
        return await screen.ask(f"Password of {user}: ", hidden=True)
    except InputEnded:
        return None
    finally:
        await screen.close()
        os.close(terminal)


class Keyring:
    """The passwords for the server at `address` in the system's keyring, if the optional package
    `keyring` is installed. A password for TLS is never returned for a plain connection.

    Calls run in a thread, because a keyring may ask its owner something first. One that fails is
    treated like none.
    """

    def __init__(self, reactor: Any, address: str, tls: bool) -> None:
        self._reactor = reactor
        self._address = f"{address} (TLS)" if tls else address

    def recall(self, user: str) -> "Deferred[str | None]":
        """Return the password of a user, or None."""
        return self._in_thread(lambda it: it.get_password(KEYRING_SERVICE, self._entry(user)))

    def keep(self, user: str, password: str) -> "Deferred[bool | None]":
        """Keep the password of a user. The result is True if it is kept."""
        entry = self._entry(user)
        return self._in_thread(lambda it: it.set_password(KEYRING_SERVICE, entry, password) is None)

    async def renew(self, user: str, password: str) -> None:
        """Replace the password of a user, if there is one."""
        if await self.recall(user) is not None:
            await self.keep(user, password)

    def _entry(self, user: str) -> str:
        return f"{names.key(user)}@{self._address}"

    def _in_thread(self, work: Callable[[Any], T]) -> "Deferred[T | None]":
        def call() -> T | None:
            keyring = find_keyring()
            return work(keyring) if keyring is not None else None

        doing = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)
        return doing.addErrback(lambda failure: failure.trap(Exception) and None)


def find_keyring() -> Any:
    """Return the first safe backend of the package `keyring`, or None."""
    try:
        keyring: Any = import_module("keyring")
    except ImportError:
        return None
    first = keyring.get_keyring()
    backends = getattr(first, "backends", (first,))  # a chain asks several in turn
    return next(
        (it for it in backends if not type(it).__module__.startswith(_UNSAFE_BACKENDS)), None
    )
