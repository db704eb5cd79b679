"""A file's bytes on a connection."""

from collections.abc import Awaitable, Callable

from twisted.protocols.basic import FileSender

from chatservice.domain.ports import Incoming
from chatservice.errors import Refusal


class Sender(FileSender):
    """Writes what is left of a file to a transport."""

    CHUNK_SIZE = 1 << 18  # 1.4-2.6 GB/s over loopback, where the default of 16 KiB makes 0.7-1.0


class Receiving:
    """Bytes that are a file's, or nothing's: `left` of them are to come.

    `complete` is called, by who takes the last one, with what came behind it; `failed` with why,
    if they end before it.
    """

    def __init__(
        self,
        incoming: Incoming | None,
        left: int,
        complete: Callable[[bytes], None] = lambda rest: None,
        failed: Callable[[Refusal], None] = lambda refusal: None,
    ) -> None:
        self.left = left
        self.complete = complete
        self._incoming = incoming
        self._failed = failed

    @property
    def is_file(self) -> bool:
        """Whether somebody wants these bytes."""
        return self._incoming is not None

    def stop(self, refusal: Refusal) -> None:
        """No more will come now. What came is kept, if it can go on some day."""
        self.abandon()
        self._failed(refusal)

    def refuse(self, refusal: Refusal) -> None:
        """Keep nothing of it."""
        if self._incoming is not None:
            self._incoming.refuse()
        self._failed(refusal)

    def take(self, data: bytes) -> bytes:
        """Take what is for the file, and return the rest."""
        mine = data[: self.left]
        self.left -= len(mine)
        if self._incoming is not None:
            self._incoming.write(mine)
        return data[len(mine) :]

    def when_ready(self) -> Awaitable[None] | None:
        """None if more may come at once, else what to wait for."""
        return self._incoming.when_ready() if self._incoming is not None else None

    def abandon(self) -> None:
        """No more will come, and there is nobody to tell."""
        if self._incoming is not None:
            self._incoming.abandon()
