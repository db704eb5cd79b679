"""The ports to an event loop, which runs what the domain does later."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Promise(Protocol[T]):
    """An awaitable that gets its result later, such as Twisted's `Deferred`."""

    def callback(self, result: T) -> None:
        """Give the result."""

    def errback(self, fail: Exception) -> None:
        """Give an exception instead of a result."""

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result."""


class EventLoop(Protocol):
    """The event loop, as far as the domain needs one."""

    def call_soon(self, call: Callable[[], object]) -> None:
        """Call a function in the next turn, after all sockets that are ready are read."""

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call a function after some seconds."""

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine, without waiting for it."""

    def promise(self) -> Promise[Any]:
        """Return a new promise."""

    def failed(self, what: str) -> None:
        """Log the exception that is being handled."""
