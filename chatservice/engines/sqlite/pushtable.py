"""The subscriptions to push messages in the database."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from chatservice.domain.ports.push_ports import PushSubscription


class PushTable:
    """`chatservice.engines.tables.PushTables`: the table `push` of the database `db`. Within
    `commit`, all is stored or nothing."""

    def __init__(
        self, db: sqlite3.Connection, commit: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._db = db
        self._commit = commit

    def _execute(self, *statements: tuple[str, Sequence[Any]]) -> None:
        """Execute statements, each with its values."""
        with self._commit():
            for sql, values in statements:
                self._db.execute(sql, values)

    def load_pushes(self) -> Iterable[PushSubscription]:
        sql = "SELECT endpoint, account, public, secret, server, token, time FROM push"
        return (PushSubscription(*row) for row in self._db.execute(sql))

    def add_push(self, subscription: PushSubscription, gone: Sequence[str]) -> None:
        sql = (
            "REPLACE INTO push (endpoint, account, public, secret, server, token, time)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        self._execute(*((_DROP, (it,)) for it in gone), (sql, subscription))

    def drop_push(self, endpoint: str) -> None:
        self._execute((_DROP, (endpoint,)))


_DROP = "DELETE FROM push WHERE endpoint = ?"
"""Drops the subscription of an endpoint."""
