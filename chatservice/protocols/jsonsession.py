"""The JSON format on a connection."""

from typing import Any

from chatservice.domain.dispatch import count_request
from chatservice.domain.model import PROGRAM
from chatservice.errors import Refusal
from chatservice.grammar import jsonlines
from chatservice.grammar.commandtypes import Request
from chatservice.net.delivery import EntryFormat
from chatservice.protocols.chatsession import ChatSession


class JsonSession(ChatSession):
    """A session in the JSON format."""

    kind = "programs"
    format = EntryFormat(live=jsonlines.run, replayed=jsonlines.run, event=jsonlines.event)
    traits = PROGRAM

    __slots__ = ()

    def line(self, line: bytes) -> None:
        """Take a line: one request."""
        if not line.strip():
            count_request(self._chat, self._session)
            return
        id_ = None
        try:
            fields = jsonlines.load(line)
            id_ = jsonlines.request_id(fields)
            request = jsonlines.parse_request(fields, self._may_use)
        except Refusal as refusal:
            count_request(self._chat, self._session)
            self.refuse(refusal, id_)
            return
        self.request(request)

    def encode_stored(self, position: int, id_: Any) -> bytes:
        """Encode the position of stored talk."""
        return jsonlines.stored(position, id_)

    def answer(self, request: Request, it: Any) -> None:
        """Encode the answer to a request."""
        self._write(jsonlines.reply(it, request.id))

    def encode_refusal(self, refusal: Refusal, id_: Any) -> bytes:
        """Encode a refusal."""
        return jsonlines.refusal(refusal, id_)


def json_refusal(refusal: Refusal, begun: bytes) -> bytes:
    """Encode the refusal of a connection that has `begun` with these bytes: its first request."""
    try:
        id_ = jsonlines.request_id(jsonlines.load(begun.lstrip().partition(b"\n")[0]))
    except Refusal:
        id_ = None
    return jsonlines.refusal(refusal, id_)
