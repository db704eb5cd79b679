"""Shared files of a cluster: the port `FileStore`, for one node.

The log has which files there are (`FileRecords`), and its second stream has their bytes. A node
keeps the bytes of files that were shared or asked for there, in its own folders, where a file may
have another version's number; so they are found by their SHA-256. What is asked for and not there
is fetched, as an upload is received: resumed, and checked by its SHA-256. All that was fetched has
no more bytes than are left free on the disk; what was not asked for longest goes first.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import IO, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatservice.domain.ports.file_ports import (
    DeclaredFile,
    DiskUsage,
    FileListing,
    FileLocation,
    FileReader,
    UploadWriter,
)
from chatservice.engines import filerules
from chatservice.engines.jetstream.chunkstream import CHUNK_BYTES, IN_FLIGHT, ChunkStream
from chatservice.engines.jetstream.filerecords import FileRecord, FileRecords, Unneeded
from chatservice.engines.keyedlock import KeyedLock
from chatservice.engines.sqlite.filestore import FolderFileStore
from chatservice.engines.sqlite.readers import OpenFile
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.replies import FileInfo


class SharedFiles:
    """The files of all nodes. `local` has this node's bytes; `commit` makes an operation of the
    log, and `look` runs a job with a database for reading. What this `node` stores is named by it
    (`Snapshots.sweep`)."""

    log = Logger()

    def __init__(
        self,
        local: FolderFileStore,
        commit: Callable[..., "Deferred[Any]"],
        look: Callable[..., "Deferred[Any]"],
        node: str,
    ) -> None:
        self.local = local
        self._node = node
        self._commit, self._look = commit, look
        self._fetching = KeyedLock()
        self._asked_for: dict[str, None] = {}  # the SHA-256 of copies, the last one asked for last
        self.chunks: ChunkStream | None = None
        self.have, self.unfinished, self.drop = local.have, local.unfinished, local.drop
        self.arriving, self.rename = local.arriving, local.rename
        self.start, self.close = local.start, local.close
        self.effects: dict[str, Callable[..., None]] = {
            "add_file": lambda *args: None,
            "drop_files": self._dropped,
            "forget_files": self._dropped,
            "move_files": self._moved,
        }

    # -- what is there ---------------------------------------------------------------------------

    async def files(self, folder: str, after: str, limit: int) -> FileListing:
        rows: Sequence[FileRecord] = await self._look(FileRecords.of_folder, folder)
        newest = {it.name: it for it in rows}
        following = sorted(name for name in newest if name > after)
        shown = [newest[name].info() for name in following[:limit]]
        size = sum(it.size for it in newest.values())
        return FileListing(len(newest), size, len(following), shown)

    async def versions(self, folder: str, name: str) -> Sequence[FileInfo]:
        rows = await self._versions(folder, name)
        if not rows:
            raise filerules.missing(name)
        return [it.info() for it in rows]

    async def _versions(self, folder: str, name: str) -> Sequence[FileRecord]:
        rows: Sequence[FileRecord] = await self._look(FileRecords.versions, folder, name)
        return rows

    async def open(self, folder: str, name: str, version: int | None = None) -> OpenFile:
        folder = self.local.folder_now(folder)
        rows = await self._versions(folder, name)
        found = [it for it in rows if version is None or it.version == version]
        if not found:
            raise filerules.missing(name, version)
        record = found[-1]
        self._asked_for.pop(record.sha256, None)
        self._asked_for[record.sha256] = None
        async with self._fetching.acquire(record.blob):
            reader = await self._open_here(record)
            if reader is None:
                await self._fetch(record)
                reader = await self._open_here(record)
        if reader is None:
            raise _not_here(name)
        return reader

    async def duplicate(self, folder: str, name: str, version: int) -> IO[bytes]:
        """Return a file, opened, for a thread to read. Raises `Refusal`."""
        reader = await self.open(folder, name, version)
        try:
            return reader.duplicate()
        finally:
            reader.close()

    async def _open_here(self, record: FileRecord) -> OpenFile | None:
        """Open this node's copy of a file, if there is one."""
        for place in await self.local.places(record.size, record.sha256):
            with suppress(Refusal):
                reader = await self.local.open(*place)
                if reader.mark.sha256 == record.sha256:
                    reader.folder, reader.mark = record.folder, record.mark
                    return reader
                reader.close()
        return None

    async def _fetch(self, record: FileRecord) -> None:
        """Fetch the bytes of a file. Raises `Refusal` (not-stored)."""
        await self._make_room(record)
        declared = DeclaredFile(
            *(record.folder, record.name, record.size, record.sha256, "", record.time)
        )
        have = await self.local.have(declared)
        writer = await self.local.receive(declared, have)
        try:
            await self._fill(writer, record)
        except BaseException as error:
            writer.abandon()
            if isinstance(error, Refusal) or not isinstance(error, Exception):
                raise
            self.log.warn("{name} cannot be fetched: {why}", name=record.name, why=error)
            raise _not_here(record.name) from error
        await writer.finish()

    async def _make_room(self, record: FileRecord) -> None:
        """Delete fetched copies, until they and one more have no more bytes than are free."""
        copies = await self.local.unowned()
        free = await self.local.aside(self.local.free)
        over = sum(row.size for _, row in copies) + 2 * record.size - free
        asked = {sha256: at for at, sha256 in enumerate(self._asked_for)}
        for folder, row in sorted(copies, key=lambda it: asked.get(it[1].sha256, -1)):
            if over <= 0:
                break
            with suppress(Refusal):
                await self.local.remove(folder, row.name, row.version, "")
                over -= 2 * row.size  # it is free then, too
        there = {record.sha256, *(row.sha256 for _, row in copies)}
        self._asked_for = {it: None for it in self._asked_for if it in there}

    async def _fill(self, writer: UploadWriter, record: FileRecord) -> None:
        assert self.chunks is not None
        chunk, skipped = divmod(writer.have, CHUNK_BYTES)
        count = -(-record.size // CHUNK_BYTES)
        while chunk < count:
            some = await self.chunks.fetch(record.blob, chunk, min(IN_FLIGHT, count - chunk))
            for data in some:
                writer.write(data[skipped:])
                skipped = 0
            chunk += len(some)
            ready = writer.when_ready()
            if ready is not None:
                await ready

    def places(self, size: int, sha256: str) -> Awaitable[Sequence[FileLocation]]:
        return self._look(FileRecords.places, size, sha256)

    async def shared(self, owner: str) -> Sequence[tuple[str, str]]:
        found: Sequence[tuple[str, str]] = await self._look(FileRecords.of_owner, owner)
        return found

    async def used(self, declared: DeclaredFile, exactly: bool = False) -> DiskUsage:
        folder, user = await self._look(FileRecords.used, declared.folder, declared.owner)
        begun_here, begun_theirs = self.local.begun(declared)
        free = await self.local.aside(self.local.free)
        if self.chunks is not None:
            free = min(free, await self.chunks.room())
        return DiskUsage(folder + begun_here, user + begun_theirs, free)

    # -- what comes ------------------------------------------------------------------------------

    async def receive(self, declared: DeclaredFile, offset: int) -> UploadWriter:
        return _SharedUpload(await self.local.receive(declared, offset), declared, self)

    async def share(self, mark: FileMark, declared: DeclaredFile) -> FileMark:
        """Let all nodes have a file that is stored here. Raises `Refusal` (not-stored,
        disk-full)."""
        folder = self.local.folder_now(declared.folder)
        try:
            rows = await self._versions(folder, mark.name)
            if rows and (rows[-1].size, rows[-1].sha256) == (mark.size, mark.sha256):
                return rows[-1].mark
            blob = await self._store(folder, mark)
            version = await self._record(mark, folder, declared, blob)
        except BaseException as error:
            with suppress(Refusal):
                await self.local.remove(folder, mark.name, mark.version, "")
            if isinstance(error, Refusal) or not isinstance(error, Exception):
                raise
            self.log.warn("{name} cannot be stored: {why}", name=mark.name, why=error)
            raise _not_stored(mark.name, error) from error
        return mark._replace(version=version)

    async def _store(self, folder: str, mark: FileMark) -> str:
        """Store the bytes of a file for all nodes. Return the blob."""
        assert self.chunks is not None
        blob = f"{secrets.token_hex(12)}-{self._node}"
        reader = await self.local.open(folder, mark.name, mark.version)
        try:
            await store_bytes(self.chunks, blob, reader)
        except BaseException:
            self.chunks.discard(blob)
            raise
        return blob

    async def _record(self, mark: FileMark, folder: str, declared: DeclaredFile, blob: str) -> int:
        """Record a file whose bytes are stored. Return its version."""
        assert self.chunks is not None
        try:
            version = await self._add(mark, folder, declared, blob, True)
        except Refusal:  # after anything else, it may be recorded
            self.chunks.discard(blob)
            raise
        if not await self._look(FileRecords.has_blob, blob):  # another node was first
            self.chunks.discard(blob)
        return version

    async def _add(
        self, mark: FileMark, folder: str, declared: DeclaredFile, blob: str, new: bool
    ) -> int:
        who, time, owner = declared.who, declared.time, declared.owner
        args = (folder, mark.name, mark.size, mark.sha256, who, time, owner, blob, new)
        version: int = await self._commit("add_file", *args)
        return version

    async def copy(self, place: FileLocation, declared: DeclaredFile) -> FileMark | None:
        rows = await self._versions(place.folder, place.name)
        found = [it for it in rows if (it.version, it.sha256) == (place.version, declared.sha256)]
        if not found:
            return None
        mark = FileMark(declared.name, found[0].size, found[0].sha256, 0)
        version = await self._add(mark, declared.folder, declared, found[0].blob, False)
        return mark._replace(version=version) if version else None

    # -- what goes -------------------------------------------------------------------------------

    async def remove(
        self, folder: str, name: str, version: int | None, owner: str
    ) -> Sequence[int]:
        rows = await self._versions(folder, name)
        mine = filerules.removable(
            *(name, version, [(it.version, it) for it in rows]),
            lambda it: not owner or it.owner == owner,
        )
        await self._empty(await self._commit("drop_files", folder, name, mine))
        return mine

    async def move(self, folder: str, to: str, owner: str) -> None:
        if await self._look(FileRecords.of_folder, folder):
            await self._commit("move_files", folder, to, owner)
        await self.local.move(folder, to, owner)

    def forget(self, folder: str) -> "Deferred[None]":
        return Deferred.fromCoroutine(self._forget(folder)).addErrback(
            lambda why: self.log.failure("files of {folder} stay", why, folder=folder)
        )

    async def _forget(self, folder: str) -> None:
        if await self._look(FileRecords.of_folder, folder):
            with suppress(Refusal):  # they are in the way of nobody
                await self._empty(await self._commit("forget_files", folder))
        await self.local.forget(folder)

    async def _empty(self, unneeded: Sequence[Unneeded]) -> None:
        """Delete the bytes of files that are gone from the stream."""
        for it in unneeded:
            if self.chunks is not None:
                self.chunks.drop(it.blob).addErrback(
                    lambda why: self.log.failure("the bytes of a file stay in the log", why)
                )
            await self._drop_here(it)

    def _dropped(self, unneeded: Sequence[Unneeded], *args: Any) -> None:
        """Delete this node's copies of files that any node has removed."""
        for it in unneeded:
            Deferred.fromCoroutine(self._drop_here(it)).addErrback(
                lambda why: self.log.failure("a copy of a file stays", why)
            )

    async def _drop_here(self, it: Unneeded) -> None:
        for place in await self.local.places(it.size, it.sha256) if it.sha256 else ():
            with suppress(Refusal):
                await self.local.remove(place.folder, place.name, place.version, "")

    def _moved(self, _: None, folder: str, to: str, owner: str) -> None:
        """Note that a folder has another name. The copies here stay where they are."""


class _SharedUpload:
    """An upload at this node, of a file for all nodes: the port `UploadWriter`."""

    def __init__(self, writer: UploadWriter, declared: DeclaredFile, files: SharedFiles) -> None:
        self._writer, self._declared, self._files = writer, declared, files
        self.write, self.receive = writer.write, writer.receive
        self.when_ready = writer.when_ready
        self.abandon, self.refuse = writer.abandon, writer.refuse

    @property
    def id(self) -> str:
        return self._writer.id

    @property
    def have(self) -> int:
        return self._writer.have

    async def finish(self) -> FileMark:
        return await self._files.share(await self._writer.finish(), self._declared)


class NoRoom(OSError):
    """The servers of the log have no room for a file."""

    def __str__(self) -> str:
        return "the servers of the log have no room for it"


async def store_bytes(chunks: ChunkStream, blob: str, reader: FileReader) -> None:
    """Store the bytes of a file as a blob, and close the file. Raises an error of nats-py if the
    stream refuses them, `NoRoom`, and `OSError` if the file cannot be read."""
    chunk = 0
    try:
        while reader.left:
            if reader.left > await chunks.room():  # others may have taken some meanwhile
                raise NoRoom
            some = list[bytes]()
            while reader.left and len(some) < IN_FLIGHT:
                some.append(await _read(reader, min(CHUNK_BYTES, reader.left)))
            await chunks.store(blob, chunk, some)
            chunk += len(some)
    finally:
        reader.close()


async def _read(reader: FileReader, size: int) -> bytes:
    """Return that many bytes of a file."""
    pieces = [await reader.read(size)]
    while pieces[-1] and (left := size - sum(map(len, pieces))):
        pieces.append(await reader.read(left))
    data = b"".join(pieces)
    if len(data) < size:
        raise OSError("it has changed meanwhile")
    return data


def _not_stored(name: str, why: Exception) -> Refusal:
    if isinstance(why, NoRoom):
        return Refusal(
            Code.DISK_FULL,
            "The servers of this chat have no room for {name}; send a smaller file, or ask their "
            "operator to make room.",
            name=name,
        )
    return Refusal(
        Code.NOT_STORED, "The server could not store {name}; try again later.", name=name
    )


def _not_here(name: str) -> Refusal:
    return Refusal(
        Code.NOT_STORED,
        "The bytes of {name} cannot be fetched from the cluster now; try again later.",
        name=name,
    )
