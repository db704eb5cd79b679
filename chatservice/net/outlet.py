"""Outlets: the writing sides of connections.

An outlet is what a subscription and a download write to. A TCP connection's transport is one
itself, and so is that of TLS; a protocol with frames or packets wraps its own.
"""

import fcntl
import socket
import sys
import termios
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.tcp import Connection, Port

from chatservice.limits import Limits


class Outlet(Protocol):
    """Where bytes for a client go: the part of Twisted's ITransport and IConsumer that is used.

    `registerProducer` with `streaming` tells a producer when the outlet is full, and when it can
    take more. Without, the producer is asked for more whenever the outlet has nothing left.
    """

    def write(self, data: bytes) -> None:
        """Write `data` behind all that was written before."""

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write in the next turn of the reactor, together with what comes until then."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Tell `producer` from now on."""

    def unregisterProducer(self) -> None:
        """Tell it no longer."""

    def loseConnection(self) -> None:
        """End the connection once all that was written has gone."""

    def abortConnection(self) -> None:
        """End the connection at once."""


def tune(transport: Any, read_bytes: int) -> None:
    """Let a new transport read little at a time, and be as small as it can be: most connections
    are idle.

    CPython stores the attributes of instances in a third of the space as long as all of them get
    the same ones in the same order (PEP 412); a transport gets some when it is first written to, by
    which time it is too late: 830 bytes a connection. Its names for Twisted's own log are 150 more;
    our log says who it is about (docs/performance.md).
    """
    if isinstance(transport, Connection):
        for name in ("producer", "streamingProducer", "producerPaused", "dataBuffer", "offset"):
            setattr(transport, name, getattr(transport, name))
        transport.bufferSize = read_bytes
        transport.logstr = transport.repstr = _NAME  # type: ignore[attr-defined]


class BoundedTransport(Connection):
    """The outlet of a TCP connection. It reads nothing while `Limits.unsent_bytes` wait
    to be sent.

    A write goes straight to the socket where nothing waits before it. Twisted's own puts the bytes
    aside, asks the poll to say when the socket can take them, sends them then, and asks it to stop
    saying so: beside the send itself that costs as much as the send (docs/performance.md).

    Answers, news and talk have bounds of their own, below that one. This one holds for whatever
    else is written because of what was read: for telnet's and TLS's own answers, too.
    """

    limits: Limits
    _unread = False

    def write(self, data: bytes) -> None:
        """Send `data`, in its place behind all that was written before. What the socket does not
        take at once goes Twisted's way. Whether the connection is lost is found out there, too."""
        if (
            not (self._tempDataLen or self.dataBuffer or self.TLS)
            and self.connected
            and (self.streamingProducer or self.producer is None)
        ):
            try:
                sent = self.socket.send(data)
            except OSError:  # full, or lost
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)

    def doRead(self) -> Any:
        """Read, unless too much waits to be sent."""
        if unsent(self) <= self.limits.unsent_bytes:
            return super().doRead()
        self._unread = True
        self.stopReading()
        return None

    def doWrite(self) -> Any:
        """Send some of what waits. When little is left, go on reading."""
        result = super().doWrite()
        if self._unread and unsent(self) <= self.limits.unsent_bytes // 2:
            self._unread = False
            self.resumeProducing()
        return result

    def pauseProducing(self) -> None:
        """Read nothing, for another reason."""
        self._unread = False
        self.stopReading()


def unsent(transport: Any) -> int:
    """Return how many bytes wait in a plain socket's transport to be sent."""
    return int(transport._tempDataLen + len(transport.dataBuffer) - transport.offset)


def unacknowledged(transport: Any) -> int:
    """Return how many bytes were written to a transport, and its other side has not taken yet, as
    far as the system tells."""
    plain = getattr(transport, "transport", transport)  # below TLS
    if not isinstance(plain, Connection):
        return 0
    waiting = bytes(4)
    with suppress(OSError):
        waiting = fcntl.ioctl(plain.socket.fileno(), termios.TIOCOUTQ, waiting)
    return unsent(plain) + int.from_bytes(waiting, sys.byteorder)


def prepare_port(port: Any, limits: Limits) -> Any:
    """Let a port make transports that are `_Bounded`, and have the system look whether the other
    side of an idle one is there. Let it take at most `Limits.accepts` connections in a turn of the
    reactor. Return it.

    Twisted's takes more in each turn while they keep coming, up to all that wait, and everybody who
    is here already waits meanwhile. Options are set on the listening socket: connections inherit
    them, which costs nothing for each.
    """
    if isinstance(port, Port):

        def read() -> None:
            port.numberAccepts = min(port.numberAccepts, limits.accepts)
            Port.doRead(port)

        port.doRead = read  # type: ignore[method-assign]
        bounded: Any = type("Server", (BoundedTransport, port.transport), {"limits": limits})
        port.transport = bounded
        if port.socket.family in (socket.AF_INET, socket.AF_INET6):
            port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (
                ("TCP_KEEPIDLE", limits.keepalive_idle_seconds),
                ("TCP_KEEPINTVL", limits.keepalive_interval_seconds),
                ("TCP_KEEPCNT", limits.keepalive_probes),
            ):
                _set(port.socket, option, value)
    return port


def _set(sock: socket.socket, option: str, value: int) -> None:
    """Set an option of TCP, where the system has it."""
    if hasattr(socket, option):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


_NAME = "chat connection"
