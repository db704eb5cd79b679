"""Plain files, as shelves need them. All here may wait for a disk, and is done in a thread."""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from chatservice import names
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.storage.checks import sync
from chatservice.storage.filetable import FileRow

_HASH_BYTES = 1 << 20

_AHEAD_BYTES = 4 << 20
"""What the system is asked to read ahead of a download: the reactor is not to wait for it."""

_FICLONE = 0x40049409
"""Linux's request for a copy that shares its blocks until one of the two is changed: Btrfs, XFS
(ioctl_ficlone(2))."""

SETTLED_SECONDS = 2.0
"""A file that was changed so short a time ago may still be being written."""

VERSIONS = ".versions"
"""The folder in a shelf's that holds what its names held before: `.versions/NAME/NUMBER`."""


class OpenFile:
    """A file of a shelf, opened: `chatservice.domain.ports.Outgoing`."""

    def __init__(self, file: IO[bytes], shelf: str, mark: FileMark) -> None:
        self.shelf = shelf
        self.mark = mark
        self.left = mark.size
        self._file = file
        self._ahead = 0
        self._mtime = os.fstat(file.fileno()).st_mtime_ns

    def read(self, count: int) -> bytes:
        """Return the next bytes; never the last ones of a file that was changed meanwhile: so
        nobody takes for whole what is of two contents."""
        data = self._file.read(min(count, self.left))
        if len(data) == self.left and os.fstat(self._file.fileno()).st_mtime_ns != self._mtime:
            return b""
        self.left -= len(data)
        self._read_ahead()
        return data

    def _read_ahead(self) -> None:
        at = self.mark.size - self.left
        if self.left and at + _AHEAD_BYTES // 2 > self._ahead:
            self._ahead = at + _AHEAD_BYTES
            os.posix_fadvise(self._file.fileno(), at, _AHEAD_BYTES, os.POSIX_FADV_WILLNEED)

    def more(self) -> None:
        """All of it was there from the beginning."""

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


def scan(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Iterate over name, size and mtime of what may be served of a folder: plain files, no links,
    in no order."""
    if leads_elsewhere(folder):
        return
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if names.is_file(entry.name) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield entry.name, status.st_size, status.st_mtime_ns


def leads_elsewhere(folder: Path) -> bool:
    """Whether a folder, or the one that it is in, is a link, which may lead anywhere."""
    return folder.is_symlink() or folder.parent.is_symlink()


def open_plain(path: Path) -> tuple[IO[bytes], int, int]:
    """Open a plain file; return it with its size and mtime. Raises OSError for anything else."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise FileNotFoundError(path)
    return os.fdopen(handle, "rb"), status.st_size, status.st_mtime_ns


def digest(path: Path, name: str, version: int) -> FileRow:
    """Read a file and return what is to be known of it.

    Raises `BlockingIOError` while it is being written: it changed while it was read, or a moment
    before.
    """
    file, size, mtime = open_plain(path)
    with file:
        if 0 <= time.time() - mtime / 1e9 < SETTLED_SECONDS:
            raise BlockingIOError(errno.EAGAIN, "it is being written", str(path))
        digest = hash_of(file)
        status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != (size, mtime):
        raise BlockingIOError(errno.EAGAIN, "it is being written", str(path))
    return FileRow(name, version, size, mtime, digest.hexdigest(), "", mtime // 1_000_000)


def hash_of(file: IO[bytes]) -> "hashlib._Hash":
    """Return the SHA-256 of what is left of an open file."""
    digest = hashlib.sha256()
    while data := file.read(_HASH_BYTES):
        digest.update(data)
    return digest


def status(path: Path) -> tuple[int, int] | None:
    """Return size and mtime of a plain file; None if there is none."""
    if leads_elsewhere(path.parent):
        return None
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def version_path(folder: Path, name: str, version: int) -> Path:
    """Return where a version is that is not the newest any more."""
    return folder / VERSIONS / name / str(version)


def old_versions(folder: Path, name: str) -> list[tuple[int, int, int]]:
    """Return number, size and mtime of the versions of a file that are not the newest any more."""
    found = []
    if leads_elsewhere(folder / VERSIONS / name):
        return []
    try:
        with os.scandir(folder / VERSIONS / name) as entries:
            for entry in entries:
                if entry.name.isdecimal() and entry.is_file(follow_symlinks=False):
                    it = entry.stat(follow_symlinks=False)
                    found.append((int(entry.name), it.st_size, it.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found)


def place(part: Path, folder: Path, name: str, there: int) -> int:
    """Give the whole and durable file `part` its name in a folder. Return its mtime, once the
    folder is on the disk too.

    What has the name is version `there`, and is kept as that. At every moment, whoever looks finds
    the one file or the other under the name. Raises `Refusal` (bad-file-name) where something has
    the name that is no file.
    """
    make_folders(folder)
    wanted = folder / name
    try:
        os.link(part, wanted)  # fails if it is there, where a rename would replace it
    except FileExistsError:
        if status(wanted) is None:
            raise Refusal(
                Code.BAD_FILE_NAME, f"{name} is no file on this shelf; take another name."
            ) from None
        kept = version_path(folder, name, there)
        make_folders(kept.parent)
        try:
            os.link(wanted, kept)
        except FileExistsError:
            if not os.path.samefile(wanted, kept):
                raise
        sync(kept.parent)
        new = part.with_name(f"{part.name}.new")  # `part` stays, until it is noted
        new.unlink(missing_ok=True)
        os.link(part, new)
        os.replace(new, wanted)
    sync(folder)
    return os.lstat(wanted).st_mtime_ns


def make_folders(folder: Path) -> None:
    """Make a folder that outlasts a power cut. Raises OSError for one that is a link."""
    if leads_elsewhere(folder):
        raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(folder))
    new = [it for it in (folder, *folder.parents) if not it.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in new:
        sync(made.parent)


def take_off(folder: Path, name: str, newest: int, versions: list[int]) -> None:
    """Remove versions of a file, `newest` being the one that has its name. If that one goes, the
    newest of those that stay gets the name."""
    stay = [number for number, _, _ in old_versions(folder, name) if number not in versions]
    for version in versions:
        if version != newest:
            version_path(folder, name, version).unlink(missing_ok=True)
        elif stay:
            os.replace(version_path(folder, name, stay[-1]), folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    if not old_versions(folder, name):
        shutil.rmtree(folder / VERSIONS / name, ignore_errors=True)
    sync(folder)


def duplicate(path: Path, part: Path) -> None:
    """Make `part` a file with the same content as the one at `path`, durable.

    Blocks are shared where the file system can do that until one of the two is changed. A hard
    link shares them too, but who changes one of the names in place changes the other: so that is
    only taken where the system lets nobody do that by mistake, as the file may not be written and
    the server is not root, whom that does not stop. Else the bytes are copied.
    """
    for way in (_cloned, _linked, _copied):
        if way(path, part):
            return


def _cloned(path: Path, part: Path) -> bool:
    with path.open("rb") as old, part.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            return False
        os.fsync(new.fileno())
    return True


def _linked(path: Path, part: Path) -> bool:
    if os.geteuid() == 0:
        return False
    part.unlink()
    try:
        os.chmod(path, 0o444)
        os.link(path, part)
    except OSError:  # another owner's, or no links here
        return False
    return True


def _copied(path: Path, part: Path) -> bool:
    shutil.copyfile(path, part)
    sync(part)
    return True


def rename_folder(folder: Path, to: Path) -> bool:
    """Call a folder otherwise; return whether there is one."""
    if not folder.is_dir():
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    if not to.exists():
        folder.rename(to)
        return True
    for path in folder.iterdir():  # something came there first: what has the same name stays there
        if not (to / path.name).exists():
            path.rename(to / path.name)
    return True


def digests(
    folder: Path, wanted: Iterator[tuple[str, int]], stopped: Callable[[], bool]
) -> list[FileRow]:
    """Read the next of the files that are wanted, up to about `_SWEEP_BYTES` or `_SWEEP_FILES` of
    them, and rest as long as that took. `wanted` are names, and the versions that they have."""
    began, rows, room = time.monotonic(), [], _SWEEP_BYTES
    for name, version in wanted:
        try:
            rows.append(digest(folder / name, name, version))
        except OSError:  # gone again, unreadable, or still being written
            continue
        room -= rows[-1].size
        if len(rows) >= _SWEEP_FILES or room <= 0 or stopped():
            break
    if not stopped():
        time.sleep(min(1.0, time.monotonic() - began))
    return rows


_SWEEP_BYTES = 64 << 20
_SWEEP_FILES = 100
"""What is read in one step of a background sweep: its result is one commit."""
