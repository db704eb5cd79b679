"""Connections within the one on the port, as sessions and transfers know connections: that of
HTTP, and the base of a WebSocket's."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from chatservice.events import EndReason
from chatservice.net.connection import MovingBytes
from chatservice.net.flow import FlowControl


class InnerConnection:
    """The common part of a `chatservice.net.connection.Connection` within another one: `outer`, the
    connection on the port."""

    transfer: MovingBytes | None

    __slots__ = ("factory", "flow", "outer", "transfer", "transport")

    def __init__(self, outer: Any) -> None:
        self.factory: Any = outer.factory
        self.transport: Any = outer.transport
        self.outer = outer
        self.flow = FlowControl(self)
        self.transfer = None

    @property
    def connected(self) -> int:
        """True until the connection is gone."""
        return int(self.outer.connected)

    @property
    def peer(self) -> str:
        """Its address and port."""
        return str(self.outer.peer)

    def pauseProducing(self) -> None:
        """Read nothing more."""
        self.transport.pauseProducing()

    @abstractmethod
    def read_on(self) -> None:
        """Handle the input that was read already, and read on."""

    def logged_in(self) -> None:
        """The client has a name, or a ticket: the login timeout ends."""
        self.factory.login_timeout.remove(self.outer)


class _Gone:
    """The channel of a connection that is gone."""

    def dismiss(self) -> None:
        """Do nothing."""

    def call_off(self, sentence: str, why: EndReason) -> bool:
        """Do nothing."""
        return True

    def take_raw(self, body: Any) -> None:
        """Do nothing."""

    def raw_body_ended(self, rest: bytes) -> None:
        """Do nothing."""


class WebConnection(InnerConnection):
    """A connection of HTTP, of which `channel` is the
    `chatservice.protocols.web.channel.WebChannel`."""

    __slots__ = ("channel", "when_read_on")

    def __init__(self, outer: Any, channel: Any) -> None:
        super().__init__(outer)
        self.when_read_on: Callable[[], None] | None = None
        self.channel = channel

    def lost(self) -> None:
        """The connection is gone, or another protocol's. Nothing goes in a circle any more: what
        was HTTP's is freed at once, and not by the garbage collector, between what WebSockets need.
        """
        self.flow.connection = None
        self.channel = _Gone()

    def read_on(self) -> None:
        """Read on."""
        if not self.connected:
            return
        self.transport.resumeProducing()
        if (call := self.when_read_on) is not None:
            self.when_read_on = None
            call()

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
