"""Files: who may put what where, and fetch it."""

from collections.abc import Callable

from chatservice import limits, names
from chatservice.domain.people import People
from chatservice.domain.places import Session, User, account_shelf
from chatservice.domain.ports import Draft, Engine, Incoming, Outgoing
from chatservice.domain.rooms import Report, Rooms
from chatservice.domain.tickets import Download, Right, Target, Tickets, Upload
from chatservice.entries import FileMark, Kind, Run
from chatservice.errors import Code, Refusal


class Files:
    """What can be done with the files on `shelves`.

    `now` tells the time in milliseconds since 1970, `report` takes a line for the operator.
    """

    def __init__(
        self,
        engine: Engine,
        rooms: Rooms,
        people: People,
        now: Callable[[], int],
        report: Report,
    ) -> None:
        self.shelves = engine.shelves
        self._recorder = engine.recorder
        self._rooms = rooms
        self._people = people
        self._now = now
        self._report = report
        self._tickets = Tickets()

    def shelf(self, session: Session, name: str | None) -> str:
        """Return the shelf of a room, or for `@` the session's own."""
        if name == "@":
            return session.needs_user().shelf
        return self._rooms.of(session, name).shelf

    async def target(self, session: Session, room: str | None, to: str | None) -> Target:
        """Return the shelf and the log that a file for that room or user goes to."""
        session.needs_user()
        if to is None:
            if session.here is None and room is None:
                raise Refusal(Code.BAD_ARGUMENT, 'Name the "room", or whom it is "to".')
            where = self._rooms.of(session, room)
            session.needs_room(where)
            return Target(where.shelf, where.log, where.name)
        whom, log = await self._people.addressee(to)
        shelf = whom.shelf if isinstance(whom, User) else account_shelf(names.key(to))
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
        user = session.needs_user()
        author = None
        if not session.echo and session.here is not None and session.here.log is target.log:
            author = session.here.sessions[session]
        return Upload(target, name, size, sha256.lower() if sha256 else None, user.name, author)

    def receive(self, upload: Upload) -> Incoming:
        """Begin to take in a file's bytes."""
        return self.shelves.receive(
            upload.target.shelf, upload.name, upload.size, upload.sha256, upload.who, self._now()
        )

    async def share(self, upload: Upload, mark: FileMark) -> None:
        """Tell of a file that is on its shelf now."""
        run = Run(Kind.FILE, self._now(), upload.who, file=mark)
        await self._recorder.stored(Draft(upload.target.log, run, upload.author))
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

    def issue(self, right: Download | Upload) -> str:
        """Hand out a ticket for one transfer."""
        return self._tickets.issue(right, self._now() / 1000)

    def redeem(self, ticket: str, class_: type[Right]) -> Right:
        """Take a ticket for a transfer of that class."""
        return self._tickets.redeem(ticket, class_, self._now() / 1000)

    async def open(self, session: Session, room: str | None, name: str) -> Outgoing:
        """Open a file of a shelf; with none named, of the room one is in, else of one's own."""
        names.file(name)
        try:
            return await self.shelves.open(self.shelf(session, room), name)
        except Refusal as refusal:
            if room is not None or refusal.code is not Code.NO_SUCH_FILE:
                raise
            try:
                return await self.shelves.open(self.shelf(session, "@"), name)
            except Refusal:
                raise refusal from None

    async def remove(self, session: Session, room: str | None, name: str) -> None:
        """Take a file off a shelf: one's own from a room's, any from one's own."""
        user = session.needs_user()
        names.file(name)
        shelf = self.shelf(session, room)
        await self.shelves.remove(shelf, name, "" if room == "@" else user.name)
        self._report("{user} removed {file}", user=user.name, file=name)
        if room != "@":
            log = self._rooms.of(session, room).log
            run = Run(Kind.REMOVED, self._now(), user.name, (name,))
            await self._recorder.stored(Draft(log, run))
