"""Passwords with argon2id (RFC 9106), hashed in other processes (`hashprocess`)."""

import json
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatservice.engines.sqlite import hashprocess
from chatservice.engines.sqlite.threads import BackgroundPool
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits


class Argon2Passwords:
    """The port `PasswordHasher`, with argon2id.

    Each hash takes 64 MiB and some tens of milliseconds of a core. So only `Limits.hashes`
    processes do it, with low priority, and other hashes wait. The processes start when they are
    needed, and end with the server, however that ends.
    """

    def __init__(self, reactor: Any, limits: Limits | None = None) -> None:
        hashes = (limits or Limits()).hashes
        self._pool = BackgroundPool(reactor, "chat-passwords", hashes)
        self._helpers = defaultdict[int, HashProcess](HashProcess)  # one for each thread
        self._closing = False

    def hash(self, password: str) -> "Deferred[str]":
        """Return what to keep of a password: salted, with its parameters."""
        return self._pool.do(self._hash, password)

    def fits(self, kept: str, password: str) -> "Deferred[bool]":
        """Return whether it is the one."""
        return self._pool.do(self._fits, kept, password)

    def _hash(self, password: str) -> str:
        if self._closing:
            raise Refusal(Code.NOT_STORED, "The server is stopping; come back later.")
        return str(self._helpers[threading.get_ident()].ask(password))

    def _fits(self, kept: str, password: str) -> bool:
        helper = self._helpers[threading.get_ident()]
        return not self._closing and bool(helper.ask([kept, password]))

    def close(self) -> None:
        """Finish the hashes that have begun; refuse those that wait."""
        self._closing = True
        self._pool.stop()
        for helper in self._helpers.values():
            helper.end()


class HashProcess:
    """A process that hashes, for one thread. If it cannot be started, the thread hashes."""

    log = Logger()

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, what: str | list[str]) -> str | bool:
        """Return the hash of a password, or whether a password fits a hash."""
        for _ in range(2):  # one that has ended, whoever killed it, is followed by another
            try:
                return self._asked(what)
            except (OSError, ValueError) as error:
                self.log.warn("a process that hashes passwords failed: {why}", why=error)
                self.end()
        return hashprocess.hashed(what) if isinstance(what, str) else hashprocess.fits(*what)

    def _asked(self, what: str | list[str]) -> str | bool:
        if self._process is None:
            # -P: it stands beside modules of ours, which are not to be taken for Python's own
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(hashprocess.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()
        answer: str | bool = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """End the process: it does as soon as nothing more can be asked."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
