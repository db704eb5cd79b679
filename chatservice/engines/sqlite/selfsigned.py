"""A key and a certificate of the server's own, for operators who have none."""

import datetime
import os
import re
import socket
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chatservice.engines.sqlite import permissions
from chatservice.errors import Code, Refusal

NAME = "tls.pem"

ENDLESS = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
"""No date at which it ends (RFC 5280, 4.1.2.5). Clients remember this very certificate, and no
authority will renew it: an end would only cut everybody off one day."""


def own(folder: Path) -> Path:
    """Return the file with the key and the certificate in `folder`; make it if there is none.

    An existing file is never replaced, even a damaged one: clients remember its certificate. Raises
    `Refusal` if none can be written.
    """
    path = folder / NAME
    if os.path.lexists(path):
        return path
    try:
        permissions.write_whole(path, _made())
    except OSError as error:
        sentence = f"{path} cannot be written ({error.strerror}); name a certificate with --tls."
        raise Refusal(Code.NOT_STORED, sentence) from None
    return path


def _made() -> bytes:
    """Return a new key and a certificate for it, in PEM (RFC 7468)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chatservice")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # a client whose clock is behind is to take it, too
        .not_valid_before(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2))
        .not_valid_after(ENDLESS)
        .add_extension(x509.SubjectAlternativeName(_names()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*_ONLY_SIGNATURES), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def _names() -> list[x509.GeneralName]:
    """Return what this machine is called by those who are told to trust this certificate itself
    (`openssl -CAfile`, `curl --cacert`)."""
    host = socket.gethostname()
    hosts = {"localhost"} | ({host} if re.fullmatch(r"[A-Za-z0-9.-]{1,253}", host) else set())
    here = [ip_address("127.0.0.1"), ip_address("::1")]
    return [*map(x509.DNSName, sorted(hosts)), *map(x509.IPAddress, here)]


_ONLY_SIGNATURES = (True, *(False,) * 8)
"""The bits of a key's usage (RFC 5280, 4.2.1.3); the first one is `digitalSignature`."""
