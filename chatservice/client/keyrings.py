"""Passwords in the keyring of the system, where it has one and the optional `keyring` is installed.

They are kept nowhere else: a keyring that is a plain file, or that keeps nothing, is not taken.
"""

from importlib import import_module
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from chatservice import names

SERVICE = "chat-client"

_NONE = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
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
        return self._in_thread(_recall, self._called(user))

    def keep(self, user: str, password: str) -> "Deferred[bool | None]":
        """Keep the password of a user. Return whether it is kept."""
        return self._in_thread(_keep, self._called(user), password)

    async def renew(self, user: str, password: str) -> None:
        """Keep another password, if there is one of that user."""
        if await self.recall(user) is not None:
            await self.keep(user, password)

    def _called(self, user: str) -> str:
        return f"{names.key(user)}@{self._place}"

    def _in_thread(self, work: Any, *args: str) -> "Deferred[Any]":
        doing = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work, *args)
        return doing.addErrback(lambda failure: failure.trap(Exception) and None)


def _recall(called: str) -> str | None:
    ring = usable()
    found: str | None = ring.get_password(SERVICE, called) if ring is not None else None
    return found


def _keep(called: str, password: str) -> bool:
    ring = usable()
    if ring is not None:
        ring.set_password(SERVICE, called, password)
    return ring is not None


def usable() -> Any:
    """Return the keyring to use: the best one that is safe. None if there is none."""
    try:
        keyring: Any = import_module("keyring")
    except ImportError:
        return None
    first = keyring.get_keyring()
    rings = getattr(first, "backends", (first,))  # several are asked one after another
    return next((it for it in rings if not type(it).__module__.startswith(_NONE)), None)
