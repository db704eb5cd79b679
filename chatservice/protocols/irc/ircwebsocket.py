"""IRC over WebSocket (https://ircv3.net/specs/extensions/websocket): a message a frame."""

from collections.abc import Callable
from functools import lru_cache, partial

from chatservice.domain.chat import Chat
from chatservice.domain.log import Encoder
from chatservice.events import Event
from chatservice.grammar import websocket
from chatservice.grammar.websocket import BINARY, TEXT, CloseCode
from chatservice.net.connection import Connection
from chatservice.net.delivery import EntryFormat
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


class IrcWebSocketSession(IrcClientSession):
    """A session of an IRC client in frames with that `opcode`."""

    kind = "IRC over WebSocket"

    __slots__ = ("_opcode",)

    def __init__(self, connection: Connection, chat: Chat, opcode: int) -> None:
        self._opcode = opcode
        super().__init__(connection, chat)

    def _format_for(self, caps: frozenset[str]) -> EntryFormat:
        plain, opcode = super()._format_for(caps), self._opcode
        inbox = None
        if plain.inbox is not None:
            inbox = (partial(_run, plain.inbox[0], opcode), partial(_run, plain.inbox[1], opcode))
        return EntryFormat(
            _framed_run(plain.live, opcode),
            _framed_run(plain.replayed, opcode),
            _framed_event(plain.event, opcode),
            closing=_CLOSING,
            inbox=inbox,
        )

    def _personal(self, event: Event) -> bytes:
        return _frames(super()._personal(event), self._opcode)

    def _write(self, data: bytes) -> None:
        super()._write(_frames(data, self._opcode))
