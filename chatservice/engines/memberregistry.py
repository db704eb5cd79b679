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
from chatservice.engines.tables import Storage


class MemberRegistry:
    """The port `MemberStore`. The tables decide about one change after another."""

    def __init__(self, storage: Storage, accounts: AccountRegistry) -> None:
        self._tables, self._store, self._tell = storage[:3]
        self._look = storage.look
        self._accounts = accounts

    async def keep(self, member: Membership, most: int) -> None:
        if await self._store(self._tables.add_member, member, most):
            self._tell(MemberChanged(member.account, member.room, member.read))

    async def drop(self, account: str, room: int) -> None:
        await self._store(self._tables.drop_member, account, room)
        self._tell(MemberChanged(account, room, None))

    def of_account(self, account: str) -> Awaitable[Sequence[Membership]]:
        return self._look(self._tables.members_of_account, account)

    async def of_room(self, room: int, after: str, limit: int) -> MemberPage:
        keys, following = await self._look(self._tables.members_of_room, room, after, limit)
        return MemberPage(self._accounts.names_of(keys), following)

    async def mark_read(self, positions: ReadPositions) -> None:
        await self._store(self._tables.mark_read, positions)
        self._accounts.set_read(positions)
        self._tell(ReadChanged(positions))
