"""Uploads and downloads of files. Both go on where a connection broke."""

import os
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from unicodedata import normalize

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThreadPool

from chatservice import names, replies
from chatservice.client import partialdownload
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import INBOX
from chatservice.client.condition import Condition
from chatservice.client.jsonconnection import Lost
from chatservice.client.partialdownload import PartialDownload
from chatservice.client.transferconnection import (
    DownloadProtocol,
    Progress,
    Reading,
    UploadProtocol,
)
from chatservice.client.transferjournal import TransferClaim, TransferRecord
from chatservice.client.typedlines import no_such_file
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

STATUS_SECONDS = 0.25
"""Progress is shown so often."""

FRUITLESS_ATTEMPTS = 10
"""A transfer fails after so many connections in a row that moved nothing."""

_TEMPORARY = frozenset({Code.TOO_MANY, Code.DISK_FULL, Code.SERVER_ERROR})
"""Refusals of uploads that may be granted at another time."""

T = TypeVar("T")

Work = Callable[[TransferClaim], Awaitable[T]]
"""Runs a transfer, and forgets its record when it is done."""


class NotInRoomYet(Exception):
    """A transfer cannot go on before the user is in its room. It keeps its `claim`."""

    def __init__(self, claim: TransferClaim) -> None:
        super().__init__(claim)
        self.claim = claim


class ClientTransfers:
    """The transfers of a client, each on a connection of its own. A program's are not remembered.

    `tell` takes sentences, and `show` the progress of running transfers with the time in seconds.
    """

    def __init__(
        self,
        reactor: Any,
        session: ClientSession,
        tell: Callable[[str], None],
        show: Callable[[Sequence[Progress], float], None],
    ) -> None:
        self.reactor = reactor
        self.ask = session.ask
        self.tell = tell
        self.uploads = Uploader(self)
        self.downloads = Downloader(self)
        self._connect = session.connect
        self._show = show
        self._jobs: set[Deferred[Any]] = set()
        self._finished = Condition()
        self._records: set[TransferRecord] = set()
        self._running: list[Progress] = []
        self._ticking = LoopingCall(self._show_progress)
        self._ticking.clock = reactor

    def owner(self) -> tuple[str, str]:
        """Return the server and the user that remembered transfers belong to."""
        return "", ""

    def remember(self, record: TransferRecord) -> TransferClaim:
        """Note a transfer that begins. It may wait for the disk."""
        return TransferClaim(record)

    def start(self, work: Coroutine[Any, Any, T]) -> "Deferred[T]":
        """Run a coroutine with a transfer. The Deferred gets its result."""
        job = Deferred.fromCoroutine(work)
        self._jobs.add(job)

        def ended(result: Any) -> Any:
            self._jobs.discard(job)
            self._finished.notify_all()
            return result

        return job.addBoth(ended)

    @property
    def count(self) -> int:
        """The number of transfers that run or wait."""
        return len(self._jobs)

    async def when_finished(self) -> None:
        """Wait until there are no transfers."""
        await self._finished.wait_for(lambda: not self._jobs)

    def stop(self) -> None:
        """Stop all transfers. Remembered ones are resumed by the next start."""
        for job in tuple(self._jobs):
            job.cancel()

    # -- for a transfer --------------------------------------------------------------------------

    async def begin(self, record: TransferRecord, work: Work[T]) -> T | None:
        """Remember a transfer and run it. Return what `work` returns; None if it runs already."""
        return await self.resume(await self.in_thread(self.remember, record), work)

    async def resume(self, claim: TransferClaim, work: Work[T]) -> T | None:
        """Run a remembered transfer, and forget it if it is refused for good. Return what `work`
        returns; None if it runs already."""
        record = claim.record
        if record in self._records:
            claim.forget()
            self.tell(f"{record.name} is on its way already.")
            return None
        self._records.add(record)
        try:
            return await work(claim)
        except NotInRoomYet:  # it keeps the claim
            raise
        except BaseException as error:
            final = isinstance(error, Refusal) and not (record.up and error.code in _TEMPORARY)
            claim.forget() if final else claim.release()
            raise
        finally:
            self._records.discard(record)

    async def ask_for(self, claim: TransferClaim, command: str, **args: Any) -> Any:
        """Send a request for a transfer. Raises `Refusal`, and `NotInRoomYet`."""
        try:
            return await self.ask(command, **args)
        except Refusal as refusal:
            if refusal.code is Code.NOT_IN_ROOM:
                raise NotInRoomYet(claim) from None
            raise

    def in_thread(self, work: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Call a function that waits for the disk, in a thread."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work, *args)

    async def read_in_thread(
        self, read: Callable[..., T], *args: Any, stop: list[bool] | None = None
    ) -> T:
        """Call a function that reads long, in a thread. Its last argument is a list, `stop` or a
        new one, that is not empty once it shall end early."""
        stopped: list[bool] = [] if stop is None else stop
        try:
            return await self.in_thread(read, *args, stopped)
        except CancelledError:
            stopped.append(True)
            raise

    async def move(self, make: Callable[[], Any], progress: Progress, done: int) -> None:
        """Connect a transfer protocol that `make` makes, and let it move what is behind the first
        `done` bytes. Raises `Refusal` and `Lost`."""
        progress.begin(done, self.reactor.seconds())
        connection = None
        try:
            with self._shown(progress):
                connection = await self._connect(make)
                await connection.begin()
        except CancelledError:
            if connection is not None:
                connection.stop()
            raise

    async def measure(self, name: str, file: BinaryIO) -> tuple[int, str]:
        """Return the size and the SHA-256 of a file that is to be sent, and show meanwhile that it
        is read. Raises `OSError`, and `Refusal` (cancelled) after `cancel`."""
        reading = Reading(name)
        with self._shown(reading):
            found = await self.read_in_thread(partialdownload.measure, file, stop=reading.stopped)
        _check_not_cancelled(reading)
        return found

    def cancel(self, name: str) -> Sequence[Progress]:
        """Cancel the transfers of that name that run here, and return them. All but a `Reading` go
        on until the server cancels them, too."""
        found = [it for it in self._running if it.name == name]
        for it in found:
            it.stopped.append(True)
        return found

    async def cancel_at_server(self, name: str, cancelled: Sequence[Progress]) -> Any:
        """Let the server cancel transfers too, and return its reply. It does not know of one whose
        connection has just begun: ask again as long as one of `cancelled` runs. Raises `Refusal`
        and `Lost`."""
        told: Refusal | None = None
        while True:
            try:
                return await self.ask("cancel", name=name)
            except Refusal as refusal:
                here = any(it in self._running for it in cancelled)
                if refusal.code is not Code.NO_SUCH_FILE or not here:
                    raise told or refusal from None
                told = refusal  # it may say that all of the file has come
            await deferLater(self.reactor, STATUS_SECONDS)

    @contextmanager
    def _shown(self, progress: Progress) -> Iterator[None]:
        self._running.append(progress)
        if not self._ticking.running:
            self._ticking.start(STATUS_SECONDS)
        try:
            yield
        finally:
            self._running.remove(progress)
            self._show_progress()
            if not self._running:
                self._ticking.stop()

    def tell_resumed(self, it: Progress, done: int) -> None:
        """Tell that a transfer goes on behind the first `done` bytes."""
        percent = 100 * done // it.size if it.size else 0
        self.tell(f"going on with {it.name} ({percent}% of {textformat.size(it.size)})")

    def _show_progress(self) -> None:
        self._show(tuple(self._running), self.reactor.seconds())


class Uploader:
    """The uploads of one client."""

    def __init__(self, transfers: ClientTransfers) -> None:
        self._transfers = transfers
        self._own_files: Counter[tuple[str, str]] = Counter()

    def is_echo(self, log: str, sha256: str) -> bool:
        """Return whether this client just sent that file. Each upload counts once."""
        if self._own_files[log, sha256] <= 0:
            return False
        self._own_files[log, sha256] -= 1
        return True

    async def send(self, path: Path, room: str, to: str | None) -> None:
        """Send the file at `path` to a room, or `to` one user. Raises `Refusal` and `Lost`."""
        name = names.file(path.name)
        with open_for_upload(path) as file:
            size, sha256 = await self._measure(path, file)
            server, user = self._transfers.owner()
            record = TransferRecord(
                server=server,
                user=user,
                up=True,
                path=os.path.abspath(path),
                name=name,
                size=size,
                sha256=sha256,
                room=room if to is None else "",
                to=to,
                key=secrets.token_hex(16),
            )
            await self._transfers.begin(record, lambda claim: self._deliver(claim, file, False))

    async def resume(self, claim: TransferClaim) -> None:
        """Resume an upload of an earlier run, unless the file has changed."""
        await self._transfers.resume(claim, self._resume)

    async def _resume(self, claim: TransferClaim) -> None:
        record, path = claim.record, Path(claim.record.path)
        with open_for_upload(path) as file:
            if await self._measure(path, file) != (record.size, record.sha256):
                raise Refusal(Code.NO_SUCH_FILE, "It changed meanwhile; send it again.")
            if await self._is_stored(record):
                self._tell_sent(claim)
            else:
                await self._deliver(claim, file, True)

    async def _measure(self, path: Path, file: BinaryIO) -> tuple[int, str]:
        try:
            return await self._transfers.measure(path.name, file)
        except OSError as error:
            raise _unreadable(path, error) from None

    async def _deliver(self, claim: TransferClaim, file: BinaryIO, resumed: bool) -> None:
        record = claim.record
        mark = (record.room if record.to is None else INBOX, record.sha256)
        self._own_files[mark] += 1
        try:
            await self._send_missing(claim, file, resumed)
        except BaseException:
            self._own_files[mark] -= 1
            raise
        self._tell_sent(claim)

    def _tell_sent(self, claim: TransferClaim) -> None:
        record = claim.record
        claim.forget()
        whom = f" to {record.to}" if record.to is not None else ""
        self._transfers.tell(f"{record.name} ({textformat.size(record.size)}) is sent{whom}.")

    async def _send_missing(self, claim: TransferClaim, file: BinaryIO, resumed: bool) -> None:
        """Send what the server lacks of a file. Go on if the connection breaks, or if the server
        stopped waiting and kept what came."""
        record = claim.record
        progress = Progress(record.name, record.size, record.sha256)
        reply = await self._get_ticket(claim)
        if resumed and reply.ticket is not None:
            self._transfers.tell_resumed(progress, reply.offset)
        fruitless = 0
        while reply.ticket is not None:  # without one, the server has the content already
            file.seek(reply.offset)
            make = partial(UploadProtocol, self._transfers.reactor, reply.ticket, file, progress)
            try:
                await self._transfers.move(make, progress, reply.offset)
                return
            except (Lost, Refusal) as error:
                ended = error
            if await self._is_stored(record):
                return
            before, reply = reply.offset, await self._get_ticket(claim)
            fruitless = 0 if reply.offset > before else fruitless + 1
            if fruitless == FRUITLESS_ATTEMPTS or (fruitless and isinstance(ended, Refusal)):
                raise ended

    async def _get_ticket(self, claim: TransferClaim) -> replies.PutTicket:
        record = claim.record
        target = {"room": record.room} if record.to is None else {"to": record.to}
        file = {"name": record.name, "size": record.size, "sha256": record.sha256}
        reply: replies.PutTicket = await self._transfers.ask_for(
            claim, "put", **target, **file, key=record.key or None
        )
        return reply

    async def _is_stored(self, record: TransferRecord) -> bool:
        """Return whether the room has the file: only the last reply was lost."""
        if record.to is not None:
            return False
        try:
            found = await self._transfers.ask("get", room=record.room, name=record.name)
        except Refusal:
            return False
        return bool(found.sha256 == record.sha256)


def open_for_upload(path: Path) -> BinaryIO:
    """Open a file to be sent. Raises `Refusal` for a path that is no file or cannot be read."""
    try:
        if path.exists() and not path.is_file():  # opening a named pipe would block
            raise Refusal(Code.NO_SUCH_FILE, f"{path} is not a file; give the path of one.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError | ValueError) -> Refusal:
    if isinstance(error, FileNotFoundError):
        return Refusal(Code.NO_SUCH_FILE, f"{no_such_file(path)}.")
    reason = getattr(error, "strerror", None) or str(error)
    return Refusal(Code.NO_SUCH_FILE, f"{path} cannot be read ({reason}).")


class Downloader:
    """The downloads of one client."""

    def __init__(self, transfers: ClientTransfers) -> None:
        self._transfers = transfers

    async def fetch(
        self, folder: Path, room: str, name: str, or_inbox: bool = False
    ) -> Path | None:
        """Save a file of a room (`@`: of the user) in `folder`; with `or_inbox`, one of the user if
        the room has none of that name. Return its path, or None if it is on its way already. Raises
        `Refusal`, also if the server offers another file."""
        found: replies.GetTicket | None = None
        try:
            found = await self._transfers.ask("get", room=room, name=name)
        except Refusal as refusal:
            if or_inbox and refusal.code is Code.NO_SUCH_FILE:
                room = INBOX
                with suppress(Refusal):
                    found = await self._transfers.ask("get", room=INBOX, name=name)
            if found is None:
                raise
        # The name that was asked for may have a room before it, or other forms of its accents.
        if normalize("NFC", found.name) != normalize("NFC", name.rpartition("/")[2]):
            raise Refusal(Code.NO_SUCH_FILE, f"The server offers {found.name} in its place.")
        return await self._begin(folder, room, found)

    async def fetch_announced(self, folder: Path, room: str, mark: FileMark) -> Path | None:
        """Save exactly the file that an entry of a room (or of the inbox, `@`) announced. Return
        its path, or None if it is on its way already. Raises `Refusal`."""
        found = await self._transfers.ask("get", room=room, name=mark.name, version=mark.version)
        if FileMark(found.name, found.size, found.sha256, found.version) != mark:
            raise Refusal(Code.NO_SUCH_FILE, "The server offers another file than it announced.")
        return await self._begin(folder, room, found)

    async def _begin(self, folder: Path, room: str, found: replies.GetTicket) -> Path | None:
        server, user = self._transfers.owner()
        record = TransferRecord(
            server=server,
            user=user,
            up=False,
            path=os.path.abspath(folder),
            name=found.name,
            size=found.size,
            sha256=found.sha256,
            room=room,
            version=found.version,
        )
        return await self._transfers.begin(record, partial(self._find_or_save, ticket=found.ticket))

    async def resume(self, claim: TransferClaim) -> None:
        """Resume a download of an earlier run."""
        await self._transfers.resume(claim, partial(self._find_or_save, ticket=None))

    async def _find_or_save(self, claim: TransferClaim, ticket: str | None) -> Path:
        """Save a file, unless the folder has it. Without a `ticket`, get one first."""
        record = claim.record
        wanted = Path(record.path), record.name, record.size, record.sha256
        path = await self._transfers.read_in_thread(partialdownload.find_saved, *wanted)
        if path is not None:
            claim.forget()
            self._transfers.tell(f"{record.name} is here already, as {shortest_path(path)}.")
            return path
        path = await self._save(claim, ticket)
        size = textformat.size(record.size)
        self._transfers.tell(f"{record.name} ({size}) is saved as {shortest_path(path)}, checked.")
        return path

    async def _save(self, claim: TransferClaim, ticket: str | None) -> Path:
        """Save a file and return its path. Begin again if the partial file was another's, or if the
        greeting that was left out was the file's own."""
        record, resumed = claim.record, ticket is None
        for greeting in (textformat.GREETING, b""):
            part = PartialDownload(Path(record.path), record.name, record.sha256)
            may_help = await self._fill(claim, part, greeting, ticket, resumed)
            if part.sha256 == record.sha256:
                return await self._transfers.in_thread(_finish, part, claim)
            part.discard()
            if not may_help:
                break
            ticket, resumed = None, False
        sentence = "The bytes do not match the file's SHA-256; nothing was kept."
        raise Refusal(Code.WRONG_SHA256, sentence)

    async def _fill(
        self,
        claim: TransferClaim,
        part: PartialDownload,
        greeting: bytes,
        ticket: str | None,
        resumed: bool,
    ) -> bool:
        """Receive what is missing of a partial file. Return whether to begin again may help, if the
        whole is wrong: it had some bytes before, or a greeting was left out."""
        record = claim.record
        try:
            await self._transfers.in_thread(partialdownload.delete_old_parts, Path(record.path))
            await self._transfers.read_in_thread(part.resume, record.size)
            part.check_space(record.size)
            had_some = part.received > 0
            resumed = resumed or had_some
            greeted = await self._receive_missing(claim, part, greeting, ticket, resumed)
        except Refusal:
            part.discard()
            raise
        except BaseException:
            part.release()
            raise
        return had_some or greeted

    async def _receive_missing(
        self,
        claim: TransferClaim,
        part: PartialDownload,
        greeting: bytes,
        ticket: str | None,
        resumed: bool,
    ) -> bool:
        """Receive what is missing of a file, and go on if the connection breaks. Return whether a
        greeting was left out."""
        record = claim.record
        progress = Progress(record.name, record.size, record.sha256)
        fruitless = 0
        while fruitless < FRUITLESS_ATTEMPTS:
            ticket = ticket or await self._get_ticket(claim)
            if resumed:
                self._transfers.tell_resumed(progress, part.received)
                resumed = False
            before = part.received
            given = ticket, part, progress, greeting
            make = partial(DownloadProtocol, self._transfers.reactor, *given)
            try:
                await self._transfers.move(make, progress, before)
                return progress.is_greeted
            except Lost:
                _check_not_cancelled(progress)
                ticket = None
                fruitless = 0 if part.received > before else fruitless + 1
        raise Lost("The connection broke.")

    async def _get_ticket(self, claim: TransferClaim) -> str:
        record = claim.record
        wanted = {"room": record.room, "name": record.name, "version": record.version or None}
        found = await self._transfers.ask_for(claim, "get", **wanted)
        if (found.name, found.size, found.sha256) != (record.name, record.size, record.sha256):
            raise Refusal(Code.NO_SUCH_FILE, "It changed meanwhile; ask for it again.")
        return str(found.ticket)


def _check_not_cancelled(progress: Progress) -> None:
    """Raise `Refusal` (cancelled) if the user has cancelled a transfer."""
    if progress.stopped:
        raise Refusal(Code.CANCELLED, "Cancelled, as you wished.")


def shortest_path(path: Path) -> Path:
    """Return a path relative to the current directory, if it is below that."""
    try:
        return path.relative_to(os.getcwd())
    except (OSError, ValueError):  # it is elsewhere, or the current directory is deleted
        return path


def _finish(part: PartialDownload, claim: TransferClaim) -> Path:
    """Give a file its name and forget its record, in one step in a thread: a caller that is
    cancelled meanwhile must not separate them."""
    path = part.finish()
    claim.forget()
    return path
