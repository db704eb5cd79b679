"""Long jobs in time slices: a piece of this, a piece of that; each can be stopped.

A job is a generator that yields after each piece: some MiB that were read, some hundred files that
were looked at. The next piece is always of the job with the least time so far. So short jobs
overtake long ones, and a server that stops waits for one piece.
"""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.engines.sqlite.threads import PoliteThread, joined
from chatservice.errors import Code, Refusal

T = TypeVar("T")

Job = Generator[float, None, T]
"""Something that takes long. It yields how many seconds it is to rest at least, and returns what
came of it."""

THREADS = 2
"""At work at once: one can wait for the disk while another one uses a core."""


@dataclass(eq=False)
class _ScheduledJob:
    """A job under way: `spent` seconds so far, and resting until `ready`. A job that is to run only
    if no other one is ready has spent all time."""

    job: Job[Any]
    answer: "Deferred[Any]"
    spent: float
    ready: float = 0.0


class JobScheduler:
    """Threads for long jobs, with low priority; `reactor` gets the results."""

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._waiting: list[_ScheduledJob] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._threads = [
            PoliteThread(target=self._work, name=f"{name}-{number}") for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def do(self, job: Job[T], last: bool = False) -> "Deferred[T]":
        """Run a job; answer with its result, or its error. Fails with `Refusal` (not-stored) if the
        server stops before that.

        A job that nobody waits for should be a `last` one. Otherwise many short ones, one after
        another, would overtake all longer ones.
        """
        answer: Deferred[T] = Deferred()
        with self._changed:
            if not self._stopped:
                self._waiting.append(_ScheduledJob(job, answer, inf if last else 0.0))
                self._changed.notify()
                return answer
        answer.errback(_stopping())
        return answer

    def stop(self) -> None:
        """End the jobs after the present piece. Return when that is done, or takes too long."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        joined(self._threads)
        for turn in self._waiting:
            turn.job.close()
            turn.answer.errback(_stopping())
        self._waiting.clear()

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            began = time.monotonic()
            try:
                rest = next(turn.job)
            except StopIteration as ended:
                self._reactor.callFromThread(turn.answer.callback, ended.value)
            except BaseException:
                failure = Failure()
                failure.cleanFailure()
                self._reactor.callFromThread(turn.answer.errback, failure)
            else:
                now = time.monotonic()
                turn.spent += now - began
                turn.ready = now + rest
                with self._changed:
                    self._waiting.append(turn)
            del turn  # or what it was about is kept until there is something else to do

    def _next(self) -> _ScheduledJob | None:
        """Wait for the next turn, and take it. None once all is to stop."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                ready = [turn for turn in self._waiting if turn.ready <= now]
                if ready:
                    turn = min(ready, key=lambda it: it.spent)
                    self._waiting.remove(turn)
                    return turn
                soonest = min((it.ready for it in self._waiting), default=None)
                self._changed.wait(None if soonest is None else soonest - now)
            return None


def _stopping() -> Failure:
    return Failure(Refusal(Code.NOT_STORED, "The server is stopping; come back later."))


def finished(job: Job[T], wanted: Callable[[], object] = lambda: None) -> T:
    """Do all of a job at once, and return what came of it. `wanted` is called before each piece; an
    error that it raises ends the job."""
    while True:
        wanted()
        try:
            next(job)
        except StopIteration as ended:
            found: T = ended.value
            return found
