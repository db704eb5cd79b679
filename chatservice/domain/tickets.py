"""Tickets: the right to one transfer, for the first client that shows it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from weakref import WeakSet

from chatservice.domain.log import Cursor, Log
from chatservice.domain.model import GUEST_PREFIX, User
from chatservice.domain.ports.account_ports import Account
from chatservice.entries import FileCondition
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
    `partial` and `condition` are as in `Files.upload_ticket`.
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
    condition: FileCondition | None = None

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

    def revoke_user(self, user: str, folder: str | None = None) -> None:
        """Revoke the tickets of the user with an id (`User.id`), who may be at another node; with
        `folder`, only those for one folder."""
        self.revoke(lambda right: right.user.id == user and folder in (None, right.folder))


class _Issued(NamedTuple):
    """A ticket whose code is good until a time; if it has been shown, at one address only."""

    until: float
    whose: str
    right: DownloadTicket | UploadTicket
    address: str | None = None


class Tickets:
    """The codes of tickets, for transfers on a connection of their own. `now` is in seconds, on a
    clock that never goes back.

    A code is good once, for `Limits.ticket_seconds`. But some clients fetch a file in pieces, with
    many requests: a browser that plays a film does. Where a protocol says so, the code stays good
    for the address that showed it first, and its time begins again with each request. What the
    user may do is checked at each of them, too (`Rights.recheck_ticket`).

    Codes begin with the `node` that makes them, where there are several nodes.
    """

    def __init__(self, limits: Limits, node: str = "") -> None:
        self._limits = limits
        self._prefix = f"{node}-" if node else ""
        self._out: dict[str, _Issued] = {}
        self._of: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._out)

    def issue(self, right: DownloadTicket | UploadTicket, now: float, whose: str = "") -> str:
        """Return a code of 144 random bits for a ticket. If there are too many codes, the user with
        most of them loses their oldest."""
        while self._out:  # the oldest ones come first
            oldest = next(iter(self._out))
            if self._out[oldest].until >= now:
                break
            self._take(oldest)
        while len(self._out) >= self._limits.tickets:
            most = max(self._of.values(), key=len)
            self._take(next(iter(most)))
        ticket = self._prefix + secrets.token_urlsafe(18)
        self._put(ticket, _Issued(now + self._limits.ticket_seconds, whose, right))
        return ticket

    def _put(self, ticket: str, it: _Issued) -> None:
        self._out[ticket] = it
        self._of.setdefault(it.whose, {})[ticket] = None

    def _take(self, ticket: str) -> _Issued | None:
        """Remove a code, and return what is known of it."""
        it = self._out.pop(ticket, None)
        if it is not None:
            theirs = self._of[it.whose]
            del theirs[ticket]
            if not theirs:
                del self._of[it.whose]
        return it

    def redeem(
        self,
        ticket: str,
        class_: type[AnyTicket],
        now: float,
        address: str = "",
        stays: bool = False,
    ) -> AnyTicket:
        """Return the ticket of a code that is shown from an address. The code is used up, or
        `stays` good for that address. Raises `Refusal` (bad-ticket)."""
        it = self._take(ticket)
        if (
            it is None
            or it.until < now
            or not isinstance(it.right, class_)
            or it.address not in (None, address)
        ):
            raise not_good()
        if stays:  # behind all others, as its time is
            until = now + self._limits.ticket_seconds
            self._put(ticket, it._replace(until=until, address=address))
        return it.right


def not_good() -> Refusal:
    """Return the refusal of a code that has no ticket."""
    return Refusal(
        Code.BAD_TICKET,
        "That ticket is not good: it was used, is too old, or never was; ask for another.",
    )
