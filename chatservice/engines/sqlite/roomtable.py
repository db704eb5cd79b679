"""What the database knows of rooms, beyond their logs: `chatservice.domain.ports.RoomStore`."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from chatservice import names
from chatservice.domain.ports import ModerationRecord, RoomRow, any_name
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.errors import Code, Refusal

NUMBERS_AHEAD = 100
"""Numbers that a room called by one may leave out, so that it has that one: few, so that nobody
uses them up."""


class RoomTable:
    """The tables `room`, `rule` and `deed` of the database `db`.

    `ask` does a job in the database's thread, `change` one that may be refused by the disk
    (`Refusal`, not-stored). Within `commit`, all is stored or nothing. `new_log` makes a log, made
    at a time, with a last position and a number, and `last_of` tells its last position. `removed`
    is told the number of a room that is there no more, and whose log is still to be emptied, and
    `retired` that of one that is closed for good.
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
    ) -> None:
        self._db = db
        self._ask = ask
        self._change = change
        self._commit = commit
        self._new_log = new_log
        self._last_of = last_of
        self._removed = removed
        self._retired = retired
        self._locks: dict[int, DeferredLock] = {}

    @asynccontextmanager
    async def exclusive(self, room: int) -> AsyncIterator[None]:
        """Let a room be changed by nobody else meanwhile."""
        lock = self._locks.setdefault(room, DeferredLock())
        try:
            async with lock:
                yield
        finally:
            if not (lock.locked or lock.waiting):
                self._locks.pop(room, None)

    def rooms(self) -> Awaitable[Sequence[RoomRow]]:
        """Every room, by its number."""
        return self._ask(self._rooms)

    def create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        fits: Callable[[str], bool] = any_name,
    ) -> Awaitable[RoomRow]:
        """Make a room; without a name, it is called after its number, which `fits`. Raises
        `Refusal` (room-exists)."""
        return self._change(self._create, name, password, time, owner, fits)

    async def remove(self, room: int) -> None:
        """Forget a room, and all that is known of it."""
        await self._change(self._remove, room)
        self._removed(room)

    async def retire(self, room: int, name: str) -> None:
        """Close a room under another name."""
        await self._change(self._retire, room, name)
        self._retired(room)

    def configure(
        self, room: int, password: str | None, access: Access, frozen: bool, slow: int
    ) -> Awaitable[None]:
        """Keep how a room is."""
        sql = "UPDATE room SET password = ?, access = ?, frozen = ?, slow = ? WHERE log = ?"
        return self._change(self._execute, [(sql, (password, access, frozen, slow, room))])

    def change_rules(
        self, room: int, add: Sequence[Rule], drop: Sequence[Rule] = ()
    ) -> Awaitable[None]:
        """Let some rules hold in a room, and others no longer, all at once."""
        gone = "DELETE FROM rule WHERE log = ? AND what = ? AND whom = ?"
        new = "REPLACE INTO rule (log, what, whom, until, who, time) VALUES (?, ?, ?, ?, ?, ?)"
        statements: list[tuple[str, tuple[Any, ...]]] = []
        statements += [(gone, (room, rule.kind, rule.subject)) for rule in drop]
        statements += [(new, (room, *rule[:5])) for rule in add]
        return self._change(self._execute, statements)

    def add_record(self, room: int, deed: ModerationRecord) -> Awaitable[None]:
        """Put on record what a moderator did."""
        sql = "INSERT INTO deed (log, time, who, what) VALUES (?, ?, ?, ?)"
        return self._change(self._execute, [(sql, (room, *deed))])

    def records(self, room: int, limit: int) -> Awaitable[Sequence[ModerationRecord]]:
        """The last things that moderators did, oldest first."""
        return self._ask(self._deeds, room, limit)

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
        fits: Callable[[str], bool],
    ) -> RoomRow:
        rules = (
            [Rule(RuleKind.OWNER, names.key(owner), 0, owner, time)] if owner is not None else []
        )
        try:
            with self._commit():
                number = self._next_number(name, fits)
                name = name or names.room_name(number)
                self._new_log(time, 0, number)
                self._db.execute(
                    "INSERT INTO room (log, key, name, password) VALUES (?, ?, ?, ?)",
                    (number, names.key(name), name, password),
                )
                self._db.executemany(
                    "INSERT INTO rule (log, what, whom, until, who, time)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    [(number, *rule[:5]) for rule in rules],
                )
        except sqlite3.IntegrityError:
            raise Refusal(
                Code.ROOM_EXISTS,
                "There is a room {name} already; `join {name}` takes you there.",
                name=name,
            ) from None
        return RoomRow(number, name, "", password, 0, rules=rules)

    def _next_number(self, name: str | None, fits: Callable[[str], bool]) -> int:
        """Return a number that no room, and no inbox, ever had. It is the one in the room's name,
        where that is not far ahead; and never one in the name of another room."""
        sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'"
        (last,) = self._db.execute(sql).fetchone()
        wanted = names.room_number(name) if name is not None else None
        if wanted is not None and last < wanted <= last + NUMBERS_AHEAD:
            return wanted
        number = int(last) + 1
        while self._is_called_after(number) or not (name or fits(names.room_name(number))):
            number += 1
        return number

    def _is_called_after(self, number: int) -> bool:
        sql = "SELECT 1 FROM room WHERE key = ?"
        return self._db.execute(sql, (names.key(names.room_name(number)),)).fetchone() is not None

    def _retire(self, room: int, name: str) -> None:
        with self._commit():
            for table in ("rule", "token"):
                self._db.execute(f"DELETE FROM {table} WHERE log = ?", (room,))
            sql = (
                "UPDATE room SET key = ?, name = ?, access = ?, password = NULL, frozen = 0,"
                " slow = 0 WHERE log = ?"
            )
            self._db.execute(sql, (names.key(name), name, Access.CLOSED, room))

    def _remove(self, room: int) -> None:
        last = self._last_of(room)
        with self._commit():
            for table in ("room", "rule", "deed", "token", "erased"):
                self._db.execute(f"DELETE FROM {table} WHERE log = ?", (room,))
            if last:  # the index of the search takes out what has ended
                sql = "UPDATE log SET last = ?1, ended = ?1 WHERE id = ?2"
                self._db.execute(sql, (last, room))
            else:  # AUTOINCREMENT sees to it that the number does not come again
                self._db.execute("DELETE FROM log WHERE id = ?", (room,))

    def _deeds(self, room: int, limit: int) -> list[ModerationRecord]:
        sql = "SELECT time, who, what FROM deed WHERE log = ? ORDER BY id DESC LIMIT ?"
        return [ModerationRecord(*row) for row in self._db.execute(sql, (room, limit))][::-1]
