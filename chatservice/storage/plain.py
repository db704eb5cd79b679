"""Plain files, as shelves need them. All here may wait for a disk, and is done in a thread."""

import hashlib
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from chatservice import names
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.storage.sqlite import FileRow

_HASH_BYTES = 1 << 20


class OpenFile:
    """A file of a shelf, opened: `chatservice.domain.ports.Outgoing`."""

    def __init__(self, file: IO[bytes], shelf: str, mark: FileMark) -> None:
        self.shelf = shelf
        self.mark = mark
        self.left = mark.size
        self._file = file

    def read(self, count: int) -> bytes:
        """Return the next bytes; fewer than `left` are to come only if the file has shrunk."""
        data = self._file.read(min(count, self.left))
        self.left -= len(data)
        return data

    def seek(self, offset: int) -> None:
        """Go on from `offset`. Raises `Refusal` (bad-offset)."""
        if offset > self.mark.size:
            raise Refusal(
                Code.BAD_OFFSET,
                f"{self.mark.name} has only {self.mark.size} bytes; give a smaller OFFSET.",
            )
        self._file.seek(offset)
        self.left = self.mark.size - offset

    def close(self) -> None:
        """Be done with it."""
        self._file.close()


def scan(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size and mtime of what may be served of a folder: plain files, no links."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if names.is_file(entry.name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append((entry.name, status.st_size, status.st_mtime_ns))
    except FileNotFoundError:
        return []
    return sorted(found)


def open_plain(path: Path) -> tuple[IO[bytes], int, int]:
    """Open a plain file; return it with its size and mtime. Raises OSError for anything else."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise FileNotFoundError(path)
    return os.fdopen(handle, "rb"), status.st_size, status.st_mtime_ns


def digest(path: Path) -> FileRow:
    """Read a file and return what is to be known of it."""
    file, size, mtime = open_plain(path)
    with file:
        digest, left = hashlib.sha256(), size
        while left and (data := file.read(min(_HASH_BYTES, left))):
            digest.update(data)
            left -= len(data)
    return FileRow(path.name, size, mtime, digest.hexdigest(), "", mtime // 1_000_000)


def check_unchanged(path: Path, row: FileRow) -> None:
    """Raise OSError if a file is not there any more as it was."""
    status = os.lstat(path)
    if (status.st_size, status.st_mtime_ns) != (row.size, row.mtime):
        raise FileNotFoundError(path)


def place(part: Path, folder: Path, name: str) -> tuple[str, int]:
    """Give a file its name in a folder, or `name (2)` and so on where that is taken.

    Returns the name and the mtime, once the folder is on the disk too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(part, 0o644)
    for wanted in names_like(name):
        try:
            os.link(part, folder / wanted)  # fails if it is there, where a rename would replace it
            break
        except FileExistsError:
            continue
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return wanted, os.lstat(folder / wanted).st_mtime_ns


def names_like(name: str) -> Iterator[str]:
    """Return `name`, and then `name (2)` and so on, for ever."""
    yield name
    for number in itertools.count(2):
        yield numbered(name, number)


def numbered(name: str, number: int) -> str:
    """Return `report (2).pdf` of `report.pdf`, within the bounds of a file's name."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > 16:
        stem, dot, ending = name, "", ""
    tail = f" ({number}){dot}{ending}"
    room = 255 - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail


def rename_folder(folder: Path, to: Path) -> bool:
    """Call a folder otherwise; return whether there is one."""
    if not folder.is_dir():
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(to)
    return True
