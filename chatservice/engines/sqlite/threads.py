"""Threads that do what the reactor's must not wait for, and answer in the reactor's."""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from chatservice.limits import Limits

T = TypeVar("T")

BACKGROUND_NICE = 5
"""Added to the niceness of threads that can wait: where they share a core with the reactor's, talk
goes first (docs/performance.md)."""


STOP_SECONDS = 10.0
"""A server that stops waits so long for its threads that are at files. A piece of their work takes
a twentieth of a second, and what they wait for on a slow disk some seconds; a file system that is
dead (a network that went, say) never answers."""

_log = Logger()


def joined(threads: Sequence[threading.Thread]) -> None:
    """Wait until threads have ended, but not for ever: the log names those that do not end, and
    they go with the process."""
    until = time.monotonic() + STOP_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = [thread.name for thread in threads if thread.is_alive()]
    if late:
        tell_late(", ".join(late))


def tell_late(threads: str) -> None:
    """Let the log tell of threads that are not waited for any longer."""
    _log.warn("a disk does not answer, so the server ends without it ({late})", late=threads)


class PoliteThread(threading.Thread):
    """A thread that takes what the others leave of the processor, and ends with the process."""

    def __init__(self, *args: Any, nice: int = BACKGROUND_NICE, **named: Any) -> None:
        super().__init__(*args, daemon=True, **named)
        self._nice = nice

    def run(self) -> None:
        """Lower the priority, and work."""
        with suppress(OSError, AttributeError):  # only Linux has a niceness a thread (sched(7))
            niceness = os.getpriority(os.PRIO_PROCESS, os.getpid())
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(niceness + self._nice, 19))
        super().run()


class BackgroundPool:
    """Threads for jobs on files. They give way to all others."""

    def __init__(self, reactor: Any, name: str, most: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, most, name)
        make: Any = PoliteThread
        self._pool.threadFactory = make
        self._pool.start()

    def do(self, job: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run `job(*args)` in one of them; answer with its result, or its error."""
        return deferToThreadPool(self._reactor, self._pool, job, *args)

    def stop(self) -> None:
        """Finish the jobs given so far, then end. Return when that is done, or takes too long."""
        ending = threading.Thread(target=self._pool.stop, name=self._pool.name, daemon=True)
        ending.start()
        joined([ending])


class WorkerThread:
    """A thread that runs jobs in the order in which they are given; `reactor` gets the results. A
    `background` thread has low priority. Using a result can take as long as finding it: with
    `by_turns`, a turn of the reactor gets only as many as it has time for.

    Until `start` is called, jobs run at once: while a program starts nobody waits for it, and an
    error can still end it.
    """

    def __init__(
        self,
        reactor: Any,
        name: str,
        background: bool = False,
        by_turns: Limits | None = None,
    ) -> None:
        self._reactor = reactor
        self._by_turns = by_turns
        self._told: deque[Callable[[], None]] = deque()
        self._turn_over = True
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Deferred[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._dropping = False
        make: Any = PoliteThread if background else partial(threading.Thread, daemon=True)
        self._thread: threading.Thread = make(target=self._work, name=name)

    def start(self) -> None:
        """From now on, do the jobs in the thread."""
        self._thread.start()

    def do(self, job: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run `job(*args)` there; answer with its result, or its error."""
        if self._thread.ident is None:
            return execute(job, *args)
        answer: Deferred[T] = Deferred()
        self._jobs.put((lambda: job(*args), answer))
        return answer

    def stop(self, drop: bool = False) -> None:
        """Finish the jobs given so far, then end. Return when that is done. With `drop`, only the
        present job finishes, and the others never run."""
        self._dropping = drop
        if self._thread.ident is not None:
            self._jobs.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (todo := self._jobs.get()) is not None:
            if not self._dropping:
                self._do(*todo)
            del todo  # or what it was about is kept until there is something else to do

    def _do(self, job: Callable[[], Any], answer: "Deferred[Any]") -> None:
        try:
            result = job()
        except BaseException:
            failure = Failure()
            failure.cleanFailure()
            self._reactor.callFromThread(self._tell, partial(answer.errback, failure))
        else:
            self._reactor.callFromThread(self._tell, partial(answer.callback, result))

    # -- in the reactor's thread -----------------------------------------------------------------

    def _tell(self, result: Callable[[], None]) -> None:
        if self._by_turns is None:
            result()
            return
        self._told.append(result)
        if self._turn_over:
            self._next()

    def _next(self) -> None:
        """Tell of some results, one of them come what may, and of the others in the next turn."""
        self._turn_over = not self._told
        until = time.monotonic() + (self._by_turns.turn_seconds if self._by_turns else 0.0)
        while self._told:
            self._told.popleft()()
            if time.monotonic() >= until:
                break
        if not self._turn_over:
            self._reactor.callLater(0, self._next)
