"""One connection in the JSON dialect: requests out, answers and events in."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from chatservice import events, limits, names, replies
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonclient, jsonlines
from chatservice.grammar.commands import COMMANDS, Command, Request

ANSWER_SECONDS = 60.0
"""A server that owes an answer and sends nothing at all for so long is taken to be gone."""

KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""An idle connection whose other side is gone is noticed within two minutes, not two hours."""

ANSWER_LINE_BYTES = 64 << 20
"""The longest line while an answer is waited for: a thousand entries of 8 KiB, each escaped."""

EVENT_LINE_BYTES = 256 << 10
"""The longest line of any other time: an entry of 8 KiB, escaped, with room to spare."""

ServerPush = jsonclient.LogEntry | Refusal | events.Event
"""An object that a server sends without being asked."""

NOT_A_CHAT_SERVER = (
    "That is not a chat server, or one of another version; check the host and the port."
)


class Lost(Exception):
    """The connection ended before what was asked for was answered. Its text says why."""


class Dismissed(Lost):
    """The server does not want one back, and one does not come back by oneself."""


class NotAChatServer(Lost):
    """It ended because something else than a chat server is at the other end."""


class BadAnswer(Refusal):
    """An answer of the server's makes no sense."""

    def __init__(self) -> None:
        super().__init__(Code.SERVER_ERROR, NOT_A_CHAT_SERVER)


class JsonConnection(Protocol, TimeoutMixin):
    """A connection to a server. `on_event` is called with what it tells without being asked. An
    object that is not as it should be is passed over, or refused to who asked for it.

    `gone` is called back, with None, when the connection has ended.
    """

    transport: Any

    def __init__(self, clock: Any, on_event: Callable[[ServerPush], None]) -> None:
        self.closed: Deferred[None] = Deferred()
        self._clock = clock
        self._on_event = on_event
        self._pending: dict[int, tuple[Command, Deferred[Any]]] = {}
        self._last_id = 0
        self._end_reason = Lost("The connection broke.")
        self._partial_line = bytearray()  # a line that is not whole yet
        self._dropped = False

    def connectionMade(self) -> None:
        """Keep the connection from being forgotten on the way, and notice when it was."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        plain = getattr(self.transport, "transport", self.transport)  # what is below TLS
        for name, value in KEEP_ALIVE:
            if hasattr(socket, name):
                option = getattr(socket, name)
                plain.getHandle().setsockopt(socket.IPPROTO_TCP, option, value)

    def ask(self, name: str, /, **args: Any) -> "Deferred[Any]":
        """Send a request, leaving out arguments that are None.

        The Deferred gets the answer, of the class that the table of commands tells. It fails with
        `Refusal`, or with `Lost` where the connection ends first.
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
        if len(line) > limits.LINE_BYTES:
            sentence = f"A line has at most {limits.LINE_BYTES} bytes; make two of it."
            return fail(Refusal(Code.TOO_LONG, sentence))
        answer: Deferred[Any] = Deferred()
        if not self._pending:
            self.setTimeout(ANSWER_SECONDS)
        self._pending[self._last_id] = command, answer
        self.transport.write(line)
        return answer

    def callLater(self, period: float, func: Any) -> Any:
        """What `TimeoutMixin` tells the time by."""
        return self._clock.callLater(period, func)

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes: the other side is alive."""
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
        return ANSWER_LINE_BYTES if self._pending else EVENT_LINE_BYTES

    def _line_received(self, line: bytes) -> None:
        """Take in an object: an answer, or something that happened."""
        if len(line) > self._longest_line:
            self._drop(NotAChatServer(NOT_A_CHAT_SERVER))
            return
        if line.startswith(b"! "):  # no more connections than there are, say
            self._drop(Lost(names.one_line(line[2:].decode(errors="replace"))))
            return
        try:
            it = jsonlines.load(line)
            kind = it["event"]
        except (Refusal, KeyError):
            self._drop(NotAChatServer(NOT_A_CHAT_SERVER))
            return
        id_ = it.get("id")
        if kind in ("ok", "error") and type(id_) is int and id_ in self._pending:
            self._answered(id_, it)
            return
        with suppress(jsonclient.MalformedMessage):
            happening = jsonclient.parse_unsolicited(it)
            if happening is not None:
                self._on_event(happening)

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
            waiting.errback(Failure(BadAnswer()))
            return
        waiting.callback(answer)

    def timeoutConnection(self) -> None:
        """End a connection on which nothing comes any more."""
        self._drop(Lost("The server does not answer."))

    def _drop(self, why: Lost) -> None:
        self._end_reason, self._dropped = why, True
        self._partial_line = bytearray()
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell of the end, then fail what is unanswered."""
        self.connected = 0
        self.setTimeout(None)
        self.closed.callback(None)
        asked, self._pending = self._pending, {}
        for _, answer in asked.values():
            answer.errback(Failure(self._end_reason))
