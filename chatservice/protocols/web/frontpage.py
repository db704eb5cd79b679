"""The page itself, `/`: with the newest talk of the room that the browser had in front.

So talk is on the screen with the first response. The page names that room in a cookie. The talk is
what a guest may read, so nothing in the response depends on who asks.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote

from chatservice.errors import Refusal
from chatservice.grammar import earlytalk
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request
from chatservice.protocols.web.exchange import Exchange
from chatservice.protocols.web.origins import scheme
from chatservice.protocols.web.pagefiles import PageFile
from chatservice.protocols.web.webuser import WebUser

PATH = "/"

ENTRIES = 30
"""Entries that the page brings: more than a phone shows."""

POLICY = "Content-Security-Policy"

_WITH_WORKER = "trusted-types 'none'", "trusted-types worker"
"""A change of the policy, over TLS: the page may name one service worker (`page/app.js`)."""

_PLACE = b'<div id="page">'
_ROOT = b"<html "


async def answer(
    exchange: Exchange, page: PageFile, user: WebUser, headers: Mapping[str, str]
) -> None:
    """Send the page."""
    if scheme(exchange) == "https":
        policy = headers[POLICY].replace(*_WITH_WORKER)
        headers = {**headers, POLICY: policy}
    talk = await _talk(exchange, user) if exchange.method in ("GET", "HEAD") else None
    if talk is None:
        page.answer(exchange, headers)
        return
    room, part = talk
    data = page.data.replace(_PLACE, _PLACE + part, 1)
    data = data.replace(_ROOT, b'<html data-talk="%b" ' % earlytalk.attribute(room), 1)
    # Nobody else is to have it, and nobody is to see it when it may no longer be read.
    page.with_data(data, {"Cache-Control": "no-store"}).answer(exchange, headers)


async def _talk(exchange: Exchange, user: WebUser) -> tuple[str, bytes] | None:
    """Return the room that the request names, and its talk as HTML; or None if there is none that
    guests may read."""
    room = _room(exchange.header("Cookie"))
    if not room:
        return None
    try:
        session = await user.enter("", None)
        asked = Request(COMMANDS["history"], {"room": room, "limit": ENTRIES})
        found = await user.run(session, asked)
    except Refusal:
        return None
    return found.room, earlytalk.html(found.room, [entry for _, entry in found.entries])


def _room(cookies: str) -> str:
    """Return the room of a header Cookie. It is no inbox."""
    try:
        found = SimpleCookie(cookies).get("room")
    except CookieError:
        return ""
    room = unquote(found.value) if found else ""
    return "" if room.startswith("@") else room
