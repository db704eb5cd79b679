"""Code that runs in a server process, which counts its objects and hashes passwords quickly."""

import gc
import json
import os
import signal
from collections import Counter
from typing import Any
from unittest.mock import patch

from argon2 import PasswordHasher
from twisted.internet.base import DelayedCall

from chatservice.engines.sqlite import argon2, hashprocess

COUNT = signal.SIGUSR1

AS_FAST = {
    **{f"{what}_burst": 10**9 for what in ("commands", "joins", "rooms")},
    **{f"failures_free{of}": 10**9 for of in ("", "_an_address")},
    "answer_bytes": 1 << 23,
}
"""Limits for these tests, which ask for much: more commands a second, and room for the whole corpus
in a reply."""

_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def quickly(helper: Any, what: str | list[str]) -> str | bool:
    """Hash or check a password at once, with the least work that argon2id can do."""
    with patch.object(hashprocess, "_HASHER", _HASHER):
        return hashprocess.hashed(what) if isinstance(what, str) else hashprocess.fits(*what)


def watch() -> None:
    """Hash passwords quickly, and print the count of our objects at a signal."""
    argon2.HashProcess.ask = quickly  # type: ignore[method-assign]
    signal.signal(COUNT, _count)


def _count(*_: Any) -> None:
    from twisted.internet import reactor  # not before the server has chosen which

    reactor.callFromThread(_tell)  # type: ignore[attr-defined]  # when nothing is being done


def _tell() -> None:
    gc.collect()
    modules = ("chatservice.net", "chatservice.protocols", "chatservice.domain", "twisted.internet")
    found = Counter(
        type(it).__qualname__
        for it in gc.get_objects()
        if type(it).__module__.startswith(modules)
        and (not isinstance(it, DelayedCall) or it.active())  # Twisted clears the others away late
    )
    line = f"counted {json.dumps(found)}\n"
    os.write(1, line.encode())  # past Twisted, which logs what is printed
