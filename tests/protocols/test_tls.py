"""The chat over TLS, by an endpoint string."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.running import Bare, Server


@pytest.fixture
def certificate(tmp_path):
    """Return the path of a key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "chat")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "chat.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def secured(server: Server, port: int, certificate) -> Bare:
    """Return a bare connection over TLS."""
    bare = Bare(port)
    context = ssl.create_default_context(cafile=certificate)
    bare.socket = context.wrap_socket(bare.socket, server_hostname="127.0.0.1")
    return bare


def test_talk_and_files_over_tls(start_server, connect, certificate):
    """It is the same chat; a file comes whole, and the connection ends with a clean close."""
    pem = f"ssl:0:interface=127.0.0.1:privateKey={certificate}:certKey={certificate}"
    server = start_server("--listen", pem)
    port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    data = bytes(range(256)) * 8000
    (server.files / "a.bin").write_bytes(data)
    bob = connect(server, "bob")
    alice = secured(server, port, certificate)
    alice.expect("* Welcome")
    alice.send("alice", "hello in secret", "/get a.bin")
    assert bob.expect("alice: ") == "alice: hello in secret"
    alice.expect("= 2048000 ")
    assert alice.read(len(data)) == data
    alice.send("/link a.bin")
    ticket = alice.expect("echo GET").split()[2]
    carrier = secured(server, port, certificate)
    carrier.send(f"GET {ticket}")
    assert carrier.rest() == data
    alice.send("/quit")
    alice.expect("* Goodbye.")
    assert alice.rest() == b""
    bob.expect("* alice left")
    server.stop()
    server.log.expect("Server Shut Down")
    assert not any("Traceback" in line for line in server.log.lines)
