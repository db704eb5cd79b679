"""TLS for tests: bare connections, and certificates with an authority."""

import contextlib
import datetime
import hashlib
import ipaddress
import re
import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.servers import RawClient, Server

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


class TlsClient(RawClient):
    """A connection over TLS: what `openssl s_client -quiet` is. `before` is sent first, in
    plain."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext = TLS,
        before: bytes = b"",
        source: str = "127.0.0.1",
    ) -> None:
        super().__init__(port, source)
        self.socket.sendall(before)
        self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the server's certificate."""
        return fingerprint(self.socket.getpeercert(binary_form=True))


class ManualTlsClient(RawClient):
    """A connection whose TLS runs in this object, so that a test can send single bytes, or end TLS
    in one direction. Python's sockets cannot."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = TLS.wrap_bio(self._came, self._goes, server_hostname="127.0.0.1")

    def hello(self) -> bytes:
        """Begin the handshake, and return its first bytes."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._goes.read()

    def shake(self) -> None:
        """Complete the handshake."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._came.write(super()._receive())
            else:
                self._flush()
                return

    def _flush(self) -> None:
        self.socket.sendall(self._goes.read())

    def send(self, *lines: str | bytes) -> None:
        """Send lines, each with an LF, over TLS."""
        self.send_raw(b"".join((x.encode() if isinstance(x, str) else x) + b"\n" for x in lines))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, over TLS."""
        self.tls.write(data)
        self._flush()

    def _receive(self) -> bytes:
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self._came.write(super()._receive())

    def end(self) -> None:
        """End the sending side of TLS, and go on reading (RFC 8446, 6.1)."""
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self._flush()

    def cut(self) -> None:
        """Close the sending side of the socket, without ending TLS."""
        self.socket.shutdown(socket.SHUT_WR)


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate, as the server logs it."""
    return ":".join(re.findall("..", hashlib.sha256(certificate).hexdigest().upper()))


def logged(server: Server) -> str:
    """Return the fingerprint in a server's log."""
    lines = [it for it in server.log.lines if "TLS with the certificate of SHA-256" in it]
    return lines[-1].split()[-1]


class CertificateAuthority:
    """A certificate authority. Its own certificate is in the PEM file `root`."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("somebody")
        made = self._build(self._name, self._key.public_key(), x509.BasicConstraints(True, None))
        self.root = folder / "root.pem"
        self.root.write_bytes(made.public_bytes(Encoding.PEM))

    def _build(self, name, public, *extensions) -> x509.Certificate:
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
        )
        for each in extensions:
            builder = builder.add_extension(each, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def certify(self, *names: str) -> tuple[bytes, bytes]:
        """Return the key and the certificate of a server with these names, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        made = self._build(_name("server"), key.public_key(), alternatives)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private, made.public_bytes(Encoding.PEM)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
