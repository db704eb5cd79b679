"""The rooms that registered users keep, and how far they have read them.

A user keeps a room from the first time that they join it until they leave it. Their sessions come
and go meanwhile. A kept room gives no right: `chatservice.domain.rights` decides at each use.

The engine has all memberships. Here are those of accounts with a session, and those with a read
position that is not stored yet. A read position moves at once here, as a cursor does, and is stored
with others every few seconds: nothing is written for each entry and each reader.
"""

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from weakref import WeakValueDictionary

from chatservice import events
from chatservice.domain.log import Cursor, EventBatch
from chatservice.domain.model import KeptRoom, KeptRooms, Room, Session, User
from chatservice.domain.ports.loop_ports import EventLoop
from chatservice.domain.ports.member_ports import (
    MemberChanged,
    MemberPage,
    Membership,
    MemberStore,
    ReadChanged,
    too_many_rooms,
)
from chatservice.domain.rights import Rights
from chatservice.errors import Refusal
from chatservice.limits import Limits


class Members:
    """The memberships in `store`, and the read positions that are not in it yet.

    A read position is that of a session that has read what it was shown
    (`SessionTraits.reads_as_shown`), or what a session says (`mark`).
    """

    def __init__(self, store: MemberStore, rights: Rights, loop: EventLoop, limits: Limits) -> None:
        self._store, self._rights = store, rights
        self._loop, self._limits = loop, limits
        self._kept: WeakValueDictionary[str, KeptRooms] = WeakValueDictionary()
        self._unsaved: dict[KeptRooms, None] = {}
        self._reading: set[Cursor] = set()
        self._saves_later = self._saves_soon = False

    # -- memberships -----------------------------------------------------------------------------

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
        """Note that a guest is registered, and keeps no room yet."""
        user.kept = self._kept[user.key] = KeptRooms(user.key)

    def check_count(self, user: User) -> None:
        """Raise `Refusal` (too-many) if a user keeps as many rooms as may be."""
        if user.kept is not None and len(user.kept.rooms) >= self._limits.kept_rooms:
            raise too_many_rooms(self._limits.kept_rooms)

    async def keep(self, user: User, room: Room, now: int) -> None:
        """Let a user keep a room from now on, if they are registered and do not yet. `now` is in
        milliseconds since 1970. Raises `Refusal` (too-many, not-stored)."""
        kept = user.kept
        if kept is not None and room.number not in kept.rooms:
            member = Membership(kept.account, room.number, room.log.last, now)
            await self._store.keep(member, self._limits.kept_rooms)

    def keep_soon(self, user: User, room: Room, now: int) -> None:
        """Let a user keep a room that they are in, without waiting. They stay if it is refused."""

        async def keep() -> None:
            with suppress(Refusal):
                await self.keep(user, room, now)

        if user.kept is not None and room.number not in user.kept.rooms:
            self._loop.run(keep())

    async def drop(self, user: User, number: int) -> None:
        """Let a user keep a room no longer. Raises `Refusal` (not-stored)."""
        if user.kept is not None and number in user.kept.rooms:
            await self._store.drop(user.kept.account, number)

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

    # -- read positions --------------------------------------------------------------------------

    def first_shown(self, user: User, room: Room) -> int:
        """Return the position behind which a person who comes in is shown entries: all unread ones
        up to a bound, or else the last few."""
        kept = user.kept.rooms.get(room.number) if user.kept is not None else None
        last = room.log.last
        if kept is not None and kept.read < last:
            return max(kept.read, last - self._limits.unread_shown)
        return max(last - self._limits.recent_lines, 0)

    def entered(self, session: Session, room: Room, now: int, caught_up: bool = False) -> None:
        """Note that a session is in a room: its user keeps it, and reads it, maybe. One that is
        `caught_up` is shown what is unread (`first_shown`)."""
        user, kept = session.require_user(), session.require_user().kept
        if kept is None or not session.traits.visible:
            return
        if room.number in kept.rooms:
            cursor = room.sessions[session]
            self._begin_reading(session, cursor, kept.rooms[room.number], caught_up)
        else:
            self.keep_soon(user, room, now)

    def _begin_reading(
        self, session: Session, cursor: Cursor, kept: KeptRoom, caught_up: bool = False
    ) -> None:
        """Take what a session is shown as read, unless something unread comes before that."""
        if session.traits.reads_as_shown and (caught_up or cursor.position <= kept.read):
            self._reading.add(cursor)
            self._save_later()

    def left(self, session: Session, cursor: Cursor) -> None:
        """Note what a session has read of a log that it, or its user, leaves."""
        if cursor in self._reading:
            self._note(cursor)
            self._reading.discard(cursor)
            self._save_soon()

    def _note(self, cursor: Cursor) -> None:
        session: Session = cursor.owner  # type: ignore[assignment]
        user = session.user
        kept = user.kept.rooms.get(cursor.log.id) if user is not None and user.kept else None
        if user is not None and kept is not None and cursor.position > kept.read:
            self._move(user, cursor.log.id, cursor.log.name, cursor.position, session)

    def catch_up(self, user: User) -> None:
        """Note what the sessions of a user have been shown, up to now."""
        for session in user.sessions:
            for room in session.rooms:
                if room.sessions[session] in self._reading:
                    self._note(room.sessions[session])

    def position(self, session: Session, room: Room) -> int:
        """Return the read position of a session's user in a room that they keep."""
        kept = session.require_user().kept
        return kept.rooms[room.number].read if kept is not None else room.log.last

    def mark(self, session: Session, room: Room, position: int, back: bool = False) -> int:
        """Move the read position of a session's user in a room that they keep: forward, or with
        `back` also back. Return where it is then."""
        user = session.require_user()
        assert user.kept is not None
        kept = user.kept.rooms[room.number]
        position = min(position, room.log.last)
        if back:
            for each in user.sessions:  # what they were shown is not read again
                if each in room.sessions:
                    self._reading.discard(room.sessions[each])
        else:
            position = max(position, kept.read)
        if position != kept.read:
            self._move(user, room.number, room.name, position, session)
            self._save_later()
        return position

    def _move(self, user: User, log: int, name: str, position: int, by: Session) -> None:
        assert user.kept is not None
        user.kept.rooms[log].read = position
        self._unsaved[user.kept] = None
        tell(user, name, position, by)

    # -- storing them ----------------------------------------------------------------------------

    def _save_later(self) -> None:
        if not self._saves_later:
            self._saves_later = True
            self._loop.call_later(self._limits.read_seconds, self._saving_later)

    def _saving_later(self) -> None:
        self._saves_later = False
        for cursor in self._reading:
            self._note(cursor)
        self._loop.run(self._save_some())

    def _save_soon(self) -> None:
        """Store what is read when several sessions, maybe, have ended."""
        if not self._saves_soon and self._unsaved:
            self._saves_soon = True
            self._loop.call_later(self._limits.news_seconds, self._saving_soon)

    def _saving_soon(self) -> None:
        self._saves_soon = False
        self._loop.run(self._save_some())

    async def _save_some(self) -> bool:
        """Store up to `read_batch` read positions. Return whether all of these are stored."""
        taken: list[KeptRooms] = []
        positions: dict[tuple[str, int], int] = {}
        for kept in self._unsaved:
            if len(positions) >= self._limits.read_batch:
                break
            taken.append(kept)
            positions |= kept.unsaved()
        for kept in taken:
            del self._unsaved[kept]
        stored = True
        try:
            if positions:
                await self._store.mark_read(positions)
        except Exception:  # the disk may be full; later it may not be
            stored = False
            self._unsaved |= dict.fromkeys(taken)
        if self._unsaved or self._reading:
            self._save_later()
        return stored

    async def save(self) -> None:
        """Store all read positions, or as many as can be stored: the server stops."""
        for cursor in self._reading:
            self._note(cursor)
        while self._unsaved and await self._save_some():
            pass

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
                self._begin_reading(session, cursor, kept.rooms[change.room])

    def moved(self, change: ReadChanged) -> Sequence[tuple[str, int, int]]:
        """Apply read positions that are stored. Return those that another node has moved: accounts,
        logs and positions."""
        new = []
        for (account, log), position in change.positions.items():
            kept = self._kept.get(account)
            room = kept.rooms.get(log) if kept is not None else None
            if room is None:
                continue
            if room.read == room.saved != position:
                room.read = position
                new.append((account, log, position))
            room.saved = position
        return new

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


def tell(user: User, log: str, position: int, but: Session | None) -> None:
    """Tell the sessions of a user, except one, that their read position in a log has moved."""
    for session in user.sessions:
        if session is not but and (session.only_room is None or session.only_room.name == log):
            session.peer.tell(EventBatch((events.ReadMoved(log, position),)))
