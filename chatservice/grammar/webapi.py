"""The HTTP API: requests of HTTP to what they ask for.

`route` reads the method and the target, before any body: a browser or curl that asks wrongly is
refused before it sends a file. What it returns says what to do; a `Call` then takes the body.
`webroutes` has the table of routes, and `webfields` the rules of fields and bodies.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from chatservice import replies
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import webfields, webtarget, webtext
from chatservice.grammar.commands import COMMANDS, closest_command
from chatservice.grammar.commandtypes import Format, Request
from chatservice.grammar.webfaults import MethodNotAllowed, NotFound
from chatservice.grammar.webfields import JSON, TEXT
from chatservice.grammar.webroutes import API, Does, Route, routes_of

LINES, EVENTS, PAGE = "application/x-ndjson", "text/event-stream", "text/html"
"""Media types of answers, beside `JSON` and `TEXT`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The base of all that a request may ask for. `offers` are the media types of the answer, the
    preferred one first, which is also that for `*/*`; none for a file's bytes. `PAGE` stands for
    the page for people. `guest` is the name that a guest asks for, or None."""

    offers: tuple[str, ...]
    guest: str | None


@dataclass(frozen=True, slots=True)
class AllowedMethods(Asked):
    """The methods of a path."""

    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhoAmI(Asked):
    """The reply to the `hello` of this request."""


@dataclass(frozen=True, slots=True)
class Follow(Asked):
    """A stream of the entries of a room, or of the inbox (`@`): those after the position `after`,
    or else the `last` ones, and then new ones."""

    room: str
    after: int | None
    last: int


@dataclass(frozen=True, slots=True)
class FileGet(Asked):
    """The bytes of a file. `request` is a `get`."""

    request: Request


@dataclass(frozen=True, slots=True)
class FilePut(Asked):
    """The body is a file. `args` are those of a `put`, without its size."""

    args: Mapping[str, Any]

    def request(self, size: int) -> Request:
        """Return the `put` of a file of that size in bytes."""
        return Request(COMMANDS["put"], {**self.args, "size": size})


@dataclass(frozen=True, slots=True)
class Call(Asked):
    """A command, of which the body may have fields. `given` are those of path and query."""

    route: Route
    given: replies.Fields

    @property
    def is_for_anybody(self) -> bool:
        """True for what gives a name: `signup` would not take it of somebody who has one."""
        return self.route.command.name in _NAMING

    def request(self, media_type: str = "", body: bytes = b"") -> Request:
        """Return the request. `media_type` is the value of Content-Type, or empty.

        Raises `Refusal` (bad-line, bad-argument, too-long), `UnsupportedMediaType`.
        """
        more = webfields.of_body(self.route, media_type, body, self.given)
        return webfields.request(self.route, self.given | more)


_NAMING = frozenset({"hello", "signup", "login"})


def route(method: str, target: bytes) -> Asked:
    """Return what a request asks for by its method and its target. HEAD is like GET.

    Raises `Refusal` (bad-line, bad-argument, bad-file-name, unknown-command), `NotFound`,
    `MethodNotAllowed`.
    """
    return (_route_again if len(target) <= _SHORT_TARGET else _route)(method, target)


_SHORT_TARGET = 128
"""Bytes of the longest target whose route is kept, so that all kept ones take less than 1 MB."""


def _route(method: str, target: bytes) -> Asked:
    if method == "OPTIONS" and target == b"*":
        return AllowedMethods((), None, _allowed(("GET", "PUT", "POST", "DELETE")))
    segments, query = webtarget.parse(target)
    rows = routes_of(segments)
    if not rows:
        raise _nothing_there(segments)
    allowed = _allowed(row.method for row, _ in rows)
    if method == "OPTIONS":
        return AllowedMethods((), None, allowed)
    wanted = "GET" if method == "HEAD" else method
    found = next((it for it in rows if it[0].method == wanted), None)
    if found is None:
        told = ", ".join(allowed[:-1])
        sentence = "That path takes {methods} only."
        if wanted == "POST" and "PUT" in allowed:
            sentence = "That path takes {methods} only; curl -T FILE sends a file by PUT."
        raise MethodNotAllowed(Message(sentence, methods=told), allowed)
    return _asked(*found, query)


_route_again = lru_cache(256)(_route)
"""Programs ask for the same again and again, and to read a target takes 10 us. What it asks for
never changes."""


def answers_text(target: bytes) -> bool:
    """Return whether a refusal of what is asked at a target is a sentence of plain text, unless
    the client prefers JSON: for short forms."""
    return not target.startswith((f"{API}/".encode(), b"/t/"))


def resumed(it: Follow, last_event_id: str) -> Follow:
    """Return a `Follow` that goes on behind an event, by its id: the header Last-Event-ID, with
    which browsers connect again. Any other text changes nothing."""
    known = _EVENT_ID.fullmatch(last_event_id)
    return replace(it, after=int(last_event_id)) if known else it


_EVENT_ID = re.compile("[0-9]{1,18}")


def _allowed(methods: Iterable[str]) -> tuple[str, ...]:
    """Return the methods of a path, each once, for a header Allow."""
    all_ = dict.fromkeys(methods)
    head = ("HEAD",) if "GET" in all_ else ()
    return (*all_, *head, "OPTIONS")


def _nothing_there(segments: tuple[str, ...]) -> Exception:
    """Return the refusal of a path without a route: of an unknown command, if it names one."""
    start, do, *rest = "/".join(segments).partition("/do/")
    if not do or f"/{start}" != API:
        return NotFound(
            Message("Nothing is at that path; / tells the short ones, /openapi.json the others.")
        )
    name = rest[0][:32]
    near = closest_command(name, Format.JSON, lambda _: True)
    hint = f'did you mean "{near}"?' if near else "/openapi.json lists those there are."
    template = 'There is no command "{name}"; {hint}'
    return Refusal(Code.UNKNOWN_COMMAND, template, name=name, hint=hint)


def _asked(row: Route, parts: Mapping[str, str], query: webtarget.Pairs) -> Asked:
    """Return what a route asks for, with the parts of its path that vary, and its query."""
    guest, pairs = webfields.split_guest(row, query)
    follows, pairs = webfields.split_follow(row, pairs)
    given = webfields.of_path(row, parts)
    given |= webfields.of_query(row, pairs, given)
    return _follow(row, guest, given) if follows else _MAKERS[row.does](row, guest, given)


def _call(row: Route, guest: str | None, given: replies.Fields) -> Call:
    return Call(_offers(row), guest, row, given)


def _who_am_i(row: Route, guest: str | None, given: replies.Fields) -> WhoAmI:
    return WhoAmI((JSON,), guest)


def _download(row: Route, guest: str | None, given: replies.Fields) -> FileGet:
    return FileGet((), guest, webfields.request(row, given))


def _upload(row: Route, guest: str | None, given: replies.Fields) -> FilePut:
    if "name" not in given:
        raise Refusal(
            Code.BAD_FILE_NAME,
            "A file needs a room and a name, as in /lab/report.pdf; curl -T FILE adds the name to "
            "a path that ends with a slash, as in /lab/.",
        )
    args = dict(webfields.request(row, given | {"size": 0}).args)
    del args["size"]
    return FilePut((TEXT, JSON) if row.is_short else (JSON, TEXT), guest, args)


_MAKERS = {
    Does.CALL: _call,
    Does.SESSION: _who_am_i,
    Does.DOWNLOAD: _download,
    Does.UPLOAD: _upload,
}


def _follow(row: Route, guest: str | None, given: replies.Fields) -> Follow:
    if not given.keys() <= {"room", "after", "limit"}:
        raise Refusal(
            Code.BAD_ARGUMENT, 'With "follow" there may be "after" or "limit", and nothing else.'
        )
    args = webfields.request(row, given).args
    room: str = args["room"]
    if room.startswith("@") and room != "@":
        raise Refusal(
            Code.BAD_ARGUMENT, "Only a room can be followed, or your inbox (@); take one of them."
        )
    offers = (TEXT, LINES, EVENTS, JSON) if row.is_short else (LINES, EVENTS, TEXT, JSON)
    return Follow(offers, guest, room, args.get("after"), args.get("limit", 0))


def _offers(row: Route) -> tuple[str, ...]:
    """Return the media types of a call's answer: short forms prefer text."""
    if not row.is_short:
        return (JSON, TEXT) if row.command.reply in webtext.REPLIES else (JSON,)
    return (TEXT, JSON, PAGE) if row.method == "GET" else (TEXT, JSON)
