"""A description of the HTTP API in OpenAPI 3.1, made of the tables of routes and of commands.

It has the routes under `/api/v1`; the short forms stand for some of them. Its schemas follow the
classes of `replies`, as `jsonlines` encodes them.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from chatservice import __version__, replies
from chatservice.entries import Kind
from chatservice.errors import Code
from chatservice.grammar import jsonlines, webtext
from chatservice.grammar.commands import without_slashes
from chatservice.grammar.commandtypes import Arg, ArgType, Format
from chatservice.grammar.jsonlines import FLAGGED
from chatservice.grammar.webanswers import PROBLEM
from chatservice.grammar.webapi import EVENTS, LINES
from chatservice.grammar.webfaults import Fault
from chatservice.grammar.webfields import FLAGS, FORM, GUEST, JSON, TEXT
from chatservice.grammar.webroutes import API, ROUTES, Does, Route

_Schema = dict[str, Any]

_BYTES = "application/octet-stream"

_TEXT_SCHEMA: _Schema = {"type": "string", "pattern": "^[^\\u0000]*$"}
"""Any text without a NUL."""

_STRING: _Schema = {"type": "string"}


@cache
def encoded() -> bytes:
    """Return the description as JSON, for `/openapi.json`."""
    return jsonlines.line(document())


def document() -> _Schema:
    """Return the description as a JSON object."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chatservice",
            "version": __version__,
            "description": (
                "Rooms, private messages and files. Guests need no account; users send a name and "
                "a password (Basic), or a token (Bearer). Fields of POST may also stand in the "
                "query, but no password. A request may be repeated with the same `key`, and is "
                "done once."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"basic": []}, {"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "parameters": {
                "Guest": _parameter(
                    "query", GUEST, _TEXT_SCHEMA, "the name that a guest would like to have"
                )
            },
            "responses": {"Problem": _problem_response()},
            "schemas": {"Problem": _problem(), "Entry": _entry(), "FileMark": _mark()} | _replies(),
        },
    }


# -- operations ------------------------------------------------------------------------------------


def _paths() -> _Schema:
    paths: dict[str, _Schema] = {}
    for row in ROUTES:
        if not row.is_short:
            paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return paths


def _operation(row: Route) -> _Schema:
    inside = row.path.removeprefix(f"{API}/")
    body = {"requestBody": _body(row)} if _takes_body(row) else {}
    return {
        "operationId": f"{row.method.lower()}_{_plain(inside)}",
        "summary": without_slashes(row.help),
        **({"description": _STREAM} if row.follows else {}),
        "tags": [inside.partition("/")[0]],
        "parameters": list(_parameters(row)),
        **body,
        "responses": _responses(row),
    }


def _responses(row: Route) -> _Schema:
    done = {"description": "It is done.", "content": _content(row)}
    more: dict[str, _Schema] = {}
    if row.does is Does.UPLOAD:
        done = {**done, "description": "The file is a new version of that name."}
        more = {"201": {**done, "description": "The file is shared."}}
    elif row.does is Does.DOWNLOAD:
        part = {"description": "The part that Range asks for.", "content": _content(row)}
        more = {"206": part, "304": {"description": "If-None-Match has the file's ETag."}}
    return {"200": done, **more, "default": {"$ref": "#/components/responses/Problem"}}


_STREAM = (
    "With `?follow`, the answer is a stream of entries, as JSON lines, server-sent events or text: "
    "those after `after`, or else the last `limit`, and then new ones as they come. The header "
    "Last-Event-ID is taken for `after`."
)
"""The field `follow` is no parameter here: a client that tries all of them would wait for ever."""


def _plain(path: str) -> str:
    return path.replace("/", "_").replace("{", "").replace("}", "")


def _takes_body(row: Route) -> bool:
    is_file = row.does is Does.UPLOAD
    return is_file or (row.method in ("POST", "PUT") and bool(row.fields()))


def _parameters(row: Route) -> Iterator[_Schema]:
    for name in row.variables():
        arg = row.arguments().get(name)
        number = arg is not None and arg.type.json_type is int
        help_ = arg.help if arg is not None else "the user"
        schema = _NUMBER_SCHEMA if number else _SEGMENT_SCHEMA
        yield {**_parameter("path", name, schema, help_), "required": True}
    if row.does is Does.UPLOAD or not _takes_body(row):
        for name, arg in row.fields().items():
            required = {"required": True} if _is_required(row, arg) else {}
            yield {**_parameter("query", name, _schema(arg), arg.help), **required}
    if GUEST not in row.fields():
        yield {"$ref": "#/components/parameters/Guest"}


def _parameter(place: str, name: str, schema: _Schema, help_: str) -> _Schema:
    return {"in": place, "name": name, "schema": schema, "description": without_slashes(help_)}


def _is_required(row: Route, arg: Arg) -> bool:
    optional = arg.is_optional(Format.JSON) or arg.name in row.defaults
    return arg.name == row.text or not optional


def _body(row: Route) -> _Schema:
    """Return the body of a route. On one with a text, any form is a text, or has it; so its
    fields may be anything, too."""
    if row.does is Does.UPLOAD:
        return {"content": {_BYTES: {}}}
    needed = [name for name, arg in row.fields().items() if _is_required(row, arg)]
    form = {
        name: _described(_any_text(_schema(arg)) if row.text else _schema(arg), arg)
        for name, arg in row.fields().items()
    }
    json = {
        name: _described(_json_schema(arg, name in needed), arg)
        for name, arg in row.fields().items()
    }
    strict = {} if row.text else {"required": needed, "additionalProperties": False}
    return {
        "required": bool(needed) and not row.text,
        "content": {
            JSON: {"schema": {"type": "object", "required": needed, "properties": json}},
            FORM: {"schema": {"type": "object", "properties": form, **strict}},
            **({TEXT: {"schema": _TEXT_SCHEMA}} if row.text else {}),
        },
    }


def _described(schema: _Schema, arg: Arg) -> _Schema:
    return {**schema, "description": without_slashes(arg.help)}


def _json_schema(arg: Arg, needed: bool) -> _Schema:
    """Return the schema of an argument in a JSON body, where null stands for one left out."""
    schema = {"type": "boolean"} if arg.type.json_type is bool else _schema(arg)
    return schema if needed else {**schema, "type": [schema["type"], "null"]}


def _any_text(schema: _Schema) -> _Schema:
    """Return the schema of any text, with the values of `schema` as examples."""
    kept = {name: schema[name] for name in ("examples",) if name in schema}
    return {**_STRING, **({"examples": schema["enum"]} if "enum" in schema else kept)}


def _schema(arg: Arg) -> _Schema:
    """Return the schema of an argument in a query or a form."""
    if arg.type.json_type is int:
        return _NUMBER_SCHEMA
    if arg.type.json_type is bool:
        return {"type": "string", "enum": list(FLAGS)}
    if arg.type in (ArgType.SHA256, ArgType.TIME):
        return {"type": "string", "pattern": f"^{arg.type.pattern.pattern}$"}
    return {**_TEXT_SCHEMA, **({"examples": list(arg.choices)} if arg.choices else {})}


_SEGMENT_SCHEMA: _Schema = {
    "type": "string",
    "pattern": r"^(?!\.{1,2}$)[^/\\\u0000-\u001f\u007f-\u009f]+$",
}
"""A part of a path, as `webtarget.parse` takes it."""

_NUMBER_SCHEMA: _Schema = {"type": "integer", "minimum": 0, "maximum": (1 << 60) - 1}
"""A number, as `jsonlines.parse_request` takes it."""


def _content(row: Route) -> _Schema:
    """Return the media types of an answer, with their schemas."""
    if row.does is Does.DOWNLOAD:
        return {_BYTES: {}}
    if row.does is Does.UPLOAD:
        return {JSON: {"schema": _ref("FileMark")}, TEXT: _LINES_SCHEMA}
    text = {TEXT: _LINES_SCHEMA} if row.command.reply in webtext.REPLIES else {}
    streams = {LINES: {"schema": _ref("Entry")}, EVENTS: _LINES_SCHEMA} if row.follows else {}
    return {JSON: {"schema": _ref(row.command.reply.__name__)}, **text, **streams}


_LINES_SCHEMA: _Schema = {"schema": _STRING}


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# -- answers ---------------------------------------------------------------------------------------


def _object(properties: Mapping[str, _Schema], optional: Mapping[str, _Schema]) -> _Schema:
    return {
        "type": "object",
        "properties": {**properties, **optional},
        "required": list(properties),
    }


_INTEGER: _Schema = {"type": "integer"}
_STRINGS: _Schema = {"type": "array", "items": _STRING}
_TIME: _Schema = {"type": "string", "format": "date-time"}
_TRUE: _Schema = {"const": True}


def _problem() -> _Schema:
    codes = [str(it) for it in Code] + [it.code for it in Fault.__subclasses__()]
    status = {"type": "integer", "minimum": 400, "maximum": 599}
    details = {"type": _STRING, "title": _STRING, "status": status, "detail": _STRING}
    return _object({**details, "code": {"enum": codes}}, {"commands": _STRINGS})


def _problem_response() -> _Schema:
    return {
        "description": "It is refused: problem details (RFC 9457), or their sentence.",
        "content": {PROBLEM: {"schema": _ref("Problem")}, TEXT: _LINES_SCHEMA},
    }


def _mark() -> _Schema:
    shared = {"name": _STRING, "size": _INTEGER, "sha256": _STRING, "version": _INTEGER}
    return _object(shared, {"path": {**_STRING, "description": "where to fetch it"}})


def _entry() -> _Schema:
    """Return the schema of an entry, as `jsonlines.entry_fields` encodes it."""
    kinds = sorted(str(it) for it in frozenset(Kind) - FLAGGED.keys())
    quote = _object({"from": _STRING, "text": _STRING}, {})
    reaction = _object({"word": _STRING, "total": _INTEGER, "names": _STRINGS}, {})
    texts = dict.fromkeys(("room", "to", "text", "word", "name", "sha256"), _STRING)
    numbers = dict.fromkeys(("about", "position", "size", "version"), _INTEGER)
    return _object(
        {"event": {"enum": kinds}, "seq": _INTEGER, "time": _TIME, "from": _STRING},
        {
            **texts,
            **numbers,
            "notice": _TRUE,
            "action": _TRUE,
            "quote": quote,
            "edited": _object({"seq": _INTEGER, "time": _TIME}, {}),
            "reactions": {"type": "array", "items": reaction},
            "pinned": _TRUE,
        },
    )


def _replies() -> dict[str, _Schema]:
    """Return the schemas of the replies that the routes have, and of their rows, by name."""
    classes = {row.command.reply for row in ROUTES}
    rows = {it.metadata["of"] for each in classes for it in fields(each) if "of" in it.metadata}
    return {it.__name__: _reply(it) for it in sorted(classes | rows, key=lambda it: it.__name__)}


def _reply(class_: type[Any]) -> _Schema:
    if issubclass(class_, replies.History):
        pending = {"pending": {"type": "boolean"}} if class_ is replies.SearchMatches else {}
        entries = {"type": "array", "items": _ref("Entry")}
        return _object(
            {"room": _STRING, "entries": entries, "more": {"type": "boolean"}, **pending}, {}
        )
    hints = get_type_hints(class_)
    properties = {jsonlines.json_name(it.name): _field(it, hints) for it in fields(class_)}
    return _object(properties, {"commands": _STRINGS} if "text" in properties else {})


def _field(it: "Field[Any]", hints: Mapping[str, Any]) -> _Schema:
    """Return the schema of a reply's field."""
    if "of" in it.metadata:
        return {"type": "array", "items": _ref(it.metadata["of"].__name__)}
    schema = _typed(hints[it.name])
    if it.name != "time":
        return schema
    return {**_TIME, "type": ["string", "null"] if isinstance(schema["type"], list) else "string"}


def _typed(hint: Any) -> _Schema:
    """Return the schema of a type: one of JSON's, one of them or null, or a list of texts."""
    if isinstance(hint, types.UnionType):
        kinds = [_typed(it)["type"] for it in get_args(hint)]
        return {"type": kinds}
    return _STRINGS if get_origin(hint) is tuple else {"type": _JSON_TYPES[hint]}


_JSON_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
}
