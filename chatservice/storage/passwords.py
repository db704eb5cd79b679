"""Passwords with argon2id (RFC 9106), off the reactor's thread."""

from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import Deferred

from chatservice import limits
from chatservice.errors import Code, Refusal
from chatservice.storage.thread import Pool


class Argon2Passwords:
    """`chatservice.domain.ports.Passwords`, with argon2-cffi's defaults: RFC 9106, section 4.

    Each takes 64 MiB and some tens of milliseconds on every core there is: so there are but a few
    threads for it (`limits.HASHES`), which give way to all others, and who is too many waits.
    """

    def __init__(self, reactor: Any) -> None:
        self._hasher = PasswordHasher()
        self._pool = Pool(reactor, "chat-passwords", limits.HASHES)
        self._closing = False

    def hash(self, password: str) -> "Deferred[str]":
        """Return what to keep of a password: salted, with its parameters."""
        return self._pool.do(self._hash, password)

    def fits(self, kept: str, password: str) -> "Deferred[bool]":
        """Return whether it is the one."""
        return self._pool.do(self._verify, kept, password)

    def _hash(self, password: str) -> str:
        if self._closing:
            raise Refusal(Code.NOT_STORED, "The server is stopping; come back later.")
        return self._hasher.hash(password)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return not self._closing and self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Be done with what was begun; those who wait still are told no."""
        self._closing = True
        self._pool.stop()
