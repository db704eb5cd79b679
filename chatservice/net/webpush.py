"""Push messages as bytes: encrypted for a browser (RFC 8291), from a server that proves who it is
to the browser's push service (VAPID, RFC 8292)."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

RECORD_BYTES = 4096
"""The size of the one record of a message (RFC 8291, 4)."""

PAYLOAD_BYTES = RECORD_BYTES - 16 - 1 - 86
"""The longest payload: less the record's tag and delimiter, and its head (RFC 8188, 2)."""

POINT_BYTES, SECRET_BYTES = 65, 16
"""The length of a public key, which is a point of P-256 (X9.62), and of a browser's secret."""

TOKEN_SECONDS = 12 * 3600
"""The time for which a token is good: half of the longest (RFC 8292, 2)."""

_CURVE = ec.SECP256R1()


def encode(data: bytes) -> str:
    """Return bytes in base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of base64url, with or without padding. Raises `ValueError`."""
    return urlsafe_b64decode(text.rstrip("=").encode("ascii") + b"==")


def check_keys(public: str, secret: str) -> None:
    """Raise `ValueError` unless these are a browser's keys, in base64url."""
    if len(decode(secret)) != SECRET_BYTES:
        raise ValueError(f"the secret has {SECRET_BYTES} bytes")
    _public_key(decode(public))


def _public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    if len(point) != POINT_BYTES:
        raise ValueError(f"a public key has {POINT_BYTES} bytes")
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(
    payload: bytes,
    public: bytes,
    secret: bytes,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Return a payload, of up to `PAYLOAD_BYTES`, encrypted for a browser with these keys, as the
    content coding `aes128gcm` has it (RFC 8188). `key` and `salt` are for one message, and new
    ones unless a test gives them."""
    key, salt = key or ec.generate_private_key(_CURVE), salt or secrets.token_bytes(16)
    mine = _point(key)
    shared = key.exchange(ec.ECDH(), _public_key(public))
    keying = _derived(shared, secret, b"WebPush: info\0" + public + mine, 32)
    content_key = _derived(keying, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(keying, salt, b"Content-Encoding: nonce\0", 12)
    head = salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(mine)]) + mine
    return head + AESGCM(content_key).encrypt(nonce, payload + b"\x02", None)


def _derived(keying: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(keying)


class ServerKey:
    """The key with which a server proves to push services that it is the one that a browser has
    subscribed to. It is read from `pem` (PKCS 8). Raises `ValueError`."""

    def __init__(self, pem: bytes) -> None:
        try:
            key = load_pem_private_key(pem, None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(str(error)) from error
        if not (
            isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, type(_CURVE))
        ):
            raise ValueError("it is no key of P-256")
        self._key = key
        self.public = encode(_point(key))

    @staticmethod
    def made() -> bytes:
        """Return a new key, in PEM."""
        key = ec.generate_private_key(_CURVE)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def authorization(self, endpoint: str, contact: str, now: float) -> str:
        """Return the header `Authorization` for requests to the push service of an endpoint, good
        for `TOKEN_SECONDS`. `contact` is where the service reaches the operator; `now` is in
        seconds since 1970."""
        service = urlsplit(endpoint)
        claims = {
            "aud": f"{service.scheme}://{service.netloc}",
            "exp": int(now) + TOKEN_SECONDS,
            "sub": contact,
        }
        parts = [{"typ": "JWT", "alg": "ES256"}, claims]
        signed = ".".join(encode(json.dumps(it, separators=(",", ":")).encode()) for it in parts)
        found = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = b"".join(number.to_bytes(32, "big") for number in found)
        return f"vapid t={signed}.{encode(signature)}, k={self.public}"
