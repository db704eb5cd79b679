"""The transfers of one client: how many run at once, and what is resumed by itself."""

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
from chatservice.client.transferjournal import TransferClaim, TransferJournal, TransferRecord
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat
from chatservice.grammar.textparser import with_say_hint

CONCURRENT_TRANSFERS = 4
"""Transfers under way at one time; the others wait their turn."""

UNASKED = 100
"""Files of the largest size that is saved unasked, which one run of the client saves of them in
all; so many bytes, if they are smaller. Else a server, or a user, could fill the disk with them."""

UNASKED_FILES = 10_000
"""A file counts as at least the bytes in all over this, so that nobody makes more of them."""


class TransferQueue:
    """The files of one client.

    `who` returns the server and the user, `folder` where to save what comes; `accept` is the
    largest size that is received unasked. Nothing here raises for a transfer that fails: the screen
    is told in a sentence.
    """

    def __init__(
        self,
        reactor: Any,
        server: TransferServer,
        screen: TransferDisplay,
        who: Callable[[], tuple[str, str]],
        folder: Callable[[], Path],
        accept: int,
        unfinished: TransferJournal,
    ) -> None:
        self._runner = TransferRunner(reactor, server, screen, lambda: self.count)
        self._who = who
        self._folder = folder
        self._accept = accept
        self._unasked_bytes_left = accept * UNASKED  # the bytes that may still come
        self._journal = unfinished
        self._uploads = Uploader(self._runner, unfinished, who)
        self._downloads = Downloader(self._runner, unfinished, who)
        self._slots = DeferredSemaphore(CONCURRENT_TRANSFERS)
        self._jobs: set[Deferred[None]] = set()
        self._idle: list[Deferred[None]] = []
        self._waiting_for_room: list[TransferClaim] = []
        self._told: set[TransferClaim] = set()

    # -- what is asked for -----------------------------------------------------------------------

    def send(self, path: str, room: str, to: str | None) -> None:
        """Send the file at `path` to a room, or to one user only."""
        name = Path(path).name
        self._begin(f"{name} is not sent", self._uploads.send(Path(path), room, to))

    def fetch(self, room: str, name: str, or_inbox: bool = False, bare: str = "") -> None:
        """Receive a file of a room's shelf (`@`: one's own); with `or_inbox`, if the room has none
        of that name, of one's own. `bare` is the line that asks for it without a slash."""
        work = self._downloads.fetch(self._folder(), room, name, or_inbox)
        self._begin(f"{name} is not saved", work, bare)

    def consider_incoming(self, news: Incoming, mine: bool) -> bool:
        """Look at what came: receive a file that one would want. `mine` says that it is from
        oneself. Return whether it is one that this client just sent, which need not be shown."""
        entry = news.item
        if not isinstance(entry, Entry) or entry.kind != Kind.FILE or entry.file is None:
            return False
        if mine and self._uploads.is_echo(news.log, entry.file.sha256):
            return True
        if (
            entry.file.size <= self._accept
            and self._accept
            and self._count_unasked(entry.file.size)
        ):
            work = self._downloads.fetch_announced(self._folder(), news.log, entry.file)
            self._begin(f"{entry.file.name} is not saved", work)
        return False

    def _count_unasked(self, size: int) -> bool:
        """Count a file of `size` bytes that nobody asked for. Return whether that is not too much
        in all; the first that is too much is told."""
        if self._unasked_bytes_left < 0:
            return False
        in_all = self._accept * UNASKED
        self._unasked_bytes_left -= max(size, in_all // UNASKED_FILES, 1)
        if self._unasked_bytes_left < 0:
            self._runner.tell_failure(
                f"Files of {textformat.size(in_all)}, or {UNASKED_FILES} of them, came by "
                "themselves, and no more will: ask for them with /get, or start again."
            )
        return self._unasked_bytes_left >= 0

    def resume_unfinished(self) -> None:
        """Go on with what an earlier run of the client began; what goes to a room waits until one
        is in it."""
        for claim in self._journal.claim_all(*self._who()):
            if claim.record.up and claim.record.to is None:
                self._waiting_for_room.append(claim)
            else:
                self._resume(claim)

    def room_entered(self, room: str) -> None:
        """Go on with what could not go on before one was in that room."""
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
        """Move nothing more now. What is not done goes on at the next start."""
        for job in tuple(self._jobs):
            job.cancel()

    # -- a transfer's life -----------------------------------------------------------------------

    def _resume(self, claim: TransferClaim) -> None:
        if claim.record.up:
            self._begin(f"{claim.record.name} is not sent", self._uploads.resume(claim))
        else:
            self._begin(f"{claim.record.name} is not saved", self._downloads.resume(claim))

    def _begin(self, failed: str, work: Coroutine[Any, Any, Any], bare: str = "") -> None:
        job = Deferred.fromCoroutine(self._in_turn(failed, work, bare))
        self._jobs.add(job)
        job.addBoth(lambda result: self._ended(job, result))

    async def _in_turn(self, failed: str, work: Coroutine[Any, Any, Any], bare: str) -> None:
        try:
            await self._slots.acquire()
        except CancelledError:
            work.close()
            return
        try:
            await work
        except NotInRoomYet as other:
            self._wait_for_room(other.claim)
        except Refusal as refusal:
            self._runner.tell_failure(f"{failed}: {with_say_hint(refusal, bare).sentence}")
        except Lost:
            self._runner.tell_failure(f"{failed}: the connection broke; ask for it again.")
        except CancelledError:
            self._runner.tell_failure(f"{failed}: you left before it was done.")
        finally:
            self._slots.release()

    def _ended(self, job: "Deferred[None]", result: Any) -> Any:
        self._jobs.discard(job)
        if not self._jobs:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)
        return result


T = TypeVar("T")


class BotTransfers:
    """The transfers of a program. `told` takes sentences for a person, `progress` lines that tell
    how the transfers stand."""

    def __init__(
        self,
        reactor: Any,
        server: TransferServer,
        told: Callable[[str], None],
        progress: Callable[[str], None],
    ) -> None:
        self._jobs: set[Deferred[Any]] = set()
        carriage = TransferRunner(reactor, server, _SentenceDisplay(told, progress), lambda: 0)
        self._uploads = Uploader(carriage, _NoJournal(), lambda: ("", ""))
        self._downloads = Downloader(carriage, _NoJournal(), lambda: ("", ""))

    async def send(self, path: Path, room: str, to: str | None) -> None:
        """Send the file at `path` to a room, or to one user only. Raises `Refusal`, and `Lost`."""
        await self._uploads.send(path, room, to)

    async def fetch(self, folder: Path, room: str, name: str) -> Path:
        """Receive a file of a room's shelf (`@`: one's own) into `folder`, and return where it is.
        Raises `Refusal`, and `Lost`."""
        place = await self._downloads.fetch(folder, room, name, or_inbox=False)
        if place is None:
            raise Refusal(Code.TOO_MANY, f"{name} is on its way already; wait for it.")
        return place

    def begin(self, work: Coroutine[Any, Any, T]) -> "Deferred[T]":
        """Do something that ends when `stop` is called."""
        job = Deferred.fromCoroutine(work)
        self._jobs.add(job)
        job.addBoth(lambda result: self._ended(job, result))
        return job

    def _ended(self, job: "Deferred[T]", result: Any) -> Any:
        self._jobs.discard(job)
        return result

    def stop(self) -> None:
        """End what is under way. What came of it is found when it is asked for again."""
        for job in tuple(self._jobs):
            job.cancel()


class _SentenceDisplay:
    """What transfers tell, without the marks that lines on a screen have."""

    def __init__(self, told: Callable[[str], None], progress: Callable[[str], None]) -> None:
        self._told = told
        self._progress = progress

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Tell how the transfers stand: a line for each."""
        self._progress("\n".join(it.line(now) for it in under_way))

    def show(self, lines: bytes) -> None:
        """Tell sentences, one a line."""
        for line in lines.decode().splitlines():
            self._told(line.removeprefix("* ").removeprefix("! "))


class _NoJournal:
    """No transfer goes on by itself: what was begun goes on when it is asked for again."""

    def remember(self, it: TransferRecord) -> TransferClaim:
        """Return the right to carry it."""
        return TransferClaim(it)
