"""WebSocket: the JSON format, an object a message."""

from collections.abc import Collection
from typing import Any

from chatservice.domain.chat import Chat
from chatservice.domain.model import PauseReason, User
from chatservice.entries import Run
from chatservice.errors import Refusal
from chatservice.events import EndReason, Event
from chatservice.grammar import jsonlines, websocket
from chatservice.grammar.websocket import CloseCode, FrameReader, WebSocketError
from chatservice.net import outlet
from chatservice.net.delivery import EntryFormat
from chatservice.net.flow import SERVER_ERROR
from chatservice.protocols.jsonsession import JsonSession
from chatservice.protocols.web.webconnection import WebConnection

PING_SECONDS = 25.0
"""Seconds between two pings: proxies end connections that are silent for 60, as nginx does
(`proxy_read_timeout`)."""

NORMAL = 1000
"""The code of an end that both sides expect (RFC 6455, 7.4.1)."""


def frames(lines: bytes) -> bytes:
    """Return lines of the JSON format as one frame each."""
    return b"".join(websocket.frame(line) for line in lines.splitlines())


def framed_run(first: int, run: Run, log: str) -> bytes:
    """Encode a run of entries, a frame each."""
    return frames(jsonlines.run(first, run, log))


def framed_event(event: Event) -> bytes:
    """Encode an event as a frame."""
    return frames(jsonlines.event(event))


class WebSocketSession(JsonSession):
    """A session in the JSON format, in frames."""

    kind = "WebSockets"
    format = EntryFormat(live=framed_run, replayed=framed_run, event=framed_event)

    __slots__ = ()

    def _write(self, data: bytes) -> None:
        super()._write(frames(data))

    def _write_soon(self, data: bytes) -> None:
        super()._write_soon(frames(data))


class WebSocketConnection(WebConnection):
    """A `chatservice.net.connection.Connection` of frames. An incoming message is taken as a line
    of the JSON format, so order, limits and flow control are the same."""

    kind = WebSocketSession.kind

    def __init__(self, outer: Any, channel: Any, chat: Chat) -> None:
        super().__init__(outer, channel)
        self._reader = FrameReader(outer.factory.limits.line_bytes)
        self._chat = chat
        self._taking = self._closed = self._is_over = False
        self._alive = True
        self._timer: Any = None

    def begin(self) -> None:
        """Take messages from now on."""
        self.factory.login_timeout.add(self.outer)
        self._session = WebSocketSession(self, self._chat)
        self._timer = self.factory.reactor.callLater(PING_SECONDS, self._ping)

    def _ping(self) -> None:
        self._timer = self.factory.reactor.callLater(PING_SECONDS, self._ping)
        if not self._closed:
            self.transport.write(websocket.ping())
            self.factory.browsers.note(outlet.address(self.transport))

    # -- incoming --------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self._reader.feed(data)
        self._take()

    def read_on(self) -> None:
        """Handle the messages that are here, and read on."""
        super().read_on()
        self._take()
        if self._is_over and not self.flow.reasons:
            self._leave()

    def _take(self) -> None:
        """Handle messages until one of them pauses the reading."""
        if self._taking:
            return
        self._taking = True
        try:
            events = self._reader.events()
            while not (self.flow.reasons or self._closed) and self._has_turn():
                event = next(events, None)
                if event is None:
                    break
                self._handle(event)
        except WebSocketError as error:
            self._close(error.code, error.reason)
        finally:
            self._taking = False

    def _has_turn(self) -> bool:
        """Return whether it is this connection's turn; otherwise wait for it."""
        slices = self.factory.timeslices
        if not slices.is_over():
            return True
        self.flow.pause_reading(PauseReason.TURN)
        slices.enqueue(self.flow)
        return False

    def _handle(self, event: websocket.Event) -> None:
        match event:
            case websocket.TextMessage(data):
                self._line(data.translate(_SPACES))
            case websocket.BinaryMessage():
                self._close(CloseCode.UNSUPPORTED, "Send text: a JSON object a message.")
            case websocket.Ping(payload):
                self.transport.write(websocket.pong(payload))
            case websocket.Close(code, _):
                self._close(NORMAL if code is None else code, "")

    def _line(self, line: bytes) -> None:
        try:
            self._session.line(line)
        except Refusal as refusal:
            self._session.refuse(refusal)
        except Exception:
            self.flow.log.failure("a message from {peer} failed", peer=self.peer)
            self._session.refuse(SERVER_ERROR)

    # -- the end ---------------------------------------------------------------------------------

    def _close(self, code: int, reason: str) -> None:
        """Send a close frame, once, and end the connection."""
        if self._closed:
            return
        self._session.stop()
        if self.connected:
            self.transport.write(websocket.close_frame(code, reason))
        self._closed = True
        self.channel.dismiss()

    def dismiss(self) -> None:
        """End the connection: what was written goes out, and further input is dropped."""
        self._close(NORMAL, "")

    def finish(self) -> None:
        """End the connection."""
        self._close(NORMAL, "")

    def input_ended(self) -> None:
        """The client has half-closed: finish its requests."""
        self._is_over = True
        if not self.flow.reasons:
            self._leave()

    def _leave(self) -> None:
        ending = self.flow.when_answered
        ending(self._session.ended(), lambda _: self._close(NORMAL, ""), self._session.refuse)

    def end(self, sentence: str, why: EndReason) -> None:
        """Show `sentence`, and the reason, then end the connection."""
        self._session.end(sentence, why)

    def login_timed_out(self, refusal: Refusal) -> None:
        """Refuse a client that has given no name for too long."""
        self._session.refuse(refusal)
        self._close(NORMAL, "")

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether a full server may end it."""
        return self._session.is_evictable(busy)

    def connectionLost(self, reason: Any) -> None:
        """The connection is gone."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._session.lost()


_SPACES = bytes.maketrans(b"\r\n", b"  ")
"""An object may be written over several lines; within a string, JSON has no line ends."""
