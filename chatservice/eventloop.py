"""Twisted's reactor as the event loop of the domain: the port `EventLoop`."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatservice.errors import Refusal


class ReactorLoop:
    """The event loop of a Twisted `reactor`."""

    log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def call_soon(self, call: Callable[[], object]) -> None:
        """Call something in the next pass of the reactor."""
        self._reactor.callLater(0, call)

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call something after so many seconds."""
        self._reactor.callLater(seconds, call)

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine; it handles its own exceptions."""
        Deferred.fromCoroutine(work).addErrback(lambda why: self.log.failure("work failed", why))

    def promise(self) -> "Deferred[Any]":
        """Return something to await, which gets its result later."""
        return Deferred()

    def failed(self, what: str) -> None:
        """Log the exception that is being handled; of a refusal, its sentence."""
        error = sys.exc_info()[1]
        if isinstance(error, Refusal):
            self.log.critical("{what}: {why}", what=what, why=error.sentence)
        else:
            self.log.failure("{what}", what=what)
