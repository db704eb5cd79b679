"""The read positions of registered users: how far they have read the rooms that they keep, and
their inboxes.

A read position moves at once here, as a cursor does, and is stored with others every few seconds:
nothing is written for each entry and each reader. That of an inbox is the account's. It moves with
the cursors, too (`Publisher.save_read_position`).
"""

from collections.abc import Sequence
from weakref import WeakValueDictionary

from chatservice import events
from chatservice.domain.log import Cursor, EventBatch
from chatservice.domain.model import KeptRoom, KeptRooms, Room, Session, User
from chatservice.domain.ports.account_ports import AccountStore
from chatservice.domain.ports.loop_ports import EventLoop
from chatservice.domain.ports.member_ports import MemberStore, ReadChanged
from chatservice.limits import Limits

KeptByAccount = WeakValueDictionary[str, KeptRooms]
"""The rooms that accounts keep, by their keys: of those with a session, or with a read position
that is not stored yet."""


class ReadPositions:
    """The read positions in `store`, and those in `kept` that are not in it yet.

    A read position moves with a session that reads what it is shown
    (`SessionTraits.reads_as_shown`), or as a session says (`mark`).
    """

    def __init__(
        self,
        store: MemberStore,
        accounts: AccountStore,
        kept: KeptByAccount,
        loop: EventLoop,
        limits: Limits,
    ) -> None:
        self._store, self._accounts, self._kept = store, accounts, kept
        self._loop, self._limits = loop, limits
        self._unsaved: dict[KeptRooms, None] = {}
        self._reading: set[Cursor] = set()
        self._saves_later = self._saves_soon = False

    def first_shown(self, user: User, room: Room, recent: bool = True) -> int:
        """Return the position behind which a person who comes in is shown entries: all unread ones
        up to a bound, or else the last few, if they see `recent` ones. Those that another session
        of theirs was shown a moment ago are read."""
        kept = user.kept.rooms.get(room.number) if user.kept is not None else None
        last = room.log.last
        if kept is not None:
            self._catch_up(user, room)
        if kept is not None and kept.read < last:
            return max(kept.read, last - self._limits.unread_shown)
        return max(last - self._limits.recent_lines, 0) if recent else last

    def begin(
        self, session: Session, cursor: Cursor, kept: KeptRoom, caught_up: bool = False
    ) -> None:
        """Take what a session is shown as read, unless something unread comes before that."""
        if session.traits.reads_as_shown and (caught_up or cursor.position <= kept.read):
            self._reading.add(cursor)
            self._save_later()

    def left(self, cursor: Cursor) -> None:
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
        for room in {room: None for session in user.sessions for room in session.rooms}:
            self._catch_up(user, room)

    def _catch_up(self, user: User, room: Room) -> None:
        for session in user.sessions:
            cursor = room.sessions.get(session)
            if cursor in self._reading:
                self._note(cursor)

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
        self.tell(user, name, position, by)

    async def mark_inbox(self, session: Session, position: int, back: bool) -> int:
        """Move the read position in the inbox of a session's user: forward, or with `back` also
        back. Return where it is then. Raises `Refusal` (not-stored)."""
        user = session.require_user()
        account = await self._accounts.account(user.key)
        if account is None or user.inbox is None:
            return 0
        position = min(position, user.inbox.last)
        if not back:
            position = max(position, account.read_position)
        if position != account.read_position:
            await self._store.mark_read({(user.key, user.inbox.id): position})
            self.tell(user, "@", position, session)
        return position

    def tell(self, user: User, log: str, position: int, but: Session | None = None) -> None:
        """Tell the sessions of a user, except one, that their read position in a log has moved."""
        for session in user.sessions:
            if session is not but and (session.only_room is None or session.only_room.name == log):
                session.peer.tell(EventBatch((events.ReadMoved(log, position),)))

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
