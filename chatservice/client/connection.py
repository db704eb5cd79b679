"""One connection in the JSON dialect: requests out, answers and events in."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from chatservice import answers, limits
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonlines
from chatservice.grammar.commands import COMMANDS, Command, Request

ANSWER_SECONDS = 60.0
"""A server that owes an answer and sends nothing at all for so long is taken to be gone."""

KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""An idle connection whose other side is gone is noticed within two minutes, not two hours."""

STRANGE = "That is not a chat server, or one of another version; check the host and the port."


class Lost(Exception):
    """The connection ended before what was asked for was answered. Its text says why."""


class NotAChat(Lost):
    """It ended because something else than a chat server is at the other end."""


class ChatConnection(LineReceiver, TimeoutMixin):
    """A connection to a server. `on_event` is called with each object that is no answer.

    `gone` is called back, with None, when the connection has ended.
    """

    transport: Any
    delimiter = b"\n"
    MAX_LENGTH = 64 << 20  # an answer may hold a thousand entries of 8 KiB, each escaped

    def __init__(self, clock: Any, on_event: Callable[[answers.Fields], None]) -> None:
        self.gone: Deferred[None] = Deferred()
        self._clock = clock
        self._on_event = on_event
        self._asked: dict[int, tuple[Command, Deferred[Any]]] = {}
        self._ids = 0
        self._why = Lost("The connection broke.")

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
            return fail(self._why)
        self._ids += 1
        command = COMMANDS[name]
        given = {key: value for key, value in args.items() if value is not None}
        try:
            line = jsonlines.asking(Request(command, given, self._ids))
        except UnicodeEncodeError:
            return fail(Refusal(Code.BAD_LINE, "That is not UTF-8; set your terminal to UTF-8."))
        if len(line) > limits.LINE_BYTES:
            sentence = f"A line has at most {limits.LINE_BYTES} bytes; make two of it."
            return fail(Refusal(Code.TOO_LONG, sentence))
        answer: Deferred[Any] = Deferred()
        if not self._asked:
            self.setTimeout(ANSWER_SECONDS)
        self._asked[self._ids] = command, answer
        self.transport.write(line)
        return answer

    def callLater(self, period: float, func: Any) -> Any:
        """What `TimeoutMixin` tells the time by."""
        return self._clock.callLater(period, func)

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes: the other side is alive."""
        self.resetTimeout()
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Take in an object: an answer, or something that happened."""
        try:
            it = jsonlines.load(line)
            kind = it["event"]
        except (Refusal, KeyError):
            self._drop(NotAChat(STRANGE))
            return
        if kind in ("ok", "error") and it.get("id") in self._asked:
            self._answered(it)
        else:
            self._on_event(it)

    def _answered(self, it: answers.Fields) -> None:
        command, waiting = self._asked.pop(it["id"])
        if not self._asked:
            self.setTimeout(None)
        try:
            if it["event"] == "error":
                waiting.errback(Failure(_refusal(it)))
                return
            answer: Any = jsonlines.answer_of(command.answer, it)
        except (KeyError, TypeError, ValueError, AttributeError):
            waiting.errback(Failure(Refusal(Code.SERVER_ERROR, STRANGE)))
            return
        waiting.callback(answer)

    def lineLengthExceeded(self, line: bytes) -> None:
        """End the connection: no server sends such a line."""
        self._drop(NotAChat(STRANGE))

    def timeoutConnection(self) -> None:
        """End a connection on which nothing comes any more."""
        self._drop(Lost("The server does not answer."))

    def _drop(self, why: Lost) -> None:
        self._why = why
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell of the end, then fail what is unanswered."""
        self.connected = 0
        self.setTimeout(None)
        self.gone.callback(None)
        asked, self._asked = self._asked, {}
        for _, answer in asked.values():
            answer.errback(Failure(self._why))


def _refusal(it: answers.Fields) -> Refusal:
    """Return the refusal of an `error` object, also with a code that this version does not know."""
    code = it["code"]
    known = Code(code) if code in set(Code) else Code.SERVER_ERROR
    return Refusal(known, str(it["message"]))
