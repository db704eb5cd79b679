"""Rooms: creating, finding, joining and removing them."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from chatservice import events, names
from chatservice.domain.elsewhere import Elsewhere
from chatservice.domain.ignoring import UNTOLD
from chatservice.domain.log import BlockCache, Cursor, EventBatch, Log
from chatservice.domain.loginthrottle import LoginThrottle
from chatservice.domain.members import Members
from chatservice.domain.model import Room, Session, User, is_guest_id
from chatservice.domain.ports.engine_ports import Engine
from chatservice.domain.ports.room_ports import RoomBounds, RoomRow
from chatservice.domain.publisher import Publisher
from chatservice.domain.readpositions import ReadPositions
from chatservice.domain.rights import ROLE_RIGHTS, Rights, Role
from chatservice.domain.roomlimits import RoomLimits
from chatservice.domain.rules import Access, Rule, RuleKind, Rules
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason, Event, LeaveReason
from chatservice.grammar.commandtypes import Right
from chatservice.grammar.textformat import duration
from chatservice.limits import Limits

Report = Callable[..., None]
"""Writes a line to the operator's log: called with a format and its fields."""


@dataclass(frozen=True, slots=True)
class Services:
    """The objects that all parts of the domain use.

    `now` tells the time in milliseconds since 1970, `seconds` the time on a clock that never goes
    back. `call_soon` calls a function in a moment, so that several events go together.
    """

    engine: Engine
    publisher: Publisher
    cache: BlockCache
    rights: Rights
    members: Members
    reading: ReadPositions
    throttle: LoginThrottle
    limits: Limits
    now: Callable[[], int]
    seconds: Callable[[], float]
    call_soon: Callable[[Callable[[], None]], object]
    report: Report
    elsewhere: Elsewhere


def arrival(rights: Rights, room: Room, user: User) -> list[events.Event]:
    """Return the events that show that a user came into a room, and maybe that they are away; not
    why, because a reason can be a message. So can a real name, which is told of those who may say
    anything there."""
    moderator = rights.standing_role(user, room) is not None
    real_name = user.real_name
    if real_name and not moderator and not _shows_texts(rights, room, user):
        real_name = ""
    came = events.UserJoined(room.name, user.name, user.registered, moderator, real_name)
    return [came, events.UserAway(room.name, user.name, UNTOLD)] if user.away else [came]


def _shows_texts(rights: Rights, room: Room, user: User) -> bool:
    """Return whether a user who comes into a room, and does not moderate it, may say anything
    there, at any pace."""
    muted = rights.restriction(RuleKind.MUTED, user, room)
    return not (room.slow or room.frozen or muted)


class SlowMode:
    """Slow mode: in some rooms, a user waits from one message to the next. `seconds` tells the time
    on a clock that never goes back."""

    def __init__(self, rights: Rights, seconds: Callable[[], float], limits: Limits) -> None:
        self._rights, self._seconds, self._limits = rights, seconds, limits

    def count(self, user: User, room: Room) -> None:
        """Count a message of a user in a room. Raises `Refusal` (too-fast) if it comes too soon."""
        if not room.slow:
            return
        if left := self.wait(user, room):
            raise Refusal(
                Code.TOO_FAST,
                "In {room} you wait {room2} between two messages; say it again in {left}.",
                room=room.name,
                room2=duration(room.slow),
                left=duration(left),
            )
        now, every = round(self._seconds() * 1000), room.slow * 1000
        if len(room.last_spoke) >= self._limits.slow_users:
            room.last_spoke = {id_: at for id_, at in room.last_spoke.items() if at > now - every}
        room.last_spoke[user.id] = now

    def wait(self, user: User, room: Room) -> float:
        """Return the seconds until a user may show a room something again, or 0."""
        if not room.slow or self._rights.role(user, room) >= Role.MODERATOR:
            return 0
        now, every = round(self._seconds() * 1000), room.slow * 1000
        left = room.last_spoke.get(user.id, -every) + every - now
        return left / 1000 if 0 < left <= every else 0

    def may_show(self, user: User, room: Room) -> bool:
        """Return whether a room shows a text of a user's, such as a new name or a farewell. If so,
        it counts as a message."""
        may_speak = Right.SPEAK in ROLE_RIGHTS[self._rights.role(user, room)]
        if not may_speak or self.wait(user, room):
            return False
        self.count(user, room)
        return True

    def carry_over(self, room: Room, before: User, user: User) -> None:
        """Keep a user, who was `before` a moment ago, as muted and slowed as that one."""
        rule = self._rights.restriction(RuleKind.MUTED, before, room)
        if rule is not None:
            room.rules.add(rule._replace(subject=user.id, name_key=before.key))
        if before.id in room.last_spoke:
            room.last_spoke[user.id] = room.last_spoke[before.id]


class Rooms:
    """All rooms, in `by_key` (`names.key`) and `by_number`.

    `now` tells the time in milliseconds since 1970, `seconds` the time on a clock that never goes
    back. Each function in `on_remove` is called with a room that is about to be removed.
    """

    def __init__(self, services: Services) -> None:
        engine, limits = services.engine, services.limits
        self.room_limits = RoomLimits(services.seconds, limits)
        self.slow_mode = SlowMode(services.rights, services.seconds, limits)
        self.by_key: dict[str, Room] = {}
        self.on_remove: list[Callable[[Room], None]] = []
        self.by_number: dict[int, Room] = {}
        self._announced: set[Room] = set()
        self._joined: dict[Room, list[str]] = {}
        self._store, self._files, self._cache = engine.rooms, engine.files, services.cache
        self._publisher, self._rights = services.publisher, services.rights
        self._members, self._reading = services.members, services.reading
        self._elsewhere = services.elsewhere
        self._elsewhere.rooms = self.by_number
        self._throttle, self._limits = services.throttle, limits
        self._now, self._call_soon = services.now, services.call_soon
        self._report = services.report

    async def ensure(self, rooms: Iterable[str] = ()) -> None:
        """Create the lobby and the rooms named, if need be. They are never removed as vacant."""
        rooms = tuple(rooms)
        for name in (names.LOBBY, *rooms):
            self.room_limits.protect(names.key(names.room(name)))
        await self._ensure_one(names.LOBBY)
        for name in sorted(rooms, key=self._number_order):  # the lobby has its number by now
            await self._ensure_one(name)

    async def _ensure_one(self, name: str) -> None:
        key = names.key(names.room(name))
        try:
            if key not in self.by_key:
                await self.create(name)
        except Refusal:
            if key not in self.by_key:  # another node has made it just now
                raise

    def _number_order(self, name: str) -> tuple[bool, int]:
        """Return a sort key for names: those that contain a free number come first, and get it."""
        number = names.room_number(name)
        return (False, number) if number and number not in self.by_number else (True, 0)

    @property
    def lobby(self) -> Room:
        """The room in which everybody begins."""
        return self.by_key[names.LOBBY]

    def find(self, name: str) -> Room:
        """Return the room of that name or number: `12` and `room12` are the room of number 12.

        A room that is called `room12` but has another number comes first for `room12`, and second
        for `12`. Raises `Refusal` (no-such-room).
        """
        if name.isdecimal() and len(name) < 10:
            found = self.by_number.get(int(name)) or self.by_key.get(names.room_name(int(name)))
        else:
            found = self.by_key.get(names.key(name))
            if found is None and (number := names.room_number(name)) is not None:
                found = self.by_number.get(number)
        if found is None or found.log.removed:
            raise _no_room(name)
        return found

    def exclusive(self, room: Room) -> AbstractAsyncContextManager[None]:
        """Lock a room against other changes (`RoomStore.exclusive`)."""
        return self._store.exclusive(room.number)

    def after_number(self, number: int) -> Iterator[Room]:
        """Iterate over the rooms with greater numbers, in order."""
        return (room for at, room in self.by_number.items() if at > number and not room.log.removed)

    def by_folder(self, folder: str) -> Room | None:
        """Return the room that has a folder; None for a user's folder."""
        found = self.by_key.get(names.key(folder) if folder else names.LOBBY)
        return found if found is not None and found.folder == folder else None

    def resolve(self, session: Session, name: str | None) -> Room:
        """Return the room of that name, or else the session's current room. Raises `Refusal`
        (no-such-room, bad-argument)."""
        if name is None:
            if session.current_room is None:
                raise Refusal(Code.BAD_ARGUMENT, 'Name the "room".')
            return session.current_room
        room = self.find(name)
        called = self.by_key.get(names.key(name)) is room
        if not called and not self._rights.may_see(session, room):
            raise _no_room(name)  # numbers can be tried one by one
        return room

    async def create(
        self, name: str | None, password: str | None = None, by: User | None = None
    ) -> Room:
        """Create a room. Without a name, it is named after its number."""
        if name is not None:
            name = names.room(name)
            if names.is_deleted(name):
                raise Refusal(
                    Code.BAD_NAME,
                    "{name} is what a deleted room is called; give another name.",
                    name=name,
                )
        self.room_limits.check_rate(by)
        hashed = await self.hash_password(password, by) if password is not None else None
        bounds = self.room_limits.bounds(by)
        await self._make_room_for(bounds)
        if by is not None and not by.sessions:
            raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        there = self.by_key.get(names.key(name)) if name is not None else None
        if there is not None and there.log.removed:
            raise Refusal(
                Code.ROOM_EXISTS, "{name} is being removed; try again in a moment.", name=name
            )
        owner = by.name if by is not None and by.registered else None
        row = await self._store.create(name, hashed, self._now(), owner, bounds)
        room = self.by_number[row.number]
        if by is not None:
            self.room_limits.count(room, by)
            if by.guest_number:
                room.rules.add(Rule(RuleKind.OWNER, by.id, 0, by.name, self._now()))
        maker = by.name if by is not None else "the operator"
        self._report("{user} made room {room}", user=maker, room=room.name)
        return room

    async def _make_room_for(self, bounds: RoomBounds) -> None:
        """Remove vacant rooms until there is room for another one, if possible."""
        while self.room_limits.is_full(bounds, len(self.by_key)):
            vacant = self.room_limits.longest_vacant()
            if vacant is None:
                return
            await self._remove_vacant(vacant)

    async def remove_vacant(self) -> None:
        """Remove the rooms that have been vacant since the previous call."""
        for room in self.room_limits.long_vacant():
            await self._remove_vacant(room)

    async def _remove_vacant(self, room: Room) -> None:
        await self._publisher.settled()
        if (await self._files.files(room.folder, "", 0)).total:
            return  # the operator has put something there
        if self.room_limits.is_vacant(room):
            await self.remove(room, "the server")

    def hash_password(self, password: str, by: User | None) -> Awaitable[str]:
        """Return the hash of a room's password."""
        session = by.sessions[-1] if by is not None and by.sessions else None
        return self._throttle.hash(names.password(password), session)

    # -- what the engine says (`chatservice.domain.replica`) -------------------------------------

    def add(self, row: RoomRow) -> None:
        """Add a room."""
        log = Log(row.number, row.name, row.last, self._cache)
        settings = row.topic, row.password, row.access, row.frozen, row.slow
        room = Room(log, *settings, Rules(row.rules))
        room.elsewhere = self._elsewhere.in_room(row.number)
        self.by_key[names.key(room.name)] = self.by_number[room.number] = room
        self.room_limits.add(room)

    def drop(self, number: int) -> None:
        """Forget a removed room."""
        room = self.by_number[number]
        room.log.removed = True
        self._put_everybody_out(room, "the server")  # this node's are out already
        self._members.room_ended(number)
        self._elsewhere.forget_room(number)
        del self.by_number[number]
        del self.by_key[names.key(room.name)]
        self.room_limits.remove(room)

    def close_for_good(self, number: int, name: str) -> None:
        """Empty and close a retired room, which has another name now, and no rules."""
        room = self.by_number[number]
        self._put_everybody_out(room, "the server")  # this node's are out already
        self._members.room_ended(number)
        room.access, room.password, room.frozen, room.slow = Access.CLOSED, None, False, 0
        room.rules = Rules()
        del self.by_key[names.key(room.name)]
        room.name = room.log.name = name
        self.by_key[names.key(name)] = room

    def change_rules(self, room: Room, added: Iterable[Rule], dropped: Iterable[Rule]) -> None:
        """Add and remove rules of a room."""
        for rule in dropped:
            room.rules.remove(rule.kind, rule.subject)
        for rule in added:
            room.rules.add(rule)
            if rule.kind is RuleKind.OWNER and not is_guest_id(rule.subject):
                self.room_limits.remove(room)

    # -- rooms that go ---------------------------------------------------------------------------

    async def remove(self, room: Room, by: str) -> None:
        """Remove a room for good, with its log, files, rules, record, and the tokens for it alone.

        Its users are told that `by` did it; people move to the lobby.

        Raises `Refusal` (not-allowed, no-such-room, not-stored).
        """
        self._check_removable(room)
        room.log.removed = True
        self.room_limits.remove(room)
        try:
            self._put_everybody_out(room, by)
            await self._publisher.settled()  # what was said before is removed with the rest
            await self._store.remove(room.number)
        except BaseException:
            room.log.removed = False
            self.room_limits.add(room)
            raise
        self._report("{user} removed room {room}", user=by, room=room.name)

    async def retire(self, room: Room, by: str) -> None:
        """Delete a room, but keep its log and files in a closed room with a name of its own
        (`names.deleted_name`), which nobody owns and only operators can enter.

        Raises `Refusal` (not-allowed, no-such-room, not-stored).
        """
        self._check_removable(room)
        if names.is_deleted(room.name):
            raise _no_room(room.name)
        before, folder, mark = room.name, room.folder, names.deleted_name(room.number)
        room.log.removed = True
        try:
            self._put_everybody_out(room, by)
            await self._publisher.settled()
            await self._store.retire(room.number, mark)
        finally:
            room.log.removed = False
        await self._files.move(folder, room.folder, "")
        self._report("{user} deleted room {room}: it is {mark}", user=by, room=before, mark=mark)

    def _check_removable(self, room: Room) -> None:
        """Raise `Refusal` (not-allowed, no-such-room) for the lobby, or a room being removed."""
        if room is self.lobby:
            raise Refusal(Code.NOT_ALLOWED, "The lobby is where all begin; it stays.")
        if room.log.removed:
            raise _no_room(room.name)

    def _put_everybody_out(self, room: Room, by: str) -> None:
        """Put everybody out of a room that is about to be removed, and end its uploads."""
        self.announce(room, events.Moderated(room.name, by, "remove", "", ""))
        room.log.send_events()
        for session in tuple(room.sessions):
            if session.only_room is room:
                session.peer.end(
                    f"{room.name} was removed, and your token was for it alone.", EndReason.REVOKED
                )
                continue
            self.put_out(session, room)
            session.wake()
        for removing in self.on_remove:
            removing(room)

    async def join(
        self, session: Session, name: str, password: str | None = None, after: int | None = None
    ) -> Room:
        """Enter a room and read it from now on, or from behind the position `after`.

        A registered user keeps it from now on. A person goes out of their current room. A session
        that is in the room already starts to read again behind `after`.
        """
        user = session.require_user()
        room = self.resolve(session, name)
        self._rights.check_enter(session, room)
        asked = room.password
        if asked is not None and not self._rights.needs_no_password(session, room):
            if password is None:
                raise Refusal(
                    Code.PASSWORD_NEEDED,
                    "{room} has a password; `join {room} PASSWORD`.",
                    room=room.name,
                )
            whose = f"#{room.number}"
            if not await self._throttle.verify(asked, password, whose, session):
                raise Refusal(
                    Code.WRONG_PASSWORD, "That is not {room}'s password; try again.", room=room.name
                )
            self._still_fits(session, room, asked)
        if user.registered and session.traits.visible and not user.keeps(room):
            if session not in room.sessions:
                self.check_room_count(session)
            await self._members.keep(user, room)
            try:
                self._still_fits(session, room, asked)
            except Refusal:
                self._members.undo(user, room)
                raise
        self.put_in(session, room, after)
        return room

    def _still_fits(self, session: Session, room: Room, asked: str | None) -> None:
        """Raise `Refusal` if a room has changed meanwhile, so that the session may not enter any
        more. Its password was `asked` for, or there was none."""
        session.require_user()
        if self.by_key.get(names.key(room.name)) is not room or room.log.removed:
            raise _no_room(room.name)
        self._rights.check_enter(session, room)
        if room.password != asked and not self._rights.needs_no_password(session, room):
            raise Refusal(
                Code.WRONG_PASSWORD,
                "{room}'s password was changed just now; try again.",
                room=room.name,
            )

    def put_in(self, session: Session, room: Room, after: int | None = None) -> None:
        """Put a session into a room that it may enter."""
        user = session.require_user()
        cursor = room.sessions.get(session)
        if cursor is not None:
            if after is not None:
                cursor.close()
                Cursor(room.log, session, after)
            return
        self.check_room_count(session)
        if session.current_room is not None:
            self._go_out(session, user, session.current_room)
        if session.traits.visible and not room.shows(user):
            for event in arrival(self._rights, room, user):
                self.announce(room, event)
            self._joined.setdefault(room, []).append(user.name)
        caught_up = after is None and (session.traits.sees_past or session.traits.sees_unread)
        if caught_up:
            after = self._reading.first_shown(user, room, recent=session.traits.sees_past)
        Cursor(room.log, session, after)
        session.rooms = (*session.rooms, room) if session.rooms else room.as_tuple
        if not session.traits.many_rooms:
            session.current_room = room
        self._elsewhere.note(user)
        self._members.entered(session, room, caught_up)

    def check_room_count(self, session: Session) -> None:
        """Raise `Refusal` (bad-argument) if a session may join no more rooms."""
        if len(session.rooms) >= self._limits.rooms_joined:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "You are in {limit} rooms already; leave one first.",
                limit=self._limits.rooms_joined,
            )

    def announce(self, room: Room, event: Event, but: Session | None = None) -> None:
        """Show an event to those in a room, except one, together with other events of the next
        moment."""
        room.log.announce(event, room.log.cursors.get(but))
        if not self._announced:
            self._call_soon(self._send_events)
        self._announced.add(room)

    def show_new_name(
        self, room: Room, user: User, former: User, name: str, but: Session | None
    ) -> None:
        """Show that `user`, who was `former` with that `name` a moment ago, has another name. If
        they may not speak, nothing is shown: a name can be a message."""
        shown = room.names_shown.pop(former, name)
        if shown != user.name and self.slow_mode.may_show(former, room):
            self.announce(room, events.UserRenamed(room.name, shown, user.name), but)
        elif shown != user.name:
            room.names_shown[user] = shown

    def _send_events(self) -> None:
        untold, self._announced = self._announced, set()
        came, self._joined = self._joined, {}
        for room in untold:
            room.log.send_events()
        for room, users in came.items():  # a line for each would take a third of a join's time
            self._report("{users} came into {room}", users=", ".join(users), room=room.name)

    async def leave(
        self, session: Session, room: Room, keep: bool = False, farewell: str = ""
    ) -> None:
        """Leave a room, also one that the user keeps and the session is not in; a person returns to
        the lobby. The user's other sessions leave it, too. With `keep`, they stay, and so does the
        membership; a token for one room does not end that either. Of a program, those who stay are
        shown a `farewell`.

        Raises `Refusal` (not-in-room, bad-argument, not-stored).
        """
        user = session.require_user()
        keep = keep or session.only_room is not None
        if keep or user.kept is None or not user.keeps(room):
            session.require_cursor(room)
        if session.current_room is room is self.lobby:
            raise Refusal(Code.BAD_ARGUMENT, "You are in the lobby; `quit` ends the connection.")
        if not keep:
            await self._members.drop(user, room.number)
        if not keep and session.traits.visible:
            self._leave_elsewhere(session, user, room)
        if session not in room.sessions:  # or no longer
            return
        if session.current_room is room:
            self.put_in(session, self.lobby)
            if not keep:  # a guest kept it a moment ago
                await self._members.drop(user, room.number)
        elif keep:
            self._go_out(session, user, room)
        elif session.current_room is None:
            text = names.phrase(farewell[: names.PHRASE_CHARACTERS])
            self._leave(session, room, text if self.slow_mode.may_show(user, room) else "")

    def _go_out(self, session: Session, user: User, room: Room) -> None:
        """Leave a room that the user goes on keeping. A guest's script, which is told of nothing
        unread, does not keep it: that would take 270 bytes."""
        if session.traits.many_rooms or session.traits.sees_past:
            self._members.keep_of_guest(user, room, session.require_cursor(room).position)
        self._leave(session, room)

    def _leave_elsewhere(self, session: Session, user: User, room: Room) -> None:
        """Let the other sessions of a user leave a room that they keep no longer. A script stays,
        because it would say its next lines in the lobby, and so does a token for that room.
        """
        for each in user.sessions:
            follows = each.traits.many_rooms or (each.traits.sees_past and room is not self.lobby)
            follows = follows and each is not session and each.only_room is None
            if follows and each in room.sessions:
                self.put_out(each, room, LeaveReason.LEFT)
                each.peer.tell(EventBatch((events.PutOut(room.name, user.name, "leave"),)))
                each.wake()

    def _leave(
        self,
        session: Session,
        room: Room,
        farewell: str = "",
        reason: str = LeaveReason.LEFT,
        by: str = "",
    ) -> None:
        cursor = session.require_cursor(room)
        self._reading.left(cursor)
        cursor.close()
        session.rooms = tuple(each for each in session.rooms if each is not room)
        if session.current_room is room:
            session.current_room = None
        if not room.sessions:
            self.room_limits.room_emptied(room)
        user = session.user
        if user is not None:
            self._elsewhere.note(user)
        if user is None or not session.traits.visible or room.log.removed or room.shows(user):
            return
        name = room.names_shown.pop(user, user.name)
        self.announce(room, events.UserLeft(room.name, name, farewell, reason, by))

    def put_out(
        self,
        session: Session,
        room: Room,
        reason: str = LeaveReason.OUT,
        by: str = "",
        why: str = "",
    ) -> None:
        """Make a session leave a room, maybe because a moderator (`by`) has put it out; a person
        returns to the lobby."""
        self._leave(session, room, why, reason, by)
        if not session.traits.many_rooms and room is not self.lobby:
            self.put_in(session, self.lobby)

    def put_out_banned(self, user: User) -> None:
        """Put a user out of rooms that they are banned from, or that are closed to them, under
        their new name. They keep no room that they may not come into any more."""
        for session in user.sessions:
            for room in session.rooms:
                role = self._rights.role(user, room)
                closed = room.access is Access.CLOSED and role < Role.MODERATOR
                if role is Role.BANNED or closed:
                    self.put_out(session, room)
                    what = "close" if closed else "ban"
                    session.peer.tell(EventBatch((events.PutOut(room.name, "server", what),)))
        self._members.kept_by(user, self.by_number)

    def leave_all(
        self, session: Session, farewell: str = "", reason: str = LeaveReason.LEFT
    ) -> None:
        """Leave every room; those who stay are shown `farewell`."""
        user = session.user
        for room in session.rooms:
            heard = bool(farewell) and user is not None and self.slow_mode.may_show(user, room)
            self._leave(session, room, farewell if heard else "", reason)


def _no_room(name: str) -> Refusal:
    shown = name if len(name) <= names.NAME_CHARACTERS else "of that name"
    return Refusal(
        Code.NO_SUCH_ROOM,
        "There is no room {shown}; `rooms` lists those there are, `create` makes one.",
        shown=shown,
    )
