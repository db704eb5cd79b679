"""One thread that does one job after another, and answers in the reactor's."""

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.python.failure import Failure

T = TypeVar("T")


class WorkThread:
    """Jobs are done in the order in which they are given; `reactor` is told of the results.

    Until `start` is called they are done at once: while a program starts, nobody waits for it, and
    what it finds wrong can still end it.
    """

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Deferred[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """From now on, do the jobs in the thread."""
        self._thread.start()

    def do(self, job: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Do `job(*args)` there; answer with what it returns or raises."""
        if self._thread.ident is None:
            return execute(job, *args)
        answer: Deferred[T] = Deferred()
        self._jobs.put((lambda: job(*args), answer))
        return answer

    def stop(self) -> None:
        """Do what was given so far, then end. Returns when that is done."""
        if self._thread.ident is not None:
            self._jobs.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (todo := self._jobs.get()) is not None:
            job, answer = todo
            try:
                result = job()
            except BaseException:
                failure = Failure()
                failure.cleanFailure()
                self._reactor.callFromThread(answer.errback, failure)
            else:
                self._reactor.callFromThread(answer.callback, result)
