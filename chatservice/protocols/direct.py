"""What is done with a plain socket's transport that transports in general do not offer.

A write can go straight to the socket where nothing waits before it. `transport.write` puts the
bytes aside, asks the poll to say when the socket can take them, sends them then, and asks it to
stop saying so: beside the send itself that costs as much as the send. A socket that is not full
takes them now (docs/performance.md).
"""

from typing import Any

from twisted.internet.tcp import Connection, Port

from chatservice import limits


def write(transport: Any, data: bytes) -> None:
    """Write `data` to a transport, in its place behind all that was written before.

    What the socket does not take at once goes the usual way, and so does everything on a transport
    that is no plain socket. Whether a connection is lost is for the transport to find out.
    """
    if (
        isinstance(transport, Connection)
        and not (transport._tempDataLen or transport.dataBuffer or transport.TLS)
        and transport.connected
    ):
        try:
            sent = transport.socket.send(data)
        except OSError:  # full, or lost
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


def settle(transport: Any) -> None:
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
        transport.bufferSize = limits.READ_BYTES
        transport.logstr = transport.repstr = _NAME  # type: ignore[attr-defined]


def accept_few(port: Any) -> Any:
    """Let a port take at most `limits.ACCEPTS` connections in a turn of the reactor; return it.

    Twisted's takes more in each turn while they keep coming, up to all that wait, and everybody who
    is here already waits meanwhile.
    """
    if isinstance(port, Port):

        def read() -> None:
            port.numberAccepts = min(port.numberAccepts, limits.ACCEPTS)
            Port.doRead(port)

        port.doRead = read  # type: ignore[method-assign]
    return port


_NAME = "chat connection"
