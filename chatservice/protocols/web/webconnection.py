"""A connection of HTTP, as sessions and transfers know connections."""

from collections.abc import Callable
from typing import Any

from chatservice.net.connection import MovingBytes
from chatservice.net.flow import FlowControl


class WebConnection:
    """A `chatservice.net.connection.Connection`. `outer` is the connection on the port, and
    `channel` its `chatservice.protocols.web.channel.WebChannel`."""

    def __init__(self, outer: Any, channel: Any) -> None:
        self.factory = outer.factory
        self.transport: Any = outer.transport
        self.flow = FlowControl(self)
        self.transfer: MovingBytes | None = None
        self.when_read_on: Callable[[], None] | None = None
        self.outer = outer
        self.channel = channel

    @property
    def connected(self) -> int:
        """True until the connection is gone."""
        return int(self.outer.connected)

    @property
    def peer(self) -> str:
        """Its address and port."""
        return str(self.outer.peer)

    def lost(self) -> None:
        """The connection is gone."""
        self.flow.connection = None

    def pauseProducing(self) -> None:
        """Read nothing more."""
        self.transport.pauseProducing()

    def read_on(self) -> None:
        """Read on."""
        if not self.connected:
            return
        self.transport.resumeProducing()
        if (call := self.when_read_on) is not None:
            self.when_read_on = None
            call()

    def logged_in(self) -> None:
        """The client has a name, or a ticket."""
        self.factory.login_timeout.remove(self.outer)

    def setRawMode(self) -> None:
        """Give the bytes of the body to the transfer."""
        self.channel.take_raw(self.transfer)

    def setLineMode(self, extra: bytes) -> None:
        """The body ends before `extra`."""
        self.channel.raw_body_ended(extra)

    def throw_away(self) -> None:
        """Drop all input from now on: the refusal of the transfer, which is next, ends it."""
        self.transfer = None

    def finish(self) -> None:
        """End the connection, which has got its response."""
        self.channel.dismiss()

    def dismiss(self) -> None:
        """End the connection: what was written goes out, and further input is dropped."""
        self.channel.dismiss()
