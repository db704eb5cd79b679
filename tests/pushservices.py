"""A push service for tests, and browsers that it hands messages on to (RFC 8030, 8291, 8292)."""

import http.server
import json
import os
import queue
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import http_ece
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chatservice.net.webpush import decode, encode
from tests.servers import PATIENCE
from tests.tls import CertificateAuthority

CURVE = ec.SECP256R1()
HOST = "localhost"

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]
"""Answers a request in its own way."""


class Delivered(NamedTuple):
    """A message as a push service gets it: its path, its headers, and the encrypted body."""

    path: str
    headers: dict[str, str]
    body: bytes


class Browser:
    """A browser with keys of its own, and an endpoint at a service. It gets the messages there."""

    def __init__(self, service: "PushService", name: str) -> None:
        self._service = service
        self.path = f"/{name}"
        self.endpoint = f"https://{HOST}:{service.port}{self.path}"
        self._key, self._secret = ec.generate_private_key(CURVE), os.urandom(16)
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.keys = {"p256dh": encode(point), "auth": encode(self._secret)}
        self.fields = {"endpoint": self.endpoint, **self.keys}
        self.messages: queue.Queue[Delivered] = queue.Queue()
        service.browsers[self.path] = self

    def message(self, server_key: str) -> dict[str, Any]:
        """Wait for a message from the server with that key, and return what is in it."""
        found = self.messages.get(timeout=PATIENCE)
        assert found.headers["content-encoding"] == "aes128gcm"
        assert int(found.headers["ttl"]) > 0
        assert found.headers["urgency"] == "normal"
        self._service.check_sender(found, server_key)
        data = http_ece.decrypt(found.body, private_key=self._key, auth_secret=self._secret)
        told: dict[str, Any] = json.loads(data)
        return told


class PushService:
    """A push service over TLS on a port of this machine. `root` is the certificate of its
    authority. `answers` has what the next requests for a path are answered with: a status, or a
    function; then, and without any, a message is taken. `requests` has all paths asked for."""

    def __init__(self, folder: Path) -> None:
        authority = CertificateAuthority(folder)
        self.root = authority.root
        pem = folder / "service.pem"
        pem.write_bytes(b"".join(authority.certify(HOST)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.browsers: dict[str, Browser] = {}
        self.answers: dict[str, list[int | Answer]] = {}
        self.requests: list[str] = []
        self.asked: queue.Queue[str] = queue.Queue()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.requests.append(self.path)
                waiting = service.answers.get(self.path)
                answer = waiting.pop(0) if waiting else 201
                if callable(answer):
                    service.asked.put(self.path)
                    answer(self)
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                if answer == 201:
                    delivered = Delivered(self.path, headers, body)
                    service.browsers[self.path].messages.put(delivered)
                service.asked.put(self.path)

            def do_GET(self) -> None:
                service.requests.append(self.path)

            def log_message(self, *_: object) -> None:
                pass

        class Serving(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Print nothing: the server under test ends connections as it likes."""

        self._serving = Serving(("127.0.0.1", 0), Handler)
        self.port = self._serving.server_port
        threading.Thread(target=self._serving.serve_forever, daemon=True).start()

    def check_sender(self, delivered: Delivered, server_key: str) -> None:
        """Assert that a message comes from the server with that key (RFC 8292)."""
        scheme, _, rest = delivered.headers["authorization"].partition(" ")
        told = dict(it.strip().split("=", 1) for it in rest.split(","))
        assert (scheme, told["k"]) == ("vapid", server_key)
        signed, _, signature = told["t"].rpartition(".")
        head, claims = (json.loads(decode(it)) for it in signed.split("."))
        assert head == {"typ": "JWT", "alg": "ES256"}
        assert claims["aud"] == f"https://{HOST}:{self.port}"
        assert time.time() < claims["exp"] < time.time() + 86400
        assert claims["sub"].startswith(("mailto:", "https:"))
        raw = decode(signature)
        der = encode_dss_signature(*(int.from_bytes(it, "big") for it in (raw[:32], raw[32:])))
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decode(server_key))
        key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))

    def wait_for(self, path: str) -> None:
        """Wait for the next request, which is for that path."""
        assert self.asked.get(timeout=PATIENCE) == path

    def stop(self) -> None:
        """Take no more messages."""
        self._serving.shutdown()
        self._serving.server_close()
