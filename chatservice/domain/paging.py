"""A part of a long answer: as much as is given at once. Whoever asks goes on from there."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from chatservice import limits

T = TypeVar("T")


class Page(Generic[T]):
    """The first `rows` of an answer: at most `most` of them, and about `limits.ANSWER_BYTES`, but
    at least one. `over` says whether one was left out because of its bytes."""

    def __init__(self, most: int) -> None:
        self.rows: list[T] = []
        self.truncated = False
        self._most = most
        self._bytes = limits.ANSWER_BYTES

    @property
    def left(self) -> int:
        """The number of rows that may still come."""
        return 0 if self.truncated else self._most - len(self.rows)

    def add(self, row: T, size: int) -> None:
        """Take a row of about `size` bytes, if it belongs to this part."""
        if not self.left:
            return
        if self.rows and size > self._bytes:
            self.truncated = True
            return
        self._bytes -= size
        self.rows.append(row)


def page(rows: Iterable[T], size: Callable[[T], int], most: int) -> tuple[T, ...]:
    """Return the first of some rows, each of about `size` bytes, that are one answer."""
    found = Page[T](most)
    for row in rows:
        if not found.left:
            break
        found.add(row, size(row))
    return tuple(found.rows)
