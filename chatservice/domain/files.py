"""Shared files: tickets, uploads, downloads and their announcement."""

import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from chatservice import names
from chatservice.domain.addresses import limit_key
from chatservice.domain.fileconditions import FileConditions
from chatservice.domain.log import Cursor
from chatservice.domain.model import Room, Session, User, account_folder
from chatservice.domain.nodetickets import NodeTickets
from chatservice.domain.ports.account_ports import Account
from chatservice.domain.ports.file_ports import (
    UNKNOWN_SIZE,
    DeclaredFile,
    DiskUsage,
    FileReader,
    PartialUpload,
    UploadWriter,
)
from chatservice.domain.ports.log_ports import Draft
from chatservice.domain.quotas import Quotas, Requester, Reservation
from chatservice.domain.rights import Role
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.sentcopies import SentCopy
from chatservice.domain.tickets import AnyTicket, Destination, DownloadTicket, UploadTicket
from chatservice.domain.transfers import Transfer, Transfers
from chatservice.domain.users import Users
from chatservice.entries import FileCondition, FileMark, Kind
from chatservice.errors import Code, Refusal
from chatservice.replies import TransferInfo

T = TypeVar("T")


GROW_BYTES = 8 << 20
"""Space that is reserved ahead of an upload of unknown size, so that quotas are seldom asked."""


_UNSEEN = "You do not see which files are there, so send yours without a condition."


class Files:
    """All that is done with files. `now` tells the time in milliseconds since 1970, `seconds` that
    on a clock that never goes back."""

    def __init__(self, services: Services, rooms: Rooms, users: Users) -> None:
        limits = services.limits
        self.store, self._logs = services.engine.files, services.engine.logs
        self.quotas = Quotas(limits)
        self.transfers = Transfers(limits)
        self.tickets = NodeTickets(services, rooms, users)
        self.conditions = FileConditions(self.store)
        self._limits, self._publisher, self._rights = limits, services.publisher, services.rights
        self._now, self._seconds, self._report = services.now, services.seconds, services.report
        self._rooms, self._users = rooms, users
        rooms.on_remove.append(self._end_all)

    def _end_all(self, room: Room) -> None:
        """End the uploads to a room that is being removed."""
        sentence = "{room} was removed meanwhile; nothing is kept of the file."
        for transfer in self.transfers.to_log(room.log):
            if not transfer.finishing:
                transfer.stop(Refusal(Code.NO_SUCH_ROOM, sentence, room=room.name))

    def folder(self, session: Session, name: str | None) -> str:
        """Return a room's folder, or for `@` the user's own."""
        if name == "@":
            return session.require_user().folder
        return self._rooms.resolve(session, name).folder

    async def destination(self, session: Session, room: str | None, to: str | None) -> Destination:
        """Return the destination of a file for a room or a user."""
        session.require_user()
        if to is None:
            if session.current_room is None and room is None:
                raise Refusal(Code.BAD_ARGUMENT, 'Name the "room", or whom it is "to".')
            where = self._rooms.resolve(session, room)
            return Destination(where.folder, where.log, where.name)
        whom, log = await self._users.find_recipient(to)
        folder = whom.folder if isinstance(whom, User) else account_folder(names.key(to))
        return Destination(folder, log, whom.name, whom)

    async def upload_ticket(
        self,
        session: Session,
        room: str | None,
        to: str | None,
        name: str,
        size: int,
        sha256: str | None,
        key: str | None = None,
        partial: str | None = None,
        condition: FileCondition | None = None,
    ) -> UploadTicket:
        """Return a ticket for an upload that may begin, of `size` bytes or `UNKNOWN_SIZE`. Raises
        `Refusal`.

        `partial` is the id of a partial upload to the same destination, of which size and SHA-256
        are taken. If it is empty, the bytes are kept when the upload stops, also without a SHA-256.

        A `condition` of the file of that name is checked now, and again before the new one takes
        its place: of two uploads that want no file to be there, one is refused.
        """
        name = names.file(name)
        target = await self.destination(session, room, to)
        user = session.require_user()
        if not target.folder and name.endswith(" (room)"):  # where a room's folder may be
            raise Refusal(Code.BAD_FILE_NAME, "That name is kept for a room; take another one.")
        if partial:
            former = (await self.partial_upload(session, partial)).declared
            if (former.folder, former.name) != (target.folder, name):
                raise Refusal(Code.NO_SUCH_FILE, "That upload is of another file; begin a new one.")
            size, sha256 = former.size, former.sha256
        into = self._rooms.by_number.get(target.log.id)
        if into is not None and self._rooms.slow_mode.wait(user, into):
            self._rooms.slow_mode.count(user, into)  # raises
        if condition is not None and not self._may_read_folder(session, target.folder):
            raise Refusal(Code.NOT_ALLOWED, _UNSEEN)
        author = self._author(session, target)
        sha256 = sha256.lower() if sha256 else None
        asker = self._requested_by(session)
        upload = UploadTicket(
            target, name, size, sha256, user, author, key, *asker, partial, condition
        )
        await self.conditions.check(upload)
        self._rights.tickets.add(upload)
        declared = self._declared(upload)
        await self._ask_quotas(self.quotas.check, upload, declared, await self.store.have(declared))
        return upload

    def _author(self, session: Session, target: Destination) -> Cursor | None:
        """Return the cursor that passes over the entry of a session's file, or over the copy."""
        if target.recipient is not None:
            return session.author_cursor(self._users.inbox(session.require_user()))
        return session.author_cursor(target.log)

    def _requested_by(self, session: Session) -> tuple[str, str, str | None]:
        """Return a ticket's last fields: `address`, `session` and `token`."""
        return session.peer.address, session.resume_token, self._rights.tokens.get(session)

    def download_ticket(self, session: Session, outgoing: FileReader) -> DownloadTicket:
        """Return a ticket for a download that may begin."""
        mark = outgoing.mark
        file = outgoing.folder, mark.name, mark.version, mark.sha256
        ticket = DownloadTicket(*file, session.require_user(), *self._requested_by(session))
        return self._rights.tickets.add(ticket)

    def recheck(self, ticket: DownloadTicket | UploadTicket) -> None:
        """Raise `Refusal` if a ticket is no longer due."""
        self._rights.recheck_ticket(ticket, self._rooms.by_folder(ticket.folder), self._rooms.lobby)

    def _requester(self, user: User, address: str) -> Requester:
        return Requester(user.id, bool(user.guest_number), limit_key(address, self._limits.trusted))

    async def _ask_quotas(
        self,
        ask: Callable[[DeclaredFile, int, DiskUsage, Requester], T],
        upload: UploadTicket,
        declared: DeclaredFile,
        have: int,
    ) -> T:
        """Ask quotas for space. Only before it refuses, it looks at every file: the operator may
        have removed or replaced some."""
        origin = self._requester(upload.user, upload.address)
        try:
            return ask(declared, have, await self.store.used(declared), origin)
        except Refusal as refusal:
            if refusal.code is not Code.OVER_QUOTA:
                raise
        return ask(declared, have, await self.store.used(declared, exactly=True), origin)

    def _declared(self, upload: UploadTicket) -> DeclaredFile:
        user = upload.user
        return DeclaredFile(
            folder=upload.folder,
            name=upload.name,
            size=upload.size,
            sha256=upload.sha256,
            who=user.name,
            time=self._now(),
            owner=user.id,
            id=upload.partial,
        )

    async def bytes_present(self, upload: UploadTicket) -> int:
        """Return the number of bytes of an upload that are here already."""
        return await self.store.have(self._declared(upload))

    async def was_shared(self, upload: UploadTicket) -> bool:
        """Return whether the file was shared before, with the same key."""
        log, writer = upload.destination.log.id, upload.writer
        if upload.key is None:
            return False
        return await self._logs.position_of_key(log, writer, upload.key) is not None

    async def share_existing(self, session: Session, upload: UploadTicket) -> FileMark | None:
        """Share a file without its bytes, if its user may read a file with that content. Return
        None if there is none."""
        if upload.sha256 is None:
            return None
        declared = self._declared(upload)
        for place in await self.store.places(upload.size, upload.sha256):
            if self._may_read_folder(session, place.folder):
                reservation = await self._ask_quotas(self.quotas.reserve, upload, declared, 0)
                try:
                    mark = await self.store.copy(place, declared)
                finally:
                    reservation.release()
                if mark is not None:
                    await self.store.drop(declared)
                    await self.share(upload, mark)
                    return mark
        return None

    def _may_read_folder(self, session: Session, folder: str) -> bool:
        """Return whether a session may download files of a folder."""
        if folder == session.require_user().folder:
            return self._rights.token_covers(session, None)
        room = self._rooms.by_folder(folder)
        return room is not None and self._rights.may_read(session, room)

    async def begin_upload(
        self, upload: UploadTicket, offset: int, stop: Callable[[Refusal], None]
    ) -> "ActiveUpload":
        """Begin an upload behind the first `offset` bytes. `stop(why)` ends its connection."""
        _check_destination(upload.destination)
        self.recheck(upload)  # it may be long since it was permitted
        declared = self._declared(upload)
        have = await self.store.have(declared)
        reservation = await self._ask_quotas(self.quotas.reserve, upload, declared, have)
        try:
            incoming = await self.store.receive(declared, offset)
        except BaseException:
            reservation.release()
            raise
        if declared.is_resumable:
            reservation.declared = declared._replace(id=incoming.id)
        transfer = Transfer(
            user=upload.user,
            folder=upload.folder,
            name=upload.name,
            size=upload.size,
            is_upload=True,
            began=self._seconds(),
            start_offset=incoming.have,
            log=upload.destination.log,
            done=lambda: incoming.have,
            stop=stop,
        )
        self.transfers.begin(transfer)
        return ActiveUpload(self, upload, incoming, reservation, transfer, offset)

    async def grow(self, upload: UploadTicket, reservation: Reservation, size: int) -> None:
        """Reserve space for an upload of unknown size of which `size` bytes have come, and for some
        more. Raises `Refusal` (too-large, over-quota, disk-full)."""

        def grow(declared: DeclaredFile, have: int, used: DiskUsage, origin: Requester) -> None:
            try:
                reservation.grow(size + GROW_BYTES, used)
            except Refusal:
                reservation.grow(size, used)

        await self._ask_quotas(grow, upload, reservation.declared, reservation.have)

    def begin_download(
        self, user: User, address: str, outgoing: FileReader, stop: Callable[[Refusal], None]
    ) -> Transfer:
        """Begin a download; the caller ends it with `transfers.end`. Raises `Refusal` (too-many),
        and closes the file then."""
        size, origin = outgoing.mark.size, self._requester(user, address)
        try:
            self.transfers.check_downloads(origin)
        except Refusal:
            outgoing.close()
            raise
        return self.transfers.begin(
            Transfer(
                user=user,
                folder=outgoing.folder,
                name=outgoing.mark.name,
                size=size,
                is_upload=False,
                began=self._seconds(),
                start_offset=outgoing.at,
                done=lambda: outgoing.at,
                stop=stop,
                requester=origin,
            )
        )

    async def list_transfers(self, session: Session) -> list[TransferInfo]:
        """Return the user's transfers and partial uploads."""
        found = [self._info(it) for it in self._transfers_shown_to(session)]
        for it, have, _ in await self.partial_uploads(session):
            size = max(it.size, have)
            found.append(TransferInfo(it.name, size, have, True, True, 0, None, it.sha256))
        return found

    def _transfers_shown_to(self, session: Session) -> list[Transfer]:
        """Return the user's transfers that a session may know of."""
        found = self.transfers.of_user(session.require_user())
        return [
            it
            for it in found
            if self._rights.token_covers(session, self._rooms.by_folder(it.folder))
        ]

    async def partial_uploads(self, session: Session) -> list[PartialUpload]:
        """Return the user's partial uploads that a session may resume."""
        found = await self.store.unfinished(session.require_user().id)
        return [it for it in found if self._may_resume(session, it.declared.folder)]

    async def partial_upload(
        self, session: Session, id_: str, under_way: bool = True
    ) -> PartialUpload:
        """Return a partial upload of the user's; or one that is `under_way`, whose connection may
        be dead. Raises `Refusal` (no-such-file)."""
        found = await self.partial_uploads(session)
        owner = session.require_user().id
        for it in self.quotas.reservations if under_way else ():
            if it.declared.owner == owner and self._may_resume(session, it.declared.folder):
                found.append(PartialUpload(it.declared, it.have, it.declared.id or ""))
        for partial in found:
            if partial.id == id_:
                return partial
        raise Refusal(Code.NO_SUCH_FILE, "That upload is not here any more; send all of it again.")

    async def drop_partial_upload(self, session: Session, id_: str) -> None:
        """Delete a partial upload of the user's, for protocols whose clients list them; no command
        calls it. Raises `Refusal` (no-such-file)."""
        await self.store.drop((await self.partial_upload(session, id_, under_way=False)).declared)

    def _may_resume(self, session: Session, folder: str) -> bool:
        room = self._rooms.by_folder(folder)
        if room is None:
            return self._rights.token_covers(session, None)
        return self._rights.may_read(session, room)

    def _info(self, it: Transfer) -> TransferInfo:
        done, seconds = it.done(), max(self._seconds() - it.began, 0.001)
        rate = (done - it.start_offset) / seconds
        left = (it.size - done) / rate if rate and it.size >= 0 else None
        return TransferInfo(
            it.name, max(it.size, done), done, it.is_upload, False, round(rate), left, None
        )

    async def cancel(self, session: Session, name: str) -> int:
        """Cancel the user's transfers of that name, and delete partial uploads. Return their
        number. Raises `Refusal` (no-such-file), also if it is too late."""
        form = unicodedata.normalize("NFC", name)
        found = [it for it in self._transfers_shown_to(session) if it.name == form]
        stopping = [it for it in found if not it.finishing]
        for transfer in stopping:
            transfer.stop(Refusal(Code.CANCELLED, "Cancelled, as you wished."))
        unfinished = await self.partial_uploads(session)
        stopped = [it for it in unfinished if it.declared.name == form]
        for it in stopped:
            await self.store.drop(it.declared)
        if found and not (stopping or stopped):
            raise Refusal(
                Code.NO_SUCH_FILE,
                "All of {name} has come, and is being stored; `remove {name}` removes it then.",
                name=name,
            )
        if not (stopping or stopped):
            raise Refusal(
                Code.NO_SUCH_FILE,
                "No {name} of yours is on its way; `transfers` lists what is.",
                name=name,
            )
        return len(stopping) + len(stopped)

    async def share(self, upload: UploadTicket, mark: FileMark) -> None:
        """Announce a stored file. If its recipient has left, or its ticket is no longer due, remove
        it again and raise `Refusal`."""
        if upload.destination.removed:
            await self.store.remove(upload.destination.folder, mark.name, mark.version, "")
        elif upload.destination.gone:
            await self.store.forget(upload.destination.folder)
        _check_destination(upload.destination)
        try:
            self.recheck(upload)
        except Refusal:
            await self.store.remove(upload.folder, mark.name, mark.version, "")
            raise
        room = self._rooms.by_number.get(upload.destination.log.id)
        if room is not None:
            self._rooms.slow_mode.may_show(upload.user, room)  # counts it
        run = upload.user.run(Kind.FILE, self._now(), file=mark)
        draft = Draft(upload.destination.log, run, upload.author, upload.key, writer=upload.writer)
        if (recipient := upload.destination.recipient) is not None:
            self._add_copy(draft, upload.user, recipient)
        await self._publisher.record_and_wait(draft)
        self._report(
            "{user} shared {file} ({size} bytes) with {place}",
            user=upload.user.name,
            file=mark.name,
            size=mark.size,
            place=upload.destination.name,
        )

    def _add_copy(self, draft: Draft, sender: User, recipient: User | Account) -> None:
        """Add the sender's copy to the entry of a file for one user; not for a file to oneself,
        nor for a guest who has left."""
        author, draft.author = draft.author, None
        inbox = self._users.inbox(sender)
        if inbox is not draft.log and not sender.has_left:
            draft.copy = SentCopy(draft, recipient, inbox, author, self._publisher).draft

    def report_download(self, who: str, mark: FileMark) -> None:
        """Tell the operator of a complete download."""
        self._report(
            "{user} fetched {file} ({size} bytes)", user=who, file=mark.name, size=mark.size
        )

    async def narrowed(
        self, upload: UploadTicket, sha256: str | None, condition: FileCondition | None
    ) -> UploadTicket:
        """Return a ticket for the same upload, which is to have a SHA-256 and to keep a condition,
        if they are given (`upload_ticket`). Raises `Refusal` (wrong-sha256, file-changed;
        not-allowed, banned if the ticket is no longer due)."""
        if sha256 in (None, upload.sha256) and condition is None:
            return upload
        if sha256 is not None and upload.sha256 not in (None, sha256):
            sentence = "The ticket is for a file with another SHA-256; ask for another ticket."
            raise Refusal(Code.WRONG_SHA256, sentence)
        self.recheck(upload)  # so its user may read the room
        to_another = (
            upload.destination.recipient is not None and upload.folder != upload.user.folder
        )
        if condition is not None and to_another:
            raise Refusal(Code.NOT_ALLOWED, _UNSEEN)
        new = replace(upload, sha256=sha256 or upload.sha256, condition=condition)
        await self.conditions.check(self._rights.tickets.add(new))
        return new

    def issue(self, ticket: DownloadTicket | UploadTicket) -> str:
        """Return a code for a ticket."""
        return self.tickets.issue(ticket)

    async def redeem(
        self, code: str, class_: type[AnyTicket], address: str, stays: bool = False
    ) -> AnyTicket:
        """Return the ticket of a code, shown from an address. The code may be one that `stays` good
        there (`Tickets`). Raises `Refusal` (bad-ticket, banned, no-such-user)."""
        ticket = await self.tickets.redeem(code, class_, address, stays)
        if self._rooms.lobby.rules:
            self._rights.check_admitted(ticket.user.key, address, self._rooms.lobby)
        return ticket

    def open_arriving(self, session: Session, room: str | None, name: str) -> FileReader | None:
        """Open a file that is being uploaded, to be read as it comes; None if there is none."""
        return self.store.arriving(self.folder(session, room), names.file(name))

    async def open_for_ticket(self, ticket: DownloadTicket) -> FileReader:
        """Open the file of a ticket. Raises `Refusal` (no-such-file, not-allowed, banned,
        not-in-room)."""
        self.recheck(ticket)
        outgoing = None
        if not ticket.version:
            outgoing = self.store.arriving(ticket.folder, ticket.name, ticket.sha256)
        if outgoing is None:  # it was there already, or it is by now
            outgoing = await self.store.open(ticket.folder, ticket.name, ticket.version or None)
        if outgoing.mark.sha256 != ticket.sha256:
            outgoing.close()
            raise Refusal(Code.NO_SUCH_FILE, "The file has changed; ask for another ticket.")
        try:
            self.recheck(ticket)  # all of it may have been read first
        except Refusal:
            outgoing.close()
            raise
        return outgoing

    async def open(
        self, session: Session, room: str | None, name: str, version: int | None = None
    ) -> FileReader:
        """Open a file of a room; without one, of the current room, or else of the user's own."""
        name = names.file(name)
        try:
            return await self.store.open(self.folder(session, room), name, version)
        except Refusal as refusal:
            own = room is None and self._rights.token_covers(session, None)
            if not own or refusal.code is not Code.NO_SUCH_FILE:
                raise
            try:
                return await self.store.open(self.folder(session, "@"), name, version)
            except Refusal:
                raise refusal from None

    async def remove(
        self, session: Session, room: str | None, name: str, version: int | None
    ) -> Sequence[int]:
        """Remove a version of a file, or all that the user may remove: their own; all in their own
        folder or as a moderator. Return the numbers of the versions."""
        user = session.require_user()
        name = names.file(name)
        folder = self.folder(session, room)
        place = self._rooms.resolve(session, room) if room != "@" else None
        anybodys = place is None or self._rights.role(user, place) >= Role.MODERATOR
        removed = await self.store.remove(folder, name, version, "" if anybodys else user.id)
        self._report("{user} removed {file}", user=user.name, file=name)
        if place is not None:
            text = name if version is None else f"{name} #{version}"
            run = user.run(Kind.REMOVED, self._now(), (text,))
            await self._publisher.record_and_wait(Draft(place.log, run))
        return removed


class ActiveUpload:
    """An upload under way: an `UploadWriter` with its reservation, its ticket and its progress. One
    of unknown size raises the quotas' `Refusal` from `when_ready` and `finish`."""

    def __init__(
        self,
        files: Files,
        upload: UploadTicket,
        incoming: UploadWriter,
        reservation: Reservation,
        transfer: Transfer,
        offset: int,
    ) -> None:
        self._files = files
        self._upload = upload
        self._incoming = incoming
        self._reservation = reservation
        self._transfer = transfer
        self._came = offset

    @property
    def id(self) -> str:
        """The id of the partial upload, if it stops."""
        return self._incoming.id

    @property
    def have(self) -> int:
        """The number of bytes that are here."""
        return self._incoming.have

    def write(self, data: bytes) -> None:
        """Write the next bytes."""
        self._came += len(data)
        self._incoming.write(data)
        self._reservation.have = self._incoming.have

    def receive(self, descriptor: int, most: int) -> Awaitable[int] | None:
        """Take bytes from a socket, where the engine can."""
        if self._upload.size == UNKNOWN_SIZE:
            return None
        receiving = self._incoming.receive(descriptor, most)
        return self._received(receiving) if receiving is not None else None

    async def _received(self, receiving: Awaitable[int]) -> int:
        count = await receiving
        self._reservation.have = self._incoming.have
        return count

    def when_ready(self) -> Awaitable[None] | None:
        """Return None if more may come at once, else an awaitable to wait for."""
        return self._grown() if self._is_larger() else self._incoming.when_ready()

    def _is_larger(self) -> bool:
        return self._upload.size == UNKNOWN_SIZE and self._came > self._reservation.size

    async def _grown(self) -> None:
        """Wait for space and for the disk. Without space, stop."""
        try:
            await self._files.grow(self._upload, self._reservation, self._came)
        except Refusal:
            self.refuse()
            raise
        ready = self._incoming.when_ready()
        if ready is not None:
            await ready

    async def finish(self) -> FileMark:
        """Verify the bytes, make them durable, and store the file. Raises `Refusal`; if the ticket
        is no longer due, the partial upload stays."""
        try:
            self._files.recheck(self._upload)
        except Refusal:
            self.abandon()
            raise
        if self._is_larger():
            await self._grown()
        self._transfer.finishing = True
        try:
            return await self._files.conditions.finish(self._upload, self._incoming)
        finally:
            self._end()

    def abandon(self) -> None:
        """Stop. The partial upload stays, if somebody can resume it."""
        if self._upload.void:
            self._incoming.refuse()
        else:
            self._incoming.abandon()
        self._end()

    def refuse(self) -> None:
        """Stop, and delete what came."""
        self._incoming.refuse()
        self._end()

    def _end(self) -> None:
        self._reservation.release()
        self._files.transfers.end(self._transfer)


def _check_destination(target: Destination) -> None:
    if target.removed:
        raise Refusal(
            Code.NO_SUCH_ROOM,
            "{target} was removed, and nothing is kept; join another room.",
            target=target.name,
        )
    if target.gone:
        raise Refusal(
            Code.NO_SUCH_USER,
            "{target} has left, and what is sent to a guest goes with them; nothing is kept.",
            target=target.name,
        )
