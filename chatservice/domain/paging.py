"""Pages of long replies: one reply has one page, and the client asks for the next."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Page(Generic[T]):
    """The first `rows` of a long reply: at most `most`, and about `answer_bytes`, but at
    least one. `truncated` tells that a row did not fit."""

    def __init__(self, most: int, answer_bytes: int) -> None:
        self.rows: list[T] = []
        self.truncated = False
        self._most = most
        self._bytes = answer_bytes

    @property
    def left(self) -> int:
        """The number of rows that may still be added."""
        return 0 if self.truncated else self._most - len(self.rows)

    def add(self, row: T, size: int) -> None:
        """Add a row of about `size` bytes, if it fits."""
        if not self.left:
            return
        if self.rows and size > self._bytes:
            self.truncated = True
            return
        self._bytes -= size
        self.rows.append(row)


def page(
    rows: Iterable[T], size: Callable[[T], int], most: int, answer_bytes: int
) -> tuple[T, ...]:
    """Return the first rows that fit on a page; `size` estimates the bytes of one."""
    found: Page[T] = Page(most, answer_bytes)
    for row in rows:
        if not found.left:
            break
        found.add(row, size(row))
    return tuple(found.rows)
