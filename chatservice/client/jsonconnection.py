"""One connection in the JSON lines format: requests out, replies and events in."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from chatservice import events, names, replies
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonclient, jsonlines
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Command, Request

REPLY_SECONDS = 60.0
"""A server that owes a reply and sends nothing for so long is considered dead."""

KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""TCP options that detect a dead peer within two minutes, not two hours."""

REPLY_LINE_BYTES = 64 << 20
"""The longest line while a reply is due: a thousand entries of 8 KiB, escaped."""

EVENT_LINE_BYTES = 256 << 10
"""The longest line at other times: an entry of 8 KiB, escaped, with room to spare."""

ServerPush = jsonclient.LogEntry | Refusal | events.Event
"""An object that the server sends without a request."""

NOT_A_CHAT_SERVER = (
    "That is not a chat server, or one of another version; check the host and the port."
)


class Lost(Exception):
    """The connection ended before a request was answered. The text says why."""


class Dismissed(Lost):
    """The server ended the session for good, so the client does not reconnect."""


class NotAChatServer(Lost):
    """The other end is not a chat server."""


class BadReply(Refusal):
    """A reply of the server is malformed."""

    def __init__(self) -> None:
        super().__init__(Code.SERVER_ERROR, NOT_A_CHAT_SERVER)


class JsonConnection(Protocol, TimeoutMixin):
    """A connection to a server. `on_push` gets the objects that the server sends without a request.
    Malformed objects are dropped; a malformed reply fails its request with `BadReply`.

    `closed` is called back, with None, when the connection has ended.
    """

    transport: Any

    def __init__(self, clock: Any, on_push: Callable[[ServerPush], None]) -> None:
        self.closed: Deferred[None] = Deferred()
        self.callLater = clock.callLater  # type: ignore[method-assign]  # for TimeoutMixin
        self._on_push = on_push
        self._pending: dict[int, tuple[Command, Deferred[Any]]] = {}
        self._last_id = 0
        self._end_reason = Lost("The connection broke.")
        self._partial_line = bytearray()
        self._has_spoken_json = self._dropped = False

    def connectionMade(self) -> None:
        """Switch TCP keep-alive on, so that a dead peer is detected."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        plain = getattr(self.transport, "transport", self.transport)  # below TLS
        for name, value in KEEP_ALIVE:
            if hasattr(socket, name):
                option = getattr(socket, name)
                plain.getHandle().setsockopt(socket.IPPROTO_TCP, option, value)

    def ask(self, name: str, /, **args: Any) -> "Deferred[Any]":
        """Send a request, leaving out arguments that are None.

        The Deferred gets the reply, of the class in the table of commands. It fails with
        `Refusal`, or with `Lost` if the connection ends first.
        """
        if not self.connected:
            return fail(self._end_reason)
        self._last_id += 1
        command = COMMANDS[name]
        given = {key: value for key, value in args.items() if value is not None}
        try:
            line = jsonclient.encode_request(Request(command, given, self._last_id))
        except UnicodeEncodeError:
            return fail(Refusal(Code.BAD_LINE, "That is not UTF-8; set your terminal to UTF-8."))
        if len(line) > names.LINE_BYTES:
            sentence = f"A line has at most {names.LINE_BYTES} bytes; make two of it."
            return fail(Refusal(Code.TOO_LONG, sentence))
        answer: Deferred[Any] = Deferred()
        if not self._pending:
            self.setTimeout(REPLY_SECONDS)
        self._pending[self._last_id] = command, answer
        self.transport.write(line)
        return answer

    def dataReceived(self, data: bytes) -> None:
        """Split bytes into lines, and take each."""
        if self._dropped:
            return
        self.resetTimeout()
        *lines, rest = data.split(b"\n")
        for line in lines:
            begun, self._partial_line = self._partial_line, bytearray()
            self._line_received(bytes(begun) + line if begun else line)
            if self._dropped:
                return
        self._partial_line += rest
        if len(self._partial_line) > self._longest_line:
            self._drop(NotAChatServer(NOT_A_CHAT_SERVER))

    @property
    def _longest_line(self) -> int:
        return REPLY_LINE_BYTES if self._pending else EVENT_LINE_BYTES

    def _line_received(self, line: bytes) -> None:
        if len(line) > self._longest_line:
            self._drop(NotAChatServer(NOT_A_CHAT_SERVER))
        elif line.startswith(b"! "):  # a refusal in the text format: too many connections, say
            self._drop(Lost(names.one_line(line[2:].decode(errors="replace"))))
        elif not line.startswith(b"* ") or self._has_spoken_json:  # a late client is greeted
            try:
                it = jsonlines.load(line)
                kind = it["event"]
            except (Refusal, KeyError):
                self._drop(NotAChatServer(NOT_A_CHAT_SERVER))
            else:
                self._has_spoken_json = True
                self._object_received(kind, it)

    def _object_received(self, kind: Any, it: replies.Fields) -> None:
        """Take a JSON object: a reply or a push."""
        id_ = it.get("id")
        if kind in ("ok", "error") and type(id_) is int and id_ in self._pending:
            self._answered(id_, it)
            return
        with suppress(jsonclient.MalformedMessage):
            pushed = jsonclient.parse_unsolicited(it)
            if pushed is not None:
                self._on_push(pushed)

    def _answered(self, id_: int, it: replies.Fields) -> None:
        command, waiting = self._pending.pop(id_)
        if not self._pending:
            self.setTimeout(None)
        try:
            if it["event"] == "error":
                waiting.errback(Failure(jsonclient.parse_refusal(it)))
                return
            answer: Any = jsonclient.parse_reply(command.reply, it)
        except jsonclient.MalformedMessage:
            waiting.errback(Failure(BadReply()))
            return
        waiting.callback(answer)

    def timeoutConnection(self) -> None:
        """End a connection whose server is silent."""
        self._drop(Lost("The server does not answer."))

    def _drop(self, why: Lost) -> None:
        self._end_reason, self._dropped = why, True
        self._partial_line = bytearray()
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Call `closed` back, then fail the requests that have no reply."""
        self.connected = 0
        self.setTimeout(None)
        self.closed.callback(None)
        asked, self._pending = self._pending, {}
        for _, answer in asked.values():
            answer.errback(Failure(self._end_reason))
