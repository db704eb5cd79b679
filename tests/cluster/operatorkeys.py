"""An operator of NATS with accounts and users, who log in with signed tokens (JWT)."""

import base64
import binascii
import json
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LETTERS = {"operator": "O", "account": "A", "user": "U"}
_FREE = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
_STORING = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)


class Key:
    """A key of an operator, an account or a user."""

    def __init__(self, kind):
        self.kind = kind
        self._key = Ed25519PrivateKey.generate()
        self._prefix = (ord(_LETTERS[kind]) - ord("A")) << 3

    @property
    def public(self):
        """The public key, as NATS writes it."""
        form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        return _encoded(bytes([self._prefix]) + self._key.public_key().public_bytes(*form))

    @property
    def seed(self):
        """The private key, as NATS writes it."""
        seed = (ord("S") - ord("A")) << 3
        head = bytes([seed | self._prefix >> 5, (self._prefix & 31) << 3])
        return _encoded(head + self._key.private_bytes_raw())

    def token(self, subject, **claims):
        """Return a token for a key, signed by this one."""
        nats = {**claims, "type": subject.kind, "version": 2}
        about = {"iat": int(time.time()), "iss": self.public, "sub": subject.public, "jti": "j"}
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, {**about, "name": "chat", "nats": nats}]
        text = ".".join(_url_encoded(json.dumps(it).encode()) for it in parts)
        return f"{text}.{_url_encoded(self._key.sign(text.encode()))}"


class Operator:
    """An operator with an account that may store."""

    def __init__(self):
        self._own, self._account, self._system = Key("operator"), Key("account"), Key("account")

    @property
    def config(self):
        """The part of the configuration of a nats-server for it."""
        limits = {**_FREE, "wildcards": True}
        accounts = {
            self._account: self._own.token(self._account, limits={**limits, **_STORING}),
            self._system: self._own.token(self._system, limits=limits),
        }
        preload = "\n".join(f"{key.public}: {token}" for key, token in accounts.items())
        return (
            f"operator: {self._own.token(self._own)}\nsystem_account: {self._system.public}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{preload}\n}}"
        )

    def credentials(self):
        """Return the text of a file with a new user's credentials."""
        user = Key("user")
        limits = dict.fromkeys(("subs", "data", "payload"), -1)
        return credentials(self._account.token(user, **limits), user.seed)


def credentials(token, seed):
    """Return the text of a file of credentials."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _encoded(data):
    crc = binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(data + crc).decode().rstrip("=")


def _url_encoded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
