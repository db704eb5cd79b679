"""One connection on the port, and its session."""

import sys
from collections.abc import Callable, Collection
from typing import Any

from OpenSSL.SSL import Error as TlsError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.domain.model import PauseReason, User
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason
from chatservice.grammar.telnet import IAC
from chatservice.net import outlet
from chatservice.net.connection import MovingBytes, ProtocolSession
from chatservice.net.flow import SERVER_ERROR, FlowControl
from chatservice.net.linereader import LineReader
from chatservice.net.onetimer import OneTimer
from chatservice.net.sniff import Row, hand_over
from chatservice.net.transfer import Discard

QUIET_SECONDS = 0.1
"""A program's first words are over when nothing has come for so long: longer than a pipe takes to
hand over its next piece."""

BLANK_LINES = 16
"""Blank lines before the first one that says who speaks. With one more, it is a person."""

LINGER_SECONDS = 5.0
"""Seconds for which a dismissed connection may still send: time to read why it ends."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class ChatProtocol(OneTimer, LineReader):
    """A `chatservice.net.connection.Connection`: a reader of lines, with a session, and with flow
    control.

    `factory` is a `chatservice.protocols.factory.ChatFactory`.
    """

    log = Logger()
    factory: Any

    # Most connections are idle, and what few of them ever need is no memory of theirs.
    greeted = False
    port_greets = True  # else it is a port for browsers
    _input_ended = False
    _cut = False
    _finishing = False
    _dismissed = False
    _blank_lines = 0
    _kind = "nobody yet"
    inner: Any = None  # the protocol that it was handed over to
    transfer: MovingBytes | None = None
    outer: Any = None  # the connection around this one, which is counted instead
    counted_address = ""

    def __init__(self) -> None:
        super().__init__()
        self.flow = FlowControl(self)
        self._session: ProtocolSession | None = None
        self._timer = self._due = None
        self.last_active = 0

    # -- the life of a connection ----------------------------------------------------------------

    @property
    def MAX_LENGTH(self) -> int:  # type: ignore[override]
        """The length of the longest line that this server takes."""
        return int(self.factory.limits.line_bytes)

    @property
    def _takes_telnet(self) -> bool:
        """True if the client may speak telnet."""
        return self._session is None or self._session.takes_telnet

    @property
    def peer(self) -> str:
        """Its address and port. Behind a proxy they are known from the first bytes on."""
        return outlet.origin(self.transport)

    @property
    def kind(self) -> str:
        """The kind of its session, for the operator."""
        if self._session is not None:
            return self._session.kind
        return str(getattr(self.inner, "kind", self._kind))

    def connectionMade(self) -> None:
        """Greet the client, if it sends nothing for a moment."""
        outlet.read_at_most(self.transport, self.factory.limits.read_bytes)
        self.factory.add_connection(self)
        if ISSLTransport.providedBy(self.transport):
            self._wait(self.factory.limits.handshake_seconds, self.transport.abortConnection)
        else:
            self._wait(self.factory.greeting_delay(self.transport), self._greet)

    def handshakeCompleted(self) -> None:
        """TLS has begun; the wait for the greeting starts."""
        if self._passes_on("handshakeCompleted"):
            return
        self._wait(self.factory.limits.greeting_seconds, self._greet)

    def _passes_on(self, event: str) -> bool:
        """Tell the protocol that has the transport now of an event, if one has it."""
        if self.inner is None:
            return False
        getattr(self.inner, event, self.transport.loseConnection)()
        return True

    def _is_silent(self) -> bool:
        """Return whether a client that sends nothing is told nothing: it may be a browser."""
        return not self.port_greets or bool(self.factory.may_be_browser(self.transport))

    def _greet(self) -> None:
        """Greet, but for bytes that came while the process stood still: they are read first."""
        self._wait(0, self._greet_person)

    def _greet_person(self) -> None:
        if self._is_silent():
            return
        row = self.factory.table.last
        try:
            self.factory.check_secure(self.transport, row)
        except Refusal as refusal:
            self._turn_away(row, refusal, b"")
        else:
            self.greeted = True
            self.transport.write(self.factory.greeting)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes. A client that sends first is not greeted; telnet's negotiation does not
        count."""
        if self.inner is not None:
            self.inner.dataReceived(data)
            return
        self.last_active = self.factory.idle.step
        if self._dismissed:
            pass
        elif self._session is None:
            if data and not self._has_lines(data):
                return
        elif self._timer is not None:
            self._timer.reset(QUIET_SECONDS)
        if self.paused and data:
            self.pauseProducing()
        super().dataReceived(data)

    def _has_lines(self, data: bytes) -> bool:
        """Return whether the first bytes are a line's. Otherwise they wait for more, or go to the
        protocol that they belong to."""
        begun = self._buffer + data
        if self.factory.table.needs_more(begun):
            self._buffer = begun
            return False
        row = self.factory.table.row_of_bytes(begun)
        if row is None:
            if begun[0] != IAC:  # its negotiation may come in pieces
                self._wait_no_longer()
            return True
        inner = self._serve(row, begun)
        if inner is not None:
            self._kind = row.name
            self.factory.login_timeout.remove(self)
            hand_over(self, inner, begun)
        return False

    def may_take(self) -> bool:
        """Return whether it is this connection's turn; otherwise wait for it."""
        slices = self.factory.timeslices
        if not slices.is_over():
            return True
        # Most wait with one request only: the transport need not be told, unless more comes.
        self.flow.note_pause(PauseReason.TURN)
        self.paused = True
        slices.enqueue(self.flow)
        return False

    def read_on(self) -> None:
        """Handle the input that was read already, and read on."""
        self.paused = False
        if not self._input_ended:
            self.transport.resumeProducing()
        self.dataReceived(b"")
        self.went_on()

    def linesReceived(self, lines: bytes) -> bool:
        """Give lines to the session, if it takes them all at once."""
        return self._session is not None and self._session.lines(lines)

    def lineReceived(self, line: bytes) -> None:
        """Give a line to the session; the first line makes it."""
        session = self._session or self._first_line(line)
        if session is None:
            return
        try:
            session.line(line)
        except Refusal as refusal:
            session.refuse(refusal)
        except Exception:
            self.log.failure("a line from {peer} failed", peer=self.peer)
            session.refuse(SERVER_ERROR)

    def _first_line(self, line: bytes) -> ProtocolSession | None:
        if not line.strip() and self._blank_lines < BLANK_LINES:
            self._blank_lines += 1
            if self.greeted and not self.more_came:
                self.transport.write(self.factory.name_needed)
            return None
        self._session = self._serve(self.factory.table.row_of_line(line), line)
        return self._session

    def _serve(self, row: Row, begun: bytes) -> Any:
        """Return what serves a connection that begins so, or refuse it and return None."""
        self._wait_no_longer()
        try:
            self.factory.check_secure(self.transport, row)
            self.factory.recount(self)
            return row.serve(self, self.factory.chat)
        except Refusal as refusal:
            self._turn_away(row, refusal, begun)
            return None

    def _turn_away(self, row: Row, refusal: Refusal, begun: bytes) -> None:
        self.factory.count(refusal)
        self.transport.write(row.refusal(refusal, begun))
        self.dismiss()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is too long; the connection goes on after it."""
        session = self._session or self._first_line(line)
        if session is not None:
            sentence = f"A line has at most {self.MAX_LENGTH} bytes; send a shorter one."
            session.refuse_line(line, Refusal(Code.TOO_LONG, sentence))

    def readConnectionLost(self) -> None:
        """The client has half-closed: finish its requests."""
        if self._passes_on("readConnectionLost"):
            return
        self._input_ended = True
        if self._dismissed:
            self.transport.loseConnection()
        self.went_on()

    def input_cut(self) -> None:
        """The input was cut: an incomplete last line does not count."""
        self._cut = True
        self.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Everything written has gone, and `dismiss` has closed our half."""
        if self._passes_on("writeConnectionLost"):
            return
        self._wait(LINGER_SECONDS, self.transport.abortConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self.connected = 0  # Twisted leaves it at 1
        if isinstance(reason.value, TlsError):
            self.log.debug("TLS with {peer} failed: {why}", peer=self.peer, why=reason.value)
        self._wait_no_longer()
        if self.transfer is not None:
            self.transfer.lost()
        if self._session is not None:
            self._session.lost()
        if self.inner is not None:
            self.inner.connectionLost(reason)
        # So that nothing here goes in a circle: thousands of those who come and go would else be
        # found by the garbage collector at once, and all others wait for it (70 ms).
        self._session = self.flow.connection = None
        self.factory.remove_connection(self)
        self.outer = None

    def when_quiet(self, call: Callable[[], None]) -> None:
        """Call once nothing more has come for `QUIET_SECONDS`."""
        self._wait(QUIET_SECONDS, call)

    def logged_in(self) -> None:
        """The client has a name, or a ticket."""
        self.factory.login_timeout.remove(self)

    def login_timed_out(self) -> None:
        """Say that the time to give a name is over, and end the connection; but not while its
        password is being checked."""
        if PauseReason.ANSWER in self.flow.reasons:
            self.factory.login_timeout.add(self)
            return
        seconds = self.factory.limits.name_seconds
        sentence = f"You did not come in within {seconds:g} seconds; connect again."
        refusal = Refusal(Code.NAME_NEEDED, sentence)
        if self.inner is not None:
            self.inner.login_timed_out(refusal)
            return
        if self._session is not None:
            self._session.refuse(refusal)
        elif self.greeted or not self._is_silent():
            self.transport.write(self.factory.table.last.refusal(refusal, b""))
        self.dismiss()

    # -- files -----------------------------------------------------------------------------------

    def rawDataReceived(self, data: bytes) -> None:
        """Give a file's bytes to its upload."""
        if isinstance(self.transfer, Discard):
            self.transfer.received(data)

    def throw_away(self) -> None:
        """Drop all input from now on."""
        Discard(self, sys.maxsize).begin()

    # -- the end ---------------------------------------------------------------------------------

    def went_on(self) -> None:
        """End the connection if the input has ended, and nothing waits."""
        if not self._input_ended or self.paused or self._finishing or not self.connected:
            return
        if self._busyReceiving:
            return  # there are lines that were taken and not looked at yet
        if self.transfer is not None:
            self.transfer.input_ended()
        rest = self.take_rest() if self.line_mode else b""
        if rest and not self._cut:
            self.lineReceived(rest)
            if self.paused or not self.line_mode:
                self.went_on()
                return
        self.finish()

    def finish(self) -> None:
        """Finish the client's requests, then end the connection."""
        if self._finishing:
            return
        self._finishing = True
        if self._session is None:
            self.transport.loseConnection()
        else:
            ending = Deferred.fromCoroutine(self._session.ended())
            ending.addErrback(self.flow.refused, self._session.refuse)
            ending.addBoth(lambda _: self.transport.loseConnection())

    def end(self, sentence: str, why: EndReason) -> None:
        """Write `sentence`, and the reason, and end the connection."""
        if self._session is not None:
            self._session.end(sentence, why)
        elif self.inner is not None:
            self.inner.end(sentence, why)
        else:
            if self.greeted:
                self.transport.write(self.factory.table.last.notice(sentence))
            self.transport.loseConnection()

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether it can be ended without harm: a guest's, without a transfer."""
        if self.inner is not None:
            return bool(self.inner.is_evictable(busy))
        if self.transfer is not None:
            return False
        return self._session is None or self._session.is_evictable(busy)

    def dismiss(self) -> None:
        """End a connection whose further input is dropped.

        Only our half is closed at first. Closing all of it, with unread bytes, would destroy the
        refusal before the client reads it.
        """
        if self._dismissed or not self.connected:
            return
        self._dismissed = True
        self._wait_no_longer()
        if self._session is not None:
            self._session.stop()
        self.throw_away()
        self._finishing = True
        half = not ISSLTransport.providedBy(self.transport)  # TLS ends as a whole (RFC 8446, 6.1)
        if half and not self._input_ended and hasattr(self.transport, "loseWriteConnection"):
            # A reader who has stopped would else never see that half closed, and stay for ever.
            self._wait(self.factory.limits.tls_closing_seconds, self.transport.abortConnection)
            self.transport.loseWriteConnection()
            self.flow.resume_all()
        else:
            self.transport.loseConnection()
