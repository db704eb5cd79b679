"""The fields of requests of the HTTP API, from path, query and body, each at most once.

Those that come as text are converted to the types of the arguments; `jsonlines.parse_request` then
checks all of them as it checks those of the JSON format. An unknown field in a query or a form is
refused, because it is mistyped; one in a JSON body is ignored, as in the JSON format. No password
is taken from a query, because addresses are kept in histories and logs.

**A body of plain text** is the text of what is said: curl calls what `-d` sends a form, whatever it
is. So on a route with a text, such a body is a form only if all of it is one: known fields, each
once, with the text among them. Any other is the text as it stands, without the end of its last
line. `text/plain` is always text.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from chatservice import replies
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import jsonlines, webtarget
from chatservice.grammar.commandtypes import Arg, Request
from chatservice.grammar.webfaults import UnsupportedMediaType
from chatservice.grammar.webroutes import Route
from chatservice.names import LINE_BYTES

JSON, TEXT = "application/json", "text/plain"
FORM = "application/x-www-form-urlencoded"

BODY_BYTES = 4 * LINE_BYTES
"""The longest body of a call: a line in percent-encoding, and the names of its fields."""

GUEST = "name"
"""The field of a query that has a guest's name, where the route has no such field of its own."""


def request(row: Route, fields: replies.Fields) -> Request:
    """Return the request of a route with these fields. Raises `Refusal` (bad-argument, bad-line;
    too-long for more text than a line of the JSON format may have)."""
    texts = [it for it in fields.values() if isinstance(it, str)]
    if sum(len(it.encode()) for it in texts) > LINE_BYTES:
        raise _too_long()
    if row.text and fields.get(row.text) is None:
        raise jsonlines.missing(row.command, row.arguments()[row.text])
    return jsonlines.parse_request({**row.defaults, **fields, "do": row.command.name})


def _too_long() -> Refusal:
    return Refusal(
        Code.TOO_LONG,
        "That is longer than {limit} bytes; send it in parts, or as a file.",
        limit=LINE_BYTES,
    )


# -- the path and the query ------------------------------------------------------------------------


def of_path(row: Route, parts: Mapping[str, str]) -> replies.Fields:
    """Return the fields that a path gives, by the `parts` of it that vary."""
    return _typed(row, list(row.values(parts).items()))


def of_query(row: Route, pairs: webtarget.Pairs, taken: Iterable[str]) -> replies.Fields:
    """Return the fields of a query, without those that are `taken` by the path. Raises `Refusal`
    (bad-argument)."""
    _check_known(row, pairs)
    for name, _ in pairs:
        if row.fields()[name].is_secret:
            raise Refusal(
                Code.BAD_ARGUMENT,
                '"{name}" does not belong into an address, which others may see; send it in the '
                "body.",
                name=name,
            )
    return _once(row, pairs, taken)


def split_guest(row: Route, pairs: webtarget.Pairs) -> tuple[str | None, webtarget.Pairs]:
    """Return the name of a guest in a query, or None, and the other fields."""
    if not pairs or GUEST in row.fields():
        return None, pairs
    found = [value or "" for name, value in pairs if name == GUEST]
    if len(found) > 1:
        raise _twice(GUEST)
    return (found[0] if found else None), [pair for pair in pairs if pair[0] != GUEST]


def split_follow(row: Route, pairs: webtarget.Pairs) -> tuple[bool, webtarget.Pairs]:
    """Return whether the entries are to be followed, and the other fields."""
    found = [_flag(value) for name, value in pairs if name == _FOLLOW and row.follows]
    if found not in ([], [True], [False]):
        raise Refusal(Code.BAD_ARGUMENT, '"follow" is given once, and is true or false.')
    return found == [True], [pair for pair in pairs if not found or pair[0] != _FOLLOW]


_FOLLOW = "follow"


def _check_known(row: Route, pairs: webtarget.Pairs) -> None:
    for name, _ in pairs:
        if name not in row.fields():
            raise _unknown(name[:32], [*row.fields(), GUEST] + [_FOLLOW] * row.follows)


def _unknown(name: str, known: list[str]) -> Refusal:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"there may be {', '.join(known)}." if known else "there may be none here."
    if near:
        hint = f'did you mean "{near[0]}"?'
    template = 'There is no field "{name}"; {hint}'
    return Refusal(Code.BAD_ARGUMENT, template, name=name, hint=hint)


def _once(row: Route, pairs: webtarget.Pairs, taken: Iterable[str]) -> replies.Fields:
    """Return fields by name. Raises `Refusal` (bad-argument) for one that is there twice, or that
    is `taken`."""
    names = [*taken, *(name for name, _ in pairs)]
    for name in names:
        if names.count(name) > 1:
            raise _twice(name)
    return _typed(row, pairs)


def _twice(name: str) -> Refusal:
    return Refusal(Code.BAD_ARGUMENT, '"{name}" is there twice; give it once.', name=name)


def _typed(row: Route, pairs: Iterable[tuple[str, str | None]]) -> replies.Fields:
    return {name: _value(row.arguments()[name], text) for name, text in pairs}


def _value(arg: Arg, text: str | None) -> Any:
    """Return the value of a text. One that does not fit stays a text, and is refused later."""
    if arg.type.json_type is bool:
        return _flag(text)
    if arg.type.json_type is int and _INT.fullmatch(text or ""):
        return int(text or "")
    return text or ""


_INT = re.compile("[0-9]{1,19}")


def _flag(text: str | None) -> bool | str:
    """Return the value of a flag. Without a value, as in `?follow`, it is true."""
    return FLAGS.get(text, text) if text is not None else True


FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("", "true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
"""The values of a flag in a query or a form."""


# -- the body --------------------------------------------------------------------------------------


def of_body(row: Route, media_type: str, body: bytes, taken: Iterable[str]) -> replies.Fields:
    """Return the fields of a body, without those that are `taken` by path and query. `media_type`
    is the value of Content-Type, or empty. Raises `Refusal` (bad-line, bad-argument, too-long) and
    `UnsupportedMediaType`."""
    if len(body) > BODY_BYTES:
        raise _too_long()
    kind = _kind(media_type)
    if body and row.method == "GET":
        raise Refusal(Code.BAD_ARGUMENT, "GET takes no body; put the fields behind a ? instead.")
    if kind == JSON and body:  # some clients name the type of nothing
        return _of_json(row, body, set(taken))
    if row.text and kind in (FORM, TEXT, ""):
        return _of_text(row, kind, body, taken)
    if kind == FORM or not body:
        pairs = webtarget.parse_pairs(body)
        _check_known(row, pairs)
        return _once(row, pairs, taken)
    types = f"{JSON}, {FORM} or {TEXT}" if row.text else f"{JSON} or {FORM}"
    raise UnsupportedMediaType(
        Message("The body may be {types}; curl -T FILE sends a file by PUT.", types=types)
    )


def _kind(media_type: str) -> str:
    """Return the media type of a Content-Type. Raises `UnsupportedMediaType` for a text that is not
    UTF-8."""
    kind, _, more = media_type.lower().partition(";")
    charset = _CHARSET.search(more)
    if charset and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(Message("A body is UTF-8; encode it so."))
    return kind.strip()


_CHARSET = re.compile(r"charset\s*=\s*\"?([^\";\s]*)")


def _of_json(row: Route, body: bytes, taken: set[str]) -> replies.Fields:
    try:
        loaded = jsonlines.load(body)
    except Refusal:
        raise Refusal(
            Code.BAD_LINE, "That body is not one JSON object in UTF-8, without a NUL; send one."
        ) from None
    for name in taken & loaded.keys():
        raise _twice(name)
    return {name: _whole(loaded[name]) for name in row.fields() if name in loaded}


def _whole(value: Any) -> Any:
    """Return a number without its fraction, if that is zero: some languages write 7 as 7.0, and
    for JSON Schema both are the same."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _of_text(row: Route, kind: str, body: bytes, taken: Iterable[str]) -> replies.Fields:
    if kind == FORM and (form := _form_with_text(row, body)) is not None:
        return _once(row, form, taken)
    if not body and row.text in taken:
        return {}
    return _once(row, [(row.text, _text(body))], taken)


def _form_with_text(row: Route, body: bytes) -> webtarget.Pairs | None:
    """Return the fields of a body that is a form, with the route's text; None for another one."""
    try:
        pairs = webtarget.parse_pairs(body)
    except Refusal:
        return None
    names = {name for name, value in pairs if value is not None}
    return (
        pairs
        if row.text in names <= row.fields().keys() and len(names) == body.count(b"&") + 1
        else None
    )


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Refusal(Code.BAD_LINE, "That text is not UTF-8; encode it so.") from None
    return text.removesuffix("\n").removesuffix("\r")
