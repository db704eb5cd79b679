"""The default engine: SQLite and plain folders, in one directory, for one process."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from twisted.internet.defer import Deferred, succeed

from chatservice import limits
from chatservice.domain.ports import Engine
from chatservice.errors import Code, Refusal
from chatservice.storage.checks import sync
from chatservice.storage.credentials import AccountChecker, Checkers
from chatservice.storage.folders import Folders
from chatservice.storage.journal import Journal
from chatservice.storage.keeping import Ended, Keeping
from chatservice.storage.latecheck import LateCheck
from chatservice.storage.passwords import Argon2Passwords
from chatservice.storage.sqlite import SqliteStore
from chatservice.storage.upkeep import LocalUpkeep


class LocalNames:
    """`chatservice.domain.ports.Names` for one process: nobody is anywhere else."""

    def claim(self, key: str) -> "Deferred[bool]":
        """Take a name that nobody here has."""
        return succeed(True)

    def release(self, key: str) -> None:
        """Give it back."""


class Embedded:
    """Everything that lasts, below `data`; shared files below `files`.

    Entries are kept for `keep_seconds`, and while the database has no more than `keep_bytes`; None
    for either is no bound. Uploads that stopped half-way can go on for `partial_seconds`. The
    `checkers` of twisted.cred are asked about those who have no password here. Raises `Refusal`,
    with one sentence for the operator, if that cannot be used.
    """

    def __init__(
        self,
        reactor: Any,
        data: Path,
        files: Path,
        keep_seconds: float | None = None,
        keep_bytes: int | None = None,
        partial_seconds: float = limits.PARTIAL_SECONDS,
        checkers: Sequence[Any] = (),
    ) -> None:
        for folder in (data, files):
            _make_usable(folder)
        self._lock = FileLock(data / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise Refusal(
                Code.NOT_STORED,
                f"Another server is using {data}; stop it, or name another directory with --data.",
            ) from None
        self._store = SqliteStore(reactor, data / "chat.sqlite")
        self._check = LateCheck(reactor, data / "chat.sqlite")
        self._folders = Folders(reactor, files, self._store.files, partial_seconds)
        self._journal = Journal(self._store, reactor)
        self._keeping = Keeping(reactor, time.time, self._store, keep_seconds, keep_bytes)
        accounts = self._store.accounts
        self._passwords = Argon2Passwords(reactor)
        own = AccountChecker(accounts, self._passwords)
        self.engine = Engine(
            *(self._journal, self._store, self._store.rooms, accounts),
            *(LocalNames(), self._passwords, Checkers(own, accounts, checkers), self._folders),
            LocalUpkeep(data / "chat.sqlite", self._store, self._journal, self._folders),
        )

    def start(self, ended: Ended) -> None:
        """From now on, wait for no disk: the reactor is about to run. `ended` is told what is no
        longer kept."""
        self._store.start()
        self._folders.start()
        self._keeping.start(ended)
        self._check.start()

    async def close(self) -> None:
        """Store what was accepted, and let go."""
        self._check.stop()
        self._keeping.stop()
        await self._journal.settled()
        self._passwords.close()
        self._folders.close()
        self._store.close()
        self._lock.release()


def _make_usable(folder: Path) -> None:
    """Make a folder that outlasts a power cut, and see that something can be written there."""
    probe = folder / ".writable"
    new = [it for it in (folder, *folder.parents) if not it.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
        for made in new:
            sync(made.parent)
    except OSError as error:
        raise Refusal(
            Code.NOT_STORED,
            f"The directory {folder} cannot be written ({error.strerror}); make it writable, or "
            "name another one.",
        ) from error
