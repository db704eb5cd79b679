"""Passwords with argon2id (RFC 9106), off the reactor's thread."""

from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool


class Argon2Passwords:
    """`chatservice.domain.ports.Passwords`, with argon2-cffi's defaults: RFC 9106, section 4."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._hasher = PasswordHasher()

    def hash(self, password: str) -> "Deferred[str]":
        """Return what to keep of a password: salted, with its parameters."""
        return self._aside(self._hasher.hash, password)

    def fits(self, kept: str, password: str) -> "Deferred[bool]":
        """Return whether it is the one."""
        return self._aside(self._verify, kept, password)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except VerificationError:
            return False

    def _aside(self, what: Any, *args: str) -> "Deferred[Any]":
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), what, *args)
