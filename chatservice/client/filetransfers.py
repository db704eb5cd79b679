"""Uploads and downloads of files that go on where a connection broke."""

import hashlib
import os
import secrets
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO
from unicodedata import normalize

from chatservice import names, replies
from chatservice.client import transferconnection
from chatservice.client.clientstate import INBOX
from chatservice.client.jsonconnection import Lost
from chatservice.client.partialdownload import PartialDownload, delete_old_parts, find_saved
from chatservice.client.transferconnection import (
    FRUITLESS_ATTEMPTS,
    NotInRoomYet,
    Progress,
    TransferRunner,
)
from chatservice.client.transferjournal import TransferClaim, TransferMemory, TransferRecord
from chatservice.client.typedlines import no_such_file
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

HASH_CHUNK = 1 << 20

_TEMPORARY = frozenset({Code.TOO_MANY, Code.DISK_FULL, Code.SERVER_ERROR})
"""Refusals of what may be granted another time."""


class Uploader:
    """`who` returns the server and the user that they belong to."""

    def __init__(
        self,
        carriage: TransferRunner,
        unfinished: TransferMemory,
        who: Callable[[], tuple[str, str]],
    ) -> None:
        self._runner = carriage
        self._journal = unfinished
        self._who = who
        self._under_way: set[TransferRecord] = set()
        self._own_files: Counter[tuple[str, str]] = Counter()

    def is_echo(self, log: str, sha256: str) -> bool:
        """Return whether a file of one's own that came is one that was just sent from here. Each
        comes back once."""
        if self._own_files[log, sha256] <= 0:
            return False
        self._own_files[log, sha256] -= 1
        return True

    async def send(self, path: Path, room: str, to: str | None) -> None:
        """Send the file at `path` to a room, or to one user only."""
        name = names.file(path.name)
        with open_for_upload(path) as file:
            size, sha256 = await self._measure(path, file)
            server, user = self._who()
            it = TransferRecord(
                *(server, user, True, os.path.abspath(path), name, size, sha256),
                room=room if to is None else "",
                to=to,
                key=secrets.token_hex(16),
            )
            claim = await self._runner.in_thread(self._journal.remember, it)
            await self._deliver(claim, file, False)

    async def resume(self, claim: TransferClaim) -> None:
        """Go on with one that was begun earlier, unless the file is not what it was."""
        it, path = claim.record, Path(claim.record.path)
        try:
            with open_for_upload(path) as file:
                if await self._measure(path, file) != (it.size, it.sha256):
                    raise Refusal(Code.NO_SUCH_FILE, "It changed meanwhile; send it again.")
                if await self._is_stored(it):
                    self._told_sent(claim)
                else:
                    await self._deliver(claim, file, True)
        except BaseException as error:
            self._give_up(claim, error)
            raise

    async def _measure(self, path: Path, file: BinaryIO) -> tuple[int, str]:
        try:
            return await self._runner.read_in_thread(measure, file)
        except OSError as error:
            raise _unreadable(path, error) from None

    async def _deliver(self, claim: TransferClaim, file: BinaryIO, again: bool) -> None:
        it = claim.record
        if it in self._under_way:
            claim.forget()
            self._runner.tell(f"{it.name} is on its way already.")
            return
        mark = (it.room if it.to is None else INBOX, it.sha256)
        self._under_way.add(it)
        self._own_files[mark] += 1
        try:
            await self._send_missing(claim, file, again)
        except BaseException as error:
            self._own_files[mark] -= 1
            self._give_up(claim, error)
            raise
        finally:
            self._under_way.discard(it)
        self._told_sent(claim)

    def _told_sent(self, claim: TransferClaim) -> None:
        it = claim.record
        claim.forget()
        whom = f" to {it.to}" if it.to is not None else ""
        self._runner.tell(f"{it.name} ({textformat.size(it.size)}) is sent{whom}.")

    def _give_up(self, claim: TransferClaim, error: BaseException) -> None:
        if isinstance(error, Refusal) and error.code not in _TEMPORARY:
            claim.forget()
        elif not isinstance(error, NotInRoomYet):  # which keeps it until one is there
            claim.release()

    async def _send_missing(self, claim: TransferClaim, file: BinaryIO, again: bool) -> None:
        """Send what the server lacks of a file. Where the connection breaks it goes on there, and
        so it does where the server had enough of waiting, but kept what came."""
        it = claim.record
        progress = Progress(it.name, it.size, it.sha256)
        ticket = await self._get_ticket(claim)
        if again and ticket.ticket is not None:
            self._runner.tell_resumed(progress, ticket.offset)
        fruitless = 0
        while ticket.ticket is not None:  # else it has the same content elsewhere
            file.seek(ticket.offset)
            make = partial(
                transferconnection.UploadProtocol,
                self._runner.reactor,
                ticket.ticket,
                file,
                progress,
            )
            try:
                await self._runner.run(make, progress, ticket.offset)
                return
            except (Lost, Refusal) as error:
                ended = error
            if await self._is_stored(it):
                return
            before, ticket = ticket.offset, await self._get_ticket(claim)
            fruitless = 0 if ticket.offset > before else fruitless + 1
            if fruitless == FRUITLESS_ATTEMPTS or (fruitless and isinstance(ended, Refusal)):
                raise ended

    async def _get_ticket(self, claim: TransferClaim) -> replies.PutTicket:
        it = claim.record
        place = {"room": it.room} if it.to is None else {"to": it.to}
        try:
            ticket: replies.PutTicket = await self._runner.ask(
                "put", **place, name=it.name, size=it.size, sha256=it.sha256, key=it.key or None
            )
        except Refusal as refusal:
            if refusal.code is Code.NOT_IN_ROOM:
                raise NotInRoomYet(claim) from None
            raise
        return ticket

    async def _is_stored(self, it: TransferRecord) -> bool:
        """Whether the room has it: all of it had come, and only the answer was lost."""
        if it.to is not None:
            return False
        try:
            found = await self._runner.ask("get", room=it.room, name=it.name)
        except Refusal:
            return False
        return bool(found.sha256 == it.sha256)


def open_for_upload(path: Path) -> BinaryIO:
    """Open a file to be sent. Raises `Refusal` for what is no file, or cannot be read."""
    try:
        if path.exists() and not path.is_file():  # to open a named pipe would wait for ever
            raise Refusal(Code.NO_SUCH_FILE, f"{path} is not a file; give the path of one.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def measure(file: BinaryIO, stopped: list[bool]) -> tuple[int, str]:
    """Return the size and the SHA-256 of a file. It ends early once `stopped` is not empty."""
    hash_, size = hashlib.sha256(), 0
    while not stopped and (data := file.read(HASH_CHUNK)):
        hash_.update(data)
        size += len(data)
    return size, hash_.hexdigest()


def _unreadable(path: Path, error: OSError | ValueError) -> Refusal:
    if isinstance(error, FileNotFoundError):
        return Refusal(Code.NO_SUCH_FILE, f"{no_such_file(path)}.")
    reason = getattr(error, "strerror", None) or str(error)
    return Refusal(Code.NO_SUCH_FILE, f"{path} cannot be read ({reason}).")


class Downloader:
    """`who` returns the server and the user that they belong to."""

    def __init__(
        self,
        carriage: TransferRunner,
        unfinished: TransferMemory,
        who: Callable[[], tuple[str, str]],
    ) -> None:
        self._runner = carriage
        self._journal = unfinished
        self._who = who
        self._under_way: set[TransferRecord] = set()

    async def fetch(self, folder: Path, room: str, name: str, or_inbox: bool) -> Path | None:
        """Receive a file of a room's shelf (`@`: one's own) into `folder`; with `or_inbox`, if the
        room has none of that name, of one's own. Return where it is; None if it is on its way.
        Raises `Refusal` where the server offers another file than that."""
        try:
            found = await self._runner.ask("get", room=room, name=name)
        except Refusal as refusal:
            if not or_inbox or refusal.code is not Code.NO_SUCH_FILE:
                raise
            room = INBOX
            found = await self._in_inbox(name, refusal)
        if not _same_name(found.name, name):
            raise Refusal(Code.NO_SUCH_FILE, f"The server offers {found.name} in its place.")
        return await self._begin(folder, room, found)

    async def fetch_announced(self, folder: Path, room: str, mark: FileMark) -> Path | None:
        """Receive a file that was announced in a room (`@`: to oneself): that one, and no other.
        Return where it is; None if it is on its way. Raises `Refusal`."""
        found = await self._runner.ask("get", room=room, name=mark.name, version=mark.version)
        if FileMark(found.name, found.size, found.sha256, found.version) != mark:
            raise Refusal(Code.NO_SUCH_FILE, "The server offers another file than it announced.")
        return await self._begin(folder, room, found)

    async def _begin(self, folder: Path, room: str, found: replies.GetTicket) -> Path | None:
        it = TransferRecord(
            *self._who(),
            up=False,
            path=os.path.abspath(folder),
            name=found.name,
            size=found.size,
            sha256=found.sha256,
            room=room,
            version=found.version,
        )
        claim = await self._runner.in_thread(self._journal.remember, it)
        return await self._receive(claim, found.ticket)

    async def _in_inbox(self, name: str, refusal: Refusal) -> replies.GetTicket:
        try:
            found: replies.GetTicket = await self._runner.ask("get", room=INBOX, name=name)
            return found
        except Refusal:
            raise refusal from None

    async def resume(self, claim: TransferClaim) -> None:
        """Go on with one that was begun earlier."""
        await self._receive(claim, None)

    async def _receive(self, claim: TransferClaim, ticket: str | None) -> Path | None:
        """Receive a file; without a `ticket`, one is asked for. Return where it is; None if it is
        on its way."""
        it = claim.record
        if it in self._under_way:
            claim.forget()
            self._runner.tell(f"{it.name} is on its way already.")
            return None
        self._under_way.add(it)
        try:
            here = find_saved, Path(it.path), it.name, it.size, it.sha256
            place = await self._runner.read_in_thread(*here)
            if place is not None:
                claim.forget()
                self._runner.tell(f"{it.name} is here already, as {shortest_path(place)}.")
                return place
            place = await self._save(claim, ticket)
        except NotInRoomYet:  # who waits for the room keeps the claim
            raise
        except Refusal:
            claim.forget()
            raise
        except BaseException:
            claim.release()
            raise
        finally:
            self._under_way.discard(it)
        self._runner.tell(
            f"{it.name} ({textformat.size(it.size)}) is saved as {shortest_path(place)}, checked."
        )
        return place

    async def _save(self, claim: TransferClaim, ticket: str | None) -> Path:
        """Receive a file behind what is there of it. If that was not its beginning, all of it."""
        it, going_on = claim.record, ticket is None
        for _ in range(2):
            saving = PartialDownload(Path(it.path), it.name, it.sha256)
            try:
                await self._runner.in_thread(delete_old_parts, Path(it.path))
                await self._runner.read_in_thread(saving.resume, it.size)
                saving.check_space(it.size)
                began = saving.received
                await self._receive_missing(claim, saving, ticket, going_on or began > 0)
            except Refusal:
                saving.discard()
                raise
            except BaseException:
                saving.release()
                raise
            if saving.sha256 == it.sha256:
                return await self._runner.in_thread(_finish, saving, claim)
            saving.discard()
            if not began:
                break
            ticket, going_on = None, False
        raise Refusal(Code.WRONG_SHA256, "What came is not what was sent; not kept.")

    async def _receive_missing(
        self, claim: TransferClaim, saving: PartialDownload, ticket: str | None, going_on: bool
    ) -> None:
        """Receive what is missing. Where the connection breaks it goes on there."""
        it = claim.record
        progress = Progress(it.name, it.size, it.sha256)
        fruitless = 0
        while fruitless < FRUITLESS_ATTEMPTS:
            ticket = ticket or await self._get_ticket(claim)
            if going_on:
                self._runner.tell_resumed(progress, saving.received)
                going_on = False
            before = saving.received
            make = partial(
                transferconnection.DownloadProtocol, self._runner.reactor, ticket, saving, progress
            )
            try:
                await self._runner.run(make, progress, before)
                return
            except Lost:
                ticket = None
                fruitless = 0 if saving.received > before else fruitless + 1
        raise Lost("The connection broke.")

    async def _get_ticket(self, claim: TransferClaim) -> str:
        it = claim.record
        try:
            found = await self._runner.ask(
                "get", room=it.room, name=it.name, version=it.version or None
            )
        except Refusal as refusal:
            if refusal.code is Code.NOT_IN_ROOM:
                raise NotInRoomYet(claim) from None
            raise
        if (found.name, found.size, found.sha256) != (it.name, it.size, it.sha256):
            raise Refusal(Code.NO_SUCH_FILE, "It changed meanwhile; ask for it again.")
        return str(found.ticket)


def _same_name(offered: str, asked: str) -> bool:
    """Return whether a file's name is the one that was asked for: behind a room, if there was one,
    and however its accents are composed."""
    return normalize("NFC", offered) == normalize("NFC", asked.rpartition("/")[2])


def shortest_path(place: Path) -> Path:
    """Return the path of a file as short as it can be given."""
    try:
        return place.relative_to(os.getcwd())
    except (OSError, ValueError):  # it is elsewhere, or the current directory has gone
        return place


def _finish(saving: PartialDownload, claim: TransferClaim) -> Path:
    """Give a file its name, and forget that it was on its way. It is one piece of work, because
    who waits for it may leave meanwhile."""
    place = saving.finish()
    claim.forget()
    return place
