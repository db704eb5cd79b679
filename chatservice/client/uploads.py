"""Files on their way up: read for their SHA-256, then sent from where the server lacks them."""

import hashlib
import os
import secrets
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from chatservice import names, replies
from chatservice.client import carriers
from chatservice.client.carriage import ATTEMPTS, Carriage, OtherRoom
from chatservice.client.connection import Lost
from chatservice.client.conversation import INBOX
from chatservice.client.progress import Progress
from chatservice.client.typedlines import no_such_file
from chatservice.client.unfinished import Claim, Memory, Transfer
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

HASH_CHUNK = 1 << 20

_NOT_NOW = frozenset({Code.TOO_MANY, Code.DISK_FULL, Code.SERVER_ERROR})
"""Refusals of what may be granted another time."""


class Uploads:
    """`who` returns the server and the user that they belong to."""

    def __init__(
        self, carriage: Carriage, unfinished: Memory, who: Callable[[], tuple[str, str]]
    ) -> None:
        self._carriage = carriage
        self._unfinished = unfinished
        self._who = who
        self._under_way: set[Transfer] = set()
        self._sent: Counter[tuple[str, str]] = Counter()

    def is_echo(self, log: str, sha256: str) -> bool:
        """Return whether a file of one's own that came is one that was just sent from here. Each
        comes back once."""
        if self._sent[log, sha256] <= 0:
            return False
        self._sent[log, sha256] -= 1
        return True

    async def send(self, path: Path, room: str, to: str | None) -> None:
        """Send the file at `path` to a room, or to one user only."""
        name = names.file(path.name)
        with opened(path) as file:
            size, sha256 = await self._measured(path, file)
            server, user = self._who()
            it = Transfer(
                *(server, user, True, os.path.abspath(path), name, size, sha256),
                room=room if to is None else "",
                to=to,
                key=secrets.token_hex(16),
            )
            claim = await self._carriage.in_thread(self._unfinished.remember, it)
            await self._deliver(claim, file, False)

    async def go_on(self, claim: Claim) -> None:
        """Go on with one that was begun earlier, unless the file is not what it was."""
        it, path = claim.it, Path(claim.it.path)
        try:
            with opened(path) as file:
                if await self._measured(path, file) != (it.size, it.sha256):
                    raise Refusal(Code.NO_SUCH_FILE, "It changed meanwhile; send it again.")
                if await self._arrived(it):
                    self._told_sent(claim)
                else:
                    await self._deliver(claim, file, True)
        except BaseException as error:
            self._let_go(claim, error)
            raise

    async def _measured(self, path: Path, file: BinaryIO) -> tuple[int, str]:
        try:
            return await self._carriage.read_in_thread(measure, file)
        except OSError as error:
            raise _unreadable(path, error) from None

    async def _deliver(self, claim: Claim, file: BinaryIO, again: bool) -> None:
        it = claim.it
        if it in self._under_way:
            claim.forget()
            self._carriage.tell(f"{it.name} is on its way already.")
            return
        mark = (it.room if it.to is None else INBOX, it.sha256)
        self._under_way.add(it)
        self._sent[mark] += 1
        try:
            await self._carry(claim, file, again)
        except BaseException as error:
            self._sent[mark] -= 1
            self._let_go(claim, error)
            raise
        finally:
            self._under_way.discard(it)
        self._told_sent(claim)

    def _told_sent(self, claim: Claim) -> None:
        it = claim.it
        claim.forget()
        whom = f" to {it.to}" if it.to is not None else ""
        self._carriage.tell(f"{it.name} ({textformat.size(it.size)}) is sent{whom}.")

    def _let_go(self, claim: Claim, error: BaseException) -> None:
        if isinstance(error, Refusal) and error.code not in _NOT_NOW:
            claim.forget()
        elif not isinstance(error, OtherRoom):  # which keeps it until one is there
            claim.release()

    async def _carry(self, claim: Claim, file: BinaryIO, again: bool) -> None:
        """Send what the server lacks of a file. Where the connection breaks it goes on there, and
        so it does where the server had enough of waiting, but kept what came."""
        it = claim.it
        progress = Progress(it.name, it.size, it.sha256)
        ticket = await self._ask(claim)
        if again and ticket.ticket is not None:
            self._carriage.tell_going_on(progress, ticket.offset)
        fruitless = 0
        while ticket.ticket is not None:  # else it has the same content elsewhere
            file.seek(ticket.offset)
            make = partial(carriers.Upload, self._carriage.reactor, ticket.ticket, file, progress)
            try:
                await self._carriage.carry(make, progress, ticket.offset)
                return
            except (Lost, Refusal) as error:
                ended = error
            if await self._arrived(it):
                return
            before, ticket = ticket.offset, await self._ask(claim)
            fruitless = 0 if ticket.offset > before else fruitless + 1
            if fruitless == ATTEMPTS or (fruitless and isinstance(ended, Refusal)):
                raise ended

    async def _ask(self, claim: Claim) -> replies.PutTicket:
        it = claim.it
        place = {"room": it.room} if it.to is None else {"to": it.to}
        try:
            ticket: replies.PutTicket = await self._carriage.ask(
                "put", **place, name=it.name, size=it.size, sha256=it.sha256, key=it.key or None
            )
        except Refusal as refusal:
            if refusal.code is Code.NOT_IN_ROOM:
                raise OtherRoom(claim) from None
            raise
        return ticket

    async def _arrived(self, it: Transfer) -> bool:
        """Whether the room has it: all of it had come, and only the answer was lost."""
        if it.to is not None:
            return False
        try:
            found = await self._carriage.ask("get", room=it.room, name=it.name)
        except Refusal:
            return False
        return bool(found.sha256 == it.sha256)


def opened(path: Path) -> BinaryIO:
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
