"""The chat: talk, and the parts that do the rest.

Every method raises `Refusal` if it may not do what it is asked for.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from chatservice import names, replies
from chatservice.domain.accounts import Accounts
from chatservice.domain.annotating import Annotator
from chatservice.domain.elsewhere import GATHER_SECONDS, Elsewhere
from chatservice.domain.figures import Pushes
from chatservice.domain.files import Files
from chatservice.domain.history import HistoryReader
from chatservice.domain.log import Block, BlockCache, Cursor, Log
from chatservice.domain.loginthrottle import FairQueue, LoginThrottle, NoQueue
from chatservice.domain.members import Members
from chatservice.domain.model import Room, Session
from chatservice.domain.moderation import Moderation
from chatservice.domain.overview import Overview
from chatservice.domain.ports.engine_ports import Engine
from chatservice.domain.ports.file_ports import FileReader
from chatservice.domain.ports.log_ports import Draft, OnStored
from chatservice.domain.ports.loop_ports import EventLoop
from chatservice.domain.presence import Presence
from chatservice.domain.publisher import Publisher
from chatservice.domain.pushing import Pushing
from chatservice.domain.readpositions import KeptByAccount, ReadPositions
from chatservice.domain.realnames import RealNames
from chatservice.domain.replica import Replica
from chatservice.domain.rights import Rights
from chatservice.domain.rooms import Report, Rooms, Services
from chatservice.domain.searching import Searching
from chatservice.domain.sentcopies import SentCopy
from chatservice.domain.tickets import UploadTicket
from chatservice.domain.typingnotices import TypingNotices
from chatservice.domain.unread import UnreadCounts
from chatservice.domain.users import RegistrationPolicy, Users
from chatservice.entries import FileMark, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar.commandtypes import Command, Request
from chatservice.limits import Limits


class Chat:
    """One server's `rooms`, `users`, `files` and talk.

    `clock` tells the time in seconds since 1970, `seconds` the time on a clock that never goes back
    (without it, `clock` does). `report` writes a line to the operator's log.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float],
        loop: EventLoop,
        report: Report,
        policy: RegistrationPolicy = RegistrationPolicy(),  # noqa: B008 - it cannot be changed
        queue: FairQueue = NoQueue(),  # noqa: B008
        seconds: Callable[[], float] | None = None,
        limits: Limits | None = None,
    ) -> None:
        seconds = seconds or clock
        self.limits = limits = limits or Limits()
        self.publisher = publisher = Publisher(engine.logs, loop, seconds)
        self.deliveries = publisher.deliveries
        cache = BlockCache(limits)
        self.rights = rights = Rights(self.now)
        kept = KeptByAccount()
        self.reading = reading = ReadPositions(engine.members, engine.accounts, kept, loop, limits)
        self.members = members = Members(
            engine.members, kept, reading, rights, loop, limits, self.now
        )
        throttle = LoginThrottle(engine.hasher, seconds, queue, limits)
        services = Services(
            engine=engine,
            publisher=publisher,
            cache=cache,
            rights=rights,
            members=members,
            reading=reading,
            throttle=throttle,
            limits=limits,
            now=self.now,
            seconds=seconds,
            call_soon=self._soon,
            report=report,
            elsewhere=Elsewhere(engine.others, partial(loop.call_later, GATHER_SECONDS)),
        )
        self.rooms = rooms = Rooms(services)
        self.users = users = Users(services, rooms, policy)
        self.accounts = Accounts(services, rooms, users, policy)
        self.files = Files(services, rooms, users)
        self.presence = Presence(services, users, loop.run)
        self.real_names = RealNames(rooms, users)
        self.moderation = Moderation(services, rooms, users)
        self.history = HistoryReader(services)
        self.annotator = Annotator(services, rooms, self.history)
        self.searching = Searching(services, rooms, users)
        self.typing = TypingNotices(services)
        self.overview = Overview(services, rooms, users)
        self.unread = UnreadCounts(services, self.history)
        self.pushing = pushing = Pushing(services, rooms, users, loop, Pushes())
        publisher.on_shown = pushing.appended
        self.allows_guests = policy.guests
        self._engine = engine
        parts = self.accounts, self.moderation, self.typing, pushing, self.files.tickets
        self._replica = Replica(services, rooms, users, *parts)
        self._loop = loop
        self._clock = clock
        self.monotonic = seconds

    async def open(self, rooms: Iterable[str] = ()) -> None:
        """Take up what is stored, follow the engine from now on, and make sure of the lobby and of
        the rooms named. Raises `Refusal`."""
        await self._engine.follow(self._replica)
        await self.rooms.ensure(rooms)

    def _soon(self, call: Callable[[], object]) -> None:
        self._loop.call_later(self.limits.news_seconds, call)

    def now(self) -> int:
        """The time, as entries carry it: milliseconds since 1970."""
        return round(self._clock() * 1000)

    def say(
        self,
        session: Session,
        room: Room,
        kind: Kind,
        texts: Sequence[str],
        key: str | None = None,
        on_stored: OnStored | None = None,
        about: int = 0,
    ) -> None:
        """Say one or several texts in a room; with `about`, in reply to the entry at that position.
        `on_stored` gets the position of the first, once all are stored."""
        user = session.require_user()
        cursor = self.rights.check_speak(session, room)
        texts = names.clean_talk(texts)
        self.rooms.slow_mode.count(user, room)
        session.active = time = self.now()
        run = user.run(kind, time, texts)
        if about:
            run = run._replace(about=about)
        author = None if session.traits.sees_own_entries else cursor
        writer = user.id if key is not None else ""
        self.publisher.record(
            Draft(room.log, run, author, key, on_stored, writer=writer, speaker=cursor)
        )

    def may_say_anything(self, session: Session, room: Room) -> bool:
        """Return whether a session may say anything in a room, at any pace."""
        try:
            self.rights.check_speak(session, room)
        except Refusal:
            return False
        return not room.slow

    def check(self, session: Session, request: Request) -> None:
        """Raise `Refusal` if a session may not make a request."""
        name = request.args.get("room")
        self.rights.check(session, request, lambda: self.rooms.resolve(session, name))

    def may_use(self, session: Session, command: Command) -> bool:
        """Return whether a session may give a command, in the room where its role is highest; or,
        if it is in none yet, once it has joined one."""
        room = self.rooms.lobby
        if session.user is not None and session.rooms:  # a person is in one
            room = max(session.rooms, key=partial(self.rights.role, session.user))
        try:
            self.rights.check(session, Request(command, {}), lambda: room)
            self.accounts.check_registration(session, command.name)
        except Refusal as refusal:
            return refusal.code is Code.NOT_IN_ROOM and not session.rooms
        return True

    async def send_private(
        self, session: Session, name: str, text: str, key: str | None, kind: Kind = Kind.PRIVATE
    ) -> tuple[int, int]:
        """Send a private message or notice to a user present, or registered. Return its position
        in their inbox, and that of the copy in the sender's inbox: 0 if there is none, or if it
        is not known any more."""
        session.require_user()
        recipient, log = await self.users.find_recipient(name)
        sender = session.require_user()
        run = sender.run(kind, self.now(), tuple(names.clean_talk((text,))))
        draft = Draft(log, run, key=key, writer=sender.id)
        inbox = self.users.inbox(sender)
        if inbox is log:  # a note to oneself has one side
            return await self.publisher.record_and_wait(draft), 0
        copy = SentCopy(draft, recipient, inbox, session.author_cursor(inbox), self.publisher)
        draft.copy = copy.draft
        return await self.publisher.record_and_wait(draft), copy.position

    async def set_topic(self, session: Session, room: Room, text: str) -> None:
        """Set a room's topic; an empty text removes it."""
        user = session.require_user()
        session.require_cursor(room)
        topic = names.phrase(text, needed=bool(text.strip()))
        self.rooms.slow_mode.count(user, room)
        run = user.run(Kind.TOPIC, self.now(), (topic,))
        draft = Draft(room.log, run, session.author_cursor(room.log))
        await self.publisher.record_and_wait(draft)

    def last_said(self, session: Session, room: Room) -> int:
        """Return the position of a session's last entry in a room, since it came. Raises `Refusal`
        (no-such-entry): earlier entries under its name may be another guest's."""
        cursor = room.sessions.get(session)
        if cursor is None or not cursor.last_said:
            raise Refusal(
                Code.NO_SUCH_ENTRY,
                "You have said nothing in {room} since you came; `history` shows the positions of "
                "what you said before.",
                room=room.name,
            )
        return cursor.last_said

    async def replay(self, log: Log, after: int) -> Sequence[Block]:
        """Return blocks behind a position from storage (`HistoryReader.replay`)."""
        return await self.history.replay(log, after)

    def save_read_position(self, cursor: Cursor) -> None:
        """Store how far an inbox was shown."""
        self.publisher.save_read_position(cursor.log, cursor.position)


Arguments = Mapping[str, Any]
"""The arguments of a request, named as in the table of commands."""

Answer = replies.Reply | UploadTicket | FileReader | FileMark
"""A reply; or, for a session whose connection carries its files: the right to send one, one to
read, or the mark of one that is here already."""

Handler = Callable[[Chat, Session, Arguments], Answer | Awaitable[Answer]]
"""A handler answers now or later, and may raise `Refusal`."""
