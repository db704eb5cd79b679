"""A file on its way to the disk: under a hidden name at first, never over a file that is there.

The hidden name is made of the file's own and its SHA-256. So what came of it is found again by
whoever fetches the same file into the same folder: later, or at once and elsewhere, which is why
it is locked.
"""

import hashlib
import os
import re
import secrets
import shutil
import stat
import threading
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from chatservice import names
from chatservice.client import system
from chatservice.client.filenames import alike, cut, free_names, portable
from chatservice.client.locks import locked
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

HASH_CHUNK = 1 << 20

OLD_SECONDS = 30 * 24 * 3600.0
"""What came of a file and was not touched for so long is taken to be of no use to anybody."""

_PART = re.compile(r"\..+\.part-[0-9a-f]{16}", re.DOTALL)

_naming = threading.Lock()
"""Held from looking which names are free to taking one."""


class Unwritable(Refusal):
    """The disk here does not want a file."""


class Saving:
    """A file called `name` (as `names.file` lets pass) with that SHA-256, received into `folder`.

    What came of it before is there still, if `take_up` is called first; else it is begun anew.
    Every method raises `Refusal` where the disk does not want what it is given.
    """

    def __init__(self, folder: Path, name: str, sha256: str) -> None:
        self._folder = folder
        self._name = portable(names.file(name))
        self.received = 0
        self._hash = hashlib.sha256()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._part, self._file, self._lasting = self._opened(sha256[:16])
        except OSError as error:
            raise self._refusal(error) from None

    def _opened(self, mark: str) -> tuple[Path, BinaryIO, bool]:
        """Open the one part that there should be of the file, or another if somebody is at it, or
        the file system knows no locks. Return its path, and whether it can be found again."""
        part = self._hidden(mark)
        file = locked(part, make=True)
        if file is not None:
            return part, file, True
        part = self._hidden(secrets.token_hex(8))
        return part, open(part, "x+b", buffering=0), False

    def _hidden(self, mark: str) -> Path:
        suffix = f".part-{mark}"
        return self._folder / f".{cut(self._name, len(suffix) + 1)}{suffix}"

    def take_up(self, size: int, stopped: list[bool]) -> None:
        """Go on behind what came before, if that is not more than `size`. It reads all that is
        there, so call it in a thread; it ends early once `stopped` is not empty."""
        try:
            if os.fstat(self._file.fileno()).st_size > size:
                self.start_over()
            while not stopped and (data := self._file.read(HASH_CHUNK)):
                self._hash.update(data)
                self.received += len(data)
        except OSError as error:
            raise self._refusal(error) from None

    def make_sure_of(self, size: int) -> None:
        """See that there is room on the disk for all of it, `size` bytes."""
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise self._refusal(error) from None
        if size - self.received > free:
            raise Unwritable(
                Code.DISK_FULL,
                f"It has {textformat.size(size)}, and there is room for {textformat.size(free)} in "
                f"{self._folder}.",
            )

    def start_over(self) -> None:
        """Forget what came."""
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self._refusal(error) from None
        self._hash, self.received = hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._refusal(error) from None
        self._hash.update(data)
        self.received += len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what came so far."""
        return self._hash.hexdigest()

    def keep(self) -> Path:
        """Put the file on the disk under its name, or the next one that is free. Return where.

        It waits for the disk, so call it in a thread.
        """
        try:
            os.fsync(self._file.fileno())
            if not system.POSIX:  # an open file cannot get another name
                self._file.close()
            place = self._name_it()
            self._file.close()
            system.sync_folder(self._folder)
            return place
        except OSError as error:
            self.discard()
            raise self._refusal(error) from None

    def _name_it(self) -> Path:
        with _naming:
            there = {alike(name) for name in os.listdir(self._folder)}
            for name in free_names(self._name):
                place = self._folder / name
                if alike(name) not in there:
                    try:
                        _give_name(self._part, place)
                    except FileExistsError:
                        continue
                    return place
        raise AssertionError("there is always another name")

    def release(self) -> None:
        """Receive no more of it now. What came stays, if it can be found again."""
        if self._lasting and self.received:
            self._file.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Leave nothing of it, unless it was kept. After `keep` or `release` it does nothing."""
        if not self._file.closed:
            system.take_away(self._part, self._file)

    def _refusal(self, error: OSError) -> Refusal:
        reason = error.strerror or str(error)
        return Unwritable(
            Code.NOT_STORED,
            f"{self._folder}/{self._name} cannot be written ({reason}); nothing of it was kept.",
        )


def here_already(
    folder: Path, name: str, size: int, sha256: str, stopped: list[bool]
) -> Path | None:
    """Return where `folder` has that very file, under the name that it would get, or one of those
    that it gets where that is taken; None if it is not there.

    It may read long, so call it in a thread; it ends early once `stopped` is not empty.
    """
    name = portable(names.file(name))
    try:
        there = {alike(each): each for each in os.listdir(folder)}
    except OSError:
        return None
    for each in takewhile(lambda it: alike(it) in there, free_names(name)):
        place = folder / there[alike(each)]
        with suppress(OSError):
            found = place.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_size == size:
                with place.open("rb") as file:
                    if _hash(file, stopped) == sha256:
                        return place
    return None


def _hash(file: BinaryIO, stopped: list[bool]) -> str:
    found = hashlib.sha256()
    while not stopped and (data := file.read(HASH_CHUNK)):
        found.update(data)
    return found.hexdigest()


def clean(folder: Path) -> None:
    """Take away what came of files into `folder` so long ago that nobody will go on with it. It
    waits for the disk; what cannot be taken away stays."""
    oldest = time.time() - OLD_SECONDS
    with suppress(OSError):
        for part in filter(lambda it: _PART.fullmatch(it.name), folder.iterdir()):
            if part.lstat().st_mtime < oldest:
                _discard(part)


def _discard(part: Path) -> None:
    file = locked(part)
    if file is not None:  # else somebody is at it
        system.take_away(part, file)


def _give_name(part: Path, place: Path) -> None:
    """Rename a file. Raises `FileExistsError`, and never replaces what is there."""
    try:
        os.link(part, place)
        os.unlink(part)
    except FileExistsError:
        raise
    except OSError:  # no links on this file system: take the name first, then put the file there
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(part, place)
