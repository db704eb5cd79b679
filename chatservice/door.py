"""The operator's door: a socket in the data directory. Whoever can open it runs the server, and who
can is for the file system to say."""

import os
from pathlib import Path

NAME = "operator"

_LONGEST = 103
"""The bytes of an address that fit everywhere (sockaddr_un: 108 on Linux, 104 elsewhere)."""


def address(data: Path) -> str:
    """Return the address of the door of a server whose data is there.

    Of a path that is too long for one, it is by way of the directory, opened for as long as this
    process lasts. Raises `OSError`.
    """
    path = str(data / NAME)
    if len(os.fsencode(path)) <= _LONGEST or not hasattr(os, "O_PATH"):
        return path
    return f"/proc/self/fd/{os.open(data, os.O_PATH | os.O_DIRECTORY)}/{NAME}"
