"""One connection on the port: who speaks on it, what waits for what, and files' bytes.

A connection does one thing after another. What has to wait (for the disk, a password's hash, a file
on its way) holds the reading of further input, so that answers come in the order of the questions
and a client that asks without reading stops itself and nobody else. Talk alone does not wait.
"""

from collections.abc import Awaitable, Callable, Collection
from inspect import isawaitable
from typing import Any, Protocol, TypeVar

from OpenSSL.SSL import Error as TlsError
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice import limits, names
from chatservice.domain.chat import Chat
from chatservice.domain.files import Arrival
from chatservice.domain.paces import COUNTED, SAID, Paces
from chatservice.domain.places import User
from chatservice.domain.ports import Outgoing
from chatservice.domain.tickets import Upload
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar import shown
from chatservice.grammar.telnet import IAC
from chatservice.protocols import direct
from chatservice.protocols.lines import LineStream
from chatservice.protocols.raw import Receiving, Sender

RAW_BYTES = 1 << 18
"""Read at a time while a file comes in: a quarter of the calls of Twisted's 64 KiB."""

HELLO = b"\x16"
"""What a connection begins with whose client wants TLS: a handshake record (RFC 8446, 5.1)."""

NO_TLS = b"\x15\x03\x01\x00\x02\x02\x28"
"""A record that refuses it: an alert, fatal, handshake_failure (RFC 8446, 6.2)."""

T = TypeVar("T")
Refuse = Callable[[Refusal], None]

OURS = "Something went wrong in the server; its operator finds it in the log. Try again."
QUIET_SECONDS = 0.1
"""A program's first words are over when nothing has come for so long: longer than a pipe takes to
hand over its next piece."""

UNCOUNTED = 16
"""Commands of a connection before any are counted: most never give more, and so need no memory for
it."""

TOLD_SECONDS = 2.0
"""Who is held up for longer is told so."""

LINGER_SECONDS = 5.0
"""How long a connection that is being dismissed may still send: time to read why it ends."""


class Speaker(Protocol):
    """Who is at the other end of a connection, once that is known."""

    def line(self, line: bytes) -> None:
        """Take a line."""

    def lines(self, lines: bytes) -> bool:
        """Take several lines at once, each with its end; False if one at a time is needed."""

    def refuse(self, refusal: Refusal) -> None:
        """Say why something is not done."""

    def refuse_line(self, line: bytes, refusal: Refusal) -> None:
        """Say why a line that begins so is not taken at all."""

    async def ended(self) -> None:
        """No more will come: do what is left to do."""

    def tell(self, sentence: str) -> None:
        """Tell `sentence`, in between."""

    def turn_out(self, refusal: Refusal) -> None:
        """Say why no more is done at all, and dismiss the connection."""

    def end(self, sentence: str) -> None:
        """Tell `sentence`, then end the connection."""

    def may_go(self, busy: Collection[User]) -> bool:
        """Return whether it is a guest, and none who is `busy`."""

    def lost(self) -> None:
        """The connection is gone."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class ChatProtocol(LineStream):
    """A connection. `factory` is a `chatservice.protocols.factory.ChatFactory`."""

    log = Logger()
    factory: Any

    # Most connections are idle, and what few of them ever need is no memory of theirs.
    greeted = False
    _input_ended = False
    _cut = False
    _finishing = False
    _receiving: Receiving | None = None
    _sending: Sender | None = None
    _stalling: Any = None
    _lingering: Any = None
    _dismissed = False
    _paces: Paces | None = None
    counted = ""

    def __init__(self) -> None:
        super().__init__()
        self._speaker: Speaker | None = None
        self._greeting: Any = None
        self._quiet: Any = None
        self._holds: tuple[str, ...] = ()
        self._unstored = 0
        self._uncounted = UNCOUNTED
        self.heard = 0

    # -- the life of a connection ----------------------------------------------------------------

    @property
    def peer(self) -> str:
        """Where it comes from. Behind a proxy, that is known from the first bytes on."""
        return _shown(self.transport.getPeer())

    @property
    def address(self) -> str:
        """The address of its other side; empty where it has none: on this machine."""
        return getattr(self.transport.getPeer(), "host", None) or ""

    def connectionMade(self) -> None:
        """Wait a moment for a program to speak first; greet a person who does not."""
        direct.settle(self.transport)
        for option in ("setTcpNoDelay", "setTcpKeepAlive"):
            if hasattr(self.transport, option):
                getattr(self.transport, option)(True)
        self.factory.came(self)
        if ISSLTransport.providedBy(self.transport):
            self._wait(limits.HANDSHAKE_SECONDS, self.transport.abortConnection)
        else:
            self._wait(limits.GREETING_SECONDS, self._greet)

    def _wait(self, seconds: float, call: Callable[[], None]) -> None:
        self._greeting = self.factory.reactor.callLater(seconds, call)

    def handshakeCompleted(self) -> None:
        """TLS has begun; from now on it is as it is without."""
        self._greeting.cancel()
        self._wait(limits.GREETING_SECONDS, self._greet)

    def _greet(self) -> None:
        self._greeting = None
        self.greeted = True
        self.transport.write(self.factory.greeting)

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes. Who speaks first is not greeted; telnet's negotiation is not speech."""
        self.heard = self.factory.idle.step
        if self._greeting is not None and data[:1] != bytes((IAC,)):
            self._greeting.cancel()
            self._greeting = None
        first = self._speaker is None and not (self._buffer or self._dismissed)
        if first and data.startswith(HELLO):
            self.log.debug("{peer} began TLS where there is none, or too late", peer=self.peer)
            self.transport.write(NO_TLS)
            self.dismiss()
        if self._quiet is not None:
            self._quiet.reset(QUIET_SECONDS)
        if self._holds and data:
            self.pauseProducing()
        super().dataReceived(data)

    def linesReceived(self, lines: bytes) -> bool:
        """Give lines to who speaks here, if they can be taken all at once."""
        return self._speaker is not None and self._speaker.lines(lines)

    def lineReceived(self, line: bytes) -> None:
        """Give a line to who speaks here; the first one tells who that is."""
        if self._speaker is None:
            if not line.strip():
                if self.greeted:
                    self.transport.write(self.factory.nameless)
                return
            try:
                self.factory.moved(self)
            except Refusal as refusal:
                self.transport.write(shown.refusal(refusal))
                self.dismiss()
                return
            self._speaker = self.factory.speaker(self, line)
        try:
            self._speaker.line(line)
        except Refusal as refusal:
            self._speaker.refuse(refusal)
        except Exception:
            self.log.failure("a line from {peer} failed", peer=self.peer)
            self._speaker.refuse(Refusal(Code.SERVER_ERROR, OURS))

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is too long; the connection goes on behind it."""
        if self._speaker is None:
            self._speaker = self.factory.speaker(self, line[: self.MAX_LENGTH])
        sentence = f"A line has at most {self.MAX_LENGTH} bytes; send a shorter one."
        self._speaker.refuse_line(line, Refusal(Code.TOO_LONG, sentence))

    def readConnectionLost(self) -> None:
        """The other side has sent all that it will; what it asked for is still to be done."""
        self._input_ended = True
        if self._dismissed:
            self.transport.loseConnection()
        self._finish_if_idle()

    def input_cut(self) -> None:
        """No more will come, and the other side may have wanted to say more: what came behind the
        last line end is no line."""
        self._cut = True
        self.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """All that we had to say has gone, and `dismiss` has closed our half."""
        self._lingering = self.factory.reactor.callLater(
            LINGER_SECONDS, self.transport.abortConnection
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, whoever ended it."""
        self.connected = 0  # Twisted leaves it at 1
        if isinstance(reason.value, TlsError):
            self.log.debug("TLS with {peer} failed: {why}", peer=self.peer, why=reason.value)
        for timer in (self._greeting, self._quiet, self._lingering, self._stalling):
            if timer is not None and timer.active():
                timer.cancel()
        if self._receiving is not None:
            self._receiving.abandon()
        if self._sending is not None:  # it may not be the transport's producer any more
            self._sending.stopProducing()
        if self._speaker is not None:
            self._speaker.lost()
        # So that nothing here goes in a circle: thousands of those who come and go would else be
        # found by the garbage collector at once, and all others wait for it (70 ms).
        self._speaker = self._receiving = self._sending = None
        self.factory.gone(self)

    def when_quiet(self, call: Callable[[], None]) -> None:
        """Call once nothing more has come for `QUIET_SECONDS`."""
        self._quiet = self.factory.reactor.callLater(QUIET_SECONDS, self._if_quiet, call)

    def _if_quiet(self, call: Callable[[], None]) -> None:
        if self._holds:  # it is we who do not read
            self.when_quiet(call)
        else:
            self._quiet = None
            call()

    def named(self) -> None:
        """It is known who is there."""
        self.factory.unnamed.remove(self)

    def expire(self) -> None:
        """Tell whoever is there that the time to give a name is over, and end the connection."""
        sentence = f"No name was given in {limits.NAME_SECONDS:g} seconds; connect again for one."
        refusal = Refusal(Code.NAME_NEEDED, sentence)
        if self._speaker is not None:
            self._speaker.turn_out(refusal)
        else:
            self.transport.write(shown.refusal(refusal))
            self.dismiss()

    # -- pace ------------------------------------------------------------------------------------

    def paced(self, command: str) -> None:
        """Count a command that is given here. Where there are too many, no more is read for a
        while."""
        if command in SAID and not limits.MESSAGES_PER_SECOND:
            return
        if self._paces is None:
            if self._uncounted and command not in COUNTED:
                self._uncounted -= 1
                return
            self._paces = Paces()
        wait = self._paces.take(command, self.factory.reactor.seconds())
        if wait:
            self.hold("pace")
            self.factory.reactor.callLater(wait, self.release, "pace")
            if wait >= TOLD_SECONDS and self._speaker is not None:
                self._speaker.tell(f"Not so fast: what you send is read on in {wait:.0f} seconds.")

    def may_say(self, lines: bytes) -> bool:
        """Return whether all these lines may be said at once."""
        if not limits.MESSAGES_PER_SECOND:
            return True
        self._paces = self._paces or Paces()
        return self._paces.has(lines.count(b"\n"), self.factory.reactor.seconds())

    # -- waiting ---------------------------------------------------------------------------------

    def hold(self, why: str) -> None:
        """Read nothing more, until `release` was called as often with the same reason."""
        self._holds = (*self._holds, why)
        self.pauseProducing()

    def release(self, why: str) -> None:
        """Read on, unless there is another reason not to."""
        if why not in self._holds:
            return
        at = self._holds.index(why)
        self._holds = (*self._holds[:at], *self._holds[at + 1 :])
        if not self._holds and self.connected:
            self._read_on()

    def drained(self) -> None:
        """The other side reads again: what it asks for may be answered."""
        self.release("full")

    def _read_on(self) -> None:
        self.paused = False
        if not self._input_ended:
            self.transport.resumeProducing()
        self.dataReceived(b"")
        self._finish_if_idle()

    def serve(self, result: Any, answer: Callable[[Any], None], refuse: Refuse) -> None:
        """Call `answer` with a result, now or when it is there, or `refuse` if there is none."""
        if not isawaitable(result):
            answer(result)
            return
        waiting = Deferred.fromCoroutine(_awaited(result))
        waiting.addCallback(answer)
        waiting.addErrback(self._refused, refuse)
        if not waiting.called:
            self.hold("answer")
            waiting.addBoth(lambda _: self.release("answer"))

    def _refused(self, failure: Failure, refuse: Refuse) -> None:
        if isinstance(failure.value, Refusal):
            refuse(failure.value)
            return
        self.log.failure("a request from {peer} failed", failure, peer=self.peer)
        refuse(Refusal(Code.SERVER_ERROR, OURS))

    def written(self, full: bool) -> None:
        """An answer was written. While the other side does not read, it is asked for no more."""
        if full and "full" not in self._holds:
            self.hold("full")

    def storing(self, count: int = 1) -> None:
        """So many entries said here are on their way to the disk. Beyond a bound, no more is read
        until some of them are there."""
        self._unstored += count
        self.factory.turns.talk()
        if self._unstored >= limits.UNSTORED_ENTRIES and "unstored" not in self._holds:
            self.hold("unstored")

    def stored(self, count: int = 1) -> None:
        """They have arrived, or failed."""
        self._unstored -= count
        if self._unstored <= limits.UNSTORED_ENTRIES // 2:
            self.release("unstored")

    def in_order(
        self, settled: Callable[[], Awaitable[None]], ask: Callable[[], None], refuse: Refuse
    ) -> None:
        """Call `ask` once all that was said here before is stored: who asks sees their own."""
        if self._unstored:
            self.serve(settled(), lambda _: ask(), refuse)
        else:
            ask()

    def may_take(self, first: bool) -> bool:
        """Return whether it is this connection's turn; else it waits for it."""
        turns = self.factory.turns
        if not turns.over(first):
            return True
        # Most wait with one request only: the transport need not be told, unless more comes.
        self._holds = (*self._holds, "turn")
        self.paused = True
        turns.wait(self)
        return False

    # -- the end ---------------------------------------------------------------------------------

    def _finish_if_idle(self) -> None:
        if not self._input_ended or self.paused or self._finishing or not self.connected:
            return
        if self._busyReceiving:
            return  # there are lines that were taken and not looked at yet
        if self._receiving is not None and self._receiving.is_file:
            self._receiving.stop(self._stopped_short("The bytes stopped half-way"))
            self._receiving = None
        rest = self.take_rest() if self.line_mode else b""
        if rest and not self._cut:
            self.lineReceived(rest)
            if self.paused or not self.line_mode:
                self._finish_if_idle()
                return
        self.finish()

    def finish(self) -> None:
        """Do what was asked for, then end the connection."""
        if self._finishing:
            return
        self._finishing = True
        if self._speaker is None:
            self.transport.loseConnection()
        else:
            ending = Deferred.fromCoroutine(self._speaker.ended())
            ending.addErrback(self._refused, self._speaker.refuse)
            ending.addBoth(lambda _: self.transport.loseConnection())

    def end(self, sentence: str) -> None:
        """Tell whoever is there `sentence`, and end the connection."""
        if self._speaker is not None:
            self._speaker.end(sentence)
        else:
            if self.greeted:
                self.transport.write(shown.event(Notice(sentence)))
            self.transport.loseConnection()

    def may_go(self, busy: Collection[User]) -> bool:
        """Return whether it can be ended without harm: a guest's, with no file on its way."""
        moving = self._receiving is not None or self._sending is not None
        return not moving and (self._speaker is None or self._speaker.may_go(busy))

    def dismiss(self) -> None:
        """End a connection that may go on sending what has no meaning any more.

        Only our own half is closed at first: closing all of it, with bytes unread, would take the
        refusal away from who is to read it.
        """
        if self._dismissed or not self.connected:
            return
        self._dismissed = True
        self._receiving = Receiving(None, limits.FILE_BYTES)
        self.setRawMode()
        self._finishing = True
        half = not ISSLTransport.providedBy(self.transport)  # TLS ends as a whole (RFC 8446, 6.1)
        if half and not self._input_ended and hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseWriteConnection()
            self._holds = ()
            self._read_on()
        else:
            self.transport.loseConnection()

    # -- files -----------------------------------------------------------------------------------

    def receive_file(
        self,
        chat: Chat,
        upload: Upload,
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

        def begin(arrival: Arrival) -> None:
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
                    self.serve(share(), kept, failed)

            self._begin_raw(Receiving(arrival, upload.size - offset, complete, failed))

        if offset > upload.size:
            refuse(Refusal(Code.BAD_OFFSET, f"It has only {upload.size} bytes; begin before that."))
        else:
            self.serve(chat.files.receive(upload, offset, self.cancel_upload), begin, refuse)

    def cancel_upload(self) -> None:
        """Keep nothing of the file that is coming, and end the connection."""
        receiving = self._receiving
        if receiving is not None and receiving.is_file:
            self._receiving = Receiving(None, limits.FILE_BYTES)
            receiving.refuse(Refusal(Code.CANCELLED, "Cancelled, as you wished."))
            self.finish()

    def discard(self, size: int) -> None:
        """Throw the next `size` bytes away, then take lines again."""
        self._begin_raw(Receiving(None, size))

    def _begin_raw(self, receiving: Receiving) -> None:
        self._receiving = receiving
        self.setRawMode()
        if receiving.is_file:
            self._stalling = self.factory.reactor.callLater(limits.STALLED_SECONDS, self._stalled)
            if hasattr(self.transport, "bufferSize"):
                self.transport.bufferSize = RAW_BYTES
        if receiving.left == 0:
            self.rawDataReceived(b"")

    def _stalled(self) -> None:
        """Nothing came for long: give back what is reserved. It can go on on another connection."""
        receiving = self._receiving
        if "disk" in self._holds:  # it is we who do not read
            self._stalling = self.factory.reactor.callLater(limits.STALLED_SECONDS, self._stalled)
        elif receiving is not None and receiving.is_file:
            self._receiving = Receiving(None, limits.FILE_BYTES)
            receiving.stop(self._stopped_short("Nothing has come for a long time"))
            self.finish()

    def _stopped_short(self, why: str) -> Refusal:
        return Refusal(
            Code.INCOMPLETE,
            f"{why}. What came is kept for a while if its SHA-256 was given, and the same upload "
            "goes on from there: /transfers tells how; else send it again.",
        )

    def rawDataReceived(self, data: bytes) -> None:
        """Take a file's bytes."""
        receiving = self._receiving
        if receiving is None:
            return
        rest = receiving.take(data)
        if receiving.left > 0:
            if self._stalling is not None and self._stalling.active():
                self._stalling.reset(limits.STALLED_SECONDS)
            ready = receiving.when_ready()
            if ready is not None:
                self.hold("disk")
                waiting = Deferred.fromCoroutine(_awaited(ready))
                waiting.addBoth(lambda _: self.release("disk"))
            return
        self._receiving = None
        if self._stalling is not None and self._stalling.active():
            self._stalling.cancel()
        receiving.complete(rest)
        if self._receiving is None:  # not dismissed by it
            self.setLineMode(rest)

    def send_file(
        self,
        outgoing: Outgoing,
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
        self.hold("file")

        def done(result: Any) -> None:
            self._sending = None
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
            self.release("file")

        if outgoing.left:
            self._sending = Sender(outgoing, self.transport)
            self._sending.begin().addBoth(done)
        else:
            done(None)


def _too_long(upload: Upload) -> Refusal:
    return Refusal(
        Code.TOO_LARGE,
        f"More came than the {upload.size} bytes that were declared; nothing was kept. If the file "
        "has grown, send it again.",
    )


async def _awaited(result: Awaitable[T]) -> T:
    return await result


def _shown(address: Any) -> str:
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return "this machine"
    return names.one_line(f"{host}:{port}")  # behind a proxy, it is what somebody sent
