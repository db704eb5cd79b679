"""The short forms, which the first address of a server tells a person with curl.

A browser gets the page there, and says so with `Accept: text/html`.
"""

from collections.abc import Mapping

from chatservice.grammar import negotiation
from chatservice.grammar.webapi import PAGE
from chatservice.grammar.webfields import TEXT
from chatservice.protocols.web.exchange import Exchange
from chatservice.protocols.web.origins import scheme

NOT_HERE = (
    "Name a room behind the address: curl -d TEXT HOST/lobby says it there, and curl -T FILE "
    "HOST/lobby/ shares a file."
)
"""The answer to a POST or a PUT without a room."""

_SHORT_FORMS = (
    ("curl {at}/lobby", "the last talk in a room"),
    ("curl -d 'hello' {at}/lobby", "say it there"),
    ("curl -d 'hello' '{at}/lobby?name=ann'", "the same, with a name"),
    ("curl -N '{at}/lobby?follow'", "what is said from now on"),
    ("curl {at}/lobby/", "the files of the room"),
    ("curl -T FILE {at}/lobby/", "share a file"),
    ("curl -O {at}/lobby/FILE", "fetch a file"),
    ("curl {at}/api/v1/rooms", "the rooms, as JSON"),
)

_USAGE = """\
This is a chat. A browser shows it at this address, and curl speaks with it:

{forms}

Registered users add -u NAME, and curl asks for the password. Programs find all
that there is in {at}/openapi.json.
"""


def is_wanted(exchange: Exchange) -> bool:
    """Return whether a client wants to read text: curl, unless it asks for HTML, and any other one
    that prefers text to HTML."""
    accept = exchange.header("Accept")
    by_curl = exchange.header("User-Agent").startswith("curl/")
    offers = (TEXT, PAGE) if by_curl and not negotiation.names(accept, PAGE) else (PAGE, TEXT)
    return negotiation.preferred(accept, offers) == TEXT


def answer(exchange: Exchange, headers: Mapping[str, str]) -> None:
    """Answer with the short forms, with `headers` beside its own."""
    told = {"Content-Type": f"{TEXT}; charset=utf-8", "Cache-Control": "no-cache"}
    told["Vary"] = "Accept, User-Agent"
    exchange.respond(200, usage(_address(exchange)).encode(), {**headers, **told})


def usage(at: str) -> str:
    """Return the short forms for the server at that address."""
    rows = [(form.format(at=at), told) for form, told in _SHORT_FORMS]
    width = max(len(form) for form, _ in rows)
    forms = "\n".join(f"  {form:{width}}  # {told}" for form, told in rows)
    return _USAGE.format(forms=forms, at=at)


def _address(exchange: Exchange) -> str:
    """Return the address that the client knows the server by, as it types it. The `Host` has been
    checked."""
    host = exchange.header("Host") or "HOST"
    return f"https://{host}" if scheme(exchange) == "https" else host
