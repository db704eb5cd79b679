"""Writing to what the program was given to write to: all of it, or it is known why not."""

import errno
import os
import select

GONE = os.strerror(errno.EPIPE)
"""Why nothing can be written where the reader has gone."""


def written(fd: int, data: bytes) -> str | None:
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


def unwritable(why: str) -> str:
    """Return the sentence for standard output that cannot be written."""
    return f"Standard output cannot be written ({why}); what should stand there may be cut off."
