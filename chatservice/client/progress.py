"""How far a transfer has got, and how fast it moves."""

import unicodedata
from collections import deque
from itertools import accumulate

from chatservice.grammar import shown

WIDTH = 80
"""Columns that a line of progress fits in."""

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

    def line(self, now: float) -> str:
        """Return `report.pdf [#####-----] 45%  12.3 MB/s  3 min left`, in at most `WIDTH` columns.
        What is not known yet is left out."""
        full = BAR * self.done // self.size if self.size else BAR
        end = f" [{'#' * full}{'-' * (BAR - full)}] {self.percent}%"
        rate = self.rate(now)
        if rate is not None:
            end += f"  {shown.size(round(rate))}/s"
            if rate:
                end += f"  {shown.duration(self.left / rate)} left"
        return shortened(self.name, max(WIDTH - len(end), NAME_LEAST)) + end


def shortened(text: str, columns: int) -> str:
    """Return `text` cut in its middle so that it fits: `a long na…ort.pdf`."""
    if _width(text) <= columns:
        return text
    left = columns - 1
    head = _fitting(text, (left + 1) // 2)
    tail = _fitting(text[::-1], left - _width(head))[::-1]
    return f"{head}…{tail}"


def _fitting(text: str, columns: int) -> str:
    """Return the beginning of `text` that fits."""
    taken = accumulate(map(_columns, text))
    return "".join(c for c, width in zip(text, taken, strict=True) if width <= columns)


def _width(text: str) -> int:
    """Return how many columns a text takes on a terminal (Unicode UAX #11)."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
