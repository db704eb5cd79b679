"""What is done in a server's own process so that it can be watched from outside, and tried faster.

A signal makes it tell how many objects of ours there are. Passwords are hashed with as little work
as argon2id can do: there are hundreds of them here.
"""

import gc
import json
import os
import signal
from collections import Counter
from functools import partial
from typing import Any

from argon2 import PasswordHasher
from twisted.internet.base import DelayedCall

from chatservice.storage import passwords

COUNT = signal.SIGUSR1

passwords.PasswordHasher = partial(  # type: ignore[assignment, misc]
    PasswordHasher, time_cost=1, memory_cost=8, parallelism=1
)


def _count(*_: Any) -> None:
    gc.collect()
    modules = ("chatservice.protocols", "chatservice.domain", "twisted.internet")
    found = Counter(
        type(it).__qualname__
        for it in gc.get_objects()
        if type(it).__module__.startswith(modules)
        and (not isinstance(it, DelayedCall) or it.active())  # Twisted clears the others away late
    )
    os.write(
        1, f"counted {json.dumps(found)}\n".encode()
    )  # past Twisted, which logs what is printed


signal.signal(COUNT, _count)
