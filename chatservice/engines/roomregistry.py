"""Rooms in memory, and all rules about their names, numbers and bounds, for one process."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from twisted.internet.defer import DeferredLock

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.domain.ports.room_ports import (
    ModerationRecord,
    RoomBounds,
    RoomChanged,
    RoomRemoved,
    RoomRetired,
    RoomRow,
    RulesChanged,
)
from chatservice.domain.rules import OF_ACCOUNTS, Access, Rule, RuleKind
from chatservice.engines.keyedlock import KeyedLock
from chatservice.engines.tables import Effects, Storage, decided
from chatservice.errors import Code, Refusal

NUMBERS_AHEAD = 100
"""Numbers that a room called by one may leave out, so that it has that one: few, so that nobody
uses them up."""


class RoomRegistry:
    """The port `RoomStore`. It decides about one change after another. `rows` are the rooms as they
    are now, but for the last positions of their logs."""

    def __init__(self, storage: Storage) -> None:
        self._tables, self._store, self._tell, self._unused, self._forget_files = storage[:5]
        self._look = storage.look
        self.deciding = DeferredLock()
        self._locks = KeyedLock()
        self._overtaken: set[int] = set()
        # The keys of the owners of rooms that are being made, until their accounts are deleted.
        self._owners: list[set[str]] = []
        # The keys of names that are taken, and of names whose files are being removed.
        self._taken: set[str] = set()
        self._leaving: set[str] = set()
        self._skeletons: Counter[str] = Counter()
        self.rows: dict[int, RoomRow] = {}
        self.load()
        self.effects: Effects = {
            "add_room": self._added,
            "remove_room": self._removed,
            "retire_room": self._retired,
            "change_room": self._configured,
            "change_rules": self._rules_changed,
        }

    def load(self) -> None:
        """Load the rooms that the tables have now."""
        self.rows = {row.number: row for row in self._tables.load_rooms()}
        self._taken.clear()
        self._skeletons.clear()
        for row in self.rows.values():
            self._take_name(row.name)

    @asynccontextmanager
    async def exclusive(self, room: int) -> AsyncIterator[None]:
        async with self._locks.acquire(room):
            self._overtaken.discard(room)
            yield

    def changed_elsewhere(self, room: int | None = None) -> None:
        """Note that another node changes a room, or maybe any: whoever holds it here has not seen
        that."""
        rooms = self.rows if room is None else (room,)
        self._overtaken.update(it for it in rooms if self._locks.is_locked(it))

    def _check_held(self, room: int) -> None:
        """Raise `Refusal` (not-stored, no-such-room) if a room was changed elsewhere since its lock
        was entered."""
        if room not in self.rows:
            raise Refusal(Code.NO_SUCH_ROOM, "That room was removed; join another one.")
        if room in self._overtaken:
            raise Refusal(
                Code.NOT_STORED,
                "Somebody else changed {room} at the same moment; look at it, and try again.",
                room=self.rows[room].name,
            )

    async def create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        bounds: RoomBounds = RoomBounds(),  # noqa: B008 - it cannot be changed
    ) -> RoomRow:
        owners = {names.key(owner)} if owner else set()
        self._owners.append(owners)
        try:
            return await self._create(name, password, time, owner, bounds, owners)
        finally:
            self._owners = [it for it in self._owners if it is not owners]

    @decided
    async def _create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        bounds: RoomBounds,
        owners: set[str],
    ) -> RoomRow:
        if owner and not owners:  # whoever registers that name next is not to have the room
            raise Refusal(Code.NAME_NEEDED, "That account was deleted; take another name.")
        self._check_bounds(bounds)
        if name is not None:
            self._check_name(name, bounds.numbered)
        number = self._next_number(name)
        self._tables.last_number = number
        name = name or names.room_name(number)
        rules = (Rule(RuleKind.OWNER, names.key(owner), 0, owner, time),) if owner else ()
        row = RoomRow(number, name, "", password, 0, rules=rules)
        await self._store("add_room", row, time)
        return row

    def _added(self, _: None, row: RoomRow, time: int) -> None:
        self._tables.last_number = max(row.number, self._tables.last_number)
        self._take_name(row.name)
        self.rows[row.number] = row
        self._tell(row)

    def _check_bounds(self, bounds: RoomBounds) -> None:
        """Raise `Refusal` (bad-argument, too-many) if there are as many rooms as may be: in all, or
        without an owner."""
        if bounds.rooms is not None and len(self._taken) >= bounds.rooms:
            raise Refusal(
                Code.BAD_ARGUMENT, "There are {limit} rooms already; use one.", limit=bounds.rooms
            )
        if bounds.unowned is not None and self._unowned() >= bounds.unowned:
            raise Refusal(
                Code.TOO_MANY,
                "Guests have {limit} rooms already; use one, or `register` to make another.",
                limit=bounds.unowned,
            )

    def _unowned(self) -> int:
        owned = (any(it.kind is RuleKind.OWNER for it in row.rules) for row in self.rows.values())
        return len(self.rows) - sum(owned)

    def _check_name(self, name: str, numbered: bool) -> None:
        """Raise `Refusal` (room-exists) for a name that would be taken for another room's. With
        `numbered`, it may be the number of another room."""
        if names.key(name) in self._taken | self._leaving:
            raise Refusal(
                Code.ROOM_EXISTS,
                "There is a room {name} already; `join {name}` takes you there.",
                name=name,
            )
        if self._is_alike(name):
            raise Refusal(
                Code.ROOM_EXISTS,
                "{name} looks like the name of another room; give another one.",
                name=name,
            )
        number = names.room_number(name)
        if not numbered and number in self.rows:
            raise Refusal(
                Code.ROOM_EXISTS,
                "{name} is another name of room number {number}; give another one.",
                name=name,
                number=number,
            )

    def _next_number(self, name: str | None) -> int:
        """Return the number of a new room: the one in its name, where that is not far ahead, and
        never one in the name of another room."""
        last = self._tables.last_number
        wanted = names.room_number(name) if name is not None else None
        if wanted is not None and last < wanted <= last + NUMBERS_AHEAD:
            return wanted
        number = last + 1
        while self._is_alike(names.room_name(number)):
            number += 1
        return number

    def _is_alike(self, name: str) -> bool:
        return not self._skeletons.keys().isdisjoint(skeletons(name))

    def _take_name(self, name: str) -> None:
        self._taken.add(names.key(name))
        self._skeletons.update(skeletons(name))

    def _free_name(self, name: str) -> None:
        self._taken.discard(names.key(name))
        self._skeletons -= Counter(skeletons(name))

    async def remove(self, room: int) -> None:
        self._check_held(room)
        name = self.rows[room].name
        key = names.key(name)
        self._leaving.add(key)
        try:
            await self._remove(room)
            await self._forget_files(name)
        finally:
            self._leaving.discard(key)

    @decided
    async def _remove(self, room: int) -> None:
        self._check_held(room)
        await self._store("remove_room", room)

    def _removed(self, _: None, room: int) -> None:
        self._free_name(self.rows.pop(room).name)
        self._unused(room)
        self._tell(RoomRemoved(room))

    @decided
    async def retire(self, room: int, name: str) -> None:
        self._check_held(room)
        retired = RoomRow(room, name, "", None, 0, access=Access.CLOSED)
        await self._store("retire_room", retired)

    def _retired(self, _: None, row: RoomRow) -> None:
        room, name = row.number, row.name
        self._free_name(self.rows[room].name)
        self._take_name(name)
        self.rows[room] = replace(row, topic=self.rows[room].topic)
        self._tell(RoomRetired(room, name))

    @decided
    async def configure(self, change: RoomChanged) -> None:
        self._check_held(change.number)
        to = change._asdict()
        record = to.pop("record")
        row = replace(self.rows[change.number], **to)
        await self._store("change_room", row, record)

    def _configured(self, _: None, row: RoomRow, record: ModerationRecord | None) -> None:
        change = RoomChanged(row.number, row.password, row.access, row.frozen, row.slow, record)
        to = change._asdict()
        del to["record"]
        self.rows[row.number] = replace(self.rows[row.number], **to)
        self._tell(change)

    @decided
    async def change_rules(self, change: RulesChanged) -> None:
        self._check_held(change.room)
        await self._store("change_rules", change)

    def _rules_changed(self, _: None, change: RulesChanged) -> None:
        row = self.rows[change.room]
        rules = {(it.kind, it.subject): it for it in row.rules}
        for rule in change.dropped:
            rules.pop((rule.kind, rule.subject), None)
        rules.update({(it.kind, it.subject): it for it in change.lasting})
        self.rows[change.room] = replace(row, rules=tuple(rules.values()))
        self._tell(change)

    def add_record(self, room: int, deed: ModerationRecord) -> Awaitable[None]:
        return self._store("add_record", room, deed)

    def records(self, room: int, limit: int) -> Awaitable[Sequence[ModerationRecord]]:
        return self._look(self._tables.records, room, limit)

    def set_topic(self, room: int, topic: str) -> None:
        """Note the topic of a room."""
        if room in self.rows:
            self.rows[room] = replace(self.rows[room], topic=topic)

    def account_deleted(self, key: str) -> None:
        """Drop the rules that end with an account, and let no room be made that it would own."""
        for owners in self._owners:
            owners.discard(key)
        for number, row in self.rows.items():
            rules = [it for it in row.rules if it.subject != key or it.kind not in OF_ACCOUNTS]
            if len(rules) < len(row.rules):
                self.rows[number] = replace(row, rules=rules)
