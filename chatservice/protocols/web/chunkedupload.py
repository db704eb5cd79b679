"""Uploads in chunks: bodies that tell their length only by their end."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.domain.files import ActiveUpload
from chatservice.domain.model import PauseReason
from chatservice.domain.ports.file_ports import UNKNOWN_SIZE
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark
from chatservice.errors import Refusal
from chatservice.net import outlet
from chatservice.net.flow import Refuse, deferred
from chatservice.net.transfer import (
    Stall,
    half_way,
    read_little,
    read_much,
    share,
    too_long,
)
from chatservice.protocols.web.exchange import Exchange

_ENDLESS = 1 << 62
"""More bytes than any body has."""


def receive_chunks(
    exchange: Exchange,
    chat: Chat,
    ticket: UploadTicket,
    offset: int,
    kept: Callable[[FileMark], Any],
    refuse: Refuse,
) -> None:
    """Take the body of an upload, after its first `offset` bytes; call `kept` when it is shared, or
    `refuse`."""
    connection = exchange.channel.connection
    upload: ChunkedUpload

    def begin(active: ActiveUpload) -> None:
        nonlocal upload
        if not connection.connected:
            active.abandon()
            return
        complete = Deferred[None]()
        complete.addCallback(
            lambda _: connection.flow.when_answered(share(chat, ticket, active), kept, refuse)
        )
        complete.addErrback(lambda failure: connection.flow.refused(failure, refuse))
        most = _ENDLESS if ticket.size == UNKNOWN_SIZE else ticket.size - offset
        upload = ChunkedUpload(connection, active, most, complete)
        exchange.give_body_to(ChunkedBody(upload))

    def stop(why: Refusal) -> None:
        upload.refuse(why)

    connection.flow.when_answered(chat.files.begin_upload(ticket, offset, stop), begin, refuse)


class ChunkedBody:
    """The sink of a body whose bytes go to `upload`."""

    def __init__(self, upload: "ChunkedUpload") -> None:
        self.received = upload.received
        self.input_ended = upload.body_ended

    def lost(self) -> None:
        """Do nothing: the transfer is told."""


class ChunkedUpload:
    """The bytes of a body on their way to `active`: at most `most`. `complete` is told when all
    have come, or why not."""

    def __init__(
        self, connection: Any, active: ActiveUpload, most: int, complete: "Deferred[None]"
    ) -> None:
        self._connection = connection
        self._active = active
        self._left = most
        self._complete = complete
        self._is_over = self._waits = self._has_ended = False
        self._stall = Stall(connection, lambda: self._left, self._waits_for_disk, self._stalled)
        connection.transfer = self
        read_much(connection)

    def received(self, data: bytes) -> None:
        """Take bytes."""
        if self._is_over:
            return
        self._left -= len(data)
        if self._left < 0:
            self.refuse(too_long())
            return
        self._active.write(data)
        if not self._waits and (ready := self._active.when_ready()) is not None:
            self._waits = True
            self._connection.flow.pause_reading(PauseReason.DISK)
            waiting = deferred(ready).addErrback(self._failed)
            waiting.addBoth(lambda _: self._go_on())

    def _go_on(self) -> None:
        self._waits = False
        self._connection.flow.resume_reading(PauseReason.DISK)
        if self._has_ended:
            self.body_ended()

    def body_ended(self) -> None:
        """All bytes have come."""
        self._has_ended = True
        if not (self._is_over or self._waits):
            self._end()
            self._complete.callback(None)

    def _failed(self, failure: Failure) -> None:
        """Fail: there is no space for more."""
        if not self._is_over:
            self._end()
            self._active.refuse()
            self._complete.errback(failure)

    def refuse(self, why: Refusal) -> None:
        """Delete what came, and tell why."""
        self._failed(Failure(why))

    def _end(self) -> None:
        self._is_over = True
        self._connection.transfer = None
        self._stall.stop()
        read_little(self._connection)

    def _waits_for_disk(self) -> bool:
        return self._waits or bool(outlet.unread(self._connection.transport))

    def _stalled(self) -> None:
        self._stop(half_way("Nothing has come for a long time"))

    def input_ended(self) -> None:
        """Fail: the input has ended before the body."""
        self._stop(half_way("The bytes stopped half-way"))

    def _stop(self, why: Refusal) -> None:
        if not self._is_over:
            self._end()
            self._active.abandon()
            self._complete.errback(why)

    def lost(self) -> None:
        """The connection is gone. The bytes are kept if the upload can be resumed."""
        if not self._is_over:
            self._end()
            self._active.abandon()
