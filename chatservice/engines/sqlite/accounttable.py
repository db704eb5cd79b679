"""Accounts in the database: `chatservice.domain.ports.AccountStore`."""

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.domain.ports import Account, AccountChanged, Change, GuestRegistered, Token
from chatservice.engines.localclaims import LocalNameClaims
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits


class AccountTable:
    """The tables `account`, `token` and `code` of the database `db`.

    The first two are in memory too, with the skeletons of the names, because each login needs them.
    `change` runs a job in the database's thread, which the disk may refuse (`Refusal`, not-stored).
    Within `commit`, all is stored or nothing. `new_log` makes a log with a time and a last
    position, and `last_of` returns the last position of one. `empty` deletes the entries of one, in
    small steps. `moved` gets the old and the new number of a guest's inbox in the database's
    thread, and `arrived` the old one once the follower knows it. `changed` takes a change for the
    follower.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        change: Callable[..., "Deferred[Any]"],
        commit: Callable[[], AbstractContextManager[None]],
        new_log: Callable[[int, int], int],
        last_of: Callable[[int], int],
        empty: Callable[[int], None],
        moved: Callable[[int, int], None],
        arrived: Callable[[int], None],
        changed: Callable[[Change], None],
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._db = db
        self._change = change
        self._commit = commit
        self._new_log = new_log
        self._last_of = last_of
        self._empty = empty
        self._moved = moved
        self._arrived = arrived
        self._changed = changed
        self.claims = LocalNameClaims(self.is_alike)
        self._accounts: dict[str, Account] = {}
        self._by_inbox: dict[int, Account] = {}
        self._looks: Counter[str] = Counter()
        for name, password, inbox, shown, operator, since in db.execute(
            "SELECT name, password, inbox, shown, operator, coalesce(created, 0)"
            " FROM account LEFT JOIN log ON log.id = inbox"
        ):
            self._keep(Account(name, password, inbox, shown, bool(operator), since))
            self._looks.update(skeletons(name))
        rows = db.execute("SELECT sha256, account, label, log, time FROM token")
        self._tokens: dict[str, Token] = {sha256: Token(*rest) for sha256, *rest in rows}

    def _keep(self, account: Account) -> None:
        self._accounts[names.key(account.name)] = self._by_inbox[account.inbox] = account

    # -- in the reactor's thread -----------------------------------------------------------------

    def account(self, key: str) -> Awaitable[Account | None]:
        return succeed(self._accounts.get(key))

    def is_alike(self, wanted: frozenset[str]) -> bool:
        """Return whether a registered name has one of these skeletons."""
        return not self._looks.keys().isdisjoint(wanted)

    def operators(self) -> Awaitable[Sequence[str]]:
        return succeed(sorted(it.name for it in self._accounts.values() if it.operator))

    def accounts(self) -> Awaitable[Mapping[str, Account]]:
        return succeed(self._accounts)

    def token_counts(self) -> Awaitable[Mapping[str, int]]:
        return succeed(Counter(it.account for it in self._tokens.values()))

    async def register(
        self,
        name: str,
        password: str,
        inbox: int | None,
        time: int,
        code: str | None = None,
        guest: str = "",
    ) -> Account:
        key, mine = names.key(name), skeletons(name)
        if key not in self._accounts and not self._looks.keys().isdisjoint(mine):
            await self._change(lambda: None)  # what is on its way to be registered, is or was not
        if key in self._accounts:
            raise Refusal(
                Code.ALREADY_REGISTERED, "{name} is registered already; `login`.", name=name
            )
        if self.is_alike(mine):
            raise Refusal(
                Code.NAME_TAKEN, "{name} looks like a registered name; take another one.", name=name
            )
        self.claims.check(name, guest=guest)
        self._looks.update(mine)
        try:
            account: Account = await self._change(
                self._register, key, name, password, inbox, time, code, guest
            )
        except BaseException:
            self._looks -= Counter(mine)
            raise
        self._keep(account)
        self.claims.release(name)
        if inbox is None:
            self._changed(AccountChanged(key, account))
        else:
            self._changed(GuestRegistered(guest, inbox, account))
            self._arrived(inbox)
        return account

    async def set_password(
        self, key: str, password: str, alone: bool = False, before: str | None = None
    ) -> bool:
        tokens = self._own(key)
        if not await self._change(self._set_password, key, password, alone, before):
            return False
        self._keep(replace(self._accounts[key], password=password))
        if alone:
            own = self._own(key)
            for sha256 in own:
                del self._tokens[sha256]
            if own - tokens:  # made meanwhile, and stored behind it
                await self._change(self._execute, "DELETE FROM token WHERE account = ?", key)
        return True

    def _own(self, key: str) -> set[str]:
        return {sha256 for sha256, token in self._tokens.items() if token.account == key}

    async def rename(self, key: str, name: str) -> None:
        await self._change(self._execute, "UPDATE account SET name = ? WHERE key = ?", name, key)
        self._keep(replace(self._accounts[key], name=name))
        self._changed(AccountChanged(key, self._accounts[key]))

    async def delete(self, key: str, mark: str) -> None:
        account = self._accounts[key]
        await self._change(self._delete, account, key, mark)
        for sha256 in self._own(key):
            del self._tokens[sha256]
        del self._accounts[key], self._by_inbox[account.inbox]
        self._looks -= Counter(skeletons(account.name))
        self._empty(account.inbox)
        self._changed(AccountChanged(key, None))

    async def set_operator(self, key: str, operator: bool) -> None:
        sql = "UPDATE account SET operator = ? WHERE key = ?"
        await self._change(self._execute, sql, int(operator), key)
        self._keep(replace(self._accounts[key], operator=operator))
        self._changed(AccountChanged(key, self._accounts[key]))

    def shown(self, positions: Mapping[int, int]) -> None:
        """Remember up to where inboxes were shown; `write_shown` keeps it."""
        for inbox, position in positions.items():
            account = self._by_inbox.get(inbox)
            if account is None:  # it was deleted meanwhile
                continue
            self._keep(replace(account, read_position=max(position, account.read_position)))

    def token(self, sha256: str) -> Awaitable[Token | None]:
        return succeed(self._tokens.get(sha256))

    def tokens(self, key: str) -> Awaitable[Sequence[Token]]:
        own = (it for it in self._tokens.values() if it.account == key)
        return succeed(sorted(own, key=lambda it: (it.time, it.label)))

    async def add_token(self, sha256: str, token: Token) -> None:
        own = [it.label for it in self._tokens.values() if it.account == token.account]
        if token.label in own:
            raise Refusal(
                Code.TOKEN_EXISTS,
                "There is a token {label} already; `revoke` it first, or take another label.",
                label=token.label,
            )
        if len(own) >= self._limits.tokens:
            raise Refusal(
                Code.TOO_MANY,
                "You have {limit} tokens; `revoke` one of them first.",
                limit=self._limits.tokens,
            )
        self._tokens[sha256] = token
        sql = "INSERT INTO token (sha256, account, label, log, time) VALUES (?, ?, ?, ?, ?)"
        try:
            await self._change(self._execute, sql, sha256, *token)
        except BaseException:
            self._tokens.pop(sha256, None)
            raise

    async def revoke(self, key: str, label: str) -> str:
        wanted = (key, label)
        found = (at for at, it in self._tokens.items() if (it.account, it.label) == wanted)
        sha256 = next(found, None)
        if sha256 is None:
            raise Refusal(
                Code.NO_SUCH_TOKEN,
                "You have no token {label}; `tokens` lists those you have.",
                label=label[:32],
            )
        await self._change(self._execute, "DELETE FROM token WHERE sha256 = ?", sha256)
        self._tokens.pop(sha256, None)
        return sha256

    def room_removed(self, room: int) -> None:
        """Forget the tokens that were good for that room alone; they are stored no more."""
        for sha256 in [sha256 for sha256, it in self._tokens.items() if it.room == room]:
            del self._tokens[sha256]

    def add_code(self, sha256: str, who: str, time: int) -> Awaitable[None]:
        sql = "INSERT INTO code (code, who, time) VALUES (?, ?, ?)"
        return self._change(self._execute, sql, sha256, who, time)

    def code(self, sha256: str) -> Awaitable[bool]:
        return self._change(self._has_code, sha256)

    def drop_code(self, sha256: str) -> Awaitable[bool]:
        return self._change(self._drop_code, sha256)

    # -- in the database's thread ----------------------------------------------------------------

    def write_shown(self, positions: Mapping[int, int]) -> None:
        """Keep up to where inboxes were shown, within the commit that is under way."""
        self._db.executemany(
            "UPDATE account SET shown = max(shown, ?) WHERE inbox = ?",
            ((position, log) for log, position in positions.items()),
        )

    def _execute(self, sql: str, *values: Any) -> None:
        with self._commit():
            self._db.execute(sql, values)

    def _delete(self, account: Account, key: str, mark: str) -> None:
        last = self._last_of(account.inbox)
        with self._commit():
            self._db.execute("DELETE FROM token WHERE account = ?", (key,))
            self._db.execute("DELETE FROM account WHERE key = ?", (key,))
            sql = "DELETE FROM rule WHERE whom = ? AND what IN ('owner', 'moderator', 'invited')"
            self._db.execute(sql, (key,))
            self._db.execute("DELETE FROM said WHERE who = ?", (key,))
            self._db.execute("UPDATE file SET who = ?, owner = '' WHERE owner = ?", (mark, key))
            sql = "UPDATE log SET last = ?1, ended = ?1 WHERE id = ?2"
            self._db.execute(sql, (last, account.inbox))

    def _drop_code(self, sha256: str) -> bool:
        with self._commit():
            return self._db.execute("DELETE FROM code WHERE code = ?", (sha256,)).rowcount > 0

    def _has_code(self, sha256: str) -> bool:
        sql = "SELECT 1 FROM code WHERE code = ?"
        return self._db.execute(sql, (sha256,)).fetchone() is not None

    def _register(
        self,
        key: str,
        name: str,
        password: str,
        inbox: int | None,
        time: int,
        code: str | None,
        guest: str,
    ) -> Account:
        if code is not None and not self._has_code(code):
            raise Refusal(Code.BAD_CODE, "That code is not good, or not any more; ask for another.")
        with self._commit():
            if code is not None:
                self._db.execute("DELETE FROM code WHERE code = ?", (code,))
            shown = self._last_of(inbox) if inbox is not None else 0
            log = self._new_log(time, shown)  # its blocks may be older than the last notes
            if inbox is not None:
                self._take_over(inbox, log)
            if guest:
                self._give(guest, key)
            self._db.execute(
                "INSERT INTO account (key, name, password, inbox, shown) VALUES (?, ?, ?, ?, ?)",
                (key, name, password, log, shown),
            )
        if inbox is not None:
            self._moved(inbox, log)  # here, so that no batch in between goes where nobody looks
        return Account(name, password, log, shown, created=time)

    def _give(self, guest: str, key: str) -> None:
        """Give an account the belongings of a guest (`User.id`), except for their inbox."""
        for table in ("file", "partial"):
            self._db.execute(f"UPDATE {table} SET owner = ? WHERE owner = ?", (key, guest))
        # Each log by itself: there is no index of writers, which would cost every message.
        logs = (
            "WITH RECURSIVE logs(log) AS (SELECT min(log) FROM said UNION ALL"
            " SELECT (SELECT min(said.log) FROM said WHERE said.log > logs.log) FROM logs"
            " WHERE logs.log IS NOT NULL) SELECT log FROM logs WHERE log IS NOT NULL"
        )
        sql = "UPDATE OR REPLACE said SET who = ? WHERE log = ? AND who = ?"
        for (log,) in self._db.execute(logs).fetchall():
            self._db.execute(sql, (key, log, guest))

    def _take_over(self, guest: int, log: int) -> None:
        for table in ("block", "said"):
            self._db.execute(f"UPDATE {table} SET log = ? WHERE log = ?", (log, guest))

    def _set_password(self, key: str, password: str, alone: bool, before: str | None) -> bool:
        sql = "UPDATE account SET password = ?1 WHERE key = ?2 AND password = ifnull(?3, password)"
        with self._commit():
            if not self._db.execute(sql, (password, key, before)).rowcount:
                return False
            if alone:
                self._db.execute("DELETE FROM token WHERE account = ?", (key,))
        return True
