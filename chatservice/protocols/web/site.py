"""The site: it gives each request of HTTP to the part that answers its path."""

import re
from collections.abc import Coroutine, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, NoReturn

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import openapi, webanswers, websocket, webtarget
from chatservice.net.flow import SERVER_ERROR
from chatservice.net.sniff import LineRow, PrefixRow
from chatservice.protocols.irc.ircwebsocket import SUBPROTOCOLS
from chatservice.protocols.web import filehost, frontpage, metrics, usage
from chatservice.protocols.web.api import Api
from chatservice.protocols.web.channel import WebChannel
from chatservice.protocols.web.exchange import Exchange
from chatservice.protocols.web.metrics import Monitoring
from chatservice.protocols.web.origins import Origins, scheme
from chatservice.protocols.web.pagefiles import PageFile, PageFiles, page_file
from chatservice.protocols.web.proxies import note_user
from chatservice.protocols.web.safeheaders import LINES, SAFE_HEADERS
from chatservice.protocols.web.webuser import WebUser
from chatservice.protocols.web.wsconnection import Pings, WebSocketConnection

NAME = "HTTP"
"""The name of its row."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
"""The methods that the port knows HTTP by. A ticket has no slash, and no name has a space."""

_REQUEST_LINE = re.compile(rb"[!#-'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/1\.[01]")
"""A request line of any method (RFC 9112, 3)."""


_NO_SUCH_METHOD = "This server has no such method; it has {methods}."


def row(factory: Any) -> PrefixRow:
    """Return the row of HTTP in the table of a `chatservice.protocols.factory.ChatFactory`."""
    origins, pings = Origins(factory.host_names), Pings(factory)
    shared = SharedParts(PageFiles(factory.branding), origins, pings, Monitoring(factory))

    def serve(connection: Any, chat: Chat) -> WebChannel:
        return WebChannel(connection, partial(Site, chat, shared))

    prefixes = (f"{method} {path}" for method in METHODS for path in ("/", "http://", "https://"))
    encoded = (*(it.encode() for it in prefixes), b"OPTIONS * ")
    return PrefixRow(NAME, serve, _turned_away, encoded)


def row_of_other_methods() -> LineRow:
    """Return the row of requests whose method the port does not know: they get status 501."""
    return LineRow(NAME, _no_method, _turned_away, _REQUEST_LINE.fullmatch)


def _no_method(connection: Any, chat: Chat) -> NoReturn:
    raise Refusal(Code.UNKNOWN_COMMAND, _NO_SUCH_METHOD, methods=", ".join(METHODS))


def _turned_away(refusal: Refusal, begun: bytes) -> bytes:
    """Word a refusal of the whole connection."""
    body = str(refusal.sentence).encode() + b"\n"
    if (
        begun.split(b" ", 1)[0].decode("latin-1") in METHODS
        and refusal.code is Code.UNKNOWN_COMMAND
    ):
        start, body = "400 Bad Request", f"{webtarget.NO_TARGET}\n".encode()
    elif refusal.code is Code.UNKNOWN_COMMAND:
        start = "501 Not Implemented"
    else:
        start = "503 Service Unavailable\r\nRetry-After: 10"
    head = (
        f"HTTP/1.1 {start}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n{LINES}\r\n"
    )
    return head.encode() + body


DESCRIPTION = "/openapi.json"
"""The path of the description of the API."""

_FIXED = frozenset({"/ws", DESCRIPTION, *metrics.PATHS})
"""The paths beside those of the page that are read only. Their first segments, as all that have no
short form, are in `webroutes.RESERVED`."""

_ALLOW = {"Allow": "GET, HEAD, OPTIONS"}


@cache
def description() -> PageFile:
    """Return the description of the API, which is made when somebody asks for it."""
    return page_file("openapi.json", openapi.encoded(), "no-cache")


class SharedParts(NamedTuple):
    """The parts that all connections of a port share."""

    page: PageFiles
    origins: Origins
    pings: Pings
    monitoring: Monitoring


class Site:
    """Answers the requests of one connection, which comes through a `channel`."""

    log = Logger()

    def __init__(self, chat: Chat, shared: SharedParts, channel: WebChannel) -> None:
        self._chat = chat
        self._page, self._origins, self._pings, self._monitoring = shared
        self._user = WebUser(channel.connection, chat)
        self._api = Api(self._user, chat, SAFE_HEADERS)

    def lost(self) -> None:
        """The connection is gone."""
        self._user.leave()

    def serve(self, exchange: Exchange) -> None:
        """Answer a request."""
        try:
            if exchange.header("Expect").lower() not in ("", "100-continue"):
                respond_text(exchange, 417, 'The only Expect known here is "100-continue".')
                return
            note_user(exchange)
            from_elsewhere = filehost.may_come_from_elsewhere(exchange)
            if (refused := self._origins.refusal(exchange, from_elsewhere)) is not None:
                respond_text(exchange, *refused)
                return
            if exchange.method not in METHODS:
                respond_text(
                    exchange, 501, str(Message(_NO_SUCH_METHOD, methods=", ".join(METHODS)))
                )
                return
            self._route(exchange)
        except Exception:
            self._failed(Failure(), exchange)

    def _failed(self, failure: Failure, exchange: Exchange) -> None:
        if exchange.is_lost or exchange.finished:
            return
        if exchange.started:  # half an answer must not look like a whole one
            exchange.channel.transport.abortConnection()
            return
        refusal = failure.value
        if not isinstance(refusal, Refusal):
            self.log.failure("a request of HTTP failed", failure)
            refusal = SERVER_ERROR
        exchange.channel.outer.factory.count(refusal)
        respond_text(exchange, webanswers.STATUSES[refusal.code], str(refusal.sentence))

    def _route(self, exchange: Exchange) -> None:
        path = exchange.path
        found = self._page.find(path)
        if found is None and path not in _FIXED:
            self._api.serve(exchange)
        elif exchange.method == "OPTIONS":
            exchange.respond(204, b"", {**SAFE_HEADERS, **_ALLOW})
        elif exchange.method not in ("GET", "HEAD"):
            sentence = usage.NOT_HERE if path == "/" else "That path takes GET only."
            respond_text(exchange, 405, sentence, _ALLOW)
        elif path == "/ws":
            self._websocket(exchange)
        elif path == "/" and usage.is_wanted(exchange):
            usage.answer(exchange, SAFE_HEADERS)
        elif found is not None and path == frontpage.PATH:
            self._await(frontpage.answer(exchange, found, self._user, SAFE_HEADERS), exchange)
        elif found is not None:
            found.answer(exchange, SAFE_HEADERS)
        elif path == DESCRIPTION:
            description().answer(exchange, SAFE_HEADERS)
        else:
            self._await(self._monitoring.answer(exchange, SAFE_HEADERS), exchange)

    def _await(self, answering: Coroutine[Any, Any, None], exchange: Exchange) -> None:
        Deferred.fromCoroutine(answering).addErrback(self._failed, exchange)

    def _websocket(self, exchange: Exchange) -> None:
        refusal = websocket.upgrade_refusal(lambda name: exchange.header(name) or None)
        if refusal is not None:
            respond_text(exchange, *refusal)
            return
        if exchange.method == "HEAD":
            respond_text(exchange, 405, "Ask for a WebSocket with GET.", {"Allow": "GET, OPTIONS"})
            return
        if exchange.is_old or exchange.length != 0:  # a proxy might take frames for requests
            respond_text(exchange, 400, "Ask for a WebSocket in HTTP/1.1, without a body.")
            return
        channel = exchange.channel
        asked = exchange.header("Sec-WebSocket-Protocol").replace(" ", "").split(",")
        subprotocol = next((it for it in asked if it in SUBPROTOCOLS), "")
        accept = websocket.accept_key(exchange.header("Sec-WebSocket-Key"))
        channel.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (accept.encode(), _agreed(subprotocol))
        )
        made = partial(WebSocketConnection, chat=self._chat, pings=self._pings)
        host = exchange.header("Host")
        origin = f"{scheme(exchange)}://{host}" if host else ""
        made = partial(made, subprotocol=subprotocol, origin=origin)
        channel.upgrade(partial(made, in_browser=exchange.is_of_browser()))


def _agreed(subprotocol: str) -> bytes:
    """Return the header that agrees on a subprotocol (RFC 6455, 4.2.2), if there is one."""
    return f"Sec-WebSocket-Protocol: {subprotocol}\r\n".encode() if subprotocol else b""


def respond_text(
    exchange: Exchange, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with one plain sentence."""
    told = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    more = {**told, **SAFE_HEADERS, **(headers or {})}
    exchange.respond(status, f"{sentence}\n".encode(), more)
