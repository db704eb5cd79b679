"""Partial uploads: their bytes are kept for a while, and the same upload resumes them.

The bytes are in files in one folder, named by the numbers of their rows in the database. So they
outlast a killed server; they are hashed again then, once, when they are resumed. Uploads from a
guest to a user, and to a guest, have no row: they end with the guest, and with the server.
"""

import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from chatservice.domain.model import is_guest_id
from chatservice.domain.ports import DeclaredFile, PartialUpload
from chatservice.engines.sqlite.arriving import ArrivingFile
from chatservice.engines.sqlite.entryages import Clocks
from chatservice.engines.sqlite.filetable import FileTable, PartialRow
from chatservice.engines.sqlite.keyedlock import KeyedLock
from chatservice.engines.sqlite.longjobs import Job, finished
from chatservice.engines.sqlite.uploads import IncomingFile, PartialFile
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

_Key = tuple[str, str, int, str | None, str, str]

_LOOK_SECONDS = 60.0
"""How often is looked for those that are too old."""

_GRACE_SECONDS = 3600.0
"""One is kept for so long behind a start: by then somebody has set a clock that was wrong."""


class PartialUploads:
    """The partial uploads in `folder`. `aside` runs something in a thread, and `by_turns` a long
    job; `put` shares a whole file; one that is idle for `keep_seconds` is dropped."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        folder: Path,
        table: FileTable,
        aside: Callable[..., "Deferred[Any]"],
        by_turns: Callable[[Job[Any]], "Deferred[Any]"],
        put: Callable[[PartialFile, str], Awaitable[FileMark]],
        keep_seconds: float,
        limits: Limits,
        clocks: Clocks = Clocks(),  # noqa: B008
    ) -> None:
        self._limits = limits
        self._folder = folder
        self._table = table
        self._aside = aside
        self._by_turns = by_turns
        self._put = put
        self._keep_seconds = keep_seconds
        self._clocks = clocks
        self._known: dict[_Key, PartialFile] = {}
        self._beginning = KeyedLock()
        self._looking = LoopingCall(self._drop_old)
        self._looking.clock = reactor
        there = {
            entry.name: entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder)
        }
        taking = table.partials().addCallback(self._take_up, there)
        taking.addErrback(lambda why: self.log.failure("unfinished uploads cannot be read", why))

    def _take_up(self, rows: Sequence[PartialRow], there: dict[str, int]) -> None:
        """Find the uploads from before this start; drop files without a row, and rows without a
        file."""
        for number, declared in rows:
            size = there.get(str(number))
            if size is None or declared.ends_with_guest:
                self._table.drop_partial(number).addErrback(lambda _: None)
            else:
                del there[str(number)]
                path = self._folder / str(number)
                partial = PartialFile(declared, path, number, size)
                partial.moved = self._clocks.passed() - self._idle(path)
                self._known[declared.upload_key] = partial
        for name in there:
            with suppress(OSError):  # a folder that is none of ours
                (self._folder / name).unlink()

    def _idle(self, path: Path) -> float:
        """Return the seconds for which an upload was idle at a start. Only the clock tells that,
        and can be wrong: so the result is never so long that the upload is dropped at once."""
        most = max(self._keep_seconds - _GRACE_SECONDS, 0.0)
        return min(max(self._clocks.wall() - path.stat().st_mtime, 0.0), most)

    def start(self) -> None:
        """Drop idle uploads from now on."""
        self._looking.start(_LOOK_SECONDS).addErrback(
            lambda failure: self.log.failure("old uploads are not dropped any more", failure)
        )

    def stop(self) -> None:
        """Drop nothing more."""
        if self._looking.running:
            self._looking.stop()

    async def have(self, declared: DeclaredFile) -> int:
        """Return the number of bytes of an upload."""
        partial = self._known.get(declared.upload_key)
        if partial is not None and partial.upload is not None:
            await partial.upload.closed()
        return partial.have if partial is not None else 0

    def held(self, declared: DeclaredFile) -> tuple[int, int]:
        """Return the bytes of partial uploads, except for this one: in its folder, and
        of its user."""
        others = [
            it
            for it in self._known.values()
            if not it.is_busy and it.declared.upload_key != declared.upload_key
        ]
        here = sum(it.have for it in others if it.declared.folder == declared.folder)
        return here, sum(it.have for it in others if it.declared.owner == declared.owner)

    async def of(self, owner: str) -> list[PartialUpload]:
        """Return the partial uploads of a user, the most recently used ones last."""
        for partial in self._theirs(owner):
            if partial.upload is not None:
                await partial.upload.closed()
        theirs = self._theirs(owner)
        return [PartialUpload(it.declared, it.have) for it in theirs if not it.is_busy]

    def _theirs(self, owner: str) -> list[PartialFile]:
        return [it for it in self._known.values() if it.declared.owner == owner]

    def arriving(self, shelf: str, name: str, sha256: str | None) -> ArrivingFile | None:
        """Open an upload that is under way, to be read as it comes: with that SHA-256, or any."""
        for partial in reversed(self._known.values()):
            it, upload = partial.declared, partial.upload
            if (it.folder, it.name) != (shelf, name) or it.sha256 is None:
                continue
            if upload is not None and not upload.over and sha256 in (None, it.sha256):
                with suppress(FileNotFoundError):  # it is being put on the shelf
                    return ArrivingFile(partial, upload, partial.path.open("rb"), it.sha256)
        return None

    async def receive(self, declared: DeclaredFile, offset: int) -> IncomingFile:
        """Begin an upload, or go on with one."""
        async with self._beginning.acquire(declared.upload_key):
            try:
                return await self._receive(declared, offset)
            except OSError as error:
                self.log.error("{file} cannot be stored: {why}", file=declared.name, why=str(error))
                sentence = "The server could not store {name}; try again later."
                raise Refusal(Code.NOT_STORED, sentence, name=declared.name) from error

    async def _receive(self, declared: DeclaredFile, offset: int) -> IncomingFile:
        partial = self._known.get(declared.upload_key) if declared.sha256 is not None else None
        if partial is not None and partial.upload is not None:
            await partial.upload.stop()
            partial = self._known.get(declared.upload_key)  # it may have come to its end
        have = partial.have if partial is not None else 0
        _check_offset(offset, have)
        if partial is None:
            partial = await self._begun(declared)
        else:
            self._known[declared.upload_key] = self._known.pop(declared.upload_key)
            partial.declared = declared  # as it is said now
        partial.taken = True
        try:
            if partial.is_to_be_read:
                file = await self._by_turns(partial.open())
            else:
                file = await self._aside(finished, partial.open())
        except BaseException:
            if not partial.have:
                self._forget(partial)
            raise
        finally:
            partial.taken = False
        try:
            _check_offset(offset, partial.have)  # less of it may be there than was thought
        except Refusal:
            file.close()
            raise
        return IncomingFile(
            partial, file, partial.have - offset, self._aside, self._put, self._ended
        )

    async def _begun(self, declared: DeclaredFile) -> PartialFile:
        once = PartialFile(declared, self._folder / f"once-{secrets.token_hex(8)}", None)
        if declared.sha256 is None:
            return once
        theirs = await self.of(declared.owner)
        for old in theirs[: 1 - self._limits.unfinished_uploads]:
            await self.drop(old.declared)
        partial = once
        if not declared.ends_with_guest:
            number = await self._table.add_partial(declared)
            partial = PartialFile(declared, self._folder / str(number), number)
        self._known[declared.upload_key] = partial
        return partial

    def _ended(self, partial: PartialFile, keep: bool) -> "Deferred[Any]":
        """Nothing more is written to it now."""
        key = partial.declared.upload_key
        if not (keep and partial.have and self._known.get(key) is partial):
            return self._forget(partial)
        partial.moved = self._clocks.passed()
        self._known[key] = self._known.pop(key)
        return gatherResults(self._drop_beyond())

    def _drop_beyond(self) -> "list[Deferred[Any]]":
        """Drop the least recently used partial uploads."""
        dropping = []
        idle = [it for it in self._known.values() if not it.is_busy]
        count, taken = len(idle), sum(it.have for it in idle)
        most = (shutil.disk_usage(self._folder).free + taken) * self._limits.unfinished_share
        for partial in sorted(idle[:-1], key=_is_registered):  # of guests there may be any number
            if count <= self._limits.unfinished_uploads_of_all and taken <= most:
                break
            dropping.append(self._let_go(partial, "others have come that take its place"))
            count, taken = count - 1, taken - partial.have
        return dropping

    def _let_go(self, partial: PartialFile, why: str) -> "Deferred[Any]":
        self.log.info(
            "dropped what came of {file}, of {user}: {why}",
            file=partial.declared.name,
            user=partial.declared.who,
            why=why,
        )
        return self._forget(partial)

    def _forget(self, partial: PartialFile) -> "Deferred[Any]":
        key = partial.declared.upload_key
        if self._known.get(key) is partial:
            del self._known[key]
        dropping = self._aside(partial.path.unlink, True)
        if partial.number is not None:
            number = partial.number
            dropping.addCallback(lambda _: self._table.drop_partial(number))
        return dropping.addErrback(
            lambda failure: self.log.failure("an unfinished upload cannot be dropped", failure)
        )

    async def drop(self, declared: DeclaredFile) -> None:
        """Drop a partial upload."""
        partial = self._known.get(declared.upload_key)
        if partial is not None and not partial.is_busy:
            await self._forget(partial)

    def forget(self, shelf: str) -> None:
        """Drop the uploads to a guest who has left, and theirs to users. An upload that is still
        being written is ended elsewhere."""
        for partial in tuple(self._known.values()):
            it = partial.declared
            if it.folder != shelf and not (it.ends_with_guest and it.owner == shelf):
                continue
            if not partial.is_busy:
                self._forget(partial)
            elif partial.upload is not None and partial.upload.over:
                partial.upload.refuse()

    def move(self, shelf: str, to: str, owner: str) -> None:
        """Rename a folder: its guest has registered, and their uploads belong to the
        account now."""
        for partial in tuple(self._known.values()):
            it = partial.declared
            where = to if it.folder == shelf else it.folder
            whose = owner if it.owner == shelf else it.owner
            self._call(partial, it._replace(folder=where, owner=whose))

    async def rename(self, owner: str, name: str) -> None:
        """A user is called otherwise now."""
        theirs = self._theirs(owner)
        for partial in theirs:
            self._call(partial, partial.declared._replace(who=name))
        if theirs:
            await self._table.rename(owner, name)

    def _call(self, partial: PartialFile, declared: DeclaredFile) -> None:
        if self._known.get(partial.declared.upload_key) is partial:
            del self._known[partial.declared.upload_key]
            self._known[declared.upload_key] = partial
        partial.declared = declared

    def _drop_old(self) -> None:
        before = self._clocks.passed() - self._keep_seconds
        for partial in list(self._known.values()):
            if partial.moved < before and not partial.is_busy:
                self._let_go(partial, "nobody went on with it")


def _is_registered(partial: PartialFile) -> bool:
    return not is_guest_id(partial.declared.owner)


def _check_offset(offset: int, have: int) -> None:
    if offset > have:
        sentence = "Only {have} of its bytes are here; send it again from there."
        raise Refusal(Code.BAD_OFFSET, sentence, have=have)
