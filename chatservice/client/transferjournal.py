"""Transfers that were begun and not finished, remembered in the user's state folder, so that the
next start can go on with them.

Each has a small file of its own, in JSON, locked by the process that carries it. So several clients
of one user never go on with the same one, and what a client that was killed had under way is free
at once.
"""

import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from platformdirs import user_state_dir

from chatservice.client import system
from chatservice.client.partialdownload import OLD_PART_SECONDS, delete_old_parts
from chatservice.client.system import open_locked

STATE_VARIABLE = "CHAT_CLIENT_STATE"
"""The environment variable that names another folder."""

_NEW = ".new"


def state_folder() -> Path:
    """Return where transfers are remembered."""
    return Path(os.environ.get(STATE_VARIABLE) or user_state_dir("chat-client"))


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """A transfer of `user` at `server`: `up` from the file at `path`, to a `room` or, with `to`, to
    one user; or down into the folder at `path`, from the shelf of `room`. An upload has a `key`,
    with which the server knows it again once all of it has come."""

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
    """The right to carry a transfer. `place` is where it is remembered, if it could be."""

    record: TransferRecord
    path: Path | None = None
    file: BinaryIO | None = None

    def forget(self) -> None:
        """It is finished, or never will be."""
        if self.path is not None and self.file is not None and not self.file.closed:
            with suppress(OSError):
                system.delete_open(self.path, self.file)
        self.release()

    def release(self) -> None:
        """Leave it to the next start."""
        if self.file is not None and not self.file.closed:
            with suppress(OSError):
                system.touch(self.file)  # it was tried now
            self.file.close()


class TransferMemory(Protocol):
    """Where transfers are remembered."""

    def remember(self, it: TransferRecord) -> TransferClaim:
        """Note that a transfer begins; it may wait for the disk."""


class TransferJournal:
    """What is remembered in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, it: TransferRecord) -> TransferClaim:
        """Note that a transfer begins; it waits for the disk. Where nothing can be written, it is
        carried all the same, and not remembered."""
        try:
            return self._remember(it)
        except OSError:
            return TransferClaim(it)

    def _remember(self, it: TransferRecord) -> TransferClaim:
        text = json.dumps(asdict(it), indent=1).encode()
        same = json.dumps(asdict(replace(it, key="")), indent=1).encode()
        mark = hashlib.sha256(same).hexdigest()[:32]
        place = self._folder / f"{mark}.json"
        file = open_locked(place)
        if file is not None:  # it was begun before, and nobody carries it
            return TransferClaim(_read(file) or it, place, file)
        if place.exists():
            place = self._folder / f"{mark}-{secrets.token_hex(4)}.json"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._folder / f"{secrets.token_hex(8)}{_NEW}"
        file = open_locked(new, make=True, mode=0o600)
        if file is None:
            return TransferClaim(it)
        file.write(text)
        os.fsync(file.fileno())
        if system.POSIX:
            new.rename(place)
            return TransferClaim(it, place, file)
        file.close()  # an open one cannot get another name
        new.rename(place)
        return TransferClaim(it, place, open_locked(place))

    def claim_all(self, server: str, user: str) -> list[TransferClaim]:
        """Return those of a user at a server that nobody carries, oldest first. What was not tried
        for `OLD_SECONDS` is forgotten, whosever it is, with what came of it."""
        found, oldest = [], time.time() - OLD_PART_SECONDS
        for place in self._paths():
            file = open_locked(place)
            it = _read(file) if file is not None else None
            if file is None:
                continue
            if it is not None and os.fstat(file.fileno()).st_mtime < oldest:
                TransferClaim(it, place, file).forget()
                if not it.up:
                    delete_old_parts(Path(it.path))
            elif it is not None and (it.server, it.user) == (server, user):
                found.append(TransferClaim(it, place, file))
            else:
                if place.suffix == _NEW:  # who wrote it was killed meanwhile
                    system.delete_open(place, file)
                file.close()
        return found

    def _paths(self) -> list[Path]:
        try:
            times = {place: place.stat().st_mtime_ns for place in self._folder.iterdir()}
        except OSError:
            return []
        return sorted(times, key=lambda place: times[place])


def _read(file: BinaryIO) -> TransferRecord | None:
    """Return what a file remembers; None if it is none of ours, or of another version."""
    try:
        return TransferRecord(**json.loads(file.read()))
    except (OSError, ValueError, TypeError):
        return None
