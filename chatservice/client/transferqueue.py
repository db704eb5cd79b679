"""The queue of a person's transfers."""

from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore

from chatservice import names
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import Incoming
from chatservice.client.filetransfers import ClientTransfers, NotInRoomYet
from chatservice.client.jsonconnection import Lost
from chatservice.client.partialdownload import portable_name
from chatservice.client.screen import Screen
from chatservice.client.transferconnection import Progress
from chatservice.client.transferjournal import TransferClaim, TransferJournal, TransferRecord
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat
from chatservice.grammar.textparser import with_say_hint

CONCURRENT_TRANSFERS = 4
"""Transfers that run at one time. The others wait in the queue."""

UNASKED = 100
"""One run of the client saves as many unasked bytes as this number of files of the largest size
that is accepted. Else a server, or a user, could fill the disk."""

UNASKED_FILES = 10_000
"""Each unasked file counts as at least this fraction of those bytes, so there are never more."""


class TransferQueue(ClientTransfers):
    """The queue of a person's transfers. It shows failed transfers in a sentence, and never raises
    for one.

    Transfers are remembered for the user at `server`. Files are saved in the folder `downloads`, or
    in one named after the user. Those of at most `accept` bytes are saved without being asked for.
    """

    def __init__(
        self,
        reactor: Any,
        session: ClientSession,
        screen: Screen,
        server: str,
        downloads: str | None,
        accept: int,
        journal: TransferJournal,
    ) -> None:
        super().__init__(reactor, session, screen.notify, self._show_queue)
        self._state = session.state
        self._screen = screen
        self._server = server
        self._downloads = downloads
        self._accept = accept
        self._unasked_bytes_left = accept * UNASKED
        self._journal = journal
        self._slots = DeferredSemaphore(CONCURRENT_TRANSFERS)
        self._queued: dict[Deferred[Any], tuple[str, TransferClaim | None]] = {}
        self._waiting_for_room: list[TransferClaim] = []
        self._told: set[TransferClaim] = set()

    def owner(self) -> tuple[str, str]:
        """Return the server and the user."""
        return self._server, names.key(self._state.name)

    def remember(self, record: TransferRecord) -> TransferClaim:
        """Remember a transfer for the next start."""
        return self._journal.remember(record)

    def _folder(self) -> Path:
        return Path(self._downloads or portable_name(self._state.name))

    def _show_queue(self, running: Sequence[Progress], now: float) -> None:
        self._screen.show_transfers(running, self.count - len(running), now)

    def _failed(self, sentence: str) -> None:
        self._screen.refuse(Refusal(Code.INCOMPLETE, names.clean(sentence)))

    def send(self, path: str, room: str, to: str | None) -> None:
        """Queue an upload of the file at `path` to a room, or `to` one user."""
        name = Path(path).name
        self._begin(name, "sent", self.uploads.send(Path(path), room, to))

    def fetch(self, room: str, name: str, or_inbox: bool = False, bare: str = "") -> None:
        """Queue a download of a file of a room (`@`: of the user); with `or_inbox`, of the user if
        the room has none of that name. `bare` is the typed line, if it had no slash."""
        work = self.downloads.fetch(self._folder(), room, name, or_inbox)
        self._begin(name, "saved", work, bare)

    def consider_incoming(self, incoming: Incoming) -> bool:
        """Download the file of an entry if it is small enough. Return whether this client just sent
        it, so that it need not be shown."""
        entry = incoming.item
        if not isinstance(entry, Entry) or entry.file is None:
            return False
        file = entry.file
        mine = names.key(entry.who) == names.key(self._state.name)
        if mine and self.uploads.is_echo(incoming.log, file.sha256):
            return True
        if (
            entry.kind == Kind.FILE
            and self._accept
            and file.size <= self._accept
            and self._count_unasked(file.size)
        ):
            work = self.downloads.fetch_announced(self._folder(), incoming.log, file)
            self._begin(file.name, "saved", work)
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
            self._failed(
                f"The client has saved {much}, by itself, and saves no more: use /get, or start it "
                "again."
            )
        return self._unasked_bytes_left >= 0

    def resume_unfinished(self) -> None:
        """Resume the transfers of an earlier run. Uploads to a room wait for `room_entered`."""
        for claim in self._journal.claim_all(*self.owner()):
            if claim.record.up and claim.record.to is None:
                self._waiting_for_room.append(claim)
            else:
                self._resume(claim)

    def cancel_waiting(self, name: str) -> bool:
        """Cancel the transfers of that name that wait for others, or for a room. Return whether
        there are such."""
        turns = [(turn, claim) for turn, (it, claim) in self._queued.items() if it == name]
        claims = [it for it in self._waiting_for_room if it.record.name == name]
        self._waiting_for_room = [it for it in self._waiting_for_room if it not in claims]
        for turn, claim in turns:
            turn.cancel()
            claims += [claim] if claim is not None else []
        for each in claims:
            each.forget()
        return bool(turns or claims)

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
            self._screen.notify(f"{claim.record.name} goes on once you are in {claim.record.room}.")

    def _resume(self, claim: TransferClaim) -> None:
        if claim.record.up:
            self._begin(claim.record.name, "sent", self.uploads.resume(claim), claim=claim)
        else:
            self._begin(claim.record.name, "saved", self.downloads.resume(claim), claim=claim)

    def _begin(
        self,
        name: str,
        done: str,
        work: Coroutine[Any, Any, Any],
        bare: str = "",
        claim: TransferClaim | None = None,
    ) -> None:
        turn = self._slots.acquire()
        self._queued[turn] = name, claim
        self.start(self._in_turn(turn, f"{name} is not {done}", work, bare))

    async def _in_turn(
        self, turn: Deferred[Any], failed: str, work: Coroutine[Any, Any, Any], bare: str
    ) -> None:
        try:
            await turn
        except CancelledError:
            work.close()
            return
        finally:
            del self._queued[turn]
        try:
            await work
        except NotInRoomYet as early:
            self._wait_for_room(early.claim)
        except Refusal as refusal:
            self._failed(f"{failed}: {with_say_hint(refusal, bare).sentence}")
        except Lost:
            self._failed(f"{failed}: the connection broke; ask for it again.")
        except CancelledError:
            self._failed(f"{failed}: you left before it was done.")
        finally:
            self._slots.release()
