"""A whole server in this process, without threads and sockets, on a clock that tests control. It
takes hundreds of streams a second."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from chatservice.domain.chat import Chat
from chatservice.engines.sqlite import argon2, engine
from chatservice.engines.sqlite.longjobs import JobScheduler, finished
from chatservice.engines.sqlite.threads import BackgroundPool
from chatservice.eventloop import ReactorLoop
from chatservice.limits import Limits
from chatservice.protocols.factory import ChatFactory
from chatservice.testing import StallingTransport
from tests.harm.checks import (
    BEGINS_AS_IRC,
    HTTP,
    check_http,
    check_irc,
    check_json,
    check_text,
    steering,
    without_telnet,
)
from tests.harm.watched import AS_FAST, quickly

MEMORY = Path("/dev/shm")
"""A folder in memory: nothing here has to last."""


class InProcessServer:
    """A server with the rooms lobby and lab, and a reader in the lobby."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.failures: list[str] = []
        self.logged: list[str] = []
        self._patches = [
            patch.object(BackgroundPool, "do", lambda pool, job, *args: execute(job, *args)),
            patch.object(JobScheduler, "do", lambda turns, job, last=False: execute(finished, job)),
            patch.object(argon2.HashProcess, "ask", quickly),
        ]
        for it in self._patches:
            it.start()
        data, limits = Path(self._folder.name), Limits(**AS_FAST)
        self._engine = engine.SqliteEngine(self.clock, data, data / "SharedFiles", limits=limits)
        loop = ReactorLoop(self.clock)
        self.chat = Chat(self._engine, self.clock.seconds, loop, self._report, limits=limits)
        self.factory = ChatFactory(self.clock, limits=limits)
        self.factory.chat = self.chat
        assert Deferred.fromCoroutine(self.chat.open(["lab"])).called
        globalLogPublisher.addObserver(self._observe)
        self.anna = self.connect()
        self.anna.send(b"anna\n")
        self.settle()

    def _report(self, format_: str, **fields: Any) -> None:
        self.logged.append(format_.format(**fields))

    def _observe(self, event: Any) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.error:
            failure = event.get("log_failure")
            self.failures.append(failure.getTraceback() if failure is not None else str(event))

    def connect(self) -> StallingTransport:
        """Connect a client."""
        return StallingTransport(self.factory.buildProtocol(None), self.clock)

    def settle(self) -> None:
        """Run until nothing is left to do at once, or in a moment."""
        for _ in range(40):
            self.clock.advance(0.02)

    def close(self) -> None:
        """Stop, and delete everything."""
        globalLogPublisher.removeObserver(self._observe)
        for connection in tuple(self.factory.connections):
            connection.transport.cut()
        self.settle()
        Deferred.fromCoroutine(self._engine.stop())
        for it in self._patches:
            it.stop()
        self._folder.cleanup()

    def drive(self, pieces: Iterable[bytes], before: bytes = b"") -> bytes:
        """Send bytes on a new connection, check the effects, and return the reply."""
        wire = self.connect()
        if before:
            wire.send(before)
            self.settle()
        for piece in pieces:
            wire.send(piece)
            self.clock.advance(0)
        wire.end()
        for _ in range(10):
            self.settle()
            if not wire.open:
                break
        else:
            self.clock.advance(100)
            self.settle()
        assert not wire.open, "the connection does not end"
        assert not self.failures, self.failures[0]
        self.check(wire.received)
        return wire.received

    def check(self, answer: bytes) -> None:
        """Check all output: the answer is lines of one format or a file, others read lines of their
        own format, and the log has only lines of the server."""
        for line in self.logged:
            assert not steering(line), ascii(line)
            assert "\n" not in line, ascii(line)
        check_text(self.anna.received)
        self.logged, self.anna.received = [], b""
        answer = without_telnet(FILE.split(answer)[0])
        if not answer.startswith(b"\x15\x03"):  # TLS's own refusal
            if answer.startswith(HTTP):
                check_http(answer)
            elif answer.startswith(BEGINS_AS_IRC):
                check_irc(answer)
            else:
                (check_json if answer.startswith(b"{") else check_text)(answer)


FILE = re.compile(rb"^= [1-9][0-9]* [0-9a-f]{64} ", re.MULTILINE)
"""The beginnings of lines before a file's bytes, which may be anything."""
