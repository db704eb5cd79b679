"""Files on their way down: received behind what is there of them, checked, and only then named."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unicodedata import normalize

from chatservice import replies
from chatservice.client import carriers
from chatservice.client.carriage import ATTEMPTS, Carriage, OtherRoom
from chatservice.client.connection import Lost
from chatservice.client.conversation import INBOX
from chatservice.client.progress import Progress
from chatservice.client.saving import Saving, clean, here_already
from chatservice.client.unfinished import Claim, Memory, Transfer
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat


class Downloads:
    """`who` returns the server and the user that they belong to."""

    def __init__(
        self, carriage: Carriage, unfinished: Memory, who: Callable[[], tuple[str, str]]
    ) -> None:
        self._carriage = carriage
        self._unfinished = unfinished
        self._who = who
        self._under_way: set[Transfer] = set()

    async def fetch(self, folder: Path, room: str, name: str, or_inbox: bool) -> Path | None:
        """Receive a file of a room's shelf (`@`: one's own) into `folder`; with `or_inbox`, if the
        room has none of that name, of one's own. Return where it is; None if it is on its way.
        Raises `Refusal` where the server offers another file than that."""
        try:
            found = await self._carriage.ask("get", room=room, name=name)
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
        found = await self._carriage.ask("get", room=room, name=mark.name, version=mark.version)
        if FileMark(found.name, found.size, found.sha256, found.version) != mark:
            raise Refusal(Code.NO_SUCH_FILE, "The server offers another file than it announced.")
        return await self._begin(folder, room, found)

    async def _begin(self, folder: Path, room: str, found: replies.GetTicket) -> Path | None:
        it = Transfer(
            *self._who(),
            up=False,
            path=os.path.abspath(folder),
            name=found.name,
            size=found.size,
            sha256=found.sha256,
            room=room,
            version=found.version,
        )
        claim = await self._carriage.in_thread(self._unfinished.remember, it)
        return await self._receive(claim, found.ticket)

    async def _in_inbox(self, name: str, refusal: Refusal) -> replies.GetTicket:
        try:
            found: replies.GetTicket = await self._carriage.ask("get", room=INBOX, name=name)
            return found
        except Refusal:
            raise refusal from None

    async def go_on(self, claim: Claim) -> None:
        """Go on with one that was begun earlier."""
        await self._receive(claim, None)

    async def _receive(self, claim: Claim, ticket: str | None) -> Path | None:
        """Receive a file; without a `ticket`, one is asked for. Return where it is; None if it is
        on its way."""
        it = claim.it
        if it in self._under_way:
            claim.forget()
            self._carriage.tell(f"{it.name} is on its way already.")
            return None
        self._under_way.add(it)
        try:
            here = here_already, Path(it.path), it.name, it.size, it.sha256
            place = await self._carriage.read_in_thread(*here)
            if place is not None:
                claim.forget()
                self._carriage.tell(f"{it.name} is here already, as {from_here(place)}.")
                return place
            place = await self._save(claim, ticket)
        except OtherRoom:  # who waits for the room keeps the claim
            raise
        except Refusal:
            claim.forget()
            raise
        except BaseException:
            claim.release()
            raise
        finally:
            self._under_way.discard(it)
        self._carriage.tell(
            f"{it.name} ({textformat.size(it.size)}) is saved as {from_here(place)}, checked."
        )
        return place

    async def _save(self, claim: Claim, ticket: str | None) -> Path:
        """Receive a file behind what is there of it. If that was not its beginning, all of it."""
        it, going_on = claim.it, ticket is None
        for _ in range(2):
            saving = Saving(Path(it.path), it.name, it.sha256)
            try:
                await self._carriage.in_thread(clean, Path(it.path))
                await self._carriage.read_in_thread(saving.take_up, it.size)
                saving.make_sure_of(it.size)
                began = saving.received
                await self._carry(claim, saving, ticket, going_on or began > 0)
            except Refusal:
                saving.discard()
                raise
            except BaseException:
                saving.release()
                raise
            if saving.sha256 == it.sha256:
                return await self._carriage.in_thread(_keep, saving, claim)
            saving.discard()
            if not began:
                break
            ticket, going_on = None, False
        raise Refusal(Code.WRONG_SHA256, "What came is not what was sent; not kept.")

    async def _carry(
        self, claim: Claim, saving: Saving, ticket: str | None, going_on: bool
    ) -> None:
        """Receive what is missing. Where the connection breaks it goes on there."""
        it = claim.it
        progress = Progress(it.name, it.size, it.sha256)
        fruitless = 0
        while fruitless < ATTEMPTS:
            ticket = ticket or await self._ask(claim)
            if going_on:
                self._carriage.tell_going_on(progress, saving.received)
                going_on = False
            before = saving.received
            make = partial(carriers.Download, self._carriage.reactor, ticket, saving, progress)
            try:
                await self._carriage.carry(make, progress, before)
                return
            except Lost:
                ticket = None
                fruitless = 0 if saving.received > before else fruitless + 1
        raise Lost("The connection broke.")

    async def _ask(self, claim: Claim) -> str:
        it = claim.it
        try:
            found = await self._carriage.ask(
                "get", room=it.room, name=it.name, version=it.version or None
            )
        except Refusal as refusal:
            if refusal.code is Code.NOT_IN_ROOM:
                raise OtherRoom(claim) from None
            raise
        if (found.name, found.size, found.sha256) != (it.name, it.size, it.sha256):
            raise Refusal(Code.NO_SUCH_FILE, "It changed meanwhile; ask for it again.")
        return str(found.ticket)


def _same_name(offered: str, asked: str) -> bool:
    """Return whether a file's name is the one that was asked for: behind a room, if there was one,
    and however its accents are composed."""
    return normalize("NFC", offered) == normalize("NFC", asked.rpartition("/")[2])


def from_here(place: Path) -> Path:
    """Return the path of a file as short as it can be given."""
    try:
        return place.relative_to(os.getcwd())
    except (OSError, ValueError):  # it is elsewhere, or the current directory has gone
        return place


def _keep(saving: Saving, claim: Claim) -> Path:
    """Give a file its name, and forget that it was on its way. It is one piece of work, because
    who waits for it may leave meanwhile."""
    place = saving.keep()
    claim.forget()
    return place
