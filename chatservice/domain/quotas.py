"""How much may be uploaded: what is bounded, and the room that is reserved meanwhile."""

from dataclasses import dataclass

from chatservice import limits
from chatservice.domain import fairshare
from chatservice.domain.fairshare import Requester
from chatservice.domain.ports import DeclaredFile, DiskUsage
from chatservice.errors import Code, Refusal
from chatservice.grammar.textformat import size as shown


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What the operator allows, in bytes: the largest file, all files of one user, all of one
    room, and what must stay free on the disk; and how many uploads of one user, uploads of all of
    them, and downloads may be under way at once. None is no bound."""

    file: int | None = None
    user: int | None = None
    room: int | None = None
    free: int = limits.FREE_BYTES
    uploads: int = limits.UPLOADS
    uploads_of_all: int = limits.UPLOADS_OF_ALL
    downloads_of_all: int = limits.DOWNLOADS_OF_ALL


@dataclass(slots=True, eq=False)
class Reservation:
    """Room for an upload under way, until `release`. `have` of its bytes are on the disk."""

    quotas: "Quotas"
    declared: DeclaredFile
    have: int
    requester: Requester

    def release(self) -> None:
        """Give it back. To do so twice does no harm."""
        if self in self.quotas.reservations:
            self.quotas.reservations.remove(self)

    @property
    def missing(self) -> int:
        """Bytes that are still to be written."""
        return self.declared.size - self.have


class Quotas:
    """Keeps uploads within `bounds`, counting those that are under way as if they were there."""

    def __init__(self, limits: FileLimits) -> None:
        self.limits = limits
        self.reservations: set[Reservation] = set()

    def reserve(
        self, declared: DeclaredFile, have: int, used: DiskUsage, origin: Requester | None = None
    ) -> Reservation:
        """Reserve room for the bytes behind `have`, sent from `origin`. Raises `Refusal`
        (too-large, over-quota, disk-full, too-many) that says which bound it is and how much is
        left."""
        self.check(declared, have, used, origin)
        reservation = Reservation(self, declared, have, origin or Requester(declared.owner))
        self.reservations.add(reservation)
        return reservation

    def check(
        self, declared: DeclaredFile, have: int, used: DiskUsage, origin: Requester | None = None
    ) -> None:
        """Raise `Refusal` if `reserve` would, now."""
        origin = origin or Requester(declared.owner)
        others = [
            it for it in self.reservations if not _same(it.declared, declared)
        ]  # it takes its place
        self._check_size(declared)
        self._check_count(declared, others, origin)
        here = [it.declared for it in others if it.declared.folder == declared.folder]
        theirs = [it.declared for it in others if it.declared.owner == declared.owner]
        for bound, taken, under_way, whose in (
            (self.limits.room, used.folder, here, "This shelf has"),
            (self.limits.user, used.user, theirs, "You have"),
        ):
            if bound is None:
                continue
            left = bound - taken - sum(it.size for it in under_way)
            if declared.size > left:
                raise Refusal(
                    Code.OVER_QUOTA,
                    "{whose} room for {left} more, of {bound}; remove a file, or send a "
                    "smaller one.",
                    whose=whose,
                    left=shown(max(left, 0)),
                    bound=shown(bound),
                )
        self._check_disk(declared.size - have, origin, used.free, others)

    def _check_disk(
        self, coming: int, origin: Requester, free: int, others: list[Reservation]
    ) -> None:
        left = free - self.limits.free - sum(it.missing for it in others)
        share = left
        for part, theirs in (
            (limits.RESERVED_SHARE, [it for it in others if it.requester.owner == origin.owner]),
            (
                limits.ADDRESS_SHARE,
                [it for it in others if fairshare.same_address(it.requester, origin)],
            ),
            (
                limits.GUESTS_SHARE,
                [it for it in others if fairshare.both_guests(it.requester, origin)],
            ),
        ):
            reserved = sum(it.missing for it in theirs)
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

    def _check_size(self, declared: DeclaredFile) -> None:
        most = min(self.limits.file or limits.FILE_BYTES, limits.FILE_BYTES)
        if declared.size > most:
            raise Refusal(
                Code.TOO_LARGE,
                "A file has at most {most} here; send a smaller one.",
                most=shown(most),
            )

    def _check_count(
        self, declared: DeclaredFile, others: list[Reservation], origin: Requester
    ) -> None:
        count = sum(1 for it in others if it.declared.owner == declared.owner)
        if count >= self.limits.uploads:
            raise Refusal(
                Code.TOO_MANY,
                "{count} uploads of yours are under way, and no more may be; wait for one to end.",
                count=count,
            )
        origins = [it.requester for it in others]
        fairshare.check_share(origins, origin, self.limits.uploads_of_all, "uploads")


def _same(one: DeclaredFile, other: DeclaredFile) -> bool:
    """Return whether they are the same upload, begun twice."""
    return one.sha256 is not None and one.upload_key == other.upload_key
