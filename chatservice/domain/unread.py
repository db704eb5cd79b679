"""Counts of what is unread: how much was said behind a read position, how much of it to the reader.

It is arithmetic over positions. The first entries behind a read position are looked at, so that
only talk of others counts; beyond a bound, all entries do. Mentions that are further ahead are a
question to the search index. Nothing is done while entries arrive.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chatservice import names, replies
from chatservice.domain.history import HistoryReader, Part, Row
from chatservice.domain.log import Block, Log
from chatservice.domain.model import KeptRoom, Room, Session
from chatservice.domain.ports.log_ports import Match, SearchQuery
from chatservice.domain.rights import ROLE_RIGHTS
from chatservice.domain.rooms import Services
from chatservice.entries import SAID, Entry, Kind
from chatservice.errors import Refusal
from chatservice.grammar.commandtypes import Right

_COUNTED = SAID | {Kind.PRIVATE}
"""The kinds of entries that count as unread: what somebody has said or shared."""


@dataclass(slots=True)
class _Count:
    """A count of what is unread of one log for a reader, as far as `position`."""

    position: int
    unread: int = 0
    mentions: int = 0
    exact: bool = True


class UnreadCounts:
    """Counts what is unread in the rooms that users keep, and in their inboxes."""

    def __init__(self, services: Services, history: HistoryReader) -> None:
        self._history, self._members, self._reading = history, services.members, services.reading
        self._logs, self._accounts = services.engine.logs, services.engine.accounts
        self._rights, self._limits = services.rights, services.limits

    async def of(
        self, session: Session, rooms: Collection[Room], inbox: bool
    ) -> replies.UnreadList:
        """Return what is unread in some of the rooms that a session's user keeps, by number, and in
        the inbox, if asked for. Those with little come first, so that most counts are exact."""
        rows, left = [], self._limits.unread_entries
        kept = _kept(session)
        behind = {it: it.log.last - kept[it.number].read for it in rooms if it.number in kept}
        scan = self._limits.scan_entries // max(sum(more > 0 for more in behind.values()), 1)
        for room in sorted(behind, key=behind.__getitem__):
            kept = _kept(session)
            if room.number not in kept or room.log.removed:
                continue  # it ended meanwhile
            read = min(kept[room.number].read, room.log.last)
            count = await self._count(session, room, read, left, scan)
            left -= min(count.position - read, left)
            last = room.log.last
            row = (room.name, room.number, last, read, count.unread, count.mentions, count.exact)
            rows.append(replies.UnreadInfo(*row))
        rows.sort(key=lambda it: it.number)
        if inbox and (row_ := await self._inbox(session, left)) is not None:
            rows.append(row_)
        return replies.UnreadList(tuple(rows))

    async def first(self, session: Session, room: Room) -> tuple[Sequence[Row], bool]:
        """Return the first unread entries of a room that a session's user keeps, which are read
        then, and whether more follow than a reply may have. Raises `Refusal`."""
        self._rights.check_in_room(session, room, Right.READ)
        self._members.check_keeps(session.require_user(), room)
        part = Part(self._reading.position(session, room), None, self._limits.unread_shown)
        last = room.log.last
        entries, more = await self._history.page(room.log, part)
        self._rights.check_in_room(session, room, Right.READ)
        if session.require_user().keeps(room):
            is_part = entries and (more or len(entries) == part.limit)
            self._reading.mark(session, room, entries[-1][0] if is_part else last)
        return entries, more

    async def _inbox(self, session: Session, left: int) -> replies.UnreadInfo | None:
        """Return the row of the inbox; all in it is for its user, so no mentions are counted."""
        user = session.require_user()
        account = await self._accounts.account(user.key)
        if account is None or user.inbox is None:
            return None
        log = user.inbox
        count = _Count(min(account.read_position, log.last))
        await self._look(session, None, log, count, left)
        further = log.last - count.position
        row = ("@", 0, log.last, account.read_position, count.unread + further, 0)
        return replies.UnreadInfo(*row, exact=not further)

    async def _count(self, session: Session, room: Room, read: int, left: int, scan: int) -> _Count:
        """Count what is unread in a room behind a position, looking at `left` entries at most, and
        in a search at `scan` that are not indexed. Of a room that the user may not read now, only
        the number of entries is told."""
        count, log = _Count(read), room.log
        role = self._rights.role(session.require_user(), room)
        may_read = Right.READ in ROLE_RIGHTS[role]
        if may_read:
            await self._look(session, room, log, count, left)
        last, looked_at = log.last, count.position
        if last > looked_at:
            count.unread += last - looked_at
            count.exact = False
            if may_read:
                await self._search(session, room, count, last, scan)
        return count

    async def _look(
        self, session: Session, room: Room | None, log: Log, count: _Count, left: int
    ) -> None:
        """Look at the first entries behind a position, about `left` of them."""
        while count.position < log.last and left > 0:
            before = count.position
            if before >= log.memory_from:
                blocks: Sequence[Block] = list(_in_memory(log, before, left))
            else:
                blocks = await self._history.replay(log, before)
            if not blocks:  # they are no longer kept
                count.position = max(before, log.memory_from)
            for block in blocks:
                self._take(session, room, block, count)
                left -= block.last - max(block.first - 1, before)
                if left <= 0:
                    break
            if count.position == before:
                return

    def _take(self, session: Session, room: Room | None, block: Block, count: _Count) -> None:
        """Count a block."""
        user = session.require_user()
        for first, run in block.runs:
            key = names.key(run.who)
            if run.kind in _COUNTED and key != user.key and key not in session.ignored:
                texts = run.texts[max(count.position + 1 - first, 0) :]
                count.unread += len(texts)
                for text in texts if room is not None and run.kind != Kind.FILE else ():
                    alone = Entry(run.kind, run.time, run.who, text, None, run.registered)
                    if self._is_mention(user.name, alone, room):
                        count.mentions += 1
        count.position = max(count.position, block.last)

    def _is_mention(self, name: str, entry: Entry, room: Room | None) -> bool:
        if names.is_mentioned(name, entry.text):
            return True
        if room is None or not names.is_mentioned(names.EVERYBODY, entry.text):
            return False
        return entry.registered and self._rights.moderates(names.key(entry.who), room)

    async def _search(
        self, session: Session, room: Room, count: _Count, last: int, scan: int
    ) -> None:
        """Count the mentions behind what was looked at, with the search index."""
        user, most = session.require_user(), self._limits.unread_mentions
        left = most - count.mentions
        query = SearchQuery("", {room.number: last + 1}, left, count.position)
        query = query._replace(mentions=user.name, scan=scan)
        matches: Sequence[Match] = ()
        with suppress(Refusal):  # it takes too long now
            matches = (await self._logs.search(query)).matches
        for _, _, entry in matches:
            key = names.key(entry.who)
            is_other = key != user.key and key not in session.ignored
            if is_other and entry.kind in _COUNTED and self._is_mention(user.name, entry, room):
                count.mentions += 1


def _kept(session: Session) -> Mapping[int, KeptRoom]:
    """Return the rooms that a session's user keeps now."""
    kept = session.require_user().kept
    return kept.rooms if kept is not None else {}


def _in_memory(log: Log, position: int, limit: int) -> Iterator[Block]:
    """Iterate over blocks behind a position, of about `limit` entries, as far as they are in
    memory."""
    while position < log.last and limit > 0:
        block = log.block_after(position)
        if block is None:
            return
        yield block
        limit -= block.last - position
        position = block.last
