"""TLS's handshake on a connection to a server, which is done with whoever is there: who that is, is
looked at behind it, before anything else is sent.
"""

from contextlib import suppress
from ipaddress import ip_address
from typing import Any, TypeVar

from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client.connection import Lost

P = TypeVar("P")

NOT_TLS = "it does not speak TLS there; ask its operator, or leave --tls out"


class Connection(SSL.Connection):
    """One connection's TLS. `flaws` are what OpenSSL finds wrong with the server's certificate."""

    def __init__(self, context: SSL.Context) -> None:
        super().__init__(context, None)
        self.flaws: list[int] = []


@implementer(IHandshakeListener)
class Shaking(Protocol):
    """What a connection is for until it is known who is at its other end. `done` is called back
    with its `Connection`, or fails with `Lost`."""

    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[Connection] = Deferred()
        self.wanted = False  # of several addresses more than one may be connected to

    def handshakeCompleted(self) -> None:
        """TLS has begun."""
        self.done.callback(self.transport.getHandle())

    def hand_to(self, protocol: P) -> P:
        """Let a protocol have the connection."""
        self.transport.wrappedProtocol = protocol
        protocol.makeConnection(self.transport)  # type: ignore[attr-defined]
        return protocol

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """There will be no TLS."""
        if self.wanted and not self.done.called:
            self.done.errback(Failure(Lost(_why(reason.value))))


@implementer(IOpenSSLClientConnectionCreator)
class Identity:
    """Who is wanted at the other end. Whoever it is, the handshake is done first."""

    def __init__(self, host: str) -> None:
        self._host = host
        try:
            ip_address(host)
            self._name = None
        except ValueError:
            self._name = host
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.set_default_verify_paths()
        self._context.set_verify(SSL.VERIFY_PEER, _note)

    def clientConnectionForTLS(self, protocol: Any) -> Connection:
        """Return what a new connection's TLS is spoken with."""
        connection = Connection(self._context)
        if self._name is not None:
            with suppress(UnicodeError):
                connection.set_tlsext_host_name(self._name.encode("idna"))
        connection.set_connect_state()
        return connection

    def is_verified(self, connection: Connection) -> bool:
        """Whether an authority says that it is the one who is wanted."""
        if connection.flaws:
            return False
        try:
            if self._name is None:
                verify_ip_address(connection, self._host)
            else:
                verify_hostname(connection, self._host)
        except (CertificateError, VerificationError, ValueError):
            return False
        return True


def _note(connection: Any, _: Any, error: int, depth: int, fine: int) -> bool:
    """Note what is wrong with a certificate, and go on: what follows from it is decided later."""
    if not fine:
        connection.flaws.append(error)
    return True


def _why(error: BaseException | None) -> str:
    if not isinstance(error, SSL.Error):
        return "it ended the connection before TLS had begun"
    reason = str(error.args[0][-1][-1]) if error.args and error.args[0] else ""
    return NOT_TLS if reason in _STRANGE else f"TLS failed: {reason or 'for no known reason'}"


_STRANGE = frozenset(
    {
        "wrong version number",  # it has sent something else
        "packet length too long",
        "record layer failure",
        "unexpected message",
        "tls alert handshake failure",  # what our server says if it is to speak none
        "ssl/tls alert handshake failure",
        "sslv3 alert handshake failure",
    }
)
"""What OpenSSL calls an answer that is none in TLS; its versions differ."""
