"""A file's bytes on a connection."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IPullProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.domain.ports import FileReader, UploadWriter
from chatservice.errors import Refusal
from chatservice.net import outlet
from chatservice.net.flow import awaited

CHUNK_BYTES = 1 << 18
"""Written at a time: 1.4-2.6 GB/s over loopback, where 16 KiB makes 0.7-1.0."""


@implementer(IPullProducer)
class FileWriter:
    """Writes what is left of a file to a transport, at the pace at which that takes it, and at
    which it comes, if it is still coming.

    A transport asks for more when it has handed all that it had to the system; so the end is told
    once nothing is left in it. Only over TLS it may still hold the last 64 KiB.
    """

    def __init__(self, outgoing: FileReader, transport: Any) -> None:
        self._outgoing = outgoing
        self._transport = transport
        self._waiting = False
        self._has_waited = False
        self._ended: Deferred[None] = Deferred()

    def begin(self) -> "Deferred[None]":
        """Answer when all of it is written; fails when the connection is lost (who sees that first
        calls `stopProducing`), or the rest of the file does not come."""
        self._transport.registerProducer(self, False)
        return self._ended

    def resumeProducing(self) -> None:
        """Write the next bytes, now or when they are there."""
        if self._ended.called or self._waiting:
            return
        try:
            chunk = self._outgoing.read(CHUNK_BYTES)
        except OSError:
            self._transport.unregisterProducer()
            self._ended.errback()
            return
        waiting = None if chunk else self._outgoing.more()
        if chunk:
            self._transport.write(chunk)
        elif waiting is None:
            self._transport.unregisterProducer()
            self._ended.callback(None)
        else:  # a pull producer that writes nothing would be asked again at once, over TLS
            self._waiting = self._has_waited = True
            self._transport.unregisterProducer()
            Deferred.fromCoroutine(awaited(waiting)).addCallbacks(self._go_on, self._fail)

    @property
    def left(self) -> int:
        """The bytes that the other side has not taken yet, as far as the system tells."""
        return self._outgoing.left + outlet.unacknowledged(self._transport)

    def has_waited(self) -> bool:
        """Return whether it was the file that did not come, at any time since this was asked."""
        has_waited, self._has_waited = self._has_waited, self._waiting
        return has_waited

    def _go_on(self, _: None) -> None:
        self._waiting = False
        if not self._ended.called:
            self._transport.registerProducer(self, False)  # which asks for the next bytes

    def _fail(self, failure: Failure) -> None:
        if not self._ended.called:
            self._ended.errback(failure)

    def stopProducing(self) -> None:
        """The connection is lost."""
        if not self._ended.called:
            self._ended.errback(Failure(ConnectionLost()))


class FileReceiver:
    """Bytes that are a file's, or nothing's: `left` of them are to come.

    `complete` is called, by who takes the last one, with what came behind it; `failed` with why,
    if they end before it.
    """

    def __init__(
        self,
        incoming: UploadWriter | None,
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
