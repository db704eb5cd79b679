"""The table of routes of the HTTP API: methods and paths, and the commands that they stand for.

A path is a template: `{room}` stands for one segment, the value of the argument `room`. A route
of `/api/v1/do/COMMAND` takes all arguments of the command as fields. The other routes give some of
them by their path. The short forms, outside of `/api/v1`, are for people with curl.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache

from chatservice import names
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Arg, Command, Format
from chatservice.grammar.webtarget import encode

API = "/api/v1"

FILEHOST = f"{API}/filehost"
"""The path of uploads of IRC clients (`chatservice.protocols.web.filehost`)."""

RESERVED = frozenset(
    {
        *("api", "static", "ws", "t", "healthz", "readyz", "metrics", "openapi.json"),
        *("index.html", "favicon.ico", "robots.txt", "security.txt", "sitemap.xml", "sw.js"),
        *("manifest.json", "manifest.webmanifest", "browserconfig.xml", "apple-touch-icon.png"),
        "apple-touch-icon-precomposed.png",
    }
)
"""First segments that no short form has, in any case, because the server, the page or browsers use
them. A room with such a name has its routes under `/api/v1`, and short forms by its number."""

READING: Mapping[str, frozenset[str]] = {
    name: frozenset()
    for name in (
        *("rooms", "who", "history", "search", "files", "versions", "transfers", "pins", "edits"),
        *(
            "rules",
            "record",
            "users",
            "accounts",
            "status",
            "cluster",
            "operators",
            "tokens",
            "help",
        ),
        "pushkey",
    )
} | {
    "topic": frozenset({"text"}),
    "seen": frozenset({"show"}),
    "unread": frozenset({"position"}),
}
"""The commands that change nothing, with the arguments with which they would. They are also called
by GET, which a browser repeats and fetches ahead; all others only by POST."""


class Does(Enum):
    """The kind of a route: most call a command; the others have a way of their own."""

    CALL = auto()
    DOWNLOAD = auto()
    UPLOAD = auto()
    SESSION = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A row of the table.

    `sets` gives arguments values that the path has parts of: `@{user}`. `leaves` are arguments that
    it does not take. `defaults` are values of arguments that are left out. `text` is the argument
    whose value a body of plain text is; it may then not be missing. A route that `follows` answers
    a stream of entries if the field `follow` asks for it.
    """

    method: str
    path: str
    command: Command
    help: str
    sets: Mapping[str, str] = field(default_factory=dict)
    leaves: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    follows: bool = False
    does: Does = Does.CALL

    @property
    def is_short(self) -> bool:
        """True for a short form."""
        return not self.path.startswith(API)

    @cache  # noqa: B019 - there are as many routes as rows
    def variables(self) -> tuple[str, ...]:
        """Return the names of the parts of its path that vary."""
        return tuple(_VARIABLE.findall(self.path))

    @cache  # noqa: B019
    def arguments(self) -> Mapping[str, Arg]:
        """Return all arguments of its command, by name."""
        return {arg.name: arg for arg in self.command.arguments(Format.JSON)}

    @cache  # noqa: B019
    def fields(self) -> Mapping[str, Arg]:
        """Return the arguments that are its fields, in the query or in the body."""
        gone = {*self.variables(), *self.sets, *self.leaves}
        return {name: arg for name, arg in self.arguments().items() if name not in gone}

    def values(self, parts: Mapping[str, str]) -> Mapping[str, str]:
        """Return the arguments that the varying parts of a path give."""
        if not self.sets:
            return parts
        plain = {name: part for name, part in parts.items() if name in self.arguments()}
        return plain | {name: form.format(**parts) for name, form in self.sets.items()}


_VARIABLE = re.compile(r"\{(\w+)\}")


def _at(
    method: str,
    path: str,
    name: str,
    help_: str = "",
    leaves: Iterable[str] = (),
    text: str = "",
    does: Does = Does.CALL,
    sets: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    follows: bool = False,
) -> Route:
    """Return a row for the command `name`; one for GET takes no argument that changes anything."""
    row = COMMANDS[name]
    left = frozenset(leaves) | (READING.get(name, frozenset()) if method == "GET" else frozenset())
    more = (sets or {}, left, defaults or {}, text, follows, does)
    return Route(method, path, row, help_ or row.help, *more)


def _do(command: Command) -> Iterator[Route]:
    path = f"{API}/do/{command.name}"
    yield _at("POST", path, command.name)
    if command.name in READING:
        yield _at("GET", path, command.name)


_ROOM = f"{API}/rooms/{{room}}"
_ENTRY = f"{_ROOM}/messages/{{position}}"
_FILE = f"{_ROOM}/files/{{name}}"
_USER = f"{API}/users/{{user}}"
_WITH_USER = {"room": "@{user}"}
_TO_USER = {"to": "{user}"}
_LOGIN = tuple(arg.name for arg in COMMANDS["hello"].args)


def _upload(path: str) -> Route:
    return _at("PUT", path, "put", "uploads a file", ("to", "size"), does=Does.UPLOAD)


def _upload_to_user(path: str) -> Route:
    help_, leaves = "sends a file to a user", ("room", "size")
    return _at("PUT", path, "put", help_, leaves, does=Does.UPLOAD, sets=_TO_USER)


ROUTES: tuple[Route, ...] = (
    _at("GET", f"{API}/session", "hello", "tells who you are", _LOGIN, does=Does.SESSION),
    _at("GET", f"{API}/rooms", "rooms", "lists the rooms"),
    _at("POST", f"{API}/rooms", "create", "creates a room"),
    _at("PUT", f"{_ROOM}/membership", "join", "joins a room, and keeps it", ("after",)),
    _at("DELETE", f"{_ROOM}/membership", "leave", "leaves a room for good"),
    _at("GET", f"{_ROOM}/members", "who"),
    _at("GET", f"{_ROOM}/topic", "topic", "shows the room's topic"),
    _at("PUT", f"{_ROOM}/topic", "topic", "sets the room's topic", text="text"),
    _at("GET", f"{_ROOM}/messages", "history", "shows or follows what is said", follows=True),
    _at("POST", f"{_ROOM}/messages", "say", "says a text", text="text"),
    _at("PUT", _ENTRY, "edit", "gives an entry another text", text="text"),
    _at("DELETE", _ENTRY, "erase", "erases an entry; moderators erase anybody's"),
    _at("GET", f"{_ENTRY}/edits", "edits", "shows the former texts of an entry"),
    _at(
        *("POST", f"{_ENTRY}/reactions", "react"),
        "reacts to an entry with an emoji or a word; again: takes that back",
        text="word",
    ),
    _at("GET", f"{_ROOM}/pins", "pins"),
    _at("PUT", f"{_ROOM}/pins/{{position}}", "pin", "pins an entry"),
    _at("DELETE", f"{_ROOM}/pins/{{position}}", "unpin", "takes the pin off an entry"),
    _at("PUT", f"{_ROOM}/read", "read"),
    _at("GET", f"{_ROOM}/search", "search", "finds entries of the room"),
    _at("GET", f"{_ROOM}/rules", "rules"),
    _at("GET", f"{_ROOM}/record", "record"),
    _at("GET", f"{_ROOM}/files", "files", "lists the files of a room; of @, your own"),
    _at("GET", _FILE, "get", "downloads a file", does=Does.DOWNLOAD),
    _upload(_FILE),
    _at("DELETE", _FILE, "remove"),
    _at("GET", f"{_FILE}/versions", "versions"),
    _at("GET", f"{API}/users", "users"),
    _at("GET", _USER, "seen", "tells if a user is here, or when they last were"),
    _at("GET", f"{_USER}/messages", "history", "shows what is between you", sets=_WITH_USER),
    _at("POST", f"{_USER}/messages", "msg", "writes to a user", text="text", sets=_TO_USER),
    _upload_to_user(f"{_USER}/files/{{name}}"),
    _at("GET", f"{API}/search", "search", "finds entries", defaults={"room": "*"}),
    _at("GET", f"{API}/unread", "unread", "counts what is unread"),
    _at("GET", f"{API}/transfers", "transfers"),
    _at("DELETE", f"{API}/transfers/{{name}}", "cancel"),
    _at("GET", f"{API}/tokens", "tokens"),
    _at("POST", f"{API}/tokens", "token"),
    _at("DELETE", f"{API}/tokens/{{label}}", "revoke"),
    _at("GET", f"{API}/status", "status"),
    *(it for row in COMMANDS.values() if row.formats & Format.JSON for it in _do(row)),
    _at("POST", "/@{user}", "msg", "writes to a user", text="text", sets=_TO_USER),
    _upload_to_user("/@{user}/{name}"),
    _at("GET", "/{room}", "history", "shows or follows the last talk", follows=True),
    _at("POST", "/{room}", "say", "says a text", text="text"),
    _at("GET", "/{room}/", "files", "lists the files of a room; of @, your own"),
    _at("GET", "/{room}/{name}", "get", "downloads a file", does=Does.DOWNLOAD),
    _upload("/{room}"),
    _upload("/{room}/"),
    _upload("/{room}/{name}"),
    _at("DELETE", "/{room}/{name}", "remove"),
)
"""Every route. Of two that fit a path and a method, the first one counts."""


def routes_of(segments: tuple[str, ...]) -> list[tuple[Route, dict[str, str]]]:
    """Return the routes with a path, in order, and the parts of the path that vary."""
    literal = _LITERAL.get("/" + "/".join(segments))
    if literal is not None:
        return [(row, {}) for row in literal]
    shapes = _SHAPED.get(_kind(segments), {})
    found = ((_match(shape, segments), rows) for shape, rows in shapes.items())
    return [(row, parts) for parts, rows in found if parts is not None for row in rows]


def is_reserved(room: str) -> bool:
    """Return whether a room has no short form, because of its name."""
    return names.key(room) in RESERVED


def file_path(room: str, name: str) -> str:
    """Return the path of a file, in percent-encoding: the short one, if there is one."""
    start = f"{API}/rooms/{encode(room)}/files" if is_reserved(room) else f"/{encode(room)}"
    return f"{start}/{encode(name)}"


_Shape = tuple[tuple[str, str], ...]
"""The segments of a template: what is before the part that varies, and the name of that part, which
is empty if nothing varies."""


def _shape(path: str) -> _Shape:
    parts = (it.rstrip("}").partition("{") for it in path[1:].split("/"))
    return tuple((before, name) for before, _, name in parts)


def _match(shape: _Shape, segments: tuple[str, ...]) -> dict[str, str] | None:
    """Return the parts of a path that vary, none of them empty, or None if it has another shape.
    The last segments differ most, and so come first."""
    parts = {}
    for (before, name), segment in zip(reversed(shape), reversed(segments), strict=True):
        if not name:
            if segment != before:
                return None
        elif not segment.startswith(before) or segment == before:
            return None
        else:
            parts[name] = segment.removeprefix(before)
    return parts


def _kind(segments: Sequence[str]) -> tuple[int, str]:
    """Return what paths have in common that may have the same shape: their length, and the third
    segment (`rooms`) of those of the API."""
    third = segments[2] if len(segments) > 2 and segments[0] == API[1:4] else ""
    return len(segments), third if is_reserved(segments[0]) else _SHORT


_SHORT = "/"
"""Stands for the third segment of short forms. No segment has a slash."""

_LITERAL: dict[str, list[Route]] = {}
_SHAPED: dict[tuple[int, str], dict[_Shape, list[Route]]] = {}
for _row in ROUTES:
    if _row.variables():
        _shapes = _SHAPED.setdefault(_kind(_row.path[1:].split("/")), {})
        _shapes.setdefault(_shape(_row.path), []).append(_row)
    else:
        _LITERAL.setdefault(_row.path, []).append(_row)
