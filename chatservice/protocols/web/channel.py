"""HTTP/1.1 on a connection: reads requests, one after another, for a `Site`."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from chatservice.domain.model import PauseReason, User
from chatservice.errors import Refusal
from chatservice.events import EndReason
from chatservice.net import outlet
from chatservice.net.onetimer import OneTimer
from chatservice.net.sniff import hand_over
from chatservice.net.transfer import Discard
from chatservice.protocols.web.exchange import Exchange
from chatservice.protocols.web.safeheaders import LINES
from chatservice.protocols.web.webconnection import WebConnection

LINGER_SECONDS = 5.0
"""Seconds for which a client may go on sending after a response that ends the connection: if its
bytes were not read, its system would drop the response (RFC 9112, 9.6)."""


_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")
"""A line after the last chunk: a field (RFC 9112, 7.1.2)."""


class _BadTrailer(Exception):
    """A line after the last chunk that is no field: other servers may see the end of the request in
    it, and the next request where this one does not."""


class _Unread:
    """The list of trailers: nobody reads them, but they are checked."""

    def append(self, line: bytes) -> None:
        """Take a trailer. Raises `_BadTrailer`."""
        if not _TRAILER.fullmatch(line):
            raise _BadTrailer


_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


_STATUSES = {
    EndReason.PUT_OUT: HTTPStatus.FORBIDDEN,
    EndReason.REVOKED: HTTPStatus.UNAUTHORIZED,
}
"""The status of a request whose user is ended while its body comes."""


class _EarlyPart:
    """The sink for the part of a body that came before anybody wanted it; the rest comes raw."""

    def __init__(self, body: Discard) -> None:
        self.received = body.received

    def input_ended(self) -> None:
        """Do nothing: the transfer counts its bytes."""

    def lost(self) -> None:
        """Do nothing: the transfer is told."""


class WebChannel(OneTimer, HTTPChannel):
    """A reader of requests. `outer` is the connection that handed its bytes over; `site_for` makes
    the `chatservice.protocols.web.site.Site` that answers each `Exchange`.

    It may become another protocol (`upgrade`), and hands a body over as it is (`take_raw`). A
    response without an end sets `streaming`, whose `end` is called when the connection is to end.
    From one response on, the next head must be there within `Limits.request_seconds`: bytes that
    trickle in do not prolong that.
    """

    timeOut = None  # Twisted's own starts again with each byte
    maxHeaders = HTTPChannel.totalHeadersSize  # their bytes are bounded
    requestFactory: Any = Exchange
    transport: Any
    _networkProducer: Any
    _HTTPChannel__first_line: Any
    outer: Any
    kind = "HTTP"

    def __init__(self, outer: Any, site_for: Callable[["WebChannel"], Any]) -> None:
        super().__init__()
        self.outer = outer
        self.factory = outer.factory
        self.connection = WebConnection(outer, self)
        self._site = site_for(self)
        self.streaming: Any = None
        self._dismissed = self._input_ended = False
        self._raw_body: Discard | None = None
        self._raw_request: Exchange | None = None
        self._when_ready: Callable[[], None] | None = None

    def _serve(self, exchange: Exchange) -> None:
        """Answer a request when the client has read most of the answers before, when it is this
        connection's turn, and no rate limit holds it."""
        flow, slices = self.connection.flow, self.factory.timeslices
        if self._waitingForTransport:
            self._when_ready = partial(self._serve, exchange)
            return
        if not flow.reasons and slices.is_over():
            flow.pause_reading(PauseReason.TURN)
            slices.enqueue(flow)
        if flow.reasons:
            self.connection.when_read_on = partial(self._serve, exchange)
        elif not exchange.is_lost:
            self._site.serve(exchange)

    # -- the connection --------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """Wait for a request."""
        super().connectionMade()
        self._wait(self.factory.limits.request_seconds, self._too_slow)

    def _too_slow(self) -> None:
        """End a connection without a request; tell a client that has begun one."""
        begun = self.requests or self._buffer
        self.refuse(HTTPStatus.REQUEST_TIMEOUT, "Send the whole request at once.", bool(begun))

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self.outer.last_active = self.factory.idle.step
        if not self._dismissed:
            super().dataReceived(data)
            if self._busyReceiving or self._dismissed:
                return  # the lines that are here are still to be looked at
            if self.line_mode and b"\n" in self._buffer:
                self._bad("Lines of a request end with CR LF.")
            self._end_if_over()

    def readConnectionLost(self) -> None:
        """The client has half-closed: finish its requests."""
        self._input_ended = True
        if self._dismissed:
            self.loseConnection()
        elif self.connection.transfer is not None:
            self.connection.transfer.input_ended()
        else:
            self._end_if_over()

    def _end_if_over(self) -> None:
        """After a half-close, end the connection once all whole requests are answered."""
        if not self._input_ended or self._busyReceiving or self._dismissed:
            return
        if self.requests and self.requests[0].body_complete:
            return  # it is being answered
        for it in self.requests:
            it.connectionLost(Failure(connectionDone.value))
        if self.requests or self._buffer:
            self._bad("The request ended before it was whole.")
        else:
            self.dismiss()

    def writeConnectionLost(self) -> None:
        """Our half is closed."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._wait_no_longer()
        if self.connection.transfer is not None:
            self.connection.transfer.lost()
        self.connection.lost()
        self._site.lost()
        super().connectionLost(reason)

    # -- requests --------------------------------------------------------------------------------

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a head."""
        if self._dismissed:
            return
        if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self.lineLengthExceeded(line)
        elif b"\n" in line:
            self._bad("Lines of a request end with CR LF.")
        elif line[:1] in (b" ", b"\t"):  # another server may read on, or not (RFC 9112, 5.2)
            self._bad("A line of a head begins with no blank.")
        else:
            if self._HTTPChannel__first_line:  # curl sends UTF-8 there as it is typed
                line = _NOT_ASCII.sub(_encoded, line)
            super().lineReceived(line)

    def headerReceived(self, line: bytes) -> bool:
        """Take a header."""
        name, _, value = line.partition(b":")
        if name.lower() == b"transfer-encoding" and (
            value.strip(b" \t").lower() != b"chunked" or self._version != b"HTTP/1.1"
        ):
            self._bad("The only Transfer-Encoding known here is chunked, in HTTP/1.1.")
            return False
        try:
            is_good = bool(super().headerReceived(line))
        except ValueError:  # a length of thousands of digits
            self._respondToBadRequestAndDisconnect()
            return False
        decoder: Any = self._transferDecoder
        if hasattr(decoder, "_trailerHeaders"):
            decoder._trailerHeaders = _Unread()
        return is_good

    def expect_body(self) -> None:
        """Wait only so long for the rest of the present body, which is small."""
        self._wait(self.factory.limits.request_seconds, self._too_slow)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a head that is too long."""
        self.refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The head of a request has at most {self.totalHeadersSize} bytes; send a shorter one.",
        )

    def allHeadersReceived(self) -> None:
        """Take a head. A request with a body is served before it has come."""
        self._pause_wait()
        exchange = self.requests[-1]
        if exchange.is_of_browser():
            self.factory.browsers.note(outlet.neighbour(self.transport))
        self.persistent = int(self.checkPersistence(exchange, self._version))
        try:
            exchange.begin(self._command, self._path, self._version, self.length)
        except Refusal as refusal:
            self._bad(str(refusal.sentence))
            return
        if self.length != 0:
            self._serve(exchange)

    def checkPersistence(self, request: Exchange, version: bytes) -> bool:
        """Return whether the connection stays open for another request (RFC 9112, 9.3)."""
        return version == b"HTTP/1.1" and "close" not in request.header("Connection").lower()

    def allContentReceived(self) -> None:
        """Take the end of a body; serve a request without one."""
        exchange, bodiless = self.requests[-1], self.length == 0
        if not self._dismissed:
            self._pause_wait()
        super().allContentReceived()
        if bodiless and not exchange.started and not self._dismissed:
            self._serve(exchange)

    def rawDataReceived(self, data: bytes) -> None:
        """Take bytes of a body."""
        if self._raw_body is not None:
            self._raw_body.received(data)
        else:
            try:
                super().rawDataReceived(data)
            except _BadTrailer:
                self._respondToBadRequestAndDisconnect()
            # Twisted would read on here, whatever comes, until the client reads.
            waits = self._handlingRequest and self._waitingForTransport
            if waits and sum(map(len, self._dataBuffer)) > self._optimisticEagerReadSize:
                self._networkProducer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has read."""
        super().resumeProducing()
        if (call := self._when_ready) is not None:
            self._when_ready = None
            call()

    def take_raw(self, body: Discard) -> None:
        """Give the bytes of the present body to `body`, as they come on the connection."""
        self._raw_body = body
        self._raw_request = self.requests[-1]
        self._raw_request.give_body_to(_EarlyPart(body))

    def raw_body_ended(self, rest: bytes) -> None:
        """Go on after a body that was taken raw; `rest` comes after it."""
        request, self._raw_body, self._raw_request = self._raw_request, None, None
        # One whose whole body came early may be answered already, and gone.
        if request is not None and not request.body_complete:
            self._dataBuffer.append(rest)
            self.allContentReceived()

    @contextmanager
    def lent_output(self) -> Iterator[None]:
        """Let somebody else be the transport's producer for a while."""
        self._networkProducer.unregisterProducer()
        try:
            yield
        finally:
            if self.connection.connected and not self._dismissed:
                self._networkProducer.registerProducer(self, True)

    def requestDone(self, request: Exchange) -> None:
        """Take the next request."""
        self._wait(self.factory.limits.request_seconds, self._too_slow)
        super().requestDone(request)
        self._end_if_over()

    # -- the end ---------------------------------------------------------------------------------

    def _respondToBadRequestAndDisconnect(self) -> None:
        self._bad("That is no HTTP request; see RFC 9112.")

    def _bad(self, sentence: str) -> None:
        self.refuse(HTTPStatus.BAD_REQUEST, sentence)

    def refuse(self, status: HTTPStatus, sentence: str, told: bool = True) -> None:
        """Refuse what cannot be parsed, and end the connection."""
        if self._dismissed:
            return
        if told and not any(it.started for it in self.requests):
            body = f"{sentence}\n"
            self.transport.write(
                f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n{LINES}\r\n{body}".encode()
            )
        self.dismiss()

    def dismiss(self) -> None:
        """End the connection: what was written goes out, and further input is dropped."""
        if self._dismissed:
            return
        self._dismissed = True
        self._networkProducer.unregisterProducer()
        secured = ISSLTransport.providedBy(self.transport)
        if self._input_ended or (secured and all(it.body_complete for it in self.requests)):
            self.transport.loseConnection()
            return
        if secured:  # which ends as a whole (RFC 8446, 6.1)
            self._wait(LINGER_SECONDS, self.transport.loseConnection)
        else:
            self._wait(LINGER_SECONDS, self.transport.abortConnection)
            self.transport.loseWriteConnection()
        self.transport.resumeProducing()

    def end(self, sentence: str, why: EndReason) -> None:
        """End the connection, because the server stops or needs the place."""
        if self.streaming is not None:
            self.streaming.end(sentence, why)
        elif not self.call_off(sentence, why):
            self.loseConnection()

    def call_off(self, sentence: str, why: EndReason) -> bool:
        """End the connection if a body is on its way, and tell its request why. Return whether it
        is so. A request whose body has come is still answered."""
        coming = [it for it in self.requests if not it.body_complete]
        if not coming:
            return False
        self.refuse(_STATUSES.get(why, HTTPStatus.SERVICE_UNAVAILABLE), sentence)
        for it in coming:
            it.connectionLost(Failure(connectionDone.value))
        return True

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether a full server may end it."""
        return not self.requests

    def upgrade(self, protocol_for: Callable[[Any], Any]) -> None:
        """Give the connection to another protocol, which is a WebSocket, and is made of the
        connection on the port. Nothing of this one stays."""
        self._wait_no_longer()
        self._networkProducer.unregisterProducer()
        rest = b"".join((*self._dataBuffer, self._buffer))  # the second is of the same segment
        self._dataBuffer, self._buffer = [], b""
        self.requests.clear()
        self._site.lost()
        self.connection.lost()
        hand_over(self.outer, protocol_for(self.outer), rest)
        self.transport.resumeProducing()
        if self._input_ended:
            self.outer.readConnectionLost()
