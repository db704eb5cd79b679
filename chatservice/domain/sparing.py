"""Figures that take long to count, for those who ask often."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PART = 0.01
"""The part of the time that one figure may be counted: metrics of thousands of connections, asked
for without a pause, do not keep the reactor from talk."""


class Sparing(Generic[T]):
    """A figure that is counted anew for somebody who asks, but not all the time: `count` runs for
    at most `PART` of it. `seconds` tells the time on a clock that never goes back."""

    __slots__ = ("_count", "_figure", "_next", "_seconds")

    def __init__(self, count: Callable[[], T], seconds: Callable[[], float]) -> None:
        self._count, self._seconds = count, seconds
        self._figure: T | None = None
        self._next = seconds()

    def __call__(self) -> T:
        """Return the figure, which is as old as counting it takes, divided by `PART`, at most."""
        begun = self._seconds()
        if self._figure is None or begun >= self._next:
            self._figure = self._count()
            ended = self._seconds()
            self._next = ended + (ended - begun) / PART
        return self._figure
