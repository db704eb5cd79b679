"""Figures that are counted as things happen, for an operator's metrics."""

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds that a commit takes, or that the reactor is late: from a fast disk, or an idle server, to
one that stands still."""

STUCK_SECONDS = 10.0
"""A commit that takes longer than this does not work: even a slow disk needs less than one."""

FAILED_SECONDS = 60.0
"""After a commit that failed, commits do not work for so long, unless one succeeds. Then somebody
has to try: a server that nobody uses makes none."""


class Histogram:
    """Durations, counted by the smallest of `BOUNDS` that each is within. `sum` has their total, in
    seconds."""

    __slots__ = ("_counts", "sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def cumulated(self) -> list[int]:
        """Return the number of durations within each bound; the last number is that of all."""
        return list(accumulate(self._counts))


class Deliveries:
    """The entries that were written to readers, and the bytes of them, since the start."""

    __slots__ = ("bytes", "entries")

    def __init__(self) -> None:
        self.bytes = self.entries = 0

    def add(self, entries: int, bytes: int) -> None:
        """Count entries that were written."""
        self.entries += entries
        self.bytes += bytes


class Commits:
    """The commits since the start: their `time`, the `entries` that they stored, and how many
    `failed`. `seconds` tells the time on a clock that never goes back."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.time = Histogram()
        self.entries = self.failed = 0
        self._seconds = seconds
        self._begun: float | None = None
        self._failed_at: float | None = None

    def begin(self) -> None:
        """A commit begins."""
        self._begun = self._seconds()

    def succeed(self) -> None:
        """It is durable."""
        self._failed_at = None
        self._end()

    def fail(self) -> None:
        """It has failed."""
        self.failed += 1
        self._failed_at = self._seconds()
        self._end()

    def _end(self) -> None:
        if self._begun is not None:
            self.time.observe(self._seconds() - self._begun)
            self._begun = None

    def trouble(self) -> str | None:
        """Return a sentence that says why commits do not work, or None if they do."""
        now = self._seconds()
        if self._begun is not None and now - self._begun > STUCK_SECONDS:
            return f"A commit takes longer than {STUCK_SECONDS:.0f} seconds."
        if self._failed_at is not None and now - self._failed_at < FAILED_SECONDS:
            return "The last commit failed."
        return None


class Pushes:
    """The push messages since the start: those that a push service has taken (`sent`), those to
    subscriptions that had ended (`gone`), those that `failed`, and those that were not wanted any
    more or too many (`dropped`)."""

    __slots__ = ("dropped", "failed", "gone", "sent")

    def __init__(self) -> None:
        self.sent = self.gone = self.failed = self.dropped = 0
