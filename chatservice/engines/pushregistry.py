"""The subscriptions of browsers to push messages, in memory, for any engine in one process."""

from collections.abc import Callable

from chatservice.domain.ports.account_ports import AccountChanged, PasswordChanged, TokenRevoked
from chatservice.domain.ports.engine_ports import Change
from chatservice.domain.ports.push_ports import PushChanged, PushSubscription
from chatservice.engines.accountregistry import AccountRegistry
from chatservice.engines.tables import Effects, Storage, decided
from chatservice.errors import Code, Refusal


class PushRegistry:
    """The port `PushStore`. Its changes are decided one after another with those of accounts."""

    def __init__(self, storage: Storage, accounts: AccountRegistry) -> None:
        self._store, self._tell = storage.store, storage.tell
        self._accounts = accounts
        self.deciding = accounts.deciding
        self._tables = storage.tables
        self._by_endpoint: dict[str, PushSubscription] = {}
        self.load()
        self.effects: Effects = {"add_push": self._added, "drop_push": self._dropped}

    def load(self) -> None:
        """Load the subscriptions that the tables have now."""
        self._by_endpoint = {it.endpoint: it for it in self._tables.load_pushes()}

    @decided
    async def subscribe(self, subscription: PushSubscription, password: str, most: int) -> None:
        key, token = subscription.account, subscription.token
        account = await self._accounts.account(key)
        good = account is not None and account.password == password
        if token:
            found = await self._accounts.token(token)
            good = account is not None and found is not None and found.account == key
        if not good:
            raise Refusal(Code.WRONG_PASSWORD, "Your password or token was changed; come in again.")
        others = [it for it in self._of(key) if it.endpoint != subscription.endpoint]
        gone = [it.endpoint for it in others[: max(len(others) + 1 - most, 0)]]
        await self._store("add_push", subscription, gone)

    def _added(self, _: None, subscription: PushSubscription, gone: list[str]) -> None:
        former = self._by_endpoint.pop(subscription.endpoint, None)
        for endpoint in gone:
            self._by_endpoint.pop(endpoint, None)
        self._by_endpoint[subscription.endpoint] = subscription
        if former is not None and former.account != subscription.account:
            self._told(former.account)
        self._told(subscription.account)

    @decided
    async def unsubscribe(self, account: str, endpoint: str) -> bool:
        there = self._by_endpoint.get(endpoint)
        if there is None or there.account != account:
            return False
        await self._store("drop_push", endpoint)
        return True

    def _dropped(self, _: None, endpoint: str) -> None:
        self._drop(lambda it: it.endpoint == endpoint)

    def account_changed(self, change: Change) -> None:
        """Drop the subscriptions that end with a change of an account; they are stored no more."""
        match change:
            case PasswordChanged(key, _, alone):
                self._drop(lambda it: it.account == key and (alone or not it.token))
            case TokenRevoked(sha256):
                self._drop(lambda it: it.token == sha256)
            case AccountChanged(key, None):
                self._drop(lambda it: it.account == key)

    def _drop(self, is_gone: Callable[[PushSubscription], bool]) -> None:
        gone = [it for it in self._by_endpoint.values() if is_gone(it)]
        for it in gone:
            del self._by_endpoint[it.endpoint]
        for key in dict.fromkeys(it.account for it in gone):
            self._told(key)

    def _of(self, account: str) -> list[PushSubscription]:
        """Return the subscriptions of an account, oldest first."""
        own = (it for it in self._by_endpoint.values() if it.account == account)
        return sorted(own, key=lambda it: (it.time, it.endpoint))

    def _told(self, account: str) -> None:
        self._tell(PushChanged(account, tuple(self._of(account))))

    def changes(self) -> list[PushChanged]:
        """Return what a new follower is told: all subscriptions, by their accounts."""
        accounts = dict.fromkeys(it.account for it in self._by_endpoint.values())
        return [PushChanged(key, tuple(self._of(key))) for key in accounts]
