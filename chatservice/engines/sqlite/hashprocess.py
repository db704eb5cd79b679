"""A program that hashes passwords for a server: a line of JSON each way, until its input ends.

In a thread of the server, a hash would delay talk with any priority: the threads of a process share
the lock of its memory, and each hash takes 64 MiB and gives them back. Beside a flood of guesses,
on one core, p99 was 30 to 38 ms so, and is 11 to 15 (docs/performance.md).

It is run by its path, so it imports nothing of the package.
"""

import json
import os
import signal
import sys
from contextlib import suppress

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

NICE = 5
"""Added to the niceness of who starts it. With 19 it is starved where the core is busy, and each
bit of time that it gets is then a long one."""

_HASHER = PasswordHasher(parallelism=1)
"""argon2-cffi's defaults (RFC 9106, section 4), but in one thread, not in four: it is as much work
for who guesses, and four have to wait for each other on a core that is busy."""


def hashed(password: str) -> str:
    """Return what to keep of a password: salted, with its parameters."""
    return _HASHER.hash(password.encode(errors="surrogatepass"))


def fits(kept: str, password: str) -> bool:
    """Return whether it is the one."""
    try:
        return _HASHER.verify(kept, password.encode(errors="surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


def main() -> None:
    """Answer each line: a password to hash, or a hash and a password to check."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # it ends when who started it does
        with suppress(AttributeError):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with suppress(OSError, AttributeError):
        os.nice(NICE)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        answer = hashed(asked) if isinstance(asked, str) else fits(*asked)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
