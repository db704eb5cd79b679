"""An engine's rooms and accounts, with the followers that are told of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from chatservice import names
from chatservice.domain.ports.account_ports import AccountChanged
from chatservice.domain.ports.engine_ports import Change, Follower
from chatservice.domain.ports.room_ports import RoomRemoved, RoomRetired, TopicChanged
from chatservice.engines.accountregistry import AccountRegistry
from chatservice.engines.memberregistry import MemberRegistry
from chatservice.engines.pushregistry import PushRegistry
from chatservice.engines.roomregistry import RoomRegistry
from chatservice.engines.tables import Storage, Tables
from chatservice.limits import Limits


class Registry:
    """The rules about `rooms`, `accounts`, `pushes` and `members`, and the state of all but the
    last in memory, for any engine in one process. The arguments are those of a `Storage`."""

    def __init__(
        self,
        tables: Tables,
        store: Callable[..., "Deferred[Any]"],
        unused: Callable[[int], None],
        forget_files: Callable[[str], Awaitable[None]],
        look: Callable[..., "Deferred[Any]"],
        limits: Limits,
    ) -> None:
        storage = Storage(tables, store, self.changed, unused, forget_files, look)
        self.rooms = RoomRegistry(storage)
        self.accounts = AccountRegistry(storage, limits)
        self.members = MemberRegistry(storage, self.accounts)
        self.pushes = PushRegistry(storage, self.accounts)
        parts = self.rooms, self.accounts, self.members, self.pushes
        self._effects = {name: it for part in parts for name, it in part.effects.items()}
        self.followers: list[Follower] = []

    def load(self) -> None:
        """Load again all that the tables have, before anybody follows."""
        for part in (self.rooms, self.accounts, self.pushes):
            part.load()

    def stored(self, result: Any, name: str, args: Sequence[Any]) -> Any:
        """Bring the state in memory up to what a method of the tables has stored, by its name, and
        tell the followers. Return the `result` of the method. The engine calls this after each of
        them, in their order."""
        effect = self._effects.get(name)
        if effect is not None:
            effect(result, *args)
        return result

    def changed(self, change: Change) -> None:
        """Apply a stored change to what depends on it, and tell the followers."""
        match change:
            case TopicChanged(room, topic):
                self.rooms.set_topic(room, topic)
            case RoomRetired(number=room) | RoomRemoved(room):
                self.accounts.room_closed(room)
            case AccountChanged(key, None):
                self.rooms.account_deleted(key)
        self.pushes.account_changed(change)
        for follower in self.followers:
            follower.changed(change)

    async def follow(self, follower: Follower, last: Mapping[int, int]) -> None:
        """Tell a follower all rooms, with the last positions of their logs, all operators, and all
        subscriptions."""
        self.followers.append(follower)
        for row in tuple(self.rooms.rows.values()):
            follower.changed(replace(row, last=last.get(row.number, 0)))
        for name in await self.accounts.operators():
            key = names.key(name)
            follower.changed(AccountChanged(key, await self.accounts.account(key)))
        for told in self.pushes.changes():
            follower.changed(told)
