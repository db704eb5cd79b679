"""Tokens for programs and for resuming, invitation codes, and passwords that the server makes.

They are random, and too long to guess. Of tokens and codes, only a SHA-256 is stored. A user's key
(a public key of SSH, a certificate of TLS) is kept as a token is, by its fingerprint: `ssh:` or
`cert:` and a SHA-256. Unlike a token it is as good as the password, because nobody is sent it.
"""

import hashlib
import secrets

TOKEN_PREFIX = "chat_"
"""The beginning of a token, so that it can be recognized, also where it should not be."""

RESUME_TOKEN_BYTES = 15
"""120 bits: too many to guess, and the most that Python stores in 48 bytes."""

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Characters that nobody confuses when they read or type them: 5 bits each."""


def new_token() -> str:
    """Return a new token: 192 bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(24)


def new_resume_token() -> bytes:
    """Return a new resume token, as a session keeps it: not encoded, to be small."""
    return secrets.token_bytes(RESUME_TOKEN_BYTES)


def new_password() -> str:
    """Return a new password, to be read and typed: 80 bits."""
    return _groups(4)


def new_code() -> str:
    """Return a new invitation code: 60 bits."""
    return _groups(3)


def _groups(count: int) -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(count))


def is_key(kept: str) -> bool:
    """Return whether it is the fingerprint of a key, and not the digest of a token."""
    return ":" in kept


def digest(secret: str) -> str:
    """Return the SHA-256 of a token or a code, in hexadecimal."""
    return hashlib.sha256(secret.strip().encode(errors="replace")).hexdigest()
