"""A file's bytes on a connection."""

from collections.abc import Awaitable, Callable

from twisted.protocols.basic import FileSender

from chatservice.domain.ports import Incoming


class Sender(FileSender):
    """Writes what is left of a file to a transport."""

    CHUNK_SIZE = 1 << 18  # 1.4-2.6 GB/s over loopback, where the default of 16 KiB makes 0.7-1.0


class Receiving:
    """Bytes that are a file's, or nothing's: `left` of them are to come.

    `complete` is called by who takes the last one, `stopped_short` if they end before it.
    """

    def __init__(
        self,
        incoming: Incoming | None,
        size: int,
        complete: Callable[[], None],
        stopped_short: Callable[[], None],
    ) -> None:
        self.left = size
        self.complete = complete
        self.stopped_short = stopped_short
        self._incoming = incoming

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
        """Keep nothing of it."""
        if self._incoming is not None:
            self._incoming.abandon()
