"""IRC over WebSocket (https://ircv3.net/specs/extensions/websocket): a message a frame."""

from collections.abc import Callable
from functools import lru_cache, partial

from chatservice.domain.chat import Chat
from chatservice.domain.log import Encoder
from chatservice.events import Event
from chatservice.grammar import websocket
from chatservice.grammar.ircformat import IrcStyle
from chatservice.grammar.websocket import BINARY, TEXT, CloseCode
from chatservice.net.connection import Connection
from chatservice.protocols.irc.ircdelivery import Encoders, IrcFormat
from chatservice.protocols.irc.ircdoor import IrcClientSession

SUBPROTOCOLS = {"text.ircv3.net": TEXT, "binary.ircv3.net": BINARY}
"""The subprotocols, and the opcode of their frames."""

_CLOSING = websocket.close_frame(CloseCode.GOING_AWAY)


def _frames(lines: bytes, opcode: int) -> bytes:
    return b"".join(websocket.frame(line, opcode) for line in lines.splitlines())


def _run(encode: Encoder, opcode: int, *run: object) -> bytes:
    return _frames(encode(*run), opcode)  # type: ignore[arg-type]


def _event(encode: Callable[[Event], bytes], opcode: int, event: Event) -> bytes:
    return _frames(encode(event), opcode)


@lru_cache(maxsize=64)
def _framed_run(encode: Encoder, opcode: int) -> Encoder:
    """Return the encoder whose messages are frames: one for each, so that a block keeps its bytes
    once."""
    return partial(_run, encode, opcode)


@lru_cache(maxsize=64)
def _framed_event(encode: Callable[[Event], bytes], opcode: int) -> Callable[[Event], bytes]:
    return partial(_event, encode, opcode)


@lru_cache(maxsize=256)
def _framed(plain: IrcFormat, opcode: int) -> IrcFormat:
    """Return a format whose messages are frames."""
    return IrcFormat(
        _framed_run(plain.live, opcode),
        _framed_run(plain.replayed, opcode),
        _framed_event(plain.event, opcode),
        closing=_CLOSING,
        inbox=partial(_inbox, plain.inbox, opcode),
    )


def _inbox(
    encoders: Callable[[str, bool], Encoders], opcode: int, nick: str, registered: bool
) -> Encoders:
    live, past = encoders(nick, registered)
    return partial(_run, live, opcode), partial(_run, past, opcode)


class IrcWebSocketSession(IrcClientSession):
    """A session of an IRC client in frames with that `opcode`, which reaches HTTP at `origin`."""

    kind = "IRC over WebSocket"

    __slots__ = ("_opcode", "_origin")

    def __init__(self, connection: Connection, chat: Chat, opcode: int, origin: str) -> None:
        self._opcode, self._origin = opcode, origin
        super().__init__(connection, chat)

    def _own_web(self) -> str:
        return self._origin or super()._own_web()

    def _format_for(self, style: IrcStyle) -> IrcFormat:
        return _framed(super()._format_for(style), self._opcode)

    def personal(self, event: Event) -> bytes:
        """Render an event that tells its reader about themselves."""
        return _frames(super().personal(event), self._opcode)

    def _write(self, data: bytes) -> None:
        super()._write(_frames(data, self._opcode))
