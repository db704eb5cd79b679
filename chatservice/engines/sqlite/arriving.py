"""Reading a file while it is being uploaded."""

from typing import IO

from twisted.internet.defer import Deferred

from chatservice.engines.sqlite.uploads import IncomingFile, PartialFile
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal


class ArrivingFile:
    """An upload that is read as it arrives: `chatservice.domain.ports.FileReader`.

    The last byte is held back until the upload is checked and shared. So a reader of all bytes has
    the file, and a reader of a failed upload gets less than was promised.
    """

    def __init__(
        self, partial: PartialFile, upload: IncomingFile, file: IO[bytes], sha256: str
    ) -> None:
        declared = partial.declared
        self.shelf = declared.folder
        self.mark = FileMark(declared.name, declared.size, sha256, 0)
        self.left = declared.size
        self._partial = partial
        self._upload = upload
        self._file = file

    def read(self, count: int) -> bytes:
        """Return the next bytes, if there are any yet."""
        size = self.mark.size
        there = size if self._upload.stored else min(self._partial.have, size - 1)
        data = self._file.read(max(0, min(count, there - (size - self.left))))
        self.left -= len(data)
        return data

    def more(self) -> "Deferred[None] | None":
        """Return something to await, if bytes are missing."""
        return self._upload.grown() if self.left else None

    def seek(self, offset: int) -> None:
        """Go on from `offset`. Raises `Refusal` (bad-offset)."""
        if offset > self.mark.size:
            raise Refusal(
                Code.BAD_OFFSET,
                "{mark} has only {size} bytes; give a smaller OFFSET.",
                mark=self.mark.name,
                size=self.mark.size,
            )
        self._file.seek(offset)
        self.left = self.mark.size - offset

    def close(self) -> None:
        """Be done with it."""
        self._file.close()
