"""Decisions about shared files that all engines make alike."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from chatservice.domain.ports.file_ports import UNKNOWN_SIZE, DeclaredFile
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal

T = TypeVar("T")


class Reader:
    """The position in a file, which all readers have (the port `FileReader`)."""

    def __init__(self, folder: str, mark: FileMark) -> None:
        self.folder = folder
        self.mark = mark
        self.left = self._end = mark.size

    @property
    def at(self) -> int:
        """The offset of the next byte."""
        return self._end - self.left

    def seek(self, offset: int, end: int | None = None) -> None:
        """Go on from `offset`, up to the `end`. Raises `Refusal` (bad-offset)."""
        if offset > self.mark.size:
            raise Refusal(
                Code.BAD_OFFSET,
                "{mark} has only {size} bytes; give a smaller OFFSET.",
                mark=self.mark.name,
                size=self.mark.size,
            )
        self._end = self.mark.size if end is None else min(end, self.mark.size)
        self.left = max(self._end - offset, 0)


class Partial(Protocol):
    """An upload of which `have` bytes are here. It is busy while somebody writes to it."""

    declared: DeclaredFile

    @property
    def have(self) -> int:
        """The number of bytes."""

    @property
    def is_busy(self) -> bool:
        """Return whether somebody writes to it, or is about to."""

    @property
    def is_arriving(self) -> bool:
        """Return whether somebody writes to it."""


P = TypeVar("P", bound=Partial)


class PartialIndex(Generic[P]):
    """Partial uploads and resumable uploads under way, the most recently used ones last."""

    def __init__(self) -> None:
        self.known: dict[object, P] = {}

    def find(self, declared: DeclaredFile) -> P | None:
        """Return what is known of an upload that can be resumed."""
        return self.known.get(declared.upload_key) if declared.is_resumable else None

    def use(self, partial: P) -> None:
        """Add one, or let it be the most recently used one."""
        key = partial.declared.upload_key
        self.known.pop(key, None)
        self.known[key] = partial

    def discard(self, partial: P) -> bool:
        """Remove one. Return false if it was replaced or removed before."""
        key = partial.declared.upload_key
        found = self.known.get(key) is partial
        if found:
            del self.known[key]
        return found

    def idle(self) -> list[P]:
        """Return those to which nobody writes."""
        return [it for it in self.known.values() if not it.is_busy]

    def of(self, owner: str) -> list[P]:
        """Return those of a user (`User.id`)."""
        return [it for it in self.known.values() if it.declared.owner == owner]

    def held(self, declared: DeclaredFile) -> tuple[int, int]:
        """Return the bytes of the idle ones, except for this one: in its folder, and of its
        user."""
        this = self.find(declared)
        others = [it for it in self.idle() if it is not this]
        here = sum(it.have for it in others if it.declared.folder == declared.folder)
        return here, sum(it.have for it in others if it.declared.owner == declared.owner)

    def ending_with(self, folder: str) -> list[P]:
        """Return the uploads to a folder that goes, and those to users by a guest who goes."""
        return [
            it
            for it in self.known.values()
            if it.declared.folder == folder
            or (it.declared.ends_with_guest and it.declared.owner == folder)
        ]

    def arriving(self, folder: str, name: str, sha256: str | None) -> P | None:
        """Return the latest upload under way that can be read as it comes: with that SHA-256, or
        any."""
        for it in reversed(self.known.values()):
            said = it.declared
            known = said.sha256 is not None and said.size != UNKNOWN_SIZE
            wanted = (said.folder, said.name) == (folder, name) and sha256 in (None, said.sha256)
            if it.is_arriving and known and wanted:
                return it
        return None

    def move(self, folder: str, to: str, owner: str) -> None:
        """Rename a folder: its guest has registered, and their uploads are `owner`'s now."""
        for partial in tuple(self.known.values()):
            it = partial.declared
            where = to if it.folder == folder else it.folder
            whose = owner if it.owner == folder else it.owner
            self._change(partial, it._replace(folder=where, owner=whose))

    def rename(self, owner: str, name: str) -> None:
        """Change the name of a user."""
        for partial in self.of(owner):
            self._change(partial, partial.declared._replace(who=name))

    def _change(self, partial: P, declared: DeclaredFile) -> None:
        self.discard(partial)
        partial.declared = declared
        self.known[declared.upload_key] = partial


def check_offset(offset: int, have: int) -> None:
    """Raise `Refusal` (bad-offset) for an upload that leaves bytes out."""
    if offset > have:
        sentence = "Only {have} of its bytes are here; send it again from there."
        raise Refusal(Code.BAD_OFFSET, sentence, have=have)


def check_size(declared: DeclaredFile, have: int) -> None:
    """Raise `Refusal` (incomplete) unless all bytes came."""
    if declared.size not in (have, UNKNOWN_SIZE):
        raise Refusal(Code.INCOMPLETE, "Not all of its bytes came; send it again.")


def wrong_sha256(sha256: str) -> Refusal:
    """Return the refusal of a file with another SHA-256 than the declared one."""
    return Refusal(
        Code.WRONG_SHA256,
        "What came has the SHA-256 {hexdigest}, not the one declared; nothing was "
        "kept. If the file was changed while it was sent, send it again.",
        hexdigest=sha256,
    )


def taken_over() -> Refusal:
    """Return the refusal of an upload that another connection has resumed."""
    return Refusal(Code.INCOMPLETE, "Another connection goes on with it; see there.")


def stopped() -> Refusal:
    """Return the refusal for readers of an upload that stopped."""
    return Refusal(Code.INCOMPLETE, "The upload stopped half-way.")


def missing(name: str, version: int | None = None) -> Refusal:
    """Return the refusal of a file, or a version of one, that is not there."""
    if version is None:
        sentence = "There is no file {name} here; `files` lists those there are."
        return Refusal(Code.NO_SUCH_FILE, sentence, name=name)
    return Refusal(
        Code.NO_SUCH_FILE,
        "There is no version #{version} of {name} here; `versions {name}` lists those there are.",
        version=version,
        name=name,
    )


def removable(
    name: str, version: int | None, versions: Sequence[tuple[int, T]], is_mine: Callable[[T], bool]
) -> list[int]:
    """Return the numbers of the versions that a user may remove, of one or all `versions`. Raises
    `Refusal` (no-such-file, not-yours)."""
    meant = [(number, it) for number, it in versions if version in (None, number)]
    if not meant:
        raise missing(name, version)
    mine = [number for number, it in meant if is_mine(it)]
    if not mine:
        sentence = "You did not share {name}; ask a moderator to remove it."
        raise Refusal(Code.NOT_YOURS, sentence, name=name)
    return mine
