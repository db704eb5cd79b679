"""Files both ways: which are sent and received, how many at once, and what goes on by itself."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore

from chatservice import names
from chatservice.client.carriage import Carriage, OtherRoom, Server
from chatservice.client.connection import Lost
from chatservice.client.cursor import News
from chatservice.client.downloads import Downloads
from chatservice.client.screen import Screen
from chatservice.client.unfinished import Claim, Unfinished
from chatservice.client.uploads import Uploads
from chatservice.entries import Entry, Kind
from chatservice.errors import Refusal
from chatservice.grammar import textformat
from chatservice.grammar.textparser import with_say_hint

AT_ONCE = 4
"""Transfers under way at one time; the others wait their turn."""

UNASKED = 100
"""Files of the largest size that is saved unasked, which one run of the client saves of them in
all; so many bytes, if they are smaller. Else a server, or a user, could fill the disk with them."""

UNASKED_FILES = 10_000
"""A file counts as at least the bytes in all over this, so that nobody makes more of them."""


class Transfers:
    """The files of one client.

    `who` returns the server and the user, `folder` where to save what comes; `accept` is the
    largest size that is received unasked. Nothing here raises for a transfer that fails: the screen
    is told in a sentence.
    """

    def __init__(
        self,
        reactor: Any,
        server: Server,
        screen: Screen,
        who: Callable[[], tuple[str, str]],
        folder: Callable[[], Path],
        accept: int,
        unfinished: Unfinished,
    ) -> None:
        self._carriage = Carriage(reactor, server, screen, lambda: self.count)
        self._who = who
        self._folder = folder
        self._accept = accept
        self._unasked = accept * UNASKED  # the bytes that may still come
        self._unfinished = unfinished
        self._uploads = Uploads(self._carriage, unfinished, who)
        self._downloads = Downloads(self._carriage, unfinished, who)
        self._turns = DeferredSemaphore(AT_ONCE)
        self._jobs: set[Deferred[None]] = set()
        self._idle: list[Deferred[None]] = []
        self._elsewhere: list[Claim] = []
        self._told: set[Claim] = set()

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

    def consider(self, news: News, mine: bool) -> bool:
        """Look at what came: receive a file that one would want. `mine` says that it is from
        oneself. Return whether it is one that this client just sent, which need not be shown."""
        entry = news.it
        if not isinstance(entry, Entry) or entry.kind != Kind.FILE or entry.file is None:
            return False
        if mine and self._uploads.is_echo(news.log, entry.file.sha256):
            return True
        if entry.file.size <= self._accept and self._accept and self._may_come(entry.file.size):
            work = self._downloads.fetch_announced(self._folder(), news.log, entry.file)
            self._begin(f"{entry.file.name} is not saved", work)
        return False

    def _may_come(self, size: int) -> bool:
        """Count a file of `size` bytes that nobody asked for. Return whether that is not too much
        in all; the first that is too much is told."""
        if self._unasked < 0:
            return False
        in_all = self._accept * UNASKED
        self._unasked -= max(size, in_all // UNASKED_FILES, 1)
        if self._unasked < 0:
            self._carriage.refuse(
                f"Files of {textformat.size(in_all)}, or {UNASKED_FILES} of them, came by "
                "themselves, and no more will: ask for them with /get, or start again."
            )
        return self._unasked >= 0

    def go_on(self) -> None:
        """Go on with what an earlier run of the client began; what goes to a room waits until one
        is in it."""
        for claim in self._unfinished.take(*self._who()):
            if claim.it.up and claim.it.to is None:
                self._elsewhere.append(claim)
            else:
                self._go_on(claim)

    def entered(self, room: str) -> None:
        """Go on with what could not go on before one was in that room."""
        claims, self._elsewhere = self._elsewhere, []
        for claim in claims:
            if names.key(claim.it.room) == names.key(room):
                self._go_on(claim)
            else:
                self._wait_for_room(claim)

    def _wait_for_room(self, claim: Claim) -> None:
        self._elsewhere.append(claim)
        if claim not in self._told:
            self._told.add(claim)
            self._carriage.tell(f"{claim.it.name} goes on once you are in {claim.it.room}.")

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
        """Move nothing more now. What is not done goes on at the next start."""
        for job in tuple(self._jobs):
            job.cancel()

    # -- a transfer's life -----------------------------------------------------------------------

    def _go_on(self, claim: Claim) -> None:
        if claim.it.up:
            self._begin(f"{claim.it.name} is not sent", self._uploads.go_on(claim))
        else:
            self._begin(f"{claim.it.name} is not saved", self._downloads.go_on(claim))

    def _begin(self, failed: str, work: Coroutine[Any, Any, Any], bare: str = "") -> None:
        job = Deferred.fromCoroutine(self._in_turn(failed, work, bare))
        self._jobs.add(job)
        job.addBoth(lambda result: self._ended(job, result))

    async def _in_turn(self, failed: str, work: Coroutine[Any, Any, Any], bare: str) -> None:
        try:
            await self._turns.acquire()
        except CancelledError:
            work.close()
            return
        try:
            await work
        except OtherRoom as other:
            self._wait_for_room(other.claim)
        except Refusal as refusal:
            self._carriage.refuse(f"{failed}: {with_say_hint(refusal, bare).sentence}")
        except Lost:
            self._carriage.refuse(f"{failed}: the connection broke; ask for it again.")
        except CancelledError:
            self._carriage.refuse(f"{failed}: you left before it was done.")
        finally:
            self._turns.release()

    def _ended(self, job: "Deferred[None]", result: Any) -> Any:
        self._jobs.discard(job)
        if not self._jobs:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)
        return result
