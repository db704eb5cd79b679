"""Files over HTTP: in ranges, with digests, and with uploads that are resumed (docs/web.md).

The bytes go as those of a ticket's connection do (`chatservice.net.transfer`), so they cost as
much.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from chatservice.domain.chat import Chat
from chatservice.domain.fileconditions import file_changed
from chatservice.domain.model import User
from chatservice.domain.ports.file_ports import UNKNOWN_SIZE, FileReader
from chatservice.domain.tickets import DownloadTicket, UploadTicket
from chatservice.entries import FileCondition, FileMark
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import httpfields, webanswers, webapi, webtarget
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request
from chatservice.grammar.httpfields import ByteRange
from chatservice.grammar.webfaults import MethodNotAllowed, NotFound, UnsupportedMediaType
from chatservice.grammar.webfields import JSON
from chatservice.net import outlet
from chatservice.net.transfer import receive_file, send_file
from chatservice.protocols.web.chunkedupload import receive_chunks
from chatservice.protocols.web.exchange import Exchange

TICKETS = "/t/"
"""The beginning of the paths of tickets."""

TICKET_METHODS = ("GET", "HEAD", "PUT", "OPTIONS")
"""The methods that a ticket takes."""

FILE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
"""Headers of a user's file. A browser that shows one runs nothing of it, and asks here before it
shows it again. Browsers show pictures and films with a style of their own."""


# -- down ------------------------------------------------------------------------------------------


async def send(
    exchange: Exchange, chat: Chat, user: User, reader: FileReader, inline: bool = False
) -> None:
    """Answer with an open file, or with the part of it that is asked for, at the client's pace. A
    browser may show it `inline` if it is of a type that runs nothing.

    Raises `Refusal` (too-many) before the response, and `ConnectionError` if the client has gone.
    """
    mark, tag = reader.mark, httpfields.entity_tag(reader.mark.sha256)
    headers = _headers(mark, inline)
    wanted = httpfields.condition(exchange.header("If-Match"), "")
    if wanted is not None and not wanted.holds(mark.sha256):
        reader.close()
        raise file_changed(mark.name, True)
    if httpfields.is_known(exchange.header("If-None-Match"), tag):  # before any range is looked at
        reader.close()
        exchange.respond(304, b"", {**FILE_HEADERS, "ETag": tag})
        return
    try:
        part = _part(exchange, mark.size, tag)
    except Refusal as refusal:
        reader.close()
        told = {**FILE_HEADERS, "Content-Range": httpfields.unsatisfied(mark.size)}
        exchange.respond(416, f"{refusal.sentence}\n".encode(), {**told, **_PLAIN})
        return
    status, (start, end) = (206, part) if part is not None else (200, (0, mark.size))
    if part is not None:
        headers["Content-Range"] = httpfields.content_range(part, mark.size)
    if exchange.method == "HEAD" or start == end or exchange.is_lost:
        reader.close()
        exchange.start(status, headers, end - start)
        exchange.finish()
    else:
        begin = partial(_begin, exchange, status, headers, end - start)
        await _stream(exchange, chat, user, reader, ByteRange(start, end), begin)


_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


def _headers(mark: FileMark, inline: bool) -> dict[str, str]:
    shown = httpfields.inline_type(mark.name) if inline else None
    return {
        **FILE_HEADERS,
        "Content-Type": shown or httpfields.UNKNOWN_TYPE,
        "Content-Disposition": httpfields.disposition(mark.name, shown is not None),
        "Accept-Ranges": "bytes",
        "ETag": httpfields.entity_tag(mark.sha256),
        "Repr-Digest": httpfields.repr_digest(mark.sha256),
    }


def _part(exchange: Exchange, size: int, tag: str) -> ByteRange | None:
    """Return the part of a file that is asked for, or None for all of it: a range is for GET, and
    for a file that is still the same."""
    if exchange.method != "GET" or not httpfields.range_holds(exchange.header("If-Range"), tag):
        return None
    return httpfields.byte_range(exchange.header("Range"), size)


def _begin(exchange: Exchange, status: int, headers: Mapping[str, str], length: int) -> None:
    exchange.start(status, headers, length)
    exchange.write(b"")


async def _stream(
    exchange: Exchange,
    chat: Chat,
    user: User,
    reader: FileReader,
    part: ByteRange,
    begin: Callable[[], None],
) -> None:
    sent: Deferred[None] = Deferred()
    exchange.when_lost = partial(_fail, sent, ConnectionAbortedError("the client has gone"))
    with exchange.channel.lent_output():
        told = partial(sent.callback, None)
        connection = exchange.channel.connection
        send_file(connection, chat, user, reader, part.start, begin, told, part.end)
        await sent
    exchange.finish()


def _fail(waiting: "Deferred[Any]", error: Exception) -> None:
    if not waiting.called:
        waiting.errback(error)


async def check_known(
    exchange: Exchange, request: Request, run: Callable[[Request], Awaitable[FileReader]]
) -> None:
    """Raise `Refusal` (file-changed) if the client wants another file than the one that a request
    is about. `run` runs a `get`, and returns its reply."""
    wanted = _condition(exchange)
    if wanted is None:
        return
    place = {it: request.args[it] for it in ("room", "name", "version") if it in request.args}
    reader = await run(Request(COMMANDS["get"], place))
    reader.close()
    if not wanted.holds(reader.mark.sha256):
        raise file_changed(reader.mark.name, True)


def _condition(exchange: Exchange) -> FileCondition | None:
    """Return the condition that a request has."""
    return httpfields.condition(exchange.header("If-Match"), exchange.header("If-None-Match"))


# -- up --------------------------------------------------------------------------------------------


async def upload(
    exchange: Exchange,
    chat: Chat,
    asked: webapi.FilePut,
    run: Callable[[Request], Awaitable[UploadTicket | FileMark]],
) -> FileMark:
    """Return the file that a body is, once it is shared. `run` runs a `put`, and returns its reply.

    A Content-Range tells that the body is only the rest of a file, and a Repr-Digest its SHA-256.
    If the user may read a file with that SHA-256, a client that waits with its body need not send
    it.
    Raises `Refusal`, `UnsupportedMediaType`, and `ConnectionError` if the client has gone.
    """
    more: dict[str, Any] = {}
    part, sha256 = httpfields.sent_part(exchange.header("Content-Range")), _digest(exchange)
    if sha256 is not None:
        more["sha256"] = sha256
    size = UNKNOWN_SIZE if exchange.length is None else exchange.length
    if sha256 is not None and part is None and exchange.waits_to_send:
        more["offset"] = size  # no byte needs to come, if they are here
    more["condition"] = _condition(exchange)
    asked = replace(asked, args={**asked.args, **more})
    right = await run(asked.request(part.size if part is not None else size))
    if isinstance(right, FileMark):
        return right
    return await receive(exchange, chat, right, part.offset if part is not None else 0)


def _digest(exchange: Exchange) -> str | None:
    if exchange.header("Content-Encoding").lower() not in ("", "identity"):
        raise UnsupportedMediaType(Message("A file comes as it is; leave Content-Encoding out."))
    return httpfields.sha256_of(exchange.header("Repr-Digest"))


async def receive(exchange: Exchange, chat: Chat, ticket: UploadTicket, offset: int) -> FileMark:
    """Return the file that is shared of a body: of all bytes after the first `offset`.

    The client is told to send it only when it may. Raises `Refusal` before, during and after it,
    and `ConnectionError` if the client has gone.
    """
    if exchange.is_lost:
        raise ConnectionAbortedError("the client has gone")
    _check_length(exchange.length, ticket.size, offset)
    kept: Deferred[FileMark] = Deferred()
    fail = partial(_fail, kept)
    exchange.when_lost = partial(fail, ConnectionAbortedError("the client has gone"))
    if exchange.length is None:
        receive_chunks(exchange, chat, ticket, offset, kept.callback, fail)
    else:
        connection = exchange.channel.connection
        receive_file(connection, chat, ticket, offset, kept.callback, fail, fail)
    return await kept


def _check_length(length: int | None, size: int, offset: int) -> None:
    """Raise `Refusal` (incomplete, too-large) for a body that is not the rest of a file."""
    if length is None or size == UNKNOWN_SIZE or offset > size or length == size - offset:
        return
    code = Code.INCOMPLETE if length < size - offset else Code.TOO_LARGE
    sentence = "The body has {length} bytes, and not the {due} that are due; send just these."
    raise Refusal(code, sentence, length=length, due=size - offset)


# -- tickets ---------------------------------------------------------------------------------------


async def answer_ticket(exchange: Exchange, chat: Chat, headers: Mapping[str, str]) -> None:
    """Answer a request at the path of a ticket; `headers` are those of every response. A name in
    the path is for people.

    Raises `Refusal`, `Fault`, and `ConnectionError` if the client has gone.
    """
    segments, query = webtarget.parse(exchange.target)
    if len(segments) > 3:
        raise NotFound(Message("Nothing is at that path; a ticket has at most a name behind it."))
    if exchange.method == "OPTIONS":
        exchange.respond(204, b"", {**headers, "Allow": ", ".join(TICKET_METHODS)})
        return
    fields, address = dict(query), outlet.address(exchange.channel.transport)
    exchange.channel.connection.logged_in()
    if exchange.method in ("GET", "HEAD"):
        down = await chat.files.redeem(segments[1], DownloadTicket, address, stays=True)
        reader = await chat.files.open_for_ticket(down)
        await send(exchange, chat, down.user, reader, "inline" in fields)
    elif exchange.method == "PUT":
        sha256, offset = _digest(exchange), _offset(exchange, fields)
        up = await chat.files.redeem(segments[1], UploadTicket, address)
        up = await chat.files.narrowed(up, sha256, _condition(exchange))
        mark = await receive(exchange, chat, up, offset)
        room = "" if up.destination.recipient is not None else up.destination.name
        told = {**headers, "Content-Type": JSON, "Cache-Control": "no-store"}
        exchange.respond(status_of(mark), webanswers.shared(mark, room, JSON), told)
    else:
        told_ = Message("A ticket takes GET, HEAD and PUT only.")
        raise MethodNotAllowed(told_, TICKET_METHODS)


def status_of(mark: FileMark) -> int:
    """Return the status of the answer to an upload: a new name is created, others are replaced."""
    return 201 if mark.version == 1 else 200


def _offset(exchange: Exchange, fields: Mapping[str, str | None]) -> int:
    """Return the offset that a query has, or a Content-Range."""
    part = httpfields.sent_part(exchange.header("Content-Range"))
    text = fields.get("offset") or (str(part.offset) if part is not None else "0")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Refusal(Code.BAD_ARGUMENT, '"offset" is a number of bytes; give one.')
    return int(text)


_DIGITS = 18
"""Digits of the largest offset: that of a ticket's line."""
