"""Credentials of NATS: a file with a user's JWT, and the key that signs what a server asks.

nats-py reads such files with another package, and never returns from a file that is none.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatservice.errors import Code, Refusal

_BLOCK = r"-+BEGIN {name}-+\s+(\S+)\s+-+END {name}-+"
_JWT = re.compile(_BLOCK.format(name="NATS USER JWT"))
_SEED = re.compile(_BLOCK.format(name="USER NKEY SEED"))

_USER_SEED = base64.b32decode("SUAAAAAA")[:2]
"""The beginning of a user's seed, which has 32 bytes of a key and two of a CRC behind it."""

_MOST_BYTES = 1 << 20


def options(file: str) -> Mapping[str, Any]:
    """Return the options of nats-py for the credentials in a file. Raises `Refusal`, `OSError`."""
    with Path(file).open("rb") as opened:
        text = opened.read(_MOST_BYTES).decode("ascii", "replace")
    jwt, seed = _JWT.search(text), _SEED.search(text)
    key = _key(seed[1]) if seed is not None else None
    if jwt is None or key is None:
        raise Refusal(
            Code.NOT_STORED,
            "The file {file} has no credentials of NATS; name one with a user's JWT and seed, as "
            "nsc writes it.",
            file=file,
        )
    token = jwt[1].encode()
    return {
        "user_jwt_cb": lambda: token,
        "signature_cb": lambda nonce: base64.b64encode(key.sign(nonce.encode())),
    }


def _key(seed: str) -> Ed25519PrivateKey | None:
    """Return the key that a seed encodes, or None if it is not a user's."""
    try:
        data = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except binascii.Error:
        return None
    if len(data) != 36 or data[:2] != _USER_SEED:
        return None
    if binascii.crc_hqx(data[:-2], 0) != int.from_bytes(data[-2:], "little"):
        return None
    return Ed25519PrivateKey.from_private_bytes(data[2:-2])
