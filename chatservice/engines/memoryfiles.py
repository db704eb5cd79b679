"""Shared files in memory, for `chatservice.engines.memory`."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred, fail, succeed

from chatservice.domain.ports import (
    DeclaredFile,
    DiskUsage,
    FileListing,
    FileLocation,
    FileReader,
    PartialUpload,
    UploadWriter,
)
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
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


class MemoryFileReader:
    """`chatservice.domain.ports.FileReader`."""

    def __init__(self, folder: str, mark: FileMark, source: "MemoryUpload | bytes") -> None:
        self.folder = folder
        self.mark = mark
        self.left = mark.size
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
        at = self.mark.size - self.left
        data = self._content()[at : at + max(0, count)]
        self.left -= len(data)
        return data

    def seek(self, offset: int) -> None:
        if offset > self.mark.size:
            raise Refusal(
                Code.BAD_OFFSET,
                "{name} has only {size} bytes; give a smaller OFFSET.",
                name=self.mark.name,
                size=self.mark.size,
            )
        self.left = self.mark.size - offset

    def more(self) -> Awaitable[None] | None:
        source = self._source
        return source.grown() if self.left and isinstance(source, MemoryUpload) else None

    def close(self) -> None:
        pass


class MemoryUpload:
    """`chatservice.domain.ports.UploadWriter`: a file on its way in."""

    def __init__(self, store: "MemoryFileStore", declared: DeclaredFile, content: bytes) -> None:
        self._store = store
        self.declared = declared
        self.content = bytearray(content)
        self.stored = self.over = False
        self._waiting: list[Deferred[None]] = []

    @property
    def have(self) -> int:
        return len(self.content)

    def grown(self) -> "Deferred[None]":
        """Answer when there is more, or it is stored."""
        if self.stored:
            return succeed(None)
        if self.over:
            return fail(Refusal(Code.INCOMPLETE, "The upload stopped half-way."))
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

    def when_ready(self) -> None:
        pass

    async def finish(self) -> FileMark:
        if self.over:
            raise Refusal(Code.INCOMPLETE, "Another connection goes on with it; see there.")
        if self.have != self.declared.size:
            self.abandon()
            raise Refusal(Code.INCOMPLETE, "Not all of its bytes came; send it again.")
        sha256 = hashlib.sha256(self.content).hexdigest()
        if self.declared.sha256 not in (None, sha256):
            self.refuse()
            raise Refusal(
                Code.WRONG_SHA256,
                "What came has the SHA-256 {hexdigest}, not the one declared; nothing was kept.",
                hexdigest=sha256,
            )
        mark = self._store.put(self.declared, bytes(self.content))
        self.stored = True
        self._end()
        return mark

    def abandon(self) -> None:
        if not self.over:
            self._store.stopped(self, keep=self.declared.sha256 is not None and self.have > 0)
            self._end()

    def refuse(self) -> None:
        if not self.over:
            self._store.stopped(self, keep=False)
            self._end()

    def _end(self) -> None:
        self.over = True
        self._store.under_way.discard(self)
        self._tell()


class MemoryFileStore:
    """`chatservice.domain.ports.FileStore`. `check` raises `Refusal` while nothing can be kept."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._folders: dict[str, dict[str, list[_Version]]] = {}
        self._partial: dict[tuple[object, ...], PartialUpload] = {}
        self._contents: dict[tuple[object, ...], bytes] = {}
        self.under_way: set[MemoryUpload] = set()

    @property
    def count(self) -> int:
        """The number of files."""
        return sum(map(len, self._folders.values()))

    def _versions(self, folder: str, name: str) -> list[_Version]:
        found = self._folders.get(folder, {}).get(name)
        if not found:
            raise Refusal(
                Code.NO_SUCH_FILE,
                "There is no file {name} here; `files` lists those there are.",
                name=name,
            )
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
        raise Refusal(
            Code.NO_SUCH_FILE,
            "There is no version #{version} of {name} here; `versions {name}` lists those there "
            "are.",
            version=version,
            name=name,
        )

    def arriving(self, folder: str, name: str, sha256: str | None = None) -> FileReader | None:
        for upload in self.under_way:
            it = upload.declared
            if (it.folder, it.name) == (folder, name) and it.sha256 and sha256 in (None, it.sha256):
                mark = FileMark(name, it.size, it.sha256, 0)
                return MemoryFileReader(folder, mark, upload)
        return None

    async def used(self, declared: DeclaredFile, exactly: bool = False) -> DiskUsage:
        all_ = [(it, on) for on, files in self._folders.items() for it in _each(files)]
        partial = [it for key, it in self._partial.items() if key != declared.upload_key]
        folder = sum(it.info.size for it, on in all_ if on == declared.folder)
        folder += sum(it.have for it in partial if it.declared.folder == declared.folder)
        user = sum(it.info.size for it, _ in all_ if it.owner == declared.owner)
        user += sum(it.have for it in partial if it.declared.owner == declared.owner)
        return DiskUsage(folder, user, CAPACITY)

    async def have(self, declared: DeclaredFile) -> int:
        return len(self._contents.get(declared.upload_key, b""))

    async def receive(self, declared: DeclaredFile, offset: int) -> UploadWriter:
        self._check()
        for other in [it for it in self.under_way if _same(it.declared, declared)]:
            other.abandon()
        content = self._contents.get(declared.upload_key, b"")
        if offset > len(content):
            raise Refusal(
                Code.BAD_OFFSET, "Only {have} bytes of it are here; go on there.", have=len(content)
            )
        self._partial.pop(declared.upload_key, None)
        self._contents.pop(declared.upload_key, None)
        upload = MemoryUpload(self, declared, content[:offset])
        self.under_way.add(upload)
        return upload

    def stopped(self, upload: MemoryUpload, keep: bool) -> None:
        """Note that an upload has ended half-way."""
        if keep:
            key = upload.declared.upload_key
            self._partial[key] = PartialUpload(upload.declared, upload.have)
            self._contents[key] = bytes(upload.content)

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
        return [it for it in self._partial.values() if it.declared.owner == owner]

    async def drop(self, declared: DeclaredFile) -> None:
        self._partial.pop(declared.upload_key, None)
        self._contents.pop(declared.upload_key, None)

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
        found = [it for it in self._versions(folder, name) if version in (None, it.info.version)]
        mine = [it for it in found if owner in ("", it.owner)]
        if not found:
            raise Refusal(
                Code.NO_SUCH_FILE,
                "There is no version #{version} of {name} here; `versions {name}` lists those "
                "there are.",
                version=version,
                name=name,
            )
        if not mine:
            raise Refusal(Code.NOT_YOURS, "{name} was not shared by you; ask who did.", name=name)
        left = [it for it in self._versions(folder, name) if it not in mine]
        if left:
            self._folders[folder][name] = left
        else:
            del self._folders[folder][name]
        return [it.info.version for it in mine]

    async def move(self, folder: str, to: str, owner: str) -> None:
        for name, versions in self._folders.pop(folder, {}).items():
            self._folders.setdefault(to, {})[name] = versions

    async def rename(self, owner: str, name: str) -> None:
        for key, it in list(self._partial.items()):
            if it.declared.owner == owner:
                declared = it.declared._replace(who=name)
                del self._partial[key]
                self._partial[declared.upload_key] = PartialUpload(declared, it.have)
                self._contents[declared.upload_key] = self._contents.pop(key)

    async def shared(self, owner: str) -> Sequence[tuple[str, str]]:
        return [
            (folder, name)
            for folder, files in self._folders.items()
            for name, versions in files.items()
            if any(it.owner == owner for it in versions)
        ]

    def forget(self, folder: str) -> Awaitable[None]:
        self._folders.pop(folder, None)
        for key, it in list(self._partial.items()):
            if folder in (it.declared.folder, it.declared.owner):
                del self._partial[key], self._contents[key]
        for upload in [it for it in self.under_way if it.declared.folder == folder]:
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


def _same(one: DeclaredFile, other: DeclaredFile) -> bool:
    return one.sha256 is not None and one.upload_key == other.upload_key
