"""The rooms that users keep: registered ones for good, guests while they are connected.

A user keeps a room from the first time that they join it until they leave it. Their sessions come
and go meanwhile. A kept room gives no right: `chatservice.domain.rights` decides at each use. The
engine has all memberships. Here are those of accounts with a session.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from chatservice.domain.model import KeptRoom, KeptRooms, Room, Session, User
from chatservice.domain.ports.loop_ports import EventLoop
from chatservice.domain.ports.member_ports import (
    MemberChanged,
    MemberPage,
    Membership,
    MemberStore,
    too_many_rooms,
)
from chatservice.domain.readpositions import KeptByAccount, ReadPositions
from chatservice.domain.rights import Rights
from chatservice.errors import NOT_IN_ROOM, Code, Refusal
from chatservice.limits import Limits


class Members:
    """The memberships in `store`; `kept` has those of accounts with a session. `reading` begins
    where one begins. `now` tells the time in milliseconds since 1970."""

    def __init__(
        self,
        store: MemberStore,
        kept: KeptByAccount,
        reading: ReadPositions,
        rights: Rights,
        loop: EventLoop,
        limits: Limits,
        now: Callable[[], int],
    ) -> None:
        self._store, self._kept, self._reading = store, kept, reading
        self._rights, self._loop, self._limits = rights, loop, limits
        self._now = now

    async def load(self, account: str) -> KeptRooms:
        """Return the rooms that an account keeps, by its key: one object for all its sessions."""
        kept = self._kept.get(account)
        if kept is None:
            rows = await self._store.of_account(account)
            kept = self._kept.get(account)  # another login may have come first
            if kept is None:
                kept = self._kept[account] = KeptRooms(account)
                kept.rooms = {row.room: KeptRoom(row.read) for row in rows}
        return kept

    def registered(self, user: User) -> None:
        """Note that a guest is registered, and goes on keeping the rooms that they went out of."""
        before, user.kept = user.kept, KeptRooms(user.key)
        self._kept[user.key] = user.kept

        async def keep(number: int, read: int) -> None:
            with suppress(Refusal):
                member = Membership(user.key, number, read, self._now())
                await self._store.keep(member, self._limits.kept_rooms)

        for number, it in before.rooms.items() if before is not None else ():
            self._loop.run(keep(number, it.read))

    def keep_of_guest(self, user: User, room: Room, position: int) -> None:
        """Let a guest go on keeping a room that they go out of, or say how far they have read. They
        have read it up to a position. Beyond the bound they do not keep it."""
        if user.registered:
            return
        user.kept = user.kept or KeptRooms("")
        if room.number in user.kept.rooms or len(user.kept.rooms) < self._limits.kept_rooms:
            user.kept.rooms.setdefault(room.number, KeptRoom(position))

    def check_count(self, user: User) -> None:
        """Raise `Refusal` (too-many) if a user keeps as many rooms as may be."""
        if user.kept is not None and len(user.kept.rooms) >= self._limits.kept_rooms:
            raise too_many_rooms(self._limits.kept_rooms)

    def check_keeps(self, user: User, room: Room) -> None:
        """Raise `Refusal` (not-in-room) unless a user keeps a room, and may still come in."""
        stays = user.kept is None or self.kept_by(user, {room.number: room})
        if not (user.keeps(room) and stays):
            raise Refusal(Code.NOT_IN_ROOM, NOT_IN_ROOM, room=room.name)

    async def keep(self, user: User, room: Room) -> None:
        """Let a user keep a room from now on, if they are registered and do not yet. Raises
        `Refusal` (too-many, not-stored)."""
        kept = user.kept
        if kept is not None and user.registered and room.number not in kept.rooms:
            member = Membership(kept.account, room.number, room.log.last, self._now())
            await self._store.keep(member, self._limits.kept_rooms)

    def keep_soon(self, user: User, room: Room) -> None:
        """Let a user keep a room that they are in, without waiting. They stay if it is refused."""

        async def keep() -> None:
            with suppress(Refusal):
                await self.keep(user, room)

        if user.registered and user.kept is not None and room.number not in user.kept.rooms:
            self._loop.run(keep())

    async def drop(self, user: User, number: int) -> None:
        """Let a user keep a room no longer. Raises `Refusal` (not-stored)."""
        if user.kept is not None and number in user.kept.rooms:
            if user.registered:
                await self._store.drop(user.kept.account, number)
            else:
                del user.kept.rooms[number]

    def undo(self, user: User, room: Room) -> None:
        """Take back that a user keeps a room: they may not come in after all."""
        self._drop_soon(user, room.number)

    def _drop_soon(self, user: User, number: int) -> None:
        """Drop a room without waiting. If that cannot be stored, the next login tries again."""

        async def drop() -> None:
            with suppress(Refusal):
                await self.drop(user, number)

        self._loop.run(drop())

    def kept_by(self, user: User, rooms: Mapping[int, Room]) -> list[Room]:
        """Return which of the `rooms`, by their numbers, a user keeps. Those that they may not come
        into any more are kept no longer."""
        if user.kept is None:
            return []
        found = []
        for number in sorted(user.kept.rooms):
            room = rooms.get(number)
            if room is None:
                continue
            try:
                if not room.has_user(user):
                    self._rights.check_user_may_enter(user, room)
                found.append(room)
            except Refusal:
                self._drop_soon(user, number)
        return found

    def page(self, room: Room, after: str, limit: int) -> Awaitable[MemberPage]:
        """Return a page of a room's members behind a key, also of those who are away."""
        return self._store.of_room(room.number, after, limit)

    def entered(self, session: Session, room: Room, caught_up: bool = False) -> None:
        """Note that a session is in a room: its user keeps it, and reads it, maybe. One that is
        `caught_up` is shown what is unread (`first_shown`)."""
        user = session.require_user()
        kept = user.kept
        if kept is None or not session.traits.visible:
            return
        if room.number in kept.rooms:
            cursor = room.sessions[session]
            self._reading.begin(session, cursor, kept.rooms[room.number], caught_up)
        else:
            self.keep_soon(user, room)

    # -- what the engine says (`chatservice.domain.replica`) -------------------------------------

    def changed(self, change: MemberChanged, user: User | None, room: Room | None) -> None:
        """Apply the beginning or the end of a membership; `user` is the account's, if here."""
        kept = self._kept.get(change.account)
        if kept is None:
            return
        if change.read is None:
            kept.rooms.pop(change.room, None)
            return
        kept.rooms[change.room] = KeptRoom(change.read)
        for session in user.sessions if user is not None and room is not None else ():
            if room is not None and session in room.sessions:
                cursor = room.sessions[session]
                self._reading.begin(session, cursor, kept.rooms[change.room])

    def ended(self, account: str, room: int | None = None) -> None:
        """Forget the membership in a room, or all of a deleted account."""
        kept = self._kept.get(account)
        if kept is not None and room is not None:
            kept.rooms.pop(room, None)
        elif kept is not None:
            kept.rooms.clear()
            del self._kept[account]

    def room_ended(self, room: int) -> None:
        """Forget all memberships in a room that is gone."""
        for kept in tuple(self._kept.values()):
            kept.rooms.pop(room, None)
