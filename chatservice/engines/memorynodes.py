"""Nodes of an engine in memory, which tell each other of their users: the port `OtherNodes`."""

from collections.abc import Sequence

from chatservice.domain.ports.engine_ports import Follower
from chatservice.domain.ports.node_ports import TicketData, TicketRequest, UserState
from chatservice.replies import ClusterStatus, NodeInfo


class MemoryNode:
    """One node of those that share an engine. It is known by its number."""

    def __init__(self, nodes: "list[MemoryNode] | None" = None) -> None:
        self._nodes = nodes if nodes is not None else []
        self.node = str(len(self._nodes))
        self._nodes.append(self)
        self.follower: Follower | None = None

    def another(self) -> "MemoryNode":
        """Return another node of the same engine."""
        return MemoryNode(self._nodes)

    def begin(self, follower: Follower) -> None:
        """Tell a follower of the users at the other nodes, and these of its own."""
        self.follower = follower
        for it, other in self._others():
            follower.present(it.node, other.here(), whole=True)
            other.present(self.node, follower.here(), whole=True)

    def end(self) -> None:
        """Let this node's users be gone."""
        self.follower = None
        for _, other in self._others():
            other.present(self.node, (), whole=True)

    def tell(self, states: Sequence[UserState]) -> None:
        for _, other in self._others():
            other.present(self.node, states)

    async def status(self) -> ClusterStatus:
        rows = [NodeInfo(f"memory {it.node}", it is self, 0) for it in self._nodes]
        return ClusterStatus("memory", 0, 0, 0, 0, 1, 1, True, tuple(rows))

    def tell_typing(self, room: int, name: str) -> None:
        for _, other in self._others():
            other.typing(room, name)

    async def redeem(self, node: str, request: TicketRequest) -> TicketData | None:
        found = [follower for it, follower in self._others() if it.node == node]
        return found[0].redeem(request) if found else None

    def _others(self) -> "list[tuple[MemoryNode, Follower]]":
        others = [it for it in self._nodes if it is not self]
        return [(it, it.follower) for it in others if it.follower is not None]
