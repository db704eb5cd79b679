"""Interfaces between a connection, its session and its transfer.

`chatservice.protocols.chatprotocol.ChatProtocol` is a `Connection` of lines. One of packets or
frames, as a channel of SSH or a WebSocket has them, gives sessions and transfers the same.
"""

from abc import abstractmethod
from collections.abc import Collection
from typing import ClassVar, Protocol

from chatservice.domain.model import User
from chatservice.errors import Refusal
from chatservice.events import EndReason
from chatservice.net.flow import FlowControl, Readable
from chatservice.net.outlet import Outlet


class MovingBytes(Protocol):
    """A part that takes or gives raw bytes on a connection for a while."""

    def input_ended(self) -> None:
        """The input has ended."""

    def lost(self) -> None:
        """The connection is gone."""


class Connection(Readable, Protocol):
    """A connection, as sessions and transfers need it.

    `factory` is a `chatservice.protocols.factory.ChatFactory`. `connected` is true until the
    connection is gone. Between `setRawMode` and `setLineMode` its input goes to its `transfer`.
    """

    transport: Outlet
    flow: FlowControl
    transfer: MovingBytes | None

    @property
    def connected(self) -> int:
        """True until the connection is gone."""

    def logged_in(self) -> None:
        """The client has a name, or a ticket: the login timeout ends."""

    def setRawMode(self) -> None:
        """Give input to the transfer."""

    def setLineMode(self, extra: bytes) -> None:
        """Give `extra`, and all further input, to the session."""

    def throw_away(self) -> None:
        """Drop all input from now on."""

    def finish(self) -> None:
        """Finish the client's requests, then end the connection."""

    def dismiss(self) -> None:
        """End the connection: what was written goes out, and further input is dropped."""


class ProtocolSession(Protocol):
    """A session of one protocol, made for the first line. The operator sees how many there are of
    each `kind`. In a protocol that no telnet client speaks, a session `takes_telnet` not."""

    kind: str
    takes_telnet: ClassVar[bool] = True
    __slots__ = ()

    @abstractmethod
    def line(self, line: bytes) -> None:
        """Take a line, the first one too."""

    def lines(self, lines: bytes) -> bool:
        """Take several lines at once, each with its end; return False to get them one at a time."""
        return False

    @abstractmethod
    def refuse(self, refusal: Refusal) -> None:
        """Write a refusal."""

    def refuse_line(self, line: bytes, refusal: Refusal) -> None:
        """Write the refusal of a line that cannot be parsed; `line` may be its beginning only."""
        self.refuse(refusal)

    async def ended(self) -> None:
        """The input has ended: finish the remaining work."""

    def stop(self) -> None:
        """Write nothing more."""

    @abstractmethod
    def end(self, sentence: str, why: EndReason) -> None:
        """Write `sentence`, and the reason, then end the connection."""

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether it is a guest's, and the guest is not `busy`."""
        return False

    def lost(self) -> None:
        """The connection is gone."""
