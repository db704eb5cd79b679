"""Quotas: limits of uploads, disk space reserved for them, and fair shares of both."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from chatservice.domain.ports.file_ports import DeclaredFile, DiskUsage
from chatservice.errors import Code, Refusal
from chatservice.grammar.textformat import size as shown
from chatservice.limits import Limits


@dataclass(frozen=True, slots=True)
class Requester:
    """The user of a transfer (`User.id`), with their address (`addresses.limit_key`)."""

    owner: str
    guest: bool = False
    address: str = ""


def same_address(one: Requester, other: Requester) -> bool:
    """Return whether both have the same limited address."""
    return bool(one.address) and one.address == other.address


def both_guests(one: Requester, other: Requester) -> bool:
    """Return whether both are guests."""
    return one.guest and other.guest


def check_share(
    origins: Iterable[Requester], mine: Requester, most: int, what: str, limits: Limits
) -> None:
    """Raise `Refusal` (too-many) unless `mine` may be added to the `origins` of transfers, of which
    there are at most `most`. `what` names them in the plural."""
    all_ = list(origins)
    for count, share, whose in (
        (len(all_), 1.0, "in all"),
        (
            sum(same_address(it, mine) for it in all_),
            limits.address_share,
            "from your address",
        ),
        (sum(both_guests(it, mine) for it in all_), limits.guests_share, "of guests"),
    ):
        if count >= math.ceil(most * share):
            raise Refusal(
                Code.TOO_MANY,
                "{count} {what} {whose} are under way, and no more may be; wait for one to end.",
                count=count,
                what=what,
                whose=whose,
            )


@dataclass(slots=True, eq=False)
class Reservation:
    """Disk space for an upload of `size` bytes, until `release`. `have` of them are written."""

    quotas: "Quotas"
    declared: DeclaredFile
    have: int
    requester: Requester
    size: int

    def grow(self, size: int, used: DiskUsage) -> None:
        """Reserve space for `size` bytes. Raises `Refusal` as `Quotas.reserve` does."""
        if self in self.quotas.reservations:
            self.quotas.check(self.declared, self.have, used, self.requester, size, self)
            self.size = size

    def release(self) -> None:
        """End the reservation; may be called twice."""
        self.quotas.reservations.discard(self)

    @property
    def missing(self) -> int:
        """Bytes that are still to be written."""
        return max(self.size - self.have, 0)


class Quotas:
    """Keeps uploads within `limits`; uploads under way count with their whole size."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.reservations: set[Reservation] = set()

    def reserve(
        self, declared: DeclaredFile, have: int, used: DiskUsage, origin: Requester | None = None
    ) -> Reservation:
        """Reserve space for the bytes behind `have`; if the size is unknown, none at first. Raises
        `Refusal` (too-large, over-quota, disk-full, too-many) with the limit and what is left of
        it."""
        origin = origin or Requester(declared.owner)
        self.check(declared, have, used, origin)
        reservation = Reservation(self, declared, have, origin, max(declared.size, have))
        self.reservations.add(reservation)
        return reservation

    def check(
        self,
        declared: DeclaredFile,
        have: int,
        used: DiskUsage,
        origin: Requester,
        size: int = 0,
        own: Reservation | None = None,
    ) -> None:
        """Raise `Refusal` if `reserve` would raise it now; or, with a `size`, if `own` may not be
        as large."""
        size = max(size, declared.size, have)
        others = [
            it for it in self.reservations if it is not own and not it.declared.is_same(declared)
        ]  # it takes its place
        self._check_size(size)
        self._check_count(declared, others, origin)
        here = [it.size for it in others if it.declared.folder == declared.folder]
        theirs = [it.size for it in others if it.declared.owner == declared.owner]
        for bound, taken, under_way, whose in (
            (self._limits.room_bytes, used.folder, here, "The files here have"),
            (self._limits.user_bytes, used.user, theirs, "You have"),
        ):
            left = bound - taken - sum(under_way)
            if size > left:
                raise Refusal(
                    Code.OVER_QUOTA,
                    "{whose} room for {left} more, of {bound}; remove a file, or send a "
                    "smaller one.",
                    whose=whose,
                    left=shown(max(left, 0)),
                    bound=shown(bound),
                )
        self._check_disk(size - have, origin, used.free, others)

    def _check_disk(
        self, coming: int, origin: Requester, free: int, others: list[Reservation]
    ) -> None:
        left = free - self._limits.free_bytes - sum(it.missing for it in others)
        share = left
        for part, counts in (
            (self._limits.reserved_share, lambda it: it.owner == origin.owner),
            (self._limits.address_share, lambda it: same_address(it, origin)),
            (self._limits.guests_share, lambda it: both_guests(it, origin)),
        ):
            reserved = sum(it.missing for it in others if counts(it.requester))
            share = min(share, int((left + reserved) * part) - reserved)
        if coming > left:
            raise Refusal(
                Code.DISK_FULL,
                "The server's disk has room for {left} only; send a smaller file, or ask "
                "its operator to make room.",
                left=shown(max(left, 0)),
            )
        if coming > share:
            raise Refusal(
                Code.DISK_FULL,
                "The server's disk has room for {left}, of which you may take {share} at "
                "once; send a smaller file, wait for another upload of yours to end, or "
                "ask its operator to make room.",
                left=shown(left),
                share=shown(max(share, 0)),
            )

    def _check_size(self, size: int) -> None:
        most = self._limits.file_bytes
        if size > most:
            raise Refusal(
                Code.TOO_LARGE,
                "A file has at most {most} here; send a smaller one.",
                most=shown(most),
            )

    def _check_count(
        self, declared: DeclaredFile, others: list[Reservation], origin: Requester
    ) -> None:
        count = sum(1 for it in others if it.declared.owner == declared.owner)
        if count >= self._limits.uploads:
            raise Refusal(
                Code.TOO_MANY,
                "{count} uploads of yours are under way, and no more may be; wait for one to end.",
                count=count,
            )
        origins = [it.requester for it in others]
        check_share(origins, origin, self._limits.uploads_of_all, "uploads", self._limits)
