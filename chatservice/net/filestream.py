"""Files' bytes on a connection that else has lines."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.domain.files import ActiveUpload
from chatservice.domain.ports import FileReader
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.net.flow import FlowControl, Refuse, awaited
from chatservice.net.transfer import FileReceiver, FileWriter

RAW_BYTES = 1 << 18
"""Read at a time while a file comes in: a quarter of the calls of Twisted's 64 KiB."""


class FileTransfers(FlowControl):
    """A stream of lines, with a file between them now and then."""

    _receiving: FileReceiver | None = None
    _sending: FileWriter | None = None
    _stalling: Any = None

    def finish(self) -> None:
        """Do what was asked for, then end the connection."""
        raise NotImplementedError

    @property
    def is_transferring(self) -> bool:
        """Whether a file is on its way here."""
        return self._receiving is not None or self._sending is not None

    def throw_away(self) -> None:
        """What comes from now on has no meaning."""
        self._receiving = FileReceiver(None, self.factory.limits.file_bytes)
        self.setRawMode()

    def stopped_half_way(self) -> None:
        """No more will come, of a file neither."""
        if self._receiving is not None and self._receiving.is_file:
            self._receiving.stop(_stopped_short("The bytes stopped half-way"))
            self._receiving = None

    def lose_files(self) -> None:
        """The connection is gone, and with it what was on its way."""
        if self._stalling is not None and self._stalling.active():
            self._stalling.cancel()
        if self._receiving is not None:
            self._receiving.abandon()
        if self._sending is not None:  # it may not be the transport's producer any more
            self._sending.stopProducing()
        self._receiving = self._sending = None

    def receive_file(
        self,
        chat: Chat,
        upload: UploadTicket,
        offset: int,
        kept: Callable[[FileMark], None],
        refuse: Refuse,
        failed: Refuse,
        alone: bool = False,
    ) -> None:
        """Take an upload's bytes behind the first `offset`, answer, then take lines again.

        `refuse` is called if none of them is taken, and `failed` if not all are. If they are to
        come `alone`, there are too many if anything comes behind them.
        """

        def begin(arrival: ActiveUpload) -> None:
            if not self.connected:
                arrival.abandon()
                return

            async def share() -> FileMark:
                mark = await arrival.finish()
                await chat.files.share(upload, mark)
                return mark

            def complete(rest: bytes) -> None:
                if alone and rest:
                    arrival.refuse()
                    failed(_too_long(upload))
                else:
                    self.when_answered(share(), kept, failed)

            self._begin_raw(FileReceiver(arrival, upload.size - offset, complete, failed))

        if offset > upload.size:
            refuse(
                Refusal(
                    Code.BAD_OFFSET,
                    "It has only {size} bytes; begin before that.",
                    size=upload.size,
                )
            )
        else:
            self.when_answered(
                chat.files.begin_upload(upload, offset, self.cancel_upload), begin, refuse
            )

    def cancel_upload(self) -> None:
        """Keep nothing of the file that is coming, and end the connection."""
        receiving = self._receiving
        if receiving is not None and receiving.is_file:
            self._receiving = FileReceiver(None, self.factory.limits.file_bytes)
            receiving.refuse(Refusal(Code.CANCELLED, "Cancelled, as you wished."))
            self.finish()

    def discard(self, size: int) -> None:
        """Throw the next `size` bytes away, then take lines again."""
        self._begin_raw(FileReceiver(None, size))

    def _begin_raw(self, receiving: FileReceiver) -> None:
        self._receiving = receiving
        self.setRawMode()
        if receiving.is_file:
            self._watch(self._stalled, receiving.left)
            self._read_at_a_time(RAW_BYTES)
        if receiving.left == 0:
            self.rawDataReceived(b"")

    def _read_at_a_time(self, size: int) -> None:
        if hasattr(self.transport, "bufferSize"):
            self.transport.bufferSize = size

    def _watch(self, look: Callable[[int], None], left: int) -> None:
        """Look again in a while whether less is left of a file."""
        self._stalling = self.factory.reactor.callLater(
            self.factory.limits.stalled_seconds, look, left
        )

    def _stalled(self, before: int) -> None:
        """If hardly anything came since then: give back what is reserved. It can go on on another
        connection."""
        receiving = self._receiving
        if receiving is None or not receiving.is_file:
            return
        is_paused = "disk" in self._holds  # we do not read: the disk is behind
        if is_paused or self._moves(before, receiving.left):
            self._watch(self._stalled, receiving.left)
        else:
            self._receiving = FileReceiver(None, self.factory.limits.file_bytes)
            receiving.stop(_stopped_short("Nothing has come for a long time"))
            self.finish()

    def rawDataReceived(self, data: bytes) -> None:
        """Take a file's bytes."""
        receiving = self._receiving
        if receiving is None:
            return
        rest = receiving.take(data)
        if receiving.left > 0:
            ready = receiving.when_ready()
            if ready is not None:
                self.pause_reading("disk")
                waiting = Deferred.fromCoroutine(awaited(ready))
                waiting.addBoth(lambda _: self.resume_reading("disk"))
            return
        self._receiving = None
        self._read_at_a_time(self.factory.limits.read_bytes)
        if self._stalling is not None and self._stalling.active():
            self._stalling.cancel()
        receiving.complete(rest)
        if self._receiving is None:  # not dismissed by it
            self.setLineMode(rest)

    def send_file(
        self,
        outgoing: FileReader,
        sent: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        """Write what is left of a file, then call `sent`, then take lines again. However it ends,
        `ended` is called.

        The transport must have no producer: the file is it for now.
        """
        if not self.connected:
            outgoing.close()
            ended()
            return
        self.pause_reading("file")

        def done(result: Any) -> None:
            self._sending = None
            if self._stalling is not None and self._stalling.active():
                self._stalling.cancel()
            outgoing.close()
            ended()
            if isinstance(result, Failure) and result.check(ConnectionLost):
                return
            if outgoing.left:  # what was promised cannot be kept, and what follows is not lines
                why = result.getErrorMessage() if isinstance(result, Failure) else "it has changed"
                name = outgoing.mark.name
                self.log.warn("not all of {file} could be sent: {why}", file=name, why=why)
                self.transport.abortConnection()
                return
            sent()
            self.resume_reading("file")

        if outgoing.left:
            self._sending = FileWriter(outgoing, self.transport)
            self._watch(self._unread, self._sending.left)
            self._sending.begin().addBoth(done)
        else:
            done(None)

    def _unread(self, before: int) -> None:
        """If hardly anything was taken of a file since then: end the connection, and give back its
        descriptor."""
        sending = self._sending
        if sending is None:
            return
        if sending.has_waited() or self._moves(before, sending.left):
            self._watch(self._unread, sending.left)
        else:
            self.log.info("nothing more is taken of a file by {peer}; it ends", peer=self.peer)
            self.transport.abortConnection()

    def _moves(self, before: int, left: int) -> bool:
        """Return whether enough of a file came or went in `Limits.stalled_seconds`."""
        least: int = self.factory.limits.stalled_bytes
        return before - left >= max(1, min(least, before // 64))


def _stopped_short(why: str) -> Refusal:
    return Refusal(
        Code.INCOMPLETE,
        "{why}. What came is kept for a while if its SHA-256 was given, and the "
        "same upload goes on from there: `transfers` tells how; else send it again.",
        why=why,
    )


def _too_long(upload: UploadTicket) -> Refusal:
    return Refusal(
        Code.TOO_LARGE,
        "More came than the {size} bytes that were declared; nothing was kept. If "
        "the file has grown, send it again.",
        size=upload.size,
    )
