"""The JSON dialect: a program."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any

from chatservice import replies
from chatservice.domain import handlers
from chatservice.domain.chat import Chat
from chatservice.domain.log import EventBatch
from chatservice.domain.model import Session, User
from chatservice.domain.ratelimit import UNPARSED
from chatservice.errors import NAME_NEEDED, Code, Refusal
from chatservice.events import EndReason, Notice
from chatservice.grammar import jsonlines
from chatservice.grammar.commands import Request, Right
from chatservice.net.delivery import EntryFormat, Subscription
from chatservice.net.flow import entry_weight
from chatservice.net.outlet import write
from chatservice.protocols.chatprotocol import ChatProtocol

JSON = EntryFormat(live=jsonlines.run, replayed=jsonlines.run, event=jsonlines.event)


class JsonSession:
    """A `chatservice.protocols.chatprotocol.Speaker` in the JSON dialect."""

    kind = "programs"

    __slots__ = ("_chat", "_connection", "_session", "_subscription")

    def __init__(self, connection: ChatProtocol, chat: Chat) -> None:
        self._connection = connection
        self._chat = chat
        self._subscription = Subscription(connection, JSON, chat)
        self._session = Session(self._subscription, echo=True)
        self._subscription.start()

    def lines(self, lines: bytes) -> bool:
        """Take requests one at a time."""
        return False

    def line(self, line: bytes) -> None:
        """Take a line: one request."""
        if not line.strip():
            self._connection.count_command(UNPARSED)
            return
        id_ = None
        try:
            asked = jsonlines.load(line)
            id_ = jsonlines.request_id(asked)
            request = jsonlines.parse_request(asked)
        except Refusal as refusal:
            self._connection.count_command(UNPARSED)
            self._refuse(id_, refusal)
            return
        self._obey_in_turn(request)

    def _obey(self, request: Request) -> None:
        name = request.command.name
        text = request.args.get("text", "")
        self._connection.count_command(name, text.count("\n") + 1)
        if self._session.user is None and self._connection.factory.is_admin:
            attending = self._chat.users.enter_as_operator(self._session)
            refuse = partial(self._refuse, request.id)
            self._connection.when_answered(attending, lambda _: self._obey_in_turn(request), refuse)
            return
        if self._session.user is None and request.command.needs is not Right.NOTHING:
            raise Refusal(Code.NAME_NEEDED, NAME_NEEDED)
        if name in ("say", "me"):
            handlers.talk(
                self._chat,
                self._session,
                request,
                partial(self._stored, request.id, entry_weight(text)),
            )
            self._connection.storing(entry_weight(text))
            return
        settled, refuse = (
            partial(self._chat.publisher.settled, self._session),
            partial(self._refuse, request.id),
        )
        self._connection.in_order(settled, partial(self._ask, request), refuse)

    def _obey_in_turn(self, request: Request) -> None:
        try:
            self._obey(request)
        except Refusal as refusal:
            self._refuse(request.id, refusal)

    def _ask(self, request: Request) -> None:
        self._chat.check(self._session, request)
        action = _OWN.get(request.command.name) or handlers.HANDLERS[request.command.name]
        result = action(self._chat, self._session, request.args)
        self._connection.when_answered(
            result, partial(self._answer, request), partial(self._refuse, request.id)
        )

    def _stored(self, id_: Any, weight: int, result: int | Exception) -> None:
        self._connection.stored(weight)
        if isinstance(result, Refusal):
            self._refuse(id_, result)
        elif isinstance(result, int) and self._connection.connected:
            # Many come together: let the transport collect them.
            self._connection.transport.write(jsonlines.stored(result, id_))
            self._connection.reply_written(self._subscription.full)

    def _answer(self, request: Request, it: replies.Reply) -> None:
        self._write(jsonlines.reply(it, request.id))
        if isinstance(it, replies.Welcome):
            self._connection.logged_in()
        if isinstance(it, (replies.Joined, replies.Welcome)):
            self._session.wake()
        if request.command.name == "quit":
            self._subscription.stop()
            self._connection.dismiss()

    def refuse(self, refusal: Refusal) -> None:
        """Say why something is not done that no request can be named for."""
        self._refuse(None, refusal)

    def refuse_line(self, line: bytes, refusal: Refusal) -> None:
        """Say why a line is not taken at all."""
        self.refuse(refusal)

    def _refuse(self, id_: Any, refusal: Refusal) -> None:
        self._connection.factory.count(refusal)
        self._write(jsonlines.refusal(refusal, id_))

    def _write(self, data: bytes) -> None:
        if self._connection.connected:
            write(self._connection.transport, data)
            self._connection.reply_written(self._subscription.full)

    async def ended(self) -> None:
        """No more will come: what was said is stored, and then one leaves."""
        await _quit(self._chat, self._session, {})
        self._subscription.stop()

    def tell(self, sentence: str) -> None:
        """Tell `sentence`, in between."""
        self._subscription.tell(EventBatch((Notice(sentence),)))

    def dismiss(self, refusal: Refusal) -> None:
        """Say why no more is done at all, and dismiss the connection."""
        self.refuse(refusal)
        self._subscription.stop()
        self._connection.dismiss()

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether it is a guest, and none who is `busy`."""
        return self._session.may_be_evicted(busy)

    def end(self, sentence: str, why: EndReason) -> None:
        """Tell `sentence`, and why it is, then end the connection."""
        self._subscription.end(sentence, why)

    def lost(self) -> None:
        """The connection is gone."""
        self._subscription.stopProducing()
        self._session.ended = True
        self._connection.factory.timeslices.run(self._depart)

    def _depart(self) -> None:
        self._connection.in_order(
            partial(self._chat.publisher.settled, self._session),
            partial(self._chat.users.leave, self._session),
            lambda _: None,
        )


async def _hello(chat: Chat, session: Session, args: Mapping[str, Any]) -> replies.Welcome:
    if session.user is not None:
        raise Refusal(
            Code.BAD_ARGUMENT, 'You are {user}; "nick" changes that.', user=session.user.name
        )
    return await chat.users.enter(
        session, args["name"], args.get("password"), args.get("token"), args.get("after")
    )


async def _quit(chat: Chat, session: Session, args: Mapping[str, Any]) -> replies.Done:
    await chat.publisher.settled(session)
    chat.users.leave(session, args.get("text", ""))
    return replies.Done()


_OWN: dict[str, Callable[[Chat, Session, Mapping[str, Any]], Awaitable[replies.Reply]]] = {
    "hello": _hello,
    "quit": _quit,
    "get": handlers.link,
    "put": handlers.put_ticket,
}
"""The commands that this dialect does in its own way."""
