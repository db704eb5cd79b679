"""A ticket is the right to one transfer, on whatever connection shows it first."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakSet

from chatservice import limits
from chatservice.domain.addresses import limit_key
from chatservice.domain.fairshare import Requester
from chatservice.domain.log import Cursor, Log
from chatservice.domain.model import GUEST_PREFIX, User
from chatservice.domain.ports import Account
from chatservice.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a file is sent: a shelf that keeps it, the log that tells of it, whose they are; and to
    `whom` alone, if it is not for a room."""

    folder: str
    log: Log
    name: str
    recipient: User | Account | None = None

    @property
    def removed(self) -> bool:
        """True if it was a room's that is removed."""
        return self.log.removed

    @property
    def gone(self) -> bool:
        """True if nobody is there to get it any more: it was a guest's, who has left, or a room's
        that is removed."""
        return self.removed or (isinstance(self.recipient, User) and self.recipient.has_left)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class DownloadTicket:
    """A file that somebody may fetch: a ticket for `GET` is good for it. `address`, `session` and
    `token` are as in `Upload`."""

    folder: str
    name: str
    version: int
    sha256: str
    user: User
    address: str = ""
    session: str = ""
    token: str | None = None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class UploadTicket:
    """A file that somebody may send: what a ticket for `PUT` is good for, and `/put` asks for.

    `user` is who sends it; `author` is the cursor that is not told of it, because its reader is
    answered. What was shared with the same `key` is not shared twice (`Draft.key`). `address` is
    from where it was asked for, `session` the `Session.token` of who asked, and `token` what is
    kept of the token that they came with.
    """

    destination: Destination
    name: str
    size: int
    sha256: str | None
    user: User
    author: Cursor | None = None
    key: str | None = None
    address: str = ""
    session: str = ""
    token: str | None = None

    @property
    def requester(self) -> Requester:
        """Whose it is, and from where it was asked for."""
        return Requester(self.user.id, bool(self.user.guest_number), limit_key(self.address))

    @property
    def folder(self) -> str:
        """The shelf that it goes to."""
        return self.destination.folder

    @property
    def writer(self) -> str:
        """By whom its `key` is known again (`Draft.writer`). A guest's is by the name and the
        content, as it is when an upload goes on (`DeclaredFile.upload_key`)."""
        if self.user.registered or self.sha256 is None:
            return self.user.id
        return f"{GUEST_PREFIX}{self.user.key}/{self.sha256}"

    @property
    def void(self) -> bool:
        """True if nobody can go on with it any more: what a guest sends to one user ends with the
        guest."""
        return self.destination.gone or (
            self.user.has_left and self.destination.recipient is not None
        )


AnyTicket = TypeVar("AnyTicket", DownloadTicket, UploadTicket)


class ValidTickets:
    """The rights that were given and not taken back: of tickets, and of transfers under way. What
    nobody holds any more is not remembered here."""

    def __init__(self) -> None:
        self._tickets: WeakSet[DownloadTicket | UploadTicket] = WeakSet()

    def add(self, right: AnyTicket) -> AnyTicket:
        """Let a right be good from now on."""
        self._tickets.add(right)
        return right

    def is_valid(self, right: DownloadTicket | UploadTicket) -> bool:
        """Return whether a right was not taken back."""
        return right in self._tickets

    def revoke(self, which: Callable[[DownloadTicket | UploadTicket], bool]) -> None:
        """Let the rights be good no more that `which` returns true for."""
        self._tickets -= {right for right in self._tickets if which(right)}

    def revoke_account(self, key: str) -> None:
        """Take back what was given to the registered user with that key."""
        self.revoke(lambda right: right.user.registered and right.user.key == key)

    def revoke_user(self, user: User, shelf: str | None = None) -> None:
        """Take back what a user was given; or only what is for one shelf."""

        def is_theirs(right: DownloadTicket | UploadTicket) -> bool:
            same = right.user is user or (
                user.registered and right.user.registered and right.user.key == user.key
            )
            return same and shelf in (None, right.folder)

        self.revoke(is_theirs)


class Tickets:
    """The tickets that are out. `now`, everywhere, is in seconds on a clock that only goes on."""

    def __init__(self) -> None:
        self._out: dict[str, tuple[float, str, DownloadTicket | UploadTicket]] = {}
        self._of: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._out)

    def issue(self, right: DownloadTicket | UploadTicket, now: float, whose: str = "") -> str:
        """Hand out a ticket: 144 random bits, good for `limits.TICKET_SECONDS`, once. Where there
        are too many, who has most of them loses their oldest."""
        while self._out:  # the oldest ones come first
            oldest = next(iter(self._out))
            if self._out[oldest][0] >= now:
                break
            self._take(oldest)
        while len(self._out) >= limits.TICKETS:
            most = max(self._of.values(), key=len)
            self._take(next(iter(most)))
        ticket = secrets.token_urlsafe(18)
        self._out[ticket] = now + limits.TICKET_SECONDS, whose, right
        self._of.setdefault(whose, {})[ticket] = None
        return ticket

    def _take(self, ticket: str) -> tuple[float, DownloadTicket | UploadTicket | None]:
        """Take a ticket out, and return until when it is good, and for what."""
        until, whose, right = self._out.pop(ticket, (0.0, "", None))
        theirs = self._of.get(whose)
        if right is not None and theirs is not None:
            del theirs[ticket]
            if not theirs:
                del self._of[whose]
        return until, right

    def redeem(self, ticket: str, class_: type[AnyTicket], now: float) -> AnyTicket:
        """Take a ticket back and return its right. Raises `Refusal` (bad-ticket)."""
        until, right = self._take(ticket)
        if right is None or until < now or not isinstance(right, class_):
            raise Refusal(
                Code.BAD_TICKET,
                "That ticket is not good: it was used, is too old, or never was; ask for another.",
            )
        return right
