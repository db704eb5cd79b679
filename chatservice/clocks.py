"""The clock that spans of time are measured with.

The system's clock tells what time it is, and somebody may set it: by hand, by NTP, or where a
machine wakes up. A timer that counts on it stands still for as long as it went back. A monotonic
clock only goes on. So entries, bans and certificates have the time of day, and all that lasts for
so many seconds has this one.
"""

import time
from typing import Any


def use_monotonic(reactor: Any) -> None:
    """Let a reactor's timers count on the monotonic clock, those that run already too.

    Twisted's reactors count on `time.time`. All of them ask `reactor.seconds`, which they get from
    `twisted.internet.base.ReactorBase`, and which belongs to `IReactorTime`.
    """
    running = [(call, call.getTime() - reactor.seconds()) for call in reactor.getDelayedCalls()]
    reactor.seconds = time.monotonic
    for call, left in running:
        call.seconds = time.monotonic
        call.reset(max(left, 0.0))
