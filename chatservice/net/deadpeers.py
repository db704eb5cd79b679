"""Clients whose network went while bytes were on their way to them.

The system's keep-alive finds idle ones. Bytes without an acknowledgement are sent again for a
quarter of an hour. `TCP_USER_TIMEOUT` would shorten that, but it also ends the connection of a
reader that has stopped, whose system answers that its window is full (tcp(7)). Such a reader costs
nothing and may take its time. So the server asks the system which of the two it is.
"""

import socket
import struct
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from itertools import islice
from typing import Any

from twisted.internet.tcp import Connection
from twisted.logger import Logger

from chatservice.limits import Limits

LOOKS = 4
"""Looks in the time after which a connection counts as gone."""

LOT = 250
"""Connections looked at in one go: less than a millisecond."""

_INFO = struct.Struct("=2xB21xI28xI")
"""Of `struct tcp_info` (linux/tcp.h): how often the oldest segment that waits for an answer was
sent again, how many of them wait, and the milliseconds since any was answered."""


class DeadPeers:
    """Ends those `connections` whose peer acknowledges nothing any more. `do` runs something when
    nothing more urgent waits."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        connections: Collection[Any],
        do: Callable[[Callable[[], None]], None],
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._reactor = reactor
        self._connections = connections
        self._do = do

    def start(self) -> None:
        """Check all of them, again and again."""
        if hasattr(socket, "TCP_INFO"):
            self._reactor.callLater(self._limits.unanswered_seconds / LOOKS, self._look)

    def _look(self) -> None:
        self._look_at(iter(tuple(self._connections)))

    def _look_at(self, rest: Iterable[Any]) -> None:
        """Check some now, and the rest later."""
        lot = tuple(islice(rest, LOT))
        for connection in lot:
            if connection.connected and is_dead(
                connection.transport, self._limits.unanswered_seconds
            ):
                self.log.info("{peer} answers nothing any more", peer=connection.peer)
                connection.transport.abortConnection()
        if lot:
            self._reactor.callLater(0, self._do, lambda: self._look_at(rest))
        else:
            self.start()


def is_dead(transport: Any, seconds: float) -> bool:
    """Return whether what was sent on a transport is not answered at all, for longer than
    `Limits.unanswered_seconds`. It is False where the system does not tell."""
    plain = getattr(transport, "transport", transport)  # below TLS
    if not isinstance(plain, Connection) or plain.socket.family == socket.AF_UNIX:
        return False
    info = b""
    with suppress(OSError):
        info = plain.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    if len(info) < _INFO.size:
        return False
    again, waiting, silent = _INFO.unpack(info)
    return bool(again and waiting) and silent > 1000 * seconds
