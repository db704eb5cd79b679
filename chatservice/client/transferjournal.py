"""Unfinished transfers, remembered in the user's state folder until the next start.

Each has a small JSON file that is locked by the process that runs the transfer. So two clients of
one user never resume the same transfer, and a killed client's transfers are free at once.
"""

import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from platformdirs import user_state_dir

from chatservice.client import system
from chatservice.client.partialdownload import OLD_PART_SECONDS, delete_old_parts

STATE_VARIABLE = "CHAT_CLIENT_STATE"
"""The environment variable that names another state folder."""

_NEW = ".new"


def state_folder() -> Path:
    """Return the user's state folder for `chat-client`."""
    return Path(os.environ.get(STATE_VARIABLE) or user_state_dir("chat-client"))


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """A transfer of `user` at `server`. If `up`, it sends the file at `path` to a `room` or, with
    `to`, to one user. Else it saves a file of `room` in the folder at `path`. The `key` lets the
    server recognise an upload of which it has every byte."""

    server: str
    user: str
    up: bool
    path: str
    name: str
    size: int
    sha256: str
    room: str
    to: str | None = None
    version: int = 0
    key: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TransferClaim:
    """The right to run a transfer, with its locked file if it could be remembered."""

    record: TransferRecord
    path: Path | None = None
    file: BinaryIO | None = None

    def forget(self) -> None:
        """Delete the record: the transfer is finished, or never will be."""
        if self.path is not None and self.file is not None and not self.file.closed:
            with suppress(OSError):
                system.delete_open(self.path, self.file)
        self.release()

    def release(self) -> None:
        """Keep the record for the next start."""
        if self.file is not None and not self.file.closed:
            with suppress(OSError):
                system.touch(self.file)  # the time of the last attempt
            self.file.close()


class TransferJournal:
    """The records of transfers in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, record: TransferRecord) -> TransferClaim:
        """Remember a transfer that begins. It waits for the disk. If that fails, the transfer runs
        all the same, and is not remembered."""
        try:
            return self._remember(record)
        except OSError:
            return TransferClaim(record)

    def _remember(self, record: TransferRecord) -> TransferClaim:
        keyless = json.dumps(asdict(replace(record, key="")), indent=1).encode()
        mark = hashlib.sha256(keyless).hexdigest()[:32]
        path = self._folder / f"{mark}.json"
        file = system.open_locked(path)
        if file is not None:  # it was begun before, and no process runs it
            return TransferClaim(_read(file) or record, path, file)
        if path.exists():
            path = self._folder / f"{mark}-{secrets.token_hex(4)}.json"
        return self._write(record, path)

    def _write(self, record: TransferRecord, path: Path) -> TransferClaim:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._folder / f"{secrets.token_hex(8)}{_NEW}"
        file = system.open_locked(new, make=True, mode=0o600)
        if file is None:
            return TransferClaim(record)
        file.write(json.dumps(asdict(record), indent=1).encode())
        os.fsync(file.fileno())
        if system.POSIX:
            new.rename(path)
            return TransferClaim(record, path, file)
        file.close()  # Windows renames closed files only
        new.rename(path)
        return TransferClaim(record, path, system.open_locked(path))

    def claim_all(self, server: str, user: str) -> list[TransferClaim]:
        """Claim the transfers of a user at a server that no process runs, oldest first. Records of
        all users that are older than `OLD_PART_SECONDS` are deleted, with their partial files."""
        found, oldest = [], time.time() - OLD_PART_SECONDS
        for path in self._paths():
            file = system.open_locked(path)
            record = _read(file) if file is not None else None
            if file is None:
                continue
            if record is not None and os.fstat(file.fileno()).st_mtime < oldest:
                TransferClaim(record, path, file).forget()
                if not record.up:
                    delete_old_parts(Path(record.path))
            elif record is not None and (record.server, record.user) == (server, user):
                found.append(TransferClaim(record, path, file))
            else:
                if path.suffix == _NEW:  # its writer was killed
                    system.delete_open(path, file)
                file.close()
        return found

    def _paths(self) -> list[Path]:
        try:
            times = {path: path.stat().st_mtime_ns for path in self._folder.iterdir()}
        except OSError:
            return []
        return sorted(times, key=lambda path: times[path])


def _read(file: BinaryIO) -> TransferRecord | None:
    """Return the record in a file, or None if it is none of this version."""
    try:
        return TransferRecord(**json.loads(file.read()))
    except (OSError, ValueError, TypeError):
        return None
