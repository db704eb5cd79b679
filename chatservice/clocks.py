"""The monotonic clock, for spans of time.

The system's clock may be set back: by hand, by NTP, or when a machine wakes up. A timer that counts
on it then stands still. So entries, bans and certificates use the time of day, and everything that
lasts for some seconds uses the monotonic clock.
"""

import time
from typing import Any


def use_monotonic(reactor: Any) -> None:
    """Let a reactor's timers count on the monotonic clock, also those that run already.

    Twisted's reactors count on `time.time`, through `reactor.seconds` (`IReactorTime`).
    """
    running = [(call, call.getTime() - reactor.seconds()) for call in reactor.getDelayedCalls()]
    reactor.seconds = time.monotonic
    for call, left in running:
        call.seconds = time.monotonic
        call.reset(max(left, 0.0))
