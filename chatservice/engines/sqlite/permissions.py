"""Files and folders that only the server's own user can read, with any umask.

They have all talk, the hashes of passwords, and private files. Each has its mode from the first
moment on: a moment is enough to open a file, and it stays open.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from twisted.logger import Logger

from chatservice.engines.sqlite.integrity import sync
from chatservice.errors import Code, Refusal

FOLDER = 0o700
FILE = 0o600

_OTHERS = 0o077
"""The rights of the group and of all others."""

_log = Logger()


def make_folders(path: Path, mode: int | None = None) -> None:
    """Make a folder that outlasts a power cut, and those above it that are missing. Each gets the
    `mode`, or what the umask leaves of 0777."""
    for each in reversed([it for it in (path, *path.parents) if not it.exists()]):
        try:
            each.mkdir(0o777 if mode is None else mode)
        except FileExistsError:
            continue
        if mode is not None:
            with suppress(PermissionError):  # a file system without modes
                each.chmod(mode)  # an umask can take rights away from the owner, too
        sync(each.parent)


def make_file(path: Path) -> None:
    """Make an empty file for SQLite to open: files that SQLite puts beside it get the same mode.

    An existing file stays as it is.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE)
    try:
        if not os.fstat(handle).st_size:
            with suppress(PermissionError):  # a file system without modes
                os.fchmod(handle, FILE)
    finally:
        os.close(handle)


def write(path: Path, data: bytes) -> None:
    """Write a new file onto the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE)
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that outlasts a power cut, in the place of any other: it is whole, or not
    there."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write(new, data)
        os.rename(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync(path.parent)


def check_own(folder: Path) -> None:
    """Raise `Refusal` for a folder that is a link, which may lead to another user's. Log a folder
    that belongs to another user, who can read its files."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        raise Refusal(
            Code.NOT_STORED,
            "{folder} is a link or a file, and the server needs a folder of its own "
            "there; see that nothing is at it, and remove it.",
            folder=folder,
        )
    if found.st_uid != os.geteuid():
        _log.warn(
            "{folder} belongs to another user (number {owner}), who can read what is put there",
            folder=str(folder),
            owner=found.st_uid,
        )


def close(folder: Path) -> None:
    """Take a folder, and all that is in it, away from everybody but its owner. The log tells what
    was open before, and what cannot be closed.

    It looks at all of it only where something is open at its top: the rest cannot be reached.
    """
    tops = [folder, *(path for path in _within(folder) if not path.is_symlink())]
    if not any(_is_open(path) for path in tops):
        return
    mode = max(stat.S_IMODE(path.lstat().st_mode) for path in tops)
    failed = _closed(folder)  # first: from now on nobody gets at what is in it
    for path in _below(folder):
        failed = _closed(path) or failed
    for path in tops[1:]:  # last: a start that was ended half-way is to be seen as one
        failed = _closed(path) or failed
    if failed:
        _log.warn(
            "others on this machine can get at what is in {folder}, and that cannot be mended "
            "({why}); keep it where files have modes, and belong to the server's own user",
            folder=str(folder),
            why=failed,
        )
    else:
        _log.warn(
            "others on this machine could get at what is in {folder} (modes up to {mode:o}); from "
            "now on they cannot",
            folder=str(folder),
            mode=mode,
        )


def _is_open(path: Path) -> bool:
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and bool(mode & _OTHERS)


def _closed(path: Path) -> str:
    """Close one file or folder. Return why that cannot be done, or nothing."""
    try:
        mode = path.lstat().st_mode
        if mode & _OTHERS and (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
            if path.stat().st_mode & _OTHERS:
                return "this file system keeps no modes"
    except FileNotFoundError:
        pass  # it was taken away just now
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _within(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # which others will meet, too, and say so
        return []


def _below(folder: Path) -> Iterator[Path]:
    """Iterate over all that is below the folders in a folder; no link is followed."""
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            if path.parent != folder and not path.is_symlink():
                yield path
