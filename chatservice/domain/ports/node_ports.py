"""The port to the other nodes of a cluster: the users and the tickets that are there. Nothing of it
is stored."""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from chatservice.replies import ClusterStatus


class UserState(NamedTuple):
    """A user whom others see at one node: the `User.id`, the name, the reason to be `away` or an
    empty one, the numbers of the `rooms`, whether it is a `bot`, and the `real_name`
    (`User.real_name`). An empty name says that the user is gone from that node."""

    id: str
    name: str
    away: str = ""
    rooms: Sequence[int] = ()
    bot: bool = False
    real_name: str = ""


class TicketRequest(NamedTuple):
    """The use of a ticket's code, from an address: for an `upload` or a download. The others are
    those of `Tickets.redeem`."""

    code: str
    upload: bool
    address: str
    stays: bool = False


class TicketData(NamedTuple):
    """A ticket (`DownloadTicket` or `UploadTicket`) as plain values, for another node. `user` is a
    `User.id`; `to` is the recipient's name, or None for a room; the `condition` has the two lists
    of a `FileCondition`."""

    user: str
    user_name: str
    folder: str
    name: str
    sha256: str | None
    version: int = 0
    size: int = 0
    to: str | None = None
    key: str | None = None
    address: str = ""
    session: str = ""
    token: str | None = None
    condition: Sequence[Sequence[str] | None] | None = None


class OtherNodes(Protocol):
    """The other nodes, which are told of this one's users. They tell the follower of theirs."""

    @property
    def node(self) -> str:
        """This node, as codes of its tickets name it: letters and digits."""

    def redeem(self, node: str, request: TicketRequest) -> Awaitable[TicketData | None]:
        """Let another node redeem the code of a ticket that it made (`Follower.redeem`). Return
        None if it does not, is gone, or does not answer."""

    def tell(self, states: Sequence[UserState]) -> None:
        """Tell them of users of this node that have changed."""

    def status(self) -> Awaitable[ClusterStatus]:
        """Return the state of the cluster, for operators."""

    def tell_typing(self, room: int, name: str) -> None:
        """Tell them that a user is typing in a room, by its number."""
