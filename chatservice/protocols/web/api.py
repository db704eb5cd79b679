"""The HTTP API: what a request asks for, done through dispatch.

`chatservice.grammar.webapi` reads requests, and `webanswers` words what they get.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.domain.log import Cursor, EventBatch
from chatservice.errors import Code, Message, Refusal
from chatservice.events import EndReason, Event, PutOut
from chatservice.grammar import webanswers, webapi
from chatservice.grammar.commandtypes import Request
from chatservice.grammar.negotiation import preferred
from chatservice.grammar.webfaults import Fault, UnsupportedMediaType
from chatservice.grammar.webfields import JSON, TEXT
from chatservice.grammar.webroutes import FILEHOST
from chatservice.net import outlet
from chatservice.net.delivery import EntryFormat, Subscription
from chatservice.net.flow import SERVER_ERROR
from chatservice.protocols.web import filehost, webfiles
from chatservice.protocols.web.exchange import Exchange
from chatservice.protocols.web.webuser import LoginFailed, WebUser

Headers = Mapping[str, str]

IDLE_SECONDS = 25.0
"""Seconds after which a stream shows that it is alive, as a WebSocket does."""

_UTF8 = "; charset=utf-8"


class Api:
    """Answers requests under `/api/v1`, at tickets, and the short forms, on one connection.
    `headers` are those of every response."""

    log = Logger()

    def __init__(self, user: WebUser, chat: Chat, headers: Headers) -> None:
        self._user = user
        self._chat = chat
        self._headers = headers

    def serve(self, exchange: Exchange) -> None:
        """Answer a request, now or later."""
        answering = Deferred.fromCoroutine(self._answer(exchange))
        answering.addErrback(partial(self._failed, exchange))

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.path.startswith(webfiles.TICKETS):
            await webfiles.answer_ticket(exchange, self._chat, self._headers)
            return
        if exchange.path == FILEHOST:
            await filehost.answer(exchange, self._chat, self._user, self._headers)
            return
        asked = webapi.route(exchange.method, exchange.target)
        type_ = preferred(exchange.header("Accept"), asked.offers or (JSON,))
        if isinstance(asked, webapi.AllowedMethods):
            exchange.respond(204, b"", {**self._headers, "Allow": ", ".join(asked.allowed)})
        elif type_ == webapi.PAGE:
            room = quote(exchange.target.decode("ascii").strip("/"), safe="%")
            told = {"Location": f"/#{room}", "Cache-Control": "no-store", "Vary": "Accept"}
            exchange.respond(303, b"", {**self._headers, **told})
        else:
            self._user.room_password = _text(exchange.header("Room-Password"))
            try:
                await self._run(exchange, asked, type_)
            finally:
                self._user.room_password = ""  # the next request may be somebody else's

    async def _run(self, exchange: Exchange, asked: webapi.Asked, type_: str) -> None:
        user, known_by = self._user, (exchange.header("Authorization"), asked.guest)
        if isinstance(asked, webapi.Follow):
            asked = webapi.resumed(asked, exchange.header("Last-Event-ID"))
            following = FollowResponse(exchange, self._chat, self._headers, type_)
            await following.begin(asked, user, known_by)
            return
        if isinstance(asked, webapi.Call) and asked.is_for_anybody and not any(known_by):
            request = await self._request(exchange, asked)
            self._reply(exchange, await user.run_without_name(request), type_)
            return
        if isinstance(asked, webapi.FileGet) and not any(known_by):
            _check_for_anybody(asked.request)
        session = await user.enter(*known_by)
        match asked:
            case webapi.WhoAmI():
                assert user.welcome is not None
                self._reply(exchange, user.welcome, type_)
            case webapi.FileGet():
                reader = await user.run_for_file(session, asked.request)
                await webfiles.send(exchange, self._chat, session.require_user(), reader)
            case webapi.FilePut():
                run = partial(user.run_for_file, session)
                mark = await webfiles.upload(exchange, self._chat, asked, run)
                room = asked.args.get("room", "") if asked.args.get("to") is None else ""
                body = webanswers.shared(mark, room, type_)
                self._respond(exchange, webfiles.status_of(mark), body, type_)
            case webapi.Call():
                request = await self._request(exchange, asked)
                run = partial(user.run, session)
                if exchange.method == "DELETE" and asked.route.command.name == "remove":
                    get = partial(user.run_for_file, session)
                    await webfiles.check_known(exchange, request, get)
                self._reply(exchange, await run(request), type_)

    async def _request(self, exchange: Exchange, asked: webapi.Call) -> Request:
        """Return the request of a call, once its body has come."""
        if exchange.header("Content-Encoding").lower() not in ("", "identity"):
            raise UnsupportedMediaType(Message("A body comes as it is; do not compress it."))
        most = self._chat.limits.line_bytes
        body = await exchange.body(most) if exchange.length != 0 else b""
        return asked.request(exchange.header("Content-Type"), body)

    def _reply(self, exchange: Exchange, reply: Any, type_: str) -> None:
        self._respond(exchange, 200, webanswers.reply(reply, type_), type_)

    def _respond(
        self,
        exchange: Exchange,
        status: int,
        body: bytes,
        type_: str,
        more: Iterable[tuple[str, str]] = (),
    ) -> None:
        headers = [*self._headers.items(), *_described(type_), *more]
        exchange.respond(status, body, headers)

    def _failed(self, exchange: Exchange, failure: Failure) -> None:
        """Answer with a refusal, or with one for everything else, which is logged."""
        if exchange.is_lost or exchange.finished:
            return
        error = failure.value
        at_login = isinstance(error, LoginFailed)
        if isinstance(error, LoginFailed):
            error = error.refusal
        if not isinstance(error, Refusal | Fault):
            self.log.failure("a request of HTTP failed", failure)
            error = SERVER_ERROR
        if isinstance(error, Refusal):
            exchange.channel.outer.factory.count(error)
        if exchange.started:  # half an answer must not look like a whole one
            exchange.channel.transport.abortConnection()
            return
        problem = webanswers.problem(error, at_login)
        offers = (webanswers.PROBLEM, JSON, TEXT)
        if webapi.answers_text(exchange.target):
            offers = (TEXT, webanswers.PROBLEM, JSON)
        type_ = preferred(exchange.header("Accept"), offers)
        type_ = TEXT if type_ == TEXT else webanswers.PROBLEM
        self._respond(exchange, problem.status, problem.body(type_), type_, problem.headers)


def _check_for_anybody(request: Request) -> None:
    """Raise `Refusal` (name-needed) if a file is in an inbox: a browser then asks who its user
    is."""
    if request.args.get("room") == "@":
        sentence = "That file is for one user alone; give your name and your password."
        raise Refusal(Code.NAME_NEEDED, sentence)


def _text(value: str) -> str:
    """Return the text of a header in UTF-8."""
    return value.encode("latin-1").decode(errors="replace")


def _described(type_: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of a body of that type, which depends on what the client accepts."""
    charset = _UTF8 * type_.startswith("text/")
    return (
        ("Content-Type", type_ + charset),
        ("Cache-Control", "no-store"),
        ("Vary", "Accept"),
    )


class _Peeking:
    """The `chatservice.net.delivery.ReplaySource` of a stream. To follow an inbox is not to read
    it."""

    def __init__(self, chat: Chat) -> None:
        self.limits, self.deliveries = chat.limits, chat.deliveries
        self.replay = chat.replay

    def save_read_position(self, cursor: Cursor) -> None:
        """Store nothing."""


class _EntryStream(Subscription):
    """A subscription that shows no events, and ends when its user is put out of the room."""

    def tell(self, news: EventBatch) -> None:
        """End the stream if the user is put out."""
        if any(isinstance(event, PutOut) for event in news.events):
            self._outlet.loseConnection()


class FollowResponse:
    """The response to a `webapi.Follow`: the outlet of a subscription, whose writes are its parts.
    `type_` is its media type, one of `webanswers.STREAMS`; `headers` are those of every response.

    The channel knows it as what is `streaming`, and ends it. The connection ends with it.
    """

    def __init__(self, exchange: Exchange, chat: Chat, headers: Headers, type_: str) -> None:
        self._exchange = exchange
        self._chat = chat
        self._common = headers
        self._channel = exchange.channel
        self._stream = webanswers.STREAMS[type_]
        self._type = type_
        self._timer: Any = None
        self._subscription: Subscription | None = None
        self._end_session: Callable[[], None] = lambda: None

    async def begin(
        self, asked: webapi.Follow, user: WebUser, known_by: tuple[str, str | None]
    ) -> None:
        """Show the entries that are asked for, until the client goes. Raises `LoginFailed`, and
        `Refusal`, before the response begins."""
        chat, reactor = self._chat, self._channel.outer.factory.reactor
        form = EntryFormat(self._stream.run, self._stream.run, _no_event)
        subscription = _EntryStream(self, form, _Peeking(chat), reactor)
        session = await user.enter(*known_by, peer=subscription)
        self._end_session = partial(user.end, session)
        try:
            if asked.room == "@":
                chat.users.follow_inbox(session, asked.after, asked.last)
            else:
                room = chat.rooms.resolve(session, asked.room)
                after = asked.after
                if after is None:
                    after = max(room.log.last - asked.last, 0)
                await user.visit(session, room.name, after)
        except BaseException:
            self._end_session()
            raise
        if self._exchange.method == "HEAD":
            self._end_session()
            self._exchange.start(200, self._headers(), None)
            self._exchange.finish()
            return
        self._exchange.start(200, self._headers(), None)
        self._exchange.write(b"")
        self._exchange.when_lost = self._lost
        self._channel.streaming = self
        self._subscription = subscription
        subscription.start()
        session.wake()
        self._idle()

    def _headers(self) -> list[tuple[str, str]]:
        buffering = ("X-Accel-Buffering", "no")  # nginx would keep entries back
        return [*self._common.items(), *_described(self._type), buffering]

    def _idle(self) -> None:
        reactor = self._channel.outer.factory.reactor
        self._timer = reactor.callLater(IDLE_SECONDS, self._idle)
        if self._stream.idle and self._subscription is not None and not self._subscription.full:
            self._exchange.write(self._stream.idle)

    def end(self, sentence: str, why: EndReason) -> None:
        """End the stream."""
        self.loseConnection()

    def _lost(self) -> None:
        """The client has gone."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._subscription is not None:
            self._subscription.stopProducing()
            self._subscription = None
            self._end_session()

    # -- the outlet ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write entries."""
        self._exchange.write(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Write entries."""
        self._exchange.write(b"".join(iovec))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Tell the subscription when the connection is full."""
        self._channel.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Tell it nothing more."""
        self._channel.unregisterProducer()

    def loseConnection(self) -> None:
        """End the response, and the connection."""
        self._channel.persistent = 0
        self._lost()
        self._exchange.finish()

    def abortConnection(self) -> None:
        """End the connection at once."""
        self._channel.transport.abortConnection()

    def getPeer(self) -> Any:
        """Return the address of the other side."""
        return self._channel.transport.getPeer()

    @property
    def told_address(self) -> str:
        """The address that a proxy has told."""
        return outlet.told_address(self._channel.transport)


def _no_event(event: Event) -> bytes:
    """Encode no event: a stream has entries only."""
    return b""
