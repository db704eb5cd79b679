"""The users at all nodes, told by messages that are not stored: the port `OtherNodes`.

Each node numbers its messages. One that misses a number asks the sender for the whole, and so does
a node that starts. So what is lost on the way, or while a connection is down, is told again.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from twisted.logger import Logger

from chatservice.domain.ports.engine_ports import Follower
from chatservice.domain.ports.node_ports import TicketData, TicketRequest, UserState
from chatservice.engines.jetstream.natslink import NatsLink
from chatservice.limits import Limits
from chatservice.replies import ClusterStatus

_FORMAT = 1
_SOME, _WHOLE, _END, _BEAT, _ASK, _TYPING = "some", "whole", "end", "beat", "ask", "typing"
"""The kinds of messages: states of some users; the beginning and the end of those of all; the
number of the last message; the question for the whole; and a user who is typing."""

EQUAL_LIMITS = ("edits", "key_seconds", "pins", "reactions", "reaction_words", "tokens")
"""The limits by which each node decides what it stores of an operation."""

_PART_BYTES = 64 << 10
"""The bytes of states in one message, about."""

_GATHER_SECONDS = 0.05
"""The time in which several questions for the whole get one answer."""

_ASK_SECONDS = 1.0
"""The time after which the same node is asked again."""


class SharedPresence:
    """This `node`'s users, for the others, and theirs, for the follower. `nodes` returns the nodes
    that count: what others say is nothing."""

    log = Logger()

    def __init__(
        self, reactor: Any, node: str, nodes: Callable[[], Collection[str]], limits: Limits
    ) -> None:
        self._reactor = reactor
        self.node = node
        self._nodes = nodes
        self._limits = {name: getattr(limits, name) for name in EQUAL_LIMITS}
        self._link: NatsLink | None = None
        self._follower: Follower | None = None
        self._number = 0
        self._answering = False
        self._known: dict[str, int] = {}  # the number of each node's last message
        self._asked: dict[str, float] = {}
        self._whole: dict[str, list[UserState]] = {}  # as it comes

    async def begin(self, link: NatsLink, follower: Follower) -> None:
        """Tell a follower of the users at other nodes from now on."""
        self._link, self._follower = link, follower
        await link.listen(self._received)
        await link.answer_nodes(self._answer_question)
        self._send(_ASK, "")
        self._answer()

    def beat(self) -> None:
        """Let the others see whether they have all that this node has told."""
        self._send(_BEAT, self._number)

    def tell(self, states: Sequence[UserState]) -> None:
        for part in _parts(states):
            self._send_next(_SOME, part)

    async def status(self) -> ClusterStatus:
        assert self._link is not None
        return await self._link.status(self._nodes())

    def tell_typing(self, room: int, name: str) -> None:
        self._send(_TYPING, [room, name])

    async def redeem(self, node: str, request: TicketRequest) -> TicketData | None:
        if self._link is None or node not in self._nodes():
            return None
        answer = await self._link.ask_node(node, json.dumps([_FORMAT, request]).encode())
        found = json.loads(answer or b"null")
        return TicketData(*found) if found is not None else None

    def _answer_question(self, question: bytes) -> bytes:
        """Answer the question of another node for a ticket: with null if it is not known here."""
        found: TicketData | None = None
        try:
            format_, request = json.loads(question)
            if format_ == _FORMAT and self._follower is not None:
                found = self._follower.redeem(TicketRequest(*request))
        except (ValueError, TypeError) as error:
            self.log.debug("another node asked what is not known here: {why}", why=error)
        return json.dumps(found).encode()

    def started(self, node: str) -> None:
        """Ask a node for its users: it counts from now on."""
        if node != self.node:
            self._ask(node)

    def ended(self, node: str) -> None:
        """Note that a node is gone, with its users."""
        for kept in (self._known, self._asked, self._whole):
            kept.pop(node, None)
        if self._follower is not None:
            self._follower.present(node, (), whole=True)

    def _send(self, kind: str, body: Any, number: int = 0) -> None:
        if self._link is not None:
            message = [_FORMAT, self.node, kind, number, body]
            self._link.broadcast(json.dumps(message, separators=(",", ":")).encode())

    def _send_next(self, kind: str, body: Any = ()) -> None:
        self._number += 1
        self._send(kind, body, self._number)

    def _answer(self) -> None:
        self._answering = False
        if self._follower is not None:
            self._send_next(_WHOLE, self._limits)
            self.tell(self._follower.here())
            self._send_next(_END)

    def _ask(self, node: str) -> None:
        now = self._reactor.seconds()
        if now - self._asked.get(node, -_ASK_SECONDS) >= _ASK_SECONDS:
            self._asked[node] = now
            self._send(_ASK, node)

    # -- what others tell ------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        try:
            format_, node, kind, number, body = json.loads(data)
            if format_ == _FORMAT and node != self.node and node in self._nodes():
                self._take(node, kind, number, body)
        except (ValueError, TypeError) as error:
            self.log.debug("another node told what is not known here: {why}", why=error)

    def _take(self, node: str, kind: str, number: int, body: Any) -> None:
        if self._follower is None:
            return
        if kind == _ASK:
            if body in ("", self.node) and not self._answering:
                self._answering = True
                self._reactor.callLater(_GATHER_SECONDS, self._answer)
        elif kind == _TYPING:
            room, name = body
            self._follower.typing(int(room), str(name))
        elif kind == _BEAT:
            if self._known.get(node) != body:
                self._ask(node)
        elif kind == _WHOLE:
            self._known[node], self._whole[node] = number, []
            self._compare(dict(body))
        elif self._known.get(node) != number - 1:
            self._known.pop(node, None)
            self._whole.pop(node, None)
            self._ask(node)
        else:
            self._known[node] = number
            self._take_states(node, kind, [UserState(*it) for it in body])

    def _compare(self, limits: dict[str, Any]) -> None:
        """Warn the operator if another node has other limits where they have to be equal."""
        other = [name for name, value in self._limits.items() if limits.get(name) != value]
        if other:
            self.log.warn(
                "another node has other [limits], so what is stored may differ between nodes; make "
                "these equal: {names}",
                names=", ".join(other),
            )

    def _take_states(self, node: str, kind: str, states: list[UserState]) -> None:
        assert self._follower is not None
        whole = self._whole.get(node)
        if kind == _END and whole is not None:
            del self._whole[node]
            self._follower.present(node, whole, whole=True)
        elif whole is not None:
            whole += states
        else:
            self._follower.present(node, states)


def _parts(states: Sequence[UserState]) -> Iterator[list[UserState]]:
    """Divide states into parts that a message has room for."""
    part, size = list[UserState](), 0
    for state in states:
        part.append(state)
        size += 60 + 6 * len(state.name + state.away + state.real_name) + 12 * len(state.rooms)
        if size > _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
