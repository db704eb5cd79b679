"""Reading a log entry by entry, for a program that takes its time."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred

from chatservice.entries import Entry
from chatservice.errors import Code, Refusal
from chatservice.replies import History

AHEAD = 1000
"""Entries held in memory for a program that is slower than the room. What is more is read from the
server once it has dealt with those."""

HELD_CHARACTERS = 16 << 20
"""The most that is held of a log that cannot be read from the server again: texts, and
`ENTRY_CHARACTERS` for each. A program that is so far behind is told that it is."""

ENTRY_CHARACTERS = 256
"""An entry in memory without its text, roughly."""

Page = Callable[[int], Awaitable[History]]
"""Returns the first entries behind a position, `AHEAD` of them, or says that there are more."""


class Follower:
    """An asynchronous iterator over the entries of a log, each with its position: in their order
    and once, from when it is `opened`. What is not in memory comes from `page`. Where there is
    none, `HELD_CHARACTERS` of what is told are held. What is beyond ends it with `Refusal`
    (slow-down), once what is held was taken. `position` is that of the entry that was taken last.
    """

    def __init__(self, page: Page | None) -> None:
        self.position = 0
        self._page = page
        self._newest = 0
        self._ahead: deque[tuple[int, Entry]] = deque()
        self._held = 0
        self._behind = False
        self._waiting: Deferred[None] | None = None
        self._put_back = 0
        self._over = False
        self._why: BaseException | None = None

    def opened(self, position: int, newest: int) -> None:
        """Begin behind `position`, in a log whose last one is `newest` so far."""
        self.position, self._newest = position, newest
        self._behind = self._page is not None and newest > position
        self._wake()

    def put_back(self, position: int, newest: int) -> None:
        """The log is as it was up to `position`, and another one behind that, up to `newest`. What
        of the other one was told and not taken is gone."""
        self._ahead.clear()
        self._held = 0
        self._put_back += 1
        self.opened(min(self.position, position), newest)

    def tell(self, position: int, entry: Entry) -> None:
        """Something new is in the log."""
        if self._over:
            return
        self._newest = max(self._newest, position)
        if self._page is not None and len(self._ahead) >= AHEAD:
            self._behind = True
        if self._page is None:
            self._held += _size(entry)
            if self._held > HELD_CHARACTERS:
                self.end(Refusal(Code.SLOW_DOWN, FAR_BEHIND))
                return
        if not self._behind:
            self._ahead.append((position, entry))
        self._wake()

    def end(self, why: BaseException | None = None) -> None:
        """Nothing more will come. When all that is there was taken, `why` is raised; without it the
        iterator is exhausted."""
        if not self._over:
            self._over, self._why = True, why
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def __aiter__(self) -> "Follower":
        return self

    async def __anext__(self) -> tuple[int, Entry]:
        """Return the next entry and its position."""
        while True:
            while self._ahead:
                position, entry = self._ahead.popleft()
                self._held -= _size(entry) if self._page is None else 0
                if position > self.position:
                    self.position = position
                    return position, entry
            if self._over:
                raise self._why or StopAsyncIteration
            if self._behind and self._page is not None:
                await self._read(self._page)
            else:
                self._waiting = Deferred()
                await self._waiting

    async def _read(self, page: Page) -> None:
        """Read on from the server, until there is nothing that was not seen."""
        asked_at, put_back = self._newest, self._put_back
        found = await page(self.position)
        if put_back != self._put_back:  # it was asked for behind a position of the log before
            return
        entries = found.entries
        self._ahead.extend(entries)
        last = entries[-1][0] if entries else self.position
        if last >= self._newest:
            self._behind = False
        elif len(entries) < AHEAD and not found.more and self._newest == asked_at:
            self._behind = False  # what was there then is not kept any more


FAR_BEHIND = (
    f"More came than is held for a program that is slow ({HELD_CHARACTERS >> 20} million "
    "characters): what came then is left out. Follow again, and take entries faster."
)


def _size(entry: Entry) -> int:
    return len(entry.text) + ENTRY_CHARACTERS


def each(follower: Follower, call: Callable[[int, Entry], Any]) -> "Deferred[None]":
    """Call `call` with each position and entry that comes, the next one when its result, which may
    be awaitable, is there. The Deferred fails with what it raised, or when nothing more can come;
    to cancel it ends that."""
    return Deferred.fromCoroutine(_each(follower, call))


async def _each(follower: Follower, call: Callable[[int, Entry], Any]) -> None:
    async for position, entry in follower:
        result = call(position, entry)
        if isinstance(result, Awaitable):
            await result
