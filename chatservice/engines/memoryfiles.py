"""Shared files in memory, for `chatservice.engines.memory`."""

import hashlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred, fail, succeed

from chatservice.domain.ports.file_ports import (
    DeclaredFile,
    DiskUsage,
    FileListing,
    FileLocation,
    FileReader,
    PartialUpload,
    UploadWriter,
)
from chatservice.engines import filerules
from chatservice.engines.filerules import PartialIndex, Reader
from chatservice.entries import FileMark
from chatservice.errors import Refusal
from chatservice.replies import FileInfo

CAPACITY = 1 << 40
"""Bytes that there is room for, as the domain is told."""


class _Version(NamedTuple):
    """A version of a file: the content, and what is known of it."""

    content: bytes
    info: FileInfo
    owner: str

    @property
    def mark(self) -> FileMark:
        assert self.info.sha256 is not None
        return FileMark(self.info.name, self.info.size, self.info.sha256, self.info.version)


class MemoryFileReader(Reader):
    """The port `FileReader`."""

    def __init__(self, folder: str, mark: FileMark, source: "MemoryUpload | bytes") -> None:
        super().__init__(folder, mark)
        self._source = source

    def _content(self) -> bytes:
        """Return what is there; of an upload that is not stored yet, all but the last byte."""
        source = self._source
        if isinstance(source, bytes):
            return source
        return bytes(source.content if source.stored else source.content[: self.mark.size - 1])

    def send(self, descriptor: int) -> None:
        """Nothing: there is no file that the system could send."""

    async def read(self, count: int) -> bytes:
        data = self._content()[self.at : self.at + max(0, min(count, self.left))]
        self.left -= len(data)
        return data

    def more(self) -> Awaitable[None] | None:
        if not self.left or isinstance(self._source, bytes):
            return None
        return succeed(None) if len(self._content()) > self.at else self._source.grown()

    def close(self) -> None:
        pass


class MemoryUpload:
    """The port `UploadWriter`: a file on its way in, or what came of it."""

    def __init__(
        self, store: "MemoryFileStore", declared: DeclaredFile, content: bytes, id_: str
    ) -> None:
        self._store = store
        self.declared = declared
        self.content = bytearray(content)
        self.id = id_
        self.stored = self.over = False
        self._waiting: list[Deferred[None]] = []

    @property
    def have(self) -> int:
        return len(self.content)

    @property
    def is_busy(self) -> bool:
        """Return whether it is under way."""
        return not self.over

    is_arriving = is_busy

    def grown(self) -> "Deferred[None]":
        """Answer when there is more, or it is stored."""
        if self.stored:
            return succeed(None)
        if self.over:
            return fail(filerules.stopped())
        self._waiting.append(Deferred())
        return self._waiting[-1]

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if self.over:
                self.grown().chainDeferred(each)
            else:
                each.callback(None)

    def write(self, data: bytes) -> None:
        if not self.over:
            self.content += data
            self._tell()

    def receive(self, descriptor: int, most: int) -> None:
        pass

    def when_ready(self) -> None:
        pass

    async def finish(self) -> FileMark:
        if self.over:
            raise filerules.taken_over()
        try:
            filerules.check_size(self.declared, self.have)
        except Refusal:
            self.abandon()
            raise
        sha256 = hashlib.sha256(self.content).hexdigest()
        if self.declared.sha256 not in (None, sha256):
            self.refuse()
            raise filerules.wrong_sha256(sha256)
        mark = self._store.put(self.declared, bytes(self.content))
        self.stored = True
        self.refuse()
        return mark

    def abandon(self) -> None:
        if not (self.declared.is_resumable and self.have):
            self._store.partials.discard(self)
        self.over = True
        self._tell()

    def refuse(self) -> None:
        self._store.partials.discard(self)
        self.abandon()


class MemoryFileStore:
    """The port `FileStore`. `check` raises `Refusal` while nothing can be kept."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._folders: dict[str, dict[str, list[_Version]]] = {}
        self._ids = itertools.count(1)
        self.partials: PartialIndex[MemoryUpload] = PartialIndex()

    @property
    def count(self) -> int:
        """The number of files."""
        return sum(map(len, self._folders.values()))

    def _versions(self, folder: str, name: str) -> list[_Version]:
        found = self._folders.get(folder, {}).get(name)
        if not found:
            raise filerules.missing(name)
        return found

    async def files(self, folder: str, after: str, limit: int) -> FileListing:
        all_ = [found[-1].info for _, found in sorted(self._folders.get(folder, {}).items())]
        behind = [it for it in all_ if it.name > after]
        size = sum(it.size for it in all_)
        return FileListing(len(all_), size, len(behind), behind[:limit])

    async def versions(self, folder: str, name: str) -> Sequence[FileInfo]:
        return [it.info for it in self._versions(folder, name)]

    async def open(self, folder: str, name: str, version: int | None = None) -> FileReader:
        for found in reversed(self._versions(folder, name)):
            if version in (None, found.info.version):
                return MemoryFileReader(folder, found.mark, found.content)
        raise filerules.missing(name, version)

    def arriving(self, folder: str, name: str, sha256: str | None = None) -> FileReader | None:
        upload = self.partials.arriving(folder, name, sha256)
        if upload is None:
            return None
        mark = FileMark(name, upload.declared.size, upload.declared.sha256 or "", 0)
        return MemoryFileReader(folder, mark, upload)

    async def used(self, declared: DeclaredFile, exactly: bool = False) -> DiskUsage:
        all_ = [(it, on) for on, files in self._folders.items() for it in _each(files)]
        here, theirs = self.partials.held(declared)
        here += sum(it.info.size for it, on in all_ if on == declared.folder)
        theirs += sum(it.info.size for it, _ in all_ if it.owner == declared.owner)
        return DiskUsage(here, theirs, CAPACITY)

    async def have(self, declared: DeclaredFile) -> int:
        upload = self.partials.find(declared)
        return upload.have if upload is not None and upload.over else 0

    async def receive(self, declared: DeclaredFile, offset: int) -> UploadWriter:
        self._check()
        former = self.partials.find(declared)
        if former is not None:
            former.abandon()
        content = bytes(former.content) if former is not None else b""
        filerules.check_offset(offset, len(content))
        if former is not None:
            self.partials.discard(former)
        id_ = former.id if former is not None else str(next(self._ids))
        if declared.sha256 is None and declared.is_resumable:
            declared = declared._replace(id=id_)
        upload = MemoryUpload(self, declared, content[:offset], id_)
        if declared.is_resumable:
            self.partials.use(upload)
        return upload

    def put(self, declared: DeclaredFile, content: bytes) -> FileMark:
        """Put a file into its folder. Raises `Refusal` (not-stored)."""
        self._check()
        versions = self._folders.setdefault(declared.folder, {}).setdefault(declared.name, [])
        number = versions[-1].info.version + 1 if versions else 1
        sha256 = hashlib.sha256(content).hexdigest()
        info = FileInfo(declared.name, len(content), sha256, declared.who, declared.time, number)
        versions.append(_Version(content, info, declared.owner))
        return versions[-1].mark

    async def unfinished(self, owner: str) -> Sequence[PartialUpload]:
        return [
            PartialUpload(it.declared, it.have, it.id) for it in self.partials.of(owner) if it.over
        ]

    async def drop(self, declared: DeclaredFile) -> None:
        upload = self.partials.find(declared)
        if upload is not None and upload.over:
            self.partials.discard(upload)

    async def places(self, size: int, sha256: str) -> Sequence[FileLocation]:
        return [
            FileLocation(folder, it.info.name, it.info.version)
            for folder, files in self._folders.items()
            for it in _each(files)
            if (it.info.size, it.info.sha256) == (size, sha256)
        ]

    async def copy(self, place: FileLocation, declared: DeclaredFile) -> FileMark | None:
        for it in self._folders.get(place.folder, {}).get(place.name, ()):
            if it.info.version == place.version:
                return self.put(declared, it.content)
        return None

    async def remove(
        self, folder: str, name: str, version: int | None, owner: str
    ) -> Sequence[int]:
        self._check()
        found = [(it.info.version, it) for it in self._versions(folder, name)]
        mine = filerules.removable(name, version, found, lambda it: owner in ("", it.owner))
        self._folders[folder][name] = [it for number, it in found if number not in mine]
        if not self._folders[folder][name]:
            del self._folders[folder][name]
        return mine

    async def move(self, folder: str, to: str, owner: str) -> None:
        self.partials.move(folder, to, owner)
        for name, versions in self._folders.pop(folder, {}).items():
            self._folders.setdefault(to, {})[name] = versions

    async def rename(self, owner: str, name: str) -> None:
        self.partials.rename(owner, name)

    async def shared(self, owner: str) -> Sequence[tuple[str, str]]:
        return [
            (folder, name)
            for folder, files in self._folders.items()
            for name, versions in files.items()
            if any(it.owner == owner for it in versions)
        ]

    def forget(self, folder: str) -> Awaitable[None]:
        self._folders.pop(folder, None)
        for upload in self.partials.ending_with(folder):
            upload.refuse()
        return succeed(None)

    def change_owner(self, owner: str, to: str) -> None:
        """Let what a guest shared be the account's that they have now."""
        self._change(lambda it: it._replace(owner=to) if owner and it.owner == owner else it)

    def give_up(self, owner: str, mark: str) -> None:
        """Let what a deleted account shared be `mark`'s."""
        self._change(lambda it: _marked(it, mark) if it.owner == owner else it)

    def _change(self, change: Callable[[_Version], _Version]) -> None:
        for files in self._folders.values():
            for name, versions in files.items():
                files[name] = [change(it) for it in versions]


def _each(files: dict[str, list[_Version]]) -> list[_Version]:
    return [it for versions in files.values() for it in versions]


def _marked(version: _Version, mark: str) -> _Version:
    it = version.info
    info = FileInfo(it.name, it.size, it.sha256, mark, it.time, it.version)
    return _Version(version.content, info, "")
