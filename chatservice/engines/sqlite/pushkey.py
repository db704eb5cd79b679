"""The key of the server for push messages, in the data directory.

Browsers subscribe with it, and push services take messages for them from its owner alone. So the
same file serves for good: with another key all subscriptions are lost.
"""

import os
from collections.abc import Callable
from pathlib import Path

from chatservice.engines.sqlite import permissions
from chatservice.errors import Code, Refusal

NAME = "push.pem"


def own(folder: Path, make: Callable[[], bytes]) -> bytes:
    """Return the key in `folder`, in PEM; make it if there is none. Raises `Refusal` if it cannot
    be read or written."""
    path = folder / NAME
    try:
        if not os.path.lexists(path):
            permissions.write_whole(path, make())
        return path.read_bytes()
    except OSError as error:
        sentence = (
            f"{path} cannot be used ({error.strerror}); see to it, or turn push off with --no-push."
        )
        raise Refusal(Code.NOT_STORED, sentence) from None
