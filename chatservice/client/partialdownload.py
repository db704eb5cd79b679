"""A file on its way to the disk: a hidden partial file first, and a free name at the end.

The hidden name is made of the file's name and its SHA-256. So a later download of the same file
into the same folder finds the partial file and resumes it. The partial file is locked, because
another download may run at the same time.
"""

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
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from chatservice import names
from chatservice.client import system
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

HASH_CHUNK = 1 << 20

OLD_PART_SECONDS = 30 * 24 * 3600.0
"""A partial file that was not touched for so long is deleted."""

_UNPORTABLE = re.compile('[<>:"/\\\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
"""Characters that Windows accepts in no name ("Naming Files, Paths, and Namespaces"), control
characters, and lone surrogates, which are no UTF-8."""

_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)
"""Names of devices of Windows, with any extension."""

_SUFFIX_BYTES = 32
"""The longest extension that is kept whole in a name that is too long."""

_PART = re.compile(r"\..+\.part-[0-9a-f]{16}", re.DOTALL)

_naming = threading.Lock()
"""Held from looking for a free name to taking it."""


# -- names ---------------------------------------------------------------------------------------


def portable_name(name: str) -> str:
    """Return `name` changed as little as needed for every usual file system.

    Characters that some system refuses become `_`, and so do dots and spaces at the end. A reserved
    name gets a `_` in front (`_CON.txt`). A name that is too long is cut before its extension.
    """
    name = _ended(_UNPORTABLE.sub("_", name))
    if name.partition(".")[0].rstrip(" ").upper() in _RESERVED:
        name = f"_{name}"
    if len(name.encode()) > names.FILE_NAME_BYTES:
        stem, suffix = os.path.splitext(name)
        if len(suffix.encode()) > _SUFFIX_BYTES:
            stem, suffix = name, ""
        name = _ended(shortened_name(stem, len(suffix.encode())) + suffix)
    return name or "_"


def _ended(name: str) -> str:
    """Replace the dots and spaces at the end, which Windows drops, by `_`."""
    kept = name.rstrip(". ")
    return kept + "_" * (len(name) - len(kept))


def comparison_key(name: str) -> str:
    """Return a text that is equal for names that some file system takes for the same: case and
    composition of accents do not matter."""
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
    """Return a name cut so that `spare` bytes are left."""
    return name.encode()[: names.FILE_NAME_BYTES - spare].decode(errors="ignore")


# -- a file that is received ---------------------------------------------------------------------


class CannotSave(Refusal):
    """A file cannot be written to the disk of the client."""


class PartialDownload:
    """A file that is received into `folder`. `name` is checked by `names.file`.

    Call `resume` first to keep what came earlier; else the file begins anew. Every method raises
    `CannotSave` if the disk fails.
    """

    def __init__(self, folder: Path, name: str, sha256: str) -> None:
        self._folder = folder
        self._name = portable_name(names.file(name))
        self.received = 0
        self._hash = hashlib.sha256()
        with self._disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._part = self._part_path(sha256[:16])
            file = system.open_locked(self._part, make=True)
            self._can_resume = file is not None
            if file is None:  # it is locked, or there are no locks
                self._part = self._part_path(secrets.token_hex(8))
                file = open(self._part, "x+b", buffering=0)  # noqa: SIM115 - kept open
            self._file: BinaryIO = file

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Turn an `OSError` into `CannotSave`."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            sentence = f"{self._folder}/{self._name} cannot be written ({reason})"
            raise CannotSave(Code.NOT_STORED, f"{sentence}; nothing of it was kept.") from None

    def _part_path(self, mark: str) -> Path:
        suffix = f".part-{mark}"
        return self._folder / f".{shortened_name(self._name, len(suffix) + 1)}{suffix}"

    def resume(self, size: int, stopped: list[bool]) -> None:
        """Keep what came earlier, unless it is more than `size` bytes. Call it in a thread, because
        it reads the whole partial file. It ends early once `stopped` is not empty."""
        with self._disk_errors():
            if os.fstat(self._file.fileno()).st_size > size:
                self._file.truncate(0)
            while not stopped and (data := self._file.read(HASH_CHUNK)):
                self._hash.update(data)
                self.received += len(data)

    def check_space(self, size: int) -> None:
        """Check that the disk has room for the rest of a file of `size` bytes."""
        with self._disk_errors():
            free = shutil.disk_usage(self._folder).free
        if size - self.received > free:
            raise CannotSave(
                Code.DISK_FULL,
                f"It has {textformat.size(size)}, and there is room for {textformat.size(free)} in "
                f"{self._folder}.",
            )

    def write(self, data: bytes) -> None:
        """Add the next bytes."""
        with self._disk_errors():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self._hash.update(data)
        self.received += len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what came so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def finish(self) -> Path:
        """Sync the file, give it its name or the next free one, and return its path. Call it in a
        thread, because it waits for the disk."""
        try:
            with self._disk_errors():
                os.fsync(self._file.fileno())
                if not system.POSIX:  # Windows renames closed files only
                    self._file.close()
                path = self._give_free_name()
                self._file.close()
                system.sync_folder(self._folder)
                return path
        except CannotSave:
            self.discard()
            raise

    def _give_free_name(self) -> Path:
        with _naming:
            taken = {comparison_key(name) for name in os.listdir(self._folder)}
            for name in free_names(self._name):
                path = self._folder / name
                if comparison_key(name) not in taken:
                    try:
                        _rename_new(self._part, path)
                    except FileExistsError:
                        continue
                    return path
        raise AssertionError("there is always another name")

    def release(self) -> None:
        """Stop receiving, and keep what came if a later download finds it."""
        if self._can_resume and self.received:
            self._file.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Delete what came. After `finish` or `release` it does nothing."""
        if not self._file.closed:
            system.delete_open(self._part, self._file)


def find_saved(folder: Path, name: str, size: int, sha256: str, stopped: list[bool]) -> Path | None:
    """Return the path of that very file in `folder`, under its name or one of `free_names`, or
    None. Call it in a thread, because it may read long. It ends early once `stopped` is not empty.
    """
    name = portable_name(names.file(name))
    try:
        there = {comparison_key(each): each for each in os.listdir(folder)}
    except OSError:
        return None
    for each in takewhile(lambda it: comparison_key(it) in there, free_names(name)):
        path = folder / there[comparison_key(each)]
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_size == size:
                with path.open("rb") as file:
                    if measure(file, stopped)[1] == sha256:
                        return path
    return None


def measure(file: BinaryIO, stopped: list[bool]) -> tuple[int, str]:
    """Return the size and the SHA-256 of a file. It ends early once `stopped` is not empty."""
    hash_, size = hashlib.sha256(), 0
    while not stopped and (data := file.read(HASH_CHUNK)):
        hash_.update(data)
        size += len(data)
    return size, hash_.hexdigest()


def delete_old_parts(folder: Path) -> None:
    """Delete the partial files in `folder` that are old and not locked. It waits for the disk."""
    oldest = time.time() - OLD_PART_SECONDS
    with suppress(OSError):
        for part in filter(lambda it: _PART.fullmatch(it.name), folder.iterdir()):
            if part.lstat().st_mtime < oldest:
                file = system.open_locked(part)
                if file is not None:
                    system.delete_open(part, file)


def _rename_new(part: Path, path: Path) -> None:
    """Rename a file, and never replace another. Raises `FileExistsError`."""
    try:
        os.link(part, path)
        os.unlink(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: reserve the name, then replace that file
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(part, path)
