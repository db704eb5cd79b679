"""Work on plain files. All functions here may wait for a disk, and run in a thread."""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from chatservice import names
from chatservice.engines.sqlite import permissions
from chatservice.engines.sqlite.filetable import FileRow
from chatservice.engines.sqlite.integrity import sync
from chatservice.engines.sqlite.longjobs import Job
from chatservice.errors import Code, Refusal

_READ_BYTES = 1 << 20
_ZEROS = bytes(_READ_BYTES)

PIECE_SECONDS = 0.05
"""About the length of one turn of a long job (`engines.sqlite.longjobs`): a server that stops
waits so long for it, and a small job for a large one."""

LOOK_SECONDS = 0.001
"""Many files are looked at for so long until others have their turn: meanwhile a thread has
Python's lock, and all talk would wait for it."""

_SYNC_BYTES = 1 << 25
"""Bytes of a copy after which they are brought to the disk: all of a large one at its end would
take long, and that cannot be stopped."""

_FICLONE = 0x40049409
"""Linux's request for a copy that shares its blocks until one of the two is changed: Btrfs, XFS
(ioctl_ficlone(2))."""

SETTLED_SECONDS = 2.0
"""A file that was changed so short a time ago may still be being written."""

VERSIONS = ".versions"
"""The folder that holds what its names held before: `.versions/NAME/NUMBER`."""


def scan(folder: Path, known: Container[str] = ()) -> Iterator[tuple[str, int, int]]:
    """Iterate over name, size and mtime of a folder's plain files, without links, in no order.
    Names that are `known` need no check. Raises `OSError` if the folder cannot be read."""
    if leads_elsewhere(folder):
        return
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # it went meanwhile
                name = entry.name
                if (name in known or names.is_file(name)) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield name, status.st_size, status.st_mtime_ns


def leads_elsewhere(folder: Path) -> bool:
    """Return whether a folder, or its parent, is a link, which may lead anywhere."""
    return folder.is_symlink() or folder.parent.is_symlink()


def open_plain(path: Path) -> tuple[IO[bytes], int, int]:
    """Open a plain file; return it with its size and mtime. Raises OSError for anything else."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise FileNotFoundError(path)
    return os.fdopen(handle, "rb"), status.st_size, status.st_mtime_ns


def digest(
    path: Path, name: str, version: int, pace: Callable[[int], float] = lambda done: 0.0
) -> Job[FileRow]:
    """Read a file and return its row. It rests `pace` times as long as it works; that is told the
    number of bytes read.

    Raises `BlockingIOError` if the file is being written: it changed while it was read, or a moment
    before; and `OSError` if it cannot be read, or is deleted meanwhile.
    """
    file, size, mtime = open_plain(path)
    with file:
        if 0 <= time.time() - mtime / 1e9 < SETTLED_SECONDS:
            raise BlockingIOError(errno.EAGAIN, "it is being written", str(path))
        digest = hashlib.sha256()
        began = time.monotonic()
        while _take_in(file, digest):
            _check_same(file, path, size, mtime)
            yield pace(file.tell()) * (time.monotonic() - began)
            began = time.monotonic()
        _check_same(file, path, size, mtime)
    return FileRow(name, version, size, mtime, digest.hexdigest(), "", mtime // 1_000_000)


def _check_same(file: IO[bytes], path: Path, size: int, mtime: int) -> None:
    """Raise an `OSError` if an open file has changed or gone since it was opened."""
    status = os.fstat(file.fileno())
    if not status.st_nlink:
        raise FileNotFoundError(errno.ENOENT, "it was deleted", str(path))
    if (status.st_size, status.st_mtime_ns) != (size, mtime):
        raise BlockingIOError(errno.EAGAIN, "it is being written", str(path))


def _take_in(file: IO[bytes], digest: "hashlib._Hash") -> bool:
    """Hash the next piece of an open file; return whether there may be more."""
    until = time.monotonic() + PIECE_SECONDS
    while data := file.read(_READ_BYTES):
        digest.update(data)
        if time.monotonic() > until:
            return True
    return False


def hash_of(file: IO[bytes]) -> "Job[hashlib._Hash]":
    """Return the SHA-256 of the rest of an open file."""
    digest = hashlib.sha256()
    while _take_in(file, digest):
        yield 0.0
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


def place(
    part: Path, folder: Path, name: str, there: int, links: bool = True, mode: int | None = None
) -> int:
    """Give the whole and durable file `part` its name in a folder, which is made with that `mode`.
    Return its mtime, once the folder is on the disk too.

    A present file of that name is version `there`, and is kept as that. At every moment the name
    has the one file or the other. Without `links`, `keep_version` was called before, and `part` is
    gone afterwards. Raises `Refusal` (bad-file-name) if the name belongs to something else than a
    file, or if the file system does not accept it.
    """
    make_folders(folder, mode)
    try:
        _place(part, folder, name, there, links, mode)
    except OSError as error:
        if error.errno not in _BAD_NAME:
            raise
        raise Refusal(
            Code.BAD_FILE_NAME,
            "The server's disk takes no file called {name}; take another name.",
            name=name,
        ) from None
    sync(folder)
    return os.lstat(folder / name).st_mtime_ns


_BAD_NAME = {errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG}
"""Errors of a file system for a name that it does not take: vfat for `a:b`, say."""


def _place(part: Path, folder: Path, name: str, there: int, links: bool, mode: int | None) -> None:
    wanted = folder / name
    try:
        if links:
            os.link(part, wanted)  # fails if it is there, where a rename would replace it
        else:
            os.close(os.open(wanted, os.O_CREAT | os.O_EXCL | os.O_WRONLY, permissions.FILE))
            try:
                os.replace(part, wanted)
            except OSError:
                wanted.unlink()
                raise
    except FileExistsError:
        if status(wanted) is None:
            raise Refusal(
                Code.BAD_FILE_NAME,
                "Something else is called {name} here; take another name.",
                name=name,
            ) from None
        kept = version_path(folder, name, there)
        if not links:
            if status(kept) is None:  # it came since `keep_version`
                raise
            os.replace(part, wanted)
            return
        make_folders(kept.parent, mode)
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


def make_folders(folder: Path, mode: int | None) -> None:
    """Make a folder in the files' own. Raises `OSError` for one that is a link."""
    if leads_elsewhere(folder):
        raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(folder))
    permissions.make_folders(folder, mode)


def keep_version(folder: Path, name: str, there: int, mode: int | None) -> Job[None]:
    """Keep a copy of what has a name, as version `there`, where a file cannot have two names."""
    wanted, kept = folder / name, version_path(folder, name, there)
    make_folders(kept.parent, mode)
    new = kept.with_name(f".{there}.new")
    found = os.lstat(wanted)
    yield from _copied(wanted, new)
    set_mode(new, stat.S_IMODE(found.st_mode))
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))  # by which it is known again
    os.replace(new, kept)
    sync(kept.parent)


def take_back(part: Path, folder: Path, name: str) -> None:
    """Undo what `place` did where there are no links, so that its upload can go on."""
    if not part.exists():
        os.replace(folder / name, part)


def set_mode(path: Path, mode: int) -> None:
    """Set the mode of a file, if the file system keeps modes."""
    with suppress(PermissionError):
        path.chmod(mode)


def take_off(folder: Path, name: str, newest: int, versions: list[int]) -> None:
    """Remove versions of a file; `newest` is the one with the plain name. If it goes, the newest of
    the others gets the name."""
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


def duplicate(path: Path, part: Path, mode: int, links: bool = True) -> Job[None]:
    """Make `part` a file of that mode with the same content as the one at `path`, durable.

    Blocks are shared where the file system can do that until one of the two is changed. A hard
    link shares them too, but who changes one of the names in place changes the other: so that is
    only taken where the system lets nobody do that by mistake, as the file may not be written and
    the server is not root, whom that does not stop. Else the bytes are copied.
    """
    permissions.make_file(part)
    with path.open("rb") as old, part.open("r+b") as new:
        is_clone = cloned(old.fileno(), new.fileno())
    if not is_clone:
        if links and _linked(path, part, mode):
            return
        yield from _copied(path, part)
    set_mode(part, mode)


def cloned(source: int, target: int) -> bool:
    """Let an open file share the blocks of another, until one of them is changed. Return whether
    the file system can do that."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    os.fsync(target)
    return True


def _linked(path: Path, part: Path, mode: int) -> bool:
    if os.geteuid() == 0:
        return False
    part.unlink()
    try:
        os.chmod(path, mode & 0o444)
        os.link(path, part)
    except OSError:  # another owner's, or no links here
        permissions.make_file(part)
        return False
    return True


def _copied(path: Path, part: Path) -> Job[None]:
    permissions.make_file(part)
    with path.open("rb", buffering=0) as old, part.open("wb", buffering=0) as new:
        yield from copy(old, new)
        os.fsync(new.fileno())


def copy(old: IO[bytes], new: IO[bytes], digest: "hashlib._Hash | None" = None) -> Job[None]:
    """Copy the rest of an open file into another one, and hash it. Where there are only zeros, the
    copy has a hole: a file with holes takes no more room than before."""
    until, unsynced = time.monotonic() + PIECE_SECONDS, 0
    while data := old.read(_READ_BYTES):
        if digest is not None:
            digest.update(data)
        if data == _ZEROS[: len(data)]:
            new.seek(len(data), os.SEEK_CUR)
        else:
            view = memoryview(data)
            while view:
                view = view[new.write(view) :]
            unsynced += len(data)
        if unsynced >= _SYNC_BYTES:
            os.fdatasync(new.fileno())
            unsynced = 0
        if time.monotonic() > until:
            yield 0.0
            until = time.monotonic() + PIECE_SECONDS
    new.truncate()


def rename_folder(folder: Path, to: Path) -> bool:
    """Call a folder that is private otherwise; return whether there is one."""
    if not folder.is_dir():
        return False
    permissions.make_folders(to.parent, permissions.FOLDER)
    if not to.exists():
        folder.rename(to)
        return True
    for path in folder.iterdir():  # something came there first: what has the same name stays there
        if not (to / path.name).exists():
            path.rename(to / path.name)
    return True


def digests(folder: Path, wanted: Iterator[tuple[str, int]]) -> Job[list[FileRow]]:
    """Read the next of the files that are wanted, up to about `_SWEEP_BYTES` or `_SWEEP_FILES` of
    them, and rest as long as that took. `wanted` are names, and the versions that they have."""
    rows: list[FileRow] = []
    began, room = time.monotonic(), _SWEEP_BYTES
    for name, version in wanted:
        try:
            row = yield from digest(folder / name, name, version, lambda done: 1.0)
        except OSError:  # gone again, unreadable, or still being written
            continue
        rows.append(row)
        room -= row.size
        if len(rows) >= _SWEEP_FILES or room <= 0:
            break
        if time.monotonic() - began > LOOK_SECONDS:
            yield time.monotonic() - began
            began = time.monotonic()
    yield time.monotonic() - began
    return rows


LARGE_BYTES = 64 << 20
_SWEEP_BYTES = LARGE_BYTES
_SWEEP_FILES = 100
"""Files that are read in one step of a background sweep: its result is one commit. A larger file is
read by itself."""
