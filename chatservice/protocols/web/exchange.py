"""One HTTP request and its response."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString
from twisted.web.iweb import INonQueuedRequestFactory
from zope.interface import provider

from chatservice.errors import Code, Refusal
from chatservice.grammar import webtarget
from chatservice.net.browsers import is_browser

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""Headers of a response by name; or in pairs, where a name comes twice."""

_LINE_ENDS = re.compile(r"[\r\n\0]")


class RequestHeaders:
    """The headers of a request. Twisted's own canonicalize each name anew, and cost twice as
    much."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[bytes, list[bytes]] = {}

    def addRawHeader(self, name: bytes, value: bytes) -> None:
        """Add a header; the channel has checked it."""
        self._values.setdefault(name.lower(), []).append(value)

    def all_of(self, name: str) -> Sequence[bytes]:
        """Return the values of a name."""
        return self._values.get(_key(name), ())


@lru_cache(256)
def _key(name: str) -> bytes:
    """Return the key of a header's name; the server asks for few, with each request."""
    return name.lower().encode()


class BodySink(Protocol):
    """A part that takes the bytes of a body as they come."""

    def received(self, data: bytes) -> None:
        """Take bytes."""

    def input_ended(self) -> None:
        """The whole body has come."""

    def lost(self) -> None:
        """The connection is gone."""


class _Gathered:
    """A body of at most `most` bytes, in memory. `whole` has it in the end."""

    def __init__(self, most: int) -> None:
        self.whole: Deferred[bytes] = Deferred()
        self._most = most
        self._pieces = bytearray()

    def received(self, data: bytes) -> None:
        """Take bytes, and refuse more than `most`."""
        self._pieces += data
        if len(self._pieces) > self._most and not self.whole.called:
            sentence = "The body of this request has at most {most} bytes; send a shorter one."
            self.whole.errback(Refusal(Code.TOO_LONG, sentence, most=self._most))
        if self.whole.called:
            self._pieces.clear()

    def input_ended(self) -> None:
        """The whole body has come."""
        if not self.whole.called:
            self.whole.callback(bytes(self._pieces))

    def lost(self) -> None:
        """The connection is gone."""
        if not self.whole.called:
            self.whole.errback(ConnectionAbortedError("the client has gone"))


@provider(INonQueuedRequestFactory)  # Twisted asks for each request; without it, it looks longer
class Exchange:
    """A request, and its response.

    `channel` is the `chatservice.protocols.web.channel.WebChannel` that it came on. The request's
    parts are known from `begin` on. `length` is None for a body of unknown length. A response is
    sent by `respond`; or by `start`, `write` and `finish`. The channel takes the next request when
    the body has come and the response is `finished`.
    """

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.requestHeaders = RequestHeaders()  # the channel fills it
        self.method = self.path = ""
        self.target = b""
        self.origin: webtarget.Origin | None = None
        self.length: int | None = 0
        self.started = self.finished = False
        self.body_complete = self._is_over = False
        self.is_lost = False
        self.when_lost: Callable[[], None] = lambda: None
        self._head = b""
        self._chunked = False
        self._keeps_open = True
        self._sink: BodySink | None = None
        self._early = b""
        self._expects = False

    # -- the request -----------------------------------------------------------------------------

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty string. Several ones are joined by commas."""
        values = self.requestHeaders.all_of(name)
        return b", ".join(values).decode("latin-1") if values else ""

    def header_count(self, name: str) -> int:
        """Return how often a header was sent."""
        return len(self.requestHeaders.all_of(name))

    def is_of_browser(self) -> bool:
        """Return whether a browser has sent it."""
        return is_browser(self.header("Sec-Fetch-Mode"), self.header("User-Agent"))

    def begin(self, method: bytes, target: bytes, version: bytes, length: int | None) -> None:
        """Take the head of the request. Raises `Refusal` (bad-line) for a target that is none."""
        self.method = method.decode("latin-1")
        self.origin, self.target = webtarget.split(target)
        self.path = self.target.partition(b"?")[0].decode("latin-1")
        self.length = length
        self.is_old = version != b"HTTP/1.1"
        self._expects = self.header("Expect").lower() == "100-continue" and not self.is_old

    @property
    def waits_to_send(self) -> bool:
        """True while the client waits with its body, for a response or to be told to send it."""
        return self._expects and not self._early and not self.body_complete

    async def body(self, most: int) -> bytes:
        """Return the body. Raises `Refusal` (too-long) if it has more than `most` bytes."""
        gathered = _Gathered(most)
        if self.length is not None and self.length > most:
            gathered.received(b"\0" * (most + 1))
        else:
            if not self.body_complete:
                self.channel.expect_body()
            self.give_body_to(gathered)
        return await gathered.whole

    def give_body_to(self, sink: BodySink) -> None:
        """Give the body to `sink`, from its beginning; a client that waits for that is told to
        send it."""
        if self._expects and not self.body_complete:
            self._expects = False
            self.channel.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._sink, early = sink, self._early
        self._early = b""
        if early:
            sink.received(early)
        if self.body_complete:
            sink.input_ended()
        elif not self.channel.connection.flow.reasons:
            self.channel.transport.resumeProducing()

    # -- called by the channel -------------------------------------------------------------------

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body. Before anybody wants it, no more is read."""
        if self._sink is not None:
            self._sink.received(data)
        elif not self.finished:
            self._early += data
            self.channel.transport.pauseProducing()

    def requestReceived(self, method: bytes, target: bytes, version: bytes) -> None:
        """The body is complete."""
        self.body_complete = True
        if self._sink is not None:
            self._sink.input_ended()
        self._done()

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self.is_lost = True
        if self._sink is not None:
            self._sink.lost()
        self.when_lost()

    # -- the response ----------------------------------------------------------------------------

    def respond(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        """Send a whole response."""
        self.start(status, headers, len(body))
        if self.method != "HEAD":
            self.write(body)
        self.finish()

    def start(self, status: int, headers: Headers, length: int | None) -> None:
        """Send the head of a response, whose body has `length` bytes; None if that is unknown.

        A response that comes before the whole body of its request ends the connection.
        """
        if self.is_lost:
            return
        self.started = True
        is_head = self.method == "HEAD"
        self._chunked = length is None and not self.is_old and not is_head
        self._keeps_open = self.channel.persistent and self.body_complete
        self._keeps_open = self._keeps_open and (length is not None or self._chunked or is_head)
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        lines = [f"HTTP/1.1 {status} {_PHRASES[status]}", _date(int(time.time()))]
        lines += _header_lines(tuple(pairs))
        if length is not None and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            lines.append(f"Content-Length: {length}")
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        if not self._keeps_open:
            lines.append("Connection: close")
        self._head = "\r\n".join([*lines, "", ""]).encode("latin-1")

    def write(self, data: bytes) -> None:
        """Send a part of the body, with the head if that has not gone yet."""
        due, self._head = self._head + (self._chunk(data) if data else b""), b""
        if due and not self.is_lost:  # a write of nothing is a call of the system, too
            self.channel.transport.write(due)

    def _chunk(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def finish(self) -> None:
        """End the response."""
        if self.finished or self.is_lost:
            return
        self.write(b"")
        if self._chunked:
            self.channel.transport.write(b"0\r\n\r\n")
        self.finished = True
        self._done()

    def _done(self) -> None:
        """Let the channel go on when both sides are through."""
        if not self.finished or self._is_over:
            return
        if not self._keeps_open:
            self._is_over = True
            self.channel.dismiss()
        elif self.body_complete:
            self._is_over = True
            self.channel.requestDone(self)


_PHRASES = {int(it): it.phrase for it in HTTPStatus}


@lru_cache(1)
def _date(seconds: int) -> str:
    return f"Date: {datetimeToString(seconds).decode()}"


@lru_cache(256)
def _header_lines(headers: tuple[tuple[str, str], ...]) -> Iterable[str]:
    """Return headers as lines: all together, because most responses have the same ones. What comes
    from outside may not end a line (RFC 9110, 5.5)."""
    return tuple(f"{name}: {_LINE_ENDS.sub(' ', value)}" for name, value in headers)
