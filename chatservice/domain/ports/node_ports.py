"""The port to the other nodes of a cluster: the users who are there. Nothing of it is stored."""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from chatservice.replies import ClusterStatus


class UserState(NamedTuple):
    """A user whom others see at one node: the `User.id`, the name, the reason to be `away` or an
    empty one, and the numbers of the `rooms`. An empty name says that the user is gone from that
    node."""

    id: str
    name: str
    away: str = ""
    rooms: Sequence[int] = ()


class OtherNodes(Protocol):
    """The other nodes, which are told of this one's users. They tell the follower of theirs."""

    def tell(self, states: Sequence[UserState]) -> None:
        """Tell them of users of this node that have changed."""

    def status(self) -> Awaitable[ClusterStatus]:
        """Return the state of the cluster, for operators."""

    def tell_typing(self, room: int, name: str) -> None:
        """Tell them that a user is typing in a room, by its number."""
