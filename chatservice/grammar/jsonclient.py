"""The JSON format, on the client: requests to lines; checked replies, events and entries back.

A client does not trust a server. Type, range and form of each field are checked here, or the whole
object is refused. Texts and names are made safe for a terminal, so the rest of a client can print
them. Missing fields have their defaults.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from functools import cache, lru_cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

from chatservice import events, names, replies
from chatservice.entries import Entry, EntryState, FileMark, Kind, Quote, ReactionCount
from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ALL_ROOMS, Request
from chatservice.grammar.jsonlines import EVENTS, FLAGGED, TEXT_FIELDS, TEXTLESS, json_name, line

A = TypeVar("A")

Check = Callable[[Any], Any]
"""Returns a checked value. Raises `MalformedMessage`."""

MAX_INTEGER = 1 << 63
"""Whole numbers are smaller: positions are SQLite's, and sizes a file system's."""

QUOTE_CHARACTERS = 100
"""The longest quote that is shown."""

MAX_SECONDS = 1e12
"""The longest time in seconds: thirty thousand years."""

MAX_TIME = 253_402_128_000_000
"""The latest time in milliseconds since 1970: the end of the year 9999, `datetime`'s last, less a
day for the time zone."""

_CODES, _KINDS = frozenset(Code), frozenset(Kind) - FLAGGED.keys()


class MalformedMessage(ValueError):
    """An object does not follow docs/protocol.md."""


class LogEntry(NamedTuple):
    """An entry at its position in a log: the room's name, or `@` for the inbox."""

    position: int
    entry: Entry
    log: str


# -- fields --------------------------------------------------------------------------------------


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedMessage(f"{type(value).__name__} in place of a string")
    return value


def _line(value: Any) -> str:
    return names.one_line(_string(value))


def _text(value: Any) -> str:
    return names.clean(_string(value))


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < MAX_INTEGER:  # true is an int, too
        raise MalformedMessage("no whole number from 0 on")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= MAX_SECONDS:
        raise MalformedMessage("no number of seconds")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedMessage("neither true nor false")
    return value


def _time(value: Any) -> int:
    """Return milliseconds since 1970."""
    try:
        milliseconds = round(datetime.fromisoformat(_string(value)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise MalformedMessage("no time") from None
    if not 0 <= milliseconds <= MAX_TIME:
        raise MalformedMessage("no time of today")
    return milliseconds


@lru_cache(maxsize=1024)  # the same few people talk
def _called(value: str) -> str:
    """Return a name as it can be shown: of one word, and no longer than names are."""
    try:
        return names.user(value)
    except Refusal:
        return re.sub(r"[\s:]", "_", names.one_line(value))[: names.NAME_CHARACTERS]


def _name(value: Any) -> str:
    return _called(_string(value))


def _accepted(gate: Callable[[str], str]) -> Check:
    def check(value: Any) -> str:
        try:
            return gate(_string(value))
        except Refusal as refusal:
            raise MalformedMessage(refusal.sentence) from None

    return check


_file_name = _accepted(names.file)


def _formed(form: str) -> Check:
    def check(value: Any) -> str:
        if re.fullmatch(form, _string(value)) is None:
            raise MalformedMessage("of another form")
        return str(value)

    return check


_reaction = _accepted(names.reaction)

_sha256 = _formed("[0-9a-f]{64}")

_ticket = _formed("[A-Za-z0-9_-]{1,200}")
"""A ticket is pasted into a shell, so it has no special characters."""

_TYPES: Mapping[Any, Check] = {str: _line, int: _whole, bool: _flag, float: _seconds}
"""Checks by a field's type, for fields that are in no other table."""

_NAMED: Mapping[str, Check] = {
    "who": _name,
    "to": _name,
    "room": _name,
    "sha256": _sha256,
    "ticket": _ticket,
    "time": _time,
}
"""Checks by a field's name, in all classes."""

_OF: Mapping[tuple[type, str], Check] = {
    (replies.Welcome, "name"): _accepted(names.user),
    (replies.Member, "name"): _name,
    (replies.RoomMember, "name"): _name,
    (replies.Seen, "user"): _name,
    (replies.NewPassword, "name"): _name,
    (replies.GetTicket, "name"): _file_name,
    (replies.Joined, "users"): _name,
    (replies.OperatorList, "operators"): _name,
    (events.UserRenamed, "name"): _name,
}
"""Checks of single fields."""


def _check_of(class_: type, name: str, type_: Any, of: Any) -> Check:
    if of is not None:
        return _each(lambda row: _made(of, row))
    check = _OF.get((class_, name)) or _NAMED.get(name)
    if get_origin(type_) is UnionType:
        inner = next(it for it in get_args(type_) if it is not type(None))
        present = check or _TYPES[inner]
        return lambda value: None if value is None else present(value)
    if get_origin(type_) is tuple:
        return _each(check or _TYPES[get_args(type_)[0]])
    return check or _TYPES[type_]


def _each(check: Check) -> Check:
    def checked(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise MalformedMessage("no list")
        return tuple(map(check, value))

    return checked


class _Field(NamedTuple):
    """A field of a class, with its name in JSON (`key`)."""

    name: str
    key: str
    check: Check
    optional: bool


@cache
def _fields_of(class_: Any) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            it.name,
            json_name(it.name),
            _check_of(class_, it.name, it.type, it.metadata.get("of")),
            it.default is not MISSING,
        )
        for it in fields(class_)
    )


def _made(class_: Any, it: Any) -> Any:
    """Return an object of a class of `answers` or `events`. Raises `MalformedMessage`."""
    _object(it)
    values = {
        each.name: each.check(it.get(each.key))
        for each in _fields_of(class_)
        if each.key in it or not each.optional
    }
    if "commands" in it and isinstance(values.get("text"), str):
        values["text"] = slashed(values["text"], it)
    return class_(**values)


def _object(it: Any) -> None:
    if not isinstance(it, dict):
        raise MalformedMessage("no object")


def encode_request(it: Request) -> bytes:
    """Encode a request."""
    asked = {"do": it.command.name, "id": it.id, **it.args}
    if it.id is None:
        del asked["id"]
    return line(asked)


# -- objects -------------------------------------------------------------------------------------


def parse_entry(it: replies.Fields) -> LogEntry:
    """Return the entry of an object. Raises `MalformedMessage`."""
    _object(it)
    try:
        kind = Kind(it.get("event"))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise MalformedMessage("no entry") from None
    mark, text, to = None, "", ""
    if kind in (Kind.SENT, Kind.SENT_FILE):
        to = _name(it.get("to"))
    if kind in (Kind.FILE, Kind.SENT_FILE):
        mark = FileMark(
            _file_name(it.get("name")),
            _whole(it.get("size")),
            _sha256(it.get("sha256")),
            _whole(it.get("version", 1)),
        )
    elif kind not in TEXTLESS:
        name = TEXT_FIELDS.get(kind, "text")
        check = _line if kind == Kind.TOPIC else _TEXTS[name]
        text = str(check(it.get(name)))
        flag = next((name for name in _FLAGGED if it.get(name) is True), "")
        kind = _FLAGGED[flag].get(kind, kind) if flag else kind
    made = Entry(
        *(kind, _time(it.get("time")), _name(it.get("from")), text, mark),
        about=_whole(it.get("about", 0)),
        to=to,
        quote=_quote(it["quote"]) if "quote" in it else None,
        state=_state(it),
    )
    return LogEntry(_whole(it.get("seq")), made, _name(it["room"]) if "room" in it else "@")


_TEXTS: Mapping[str, Check] = {
    "text": _text,
    "name": _line,
    "word": _reaction,
    "position": _whole,
}
"""Checks of the text of an entry, by its field."""


def _quote(it: Any) -> Quote:
    _object(it)
    return Quote(_name(it.get("from")), _line(it.get("text"))[:QUOTE_CHARACTERS])


def _state(it: replies.Fields) -> EntryState | None:
    """Return what annotations have made of an entry, as its object says."""
    if not it.keys() & {"edited", "reactions", "pinned"}:
        return None
    reactions, pinned = it.get("reactions", []), it.get("pinned", False)
    state = EntryState(reactions=_reaction_counts(reactions), pinned=_flag(pinned))
    if "edited" in it:
        edited = it["edited"]
        _object(edited)
        seq, time = _whole(edited.get("seq")), _time(edited.get("time"))
        state = state._replace(edit=seq, edit_time=time)
    return state


def _reaction_count(it: Any) -> ReactionCount:
    _object(it)
    return ReactionCount(
        _reaction(it.get("word")), _whole(it.get("total")), _each(_name)(it.get("names"))
    )


_reaction_counts = _each(_reaction_count)


_FLAGGED: Mapping[str, Mapping[Kind, Kind]] = {
    "notice": {
        Kind.MESSAGE: Kind.NOTICE,
        Kind.PRIVATE: Kind.NOTICE,
        Kind.SENT: Kind.SENT_NOTICE,
    },
    "action": {Kind.PRIVATE: Kind.ACTION, Kind.SENT: Kind.SENT_ACTION},
}
"""The kind of an entry with one of these fields, by what it is without."""


def parse_event(it: replies.Fields) -> events.Event | None:
    """Return the event of an object, or None if this version does not know it.

    Raises `MalformedMessage`.
    """
    name = it.get("event")
    class_ = _EVENTS.get(name) if isinstance(name, str) else None
    made: events.Event | None = _made(class_, it) if class_ is not None else None
    return made


_EVENTS: Mapping[str, type[Any]] = {name: class_ for class_, name in EVENTS.items()}
"""The events that are not stored, by their names in JSON."""


def parse_reply(class_: type[A], it: replies.Fields) -> A:
    """Return the answer of an `ok` object, as `class_`, which the table of commands tells. Raises
    `MalformedMessage`."""
    if issubclass(class_, replies.History):
        rows = _each(parse_entry)(it.get("entries"))
        pairs = tuple((each.position, each.entry) for each in rows)
        more: dict[str, Any] = {name: _flag(it[name]) for name in ("more", "pending") if name in it}
        room = _name(it.get("room"))
        if issubclass(class_, replies.SearchMatches) and room == ALL_ROOMS:
            more["rooms"] = tuple(each.log for each in rows)
        return class_(room, pairs, **more)
    made: A = _made(class_, it)
    return made


def parse_refusal(it: replies.Fields) -> Refusal:
    """Return the refusal of an `error` object. Raises `MalformedMessage`.

    A code that this version does not know becomes `SERVER_ERROR`.
    """
    code = _string(it.get("code"))
    known = Code(code) if code in _CODES else Code.SERVER_ERROR
    return Refusal(known, "{message}", message=slashed(_line(it.get("message")), it))


def slashed(text: str, it: replies.Fields) -> str:
    """Return a sentence of an object with its commands as people type them: `/join lab` for
    "join lab", where `commands` of that object says that this is one."""
    commands = it.get("commands")
    for command in commands[:_COMMANDS] if isinstance(commands, list) else ():
        if isinstance(command, str) and command.partition(" ")[0] in COMMANDS:
            text = text.replace(f'"{command}"', f"/{command}")
    return text


_COMMANDS = 8
"""Commands in one sentence that are looked at: no sentence of the server's names more."""


def parse_unsolicited(it: replies.Fields) -> LogEntry | Refusal | events.Event | None:
    """Return the entry, event or refusal of an object that answers no request.

    None stands for one that this version does not know. Raises `MalformedMessage`.
    """
    kind = it.get("event")
    if not isinstance(kind, str):
        raise MalformedMessage("no event")
    if kind == "error":
        return parse_refusal(it)
    if kind in _KINDS:
        return parse_entry(it)
    return parse_event(it)
