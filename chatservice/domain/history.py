"""History: what was said, read from storage, in pages."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from chatservice.domain.log import Block, Log, reread_if_erased
from chatservice.domain.model import Room, TopicSetter
from chatservice.domain.paging import Page
from chatservice.domain.ports.log_ports import no_entry
from chatservice.domain.rooms import Services
from chatservice.entries import Entry, Kind

Row = tuple[int, Entry]
"""An entry with its position."""


class Part(NamedTuple):
    """A part of a log: the first `limit` entries behind `after`, or without that the last `limit`,
    of those that are `wanted`, and before `before` if that is given."""

    after: int | None
    before: int | None
    limit: int
    wanted: Callable[[Entry], bool] = lambda entry: not entry.is_annotation

    def end(self, log: Log) -> int:
        """Return the position before which the entries are."""
        return log.last + 1 if self.before is None else min(self.before, log.last + 1)


class HistoryReader:
    """Reads the logs of rooms and inboxes. Nobody is shown what is erased meanwhile."""

    def __init__(self, services: Services) -> None:
        self._logs, self._limits = services.engine.logs, services.limits

    async def page(
        self, log: Log, part: Part, with_states: bool = True
    ) -> tuple[Sequence[Row], bool]:
        """Return a part of a log, oldest first, and whether `Limits.answer_bytes` or
        `Limits.scan_entries` cut it. Forwards, if none of many entries is wanted, the last of them
        is on the page, to go on from."""
        return await reread_if_erased((log,), lambda: self._page(log, part, with_states))

    async def _page(self, log: Log, part: Part, with_states: bool) -> tuple[Sequence[Row], bool]:
        if part.after is None:
            found = await self._backwards(log, part)
        else:
            found = await self._forwards(log, part, part.after)
        shown = found
        if with_states:
            shown = self._empty_page(part)
            async for row in self.with_states(log, found.rows):
                _add(shown, row)
                if shown.truncated:
                    break
        rows = shown.rows if part.after is not None else shown.rows[::-1]
        return rows, found.truncated or shown.truncated

    def _empty_page(self, part: Part) -> Page[Row]:
        return Page(min(part.limit, self._limits.history_entries), self._limits.answer_bytes)

    async def _backwards(self, log: Log, part: Part) -> Page[Row]:
        """Return the last entries, newest first."""
        found, unscanned, end = self._empty_page(part), self._limits.scan_entries, part.end(log)
        while found.left and unscanned > 0:
            older = await self._logs.read_back(log.id, end, found.left)
            if not older:
                break
            for block in reversed(older):
                for row in reversed([it for it in block.entries() if it[0] < end]):
                    if part.wanted(row[1]):
                        _add(found, row)
            unscanned -= end - older[0].first
            end = older[0].first
        found.truncated |= found.left > 0 and unscanned <= 0
        return found

    async def _forwards(self, log: Log, part: Part, after: int) -> Page[Row]:
        """Return the first entries behind a position."""
        found, unscanned, end = self._empty_page(part), self._limits.scan_entries, part.end(log)
        row: Row | None = None
        while found.left and unscanned > 0 and after + 1 < end:
            blocks = await self._logs.read(log.id, after, found.left)
            if not blocks:
                break
            for block in blocks:
                for row in block.entries(after):
                    if row[0] < end and part.wanted(row[1]):
                        _add(found, row)
                unscanned -= block.last - after
                after = block.last
        if found.left and unscanned <= 0:
            if not found.rows and row is not None:
                found.add(row, 0)
            found.truncated = True
        return found

    async def with_states(self, log: Log, rows: Sequence[Row]) -> AsyncIterator[Row]:
        """Iterate over positions and entries, with the states of these."""
        for at in range(0, len(rows), _AT_A_TIME):
            some = rows[at : at + _AT_A_TIME]
            states = await self._logs.states(log.id, [position for position, _ in some])
            for position, it in some:
                yield position, it._replace(state=states.get(position))

    async def entry_at(self, room: Room, position: int) -> Entry:
        """Return the entry at a position. Raises `Refusal` (no-such-entry)."""
        found = await reread_if_erased(
            (room.log,), lambda: self._logs.entries_at(room.log.id, (position,))
        )
        if position not in found:
            raise no_entry(position)
        return found[position]

    async def topic_setter(self, room: Room) -> TopicSetter:
        """Return who set a room's topic. It is looked for once, in the last `Limits.scan_entries`
        entries."""
        if room.topic_setter is not None:
            return room.topic_setter
        topic = room.topic
        found = await self._find_topic_setter(room)
        if room.topic == topic:  # else it was set anew meanwhile
            room.topic_setter = found
        return found

    async def _find_topic_setter(self, room: Room) -> TopicSetter:
        end, least = room.log.last + 1, max(room.log.last - self._limits.scan_entries, 0)
        while end > least + 1:
            blocks = await self._logs.read_back(room.log.id, end, self._limits.history_entries)
            for block in reversed(blocks):
                for _, run in reversed(block.runs):
                    if run.kind == Kind.TOPIC:
                        return TopicSetter(run.who, run.time)
            if not blocks:
                break
            end = blocks[0].first
        return TopicSetter("", 0)

    async def position_before(self, log: Log, time: int) -> int:
        """Return the position of the last entry before a time, in milliseconds since 1970; 0
        without one. It reads one entry for each bit of the log's last position."""
        low, high = 0, log.last
        while low < high:
            middle = (low + high) // 2
            found = await self._first_behind(log, middle)
            if found is not None and found[0] <= high and found[1].time < time:
                low = found[0]
            else:
                high = middle
        return low

    async def time_at(self, log: Log, position: int) -> int | None:
        """Return the time of the entry at a position, in milliseconds since 1970; None without
        one."""
        found = await self._first_behind(log, position - 1) if position > 0 else None
        return found[1].time if found is not None and found[0] == position else None

    async def _first_behind(self, log: Log, position: int) -> Row | None:
        blocks = await self._logs.read(log.id, position, 1)
        rows = (row for block in blocks for row in block.entries(position))
        return next(rows, None)

    async def replay(self, log: Log, after: int) -> Sequence[Block]:
        """Return blocks behind a position, but none that `log` does not have yet: their writers are
        not answered."""
        blocks = await reread_if_erased(
            (log,), lambda: self._logs.read(log.id, after, self._limits.replay_entries)
        )
        return [block for block in blocks if block.last <= log.last]


_AT_A_TIME = 100
"""Entries of which the states are read together: each may have a thousand reactions."""


def _add(found: Page[Row], row: Row) -> None:
    found.add(row, row[1].encoded_size)
