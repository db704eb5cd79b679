"""Writing to file descriptors."""

import os
import select


def write_all(fd: int, data: bytes) -> str | None:
    """Write all of `data` to a descriptor, waiting for a reader who is slow. Return None, or in a
    few words why that cannot be done."""
    try:
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                select.select([], [fd], [])
    except OSError as error:
        return error.strerror or "for no known reason"
    return None
