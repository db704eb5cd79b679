"""What one can do here: the rules of the house, whichever protocol a wish comes through.

Every wish that is not granted raises a `Refusal`.
"""

import hmac
from collections.abc import Callable, Iterable, Sequence
from weakref import WeakValueDictionary

from chatservice import answers, events, limits, names
from chatservice.domain.log import Block, Cursor, Log
from chatservice.domain.places import LOBBY, Room, Session, User, inbox_shelf
from chatservice.domain.ports import Account, Done, Draft, Engine, Incoming, Outgoing
from chatservice.domain.tickets import Download, Right, Target, Tickets, Upload
from chatservice.entries import Entry, FileMark, Kind
from chatservice.errors import Code, Refusal

Report = Callable[..., None]
"""Called with a format and its fields: a line for the operator."""


class Chat:
    """The rooms, the users and the shelves of one server, and all that can be done with them.

    `clock` tells the time in seconds since 1970, `report` takes a line for the operator.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float], report: Report) -> None:
        self.recorder = engine.recorder
        self.shared_files = engine.shelves
        self._tickets = Tickets()
        self.rooms: dict[str, Room] = {}
        self.users: dict[str, User] = {}
        self._store = engine.store
        self._names = engine.names
        self._passwords = engine.passwords
        self._clock = clock
        self._report = report
        self._numbered: dict[int, Room] = {}
        self._inboxes: WeakValueDictionary[int, Log] = WeakValueDictionary()
        self._guests = 0

    async def open(self, rooms: Iterable[str] = ()) -> None:
        """Take up what is stored, and make sure of the lobby and of the rooms named."""
        for row in await self._store.rooms():
            self._add(Room(row.number, row.name, row.topic, row.password, row.last))
        for name in (LOBBY, *rooms):
            if names.key(names.room(name)) not in self.rooms:
                await self.make_room(name)

    def now(self) -> int:
        """The time, as entries carry it: milliseconds since 1970."""
        return round(self._clock() * 1000)

    def issue(self, right: Download | Upload) -> str:
        """Hand out a ticket for one transfer."""
        return self._tickets.issue(right, self._clock())

    def redeem(self, ticket: str, class_: type[Right]) -> Right:
        """Take a ticket for a transfer of that class."""
        return self._tickets.redeem(ticket, class_, self._clock())

    # -- who one is ------------------------------------------------------------------------------

    async def enter(
        self,
        session: Session,
        name: str,
        password: str | None = None,
        token: str | None = None,
        after: int | None = None,
    ) -> answers.Welcome:
        """Give a session its user: a guest of a free name, or a registered one.

        A `token` that an earlier `enter` of that user gave takes the user over from connections
        that broke unnoticed. With `after`, the inbox is read from there. A session that has a user
        already becomes the other one and stays in its rooms.
        """
        name = names.user(name)
        key = names.key(name)
        account = await self._store.account(key)
        held = self.users.get(key)
        known = (
            token is not None
            and held is not None
            and hmac.compare_digest(token.encode(), held.token.encode())
        )
        if account is not None and not known:
            await self._check_account(account, password)
        if account is None and password is not None:
            raise Refusal(
                Code.NO_SUCH_USER, f"{name} is not registered; give the name alone to be its guest."
            )
        if session.user is not None and session.user.key == key:
            raise Refusal(Code.NAME_TAKEN, f"You are {session.user.name} already.")
        user = await self._user(key, name, account, known)
        if known:
            for old in tuple(user.sessions):
                old.reader.end("You came in again on another connection; this one ends.")
                self._part(old)
        if session.gone:  # while it was waited for
            self._let_go(user)
            raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        position = self._become(session, user, account, after)
        return answers.Welcome(user.name, user.registered, user.token, position)

    async def _check_account(self, account: Account, password: str | None) -> None:
        if password is None:
            raise Refusal(
                Code.PASSWORD_NEEDED,
                f"{account.name} is a registered name; /login {account.name} PASSWORD if it is "
                "yours, or take another one.",
            )
        if not await self._passwords.fits(account.password, password):
            raise Refusal(Code.WRONG_PASSWORD, f"That is not {account.name}'s password; try again.")

    async def _user(self, key: str, name: str, account: Account | None, known: bool) -> User:
        """Return the user of a name that the asker may have, making one if nobody has it."""
        inbox = await self._inbox(account) if account is not None else None
        held = self.users.get(key)
        if held is None and await self._names.claim(key):
            if inbox is None:
                self._guests += 1
                inbox = Log(-self._guests, "@", 0)
            shown = account.name if account is not None else name
            held = self.users[key] = User(shown, inbox, account is not None)
            return held
        if held is None or not (held.registered or known):
            raise Refusal(Code.NAME_TAKEN, f"{name} is taken; type another name.")
        return held

    async def _inbox(self, account: Account) -> Log:
        """Return the one `Log` of an account's inbox, so that everybody extends and reads it."""
        log = self._inboxes.get(account.inbox)
        if log is None:
            last = await self._store.last(account.inbox)
            log = self._inboxes.setdefault(account.inbox, Log(account.inbox, "@", last))
        return log

    def _become(
        self, session: Session, user: User, account: Account | None, after: int | None
    ) -> int:
        """Make a session that user's. Return where it begins to read the inbox."""
        former = session.user
        if former is not None:
            for room in session.rooms:
                room.log.tell(events.Renamed(room.name, former.name, user.name), session.reader)
            self._report("{old} is now called {new}", old=former.name, new=user.name)
            self._release(session)
        else:
            self._report("{user} connected from {origin}", user=user.name, origin=session.origin)
        session.user = user
        user.sessions.add(session)
        if after is None:
            after = account.shown if account is not None else user.inbox.last
        session.inbox = Cursor(user.inbox, session.reader, after)
        return session.inbox.position

    def _release(self, session: Session) -> None:
        """Take the session's user from it; a guest without a session is gone."""
        user, session.user = session.user, None
        if user is None:
            return
        if session.inbox is not None:
            session.inbox.close()
            session.inbox = None
        user.sessions.discard(session)
        self._let_go(user)

    def _let_go(self, user: User) -> None:
        if user.sessions:
            return
        del self.users[user.key]
        self._names.release(user.key)
        if not user.registered:
            self._store.forget(user.inbox.id)
            self.shared_files.forget(user.shelf)

    def depart(self, session: Session, farewell: str = "") -> None:
        """End a session: it leaves its rooms and gives its user back."""
        session.gone = True
        if session.user is None:
            return
        self._report("{user} left, from {origin}", user=session.user.name, origin=session.origin)
        self._part(session, names.phrase(farewell[: limits.PHRASE_CHARACTERS]))
        self._release(session)

    def _part(self, session: Session, farewell: str = "") -> None:
        for room in tuple(session.rooms):
            self._leave(session, room, farewell)

    async def register(self, session: Session, password: str) -> None:
        """Keep the name of a guest for them, and what is in their inbox."""
        user = self.needs_user(session)
        hashed = await self._passwords.hash(names.password(password))
        if user.registered:
            raise Refusal(Code.ALREADY_REGISTERED, f"{user.name} is registered already.")
        guest_shelf = user.shelf
        account = await self._store.register(user.name, hashed, user.inbox, self.now())
        user.registered = True
        self._inboxes[account.inbox] = user.inbox
        await self.shared_files.move(guest_shelf, user.shelf)
        self._report("{user} registered", user=user.name)

    def shown(self, cursor: Cursor) -> None:
        """A reader was shown its log up to where its cursor stands."""
        if cursor.log.name == "@" and cursor.log.id > 0:
            self.recorder.shown(cursor.log, cursor.position)

    @staticmethod
    def needs_user(session: Session) -> User:
        """Return the session's user."""
        if session.user is None:
            raise Refusal(Code.NAME_NEEDED, "Say who you are first; type a name.")
        return session.user

    # -- rooms -----------------------------------------------------------------------------------

    def room(self, name: str) -> Room:
        """Return the room of that name or number."""
        if name.isdecimal() and len(name) < 10:
            found = self._numbered.get(int(name))
        else:
            found = self.rooms.get(names.key(name[: limits.LINE_BYTES]))
        if found is None:
            shown = name if len(name) <= limits.NAME_CHARACTERS else "of that name"
            raise Refusal(
                Code.NO_SUCH_ROOM,
                f"There is no room {shown}; /rooms lists those there are, /create makes one.",
            )
        return found

    def room_of(self, session: Session, name: str | None) -> Room:
        """Return the room of that name, or the one the session is in; it must be in it if the
        room has a password."""
        if name is None:
            if session.here is None:
                raise Refusal(Code.BAD_ARGUMENT, 'Name the "room".')
            return session.here
        room = self.room(name)
        if room.password is not None:
            self._needs_membership(session, room)
        return room

    @staticmethod
    def _needs_membership(session: Session, room: Room) -> Cursor:
        cursor = session.rooms.get(room)
        if cursor is None:
            raise Refusal(Code.NOT_IN_ROOM, f"You are not in {room.name}; join it first.")
        return cursor

    def _add(self, room: Room) -> None:
        self.rooms[names.key(room.name)] = room
        self._numbered[room.number] = room

    async def make_room(
        self, name: str | None, password: str | None = None, by: User | None = None
    ) -> Room:
        """Make a room; without a name, `room1` or the next that is free."""
        if name is not None:
            name = names.room(name)
        if len(self.rooms) >= limits.ROOMS:
            raise Refusal(Code.BAD_ARGUMENT, f"There are {limits.ROOMS} rooms already; use one.")
        hashed = None
        if password is not None:
            hashed = await self._passwords.hash(names.password(password))
        number = len(self.rooms)
        while name is None:
            if f"room{number}" not in self.rooms:
                name = f"room{number}"
            number += 1
        row = await self._store.create_room(name, hashed, self.now())
        room = Room(row.number, row.name, row.topic, row.password, row.last)
        self._add(room)
        maker = by.name if by is not None else "the operator"
        self._report("{user} made room {room}", user=maker, room=room.name)
        return room

    async def join(
        self, session: Session, name: str, password: str | None = None, after: int | None = None
    ) -> Room:
        """Enter a room and read it from now on, or from behind `after`.

        A person moves: they leave the room they were in. To join again, with `after`, a room that
        one is in starts reading there.
        """
        self.needs_user(session)
        room = self.room(name)
        if room.password is not None and room not in session.rooms:
            if password is None:
                raise Refusal(
                    Code.PASSWORD_NEEDED,
                    f"{room.name} has a password; /join {room.name} PASSWORD.",
                )
            if not await self._passwords.fits(room.password, password):
                raise Refusal(
                    Code.WRONG_PASSWORD, f"That is not {room.name}'s password; try again."
                )
        self.place(session, room, after)
        return room

    def place(self, session: Session, room: Room, after: int | None = None) -> None:
        """Put a session into a room, which it may enter."""
        user = self.needs_user(session)
        cursor = session.rooms.get(room)
        if cursor is not None:
            if after is not None:
                cursor.close()
                self._read(session, room, after)
            return
        if len(session.rooms) >= limits.ROOMS_JOINED:
            raise Refusal(
                Code.BAD_ARGUMENT,
                f"You are in {limits.ROOMS_JOINED} rooms already; leave one first.",
            )
        if session.here is not None:
            self._leave(session, session.here)
        if user not in room.users():
            room.log.tell(events.Came(room.name, user.name), session.reader)
        self._read(session, room, after)
        if not session.echo:
            session.here = room
        self._report("{user} is in {room}", user=user.name, room=room.name)

    @staticmethod
    def _read(session: Session, room: Room, after: int | None) -> None:
        session.rooms[room] = room.sessions[session] = Cursor(room.log, session.reader, after)

    def leave(self, session: Session, room: Room) -> None:
        """Leave a room; a person goes back to the lobby."""
        self._needs_membership(session, room)
        if session.here is None:
            self._leave(session, room)
        elif room.name == LOBBY:
            raise Refusal(Code.BAD_ARGUMENT, "You are in the lobby; /quit ends the connection.")
        else:
            self.place(session, self.rooms[LOBBY])

    def _leave(self, session: Session, room: Room, farewell: str = "") -> None:
        session.rooms.pop(room).close()
        del room.sessions[session]
        if session.here is room:
            session.here = None
        user = session.user
        if user is not None and user not in room.users():
            room.log.tell(events.Left(room.name, user.name, farewell))

    # -- talk ------------------------------------------------------------------------------------

    def say(
        self,
        session: Session,
        room: Room,
        kind: Kind,
        text: str,
        key: str | None = None,
        done: Done | None = None,
    ) -> None:
        """Say something in a room that one is in; `done` gets its position once it is stored."""
        user = self.needs_user(session)
        cursor = self._needs_membership(session, room)
        entry = Entry(kind, self.now(), user.name, names.clean(text))
        author = None if session.echo else cursor
        self.recorder.record(Draft(room.log, entry, author, key, done))

    async def write_to(self, session: Session, name: str, text: str, key: str | None) -> int:
        """Write privately to a user who is here, or registered. Return the position."""
        sender = self.needs_user(session)
        _, log = await self._addressee(name)
        entry = Entry(Kind.PRIVATE, self.now(), sender.name, names.clean(text))
        return await self.recorder.stored(Draft(log, entry, key=key))

    async def _addressee(self, name: str) -> tuple[User | Account, Log]:
        """Return whom that name means, and their inbox."""
        key = names.key(name[: limits.LINE_BYTES])
        user = self.users.get(key)
        if user is not None:
            return user, user.inbox
        account = await self._store.account(key)
        if account is None:
            shown = name if len(name) <= limits.NAME_CHARACTERS else "that"
            raise Refusal(
                Code.NO_SUCH_USER,
                f"Nobody called {shown} is here, nor registered; /who lists who is here.",
            )
        return account, await self._inbox(account)

    def away(self, name: str) -> str:
        """Return why a user is away; empty if they are here."""
        user = self.users.get(names.key(name))
        return "not here now" if user is None else user.away

    async def set_topic(self, session: Session, room: Room, text: str) -> None:
        """Set what a room is about. An empty text takes the topic away."""
        user = self.needs_user(session)
        cursor = self._needs_membership(session, room)
        topic = names.phrase(text)
        await self._store.set_topic(room.number, topic)
        room.topic = topic
        entry = Entry(Kind.TOPIC, self.now(), user.name, topic)
        await self.recorder.stored(Draft(room.log, entry, None if session.echo else cursor))

    async def history(
        self, room: Room, after: int | None, before: int | None, limit: int
    ) -> list[tuple[int, Entry]]:
        """Return entries with their positions, oldest first: the first `limit` behind `after`, or
        else the last `limit`, of those before `before` if that is given."""
        limit = min(limit, limits.HISTORY_ENTRIES)
        end = room.log.last + 1 if before is None else min(before, room.log.last + 1)
        start = max(0, end - 1 - limit) if after is None else after
        found: list[tuple[int, Entry]] = []
        while len(found) < limit and start + 1 < end:
            blocks = await self._store.read(room.log.id, start, limit - len(found))
            if not blocks:
                break
            for block in blocks:
                found += [pair for pair in block.after(start) if pair[0] < end]
                start = block.last
        return found[:limit]

    async def replay(self, log: Log, after: int) -> Sequence[Block]:
        """Return blocks behind a position, for a reader who fell off what is in memory."""
        return await self._store.read(log.id, after, limits.REPLAY_ENTRIES)

    # -- files -----------------------------------------------------------------------------------

    def shelf(self, session: Session, name: str | None) -> str:
        """Return the shelf of a room, or for `@` the session's own."""
        if name == "@":
            return self.needs_user(session).shelf
        return self.room_of(session, name).shelf

    async def target(self, session: Session, room: str | None, to: str | None) -> Target:
        """Return the shelf and the log that a file for that room or user goes to."""
        self.needs_user(session)
        if to is None:
            if session.here is None and room is None:
                raise Refusal(Code.BAD_ARGUMENT, 'Name the "room", or whom it is "to".')
            where = self.room_of(session, room)
            self._needs_membership(session, where)
            return Target(where.shelf, where.log, where.name)
        whom, log = await self._addressee(to)
        shelf = whom.shelf if isinstance(whom, User) else inbox_shelf(names.key(to), whom.inbox)
        return Target(shelf, log, whom.name)

    async def upload(
        self,
        session: Session,
        room: str | None,
        to: str | None,
        name: str,
        size: int,
        sha256: str | None,
    ) -> Upload:
        """Return the upload that is asked for, if it may begin."""
        names.file(name)
        if size > limits.FILE_BYTES:
            raise Refusal(Code.TOO_LARGE, "No file is that large; give its size in bytes.")
        target = await self.target(session, room, to)
        user = self.needs_user(session)
        author = None
        if not session.echo and session.here is not None and session.here.log is target.log:
            author = session.rooms[session.here]
        return Upload(target, name, size, sha256.lower() if sha256 else None, user.name, author)

    def receive(self, upload: Upload) -> Incoming:
        """Begin to take in a file's bytes."""
        return self.shared_files.receive(
            upload.target.shelf, upload.name, upload.size, upload.sha256, upload.who, self.now()
        )

    async def share(self, upload: Upload, mark: FileMark) -> None:
        """Tell of a file that is on its shelf now."""
        entry = Entry(Kind.FILE, self.now(), upload.who, file=mark)
        await self.recorder.stored(Draft(upload.target.log, entry, upload.author))
        self._report(
            "{user} shared {file} ({size} bytes) with {place}",
            user=upload.who,
            file=mark.name,
            size=mark.size,
            place=upload.target.name,
        )

    def fetched(self, who: str, mark: FileMark) -> None:
        """Note that all of a file went out."""
        self._report(
            "{user} fetched {file} ({size} bytes)", user=who, file=mark.name, size=mark.size
        )

    async def open_file(self, session: Session, room: str | None, name: str) -> Outgoing:
        """Open a file of a shelf; with none named, of the room one is in, else of one's own."""
        names.file(name)
        try:
            return await self.shared_files.open(self.shelf(session, room), name)
        except Refusal as refusal:
            if room is not None or refusal.code is not Code.NO_SUCH_FILE:
                raise
            try:
                return await self.shared_files.open(self.shelf(session, "@"), name)
            except Refusal:
                raise refusal from None

    async def remove_file(self, session: Session, room: str | None, name: str) -> None:
        """Take a file off a shelf: one's own from a room's, any from one's own."""
        user = self.needs_user(session)
        names.file(name)
        shelf = self.shelf(session, room)
        await self.shared_files.remove(shelf, name, "" if room == "@" else user.name)
        self._report("{user} removed {file}", user=user.name, file=name)
        if room != "@":
            log = self.room_of(session, room).log
            entry = Entry(Kind.REMOVED, self.now(), user.name, name)
            await self.recorder.stored(Draft(log, entry))
