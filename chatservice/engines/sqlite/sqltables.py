"""Rooms and accounts in the database."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from chatservice import names
from chatservice.domain.ports.account_ports import Account, Token
from chatservice.domain.ports.member_ports import Membership, ReadPositions, too_many_rooms
from chatservice.domain.ports.room_ports import ModerationRecord, RoomRow, RulesChanged
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.engines.sqlite.pushtable import PushTable


class SqlTables(PushTable):
    """`chatservice.engines.tables.Tables`: the tables `room`, `rule`, `deed`, `account`, `token`,
    `push`, `member` and `code` of the database `db`.

    Within `commit`, all is stored or nothing. `last_of` returns the last position of a log. `moved`
    gets the new number of a guest's inbox, by the old one.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        commit: Callable[[], AbstractContextManager[None]],
        last_of: Callable[[int], int],
        moved: MutableMapping[int, int],
    ) -> None:
        super().__init__(db, commit)
        self._last_of = last_of
        self._moved = moved
        self.last_number = 0  # until the rooms are loaded

    # -- rooms -----------------------------------------------------------------------------------

    def load_rooms(self) -> Iterable[RoomRow]:
        last = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'"
        self.last_number = int(self._db.execute(last).fetchone()[0])
        rules: dict[int, list[Rule]] = {}
        for log, kind, *rest in self._db.execute(
            "SELECT log, what, whom, until, who, time FROM rule"
        ):
            rules.setdefault(log, []).append(Rule(RuleKind(kind), *rest))
        sql = "SELECT log, name, topic, password, access, frozen, slow FROM room ORDER BY log"
        for log, name, topic, password, access, frozen, slow in self._db.execute(sql):
            settings = (Access(access), bool(frozen), slow)
            yield RoomRow(log, name, topic, password, 0, *settings, rules.get(log, ()))

    def add_room(self, row: RoomRow, time: int) -> None:
        self._execute(
            ("INSERT INTO log (id, created) VALUES (?, ?)", (row.number, time)),
            (
                "INSERT INTO room (log, key, name, password) VALUES (?, ?, ?, ?)",
                (row.number, names.key(row.name), row.name, row.password),
            ),
            *((_ADD_RULE, (row.number, *rule[:5])) for rule in row.rules),
        )

    def change_room(self, row: RoomRow, record: ModerationRecord | None) -> None:
        self._execute(_room_changed(row), *_recorded(row.number, record))

    def retire_room(self, row: RoomRow) -> None:
        gone = [(f"DELETE FROM {it} WHERE log = ?", (row.number,)) for it in _OF_ROOM]
        self._execute(*gone, _room_changed(row))

    def remove_room(self, room: int) -> None:
        # The index of the search takes out what has ended. Without a row, AUTOINCREMENT sees to it
        # that the number does not come again.
        last = self._last_of(room)
        forget = (_END_LOG, (last, room)) if last else ("DELETE FROM log WHERE id = ?", (room,))
        tables = ("room", "deed", "erased", *_OF_ROOM)
        self._execute(*((f"DELETE FROM {it} WHERE log = ?", (room,)) for it in tables), forget)

    def change_rules(self, change: RulesChanged) -> None:
        room, _, dropped, record = change
        gone = "DELETE FROM rule WHERE log = ? AND what = ? AND whom = ?"
        self._execute(
            *((gone, (room, rule.kind, rule.subject)) for rule in dropped),
            *((_ADD_RULE, (room, *rule[:5])) for rule in change.lasting),
            *((_DROP_MEMBER, (key, room)) for key in change.banned),
            *_recorded(room, record),
        )

    def add_record(self, room: int, record: ModerationRecord | None) -> None:
        self._execute(*_recorded(room, record))

    def records(self, room: int, limit: int) -> Sequence[ModerationRecord]:
        sql = "SELECT time, who, what FROM deed WHERE log = ? ORDER BY id DESC LIMIT ?"
        return [ModerationRecord(*row) for row in self._db.execute(sql, (room, limit))][::-1]

    # -- accounts --------------------------------------------------------------------------------

    def load_accounts(self) -> Iterable[Account]:
        for *row, operator, created, seen, shows_seen in self._db.execute(
            "SELECT name, password, inbox, shown, operator, coalesce(created, 0), seen, shows_seen"
            " FROM account LEFT JOIN log ON log.id = inbox"
        ):
            name, password, inbox, shown = row
            rest = (bool(operator), created, seen, bool(shows_seen))
            yield Account(name, password, inbox, shown, *rest)

    def load_tokens(self) -> dict[str, Token]:
        rows = self._db.execute("SELECT sha256, account, label, log, time FROM token")
        return {sha256: Token(*rest) for sha256, *rest in rows}

    def load_codes(self) -> Iterable[str]:
        return (code for (code,) in self._db.execute("SELECT code FROM code"))

    def add_account(
        self, key: str, account: Account, inbox: int | None, guest: str, code: str | None
    ) -> int:
        log, last = account.inbox, self._last_of(inbox) if inbox is not None else 0
        with self._commit():
            self._db.execute("DELETE FROM code WHERE code = ?", (code,))
            # `last`: its blocks may be older than the last notes
            sql = "INSERT INTO log (id, created, last) VALUES (?, ?, ?)"
            self._db.execute(sql, (log, account.created, last))
            if inbox is not None:
                # As new rows, which the index of the search takes in; that of a guest is not in it.
                columns = "first, last, time, entries"
                self._db.execute(
                    f"INSERT INTO block (log, {columns})"
                    f" SELECT ?, {columns} FROM block WHERE log = ? ORDER BY last",
                    (log, inbox),
                )
                self._db.execute("DELETE FROM block WHERE log = ?", (inbox,))
                self._db.execute("UPDATE said SET log = ? WHERE log = ?", (log, inbox))
            if guest:
                self._give(guest, key)
            self._db.execute(
                "INSERT INTO account (key, name, password, inbox, shown) VALUES (?, ?, ?, ?, ?)",
                (key, account.name, account.password, log, last),
            )
        if inbox is not None:
            self._moved[inbox] = log
        return last

    def inbox_known(self, inbox: int) -> None:
        self._moved.pop(inbox, None)

    def _give(self, guest: str, key: str) -> None:
        """Give an account the belongings of a guest (`User.id`), except for their inbox."""
        for table in ("file", "partial"):
            self._db.execute(f"UPDATE {table} SET owner = ? WHERE owner = ?", (key, guest))
        self._db.execute("UPDATE OR REPLACE annotation SET user = ? WHERE user = ?", (key, guest))
        # Each log by itself: there is no index of writers, which would cost every message.
        logs = (
            "WITH RECURSIVE logs(log) AS (SELECT min(log) FROM said UNION ALL"
            " SELECT (SELECT min(said.log) FROM said WHERE said.log > logs.log) FROM logs"
            " WHERE logs.log IS NOT NULL) SELECT log FROM logs WHERE log IS NOT NULL"
        )
        sql = "UPDATE OR REPLACE said SET who = ? WHERE log = ? AND who = ?"
        for (log,) in self._db.execute(logs).fetchall():
            self._db.execute(sql, (key, log, guest))

    def change_account(self, key: str, account: Account, alone: bool = False) -> None:
        sql = (
            "UPDATE account SET name = ?, password = ?, operator = ?, shows_seen = ? WHERE key = ?"
        )
        new = (account.name, account.password, account.operator, account.shows_seen, key)
        ended = (
            "DELETE FROM push WHERE account = ?1 AND (?3 OR token = ''"
            " AND (SELECT password FROM account WHERE key = ?1) != ?2)"
        )
        revoked = [("DELETE FROM token WHERE account = ?", (key,))] * alone
        self._execute((ended, (key, account.password, alone)), (sql, new), *revoked)

    def note_seen(self, times: Mapping[str, int]) -> None:
        sql = "UPDATE account SET seen = max(seen, ?) WHERE key = ?"
        self._execute(*((sql, (time, key)) for key, time in times.items()))

    def delete_account(self, key: str, account: Account, mark: str) -> None:
        self._execute(
            *((f"DELETE FROM {it} WHERE account = ?", (key,)) for it in _OF_ACCOUNT),
            ("DELETE FROM account WHERE key = ?", (key,)),
            (
                "DELETE FROM rule WHERE whom = ? AND what IN ('owner', 'moderator', 'invited')",
                (key,),
            ),
            ("DELETE FROM said WHERE who = ?", (key,)),
            ("UPDATE file SET who = ?, owner = '' WHERE owner = ?", (mark, key)),
            (_END_LOG, (self._last_of(account.inbox), account.inbox)),
        )

    def add_token(self, sha256: str, token: Token) -> None:
        sql = "INSERT INTO token (sha256, account, label, log, time) VALUES (?, ?, ?, ?, ?)"
        self._execute((sql, (sha256, *token)))

    def revoke(self, sha256: str) -> None:
        self._execute(
            ("DELETE FROM token WHERE sha256 = ?", (sha256,)),
            ("DELETE FROM push WHERE token = ?", (sha256,)),
        )

    # -- the rooms that accounts keep ------------------------------------------------------------

    def add_member(self, member: Membership, most: int) -> bool:
        sql = "SELECT count(*), coalesce(sum(log = ?2), 0) FROM member WHERE account = ?1"
        count, there = self._db.execute(sql, (member.account, member.room)).fetchone()
        if not there and count >= most:
            raise too_many_rooms(most)
        sql = (
            "INSERT OR IGNORE INTO member (account, log, read, since) SELECT ?1, ?2, ?3, ?4"
            " WHERE EXISTS (SELECT 1 FROM account WHERE key = ?1)"
            " AND EXISTS (SELECT 1 FROM room WHERE log = ?2)"
        )
        with self._commit():
            return self._db.execute(sql, member).rowcount > 0

    def drop_member(self, account: str, room: int) -> None:
        self._execute((_DROP_MEMBER, (account, room)))

    def members_of_account(self, account: str) -> Sequence[Membership]:
        sql = "SELECT account, log, read, since FROM member WHERE account = ? ORDER BY log"
        return [Membership(*row) for row in self._db.execute(sql, (account,))]

    def members_of_room(self, room: int, after: str, limit: int) -> tuple[Sequence[str], int]:
        sql = "SELECT account FROM member WHERE log = ? AND account > ? ORDER BY account LIMIT ?"
        keys = [key for (key,) in self._db.execute(sql, (room, after, limit))]
        sql = "SELECT count(*) FROM member WHERE log = ? AND account > ?"
        (count,) = self._db.execute(sql, (room, keys[-1] if keys else after)).fetchone()
        return keys, count

    def mark_read(self, positions: ReadPositions) -> None:
        rows = [(position, *place) for place, position in positions.items()]
        with self._commit():
            for sql in (
                "UPDATE member SET read = ? WHERE account = ? AND log = ?",
                "UPDATE account SET shown = ? WHERE key = ? AND inbox = ?",
            ):
                self._db.executemany(sql, rows)

    # -- codes -----------------------------------------------------------------------------------

    def add_code(self, sha256: str, who: str, time: int) -> None:
        self._execute(("INSERT INTO code (code, who, time) VALUES (?, ?, ?)", (sha256, who, time)))

    def drop_code(self, sha256: str) -> None:
        self._execute(("DELETE FROM code WHERE code = ?", (sha256,)))


_ADD_RULE = "REPLACE INTO rule (log, what, whom, until, who, time) VALUES (?, ?, ?, ?, ?, ?)"
_END_LOG = "UPDATE log SET last = ?1, ended = ?1 WHERE id = ?2"
_DROP_MEMBER = "DELETE FROM member WHERE account = ? AND log = ?"
_OF_ACCOUNT = ("token", "push", "member")
"""The tables with rows that end with their account."""

_OF_ROOM = ("rule", "token", "member")
"""The tables with rows that end with their room."""


def _room_changed(row: RoomRow) -> tuple[str, Sequence[Any]]:
    sql = (
        "UPDATE room SET key = ?, name = ?, password = ?, access = ?, frozen = ?, slow = ?"
        " WHERE log = ?"
    )
    settings = (row.password, row.access, row.frozen, row.slow, row.number)
    return sql, (names.key(row.name), row.name, *settings)


def _recorded(room: int, record: ModerationRecord | None) -> list[tuple[str, Sequence[Any]]]:
    if record is None:
        return []
    sql = "INSERT INTO deed (log, time, who, what) VALUES (?, ?, ?, ?)"
    return [(sql, (room, record.time, record.who, record.text))]
