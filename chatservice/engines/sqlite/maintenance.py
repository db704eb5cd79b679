"""The work of an operator with all that is kept: the port `Maintenance`."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from chatservice import names
from chatservice.domain.ports.engine_ports import BackupSummary, StorageStats
from chatservice.engines.sqlite import backup, threads
from chatservice.engines.sqlite.backup import Tell
from chatservice.engines.sqlite.filestore import FolderFileStore
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.engines.sqlite.search import FILES, index_path
from chatservice.engines.sqlite.threads import WorkerThread
from chatservice.errors import Code, Refusal
from chatservice.replies import CountInfo

TELL_SECONDS = 1.0
"""So often it is told how far a backup is. That also shows whether anybody still waits for it."""


class LocalMaintenance:
    """The port `Maintenance` for one process, with its database at `path`. `keys`
    are the operator's TLS keys. At a node of a cluster, `nodes` has the files of all."""

    def __init__(
        self,
        reactor: Any,
        path: Path,
        store: LogStore,
        folders: FolderFileStore,
        keys: Sequence[Path] = (),
    ) -> None:
        self._reactor = reactor
        self._keys = tuple(keys)
        self._stopping = False
        self._making: Deferred[None] | None = None
        self._path = path
        self._store = store
        self._folders = folders
        self.nodes: backup.NodeFiles | None = None

    async def stats(self) -> StorageStats:
        files, shared = await self._store.file_table.count()
        disk = await self._folders.aside(self._disk, shared)
        waiting = (
            CountInfo("blocks to index", await self._store.unread()),
            CountInfo("files to read", self._folders.unread),
            *self._store.backlog(),
        )
        known = await self._store.accounts.accounts()
        accounts = len(known.keys() - {names.OPERATOR_KEY})  # as /accounts lists them
        return StorageStats(accounts, await self._store.entries(), files, disk, waiting)

    async def free(self) -> int | None:
        return await self._folders.aside(self._free)  # type: ignore[no-any-return]

    def _free(self) -> int:
        return min(self._folders.free(), shutil.disk_usage(self._path.parent).free)

    async def backup(self, to: str, tell: Tell, wanted: Callable[[], bool]) -> BackupSummary:
        if self._making is not None:
            raise Refusal(Code.TOO_MANY, "A backup is being made already; wait for it to end.")
        files = self._folders
        made_of = (self._path, files.root, files.path_of, files.is_changing)
        key = self._path.with_name(backup.KEY)
        source = backup.BackupSource(*made_of, key, self._keys, self.nodes)
        progress = _Progress(self._reactor, tell)

        def check() -> None:
            if self._stopping:
                raise Refusal(Code.CANCELLED, "The server is stopping, so there is no backup.")
            if not wanted():
                raise Refusal(
                    Code.CANCELLED, "Nobody waits for the backup any more; it is not kept."
                )
            progress.again()

        check()
        self._making = Deferred()
        thread = WorkerThread(self._reactor, "chat-backup", background=True)
        thread.start()
        try:
            return await thread.do(backup.make, source, Path(to), progress.tell, check)
        finally:
            thread.stop()
            ended, self._making = self._making, None
            # In a moment: whoever waits for the backup is told first.
            self._reactor.callLater(0, ended.callback, None)

    def stop(self) -> "Deferred[None]":
        """Cancel the work under way. Answer when it has ended, or takes too long: a disk may be
        dead."""
        self._stopping = True
        if self._making is None:
            return succeed(None)
        return self._making.addTimeout(
            threads.STOP_SECONDS, self._reactor, lambda *_: threads.tell_late("chat-backup")
        )

    def _disk(self, shared: int) -> Sequence[CountInfo]:
        """Return what has how many bytes. In a thread for files."""
        return (
            CountInfo("database", _bytes_of(self._path)),
            CountInfo("index", _bytes_of(index_path(self._path))),
            CountInfo("files", shared),
            CountInfo("partial uploads", _all_in(self._folders.root / ".partial")),
            CountInfo("free", self._folders.free()),
        )


class _Progress:
    """Tells now and then, in the reactor's thread, how far something is that is done in another."""

    def __init__(self, reactor: Any, tell: Tell) -> None:
        self._reactor = reactor
        self._tell = tell
        self._next = 0.0
        self._text = "begun"

    def tell(self, text: str) -> None:
        """Tell it, unless that was done a moment ago."""
        self._text = text
        self.again()

    def again(self) -> None:
        """Report again, unless it did a moment ago: a client that has gone is noticed
        in this way."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TELL_SECONDS
            self._reactor.callFromThread(self._tell, self._text)


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
