"""Writing to file descriptors."""

import os
import select


def write_all(fd: int, data: bytes) -> str | None:
    """Write all of `data` to a descriptor, and wait for a slow reader. Return None, or the reason
    in a few words if it cannot be written."""
    view = memoryview(data)
    try:
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                select.select([], [fd], [])
    except OSError as error:
        return error.strerror or "for no known reason"
    return None
