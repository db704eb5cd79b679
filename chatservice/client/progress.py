"""How far a transfer has got, and how fast it moves."""

from collections import deque

from chatservice.client.wrapping import shortened, width
from chatservice.grammar import textformat

WIDTH, NARROW = 80, 60
"""Columns that a line of progress fits in; where there are fewer than the second, it is terse."""

BAR = 10
NAME_LEAST = 8
RECENT_SECONDS = 5.0
"""The rate is that of the last few seconds: what people see as now."""


class Progress:
    """A transfer of `size` bytes; `done` of them are there."""

    def __init__(self, name: str, size: int, sha256: str) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.done = 0
        self._seen: deque[tuple[float, int]] = deque()

    def begin(self, done: int, now: float) -> None:
        """Bytes begin to move at `now` (seconds), behind the first `done`, which did not."""
        self.done = done
        self._seen = deque([(now, done)])

    @property
    def left(self) -> int:
        """How many bytes have still to move."""
        return self.size - self.done

    @property
    def percent(self) -> int:
        """How much is there."""
        return 100 * self.done // self.size if self.size else 100

    def rate(self, now: float) -> float | None:
        """Return how many bytes a second moved lately, as far as was asked; None at the start."""
        if self._seen and now > self._seen[-1][0]:
            self._seen.append((now, self.done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RECENT_SECONDS:
            self._seen.popleft()
        if len(self._seen) < 2:
            return None
        (then, before), (last, done) = self._seen[0], self._seen[-1]
        return (done - before) / (last - then)

    def line(self, now: float, columns: int = WIDTH, name_columns: int = 0) -> str:
        """Return `report.pdf [#####-----] 45%  12.3 MB/s  3 min left`, in at most so many columns.
        What is not known yet is left out; on narrow terminals, all is shorter. The name takes at
        least `name_columns`, if there is room."""
        narrow = columns < NARROW
        bar = BAR // 2 if narrow else BAR
        full = bar * self.done // self.size if self.size else bar
        gap, left = (" ", "") if narrow else ("  ", " left")
        end = f" [{'#' * full}{'-' * (bar - full)}] {self.percent}%"
        rate = self.rate(now)
        if rate is not None:
            end += f"{gap}{textformat.size(round(rate))}/s"
            if rate:
                end += f"{gap}{textformat.duration(self.left / rate)}{left}"
        most = max(columns - len(end), NAME_LEAST)
        name = shortened(self.name, most)
        return name + " " * (min(name_columns, most) - width(name)) + end
