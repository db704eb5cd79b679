"""Connections to a server, plain or over TLS, and the certificates of known servers."""

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol, TypeVar

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

from chatservice import limits
from chatservice.client import system
from chatservice.client.jsonconnection import Lost
from chatservice.client.system import write_atomically
from chatservice.errors import Code, Refusal

VERIFIED = "verified"

KNOWN_SERVERS_FILE = "known-servers"

KNOWN_SERVERS_BYTES = 1 << 20
"""A file that is larger is none of ours: 10,000 servers take that."""

_BOM = "\ufeff"

_LABEL = re.compile(r"\s*(?:sha-?256\s+)?fingerprint\s*=", re.IGNORECASE)
"""The label that openssl puts before a fingerprint; its versions differ."""


class KnownServersError(Exception):
    """The file cannot be read or understood, so nobody knows which servers are known. Its text is a
    sentence."""


def fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint, however it is written, as `openssl x509 -fingerprint -sha256`
    shows it, too. Raises `ValueError`, whose text is a sentence."""
    digits = re.sub(r"[\s:]", "", _LABEL.sub("", text, count=1)).upper()
    if not re.fullmatch("[0-9A-F]{64}", digits):
        raise ValueError("A SHA-256 fingerprint has 64 hexadecimal digits, in pairs: AB:CD:...")
    return ":".join(re.findall("..", digits))


def server_address(host: str, port: int) -> str:
    """Return what a server is called in the file."""
    return f"[{host.lower()}]:{port}" if ":" in host else f"{host.lower()}:{port}"


class KnownServers:
    """What is remembered in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / KNOWN_SERVERS_FILE

    def fingerprint_of(self, place: str) -> str | None:
        """Return the fingerprint of the server at `place`, or `VERIFIED`; None if it is not known.
        Raises `Unclear`."""
        meanings = map(self._parsed, *self._numbered_lines())
        found = {what for where, what in list(meanings) if where == place}
        if len(found) > 1:
            raise self._error(f"{place} stands there more than once; leave one line")
        return found.pop() if found else None

    def remember(self, place: str, what: str) -> None:
        """Remember it in place of what was known. All other lines stay as they are. Raises
        `Unclear`, and `OSError`; then the file is as it was."""
        numbers, lines = self._numbered_lines()
        others = [
            line
            for number, line in zip(numbers, lines, strict=True)
            if self._parsed(number, line)[0] != place
        ]
        target = Path(os.path.realpath(self.path))  # a link stays one
        write_atomically(target, "".join(f"{line}\n" for line in [*others, f"{place} {what}"]))

    def warning(self, place: str) -> str | None:
        """Return what to tell somebody who talks to a server without TLS, if there is something."""
        try:
            if self.fingerprint_of(place) is None:
                return None
        except KnownServersError as unclear:
            return str(unclear)
        return (
            f"{place} was talked to over TLS before, and is not now: everybody on the way can read "
            "along. --tls talks over TLS."
        )

    def _numbered_lines(self) -> tuple[range, list[str]]:
        lines = self._text().removeprefix(_BOM).splitlines()
        return range(1, len(lines) + 1), lines

    def _text(self) -> str:
        """Return what is in the file; nothing, if there is none."""
        try:
            # A pipe that nobody writes to would be waited for.
            descriptor = os.open(self.path, system.open_flags("O_RDONLY", "O_NONBLOCK"))
        except FileNotFoundError:
            if self.path.is_symlink():
                raise self._error("it is a link that leads nowhere") from None
            return ""
        except OSError as error:
            raise self._error(error.strerror or "for no known reason") from None
        try:
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise self._error("it is no plain file")
                data = file.read(KNOWN_SERVERS_BYTES + 1)
        except OSError as error:
            raise self._error(error.strerror or "for no known reason") from None
        if len(data) > KNOWN_SERVERS_BYTES:
            raise self._error("it is far too large")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self._error("it is not UTF-8") from None

    def _parsed(self, number: int, line: str) -> tuple[str, str]:
        """Return the place and what is known of it; two empty strings for a line without."""
        words = line.partition("#")[0].split(None, 1)
        if not words:
            return "", ""
        where, what = words[0], words[-1]
        if what.strip().casefold() == VERIFIED:
            return where.lower(), VERIFIED
        try:
            return where.lower(), fingerprint(what)
        except ValueError:
            raise self._error(f"line {number} is no `HOST:PORT FINGERPRINT`") from None

    def _error(self, why: str) -> KnownServersError:
        return KnownServersError(
            f"{self.path}, which says what servers are known, cannot be understood ({why}); "
            "correct it, or move it away to begin anew."
        )


P = TypeVar("P")


class Connector(Protocol):
    """A way to a server."""

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect a protocol that `make` makes, and return it. Raises `Lost`, and `Refusal` where
        it must not be."""


class PlainConnector:
    """Plain connections to `host` and `port`."""

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self._endpoint = HostnameEndpoint(reactor, host, port)

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect a protocol that `make` makes, and return it. Raises `Lost`."""
        return await connect_endpoint(self._endpoint, make)


async def connect_endpoint(endpoint: Any, make: Callable[[], P]) -> P:
    """Connect a protocol to an endpoint, and return it. Raises `Lost`."""
    try:
        return await endpoint.connect(_ProtocolFactory(make))  # type: ignore[no-any-return]
    except (ConnectError, OSError, ValueError) as error:
        raise Lost(_connect_error(error)) from None


def unreachable(host: str, port: int, why: Lost) -> Lost:
    """Return what tells a person that a server cannot be reached."""
    return Lost(f"{host}:{port} cannot be reached ({why}); check the host and the port.")


class _ProtocolFactory(Factory):
    noisy = False

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def buildProtocol(self, addr: Any) -> Any:
        return self._make()


def _connect_error(error: Exception) -> str:
    """Return why an address cannot be reached, in a few words."""
    if isinstance(error, (DNSLookupError, ValueError)):
        return "no such host"
    inner = getattr(error, "osError", None)
    words = getattr(inner, "strerror", None) or type(error).__doc__ or "it does not answer"
    return str(words).strip().rstrip(".")


NOT_TLS = "it does not speak TLS there; ask its operator, or leave --tls out"


class TlsHandle(SSL.Connection):
    """One connection's TLS. `flaws` are what OpenSSL finds wrong with the server's certificate."""

    def __init__(self, context: SSL.Context) -> None:
        super().__init__(context, None)
        self.flaws: list[int] = []


@implementer(IHandshakeListener)
class HandshakeProtocol(protocol.Protocol):
    """What a connection is for until it is known who is at its other end. `done` is called back
    with its `Connection`, or fails with `Lost`."""

    transport: Any

    def __init__(self) -> None:
        self.done: Deferred[TlsHandle] = Deferred()
        self.chosen = False  # of several addresses more than one may be connected to

    def handshakeCompleted(self) -> None:
        """TLS has begun."""
        self.done.callback(self.transport.getHandle())

    def hand_over(self, protocol: P) -> P:
        """Let a protocol have the connection."""
        self.transport.wrappedProtocol = protocol
        protocol.makeConnection(self.transport)  # type: ignore[attr-defined]
        return protocol

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """There will be no TLS."""
        if self.chosen and not self.done.called:
            self.done.errback(Failure(Lost(_handshake_error(reason.value))))


@implementer(IOpenSSLClientConnectionCreator)
class ServerIdentity:
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
        self._context.set_verify(SSL.VERIFY_PEER, _note_flaw)

    def clientConnectionForTLS(self, protocol: Any) -> TlsHandle:
        """Return what a new connection's TLS is spoken with."""
        connection = TlsHandle(self._context)
        if self._name is not None:
            with suppress(UnicodeError):
                connection.set_tlsext_host_name(self._name.encode("idna"))
        connection.set_connect_state()
        return connection

    def is_verified(self, connection: TlsHandle) -> bool:
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


def _note_flaw(connection: Any, _: Any, error: int, depth: int, fine: int) -> bool:
    """Note what is wrong with a certificate, and go on: what follows from it is decided later."""
    if not fine:
        connection.flaws.append(error)
    return True


def _handshake_error(error: BaseException | None) -> str:
    if not isinstance(error, SSL.Error):
        return "it ended the connection before TLS had begun"
    reason = str(error.args[0][-1][-1]) if error.args and error.args[0] else ""
    return (
        NOT_TLS if reason in _NOT_TLS_ERRORS else f"TLS failed: {reason or 'for no known reason'}"
    )


_NOT_TLS_ERRORS = frozenset(
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


class TlsConnector:
    """TLS to `host` and `port`. With `trust`, its certificate must be the one with that fingerprint
    and is remembered. `tell` is given a sentence about one that is seen for the first time."""

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        known: KnownServers,
        trust: str | None,
        tell: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._identity = ServerIdentity(host)
        self._endpoint = wrapClientTLS(self._identity, HostnameEndpoint(reactor, host, port))
        self._place = server_address(host, port)
        self._known = known
        self._trust = trust
        self._tell = tell

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect a protocol that `make` makes, and return it: once it is known that it is the
        right server. Raises `Lost`, and `Refusal` for another one."""
        shaking: HandshakeProtocol = await connect_endpoint(self._endpoint, HandshakeProtocol)
        shaking.chosen = True
        shaking.done.addTimeout(limits.HANDSHAKE_SECONDS, self._reactor)
        try:
            connection = await shaking.done
            self._check(connection)
        except BaseException as error:
            shaking.transport.abortConnection()
            raise Lost(NOT_TLS) if isinstance(error, TimeoutError) else error from None
        return shaking.hand_over(make())

    # -- is it the right one? --------------------------------------------------------------------

    def _check(self, connection: TlsHandle) -> None:
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise Lost("it shows no certificate")
        shown = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        if self._trust is not None:
            self._check_trusted(shown)
            return
        try:
            known = self._known.fingerprint_of(self._place)
        except KnownServersError as unclear:
            raise _untrusted(f"{unclear} Nothing was sent.") from None
        if self._identity.is_verified(connection):
            if known != VERIFIED:
                self._remember(VERIFIED)
        elif known is None:
            self._tell(
                f"The certificate of {self._place} is new here, and is remembered: SHA-256 "
                f"{shown}. The server's log shows what it should be."
            )
            self._remember(shown)
        elif known != shown:
            raise _untrusted(self._changed(known, shown))

    def _check_trusted(self, shown: str) -> None:
        if shown != self._trust:
            raise _untrusted(
                f"The certificate of {self._place} is not the one that is to be trusted, but "
                f"SHA-256 {shown}; nothing was sent."
            )
        self._remember(shown)

    def _remember(self, what: str) -> None:
        try:
            if self._known.fingerprint_of(self._place) != what:
                self._known.remember(self._place, what)
        except KnownServersError as unclear:
            self._tell(str(unclear))
        except OSError as error:
            self._tell(f"{self._known.path} cannot be written ({error.strerror}).")

    def _changed(self, known: str, shown: str) -> str:
        was = "verified by an authority" if known == VERIFIED else f"SHA-256 {known}"
        return (
            f"The certificate of {self._place} has changed: it was {was}, and now it is SHA-256 "
            f"{shown}. Somebody may be listening in, so nothing was sent. If its operator says "
            f"that this is right: --trust {shown}, or remove its line from {self._known.path}."
        )


class UntrustedServer(Refusal):
    """The server is not the one that it should be, or nobody can tell."""


def _untrusted(sentence: str) -> Refusal:
    return UntrustedServer(Code.SERVER_ERROR, sentence)
