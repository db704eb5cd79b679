"""A write that goes straight to the socket where nothing waits before it.

`transport.write` puts the bytes aside, asks the poll to say when the socket can take them, sends
them then, and asks it to stop saying so: beside the send itself that costs as much as the send. A
socket that is not full takes them now (docs/performance.md).
"""

from typing import Any

from twisted.internet.tcp import Connection


def write(transport: Any, data: bytes) -> None:
    """Write `data` to a transport, in its place behind all that was written before.

    What the socket does not take at once goes the usual way, and so does everything on a transport
    that is no plain socket. Whether a connection is lost is for the transport to find out.
    """
    if isinstance(transport, Connection) and _nothing_waits(transport):
        try:
            sent = transport.socket.send(data)
        except OSError:  # full, or lost
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


def _nothing_waits(transport: Connection) -> bool:
    return (
        not transport._tempDataLen
        and not transport.dataBuffer
        and not transport.TLS
        and bool(transport.connected)
        and not transport.disconnecting
        and not transport._writeDisconnecting
    )
