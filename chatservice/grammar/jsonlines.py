"""The JSON format, on the server: one object a line, each way."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from chatservice import events, replies
from chatservice.entries import Entry, EntryState, Kind, Run
from chatservice.errors import NAME_NEEDED, Code, Message, Refusal, Sentences
from chatservice.grammar.commands import (
    COMMANDS,
    MayUse,
    closest_command,
    without_slashes,
)
from chatservice.grammar.commandtypes import Arg, ArgType, Command, Format, Request
from chatservice.names import one_line

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quoted = json.encoder.encode_basestring

_COMMANDS: Mapping[str, tuple[Command, tuple[tuple[Arg, bool], ...]]] = {
    row.name: (row, tuple((a, a.is_optional(Format.JSON)) for a in row.arguments(Format.JSON)))
    for row in COMMANDS.values()
    if row.formats & Format.JSON
}
"""The commands of this format, with their arguments. True marks an optional one."""

EVENTS: Mapping[type[Any], str] = {
    events.UserJoined: "joined",
    events.UserLeft: "left",
    events.UserAway: "away",
    events.UserRenamed: "renamed",
    events.UserRegistered: "registered",
    events.UserTyping: "typing",
    events.Moderated: "moderated",
    events.PutOut: "out",
    events.Notice: "notice",
    events.ReadMoved: "read",
    events.UserWatched: "watched",
}


def line(it: replies.Fields) -> bytes:
    """Encode a JSON object as a line."""
    return _dumps(it).encode() + b"\n"


def load(data: bytes) -> replies.Fields:
    """Return the JSON object of a line. Raises `Refusal` (bad-line)."""
    if b"\0" in data:
        raise Refusal(
            Code.BAD_LINE, "That line has a NUL in it; write it as \\u0000, or leave it out."
        )
    try:
        # Given bytes, `loads` would also accept surrogates, and UTF-16.
        it = _loads(data.decode())
        halved = b"\\u" in data and re.search("[\ud800-\udfff]", _dumps(it)) is not None
    except UnicodeDecodeError:
        raise Refusal(Code.BAD_LINE, "That line is not UTF-8; encode it so.") from None
    except (ValueError, RecursionError):
        raise Refusal(Code.BAD_LINE, "That line is not JSON; send one object a line.") from None
    if not isinstance(it, dict):
        raise Refusal(Code.BAD_LINE, "That line is not a JSON object; send one object a line.")
    if halved:
        raise Refusal(
            Code.BAD_LINE, "That line has half of a surrogate pair in it; send both halves."
        )
    return it


def request_id(it: replies.Fields) -> str | int | None:
    """Return the `id` of a request object. Raises `Refusal` (bad-argument)."""
    id_ = it.get("id")
    if id_ is None or type(id_) in (str, int):  # true is an int, too
        checked: str | int | None = id_
        return checked
    raise Refusal(Code.BAD_ARGUMENT, '"id" must be a string or a whole number.')


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_loads = json.JSONDecoder(parse_constant=_refuse_constant).decode


def parse_request(it: replies.Fields, may: MayUse = lambda _: True) -> Request:
    """Return the request of an object. Raises `Refusal` (unknown-command, bad-argument).

    Unknown fields are ignored, so that an older server understands a newer client. `may` filters
    the commands that the refusal of an unknown one suggests.
    """
    name = it.get("do")
    if not isinstance(name, str):
        raise Refusal(Code.BAD_ARGUMENT, 'There is no "do" in that object; name the command in it.')
    known = _COMMANDS.get(name)
    if known is None:
        near = closest_command(name, Format.JSON, may)
        hint = f'did you mean "{near}"?' if near else '{"do":"help"} lists those there are.'
        raise Refusal(
            Code.UNKNOWN_COMMAND, 'There is no command "{name}"; {hint}', name=name[:32], hint=hint
        )
    command, args = known
    return Request(command, _arguments(command, args, it), request_id(it))


def _arguments(
    command: Command, args: Iterable[tuple[Arg, bool]], it: replies.Fields
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for arg, optional in args:
        value = it.get(arg.name)
        if value is None:
            if not optional:
                raise missing(command, arg)
            continue
        _check(command, arg, value)
        values[arg.name] = value
    return values


def missing(command: Command, arg: Arg) -> Refusal:
    """Return the refusal of a request without an argument that it needs."""
    return Refusal(
        Code.BAD_ARGUMENT,
        '"{command}" needs "{arg}": {help}.',
        command=command.name,
        arg=arg.name,
        help=without_slashes(arg.help),
    )


def _check(command: Command, arg: Arg, value: Any) -> None:
    """Raise `Refusal` for a value of the wrong type. `true` is no number."""
    fits = type(value) is arg.type.json_type
    if fits and arg.type.json_type is int:
        fits = 0 <= value < 1 << 60
    if fits and arg.type in (ArgType.SHA256, ArgType.TIME):
        fits = arg.type.pattern.fullmatch(value) is not None
    if not fits:
        wanted = "a string" if arg.type.json_type is str else arg.type.description
        if arg.type is ArgType.SHA256:
            wanted = "a string of 64 hexadecimal digits"
        elif arg.type is ArgType.SWITCH:
            wanted = ArgType.FLAG.description
        elif arg.type is ArgType.TIME:
            wanted = f"a string: {arg.type.description}"
        elif arg.type in (ArgType.POSITION, ArgType.VERSION):
            wanted = ArgType.NUMBER.description
        sentence = f'"{arg.name}" of "{command.name}" must be {wanted}.'
        raise Refusal(Code.BAD_ARGUMENT, sentence)
    if arg.type.json_type is str and "\0" in value:
        raise Refusal(Code.BAD_LINE, '"{arg}" has a NUL in it; leave it out.', arg=arg.name)


def time(milliseconds: int) -> str:
    """Return a time in the form of RFC 3339: `2026-11-21T03:40:54.123Z`."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()
    return f"{moment[:19]}.{milliseconds % 1000:03}Z"


def entry_fields(position: int, it: Entry, log: str) -> replies.Fields:
    """Return an entry as an object. In an inbox (`log` is `@`) it has no `room`. A notice is a
    message with a field more, and so is a private action: clients that do not know the field show
    it all the same, and the event `notice` is the server's."""
    plain, flag = (_PRIVATE_FLAGGED if log == "@" else FLAGGED).get(it.kind, (it.kind, ""))
    fields_: replies.Fields = {"event": plain}
    if log != "@":
        fields_["room"] = log
    fields_ |= {"seq": position, "time": time(it.time), "from": it.who}
    if it.to:
        fields_["to"] = it.to
    if flag:
        fields_[flag] = True
    if it.about:
        fields_["about"] = it.about
    if it.quote is not None:
        fields_["quote"] = {"from": it.quote.who, "text": it.quote.text}
    if it.state is not None:
        fields_ |= _state_fields(it.state)
    if it.file is not None:
        fields_ |= it.file._asdict()
    elif it.kind not in TEXTLESS:
        name = TEXT_FIELDS.get(it.kind, "text")
        fields_[name] = int(it.text) if name == "position" else it.text
    return fields_


def _state_fields(it: EntryState) -> replies.Fields:
    """Return what annotations have made of an entry."""
    fields_: replies.Fields = {}
    if it.edit:
        fields_["edited"] = {"seq": it.edit, "time": time(it.edit_time)}
    if it.reactions:
        fields_["reactions"] = [row._asdict() for row in it.reactions]
    if it.pinned:
        fields_["pinned"] = True
    return fields_


def run(first: int, it: Run, log: str) -> bytes:
    """Encode a run of entries. `log` is the room's name, or `@` for an inbox.

    The fields that its entries share are encoded once: 180 ns a line, instead of 1900 for an
    object a line (docs/performance.md).
    """
    if it.file is not None or it.kind in TEXTLESS or it.kind in TEXT_FIELDS:
        return b"".join(line(entry_fields(*pair, log)) for pair in it.entries(first))
    alike = Entry(it.kind, it.time, it.who, about=it.about, to=it.to, quote=it.quote)
    shared = _dumps(entry_fields(0, alike, log))
    before, _, rest = shared.partition('"seq":0,')
    between = "," + rest.removesuffix('""}')
    return "".join(
        f'{before}"seq":{position}{between}{_quoted(text)}}}\n'
        for position, text in enumerate(it.texts, first)
    ).encode()


FLAGGED: Mapping[str, tuple[str, str]] = {
    Kind.NOTICE: (Kind.MESSAGE, "notice"),
    Kind.SENT_NOTICE: (Kind.SENT, "notice"),
    Kind.SENT_ACTION: (Kind.SENT, "action"),
}
"""The kinds of which a field tells, and what they are beside that."""

_PRIVATE_FLAGGED: Mapping[str, tuple[str, str]] = {
    **FLAGGED,
    Kind.NOTICE: (Kind.PRIVATE, "notice"),
    Kind.ACTION: (Kind.PRIVATE, "action"),
}
"""The same in an inbox."""

TEXT_FIELDS: Mapping[str, str] = {
    Kind.REMOVED: "name",
    Kind.REACTION: "word",
    Kind.REACTION_REMOVED: "word",
    Kind.ERASED: "position",
}
"""The field in which the text of an entry is, where it is not `text`."""

TEXTLESS = frozenset({Kind.GONE, Kind.PINNED, Kind.UNPINNED})
"""Kinds of entries without a text."""


@lru_cache(maxsize=256)  # the same for everybody in the room
def event(it: events.Event) -> bytes:
    """Encode an event."""
    fields_ = _fields(it)
    for name in _OF_IRC.get(type(it), ()):
        del fields_[name]
    for name in _LEFT_OUT.get(type(it), ()):
        if not fields_[name]:
            del fields_[name]
    return line({"event": EVENTS[type(it)], **fields_})


_LEFT_OUT: Mapping[type[Any], tuple[str, ...]] = {
    events.Notice: ("end",),
    events.UserJoined: ("registered", "moderator"),
    events.UserLeft: ("by",),
}
"""Fields of events that are left out if they are empty or false."""

_OF_IRC: Mapping[type[Any], tuple[str, ...]] = {events.UserJoined: ("real_name",)}
"""Fields of events that only clients of IRC are told."""


def reply(it: replies.Reply, id_: Any) -> bytes:
    """Return an answer as a line."""
    head: replies.Fields = {"event": "ok"} if id_ is None else {"event": "ok", "id": id_}
    return line({**head, **reply_fields(it)})


def reply_fields(it: replies.Reply) -> replies.Fields:
    """Return the fields of an answer."""
    if not isinstance(it, replies.History):
        return _fields(it)
    rows = [entry_fields(*row, log) for row, log in zip(it.entries, it.logs, strict=True)]
    more = {"pending": it.pending} if isinstance(it, replies.SearchMatches) else {}
    return {"room": it.room, "entries": rows, "more": it.more, **more}


def stored(position: int, id_: str | int | None) -> bytes:
    """Encode `Stored(position)`, faster than `reply`: each entry has one."""
    if id_ is None:
        return b'{"event":"ok","seq":%d}\n' % position
    if type(id_) is int:
        return b'{"event":"ok","id":%d,"seq":%d}\n' % (id_, position)
    return reply(replies.Stored(position), id_)


SENTENCES: Sentences = {NAME_NEEDED: 'Say who you are first: {"do":"hello","name":"..."}.'}
"""The sentences that the JSON format has of its own. They name no commands in backquotes."""


def refusal(it: Refusal, id_: Any) -> bytes:
    """Encode a refusal. Text of the user's in it is made safe here."""
    head: replies.Fields = {"event": "error"} if id_ is None else {"event": "error", "id": id_}
    return line({**head, "code": it.code, **_worded("message", it.sentence)})


def _worded(field: str, text: Message) -> replies.Fields:
    """Return the field of a message, and the `commands` that it names, for clients that show them
    in a way of their own."""
    commands = () if text.template in SENTENCES else text.commands
    more = {"commands": [one_line(it) for it in commands]} if commands else {}
    return {field: one_line(text.worded('"{}"', SENTENCES)), **more}


def _fields(it: Any) -> replies.Fields:
    """Return the JSON fields of a reply or event: `who` is `from`, times are RFC 3339."""
    values: replies.Fields = {}
    for name, field, encode in _encoders(it.__class__):
        value = getattr(it, name)
        if encode is not None:
            values[field] = encode(value)
        elif isinstance(value, Message):
            values |= _worded(field, value)
        else:
            values[field] = value
    return values


@cache
def _encoders(class_: Any) -> tuple[tuple[str, str, Callable[[Any], Any] | None], ...]:
    """Return the attributes of a class, with their JSON fields, and with the functions that encode
    their values, where these need one."""
    return tuple(
        (
            it.name,
            json_name(it.name),
            _rows if "of" in it.metadata else _ENCODED.get(it.name),
        )
        for it in fields(class_)
    )


def json_name(name: str) -> str:
    """Return the name in JSON of a field of a reply or an event."""
    return "from" if name == "who" else name


def _rows(rows: Iterable[Any]) -> list[replies.Fields]:
    return [_fields(row) for row in rows]


def _time_if_known(milliseconds: int | None) -> str | None:
    return time(milliseconds) if milliseconds is not None else None


_ENCODED: Mapping[str, Callable[[Any], Any]] = {"time": _time_if_known}
