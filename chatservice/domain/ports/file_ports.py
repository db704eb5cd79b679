"""The ports to shared files: declared, on their way in, stored, and read."""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from chatservice import names
from chatservice.domain.model import is_guest_id, is_user_folder
from chatservice.entries import FileMark
from chatservice.replies import FileInfo

UNKNOWN_SIZE = -1
"""The size of an upload that tells its size only by its end."""


class DeclaredFile(NamedTuple):
    """A file before its bytes come: `size` in bytes or `UNKNOWN_SIZE`, `sha256` in hexadecimal or
    None. The user `who`, with the `User.id` `owner`, sends it to `folder` at `time` (milliseconds).

    Without a SHA-256 it is resumed by `id` (`PartialUpload.id`); a new one that is to be kept has
    an empty `id`, and one that is not to be kept has None.
    """

    folder: str
    name: str
    size: int
    sha256: str | None
    who: str
    time: int
    owner: str = ""
    id: str | None = None

    @property
    def is_resumable(self) -> bool:
        """True if its bytes are kept when it stops: by its SHA-256 or its id, it is known again."""
        return self.sha256 is not None or self.id is not None

    @property
    def upload_key(self) -> tuple[str, str, int, str | None, str, str]:
        """The key by which a partial upload is found again.

        A guest's upload to a room is found by name and SHA-256, which nobody else is told: so the
        guest can resume it after a broken connection. An upload to a user is its sender's alone.
        """
        owner = self.owner if is_user_folder(self.folder) else ""
        said = self.sha256 or self.id
        return self.folder, self.name, self.size, said, names.key(self.who), owner

    def is_same(self, other: "DeclaredFile") -> bool:
        """Return whether both are the same upload, begun twice."""
        return bool(self.sha256 or self.id) and self.upload_key == other.upload_key

    @property
    def ends_with_guest(self) -> bool:
        """True if it is deleted when a guest leaves: one who gets it, or who sends it to a user."""
        return is_guest_id(self.folder) or (is_guest_id(self.owner) and is_user_folder(self.folder))


class FileLocation(NamedTuple):
    """The location of a version of a file."""

    folder: str
    name: str
    version: int


class DiskUsage(NamedTuple):
    """Bytes of a folder, of one user's files everywhere, and free on the disk."""

    folder: int
    user: int
    free: int


class PartialUpload(NamedTuple):
    """A partial upload, of which the first `have` bytes are here. Its `id` stays the same."""

    declared: DeclaredFile
    have: int
    id: str


class FileListing(NamedTuple):
    """A page of a folder's `files`, by name; their `total` number and `bytes`; and the number of
    those from the first one here on (`following`)."""

    total: int
    bytes: int
    following: int
    files: Sequence[FileInfo]


class UploadWriter(Protocol):
    """A file that is being uploaded."""

    @property
    def id(self) -> str:
        """The `PartialUpload.id` of its bytes, if it stops."""

    @property
    def have(self) -> int:
        """The number of bytes that came."""

    def write(self, data: bytes) -> None:
        """Write the next bytes; the disk may lag behind."""

    def receive(self, descriptor: int, most: int) -> Awaitable[int] | None:
        """Take up to `most` bytes from a non-blocking socket, and return how many; fewer at their
        end, and whenever it is useful. Return None where only `write` works now. Nothing but
        `abandon` and `refuse` may be called meanwhile: then that is over soon."""

    def when_ready(self) -> Awaitable[None] | None:
        """Return None if more may come at once, else an awaitable to wait for. It raises `Refusal`
        (not-stored, too-large) if nothing more can be stored."""

    def finish(self) -> Awaitable[FileMark]:
        """Verify the file, make it durable, and put it into its folder.

        Raises `Refusal` (incomplete, wrong-sha256, not-stored), and deletes what cannot be right.
        """

    def abandon(self) -> None:
        """Stop. The received bytes stay, as a partial upload, if it can be resumed."""

    def refuse(self) -> None:
        """Stop, and delete what came."""


class FileReader(Protocol):
    """An open file, whose content stays that of `mark`. `left` bytes are still to be read, from the
    offset `at` on."""

    folder: str
    mark: FileMark

    @property
    def left(self) -> int:
        """The bytes that were not read yet."""

    @property
    def at(self) -> int:
        """The offset of the next byte."""

    def read(self, count: int) -> Awaitable[bytes]:
        """Return the next bytes. Nothing but `close` may be called meanwhile."""

    def send(self, descriptor: int) -> Awaitable[None] | None:
        """Send the rest to a non-blocking socket; return None where only `read` works. Nothing but
        `close` may be called meanwhile: then that is over soon. Raises `OSError`, also if the file
        has changed."""

    def seek(self, offset: int, end: int | None = None) -> None:
        """Continue at an offset, up to the `end`, or else to that of the file. Raises `Refusal`
        (bad-offset)."""

    def more(self) -> "Awaitable[None] | None":
        """After `read` returned nothing: return an awaitable for more, which raises `Refusal` if
        none comes, or None at the end."""

    def close(self) -> None:
        """Close the file."""


class FileStore(Protocol):
    """Shared files, in folders (`Room.folder`, `User.folder`).

    The content of a version never changes. A file with a name that exists becomes a new version;
    older ones are found by their numbers.
    """

    def files(self, folder: str, after: str, limit: int) -> Awaitable[FileListing]:
        """Return the newest versions in a folder: the first `limit` with names after `after`."""

    def versions(self, folder: str, name: str) -> Awaitable[Sequence[FileInfo]]:
        """Return all versions of a file, oldest first. Raises `Refusal` (no-such-file)."""

    def open(self, folder: str, name: str, version: int | None = None) -> Awaitable[FileReader]:
        """Open a version of a file, or the newest. Raises `Refusal` (no-such-file)."""

    def arriving(self, folder: str, name: str, sha256: str | None = None) -> FileReader | None:
        """Open an upload under way, to be read as it comes: with this SHA-256, or else the latest
        with any. None if there is none. Its `mark` has the version 0, and its last byte can be read
        only when it is stored."""

    def used(self, declared: DeclaredFile, exactly: bool = False) -> Awaitable[DiskUsage]:
        """Return the disk usage without this upload. Files that the operator has removed may still
        count, unless `exactly`, which takes longer."""

    def have(self, declared: DeclaredFile) -> Awaitable[int]:
        """Return the number of bytes of a partial upload."""

    def receive(self, declared: DeclaredFile, offset: int) -> Awaitable[UploadWriter]:
        """Begin an upload, or resume one behind its first `offset` bytes. A former connection of
        the same upload ends. Without a SHA-256, bytes behind `offset` are dropped.

        Raises `Refusal` (bad-offset, not-stored).
        """

    def unfinished(self, owner: str) -> Awaitable[Sequence[PartialUpload]]:
        """Return the partial uploads of a user (`User.id`)."""

    def drop(self, declared: DeclaredFile) -> Awaitable[None]:
        """Delete a partial upload, also one that has only just stopped. One under way stays."""

    def places(self, size: int, sha256: str) -> Awaitable[Sequence[FileLocation]]:
        """Return the locations of files with that content."""

    def copy(self, place: FileLocation, declared: DeclaredFile) -> Awaitable[FileMark | None]:
        """Copy a file to another folder or name, sharing its disk space if possible. Return None if
        it is no longer there as it was."""

    def remove(
        self, folder: str, name: str, version: int | None, owner: str
    ) -> Awaitable[Sequence[int]]:
        """Remove a version of a file, or all versions of the user `owner`, or of anybody if that is
        empty. Return their numbers. Raises `Refusal` (no-such-file, not-yours)."""

    def move(self, folder: str, to: str, owner: str) -> Awaitable[None]:
        """Move all files, and uploads under way, to another folder: a guest has registered, and is
        `owner` now."""

    def rename(self, owner: str, name: str) -> Awaitable[None]:
        """Change the user's name in their partial uploads."""

    def shared(self, owner: str) -> Awaitable[Sequence[tuple[str, str]]]:
        """Return the folder and name of each file of which a user has shared a version."""

    def forget(self, folder: str) -> Awaitable[None]:
        """Delete the folder of a guest who left, or of a removed room, and partial uploads to it or
        by that guest. That begins at once, and nobody needs to wait for it."""
