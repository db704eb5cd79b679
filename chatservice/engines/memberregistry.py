"""The rooms that accounts keep, for any engine in one process. They stay in its tables: nobody
needs those of all absent users in memory."""

from collections.abc import Awaitable, Sequence

from chatservice.domain.ports.member_ports import (
    MemberChanged,
    MemberPage,
    Membership,
    ReadChanged,
    ReadPositions,
)
from chatservice.engines.accountregistry import AccountRegistry
from chatservice.engines.tables import Effects, Storage


class MemberRegistry:
    """The port `MemberStore`. The tables decide about one change after another."""

    def __init__(self, storage: Storage, accounts: AccountRegistry) -> None:
        self._tables, self._store, self._tell = storage[:3]
        self._look = storage.look
        self._accounts = accounts
        self.effects: Effects = {
            "add_member": self._added,
            "drop_member": self._dropped,
            "mark_read": self._marked_read,
        }

    async def keep(self, member: Membership, most: int) -> None:
        await self._store("add_member", member, most)

    def _added(self, new: bool, member: Membership, most: int) -> None:
        if new:
            self._tell(MemberChanged(member.account, member.room, member.read))

    def drop(self, account: str, room: int) -> Awaitable[None]:
        return self._store("drop_member", account, room)

    def _dropped(self, _: None, account: str, room: int) -> None:
        self._tell(MemberChanged(account, room, None))

    def of_account(self, account: str) -> Awaitable[Sequence[Membership]]:
        return self._look(self._tables.members_of_account, account)

    async def of_room(self, room: int, after: str, limit: int) -> MemberPage:
        keys, following = await self._look(self._tables.members_of_room, room, after, limit)
        return MemberPage(self._accounts.names_of(keys), following)

    def mark_read(self, positions: ReadPositions) -> Awaitable[None]:
        return self._store("mark_read", positions)

    def _marked_read(self, _: None, positions: ReadPositions) -> None:
        self._accounts.set_read(positions)
        self._tell(ReadChanged(positions))
