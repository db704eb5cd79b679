"""Rooms: making them, finding them, and being in them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager

from chatservice import events, limits, names
from chatservice.confusables import skeletons
from chatservice.domain.log import BlockCache, Cursor, EventBatch, Log
from chatservice.domain.loginthrottle import LoginThrottle
from chatservice.domain.model import Room, Session, User
from chatservice.domain.ports import Engine, RoomRow
from chatservice.domain.publisher import Publisher
from chatservice.domain.rights import ROLE_RIGHTS, Rights, Role
from chatservice.domain.roomlimits import RoomLimits
from chatservice.domain.rules import Access, Rule, RuleKind, Rules
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason, Event
from chatservice.grammar.commands import Right
from chatservice.grammar.textformat import duration

Report = Callable[..., None]
"""Called with a format and its fields: a line for the operator."""

CallSoon = Callable[[Callable[[], None]], object]
"""Called with what is to be done in a moment, when more of the kind may have come together."""


class Rooms:
    """Every room there is, in `by_key` (`names.key`).

    `now` tells the time in milliseconds since 1970, `soon` does something in a moment, `report`
    takes a line for the operator, `seconds` tells seconds that only go on. Each of `removing` is
    called with a room that is about to go. `leaving` are the keys of accounts that are being
    deleted.
    """

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        tails: BlockCache,
        now: Callable[[], int],
        soon: CallSoon,
        report: Report,
        rights: Rights,
        attempts: LoginThrottle,
        seconds: Callable[[], float],
    ) -> None:
        self.space = RoomLimits(seconds)
        self._seconds = seconds
        self.by_key: dict[str, Room] = {}
        self._by_number: dict[int, Room] = {}
        self._tails = tails
        self._store = engine.rooms
        self._publisher = publisher
        self._shelves = engine.files
        self.leaving: set[str] = set()
        self._now = now
        self._soon = soon
        self._untold: set[Room] = set()
        self._came: dict[Room, list[str]] = {}
        self._looks: Counter[str] = Counter()
        self._making: dict[object, frozenset[str]] = {}
        self.removing: list[Callable[[Room], None]] = []
        self._report = report
        self._rights = rights
        self._attempts = attempts

    async def open(self, rooms: Iterable[str] = ()) -> None:
        """Take up what is stored, and make sure of the lobby and of the rooms named."""
        rooms = tuple(rooms)
        for name in (names.LOBBY, *rooms):
            self.space.keep(names.key(names.room(name)))
        for row in await self._store.rooms():
            self.space.add(self._add(row))
        if names.LOBBY not in self.by_key:
            await self.make(names.LOBBY)
        for name in sorted(rooms, key=self._wants_number):
            if names.key(names.room(name)) not in self.by_key:
                await self.make(name)

    def _wants_number(self, name: str) -> tuple[bool, int]:
        """Return by what rooms are sorted, so that each that is called by a number gets it."""
        number = names.number_of(name)
        return (False, number) if number and number not in self._by_number else (True, 0)

    @property
    def lobby(self) -> Room:
        """The room in which everybody begins."""
        return self.by_key[names.LOBBY]

    def find(self, name: str) -> Room:
        """Return the room of that name or number: `12` and `room12` are the room of number 12.

        A room of another number that is called `room12` goes before; `12` means it if no room has
        that number.
        """
        if name.isdecimal() and len(name) < 10:
            found = self._by_number.get(int(name)) or self.by_key.get(names.numbered(int(name)))
        else:
            number = names.number_of(name)
            found = self.by_key.get(names.key(name[: limits.LINE_BYTES]))
            found = found or (self._by_number.get(number) if number is not None else None)
        if found is None or found.log.gone:
            raise _no_room(name)
        return found

    def exclusive(self, room: Room) -> AbstractAsyncContextManager[None]:
        """Let a room be changed by nobody else meanwhile (`RoomStore.exclusive`)."""
        return self._store.exclusive(room.number)

    def behind(self, number: int) -> Iterator[Room]:
        """Iterate over the rooms behind a number, in the order of their numbers."""
        return (room for at, room in self._by_number.items() if at > number and not room.log.gone)

    def numbered(self, number: int) -> Room | None:
        """Return the room of that number, or None."""
        return self._by_number.get(number)

    def on_shelf(self, shelf: str) -> Room | None:
        """Return the room whose shelf that is; None where it is a user's."""
        found = self.by_key.get(names.key(shelf) if shelf else names.LOBBY)
        return found if found is not None and found.shelf == shelf else None

    def of(self, session: Session, name: str | None) -> Room:
        """Return the room of that name, or the one the session is in."""
        if name is None:
            if session.here is None:
                raise Refusal(Code.BAD_ARGUMENT, 'Name the "room".')
            return session.here
        room = self.find(name)
        if names.key(name) != names.key(room.name) and not self._rights.sees(session, room):
            raise _no_room(name)  # numbers can be tried one by one
        return room

    def admit(self, session: Session, key: str) -> None:
        """Raise `Refusal` (banned, name-taken) if who comes under the name with that key is banned
        from the lobby, and so from the server; or if the name is a deleted account's, or is about
        to be."""
        self.check_not_deleted(key)
        if self.lobby.rules:
            self._rights.admit(key, session.reader.address, self.lobby)

    def check_not_deleted(self, key: str) -> None:
        """Raise `Refusal` (name-taken) for what stands for a deleted account, or one that is being
        deleted."""
        if key in self.leaving or names.is_deleted(key):
            raise Refusal(Code.NAME_TAKEN, "That account was deleted; take another name.")

    async def make(
        self, name: str | None, password: str | None = None, by: User | None = None
    ) -> Room:
        """Make a room; without a name, it is called after its number."""
        if name is not None:
            name = names.room(name)
            if names.is_deleted(name):
                raise Refusal(
                    Code.BAD_NAME,
                    "{name} is what a deleted room is called; give another name.",
                    name=name,
                )
        self.space.pace(by)
        await self._make_space(by)
        hashed = await self.hashed(password, by) if password is not None else None
        await self._make_space(by)
        if by is not None and not by.sessions:
            raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        if name is not None:
            self._check_new(name, by)
        owner = by.name if by is not None and by.registered else None
        making = self._looks_being_made()
        key = names.key(name) if name is not None else object()
        self._making[key] = (
            skeletons(name) if name is not None else frozenset()
        )  # it counts from here
        try:
            row = await self._store.create(
                name, hashed, self._now(), owner, lambda name: self._differs(name, making)
            )
        finally:
            del self._making[key]
        room = self._add(row)
        if by is not None and by.guest:
            room.rules.add(Rule(RuleKind.OWNER, by.id, 0, by.name, self._now()))
        self.space.add(room, by)
        maker = by.name if by is not None else "the operator"
        self._report("{user} made room {room}", user=maker, room=room.name)
        return room

    def _check_new(self, name: str, by: User | None) -> None:
        """Raise `Refusal` (room-exists) for a name that would be taken for another room's. The
        operator may name rooms `room1`, `room2` and so on, whatever numbers there are."""
        key = names.key(name)
        if key in self._making:
            raise Refusal(
                Code.ROOM_EXISTS, "{name} is being made; `join {name}` takes you there.", name=name
            )
        there = self.by_key.get(key)
        if there is not None and there.log.gone:
            raise Refusal(
                Code.ROOM_EXISTS, "{name} is being removed; try again in a moment.", name=name
            )
        if there is None and not self._is_free(name):
            raise Refusal(
                Code.ROOM_EXISTS,
                "{name} looks like the name of another room; give another one.",
                name=name,
            )
        number = names.number_of(name)
        if there is None and by is not None and number in self._by_number:
            raise Refusal(
                Code.ROOM_EXISTS,
                "{name} is another name of room number {number}; give another one.",
                name=name,
                number=number,
            )

    async def _make_space(self, by: User | None) -> None:
        """See that a user may make one room more: one goes for it, if there are as many as may be.
        Raises `Refusal` (bad-argument, too-many) if none does."""
        while refusal := self.space.full(by, len(self.by_key), len(self._making)):
            room = self.space.longest_vacant()
            if room is None:
                raise refusal
            await self._remove_vacant(room)

    async def sweep(self) -> None:
        """Remove the rooms that have been vacant since the last time that this was done."""
        for room in self.space.ripe():
            await self._remove_vacant(room)

    async def _remove_vacant(self, room: Room) -> None:
        await self._publisher.settled()
        if (await self._shelves.files(room.shelf, "", 0)).all:
            return  # the operator has put something there
        if self.space.is_vacant(room):
            await self.remove(room, "the server")

    def _is_free(self, name: str) -> bool:
        """Return whether no room's name looks like that one, nor that of one that is being made."""
        return self._differs(name, self._looks_being_made())

    def _looks_being_made(self) -> frozenset[str]:
        """Return what the names of rooms look like that are being made."""
        return frozenset[str]().union(*self._making.values())

    def _differs(self, name: str, others: frozenset[str]) -> bool:
        """Return whether a name looks like no room's, and has none of `others`' looks. Any thread
        may call this."""
        mine = skeletons(name)
        return mine.isdisjoint(others) and self._looks.keys().isdisjoint(mine)

    # -- who is heard ----------------------------------------------------------------------------

    def take_turn(self, user: User, room: Room) -> None:
        """Count something that a user shows a room, where each may do so only every so often.

        Raises `Refusal` (too-fast) if they did a short time ago.
        """
        left = self.turn_in(user, room)
        if left:
            raise Refusal(
                Code.TOO_FAST,
                "In {room} one says something every {room2}; say it again in {left}.",
                room=room.name,
                room2=duration(room.slow),
                left=duration(left),
            )
        if not room.slow:
            return
        now, every = round(self._seconds() * 1000), room.slow * 1000
        if len(room.spoke) >= limits.SLOW_USERS:
            room.spoke = {id_: at for id_, at in room.spoke.items() if at > now - every}
        room.spoke[user.id] = now

    def turn_in(self, user: User, room: Room) -> float:
        """Return in how many seconds a user may show a room something again; 0 for now."""
        if not room.slow or self._rights.role(user, room) >= Role.MODERATOR:
            return 0
        now, every = round(self._seconds() * 1000), room.slow * 1000
        left = room.spoke.get(user.id, -every) + every - now
        return left / 1000 if 0 < left <= every else 0

    def shows(self, user: User, room: Room) -> bool:
        """Return whether a text of a user's, such as a new name or last words, is shown in a room
        where they are: to show it would be to speak, and is their turn where that is counted."""
        if Right.SPEAK not in ROLE_RIGHTS[self._rights.role(user, room)] or self.turn_in(
            user, room
        ):
            return False
        self.take_turn(user, room)
        return True

    def carry(self, room: Room, before: User, user: User) -> None:
        """Let a user, who was another one before, speak no more in a room than that one."""
        rule = self._rights.held(RuleKind.MUTED, before, room)
        if rule is not None:
            room.rules.add(rule._replace(whom=user.id, named=before.key))
        if before.id in room.spoke:
            room.spoke[user.id] = room.spoke[before.id]

    def hashed(self, password: str, by: User | None) -> Awaitable[str]:
        """Return what is kept of a room's password."""
        session = by.sessions[-1] if by is not None and by.sessions else None
        return self._attempts.hash(names.password(password), session)

    def _add(self, row: RoomRow) -> Room:
        log = Log(row.number, row.name, row.last, self._tails)
        room = Room(
            *(log, row.topic, row.password, row.access, row.frozen, row.slow),
            *(row.rules,),
        )
        self.by_key[names.key(room.name)] = room
        self._by_number[room.number] = room
        self._looks.update(skeletons(room.name))
        return room

    async def remove(self, room: Room, by: str) -> None:
        """Remove a room for good: its log, its files, its rules, its record, and the tokens for it
        alone. Those in it are told that `by` did so, and people are in the lobby then.

        Raises `Refusal` (not-allowed, no-such-room, not-stored).
        """
        self._may_go(room)
        room.log.gone = True
        self.space.drop(room)
        try:
            self._empty(room, by)
            await self._publisher.settled()  # what was said before is removed with the rest
            await self._store.remove(room.number)
        except BaseException:
            room.log.gone = False
            self.space.add(room)
            raise
        await self._shelves.forget(room.shelf)
        del self.by_key[names.key(room.name)], self._by_number[room.number]
        self._looks -= Counter(skeletons(room.name))
        self._report("{user} removed room {room}", user=by, room=room.name)

    async def retire(self, room: Room, by: str) -> None:
        """Delete a room, and keep what was said in it, and its files, under a mark: as a room that
        is closed, which nobody owns, and nobody but who runs the server can enter.

        Raises `Refusal` (not-allowed, no-such-room, not-stored).
        """
        self._may_go(room)
        if names.is_deleted(room.name):
            raise _no_room(room.name)
        before, shelf, mark = room.name, room.shelf, names.deleted(room.number)
        room.log.gone = True
        try:
            self._empty(room, by)
            await self._publisher.settled()
            await self._store.retire(room.number, mark)
        finally:
            room.log.gone = False
        del self.by_key[names.key(before)]
        self._looks -= Counter(skeletons(before))
        room.name = room.log.name = mark
        room.access, room.password, room.frozen, room.slow = Access.CLOSED, None, False, 0
        room.rules = Rules()
        self.by_key[names.key(mark)] = room
        self._looks.update(skeletons(mark))
        await self._shelves.move(shelf, room.shelf, "")
        self._report("{user} deleted room {room}: it is {mark}", user=by, room=before, mark=mark)

    def _may_go(self, room: Room) -> None:
        """Raise `Refusal` (not-allowed, no-such-room) for the lobby, or a room that is going."""
        if room is self.lobby:
            raise Refusal(Code.NOT_ALLOWED, "The lobby is where all begin; it stays.")
        if room.log.gone:
            raise _no_room(room.name)

    def _empty(self, room: Room, by: str) -> None:
        """Put everybody out of a room that is about to go, and end what is on its way there."""
        self.tell(room, events.Moderated(room.name, by, "remove", "", ""))
        room.log.tell_news()
        for session in tuple(room.sessions):
            if session.only is room:
                session.reader.end(
                    f"{room.name} was removed, and your token was for it alone.", EndReason.REVOKED
                )
                continue
            self.put_out(session, room, "")
            session.wake()
        for removing in self.removing:
            removing(room)

    async def join(
        self, session: Session, name: str, password: str | None = None, after: int | None = None
    ) -> Room:
        """Enter a room and read it from now on, or from behind `after`.

        A person moves: they leave the room they were in. To join again, with `after`, a room that
        one is in starts reading there.
        """
        session.needs_user()
        room = self.of(session, name)
        self._rights.enter(session, room)
        if not (room.password is None or session in room.sessions or self._welcome(session, room)):
            if password is None:
                raise Refusal(
                    Code.PASSWORD_NEEDED,
                    "{room} has a password; `join {room} PASSWORD`.",
                    room=room.name,
                )
            whose, asked = f"#{room.number}", room.password
            if not await self._attempts.fits(asked, password, whose, session):
                raise Refusal(
                    Code.WRONG_PASSWORD, "That is not {room}'s password; try again.", room=room.name
                )
            self._still_fits(session, room, asked)
        self.place(session, room, after)
        return room

    def _still_fits(self, session: Session, room: Room, asked: str) -> None:
        """Raise `Refusal` if a session may not come into a room any more with the password that was
        `asked` for: that takes a while, in which the room may change."""
        session.needs_user()
        if self.by_key.get(names.key(room.name)) is not room or room.log.gone:
            raise _no_room(room.name)
        self._rights.enter(session, room)
        if room.password not in (None, asked) and not self._welcome(session, room):
            raise Refusal(
                Code.WRONG_PASSWORD,
                "{room}'s password was changed just now; try again.",
                room=room.name,
            )

    def _welcome(self, session: Session, room: Room) -> bool:
        """Return whether a session needs no password in a room. A token for just that room needs
        none: who made it was let in."""
        user = session.needs_user()
        return (
            session.only is room
            or self._rights.rank(user, room) is not None
            or self._rights.invited(user, room)
        )

    def place(self, session: Session, room: Room, after: int | None = None) -> None:
        """Put a session into a room, which it may enter."""
        user = session.needs_user()
        cursor = room.sessions.get(session)
        if cursor is not None:
            if after is not None:
                cursor.close()
                Cursor(room.log, session, after)
            return
        self.may_join_another(session)
        if session.here is not None:
            self._leave(session, session.here)
        if not room.has(user):
            self.tell(room, events.UserJoined(room.name, user.name))
            self._came.setdefault(room, []).append(user.name)
        Cursor(room.log, session, after)
        session.rooms = (*session.rooms, room) if session.rooms else room.alone
        if not session.echo:
            session.here = room

    def may_join_another(self, session: Session) -> None:
        """Raise `Refusal` (bad-argument) for a session that is in as many rooms as it may be."""
        if len(session.rooms) >= limits.ROOMS_JOINED:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "You are in {limit} rooms already; leave one first.",
                limit=limits.ROOMS_JOINED,
            )

    def tell(self, room: Room, event: Event, but: Session | None = None) -> None:
        """Show an event to those in a room, but for one, together with what else happens there in
        the next moment."""
        room.log.tell(event, room.sessions[but] if but is not None else None)
        if not self._untold:
            self._soon(self._tell_news)
        self._untold.add(room)

    def _tell_news(self) -> None:
        untold, self._untold = self._untold, set()
        came, self._came = self._came, {}
        for room in untold:
            room.log.tell_news()
        for room, users in came.items():  # a line for each would take a third of a join's time
            self._report("{users} came into {room}", users=", ".join(users), room=room.name)

    def leave(self, session: Session, room: Room) -> None:
        """Leave a room; a person goes back to the lobby."""
        session.needs_room(room)
        if session.here is None:
            self._leave(session, room)
        elif room.name == names.LOBBY:
            raise Refusal(Code.BAD_ARGUMENT, "You are in the lobby; `quit` ends the connection.")
        else:
            self.place(session, self.lobby)

    def _leave(self, session: Session, room: Room, farewell: str = "") -> None:
        session.needs_room(room).close()
        session.rooms = tuple(each for each in session.rooms if each is not room)
        if session.here is room:
            session.here = None
        if not room.sessions:
            self.space.emptied(room)
        user = session.user
        if user is not None and not (room.log.gone or room.has(user)):
            self.tell(room, events.UserLeft(room.name, user.name, farewell))

    def put_out(self, session: Session, room: Room, farewell: str) -> None:
        """Make a session leave a room; a person is in the lobby then."""
        self._leave(session, room, farewell)
        if not session.echo and room is not self.lobby:
            self.place(session, self.lobby)

    def put_out_unwelcome(self, user: User) -> None:
        """Make a user, who was somebody else a moment ago, leave the rooms that they are now banned
        from, and those that are closed to them."""
        for session in user.sessions:
            for room in session.rooms:
                role = self._rights.role(user, room)
                closed = room.access is Access.CLOSED and role < Role.MODERATOR
                if role is Role.BANNED or closed:
                    self.put_out(session, room, "")
                    what = "close" if closed else "ban"
                    session.reader.tell(EventBatch((events.PutOut(room.name, "server", what),)))

    def leave_all(self, session: Session, farewell: str = "") -> None:
        """Leave every room; `farewell` is a last word to those who stay."""
        user = session.user
        for room in session.rooms:
            heard = bool(farewell) and user is not None and self.shows(user, room)
            self._leave(session, room, farewell if heard else "")


def _no_room(name: str) -> Refusal:
    shown = name if len(name) <= limits.NAME_CHARACTERS else "of that name"
    return Refusal(
        Code.NO_SUCH_ROOM,
        "There is no room {shown}; `rooms` lists those there are, `create` makes one.",
        shown=shown,
    )
