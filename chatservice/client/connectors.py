"""Connections to a server, plain or over TLS, and the certificates of known servers.

The certificate is checked before anything is sent. Most servers have a self-signed certificate,
so the one seen first is remembered and must stay the same, as with SSH (RFC 4251, 4.1). A
certificate from an authority that this system trusts is accepted, because it is renewed every few
weeks. A server that once had such a certificate is not accepted with another kind.
"""

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet import protocol
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client import system
from chatservice.client.jsonconnection import Lost
from chatservice.errors import Code, Refusal

WARNING = "Warning: "
"""The prefix of a sentence that is shown even if nobody watches the output."""

VERIFIED = "verified"

KNOWN_SERVERS_FILE = "known-servers"

KNOWN_SERVERS_BYTES = 1 << 20
"""The largest file that is read: enough for 10,000 servers."""

CONNECT_SECONDS = 30.0
"""The longest time in which a connection is made, as Twisted's default is."""

HANDSHAKE_SECONDS = 10.0
"""A TLS handshake takes at most this long."""

NOT_TLS = "it does not speak TLS there; ask its operator, or leave --tls out"

P = TypeVar("P")

_BOM = "\ufeff"

_LABEL = re.compile(r"\s*(?:sha-?256\s+)?fingerprint\s*=", re.IGNORECASE)
"""The label that openssl puts before a fingerprint, in all of its versions."""


class UntrustedServer(Refusal):
    """The certificate is not the expected one, or it cannot be checked."""

    def __init__(self, sentence: str) -> None:
        super().__init__(Code.SERVER_ERROR, sentence)


# -- known servers -------------------------------------------------------------------------------


class KnownServersError(Exception):
    """The file of known servers cannot be read. The text is a sentence."""


def fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint as `AB:CD:...`. `text` may be the output of `openssl x509
    -fingerprint -sha256`. Raises `ValueError`, whose text is a sentence."""
    digits = re.sub(r"[\s:]", "", _LABEL.sub("", text, count=1)).upper()
    if not re.fullmatch("[0-9A-F]{64}", digits):
        raise ValueError("A SHA-256 fingerprint has 64 hexadecimal digits, in pairs: AB:CD:...")
    return ":".join(re.findall("..", digits))


def server_address(host: str, port: int) -> str:
    """Return `host:port`, or `[host]:port` for an IPv6 address, in lower case."""
    return f"[{host.lower()}]:{port}" if ":" in host else f"{host.lower()}:{port}"


class KnownServers:
    """The certificates of known servers, in a file in `folder` that people may edit.

    Each line is an address and a fingerprint, `localhost:5555 AB:CD:...`, or the word `verified`
    for a certificate from a trusted authority. Blank lines and comments (from `#` on) are kept. A
    line that cannot be understood is an error: it may protect somebody against a wrong certificate.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / KNOWN_SERVERS_FILE

    def fingerprint_of(self, address: str) -> str | None:
        """Return the fingerprint of a server, `VERIFIED`, or None for an unknown one. Raises
        `KnownServersError`."""
        found = {known for _, where, known in self._lines() if where == address}
        if len(found) > 1:
            raise self._error(f"{address} stands there more than once; leave one line")
        return found.pop() if found else None

    def remember(self, address: str, known: str) -> None:
        """Set what is known of a server, and keep all other lines. Raises `KnownServersError` and
        `OSError`, and then the file is unchanged."""
        others = [line for line, where, _ in self._lines() if where != address]
        target = Path(os.path.realpath(self.path))  # keep a symbolic link
        text = "".join(f"{line}\n" for line in [*others, f"{address} {known}"])
        system.write_atomically(target, text)

    def warning(self, address: str) -> str | None:
        """Return a warning for a plain connection to a server that had TLS, or None."""
        try:
            if self.fingerprint_of(address) is None:
                return None
        except KnownServersError as error:
            return str(error)
        return (
            f"{address} was used with TLS before, and is used without it now: others on the "
            "network can read everything. Add --tls."
        )

    def _lines(self) -> list[tuple[str, str, str]]:
        """Return the lines of the file, each with its address and what is known of it."""
        lines = enumerate(self._text().removeprefix(_BOM).splitlines(), 1)
        return [(line, *self._parsed(number, line)) for number, line in lines]

    def _text(self) -> str:
        """Return the text of the file, or an empty text if there is none."""
        try:
            # Without O_NONBLOCK, opening a pipe that has no writer blocks.
            flags = system.open_flags("O_RDONLY", "O_NONBLOCK")
            with open(os.open(self.path, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise self._error("it is no plain file")
                data = file.read(KNOWN_SERVERS_BYTES + 1)
        except FileNotFoundError:
            if self.path.is_symlink():
                raise self._error("it is a link that leads nowhere") from None
            return ""
        except OSError as error:
            raise self._error(error.strerror or "for no known reason") from None
        if len(data) > KNOWN_SERVERS_BYTES:
            raise self._error("it is far too large")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self._error("it is not UTF-8") from None

    def _parsed(self, number: int, line: str) -> tuple[str, str]:
        """Return the address and what is known of it; two empty strings for a line without."""
        words = line.partition("#")[0].split(None, 1)
        if not words:
            return "", ""
        address, known = words[0].lower(), words[-1]
        if known.strip().casefold() == VERIFIED:
            return address, VERIFIED
        try:
            return address, fingerprint(known)
        except ValueError:
            raise self._error(f"line {number} is no `HOST:PORT FINGERPRINT`") from None

    def _error(self, why: str) -> KnownServersError:
        return KnownServersError(
            f"{self.path}, the list of known servers, cannot be understood ({why}); correct it, or "
            "move it away to begin a new one."
        )


# -- TLS -----------------------------------------------------------------------------------------


class TlsHandle(SSL.Connection):
    """The TLS state of one connection. `flaws` are OpenSSL's error numbers for the certificate."""

    def __init__(self, context: SSL.Context) -> None:
        super().__init__(context, None)
        self.flaws: list[int] = []


@implementer(IHandshakeListener)
class HandshakeProtocol(protocol.Protocol):
    """The protocol of a connection until the server is identified. `done` is called back with the
    `TlsHandle`, or fails with `Lost`. Several addresses may be connected; one is `chosen`."""

    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[TlsHandle] = Deferred()
        self.chosen = False

    def handshakeCompleted(self) -> None:
        """Tell that TLS has begun."""
        self.done.callback(self.transport.getHandle())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell that there will be no TLS."""
        if self.chosen and not self.done.called:
            self.done.errback(Failure(Lost(_handshake_error(reason.value))))


@implementer(IOpenSSLClientConnectionCreator)
class ServerIdentity:
    """The host that the certificate must name. The handshake completes with any certificate, and
    `is_verified` judges it afterwards."""

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
        self._context.set_verify(SSL.VERIFY_PEER, _note_flaw)

    def clientConnectionForTLS(self, protocol: Any) -> TlsHandle:
        """Return the TLS state for a new connection."""
        handle = TlsHandle(self._context)
        if self._name is not None:
            with suppress(UnicodeError):
                handle.set_tlsext_host_name(self._name.encode("idna"))
        handle.set_connect_state()
        return handle

    def is_verified(self, handle: TlsHandle) -> bool:
        """Return whether a trusted authority issued the certificate for this host."""
        if handle.flaws:
            return False
        try:
            if self._name is None:
                verify_ip_address(handle, self._host)
            else:
                verify_hostname(handle, self._host)
        except (CertificateError, VerificationError, ValueError):
            return False
        return True


def _note_flaw(handle: Any, _: Any, error: int, depth: int, fine: int) -> bool:
    """Note an error of the certificate, and let the handshake go on."""
    if not fine:
        handle.flaws.append(error)
    return True


def _handshake_error(error: BaseException | None) -> str:
    if not isinstance(error, SSL.Error):
        return "it ended the connection before TLS had begun"
    reason = str(error.args[0][-1][-1]) if error.args and error.args[0] else ""
    if _NOT_TLS_ERRORS.search(reason):
        return NOT_TLS
    return f"TLS failed: {reason or 'for no known reason'}"


_NOT_TLS_ERRORS = re.compile(
    "wrong version number|packet length too long|record layer failure|unexpected message"
    "|alert handshake failure"  # our server, where TLS is switched off
)
"""OpenSSL's names for an answer that is not TLS. They differ between its versions."""


# -- connections ---------------------------------------------------------------------------------


class Connector:
    """Connections to `host` and `port`, over TLS if `tls` or `trust` is given.

    With `trust`, the certificate must have that fingerprint, and is remembered. Known servers are
    remembered in `folder`. `tell` takes warnings, and sentences about new certificates. To connect
    takes at most `seconds`.
    """

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        tls: bool,
        trust: str | None,
        folder: Path,
        tell: Callable[[str], None],
        seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._reactor = reactor
        self._where = f"{host}:{port}"
        self._address = server_address(host, port)
        self._known_servers = KnownServers(folder)
        self._trust = fingerprint(trust) if trust is not None else None
        self._tell = tell
        self._identity = ServerIdentity(host) if tls or trust is not None else None
        self._endpoint: Any = HostnameEndpoint(reactor, host, port, timeout=seconds)
        if self._identity is not None:
            self._endpoint = wrapClientTLS(self._identity, self._endpoint)
        elif (warning := self._known_servers.warning(self._address)) is not None:
            tell(WARNING + warning)

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect, check the certificate, and return a protocol that `make` makes. Raises `Lost`
        and `UntrustedServer`."""
        try:
            if self._identity is None:
                return await self._connect(make)
            return await self._connect_with_tls(self._identity, make)
        except Lost as lost:
            raise Lost(
                f"{self._where} cannot be reached ({lost}); check the host and the port."
            ) from None

    async def _connect(self, make: Callable[[], P]) -> P:
        factory = Factory.forProtocol(make)  # type: ignore[type-var]
        factory.noisy = False
        try:
            return await self._endpoint.connect(factory)  # type: ignore[no-any-return]
        except (ConnectError, OSError, ValueError) as error:
            raise Lost(_connect_error(error)) from None

    async def _connect_with_tls(self, identity: ServerIdentity, make: Callable[[], P]) -> P:
        handshake = await self._connect(HandshakeProtocol)
        handshake.chosen = True
        handshake.done.addTimeout(HANDSHAKE_SECONDS, self._reactor)
        try:
            self._check(identity, await handshake.done)
        except BaseException as error:
            handshake.transport.abortConnection()
            raise Lost(NOT_TLS) if isinstance(error, TimeoutError) else error from None
        protocol = make()
        handshake.transport.wrappedProtocol = protocol
        protocol.makeConnection(handshake.transport)  # type: ignore[attr-defined]
        return protocol

    def _check(self, identity: ServerIdentity, handle: TlsHandle) -> None:
        certificate = handle.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise Lost("it shows no certificate")
        shown = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        if self._trust is None:
            self._check_known(shown, identity.is_verified(handle))
        elif shown == self._trust:
            self._remember(shown)
        else:
            raise UntrustedServer(
                f"The certificate of {self._address} is not the trusted one, but SHA-256 {shown}; "
                "nothing was sent."
            )

    def _check_known(self, shown: str, verified: bool) -> None:
        try:
            known = self._known_servers.fingerprint_of(self._address)
        except KnownServersError as error:
            raise UntrustedServer(f"{error} Nothing was sent.") from None
        if verified:
            self._remember(VERIFIED)
        elif known is None:
            self._tell(
                f"The certificate of {self._address} is new here, and is remembered: SHA-256 "
                f"{shown}. The server's log shows what it should be."
            )
            self._remember(shown)
        elif known != shown:
            raise UntrustedServer(self._changed(known, shown))

    def _remember(self, known: str) -> None:
        try:
            if self._known_servers.fingerprint_of(self._address) != known:
                self._known_servers.remember(self._address, known)
        except KnownServersError as error:
            self._tell(str(error))
        except OSError as error:
            self._tell(f"{self._known_servers.path} cannot be written ({error.strerror}).")

    def _changed(self, known: str, shown: str) -> str:
        was = "verified by an authority" if known == VERIFIED else f"SHA-256 {known}"
        return (
            f"The certificate of {self._address} has changed: it was {was}, and now it is SHA-256 "
            f"{shown}. Somebody may be listening in, so nothing was sent. If its operator says "
            f"that this is right: --trust {shown}, or remove its line from "
            f"{self._known_servers.path}."
        )


def _connect_error(error: Exception) -> str:
    if isinstance(error, (DNSLookupError, ValueError)):
        return "no such host"
    inner = getattr(error, "osError", None)
    words = getattr(inner, "strerror", None) or type(error).__doc__ or "it does not answer"
    return str(words).strip().rstrip(".")
