"""Tickets: the right to one transfer, on the first connection that shows it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakSet

from chatservice.domain.log import Cursor, Log
from chatservice.domain.model import GUEST_PREFIX, User
from chatservice.domain.ports.account_ports import Account
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits


@dataclass(frozen=True, slots=True)
class Destination:
    """A file's destination: the folder, the log that announces it, and their owner's `name`.
    `recipient` is a user or account, or None for a room."""

    folder: str
    log: Log
    name: str
    recipient: User | Account | None = None

    @property
    def removed(self) -> bool:
        """True for a room that is removed."""
        return self.log.removed

    @property
    def gone(self) -> bool:
        """True for a room that is removed, or a guest who has left."""
        return self.removed or (isinstance(self.recipient, User) and self.recipient.has_left)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class DownloadTicket:
    """The right to one download. `address`, `session` and `token` are as in `UploadTicket`."""

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
    """The right to one upload by `user`.

    `author` is the cursor that does not show the file's entry, because its user gets a reply; of a
    file for one user, it does not show the copy in the sender's inbox. A `key` prevents sharing
    twice (`Draft.key`). `address` and `session` (its `resume_token`) are those of the request, and
    `token` is the digest of the token that the user came in with. `size` may be `UNKNOWN_SIZE`;
    `partial` is as in `Files.upload_ticket`.
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
    partial: str | None = None

    @property
    def folder(self) -> str:
        """The folder that the file goes to."""
        return self.destination.folder

    @property
    def writer(self) -> str:
        """Whose `key` it is (`Draft.writer`). For a guest, the name and the content decide, as when
        an upload is resumed (`DeclaredFile.upload_key`)."""
        if self.user.registered or self.sha256 is None:
            return self.user.id
        return f"{GUEST_PREFIX}{self.user.key}/{self.sha256}"

    @property
    def void(self) -> bool:
        """True if nobody can resume it: an upload from a guest to one user ends with the guest."""
        return self.destination.gone or (
            self.user.has_left and self.destination.recipient is not None
        )


AnyTicket = TypeVar("AnyTicket", DownloadTicket, UploadTicket)


class ValidTickets:
    """The tickets that are not revoked, also of transfers under way. Held weakly."""

    def __init__(self) -> None:
        self._tickets: WeakSet[DownloadTicket | UploadTicket] = WeakSet()

    def add(self, right: AnyTicket) -> AnyTicket:
        """Make a ticket valid, and return it."""
        self._tickets.add(right)
        return right

    def is_valid(self, right: DownloadTicket | UploadTicket) -> bool:
        """Return whether a ticket is valid."""
        return right in self._tickets

    def revoke(self, which: Callable[[DownloadTicket | UploadTicket], bool]) -> None:
        """Revoke the tickets for which `which` returns true."""
        self._tickets -= {right for right in self._tickets if which(right)}

    def revoke_account(self, key: str) -> None:
        """Revoke the tickets of the registered user with that key."""
        self.revoke(lambda right: right.user.registered and right.user.key == key)

    def revoke_user(self, user: User, folder: str | None = None) -> None:
        """Revoke a user's tickets; with `folder`, only those for one folder."""

        def is_theirs(right: DownloadTicket | UploadTicket) -> bool:
            same = right.user is user or (
                user.registered and right.user.registered and right.user.key == user.key
            )
            return same and folder in (None, right.folder)

        self.revoke(is_theirs)


class Tickets:
    """The codes of tickets, for transfers on a connection of their own. `now` is in seconds, on a
    clock that never goes back."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._out: dict[str, tuple[float, str, DownloadTicket | UploadTicket]] = {}
        self._of: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._out)

    def issue(self, right: DownloadTicket | UploadTicket, now: float, whose: str = "") -> str:
        """Return a code of 144 random bits for a ticket, valid once, for `Limits.ticket_seconds`.
        If there are too many codes, the user with most of them loses their oldest."""
        while self._out:  # the oldest ones come first
            oldest = next(iter(self._out))
            if self._out[oldest][0] >= now:
                break
            self._take(oldest)
        while len(self._out) >= self._limits.tickets:
            most = max(self._of.values(), key=len)
            self._take(next(iter(most)))
        ticket = secrets.token_urlsafe(18)
        self._out[ticket] = now + self._limits.ticket_seconds, whose, right
        self._of.setdefault(whose, {})[ticket] = None
        return ticket

    def _take(self, ticket: str) -> tuple[float, DownloadTicket | UploadTicket | None]:
        """Remove a code, and return its deadline and its ticket."""
        until, whose, right = self._out.pop(ticket, (0.0, "", None))
        theirs = self._of.get(whose)
        if right is not None and theirs is not None:
            del theirs[ticket]
            if not theirs:
                del self._of[whose]
        return until, right

    def redeem(self, ticket: str, class_: type[AnyTicket], now: float) -> AnyTicket:
        """Return the ticket of a code, which is used up. Raises `Refusal` (bad-ticket)."""
        until, right = self._take(ticket)
        if right is None or until < now or not isinstance(right, class_):
            raise Refusal(
                Code.BAD_TICKET,
                "That ticket is not good: it was used, is too old, or never was; ask for another.",
            )
        return right
