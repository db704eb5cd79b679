"""Rooms in the database: `chatservice.domain.ports.RoomStore`."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from twisted.internet.defer import Deferred, succeed

from chatservice import names
from chatservice.domain.ports import (
    Change,
    ModerationRecord,
    RoomBounds,
    RoomChanged,
    RoomRemoved,
    RoomRetired,
    RoomRow,
    RulesChanged,
)
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.engines.roomnames import RoomNames, check_bounds
from chatservice.engines.sqlite.keyedlock import KeyedLock


class RoomTable:
    """The tables `room`, `rule` and `deed` of the database `db`.

    `ask` does a job in the database's thread, `change` one that may be refused by the disk
    (`Refusal`, not-stored). Within `commit`, all is stored or nothing. `new_log` makes a log, made
    at a time, with a last position and a number, and `last_of` tells its last position. `removed`
    is told the number of a room that is there no more, and whose log is still to be emptied, and
    `retired` that of one that is closed for good. `changed` takes a change for the follower.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        ask: Callable[..., "Deferred[Any]"],
        change: Callable[..., "Deferred[Any]"],
        commit: Callable[[], AbstractContextManager[None]],
        new_log: Callable[[int, int, int], int],
        last_of: Callable[[int], int],
        removed: Callable[[int], None],
        retired: Callable[[int], None],
        changed: Callable[[Change], None],
    ) -> None:
        self._db = db
        self._ask = ask
        self._change = change
        self._commit = commit
        self._new_log = new_log
        self._last_of = last_of
        self._removed = removed
        self._retired = retired
        self._changed = changed
        self._locks = KeyedLock()
        self.forget_files: Callable[[str], Awaitable[None]] = lambda shelf: succeed(None)
        # In the database's thread. A room that is removed keeps its name until its files are gone.
        self._names = RoomNames()
        for number, name in db.execute("SELECT log, name FROM room"):
            self._names.add(number, name)

    def exclusive(self, room: int) -> AbstractAsyncContextManager[None]:
        return self._locks.acquire(room)

    def rooms(self) -> Awaitable[Sequence[RoomRow]]:
        """Every room, by its number."""
        return self._ask(self._rooms)

    async def create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        bounds: RoomBounds = RoomBounds(),  # noqa: B008 - it cannot be changed
    ) -> RoomRow:
        row: RoomRow = await self._change(self._create, name, password, time, owner, bounds)
        self._changed(row)
        return row

    async def remove(self, room: int) -> None:
        name = await self._change(self._remove, room)
        self._removed(room)
        await self.forget_files(name)
        await self._ask(self._names.remove, name)
        self._changed(RoomRemoved(room))

    async def retire(self, room: int, name: str) -> None:
        await self._change(self._retire, room, name)
        self._retired(room)
        self._changed(RoomRetired(room, name))

    async def configure(
        self, room: int, password: str | None, access: Access, frozen: bool, slow: int
    ) -> None:
        sql = "UPDATE room SET password = ?, access = ?, frozen = ?, slow = ? WHERE log = ?"
        await self._change(self._execute, [(sql, (password, access, frozen, slow, room))])
        self._changed(RoomChanged(room, password, access, frozen, slow))

    async def change_rules(self, room: int, add: Sequence[Rule], drop: Sequence[Rule] = ()) -> None:
        gone = "DELETE FROM rule WHERE log = ? AND what = ? AND whom = ?"
        new = "REPLACE INTO rule (log, what, whom, until, who, time) VALUES (?, ?, ?, ?, ?, ?)"
        statements: list[tuple[str, tuple[Any, ...]]] = []
        statements += [(gone, (room, rule.kind, rule.subject)) for rule in drop]
        statements += [(new, (room, *rule[:5])) for rule in add]
        await self._change(self._execute, statements)
        self._changed(RulesChanged(room, add, drop))

    def add_record(self, room: int, deed: ModerationRecord) -> Awaitable[None]:
        sql = "INSERT INTO deed (log, time, who, what) VALUES (?, ?, ?, ?)"
        return self._change(self._execute, [(sql, (room, *deed))])

    def records(self, room: int, limit: int) -> Awaitable[Sequence[ModerationRecord]]:
        return self._ask(self._records, room, limit)

    # -- in the database's thread ----------------------------------------------------------------

    def _execute(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        with self._commit():
            for sql, values in statements:
                self._db.execute(sql, values)

    def _rooms(self) -> list[RoomRow]:
        rules: dict[int, list[Rule]] = {}
        for log, what, *rest in self._db.execute(
            "SELECT log, what, whom, until, who, time FROM rule"
        ):
            rules.setdefault(log, []).append(Rule(RuleKind(what), *rest))
        sql = "SELECT log, name, topic, password, access, frozen, slow FROM room ORDER BY log"
        return [
            RoomRow(
                *(log, name, topic, password, self._last_of(log)),
                *(Access(access), bool(frozen), slow, rules.get(log, ())),
            )
            for log, name, topic, password, access, frozen, slow in self._db.execute(sql).fetchall()
        ]

    def _create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        bounds: RoomBounds,
    ) -> RoomRow:
        unowned = 0
        if bounds.unowned is not None:
            unowned = self._count(
                "SELECT count(*) FROM room WHERE NOT EXISTS"
                " (SELECT 1 FROM rule WHERE rule.log = room.log AND what = 'owner')"
            )
        check_bounds(bounds, len(self._names), unowned)
        if name is not None:
            self._names.check(name, bounds.numbered)
        last = self._count("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'")
        number = self._names.next_number(name, last)
        name = name or names.room_name(number)
        rules = (
            [Rule(RuleKind.OWNER, names.key(owner), 0, owner, time)] if owner is not None else []
        )
        with self._commit():
            self._new_log(time, 0, number)
            self._db.execute(
                "INSERT INTO room (log, key, name, password) VALUES (?, ?, ?, ?)",
                (number, names.key(name), name, password),
            )
            self._db.executemany(
                "INSERT INTO rule (log, what, whom, until, who, time) VALUES (?, ?, ?, ?, ?, ?)",
                [(number, *rule[:5]) for rule in rules],
            )
        self._names.add(number, name)
        return RoomRow(number, name, "", password, 0, rules=rules)

    def _count(self, sql: str) -> int:
        return int(self._db.execute(sql).fetchone()[0])

    def _retire(self, room: int, name: str) -> None:
        before = self._name(room)
        with self._commit():
            for table in ("rule", "token"):
                self._db.execute(f"DELETE FROM {table} WHERE log = ?", (room,))
            sql = (
                "UPDATE room SET key = ?, name = ?, access = ?, password = NULL, frozen = 0,"
                " slow = 0 WHERE log = ?"
            )
            self._db.execute(sql, (names.key(name), name, Access.CLOSED, room))
        self._names.remove(before)
        self._names.add(room, name)

    def _name(self, room: int) -> str:
        row = self._db.execute("SELECT name FROM room WHERE log = ?", (room,)).fetchone()
        return str(row[0])

    def _remove(self, room: int) -> str:
        name, last = self._name(room), self._last_of(room)
        with self._commit():
            for table in ("room", "rule", "deed", "token", "erased"):
                self._db.execute(f"DELETE FROM {table} WHERE log = ?", (room,))
            if last:  # the index of the search takes out what has ended
                sql = "UPDATE log SET last = ?1, ended = ?1 WHERE id = ?2"
                self._db.execute(sql, (last, room))
            else:  # AUTOINCREMENT sees to it that the number does not come again
                self._db.execute("DELETE FROM log WHERE id = ?", (room,))
        return name

    def _records(self, room: int, limit: int) -> list[ModerationRecord]:
        sql = "SELECT time, who, what FROM deed WHERE log = ? ORDER BY id DESC LIMIT ?"
        return [ModerationRecord(*row) for row in self._db.execute(sql, (room, limit))][::-1]
