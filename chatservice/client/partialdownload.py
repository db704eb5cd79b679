"""A file on its way to the disk: a hidden partial file first, and a free name at the end."""

import hashlib
import os
import re
import secrets
import shutil
import stat
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from chatservice import limits, names
from chatservice.client import system
from chatservice.client.system import open_locked
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

_UNPORTABLE = re.compile('[<>:"/\\\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
"""What Windows takes in no name ("Naming Files, Paths, and Namespaces"), control characters, and
lone surrogates, which are no UTF-8."""

_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)
"""Devices of Windows, which they are with any extension too."""

_SUFFIX_BYTES = 32
"""What is longer than that behind the last dot is no extension worth keeping whole."""


def portable_name(name: str) -> str:
    """Return `name` as it can stand on any usual file system, changed as little as that takes.

    Characters that some system does not take become `_`, and so do dots and spaces at the end; a
    `_` goes in front of what is reserved (`_CON.txt`); what is too long is cut before its
    extension.
    """
    name = _ended(_UNPORTABLE.sub("_", name))
    if _is_reserved(name):
        name = f"_{name}"
    if len(name.encode()) > limits.FILE_NAME_BYTES:
        stem, suffix = os.path.splitext(name)
        if len(suffix.encode()) > _SUFFIX_BYTES:
            stem, suffix = name, ""
        name = _ended(shortened_name(stem, len(suffix.encode())) + suffix)
    return name or "_"


def _ended(name: str) -> str:
    """Put `_` for the dots and spaces at the end, which Windows leaves out."""
    kept = name.rstrip(". ")
    return kept + "_" * (len(name) - len(kept))


def _is_reserved(name: str) -> bool:
    return name.partition(".")[0].rstrip(" ").upper() in _RESERVED


def comparison_key(name: str) -> str:
    """Return what two names share that some file systems take for one: case does not matter, nor
    how accents are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def free_names(name: str) -> Iterator[str]:
    """Return `report.pdf`, `report (2).pdf`, `report (3).pdf` and so on, none of them too long."""
    yield name
    stem, suffix = os.path.splitext(name)
    number = 2
    while True:
        end = f" ({number}){suffix}"
        yield shortened_name(stem, len(end.encode())) + end
        number += 1


def shortened_name(name: str, spare: int) -> str:
    """Return as much of a name as leaves `spare` bytes."""
    return name.encode()[: limits.FILE_NAME_BYTES - spare].decode(errors="ignore")


HASH_CHUNK = 1 << 20

OLD_PART_SECONDS = 30 * 24 * 3600.0
"""What came of a file and was not touched for so long is taken to be of no use to anybody."""

_PART = re.compile(r"\..+\.part-[0-9a-f]{16}", re.DOTALL)

_naming = threading.Lock()
"""Held from looking which names are free to taking one."""


class CannotSave(Refusal):
    """The disk here does not want a file."""


class PartialDownload:
    """A file called `name` (as `names.file` lets pass) with that SHA-256, received into `folder`.

    What came of it before is there still, if `take_up` is called first; else it is begun anew.
    Every method raises `Refusal` where the disk does not want what it is given.
    """

    def __init__(self, folder: Path, name: str, sha256: str) -> None:
        self._folder = folder
        self._name = portable_name(names.file(name))
        self.received = 0
        self._hash = hashlib.sha256()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._part, self._file, self._can_resume = self._open_part(sha256[:16])
        except OSError as error:
            raise self._refusal(error) from None

    def _open_part(self, mark: str) -> tuple[Path, BinaryIO, bool]:
        """Open the one part that there should be of the file, or another if somebody is at it, or
        the file system knows no locks. Return its path, and whether it can be found again."""
        part = self._part_path(mark)
        file = open_locked(part, make=True)
        if file is not None:
            return part, file, True
        part = self._part_path(secrets.token_hex(8))
        return part, open(part, "x+b", buffering=0), False

    def _part_path(self, mark: str) -> Path:
        suffix = f".part-{mark}"
        return self._folder / f".{shortened_name(self._name, len(suffix) + 1)}{suffix}"

    def resume(self, size: int, stopped: list[bool]) -> None:
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

    def check_space(self, size: int) -> None:
        """See that there is room on the disk for all of it, `size` bytes."""
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise self._refusal(error) from None
        if size - self.received > free:
            raise CannotSave(
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

    def finish(self) -> Path:
        """Put the file on the disk under its name, or the next one that is free. Return where.

        It waits for the disk, so call it in a thread.
        """
        try:
            os.fsync(self._file.fileno())
            if not system.POSIX:  # an open file cannot get another name
                self._file.close()
            place = self._give_free_name()
            self._file.close()
            system.sync_folder(self._folder)
            return place
        except OSError as error:
            self.discard()
            raise self._refusal(error) from None

    def _give_free_name(self) -> Path:
        with _naming:
            there = {comparison_key(name) for name in os.listdir(self._folder)}
            for name in free_names(self._name):
                place = self._folder / name
                if comparison_key(name) not in there:
                    try:
                        _give_name(self._part, place)
                    except FileExistsError:
                        continue
                    return place
        raise AssertionError("there is always another name")

    def release(self) -> None:
        """Receive no more of it now. What came stays, if it can be found again."""
        if self._can_resume and self.received:
            self._file.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Leave nothing of it, unless it was kept. After `keep` or `release` it does nothing."""
        if not self._file.closed:
            system.delete_open(self._part, self._file)

    def _refusal(self, error: OSError) -> Refusal:
        reason = error.strerror or str(error)
        return CannotSave(
            Code.NOT_STORED,
            f"{self._folder}/{self._name} cannot be written ({reason}); nothing of it was kept.",
        )


def find_saved(folder: Path, name: str, size: int, sha256: str, stopped: list[bool]) -> Path | None:
    """Return where `folder` has that very file, under the name that it would get, or one of those
    that it gets where that is taken; None if it is not there.

    It may read long, so call it in a thread; it ends early once `stopped` is not empty.
    """
    name = portable_name(names.file(name))
    try:
        there = {comparison_key(each): each for each in os.listdir(folder)}
    except OSError:
        return None
    for each in takewhile(lambda it: comparison_key(it) in there, free_names(name)):
        place = folder / there[comparison_key(each)]
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


def delete_old_parts(folder: Path) -> None:
    """Take away what came of files into `folder` so long ago that nobody will go on with it. It
    waits for the disk; what cannot be taken away stays."""
    oldest = time.time() - OLD_PART_SECONDS
    with suppress(OSError):
        for part in filter(lambda it: _PART.fullmatch(it.name), folder.iterdir()):
            if part.lstat().st_mtime < oldest:
                _delete_part(part)


def _delete_part(part: Path) -> None:
    file = open_locked(part)
    if file is not None:  # else somebody is at it
        system.delete_open(part, file)


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
