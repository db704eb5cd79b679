"""The thread that moves the bytes of transfers between sockets and files.

One is enough for all transfers, and better than many: fewer threads take turns with the reactor's
(docs/performance.md).
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector, SelectorKey
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.engines.sqlite.threads import PoliteThread, joined

PIECE_BYTES = 1 << 18
"""Moved with one call."""

PIECES = 4
"""Moved until the next transfer has its turn."""

_NICE = 10
"""Its niceness, added to the server's."""


class TransferThread:
    """Calls steps of transfers in its thread while their sockets are ready. It gives way to all
    other threads."""

    def __init__(self, reactor: Any, name: str) -> None:
        self.buffer = memoryview(bytearray(PIECE_BYTES))
        self._reactor = reactor
        self._selector = DefaultSelector()
        self._asked: deque[Callable[[], Any]] = deque()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._selector.register(self._woken, EVENT_READ)
        self._thread = PoliteThread(target=self._work, name=name, nice=_NICE)
        self._stopping = self._stopped = False

    def move(self, descriptor: int, event: int, step: Callable[[], Any]) -> "Deferred[Any]":
        """Call `step` whenever a non-blocking socket is ready for `event` (of `selectors`), until
        it returns something else than None. Answer with that, or its error."""
        answer: Deferred[Any] = Deferred()
        if self._thread.ident is None:  # not earlier: a server may fork first
            self._thread.start()
        self._ask(lambda: self._begin(descriptor, event, step, answer))
        return answer

    def hurry(self, descriptor: int) -> None:
        """Call the step of a socket, even if it is not ready: it is to end."""
        self._ask(lambda: self._hurry(descriptor))

    def stop(self) -> None:
        """End the thread. Return when that is done, or takes too long."""
        self._ask(self._stop)
        self._stopping = True
        if self._thread.ident is not None:
            joined([self._thread])
        if not self._thread.is_alive():
            self._selector.close()
            os.close(self._woken)
            os.close(self._wake)

    def _ask(self, job: Callable[[], Any]) -> None:
        if self._stopping:  # the pipe may be closed
            return
        self._asked.append(job)
        with suppress(BlockingIOError):  # it is woken already
            os.write(self._wake, b"\0")

    # -- in the thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stopped:
            self._turn()

    def _stop(self) -> None:
        self._stopped = True

    def _turn(self) -> None:
        for key, _ in self._selector.select():
            if key.fd == self._woken:
                os.read(self._woken, 1 << 16)
                while self._asked:
                    self._asked.popleft()()
            elif self._selector.get_map().get(key.fd) is key:  # it has not ended meanwhile
                self._step(key)

    def _begin(self, descriptor: int, event: int, step: Any, answer: "Deferred[Any]") -> None:
        try:
            key = self._selector.register(descriptor, event, (step, answer))
        except Exception:  # the thread goes on: all transfers need it
            self._reactor.callFromThread(answer.errback, Failure())
        else:
            self._step(key)

    def _hurry(self, descriptor: int) -> None:
        key = self._selector.get_map().get(descriptor)
        if key is not None:
            self._step(key)

    def _step(self, key: SelectorKey) -> None:
        step, answer = key.data
        try:
            result = step()
        except Exception:
            result = Failure()
            result.cleanFailure()
        if result is not None:
            self._selector.unregister(key.fd)
            self._reactor.callFromThread(answer.callback, result)
