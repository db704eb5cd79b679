"""The transfers of a client: a queue for a person, and single transfers for a program."""

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore

from chatservice import names
from chatservice.client.clientstate import Incoming
from chatservice.client.filetransfers import Downloader, Uploader
from chatservice.client.jsonconnection import Lost
from chatservice.client.transferconnection import (
    NotInRoomYet,
    Progress,
    TransferDisplay,
    TransferRunner,
    TransferServer,
)
from chatservice.client.transferjournal import TransferClaim, TransferJournal
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat
from chatservice.grammar.textparser import with_say_hint

T = TypeVar("T")

CONCURRENT_TRANSFERS = 4
"""Transfers that run at one time. The others wait in the queue."""

UNASKED = 100
"""One run of the client saves as many unasked bytes as this number of files of the largest size
that is accepted. Else a server, or a user, could fill the disk."""

UNASKED_FILES = 10_000
"""Each unasked file counts as at least this fraction of those bytes, so there are never more."""


class _Jobs:
    """Coroutines that run until they end or are stopped."""

    def __init__(self) -> None:
        self._running: set[Deferred[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, work: Coroutine[Any, Any, T]) -> "Deferred[T]":
        """Run a coroutine. The Deferred gets its result."""
        job = Deferred.fromCoroutine(work)
        self._running.add(job)
        return job.addBoth(lambda result: self._ended(job, result))

    def _ended(self, job: "Deferred[T]", result: Any) -> Any:
        self._running.discard(job)
        return result

    def stop(self) -> None:
        """Cancel all that run."""
        for job in tuple(self._running):
            job.cancel()


class TransferQueue:
    """The queue of a person's transfers. It shows failed transfers in a sentence, and never raises
    for one.

    `owner` returns the server and the user, `folder` the place for downloads. Files of at most
    `accept` bytes are saved without being asked for.
    """

    def __init__(
        self,
        reactor: Any,
        server: TransferServer,
        display: TransferDisplay,
        owner: Callable[[], tuple[str, str]],
        folder: Callable[[], Path],
        accept: int,
        journal: TransferJournal,
    ) -> None:
        self._runner = TransferRunner(reactor, server, display, lambda: self.count)
        self._owner = owner
        self._folder = folder
        self._accept = accept
        self._unasked_bytes_left = accept * UNASKED
        self._journal = journal
        self._uploader = Uploader(self._runner, journal.remember, owner)
        self._downloader = Downloader(self._runner, journal.remember, owner)
        self._slots = DeferredSemaphore(CONCURRENT_TRANSFERS)
        self._jobs = _Jobs()
        self._idle: list[Deferred[None]] = []
        self._waiting_for_room: list[TransferClaim] = []
        self._told: set[TransferClaim] = set()

    def send(self, path: str, room: str, to: str | None) -> None:
        """Queue an upload of the file at `path` to a room, or `to` one user."""
        name = Path(path).name
        self._begin(f"{name} is not sent", self._uploader.send(Path(path), room, to))

    def fetch(self, room: str, name: str, or_inbox: bool = False, bare: str = "") -> None:
        """Queue a download of a file of a room (`@`: of the user); with `or_inbox`, of the user if
        the room has none of that name. `bare` is the typed line, if it had no slash."""
        work = self._downloader.fetch(self._folder(), room, name, or_inbox)
        self._begin(f"{name} is not saved", work, bare)

    def consider_incoming(self, incoming: Incoming, mine: bool) -> bool:
        """Download the file of an entry if it is small enough. `mine` is True for an entry of the
        user. Return whether this client just sent it, so that it need not be shown."""
        entry = incoming.item
        if not isinstance(entry, Entry) or entry.kind != Kind.FILE or entry.file is None:
            return False
        file = entry.file
        if mine and self._uploader.is_echo(incoming.log, file.sha256):
            return True
        if self._accept and file.size <= self._accept and self._count_unasked(file.size):
            work = self._downloader.fetch_announced(self._folder(), incoming.log, file)
            self._begin(f"{file.name} is not saved", work)
        return False

    def _count_unasked(self, size: int) -> bool:
        """Count an unasked file of `size` bytes, and return whether it may be saved. Show a
        sentence about the first that may not."""
        if self._unasked_bytes_left < 0:
            return False
        in_all = self._accept * UNASKED
        self._unasked_bytes_left -= max(size, in_all // UNASKED_FILES, 1)
        if self._unasked_bytes_left < 0:
            much = f"{textformat.size(in_all)}, or {UNASKED_FILES} files"
            self._runner.tell_failure(
                f"The client has saved {much}, by itself, and saves no more: use /get, or start it "
                "again."
            )
        return self._unasked_bytes_left >= 0

    def resume_unfinished(self) -> None:
        """Resume the transfers of an earlier run. Uploads to a room wait for `room_entered`."""
        for claim in self._journal.claim_all(*self._owner()):
            if claim.record.up and claim.record.to is None:
                self._waiting_for_room.append(claim)
            else:
                self._resume(claim)

    def room_entered(self, room: str) -> None:
        """Resume the transfers that waited for that room."""
        claims, self._waiting_for_room = self._waiting_for_room, []
        for claim in claims:
            if names.key(claim.record.room) == names.key(room):
                self._resume(claim)
            else:
                self._wait_for_room(claim)

    def _wait_for_room(self, claim: TransferClaim) -> None:
        self._waiting_for_room.append(claim)
        if claim not in self._told:
            self._told.add(claim)
            self._runner.tell(f"{claim.record.name} goes on once you are in {claim.record.room}.")

    def when_finished(self) -> "Deferred[None]":
        """Return a Deferred that is called back once the queue is empty."""
        done: Deferred[None] = Deferred()
        if self._jobs:
            self._idle.append(done)
        else:
            done.callback(None)
        return done

    @property
    def count(self) -> int:
        """The number of transfers that run or wait."""
        return len(self._jobs)

    def stop(self) -> None:
        """Stop all transfers. The next start resumes them."""
        self._jobs.stop()

    def _resume(self, claim: TransferClaim) -> None:
        if claim.record.up:
            self._begin(f"{claim.record.name} is not sent", self._uploader.resume(claim))
        else:
            self._begin(f"{claim.record.name} is not saved", self._downloader.resume(claim))

    def _begin(self, failed: str, work: Coroutine[Any, Any, Any], bare: str = "") -> None:
        self._jobs.begin(self._in_turn(failed, work, bare)).addBoth(self._ended)

    async def _in_turn(self, failed: str, work: Coroutine[Any, Any, Any], bare: str) -> None:
        try:
            await self._slots.acquire()
        except CancelledError:
            work.close()
            return
        try:
            await work
        except NotInRoomYet as early:
            self._wait_for_room(early.claim)
        except Refusal as refusal:
            self._runner.tell_failure(f"{failed}: {with_say_hint(refusal, bare).sentence}")
        except Lost:
            self._runner.tell_failure(f"{failed}: the connection broke; ask for it again.")
        except CancelledError:
            self._runner.tell_failure(f"{failed}: you left before it was done.")
        finally:
            self._slots.release()

    def _ended(self, result: Any) -> Any:
        if not self._jobs:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)
        return result


class BotTransfers:
    """The transfers of a program, which are neither queued nor remembered. `told` takes sentences,
    `progress` takes a line for each running transfer."""

    def __init__(
        self,
        reactor: Any,
        server: TransferServer,
        told: Callable[[str], None],
        progress: Callable[[str], None],
    ) -> None:
        self._jobs = _Jobs()
        self.begin = self._jobs.begin
        self.stop = self._jobs.stop
        runner = TransferRunner(reactor, server, _SentenceDisplay(told, progress), lambda: 0)
        self._uploader = Uploader(runner, TransferClaim, lambda: ("", ""))
        self._downloader = Downloader(runner, TransferClaim, lambda: ("", ""))
        self.send = self._uploader.send

    async def fetch(self, folder: Path, room: str, name: str) -> Path:
        """Save a file of a room (`@`: of the user) in `folder`, and return its path. Raises
        `Refusal` and `Lost`."""
        path = await self._downloader.fetch(folder, room, name, or_inbox=False)
        if path is None:
            raise Refusal(Code.TOO_MANY, f"{name} is on its way already; wait for it.")
        return path


class _SentenceDisplay:
    """A display for programs, without the marks of lines on a screen."""

    def __init__(self, told: Callable[[str], None], progress: Callable[[str], None]) -> None:
        self._told = told
        self._progress = progress

    def show_transfers(self, running: Sequence[Progress], waiting: int, now: float) -> None:
        """Give a line for each running transfer."""
        self._progress("\n".join(it.line(now) for it in running))

    def show(self, lines: bytes) -> None:
        """Give sentences, one a line."""
        for line in lines.decode().splitlines():
            self._told(line.removeprefix("* ").removeprefix("! "))
