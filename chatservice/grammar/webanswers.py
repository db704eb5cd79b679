"""Answers of the HTTP API: statuses, problem details (RFC 9457), bodies and streams of entries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import NamedTuple

from chatservice import replies
from chatservice.entries import FileMark, Run
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import jsonlines, webhelp, webtext
from chatservice.grammar.durations import parse_duration
from chatservice.grammar.webapi import EVENTS, LINES
from chatservice.grammar.webfaults import Fault, MethodNotAllowed
from chatservice.grammar.webfields import JSON, TEXT
from chatservice.grammar.webroutes import file_path
from chatservice.names import one_line

PROBLEM = "application/problem+json"
"""The media type of a refusal, where JSON is preferred."""

STATUSES: Mapping[Code, int] = {
    **dict.fromkeys((Code.BAD_LINE, Code.INCOMPLETE), 400),
    **dict.fromkeys((Code.NAME_NEEDED, Code.PASSWORD_NEEDED, Code.WRONG_PASSWORD), 401),
    **dict.fromkeys(
        (Code.NOT_ALLOWED, Code.NOT_IN_ROOM, Code.BANNED, Code.NOT_YOURS, Code.BAD_CODE), 403
    ),
    **dict.fromkeys(
        (
            *(Code.UNKNOWN_COMMAND, Code.NO_SUCH_ROOM, Code.NO_SUCH_USER, Code.NO_SUCH_ENTRY),
            *(Code.NO_SUCH_TOKEN, Code.NO_SUCH_FILE, Code.BAD_TICKET),
        ),
        404,
    ),
    **dict.fromkeys(
        (
            *(Code.NAME_TAKEN, Code.ROOM_EXISTS, Code.ALREADY_REGISTERED, Code.TOKEN_EXISTS),
            Code.CANCELLED,
        ),
        409,
    ),
    Code.FILE_CHANGED: 412,
    **dict.fromkeys((Code.TOO_LONG, Code.TOO_LARGE), 413),
    Code.BAD_OFFSET: 416,
    **dict.fromkeys((Code.BAD_ARGUMENT, Code.BAD_NAME, Code.BAD_FILE_NAME, Code.WRONG_SHA256), 422),
    Code.TLS_NEEDED: 426,
    **dict.fromkeys((Code.TOO_FAST, Code.TOO_MANY, Code.SLOW_DOWN), 429),
    Code.SERVER_ERROR: 500,
    **dict.fromkeys((Code.TOO_SLOW, Code.NOT_STORED), 503),
    **dict.fromkeys((Code.OVER_QUOTA, Code.DISK_FULL), 507),
}
"""The HTTP status of each code of a refusal (RFC 9110; 429: RFC 6585; 507: RFC 4918)."""

_RETRY_SECONDS: Mapping[Code, int] = {
    Code.TOO_FAST: 5,
    Code.TOO_MANY: 60,
    Code.SLOW_DOWN: 5,
    Code.TOO_SLOW: 5,
    Code.NOT_STORED: 30,
}
"""The time after which a client may try again, where the refusal does not say it: the delay of a
password for `slow-down`, and a minute for another user's uploads to end."""

CHALLENGES = ('Basic realm="chat", charset="UTF-8"', 'Bearer realm="chat"')
"""The ways to say who one is (RFC 7617, RFC 6750)."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as an answer: a status, headers, and the fields of problem details."""

    status: int
    headers: Headers
    fields: replies.Fields

    def body(self, media_type: str) -> bytes:
        """Return the body: the sentence alone if `media_type` is `TEXT`, else JSON (`PROBLEM`)."""
        if media_type == TEXT:
            return f"{self.fields['detail']}\n".encode()
        return jsonlines.line(self.fields)


def problem(error: Refusal | Fault, at_login: bool = False) -> Problem:
    """Return the answer to what is refused. `at_login` is true for the refusal of a name with its
    password: that nobody has the name is no 404 then."""
    if isinstance(error, Fault):
        return _problem(error.status, error.code, error.sentence, _fault_headers(error))
    status = STATUSES[error.code]
    if at_login and error.code is Code.NO_SUCH_USER:
        status = 401
    return _problem(status, error.code, error.sentence, _refusal_headers(error, status))


def _problem(status: int, code: str, sentence: Message, headers: Headers) -> Problem:
    fields: replies.Fields = {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "detail": webtext.sentence(sentence),
        "code": str(code),
    }
    commands = [] if sentence.template in webtext.SENTENCES else sentence.commands
    if commands:
        fields["commands"] = [one_line(it) for it in commands]
    return Problem(status, headers, fields)


def phrase(status: int) -> str:
    """Return the phrase of a status, also of those that Twisted knows none of."""
    return HTTPStatus(status).phrase


def _fault_headers(it: Fault) -> Headers:
    return (("Allow", ", ".join(it.allowed)),) if isinstance(it, MethodNotAllowed) else ()


def _refusal_headers(it: Refusal, status: int) -> Headers:
    if status == 401:
        return tuple(("WWW-Authenticate", way) for way in CHALLENGES)
    if status == 426:
        return (("Upgrade", "TLS/1.2"),)
    if it.code in _RETRY_SECONDS:
        left = parse_duration(str(it.params.get("left", "")).replace(" ", ""))
        return (("Retry-After", str(left or _RETRY_SECONDS[it.code])),)
    return ()


def reply(it: replies.Reply, media_type: str) -> bytes:
    """Return the body of a reply, as `TEXT` or as JSON."""
    if isinstance(it, replies.Help):
        it = replace(it, lines=webhelp.lines(it.commands))
    if media_type == TEXT:
        return webtext.reply(it)
    return jsonlines.line(jsonlines.reply_fields(it))


def shared(mark: FileMark, room: str, media_type: str) -> bytes:
    """Return the body of the answer to an upload into a room, or to one user: `room` is empty."""
    if media_type == TEXT:
        return webtext.shared(mark, room)
    path = {"path": file_path(room, mark.name)} if room else {}
    return jsonlines.line({**mark._asdict(), **path})


# -- streams ---------------------------------------------------------------------------------------


class Stream(NamedTuple):
    """A format of the entries of a `Follow`, which has no events: `run` encodes live and replayed
    ones. `idle` may be sent at any time between them, so that proxies see the stream alive; it
    means nothing, and is empty where there is no such thing."""

    run: Callable[[int, Run, str], bytes]
    idle: bytes


def sent_run(first: int, it: Run, log: str) -> bytes:
    """Encode a run of entries as server-sent events; the `id` of each is its position."""
    lines = jsonlines.run(first, it, log).splitlines()
    return b"".join(b"id: %d\ndata: %b\n\n" % pair for pair in enumerate(lines, first))


_JSON_LINES = Stream(jsonlines.run, b"\n")

STREAMS: Mapping[str, Stream] = {
    LINES: _JSON_LINES,
    JSON: _JSON_LINES,
    EVENTS: Stream(sent_run, b":\n\n"),
    TEXT: Stream(webtext.run, b""),
}
"""The formats of a stream, by media type. Server-sent events have no names, so that all of them
come to `onmessage`; the field `event` of the JSON object says what it is."""
