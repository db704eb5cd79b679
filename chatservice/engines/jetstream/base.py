"""The base of a log: the chat of a server that ran alone and becomes the first node of a cluster.

It is the log's first snapshot, made before the log has any message. The bytes of the shared files
are stored first. A crash meanwhile leaves the server's directory as it is, and the next start goes
on with the files that are not stored yet.
"""

from collections.abc import Iterable

from twisted.logger import Logger

from chatservice.engines.jetstream.chunkstream import CHUNK_BYTES
from chatservice.engines.jetstream.filerecords import FileRecord
from chatservice.engines.jetstream.natslink import NatsLink
from chatservice.engines.jetstream.sharedfiles import store_bytes
from chatservice.engines.jetstream.snapshots import Snapshots
from chatservice.engines.sqlite.backup import folders
from chatservice.engines.sqlite.filestore import FolderFileStore
from chatservice.engines.sqlite.filetable import FileRow
from chatservice.errors import Code, Refusal

_ALL = 1 << 30
"""More files than a folder has."""


class Base:
    """Stores what a server had that ran alone, with its files in `local`."""

    log = Logger()

    def __init__(self, snapshots: Snapshots, local: FolderFileStore) -> None:
        self._snapshots = snapshots
        self._local = local

    async def store(self, link: NatsLink, cluster: str) -> None:
        """Make the base of a `cluster`. Raises `Refusal`, and what `Snapshots.make` raises."""
        records = list[FileRecord]()
        stored = dict(await link.chunks.blobs())
        for folder, _ in await self._local.aside(lambda: list(folders(self._local.root))):
            for it in (await self._local.files(folder, "", _ALL)).files:
                for row in await self._rows(folder, it.name):
                    blob = f"{row.sha256[:32]}-base"  # the same, whoever begins again
                    chunks = -(-row.size // CHUNK_BYTES)
                    if stored.get(blob, 0) < chunks:
                        reader = await self._local.open(folder, row.name, row.version)
                        await store_bytes(link.chunks, blob, reader)
                        stored[blob] = chunks
                    records.append(_record(folder, row, blob))
            self.log.info("files that all nodes have now: {count}", count=len(records))
        await self._snapshots.make_base(cluster, records)

    async def _rows(self, folder: str, name: str) -> Iterable[FileRow]:
        """Return the rows of a file's versions, when all of them are read."""
        while True:
            found = await self._local.rows_of(folder, name)
            unread = [version for version, row in found if row is None]
            if not unread:
                return [row for _, row in found if row is not None]
            for version in unread:
                try:
                    (await self._local.open(folder, name, version)).close()
                except Refusal as refusal:  # it takes long, or has gone meanwhile
                    if refusal.code not in (Code.TOO_SLOW, Code.NO_SUCH_FILE):
                        raise


def _record(folder: str, row: FileRow, blob: str) -> FileRecord:
    return FileRecord(
        *(folder, row.name, row.version, row.size, row.sha256, row.who, row.time, row.owner, blob)
    )
