"""The JSON format on a connection."""

from functools import partial
from typing import Any

from chatservice import replies
from chatservice.domain.chat import Chat
from chatservice.domain.dispatch import count_request
from chatservice.domain.model import PROGRAM
from chatservice.errors import Refusal
from chatservice.grammar import jsonlines
from chatservice.grammar.commands import Request
from chatservice.net.delivery import EntryFormat
from chatservice.protocols.chatprotocol import ChatProtocol
from chatservice.protocols.chatsession import ChatSession


class JsonSession(ChatSession):
    """A session in the JSON format."""

    kind = "programs"
    format = EntryFormat(live=jsonlines.run, replayed=jsonlines.run, event=jsonlines.event)
    traits = PROGRAM

    __slots__ = ()

    def __init__(self, connection: ChatProtocol, chat: Chat) -> None:
        super().__init__(connection, chat)
        self._subscription.start()

    def line(self, line: bytes) -> None:
        """Take a line: one request."""
        if not line.strip():
            count_request(self._chat, self._session)
            return
        id_ = None
        try:
            fields = jsonlines.load(line)
            id_ = jsonlines.request_id(fields)
            request = jsonlines.parse_request(fields)
        except Refusal as refusal:
            count_request(self._chat, self._session)
            self._refuse(id_, refusal)
            return
        self.request(request, partial(self._stored, id_))

    def _stored(self, id_: Any, result: int | Exception) -> None:
        if isinstance(result, Refusal):
            self._refuse(id_, result)
        elif isinstance(result, int) and self._connection.connected:
            # Many come together: let the transport collect them.
            self._connection.transport.writeSequence((jsonlines.stored(result, id_),))
            self._note_full()

    def answer(self, request: Request, it: Any) -> None:
        """Encode the answer to a request."""
        self._write(jsonlines.reply(it, request.id))
        if isinstance(it, replies.Welcome):
            self._connection.logged_in()
        if isinstance(it, (replies.Joined, replies.Welcome)):
            self._session.wake()
        if request.command.name == "quit":
            self._connection.dismiss()

    def refuse_request(self, request: Request, refusal: Refusal) -> None:
        """Encode the refusal of a request."""
        self._refuse(request.id, refusal)

    def refuse(self, refusal: Refusal) -> None:
        """Encode a refusal that belongs to no request."""
        self._refuse(None, refusal)

    def _refuse(self, id_: Any, refusal: Refusal) -> None:
        self._connection.factory.count(refusal)
        self._write(jsonlines.refusal(refusal, id_))
