"""Files both ways: who is sent what, which are received, how many at once, and how they stand."""

import hashlib
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool

from chatservice import names
from chatservice.client import carriers
from chatservice.client.connection import Lost
from chatservice.client.conversation import INBOX, News
from chatservice.client.progress import Progress
from chatservice.client.saving import Saving
from chatservice.client.screen import Screen
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar import shown

T = TypeVar("T")

AT_ONCE = 4
"""Transfers under way at one time; the others wait their turn."""

HASH_CHUNK = 1 << 20
STATUS_SECONDS = 0.25
ATTEMPTS = 10
"""How often a transfer whose connection breaks goes on from where it was."""


class Server(Protocol):
    """What transfers need of the server: tickets, and connections to use them on."""

    def ask(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Ask for something on the connection for talk."""

    def connect(self, make: Callable[[], Any]) -> Awaitable[Any]:
        """Connect a protocol that `make` makes, and return it."""


class Transfers:
    """The files of one client.

    `folder` tells where to save what comes, `accept` is the largest size that is received unasked.
    Nothing here raises for a transfer that fails: the screen is told in a sentence.
    """

    def __init__(
        self, reactor: Any, server: Server, screen: Screen, folder: Callable[[], Path], accept: int
    ) -> None:
        self._reactor = reactor
        self._server = server
        self._screen = screen
        self._folder = folder
        self._accept = accept
        self._turns = DeferredSemaphore(AT_ONCE)
        self._jobs: set[Deferred[None]] = set()
        self._under_way: list[Progress] = []
        self._sent: Counter[tuple[str, str]] = Counter()
        self._idle: list[Deferred[None]] = []
        self._ticking = LoopingCall(self._show_status)
        self._ticking.clock = reactor

    # -- what is asked for -----------------------------------------------------------------------

    def send(self, path: str, room: str, to: str | None) -> None:
        """Send the file at `path` to a room, or to one user only."""
        name = os.path.basename(path)
        self._begin(f"{name} is not sent", self._send(Path(path), room, to))

    def fetch(self, room: str, name: str, or_inbox: bool = False) -> None:
        """Receive a file of a room's shelf (`@`: one's own); with `or_inbox`, if the room has none
        of that name, of one's own."""
        self._begin(f"{name} is not saved", self._fetch(room, name, or_inbox))

    def consider(self, news: News, mine: bool) -> bool:
        """Look at what came: receive a file that one would want. `mine` says that it is from
        oneself. Return whether it is one that this client just sent, which need not be shown."""
        entry = news.it
        if not isinstance(entry, Entry) or entry.kind != Kind.FILE or entry.file is None:
            return False
        if mine and self._sent[news.log, entry.file.sha256] > 0:
            self._sent[news.log, entry.file.sha256] -= 1
            return True
        if entry.file.size <= self._accept and self._accept:
            self.fetch(news.log, entry.file.name)
        return False

    def finished(self) -> "Deferred[None]":
        """Return a Deferred that is called back once no transfer is under way or waits."""
        done: Deferred[None] = Deferred()
        if self._jobs:
            self._idle.append(done)
        else:
            done.callback(None)
        return done

    @property
    def count(self) -> int:
        """How many are under way or wait."""
        return len(self._jobs)

    def stop(self) -> None:
        """Give up those that are not done, leaving nothing half-done on the disk."""
        for job in tuple(self._jobs):
            job.cancel()

    # -- a transfer's life -----------------------------------------------------------------------

    def _begin(self, failed: str, work: Coroutine[Any, Any, None]) -> None:
        job = Deferred.fromCoroutine(self._in_turn(failed, work))
        self._jobs.add(job)
        job.addBoth(lambda result: self._ended(job, result))

    async def _in_turn(self, failed: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await self._turns.acquire()
        except CancelledError:
            work.close()
            return
        try:
            await work
        except Refusal as refusal:
            self._refuse(f"{failed}: {refusal.sentence}")
        except Lost:
            self._refuse(f"{failed}: the connection broke; ask for it again.")
        except CancelledError:
            self._refuse(f"{failed}: you left before it was done.")
        finally:
            self._turns.release()

    def _ended(self, job: "Deferred[None]", result: Any) -> Any:
        self._jobs.discard(job)
        if not self._jobs:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)
        return result

    def _in_thread(self, work: Callable[..., T], *args: Any) -> "Deferred[T]":
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work, *args)

    async def _carried(self, make: Callable[[], Any], progress: Progress) -> Any:
        """Let a carrier do its work, and show how far it is."""
        self._under_way.append(progress)
        if not self._ticking.running:
            self._ticking.start(STATUS_SECONDS)
        carrier = None
        try:
            carrier = await self._server.connect(make)
            return await carrier.begin()
        except CancelledError:
            if carrier is not None:
                carrier.stop()
            raise
        finally:
            self._under_way.remove(progress)
            self._show_status()
            if not self._under_way:
                self._ticking.stop()

    # -- sending ---------------------------------------------------------------------------------

    async def _send(self, path: Path, room: str, to: str | None) -> None:
        name = names.file(path.name)
        with opened(path) as file:
            progress = await self._measured(path, name, file)
            await self._upload(file, progress, room, to)

    async def _measured(self, path: Path, name: str, file: BinaryIO) -> Progress:
        stopped: list[bool] = []
        try:
            size, sha256 = await self._in_thread(measure, file, stopped)
            file.seek(0)
        except CancelledError:
            stopped.append(True)
            raise
        except OSError as error:
            raise _unreadable(path, error) from None
        return Progress(name, size, sha256, self._reactor.seconds())

    async def _upload(self, file: BinaryIO, it: Progress, room: str, to: str | None) -> None:
        mark = (room if to is None else INBOX, it.sha256)
        self._sent[mark] += 1
        try:
            await self._carried_up(file, it, {"room": room} if to is None else {"to": to})
        except BaseException:
            self._sent[mark] -= 1
            raise
        whom = f" to {to}" if to is not None else ""
        self._tell(f"{it.name} ({shown.size(it.size)}) is sent{whom}.")

    async def _carried_up(self, file: BinaryIO, it: Progress, place: dict[str, str]) -> None:
        """Send what the server lacks of a file. Where the connection breaks it goes on there."""
        for attempt in range(1, ATTEMPTS + 1):
            ticket = await self._server.ask(
                "put", **place, name=it.name, size=it.size, sha256=it.sha256
            )
            if ticket.stored:  # it has the same content under another name
                return
            file.seek(ticket.offset)
            it.done = ticket.offset
            try:
                make = partial(carriers.Upload, self._reactor, ticket.ticket, file, it)
                await self._carried(make, it)
                return
            except Lost:
                if attempt == ATTEMPTS:
                    raise

    # -- receiving -------------------------------------------------------------------------------

    async def _fetch(self, room: str, name: str, or_inbox: bool) -> None:
        try:
            found = await self._server.ask("get", room=room, name=name)
        except Refusal as refusal:
            if not or_inbox or refusal.code is not Code.NO_SUCH_FILE:
                raise
            room = INBOX
            found = await self._in_inbox(name, refusal)
        it = Progress(found.name, found.size, found.sha256, self._reactor.seconds())
        saving = Saving(self._folder(), it.name)
        try:
            await self._download(saving, it, found.ticket, room)
            if saving.sha256 != it.sha256:
                raise Refusal(Code.WRONG_SHA256, "What came is not what was sent; not kept.")
            place = await self._in_thread(saving.keep)
        finally:
            saving.discard()
        self._tell(f"{it.name} ({shown.size(it.size)}) is saved as {place}, checked.")

    async def _in_inbox(self, name: str, refusal: Refusal) -> Any:
        try:
            return await self._server.ask("get", room=INBOX, name=name)
        except Refusal:
            raise refusal from None

    async def _download(self, saving: Saving, it: Progress, ticket: str, room: str) -> None:
        """Receive a file. Where the connection breaks it goes on with what is missing."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                make = partial(carriers.Download, self._reactor, ticket, saving, it)
                await self._carried(make, it)
                return
            except Lost:
                if attempt == ATTEMPTS:
                    raise
            again = await self._server.ask("get", room=room, name=it.name)
            if again.sha256 != it.sha256:
                raise Refusal(Code.NO_SUCH_FILE, "It changed meanwhile; ask for it again.")
            ticket = again.ticket

    # -- what is shown ---------------------------------------------------------------------------

    def _tell(self, text: str) -> None:
        self._screen.show(shown.event(Notice(names.clean(text))))

    def _refuse(self, sentence: str) -> None:
        self._screen.show(shown.refusal(Refusal(Code.INCOMPLETE, sentence)))

    def _show_status(self) -> None:
        now = self._reactor.seconds()
        lines = [it.line(now) for it in self._under_way]
        waiting = len(self._jobs) - len(lines)
        if lines and waiting > 0:
            lines.append(f"{waiting} more")
        self._screen.status("   ".join(lines))


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
        return Refusal(Code.NO_SUCH_FILE, f"There is no file {path}; give its exact path.")
    reason = getattr(error, "strerror", None) or str(error)
    return Refusal(Code.NO_SUCH_FILE, f"{path} cannot be read ({reason}).")
