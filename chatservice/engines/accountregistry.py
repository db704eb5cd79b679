"""Registered users in memory, and all rules about them, for one process."""

from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, succeed

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.domain.ports.account_ports import (
    Account,
    AccountChanged,
    GuestRegistered,
    PasswordChanged,
    Token,
    TokenRevoked,
)
from chatservice.domain.ports.member_ports import ReadPositions
from chatservice.engines.localclaims import LocalNameClaims
from chatservice.engines.tables import Effects, Storage, decided
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits


class AccountRegistry:
    """The port `AccountStore`. It decides one change after another: a change is
    checked when the one before it is stored, or is not."""

    def __init__(self, storage: Storage, limits: Limits) -> None:
        self._tables, self._store, self._tell, self._unused = storage[:4]
        self._limits = limits
        self.deciding = DeferredLock()
        self.claims = LocalNameClaims(self.is_alike)
        self._accounts: dict[str, Account] = {}
        self._by_inbox: dict[int, Account] = {}
        self._skeletons: Counter[str] = Counter()
        self._tokens: dict[str, Token] = {}
        self._codes: set[str] = set()
        self.load()
        self.effects: Effects = {
            "add_account": self._added,
            "change_account": self._changed,
            "note_seen": self._seen,
            "delete_account": self._deleted,
            "add_token": self._token_added,
            "revoke": self._revoked,
            "add_code": self._code_added,
            "drop_code": self._code_dropped,
        }

    def load(self) -> None:
        """Load the accounts, tokens and codes that the tables have now."""
        self._accounts.clear()
        self._by_inbox.clear()
        self._skeletons.clear()
        for account in self._tables.load_accounts():
            self._keep(account)
            self._skeletons.update(skeletons(account.name))
        self._tokens = dict(self._tables.load_tokens())
        self._codes = set(self._tables.load_codes())

    def _keep(self, account: Account) -> None:
        self._accounts[names.key(account.name)] = self._by_inbox[account.inbox] = account

    def account(self, key: str) -> Awaitable[Account | None]:
        return succeed(self._accounts.get(key))

    def is_alike(self, wanted: frozenset[str]) -> bool:
        """Return whether a registered name has one of these skeletons."""
        return not self._skeletons.keys().isdisjoint(wanted)

    def operators(self) -> Awaitable[Sequence[str]]:
        return succeed(sorted(it.name for it in self._accounts.values() if it.operator))

    def accounts(self) -> Awaitable[Mapping[str, Account]]:
        return succeed(self._accounts)

    @decided
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
        self._check_name(name, guest)
        if code is not None and code not in self._codes:
            raise Refusal(Code.BAD_CODE, "That code is not good, or not any more; ask for another.")
        self._tables.last_number += 1
        account = Account(name, password, self._tables.last_number, 0, created=time)
        self._skeletons.update(mine)  # at once, so that no guest takes the name meanwhile
        try:
            await self._store("add_account", key, account, inbox, guest, code)
        finally:
            self._skeletons -= Counter(mine)
        if inbox is not None:
            self._store("inbox_known", inbox)
        return self._accounts[key]

    def _added(
        self,
        position: int,
        key: str,
        account: Account,
        inbox: int | None,
        guest: str,
        code: str | None,
    ) -> None:
        self._tables.last_number = max(account.inbox, self._tables.last_number)
        account = replace(account, read_position=position)
        self._keep(account)
        self._skeletons.update(skeletons(account.name))
        self._codes.discard(code or "")
        self.claims.forget(account.name)
        if inbox is None:
            self._tell(AccountChanged(key, account))
        else:
            self._tell(GuestRegistered(guest, inbox, account))

    def _check_name(self, name: str, guest: str) -> None:
        """Raise `Refusal` (already-registered, name-taken) unless an account may have a name."""
        if names.key(name) in self._accounts:
            raise Refusal(
                Code.ALREADY_REGISTERED, "{name} is registered already; `login`.", name=name
            )
        if self.is_alike(skeletons(name)):
            raise Refusal(
                Code.NAME_TAKEN, "{name} looks like a registered name; take another one.", name=name
            )
        self.claims.check(name, guest=guest)

    @decided
    async def set_password(
        self, key: str, password: str, alone: bool = False, before: str | None = None
    ) -> bool:
        account = self._accounts.get(key)
        if account is None or before not in (None, account.password):
            return False
        await self._change(key, alone, password=password)
        return True

    def _change(self, key: str, alone: bool = False, **to: Any) -> "Deferred[None]":
        """Change fields of an account; with `alone`, revoke its tokens."""
        new = replace(self._accounts[key], **to)
        return self._store("change_account", key, new, alone)

    def _changed(self, _: None, key: str, account: Account, alone: bool) -> None:
        before = self._accounts[key]
        account = replace(account, read_position=before.read_position, seen=before.seen)
        self._keep(account)
        if alone:
            self._drop_tokens_of(key)
        if alone or account.password != before.password:
            self._tell(PasswordChanged(key, account.password, alone))
        if (account.name, account.operator) != (before.name, before.operator):
            self._tell(AccountChanged(key, account))

    @decided
    async def rename(self, key: str, name: str) -> None:
        await self._change(key, name=name)

    @decided
    async def set_operator(self, key: str, operator: bool) -> None:
        await self._change(key, operator=operator)

    @decided
    async def delete(self, key: str, mark: str) -> None:
        await self._store("delete_account", key, self._accounts[key], mark)

    def _deleted(self, _: None, key: str, account: Account, mark: str) -> None:
        self._drop_tokens_of(key)
        del self._accounts[key], self._by_inbox[account.inbox]
        self._skeletons -= Counter(skeletons(account.name))
        self._unused(account.inbox)
        self._tell(AccountChanged(key, None))

    def note_read(self, positions: Mapping[int, int]) -> None:
        """Note how far inboxes are read, by their numbers."""
        for inbox, position in positions.items():
            account = self._by_inbox.get(inbox)
            if account is not None:  # it was not deleted meanwhile
                self._keep(replace(account, read_position=max(position, account.read_position)))

    def set_read(self, positions: ReadPositions) -> None:
        """Note how far accounts have read their inboxes; other logs are left out."""
        for (key, log), position in positions.items():
            account = self._accounts.get(key)
            if account is not None and account.inbox == log:
                self._keep(replace(account, read_position=position))

    def names_of(self, keys: Iterable[str]) -> Sequence[str]:
        """Return the names of accounts by their keys; those that are gone are left out."""
        return [self._accounts[key].name for key in keys if key in self._accounts]

    def note_seen(self, times: Mapping[str, int]) -> Awaitable[None]:
        return self._store("note_seen", times)

    def _seen(self, _: None, times: Mapping[str, int]) -> None:
        for key, time in times.items():
            account = self._accounts.get(key)
            if account is not None:
                self._keep(replace(account, seen=max(time, account.seen)))

    @decided
    async def show_seen(self, key: str, shown: bool) -> None:
        await self._change(key, shows_seen=shown)

    # -- tokens and codes ------------------------------------------------------------------------

    def token(self, sha256: str) -> Awaitable[Token | None]:
        return succeed(self._tokens.get(sha256))

    def tokens(self, key: str) -> Awaitable[Sequence[Token]]:
        own = (it for it in self._tokens.values() if it.account == key)
        return succeed(sorted(own, key=lambda it: (it.time, it.label)))

    def token_counts(self) -> Awaitable[Mapping[str, int]]:
        return succeed(Counter(it.account for it in self._tokens.values()))

    @decided
    async def add_token(self, sha256: str, token: Token) -> None:
        own = [it.label for it in self._tokens.values() if it.account == token.account]
        if token.label in own:
            raise Refusal(
                Code.TOKEN_EXISTS,
                "There is a token {label} already; `revoke` it first, or take another label.",
                label=token.label,
            )
        if sha256 in self._tokens:
            raise Refusal(Code.TOKEN_EXISTS, "That key is in use already; take another one.")
        if len(own) >= self._limits.tokens:
            raise Refusal(
                Code.TOO_MANY,
                "You have {limit} tokens; `revoke` one of them first.",
                limit=self._limits.tokens,
            )
        await self._store("add_token", sha256, token)

    def _token_added(self, _: None, sha256: str, token: Token) -> None:
        self._tokens[sha256] = token

    @decided
    async def revoke(self, key: str, label: str) -> None:
        for sha256, token in self._tokens.items():
            if (token.account, token.label) == (key, label):
                await self._store("revoke", sha256)
                return
        raise Refusal(
            Code.NO_SUCH_TOKEN,
            "You have no token {label}; `tokens` lists those you have.",
            label=label[:32],
        )

    def _revoked(self, _: None, sha256: str) -> None:
        self._drop_tokens([sha256])
        self._tell(TokenRevoked(sha256))

    def room_closed(self, room: int) -> None:
        """Drop the tokens that were for that room only; they are stored no more."""
        self._drop_tokens([sha256 for sha256, it in self._tokens.items() if it.room == room])

    def _drop_tokens_of(self, key: str) -> None:
        self._drop_tokens([it for it, token in self._tokens.items() if token.account == key])

    def _drop_tokens(self, gone: Sequence[str]) -> None:
        for sha256 in gone:
            self._tokens.pop(sha256, None)

    def add_code(self, sha256: str, who: str, time: int) -> Awaitable[None]:
        return self._store("add_code", sha256, who, time)

    def _code_added(self, _: None, sha256: str, who: str, time: int) -> None:
        self._codes.add(sha256)

    def code(self, sha256: str) -> Awaitable[bool]:
        return succeed(sha256 in self._codes)

    @decided
    async def drop_code(self, sha256: str) -> bool:
        if sha256 not in self._codes:
            return False
        await self._store("drop_code", sha256)
        return True

    def _code_dropped(self, _: None, sha256: str) -> None:
        self._codes.discard(sha256)
