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

from chatservice.domain.addresses import normalize
from chatservice.limits import Limits


class Outlet(Protocol):
    """The writing side of a connection: the used part of Twisted's ITransport and IConsumer.

    `registerProducer` with `streaming` tells a producer when the outlet is full, and when it can
    take more. Without it, the producer is asked for more whenever the outlet has nothing left.
    """

    def write(self, data: bytes) -> None:
        """Write `data` after everything written before."""

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write in the next turn of the reactor, together with everything that comes until then."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Tell `producer` from now on."""

    def unregisterProducer(self) -> None:
        """Tell the producer nothing more."""

    def loseConnection(self) -> None:
        """End the connection once everything written has gone."""

    def abortConnection(self) -> None:
        """End the connection at once."""

    def getPeer(self) -> Any:
        """Return the address of the other side, with `host` and `port`, if it has these."""


def address(outlet: Outlet) -> str:
    """Return the user's address; "" on this machine. Behind a proxy it is known from the first
    bytes on, or with each request of HTTP."""
    return told_address(outlet) or neighbour(outlet)


def neighbour(outlet: Outlet) -> str:
    """Return the address of the other side, which may be a proxy of HTTP; "" on this machine."""
    if isinstance(outlet, BoundedTransport):  # each request asks, and getPeer makes an object
        host, port, *_ = outlet.client
        return normalize(host) if port is not None else ""  # a path, of a unix socket
    return normalize(getattr(outlet.getPeer(), "host", None) or "")


def told_address(outlet: Outlet) -> str:
    """Return the address that a proxy of HTTP has told, or ""."""
    return getattr(outlet, "told_address", "")


def tell_address(outlet: Any, address: str) -> None:
    """From now on, the user has the address that a proxy of HTTP has told; with "", that of the
    other side."""
    if told_address(outlet) != address:
        outlet.told_address = address


def origin(outlet: Outlet) -> str:
    """Return the address and port of the other side, for the log, behind the user's own one if a
    proxy of HTTP has told it."""
    peer, told = outlet.getPeer(), told_address(outlet)
    host = getattr(peer, "host", None)
    other = f"{normalize(host)}:{peer.port}" if host else "this machine"
    return f"{told} through {other}" if told else other


def lend_socket(transport: Any) -> socket.socket | None:
    """Return a duplicate of a plain TCP connection's socket, if nothing waits to be sent on it."""
    if not isinstance(transport, Connection) or transport.TLS or not transport.connected:
        return None
    with suppress(OSError):  # too many open files
        return None if unsent(transport) else transport.socket.dup()
    return None


class _NoSocket:
    """The socket of a connection that is closed."""

    @staticmethod
    def fileno() -> int:
        """Return no number of a file."""
        return -1


PIECE_BYTES = 4096
"""Bytes up to which what waits to be sent is one piece: less is copied in 0.1 us."""


class BoundedTransport(Connection):
    """The outlet of a TCP connection. It reads nothing while `unsent_bytes` wait to be sent.

    It takes little memory, because most connections are idle. CPython
    stores the attributes of objects in a third of the space if all objects of a class get the same
    ones in the same order (PEP 412). Twisted sets some at the first write, which is too late: 830
    bytes a connection. Its names in Twisted's log take 170 more, an empty list of bytes to send 56,
    a number, and a method of the socket, 120 (docs/performance.md).

    A write goes straight to the socket if nothing waits before it. Twisted's own puts the bytes
    aside, asks the poll to say when the socket can take them, sends them, and asks it to stop: this
    costs as much as the send (docs/performance.md).

    Replies, events and talk have lower limits of their own. This one holds for all other answers to
    input, such as telnet's and TLS's.
    """

    limits: Limits
    logstr = repstr = property(lambda _: "chat connection", lambda *_: None)
    sessionno = property(lambda _: 0, lambda *_: None)
    hostname = property(lambda self: self.client[0], lambda *_: None)
    fileno = property(
        lambda self: getattr(self, "socket", _NoSocket).fileno, lambda *_: None, lambda _: None
    )
    _unread = False
    told_address = ""
    client: tuple[Any, ...]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for name in _SET_LATER:
            setattr(self, name, getattr(self, name))
        self._tempDataBuffer = _NOTHING
        host, *rest = self.client
        if isinstance(host, str):  # one string for all connections of a host
            self.client = (sys.intern(host), *rest)

    def write(self, data: bytes) -> None:
        """Send `data` after everything written before. The part that the socket does not take at
        once goes Twisted's way, which also finds out if the connection is lost."""
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
        pieces = self._tempDataBuffer = self._tempDataBuffer or []
        super().write(data)
        # A piece takes 41 bytes beside its own: answers of two bytes to pings, which nobody reads,
        # would take 28 times `unsent_bytes`.
        if len(pieces) > 1 and len(pieces[-1]) + len(pieces[-2]) <= PIECE_BYTES:
            pieces[-2:] = [pieces[-2] + pieces[-1]]

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write in the next turn of the reactor, with everything that comes until then."""
        self._tempDataBuffer = self._tempDataBuffer or []
        super().writeSequence(iovec)

    def doRead(self) -> Any:
        """Read, unless too much waits to be sent."""
        if unsent(self) <= self.limits.unsent_bytes:
            return super().doRead()
        self._unread = True
        self.stopReading()
        return None

    def doWrite(self) -> Any:
        """Send some of the waiting bytes. When few are left, read on."""
        result = super().doWrite()
        if not (self.dataBuffer or self._tempDataLen):
            self._tempDataBuffer = _NOTHING
        if self._unread and unsent(self) <= self.limits.unsent_bytes // 2:
            self._unread = False
            self.resumeProducing()
        return result

    def pauseProducing(self) -> None:
        """Stop reading, for another reason."""
        self._unread = False
        self.stopReading()


def read_at_most(transport: Any, size: int) -> None:
    """Read at most `size` bytes at a time from a connection, from now on."""
    plain = getattr(transport, "transport", transport)  # below TLS
    if isinstance(plain, Connection):
        plain.bufferSize = size


def unsent(transport: Any) -> int:
    """Return the number of bytes that wait in a plain socket's transport."""
    return int(transport._tempDataLen + len(transport.dataBuffer) - transport.offset)


def unacknowledged(transport: Any) -> int:
    """Return the number of bytes that were written to a transport and not acknowledged, as far as
    the system tells."""
    plain = getattr(transport, "transport", transport)  # below TLS
    return unsent(plain) + _queued(plain, termios.TIOCOUTQ) if isinstance(plain, Connection) else 0


def unread(transport: Any) -> int:
    """Return the number of bytes that have come and were not read, as far as the system tells."""
    plain = getattr(transport, "transport", transport)
    return _queued(plain, termios.FIONREAD) if isinstance(plain, Connection) else 0


def _queued(transport: Connection, request: int) -> int:
    waiting = bytes(4)
    with suppress(OSError):
        waiting = fcntl.ioctl(transport.socket.fileno(), request, waiting)
    return int.from_bytes(waiting, sys.byteorder)


def prepare_port(port: Any, limits: Limits) -> Any:
    """Make a port use `BoundedTransport`, TCP's keep-alive, no delay of small segments, and at most
    `accepts` new connections in a turn of the reactor. Return it.

    Twisted's own port accepts more in each turn while they keep coming, and all other connections
    wait meanwhile. Options are set on the listening socket: connections inherit them for free.
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
                ("TCP_NODELAY", 1),
                ("TCP_KEEPIDLE", limits.keepalive_idle_seconds),
                ("TCP_KEEPINTVL", limits.keepalive_interval_seconds),
                ("TCP_KEEPCNT", limits.keepalive_probes),
            ):
                _set(port.socket, option, value)
    return port


def _set(sock: socket.socket, option: str, value: int) -> None:
    """Set an option of TCP, if the system has it."""
    if hasattr(socket, option):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


_NOTHING: Any = ()
_SET_LATER = ("producer", "streamingProducer", "producerPaused", "dataBuffer", "offset", "_unread")
"""Attributes that a class has, and a connection from its first write or pause on."""
