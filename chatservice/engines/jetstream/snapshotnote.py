"""The note in the log's second stream that names the newest snapshot."""

import json
from typing import NamedTuple

from chatservice.engines.jetstream.chunkstream import CHUNK_BYTES
from chatservice.errors import Code, Refusal

_FORMAT = 1


class Snapshot(NamedTuple):
    """A database that has applied the log up to a `sequence`: its `blob`, the number of its bytes
    (`size`), their SHA-256, and the time when it was made, in milliseconds since 1970."""

    sequence: int
    blob: str
    size: int
    sha256: str
    time: int

    @property
    def chunks(self) -> int:
        """The number of chunks that the blob has."""
        return -(-self.size // CHUNK_BYTES)

    def encode(self) -> bytes:
        """Return the note that names it."""
        return json.dumps({"format": _FORMAT, **self._asdict()}).encode()


def decode(data: bytes) -> Snapshot | None:
    """Return the snapshot that a note names; None for an empty note. Raises `Refusal`."""
    if not data:
        return None
    try:
        found = json.loads(data)
        if found.pop("format") == _FORMAT:
            return Snapshot(**found)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise Refusal(
        Code.NOT_STORED,
        "The log's note of its newest snapshot cannot be read; install the version of this program "
        "that the other nodes have.",
    )
