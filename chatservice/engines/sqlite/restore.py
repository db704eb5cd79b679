"""A server's data directory, made of a backup (`chatservice.engines.sqlite.backup`)."""

import os
from contextlib import ExitStack
from pathlib import Path

from chatservice.domain.ports import BackupSummary
from chatservice.engines.sqlite import integrity, permissions
from chatservice.engines.sqlite.backup import (
    ABOUT,
    FILES,
    KEY,
    KEYS,
    Becoming,
    Tell,
    copy,
    listed,
    not_whole,
    sha256_of,
    verify,
)
from chatservice.engines.sqlite.folderlock import FolderLock
from chatservice.errors import Code, Refusal


def restore(backup: Path, data: Path, files: Path | None, tell: Tell) -> BackupSummary:
    """Make a server's data directory from a backup, and check it. `files` is the folder for shared
    files, if not inside it. Nothing is overwritten. Raises `Refusal`."""
    verify(backup, tell, _wanted)
    made = BackupSummary()
    with ExitStack() as stack:
        if data.is_dir():
            _lock(stack, data)
        part = stack.enter_context(Becoming(data))
        shared = stack.enter_context(Becoming(files)) if files is not None else part / FILES
        _fill(backup, part, shared, made, tell)
        for root in {part, shared}:
            for folder, _, _ in os.walk(root):
                integrity.sync(Path(folder))
    return made


def _wanted() -> None:
    """Return that the work goes on: users end the program to cancel it."""


def _lock(stack: ExitStack, data: Path) -> None:
    """Keep servers from a directory that is there already."""
    try:
        lock = FolderLock(data, "lock", "name another directory with --data")
    except OSError as error:
        raise Refusal(
            Code.NOT_STORED,
            "{data} cannot be written ({strerror}); name another directory.",
            data=data,
            strerror=error.strerror,
        ) from None
    stack.callback(lock.release)


def _fill(backup: Path, part: Path, shared: Path, made: BackupSummary, tell: Tell) -> None:
    permissions.make_folders(shared, permissions.FOLDER)
    for sha256, path in listed(backup):
        if path == ABOUT or path.startswith(f"{KEYS}/"):
            continue
        inside = path.removeprefix(f"{FILES}/")
        to = shared / inside if inside != path else part / path
        permissions.make_folders(to.parent, permissions.FOLDER)
        with (backup / path).open("rb", buffering=0) as file:
            copied = copy(file.fileno(), to, _wanted)
            made.bytes += os.fstat(file.fileno()).st_size
        if copied != sha256 or sha256_of(to, _wanted) != sha256:
            raise not_whole(backup, f"{path} is not what was put into it")
        made.files += inside != path
        made.key = made.key or path == KEY
        tell(f"{made.files} files")
