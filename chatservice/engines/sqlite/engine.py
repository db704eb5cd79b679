"""The default engine: SQLite and plain folders, in one directory, for one process."""

import os
import secrets
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from chatservice.domain.ports.engine_ports import Follower
from chatservice.engines.credentials import AccountChecker, Checkers
from chatservice.engines.sqlite import permissions
from chatservice.engines.sqlite.argon2 import Argon2Passwords
from chatservice.engines.sqlite.filestore import FolderFileStore
from chatservice.engines.sqlite.folderlock import FolderLock
from chatservice.engines.sqlite.integrity import IntegrityCheck
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.engines.sqlite.maintenance import LocalMaintenance
from chatservice.engines.sqlite.retention import Retention
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits


class SqliteEngine:
    """Everything that lasts, below `data`; shared files below `files`.

    Entries are kept for `keep_seconds`, and while the database has no more than `keep_bytes`; None
    means no bound. The `checkers` of twisted.cred check passwords of names without one here.
    `keys` are the operator's TLS keys, for backups. `make_logs` makes the store of the logs.
    Raises `Refusal`, with one sentence for the operator, if the directories cannot be used.
    """

    others = None

    def __init__(
        self,
        reactor: Any,
        data: Path,
        files: Path,
        keep_seconds: float | None = None,
        keep_bytes: int | None = None,
        checkers: Sequence[Any] = (),
        keys: Sequence[Path] = (),
        limits: Limits | None = None,
        make_logs: type[LogStore] = LogStore,
    ) -> None:
        limits = limits or Limits()
        inside = Path(os.path.realpath(files)).is_relative_to(os.path.realpath(data))
        self._locks = [
            _taken(data, permissions.FOLDER, "lock", "name another directory with --data")
        ]
        permissions.close(data)
        self._locks.append(
            _taken(
                *(files, permissions.FOLDER if inside else None, ".lock"),
                "name another directory with --files",
            )
        )
        self._reactor = reactor
        self.logs = make_logs(
            *(reactor, data / "chat.sqlite"),
            limits=limits,
            forget_files=lambda folder: self.files.forget(folder),  # they need its table first
        )
        self.rooms, self.accounts = self.logs.rooms, self.logs.accounts
        self.members, self.pushes = self.logs.members, self.logs.pushes
        self.claims = self.accounts.claims
        self._check = IntegrityCheck(reactor, data / "chat.sqlite")
        try:
            self.files = FolderFileStore(reactor, files, self.logs.file_table, inside, limits)
        except OSError as error:
            raise _unusable(files, error) from error
        self._retention = Retention(reactor, self.logs, keep_seconds, keep_bytes, limits)
        self.hasher = Argon2Passwords(reactor, limits)
        own = AccountChecker(self.accounts, self.hasher)
        self.maintenance = LocalMaintenance(
            *(reactor, data / "chat.sqlite", self.logs, self.files, keys)
        )
        self.authenticator = Checkers(own, self.accounts, checkers)

    async def start(self) -> None:
        self._reactor.callWhenRunning(self._start_threads)

    def _start_threads(self) -> None:
        self.logs.start()
        self.files.start()
        self._retention.start()
        self._check.start()

    def follow(self, follower: Follower) -> Awaitable[None]:
        return self.logs.follow(follower)

    def stopping(self) -> "Deferred[None]":
        return self.maintenance.stop()

    async def stop(self) -> None:
        self._check.stop()
        self._retention.stop()
        self.hasher.close()
        self.files.close()
        self.logs.close()
        for lock in self._locks:
            lock.release()


def _taken(folder: Path, mode: int | None, name: str, remedy: str) -> FolderLock:
    """Make a folder that outlasts a power cut, see that something can be written there, and take it
    for this server alone."""
    probe = folder / f".writable-{secrets.token_hex(8)}"
    try:
        permissions.make_folders(folder.parent)
        permissions.make_folders(folder, mode)
        probe.touch(permissions.FILE, exist_ok=False)  # others may put links where they may write
        probe.unlink()
        return FolderLock(folder, name, remedy)
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> Refusal:
    why = error.strerror or str(error)
    return Refusal(
        Code.NOT_STORED,
        "The directory {folder} cannot be written ({why}); make it writable, or name another one.",
        folder=folder,
        why=why,
    )
