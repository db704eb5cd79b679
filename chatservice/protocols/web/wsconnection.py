"""WebSocket: the JSON format, an object a message; or IRC, a message each."""

import sys
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from twisted.internet.interfaces import ISSLTransport

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
from chatservice.protocols.chatsession import ChatSession
from chatservice.protocols.irc.ircdoor import is_irc
from chatservice.protocols.irc.ircwebsocket import SUBPROTOCOLS, IrcWebSocketSession
from chatservice.protocols.jsonsession import JsonSession
from chatservice.protocols.web.webconnection import InnerConnection

PING_SECONDS = 25.0
"""Seconds between two pings: proxies end connections that are silent for 60, as nginx does
(`proxy_read_timeout`)."""

PINGED_AT_ONCE = 250
"""WebSockets pinged in one turn of the reactor: two milliseconds."""

LINGER_SECONDS = 5.0
"""Seconds for which a client may answer a close frame."""

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
    format = EntryFormat(
        live=framed_run,
        replayed=framed_run,
        event=framed_event,
        closing=websocket.close_frame(CloseCode.GOING_AWAY),
    )

    __slots__ = ()

    def _write(self, data: bytes) -> None:
        super()._write(frames(data))

    def _write_soon(self, data: bytes) -> None:
        super()._write_soon(frames(data))


class Pings:
    """Pings all WebSockets, so that proxies and browsers see them alive: from one timer, because
    most are idle, and a timer each would be a tenth of their memory. `factory` knows them."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory
        self._reactor = factory.reactor
        self._count = 0
        self._timer: Any = None

    def add(self) -> None:
        """Ping one more from now on."""
        self._count += 1
        if self._timer is None:
            self._timer = self._reactor.callLater(PING_SECONDS, self._ping)

    def remove(self) -> None:
        """Ping one less: it is gone."""
        self._count -= 1
        if not self._count and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ping(self) -> None:
        self._timer = self._reactor.callLater(PING_SECONDS, self._ping)
        here = self._factory.connections  # those of the admin socket are among them
        found = (it.inner for it in here if it.factory is self._factory)
        self._ping_some(iter([it for it in found if isinstance(it, WebSocketConnection)]))

    def _ping_some(self, rest: Iterator["WebSocketConnection"]) -> None:
        """Ping some now, and the rest in later turns."""
        lot = tuple(islice(rest, PINGED_AT_ONCE))
        for connection in lot:
            connection.ping()
        if lot:
            self._reactor.callLater(0, self._ping_some, rest)


class WebSocketConnection(InnerConnection):
    """A connection of frames. An incoming message is taken as a line of its format, so order,
    limits and flow control are the same. Files have connections of their own.

    The format is IRC if the client has agreed on a `subprotocol` of it, or begins as its clients
    do; else it is JSON. `origin` is the address of this server, as the client reaches it.
    """

    kind = WebSocketSession.kind

    __slots__ = (
        *("_begun", "_closed", "_in_browser", "_input_over", "_origin", "_pings", "_reader"),
        *("_session", "_taking", "_timer"),
    )

    def __init__(
        self,
        outer: Any,
        chat: Chat,
        pings: Pings,
        in_browser: bool,
        subprotocol: str = "",
        origin: str = "",
    ) -> None:
        super().__init__(outer)
        self._reader = FrameReader(outer.factory.limits.line_bytes)
        self._pings = pings
        self._in_browser = in_browser
        self._closed = self._input_over = self._taking = False
        self._timer: Any = None
        self._begun = bool(subprotocol)
        self._origin = sys.intern(origin)  # most have the same one
        self._session: ChatSession
        if subprotocol:
            self._session = IrcWebSocketSession(self, chat, SUBPROTOCOLS[subprotocol], origin)
        else:
            self._session = WebSocketSession(self, chat)
        self.factory.login_timeout.add(outer)
        pings.add()

    def ping(self) -> None:
        """Send a ping, unless the client does not even read its messages."""
        if not (self._closed or PauseReason.FULL in self.flow.reasons):
            self.transport.write(websocket.ping())
            if self._in_browser:
                self.factory.browsers.note(outlet.neighbour(self.transport))

    # -- incoming --------------------------------------------------------------------------------

    def makeConnection(self, transport: Any) -> None:
        """Take bytes from now on."""

    def dataReceived(self, data: bytes) -> None:
        """Take bytes."""
        self.outer.last_active = self.factory.idle.step
        if not self._closed:
            self._reader.feed(data)
            self._take()

    def read_on(self) -> None:
        """Handle the messages that are here, and read on."""
        if not self.connected:
            return
        self.transport.resumeProducing()
        self._take()
        if self._input_over and not self.flow.reasons:
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
            case websocket.BinaryMessage() if not isinstance(self._session, IrcWebSocketSession):
                self._close(CloseCode.UNSUPPORTED, "Send text: a JSON object a message.")
            case websocket.TextMessage(data) | websocket.BinaryMessage(data):
                self._line(data.rstrip(b"\r\n").translate(_SPACES))
            case websocket.Ping(payload):
                self.transport.write(websocket.pong(payload))
            case websocket.Close(code, _):
                self._close(NORMAL if code is None else code, "")

    def _line(self, line: bytes) -> None:
        if not self._begun:
            self._begun = True
            if is_irc(line):
                self._session.stop()
                self._session = IrcWebSocketSession(
                    self, self.factory.chat, websocket.TEXT, self._origin
                )
        try:
            self._session.line(line)
        except Refusal as refusal:
            self._session.refuse(refusal)
        except Exception:
            self.flow.log.failure("a message from {peer} failed", peer=self.peer)
            self._session.refuse(SERVER_ERROR)

    # -- files, which its tickets carry ----------------------------------------------------------

    def setRawMode(self) -> None:
        """Do nothing."""

    def setLineMode(self, extra: bytes) -> None:
        """Do nothing."""

    def throw_away(self) -> None:
        """Do nothing."""

    # -- the end ---------------------------------------------------------------------------------

    def _close(self, code: int, reason: str) -> None:
        """Send a close frame, once, and end the connection."""
        if self._closed:
            return
        self._session.stop()
        self._closed = True
        if not self.connected:
            return
        self.transport.write(websocket.close_frame(code, reason))
        if self._input_over or ISSLTransport.providedBy(self.transport):
            self.transport.loseConnection()
            return
        timer = self.factory.reactor.callLater(LINGER_SECONDS, self.transport.abortConnection)
        self._timer = timer
        self.transport.loseWriteConnection()
        self.transport.resumeProducing()

    def dismiss(self) -> None:
        """End the connection: what was written goes out, and further input is dropped."""
        self._close(NORMAL, "")

    def finish(self) -> None:
        """End the connection."""
        self._close(NORMAL, "")

    def readConnectionLost(self) -> None:
        """The client has half-closed: finish its requests."""
        self._input_over = True
        if self._closed:
            self.transport.loseConnection()
        elif not self.flow.reasons:
            self._leave()

    def writeConnectionLost(self) -> None:
        """Our half is closed."""

    def _leave(self) -> None:
        ending = self.flow.when_answered
        ending(self._session.ended(), lambda _: self._close(NORMAL, ""), self._session.refuse)

    def end(self, sentence: str, why: EndReason) -> None:
        """Show `sentence`, and the reason, then end the connection."""
        self._session.end(sentence, why)

    def login_timed_out(self, refusal: Refusal) -> None:
        """Refuse a client that has given no name for too long; but not while its password is being
        checked."""
        if PauseReason.ANSWER in self.flow.reasons:
            self.factory.login_timeout.add(self.outer)
            return
        self._session.refuse(refusal)
        self._close(NORMAL, "")

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether a full server may end it."""
        return self._session.is_evictable(busy)

    def connectionLost(self, reason: Any) -> None:
        """The connection is gone."""
        self._closed = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._pings.remove()
        self._session.lost()
        self.flow.connection = None


_SPACES = bytes.maketrans(b"\r\n", b"  ")
"""An object may be written over several lines; within a string, JSON has no line ends."""
