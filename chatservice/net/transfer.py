"""One file's bytes on a connection, up or down.

A connection has at most one transfer at a time (`connection.transfer`). A stalled one is ended, so
that its reserved space is free again.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.domain.chat import Chat
from chatservice.domain.files import ActiveUpload
from chatservice.domain.model import PauseReason, User
from chatservice.domain.ports.file_ports import FileReader, UploadWriter
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.net import outlet
from chatservice.net.connection import Connection
from chatservice.net.flow import Refuse, deferred

LENT_BYTES = 1 << 16
"""A shorter rest of an upload is read here: to lend the socket would take as long."""

CHUNK_BYTES = 1 << 18
"""Read and written at a time: 1.4-2.6 GB/s over loopback, where 16 KiB makes 0.7-1.0."""


def read_much(connection: Connection) -> None:
    """Read large pieces: a file comes. With those for lines, it would cost several times as much
    where the engine cannot take it from the socket (docs/performance.md)."""
    outlet.read_at_most(connection.transport, CHUNK_BYTES)


def read_little(connection: Connection) -> None:
    """Read small pieces again: lines come."""
    outlet.read_at_most(connection.transport, connection.factory.limits.read_bytes)


class Stall:
    """Calls `stalled` when hardly anything of a transfer moves in `stalled_seconds`. `left` returns
    the bytes left, `excused` whether the delay is not the client's."""

    def __init__(
        self,
        connection: Connection,
        left: Callable[[], int],
        excused: Callable[[], bool],
        stalled: Callable[[], None],
    ) -> None:
        self._reactor = connection.factory.reactor
        self._limits = connection.factory.limits
        self._left = left
        self._excused = excused
        self._stalled = stalled
        self._watch()

    def _watch(self) -> None:
        self._timer = self._reactor.callLater(
            self._limits.stalled_seconds, self._look, self._left()
        )

    def _look(self, before: int) -> None:
        enough = max(1, min(self._limits.stalled_bytes, before // 64))
        if self._excused() or before - self._left() >= enough:
            self._watch()
        else:
            self._stalled()

    def stop(self) -> None:
        """Watch no longer."""
        if self._timer.active():
            self._timer.cancel()


def _lent(transport: Any, move: Callable[[int], Awaitable[Any] | None]) -> "Deferred[Any] | None":
    """Lend a connection's socket to `move`, by its descriptor, until the returned result is there.
    Return None if that does not work."""
    socket = outlet.lend_socket(transport)
    moving = move(socket.fileno()) if socket is not None else None
    if socket is None or moving is None:
        if socket is not None:
            socket.close()
        return None

    def give_back(result: Any) -> Any:
        socket.close()
        return result

    return deferred(moving).addBoth(give_back)


class Discard:
    """Incoming bytes after a line that are dropped; `left` of them are still to come."""

    def __init__(self, connection: Connection, left: int) -> None:
        self.left = left
        self._connection = connection

    def begin(self) -> None:
        """Take the bytes of the connection from now on."""
        self._connection.transfer = self
        is_empty = self.left == 0
        self._connection.setRawMode()  # some connections give what is here already
        if is_empty:
            self.received(b"")

    def received(self, data: bytes) -> None:
        """Drop bytes."""
        rest = data[self.left :]
        self.left -= len(data) - len(rest)
        if self.left == 0:
            self._connection.transfer = None
            self._connection.setLineMode(rest)

    def input_ended(self) -> None:
        """Do nothing: nobody waits for them."""

    def lost(self) -> None:
        """Do nothing."""


class Upload(Discard):
    """Incoming bytes after a line, to `writer`: `size`, without the first `offset`.

    `complete` is called after the last one, with the bytes that follow. `failed` is called with the
    reason if they end before it. The engine takes the bytes from the socket itself, where it can
    and the transport lends it; but not the last one. So the end, and what follows it, is always
    seen here.
    """

    def __init__(
        self,
        connection: Connection,
        writer: UploadWriter,
        size: int,
        offset: int,
        complete: Callable[[bytes], None],
        failed: Refuse,
    ) -> None:
        super().__init__(connection, size - offset)
        self._size = size
        self._writer = writer
        self._complete = complete
        self._failed = failed
        self._stall = Stall(connection, self._left, self._waits_for_disk, self._stalled)
        read_much(connection)

    def _left(self) -> int:
        """Return the bytes that have not come, as far as is known while the engine takes them."""
        if PauseReason.FILE not in self._connection.flow.reasons:
            return self.left
        return min(self.left, self._size - self._writer.have)

    def _waits_for_disk(self) -> bool:
        """Return whether bytes have come that nobody takes."""
        connection = self._connection
        return bool(
            PauseReason.DISK in connection.flow.reasons or outlet.unread(connection.transport)
        )

    def received(self, data: bytes) -> None:
        """Take bytes."""
        mine = data[: self.left]
        self.left -= len(mine)
        self._writer.write(mine)
        if self.left == 0:
            self._end()
            rest = data[len(mine) :]
            self._complete(rest)
            if self._connection.transfer is None:  # not dismissed by it
                self._connection.setLineMode(rest)
        elif (ready := self._writer.when_ready()) is not None:
            self._connection.flow.pause_reading(PauseReason.DISK)
            waiting = deferred(ready)
            waiting.addBoth(lambda _: self._connection.flow.resume_reading(PauseReason.DISK))
        elif self.left > LENT_BYTES:
            most, receive = self.left - 1, self._writer.receive
            receiving = _lent(self._connection.transport, lambda socket: receive(socket, most))
            if receiving is not None:
                self._connection.flow.pause_reading(PauseReason.FILE)
                receiving.addCallbacks(self._moved, self._not_moved)

    def _moved(self, count: int) -> None:
        self.left -= count
        self._connection.flow.resume_reading(PauseReason.FILE)

    def _not_moved(self, failure: Failure) -> None:
        """Fail: what the engine took of the socket is not known."""
        if self._connection.transfer is self and self._connection.connected:
            self._connection.throw_away()
            self.lost()
            self._connection.flow.refused(failure, self._failed)
            self._connection.finish()
        self._connection.flow.resume_reading(PauseReason.FILE)

    def _end(self) -> None:
        self._connection.transfer = None
        self._stall.stop()
        read_little(self._connection)

    def cancel(self, why: Refusal) -> None:
        """Delete its bytes, tell why, and end the connection."""
        if self._connection.transfer is self:
            self._end()
            self._connection.throw_away()
            self._writer.refuse()
            self._failed(why)
            self._connection.finish()

    def _stalled(self) -> None:
        """Release the reserved space. Another connection can resume the upload."""
        self._connection.throw_away()
        self._stop("Nothing has come for a long time")
        self._connection.finish()

    def input_ended(self) -> None:
        """Fail: the input has ended."""
        self._end()
        self._stop("The bytes stopped half-way")

    def _stop(self, why: str) -> None:
        self.lost()
        self._failed(half_way(why))

    def lost(self) -> None:
        """The connection is gone. The bytes are kept if the upload can be resumed."""
        self._stall.stop()
        self._writer.abandon()


def half_way(why: str) -> Refusal:
    """Return the refusal of an upload that stopped; `why` is a sentence without its full stop."""
    return Refusal(
        Code.INCOMPLETE,
        "{why}. What came is kept for a while if its SHA-256 was given, and the same upload goes "
        "on from there: `transfers` tells how; else send it again.",
        why=why,
    )


def too_long(size: int | None = None) -> Refusal:
    """Return the refusal of more bytes than the `size` that was declared."""
    if size is None:
        sentence = "More bytes came than are due; nothing was kept. Send just these."
        return Refusal(Code.TOO_LARGE, sentence)
    return Refusal(
        Code.TOO_LARGE,
        "More came than the {size} bytes that were declared; nothing was kept. If the file "
        "has grown, send it again.",
        size=size,
    )


async def share(chat: Chat, ticket: UploadTicket, active: ActiveUpload) -> FileMark:
    """Store a complete upload, and announce it. Raises `Refusal`."""
    mark = await active.finish()
    await chat.files.share(ticket, mark)
    return mark


def receive_file(
    connection: Connection,
    chat: Chat,
    ticket: UploadTicket,
    offset: int,
    kept: Callable[[FileMark], None],
    refuse: Refuse,
    failed: Refuse,
    alone: bool = False,
) -> None:
    """Take an upload's bytes after the first `offset`, call `kept`, then take lines again.

    `refuse` is called if none of them is taken, and `failed` if not all are. An upload that comes
    `alone` must have no bytes after it.
    """
    upload: Upload

    def begin(active: ActiveUpload) -> None:
        nonlocal upload
        if not connection.connected:
            active.abandon()
            return

        def complete(rest: bytes) -> None:
            if alone and rest:
                active.refuse()
                failed(too_long(ticket.size))
            else:
                connection.flow.when_answered(share(chat, ticket, active), kept, failed)

        upload = Upload(connection, active, ticket.size, offset, complete, failed)
        upload.begin()

    def cancel(why: Refusal) -> None:
        upload.cancel(why)

    if offset > ticket.size:
        sentence = "It has only {size} bytes; begin before that."
        refuse(Refusal(Code.BAD_OFFSET, sentence, size=ticket.size))
    else:
        connection.flow.when_answered(
            chat.files.begin_upload(ticket, offset, cancel), begin, refuse
        )


def send_file(
    connection: Connection,
    chat: Chat,
    user: User,
    reader: FileReader,
    offset: int,
    begin: Callable[[], None] | None,
    sent: Callable[[], None],
    end: int | None = None,
) -> None:
    """Write a file's bytes after the first `offset`, up to the `end`, or else all. Call `begin`
    before them, and `sent` if all of them went. Raises `Refusal` (bad-offset)."""
    transport = connection.transport
    try:
        reader.seek(offset, end)
    except Refusal:
        reader.close()
        raise
    address, stop = outlet.address(transport), lambda why: transport.abortConnection()
    transfer = chat.files.begin_download(user, address, reader, stop)
    if begin is not None:
        begin()

    def report() -> None:
        sent()
        if reader.at == reader.mark.size:
            chat.files.report_download(user.name, reader.mark)

    Download(connection, reader, report, lambda: chat.files.transfers.end(transfer)).begin()


@implementer(IPullProducer)
class Download:
    """Writes the rest of a file to a connection, at the client's pace, and at that of a file that
    is still being uploaded. The engine sends it itself, where it can and the transport lends its
    socket: that costs half as much (docs/performance.md). Otherwise its threads read it, one piece
    ahead.

    At its end `ended` is called, and before that `sent`, if all of it went. The connection must
    have no producer. A connection asks for more when it has handed everything to the system. So
    nothing is left in it at the end, except for the last 64 KiB over TLS.
    """

    log = Logger()

    def __init__(
        self,
        connection: Connection,
        reader: FileReader,
        sent: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._reader = reader
        self._sent = sent
        self._ended = ended
        self._chunks: deque[bytes] = deque()
        self._reading = False
        self._complete = False  # nothing more will come of the file
        self._registered = False
        self._is_lent = self._is_over = False
        self._has_waited = False

    def begin(self) -> None:
        """Send it, and read no input meanwhile."""
        connection = self._connection
        if not connection.connected:
            self._reader.close()
            self._ended()
            return
        connection.flow.pause_reading(PauseReason.FILE)
        connection.transfer = self
        self._stall = Stall(connection, self._left, self._waits_for_file, self._stalled)
        sending = _lent(self._transport, self._reader.send)
        if sending is None:
            self._read()
        else:
            self._is_lent = True
            sending.addCallbacks(self._all_sent, self._failed)

    def _left(self) -> int:
        """Return the bytes that the client has not taken yet, as far as the system tells."""
        ahead = sum(map(len, self._chunks))
        return self._reader.left + ahead + outlet.unacknowledged(self._transport)

    def _all_sent(self, _: None) -> None:
        if not self._is_over:
            self._end("")

    def _read(self) -> None:
        if not self._reader.left:
            self._complete = True
            self._go_on()
            return
        self._reading = True
        reading = deferred(self._reader.read(CHUNK_BYTES))
        reading.addCallback(self._arrived).addErrback(self._failed)

    def _arrived(self, data: bytes) -> None:
        self._reading = False
        if self._is_over:
            return
        if data:
            self._chunks.append(data)
        more = None if data else self._reader.more()
        if more is not None:
            self._reading = self._has_waited = True
            deferred(more).addCallbacks(self._grown, self._failed)
            return
        self._complete = not data
        self._go_on()

    def _grown(self, _: None) -> None:
        self._reading = False
        if not self._is_over:
            self._read()

    def _go_on(self) -> None:
        """Ask the transport to ask for more."""
        if not (self._registered or self._is_over):
            self._registered = True
            self._transport.registerProducer(self, False)

    def _unregister(self) -> None:
        if self._registered:
            self._registered = False
            self._transport.unregisterProducer()

    def resumeProducing(self) -> None:
        """Write the next bytes, now or when they arrive."""
        if self._is_over:
            return
        if self._chunks:
            self._transport.write(self._chunks.popleft())
            if len(self._chunks) < 2 and not (self._reading or self._complete):
                self._read()
        elif self._complete:
            self._end("it has changed")
        else:  # a pull producer that writes nothing would be asked again at once, over TLS
            self._unregister()

    def _failed(self, failure: Failure) -> None:
        if self._is_over:
            return
        if failure.check(ConnectionError):
            self._transport.abortConnection()
        else:
            self._end(failure.getErrorMessage())

    def _end(self, why: str) -> None:
        """End the transfer. If bytes are missing, end the connection: the promised length cannot be
        kept."""
        complete = not (self._reader.left or self._chunks)
        self._close()
        connection = self._connection
        if complete:
            self._sent()
            connection.flow.resume_reading(PauseReason.FILE)
        else:
            name = self._reader.mark.name
            self.log.warn("not all of {file} could be sent: {why}", file=name, why=why)
            self._transport.abortConnection()

    def _close(self) -> None:
        self._is_over = True
        self._connection.transfer = None
        self._stall.stop()
        self._unregister()
        self._chunks.clear()
        self._reader.close()
        self._ended()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self.lost()

    def lost(self) -> None:
        """The connection is lost."""
        if not self._is_over:
            self._registered = False
            self._close()

    def input_ended(self) -> None:
        """Go on: only the client's input has ended."""

    def _waits_for_file(self) -> bool:
        """Return whether the transfer has waited for the file, since the last call; or waits now:
        all bytes that the engine has sent were taken."""
        if self._is_lent:
            return not outlet.unacknowledged(self._transport)
        has_waited, self._has_waited = self._has_waited, self._reading and not self._chunks
        return has_waited

    def _stalled(self) -> None:
        """End the connection, and release its descriptor: the client takes hardly anything."""
        peer = self._connection.peer
        self.log.info("nothing more is taken of a file by {peer}; it ends", peer=peer)
        self._transport.abortConnection()
