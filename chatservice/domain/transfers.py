"""The transfers under way, with their progress."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chatservice.domain.log import Log
from chatservice.domain.model import User
from chatservice.domain.quotas import Requester, check_share
from chatservice.errors import Refusal
from chatservice.limits import Limits

_NOBODY = Requester("")


@dataclass(slots=True, eq=False)
class Transfer:
    """One file on its way to a folder of the server, or from it, for a user.

    `done` returns how many of its `size` bytes are transferred; `start_offset` of them were when it
    began, at `began` (seconds). `stop(why)` ends it, unless it is `finishing`: all bytes came and
    are being stored. `log` is an upload's destination.
    """

    user: User
    folder: str
    name: str
    size: int
    is_upload: bool
    began: float
    start_offset: int
    done: Callable[[], int]
    stop: Callable[[Refusal], None]
    finishing: bool = False
    requester: Requester = _NOBODY
    log: Log | None = None


class Transfers:
    """All transfers under way."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._under_way: dict[Transfer, None] = {}

    def begin(self, transfer: Transfer) -> Transfer:
        """Add a transfer."""
        self._under_way[transfer] = None
        return transfer

    def end(self, transfer: Transfer) -> None:
        """Remove a transfer; may be called twice."""
        self._under_way.pop(transfer, None)

    def check_downloads(self, origin: Requester) -> None:
        """Raise `Refusal` (too-many) unless a download of `origin` may begin."""
        theirs = [it.requester for it in self._under_way if not it.is_upload]
        check_share(theirs, origin, self._limits.downloads_of_all, "downloads", self._limits)

    def users(self) -> set[User]:
        """Return the users with transfers."""
        return {it.user for it in self._under_way}

    def to_log(self, log: Log) -> list[Transfer]:
        """Return the uploads to a room or an inbox."""
        return [it for it in self._under_way if it.log is log]

    def of_user(self, user: User) -> Iterator[Transfer]:
        """Iterate over a user's transfers, oldest first."""
        for it in tuple(self._under_way):
            registered = user.registered and it.user.registered
            if it.user is user or (registered and it.user.key == user.key):
                yield it
