"""Protocols on the same port, told apart by the first bytes of a connection.

TLS begins with a handshake record, whose first byte is 0x16 (RFC 8446, 5.1), and its client speaks
first. No name, no JSON and no ticket begins with that byte, nor does telnet. Behind TLS, the first
line is looked at as without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ISSLTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonlines, textformat
from chatservice.net.certificate import Certificate

TLS_HANDSHAKE = b"\x16"
"""The first byte of a connection of a client that wants TLS: a handshake record (RFC 8446, 5.1)."""


@dataclass(frozen=True, slots=True)
class SniffRow:
    """A row of the table that tells protocols apart: a protocol, and how its connections begin.

    A connection begins with the bytes of `prefix`, or its first line looks as `first_line` says.
    `serve` makes what serves it. `refusal` words a refusal in answer to the first bytes. The rows
    stand in order (`ChatFactory.rows`): the first one that fits has the connection.
    """

    name: str
    serve: Callable[..., Any]
    refusal: Callable[[Refusal, bytes], bytes]
    prefix: bytes = b""
    first_line: Callable[[bytes], object] = lambda line: False


def row_of_line(rows: Sequence[SniffRow], line: bytes) -> SniffRow:
    """Return the row of a connection with that first line. The last row takes all."""
    return next((row for row in rows if row.first_line(line)), rows[-1])


def text_refusal(refusal: Refusal, data: bytes) -> bytes:
    """Word a refusal for people."""
    return textformat.refusal(refusal)


def json_refusal(refusal: Refusal, data: bytes) -> bytes:
    """Word a refusal for a program, in answer to its first request."""
    return jsonlines.refusal(refusal, _id_in(data))


ONLY_TLS = Refusal(
    Code.TLS_NEEDED, "Only TLS is spoken here: chat-client --tls, or openssl s_client -quiet."
)


@implementer(IHalfCloseableProtocol)
class TlsTransport(BufferingTLSTransport):
    """TLS between a transport and a `ChatProtocol`, whose transport it is.

    Twisted's own ends when the peer has half-closed; here the peer may still read its answers.
    """

    transport: Any
    wrappedProtocol: Any
    _input_ended = False
    _cut = False
    _ending: Any = None

    def input_ended(self) -> None:
        """The peer has half-closed TLS itself."""
        if not self._input_ended:
            self._input_ended = True
            self.wrappedProtocol.readConnectionLost()

    def readConnectionLost(self) -> None:
        """The input ends below TLS. That may be anybody on the way, so an incomplete line does not
        count (RFC 8446, 6.1). `ncat` always ends so."""
        if self.disconnecting or not self._shaken:
            self.transport.loseConnection()
        elif not self._input_ended:
            self._input_ended = self._cut = True
            self.wrappedProtocol.input_cut()

    @property
    def _shaken(self) -> bool:
        return self.getHandle().get_peer_finished() is not None

    def writeConnectionLost(self) -> None:
        """Do nothing: TLS never half-closes the connection below it."""

    def loseConnection(self) -> None:
        """End the connection once everything has gone, and wait only so long for the peer's end."""
        if self._ending is None and self.connected:
            factory = self.factory.wrappedFactory
            seconds = factory.limits.tls_closing_seconds
            self._ending = factory.reactor.callLater(seconds, self.abortConnection)
        super().loseConnection()
        if self._cut:  # nobody will answer
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        super().connectionLost(reason)


def _id_in(data: bytes) -> str | int | None:
    try:
        return jsonlines.request_id(jsonlines.load(data.lstrip().partition(b"\n")[0]))
    except Refusal:
        return None


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class Sniffer(Protocol):
    """A connection before its first byte, which it hands to a plain protocol or to TLS.

    A client that sends nothing for `first_byte_seconds` counts as a plain one, and is greeted,
    unless it `must_be_tls`. Bytes that the transport has decrypted are plain, too.
    """

    factory: Any
    transport: Any
    _first = b""

    def __init__(self, address: IAddress | None, must_be_tls: bool) -> None:
        self._address = address
        self._must_be_tls = must_be_tls
        self._waiting: Any = None
        self._inner: Any = None

    def connectionMade(self) -> None:
        """Wait for the first byte."""
        if ISSLTransport.providedBy(self.transport):
            self._hand_to(self.factory.plain.buildProtocol)
        else:
            plain = self.factory.plain
            seconds = plain.limits.first_byte_seconds
            if self._must_be_tls:
                seconds = plain.limits.handshake_seconds
            self._waiting = plain.reactor.callLater(seconds, self._wait_no_longer)

    def _begin(self, data: bytes) -> None:
        for row in self.factory.plain.rows:
            if row.prefix and data.startswith(row.prefix):
                self._hand_to(row.serve)
                return
        self._hand_to(self.factory.plain.buildProtocol)
        if self._must_be_tls:
            self._turn_away(data)

    def _turn_away(self, data: bytes) -> None:
        """Say that only TLS is spoken, in the protocol that the client speaks."""
        row = row_of_line(self.factory.plain.rows, data.partition(b"\n")[0])
        self.transport.write(row.refusal(ONLY_TLS, data))
        self._inner.dismiss()

    def _hand_to(self, serve: Callable[[Any], Any]) -> None:
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        self._inner = serve(self._address)
        self._inner.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on."""
        if self._inner is None:
            data = self._first = self._first + data
            if any(
                len(data) < len(row.prefix) and row.prefix.startswith(data)
                for row in self.factory.plain.rows
            ):
                return
            self._begin(data)
        self._inner.dataReceived(data)

    def _wait_no_longer(self) -> None:
        self._begin(self._first)
        if self._first:
            self._inner.dataReceived(self._first)

    def handshakeCompleted(self) -> None:
        """The transport, which is TLS itself, has finished its handshake."""
        self._inner.handshakeCompleted()

    def readConnectionLost(self) -> None:
        """The input has ended."""
        if self._inner is None:
            self.transport.loseConnection()
        else:
            self._inner.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Our half is closed."""
        self._inner.writeConnectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        if self._inner is not None:
            self._inner.connectionLost(reason)
        else:  # nobody else knows that it had come
            host = getattr(self._address, "host", None) or ""
            admission = self.factory.plain.admission
            admission.remove(admission.key(host))


class SnifferFactory(Factory):
    """Makes a `Sniffer` for each connection.

    `use` is called before the first connection is made. With `only`, plain connections are refused,
    except on unix sockets.
    """

    noisy = False

    def __init__(self, plain: Any, only: bool = False) -> None:
        self.plain = plain
        self._only = only

    def use(self, certificate: Certificate) -> None:
        """Show this certificate from now on."""
        secured = TLSMemoryBIOFactory(certificate, False, self.plain, self.plain.reactor)
        secured.protocol = TlsTransport
        row = SniffRow("TLS", secured.buildProtocol, text_refusal, prefix=TLS_HANDSHAKE)
        self.plain.rows = (row, *(it for it in self.plain.rows if it.name != row.name))

    def buildProtocol(self, addr: IAddress | None) -> Sniffer:
        """Make the sniffer of a connection."""
        connection = Sniffer(addr, self._only and not isinstance(addr, UNIXAddress))
        connection.factory = self
        return connection
