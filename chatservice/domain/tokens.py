"""What lets one in that the server makes up: tokens for programs, codes to register with, and
passwords for who has lost theirs.

They are random, and long enough that nobody needs to make guessing slow: of tokens and codes only a
SHA-256 is kept.
"""

import hashlib
import secrets

TOKEN_PREFIX = "chat_"
"""What a token begins with, so that it is known as one, also where it should not be."""

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""None that is taken for another one when it is read out or typed: 5 bits each."""


def new_token() -> str:
    """Return a new token: 192 bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(24)


def new_password() -> str:
    """Return a password to be read and typed once or twice: 80 bits."""
    return _groups(4)


def new_code() -> str:
    """Return a code to register with: 60 bits."""
    return _groups(3)


def _groups(count: int) -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(count))


def digest(secret: str) -> str:
    """Return what is kept of a token or a code."""
    return hashlib.sha256(secret.strip().encode(errors="replace")).hexdigest()
