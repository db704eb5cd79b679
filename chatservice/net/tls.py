"""TLS: the server's certificate, the transport, and the row of TLS in the table of protocols.

TLS begins with a handshake record, whose first byte is 0x16 (RFC 8446, 5.1), and its client speaks
first. No name, no JSON and no ticket begins with that byte, nor does telnet.
"""

import stat
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IOpenSSLServerConnectionCreator,
    ISSLTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.errors import Code, Refusal
from chatservice.net.sniff import PrefixRow

NAME = "TLS"
"""The name of its row."""

HTTP = b"http/1.1"
"""The protocol that a browser offers in its handshake (RFC 7301, 6), and gets. HTTP/2 is slower for
files."""

HANDSHAKE = b"\x16"
"""The first byte of a connection of a client that wants TLS: a handshake record (RFC 8446, 5.1)."""

ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
"""A record that refuses it: an alert, fatal, handshake_failure (RFC 8446, 6.2)."""

PEM_NAMES = ("privkey.pem", "fullchain.pem")
"""The names that certbot and other clients of ACME (RFC 8555) give to the files of a domain."""

PEM_BYTES = 1 << 20
"""No file with a key and its certificates is larger: a chain has a few KiB."""


class TlsConnection(SSL.Connection):
    """One connection's TLS. It goes on after the peer's close_notify, as TLS 1.3 allows (RFC 8446,
    6.1): it calls `input_ended` of the connection's protocol, its app data, instead."""

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        """Return the next bytes."""
        try:
            data: bytes = super().recv(*args, **kwargs)
        except SSL.ZeroReturnError:
            if self.get_shutdown() & SSL.SENT_SHUTDOWN:  # that is both sides
                raise
            self.get_app_data().input_ended()
            raise SSL.WantReadError from None
        return data


def _chosen_protocol(connection: Any, offered: list[bytes]) -> Any:
    """Choose a protocol that the client offers, or none."""
    return HTTP if HTTP in offered else SSL.NO_OVERLAPPING_PROTOCOLS


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """A key and a chain of certificates, the server's own first (RFC 8446, 4.4.2): both in one PEM
    file, or in a folder with the files of `PEM_NAMES`. After a change, the next connection gets the
    new ones. Raises `Refusal` if they cannot be used."""

    log = Logger()

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._files = [path / name for name in PEM_NAMES] if path.is_dir() else [path]
            self._seen = self._stamps()
            self._read()
        except _UNUSABLE as error:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "{path} cannot be used for TLS ({error}); it must hold a key without a "
                "password and its certificates, in PEM.",
                path=path,
                error=self._reason(error),
            ) from None

    def _stamps(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in self._files]
        if not all(stat.S_ISREG(it.st_mode) and it.st_size <= PEM_BYTES for it in found):
            raise ValueError(f"it is no file of at most {PEM_BYTES} bytes")  # nor read: it may wait
        return [(it.st_mtime_ns, it.st_size, it.st_ino) for it in found]

    def _read(self) -> None:
        pem = b"\n".join(path.read_bytes() for path in self._files)
        for what, mark in (("certificate", b"CERTIFICATE-----"), ("key", b"PRIVATE KEY-----")):
            if mark not in pem:
                raise ValueError(f"there is no {what} in it")
        first, *others = x509.load_pem_x509_certificates(pem)
        key: Any = load_pem_private_key(pem, None)
        if key.public_key() != first.public_key():
            raise ValueError("the key is not that of the first certificate")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)  # nobody may use older ones: RFC 8996
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # most connections are idle
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_alpn_select_callback(_chosen_protocol)
        context.use_certificate(first)
        for other in others:
            context.add_extra_chain_cert(other)
        context.use_privatekey(key)
        self._context = context
        self.fingerprint = first.fingerprint(hashes.SHA256()).hex(":").upper()

    def _reason(self, error: Exception) -> str:
        """Return why the certificate cannot be used. A sentence with its path is around it: only a
        file in a folder is named here."""
        if not isinstance(error, OSError):
            return str(error).partition("\n")[0].rstrip(".")
        file = Path(error.filename or self._path)
        inside = "" if file == self._path else f"{file.name}: "
        return f"{inside}{error.strerror}"

    def _look_again(self) -> None:
        """Read the files if they have changed. Unusable ones are ignored: a renewal may be half
        done, and the old certificate is better than none."""
        try:
            stamps = self._stamps()
        except (OSError, ValueError):
            return
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            self._read()
        except _UNUSABLE as error:
            self.log.warn("{path} cannot be used: {why}", path=self._path, why=self._reason(error))
        else:
            self.log.info("TLS with another certificate: SHA-256 {it}", it=self.fingerprint)

    def serverConnectionForTLS(self, protocol: Any) -> TlsConnection:
        """Return the TLS state of a new connection."""
        self._look_again()
        connection = TlsConnection(self._context, None)
        connection.set_app_data(protocol)
        return connection


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


def row(factory: Any, certificate: Certificate | None = None) -> PrefixRow:
    """Return the row of TLS in the table of a `chatservice.protocols.factory.ChatFactory`. A client
    gets an alert without a certificate, after the greeting, and inside TLS."""
    if certificate is not None:
        secured: Any = TLSMemoryBIOFactory(certificate, False, factory, factory.reactor)
        secured.protocol = TlsTransport

    def serve(connection: Any, chat: Any) -> TlsTransport:
        late = connection.greeted or ISSLTransport.providedBy(connection.transport)
        if certificate is None or late:
            connection.log.debug(
                "{peer} began TLS where there is none, or too late", peer=connection.peer
            )
            raise Refusal(Code.TLS_NEEDED, "No TLS is spoken here.")
        inside: TlsTransport = secured.buildProtocol(None)
        inside.wrappedProtocol.outer = connection
        if not connection.port_greets:
            inside.wrappedProtocol.port_greets = False
        factory.forget(connection)  # the inner one is what others see
        return inside

    return PrefixRow(NAME, serve, lambda refusal, data: ALERT, (HANDSHAKE,))


_UNUSABLE = (OSError, ValueError, TypeError, SSL.Error, UnsupportedAlgorithm)
