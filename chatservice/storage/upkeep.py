"""What an operator does with all that is kept: `chatservice.domain.ports.Upkeep`."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chatservice.answers import CountInfo
from chatservice.domain.ports import Figures
from chatservice.storage.folders import Folders
from chatservice.storage.journal import Journal
from chatservice.storage.searchindex import FILES, index_path
from chatservice.storage.sqlite import SqliteStore


class LocalUpkeep:
    """For one process, with its database at `path`."""

    def __init__(self, path: Path, store: SqliteStore, journal: Journal, folders: Folders) -> None:
        self._path = path
        self._store = store
        self._journal = journal
        self._folders = folders

    async def figures(self) -> Figures:
        """Tell how much there is."""
        files, shared = await self._store.files.count()
        disk = await self._folders.aside(self._disk, shared)
        waiting = (
            CountInfo("entries to store", self._journal.waiting),
            CountInfo("blocks to index", await self._store.unread()),
            CountInfo("files to read", self._folders.unread),
        )
        accounts = len(await self._store.accounts.accounts())
        return Figures(accounts, await self._store.entries(), files, disk, waiting)

    def _disk(self, shared: int) -> Sequence[CountInfo]:
        """Return what has how many bytes. In a thread for files."""
        return (
            CountInfo("database", _bytes_of(self._path)),
            CountInfo("index", _bytes_of(index_path(self._path))),
            CountInfo("files", shared),
            CountInfo("unfinished uploads", _all_in(self._folders.root / ".partial")),
            CountInfo("free", self._folders.free()),
        )


def _bytes_of(path: Path) -> int:
    """Return how many bytes a database has, with what SQLite puts beside it."""
    return sum(_size(path.with_name(path.name + suffix)) for suffix in FILES)


def _all_in(folder: Path) -> int:
    with suppress(OSError):
        return sum(_size(path) for path in folder.iterdir())
    return 0


def _size(path: Path) -> Any:
    with suppress(OSError):
        return path.lstat().st_size
    return 0
