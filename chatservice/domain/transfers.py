"""The transfers that are under way: who sends or fetches what, and how far it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chatservice.domain import fairshare
from chatservice.domain.fairshare import Requester
from chatservice.domain.log import Log
from chatservice.domain.model import User

_NOBODY = Requester("")


@dataclass(slots=True, eq=False)
class Transfer:
    """A file on its way, `up` to a shelf of the server or down from it, for a user.

    `done` tells how many of its `size` bytes are there, of which `before` were when it began, at
    `began` (seconds). `stop` ends it, unless it is `finishing`: all of it came and is being stored.
    An upload goes `to` where that log is.
    """

    user: User
    folder: str
    name: str
    size: int
    is_upload: bool
    began: float
    start_offset: int
    done: Callable[[], int]
    stop: Callable[[], None]
    finishing: bool = False
    requester: Requester = _NOBODY
    log: Log | None = None


class Transfers:
    """All of them."""

    def __init__(self) -> None:
        self._under_way: dict[Transfer, None] = {}

    def begin(self, transfer: Transfer) -> Transfer:
        """Note that one begins."""
        self._under_way[transfer] = None
        return transfer

    def end(self, transfer: Transfer) -> None:
        """Note that it is over. To do so twice does no harm."""
        self._under_way.pop(transfer, None)

    def check_downloads(self, origin: Requester, most: int) -> None:
        """Raise `Refusal` (too-many) unless another download may begin."""
        theirs = [it.requester for it in self._under_way if not it.is_upload]
        fairshare.check_share(theirs, origin, most, "downloads")

    def users(self) -> set[User]:
        """Return all whose files are on their way."""
        return {it.user for it in self._under_way}

    def to_log(self, log: Log) -> list[Transfer]:
        """Return the uploads to a room or a user, by its log."""
        return [it for it in self._under_way if it.log is log]

    def of_user(self, user: User) -> Iterator[Transfer]:
        """Iterate over those of a user, oldest first. A guest has none of those of an earlier guest
        of that name."""
        for it in tuple(self._under_way):
            registered = user.registered and it.user.registered
            if it.user is user or (registered and it.user.key == user.key):
                yield it
