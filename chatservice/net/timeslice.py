"""Time slices: a client that sends many requests does not delay those that send few.

In one turn of the reactor, new requests are handled for `turn_seconds`. Connections that need more
wait, and share as much time in the next turn, one after another. So clients with few requests go
first, and while anybody talks a turn is short. Otherwise it is longer, because waiting for the next
turn has a price too.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from chatservice.domain.model import FlowControl, PauseReason
from chatservice.limits import Limits

SILENT_FACTOR = 5
"""So many times as long is a turn while nobody talks."""

SILENT_SLICES = 50
"""After so many turns without talk nobody talks."""


class TimeSlices:
    """The time of a turn, and the connections that wait for more of it."""

    def __init__(self, reactor: Any, limits: Limits) -> None:
        self._limits = limits
        self._reactor = reactor
        self._until: float | None = None
        self._released = False  # a moment ago: it takes one request, come what may
        self._waiting: deque[FlowControl] = deque()
        self._deeds: deque[Callable[[], None]] = deque()
        self._talk = 0

    def __len__(self) -> int:
        """Return the number of waiting connections."""
        return len(self._waiting)

    def note_talk(self) -> None:
        """Note that something is said."""
        self._talk = SILENT_SLICES

    def is_over(self) -> bool:
        """Return whether this turn's time is over."""
        if self._until is None:
            self._until = self._end()
            self._reactor.callLater(0, self._next)
        elif not self._released:
            return self._now() >= self._until
        self._released = False
        return False

    def run(self, deed: Callable[[], None]) -> None:
        """Run something that may wait: now, or after all requests when there is time. When a
        network goes, a thousand clients leave at the same moment, and the others should not wait
        for that."""
        if self._deeds or self.is_over():
            self._deeds.append(deed)
        else:
            deed()

    def enqueue(self, connection: FlowControl) -> None:
        """Resume a connection, paused for its `turn`, when its turn comes."""
        self._waiting.append(connection)

    def _next(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        self._until = self._end()
        while waiting:
            self._released = True
            waiting.popleft().resume_reading(PauseReason.TURN)
            if self._now() >= self._until:
                break
        for _ in range(len(self._deeds)):  # one of them, come what may
            self._deeds.popleft()()
            if self._now() >= self._until:
                break
        waiting.extend(self._waiting)
        self._waiting, self._released, self._until = waiting, False, None
        if waiting or self._deeds:
            self.is_over()  # there is a next turn

    def _now(self) -> float:
        return float(self._reactor.seconds())

    def _end(self) -> float:
        """Return the end of a turn that begins now."""
        if self._talk:
            self._talk -= 1
            return self._now() + self._limits.turn_seconds
        return self._now() + self._limits.turn_seconds * SILENT_FACTOR
