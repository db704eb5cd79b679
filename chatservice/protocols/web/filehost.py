"""FILEHOST: a file that an IRC client uploads, to post a link to it
(https://codeberg.org/emersion/soju/src/branch/master/doc/ext/filehost.md).

The client names no channel, so the file goes where its user has just been on IRC. Pages of other
servers may send one, too: IRC clients in browsers. That takes a name and a password in the request,
which no page has by itself, and a header for which browsers ask first (`may_come_from_elsewhere`).
"""

import secrets
from collections.abc import Mapping
from functools import partial

from chatservice.domain.chat import Chat
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import httpfields, webanswers, webapi
from chatservice.grammar.webfaults import MethodNotAllowed
from chatservice.grammar.webfields import JSON
from chatservice.grammar.webroutes import FILEHOST, file_path
from chatservice.protocols.irc.ircplaces import last_place
from chatservice.protocols.web import webfiles
from chatservice.protocols.web.exchange import Exchange
from chatservice.protocols.web.origins import scheme
from chatservice.protocols.web.webuser import LoginFailed, WebUser

_METHODS = ("POST", "OPTIONS")
_FOR_PAGES = "Authorization, Content-Disposition, Content-Type"
"""Headers that pages of other servers may send."""


def may_come_from_elsewhere(exchange: Exchange) -> bool:
    """Return whether a page of any server may send a request.

    It may ask if it may (OPTIONS) send its own Authorization, and then send it with a
    Content-Disposition: a browser sends that header only if it was allowed to (Fetch, 4.8, "CORS-
    preflight fetch"), and adds no password that it has kept, because nothing allows it to
    (`Access-Control-Allow-Credentials`).
    """
    if exchange.path != FILEHOST:
        return False
    if exchange.method == "OPTIONS":
        asked = exchange.header("Access-Control-Request-Headers").lower()
        return "authorization" in asked.replace(" ", "").split(",")
    known = exchange.header("Authorization") and exchange.header("Content-Disposition")
    return exchange.method == "POST" and bool(known)


async def answer(exchange: Exchange, chat: Chat, user: WebUser, headers: Mapping[str, str]) -> None:
    """Answer a request: share a file, and tell its address. `headers` are those of every response.

    Raises `Refusal`, `Fault`, `LoginFailed`, and `ConnectionError` if the client has gone.
    """
    told = {**headers, **_for_pages(exchange)}
    if exchange.method == "OPTIONS":
        more = {"Allow": ", ".join(_METHODS), "Accept-Post": "*/*"}
        exchange.respond(204, b"", {**told, **more})
        return
    if exchange.method != "POST":
        raise MethodNotAllowed(Message("That path takes POST only."), _METHODS)
    authorization = exchange.header("Authorization")
    if not authorization:
        sentence = "Give the name and the password, or the token, that you log in to IRC with."
        raise LoginFailed(Refusal(Code.WRONG_PASSWORD, sentence))
    session = await user.enter(authorization, None)
    place = last_place(session.require_user())
    if not place:
        sentence = "Come into a channel first, on IRC: the file goes there."
        raise Refusal(Code.NOT_IN_ROOM, sentence)
    where = {"to": place[1:]} if place[0] == "@" else {"room": place}
    asked = webapi.FilePut((JSON,), None, {**where, "name": _name(exchange)})
    run = partial(user.run_for_file, session)
    mark = await webfiles.upload(exchange, chat, asked, run)
    room = "@" if place[0] == "@" else place
    told |= {"Content-Type": JSON, "Cache-Control": "no-store"}
    told["Location"] = f"{_address(exchange)}{file_path(room, mark.name)}"
    exchange.respond(201, webanswers.shared(mark, room, JSON), told)


def _for_pages(exchange: Exchange) -> dict[str, str]:
    """Return the headers that let a page of another server send the request, and read the address
    in its answer."""
    origin = exchange.header("Origin")
    if not origin or not may_come_from_elsewhere(exchange):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": _FOR_PAGES,
        "Access-Control-Expose-Headers": "Location",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Origin",
    }


def _name(exchange: Exchange) -> str:
    """Return a name for the file that no other one has, made of the one that the client gives:
    pictures of telephones often have the same. Without one, the type decides about its end."""
    given = httpfields.file_name(exchange.header("Content-Disposition"))
    stem, dot, end = given.rpartition(".")
    if not dot:
        stem, end = given, httpfields.usual_end(exchange.header("Content-Type"))
    return f"{stem or 'file'}-{secrets.token_hex(4)}.{end}"


def _address(exchange: Exchange) -> str:
    """Return the address of this server: that which the operator has named, or else the one that
    the client has sent the file to."""
    public: str = exchange.channel.outer.factory.public_url
    return public or f"{scheme(exchange)}://{exchange.header('Host')}"
