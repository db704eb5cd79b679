"""What transfers both ways move on: the server, threads, and a screen that shows how they stand."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool

from chatservice import names
from chatservice.client.progress import Progress
from chatservice.client.unfinished import Claim
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar import textformat

T = TypeVar("T")

STATUS_SECONDS = 0.25

ATTEMPTS = 10
"""How often in a row a transfer goes on from where its connection broke without getting further."""


class Server(Protocol):
    """What transfers need of the server: tickets, and connections to use them on."""

    def ask(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Ask for something on the connection for talk."""

    def connect(self, make: Callable[[], Any]) -> Awaitable[Any]:
        """Connect a protocol that `make` makes, and return it."""


class Display(Protocol):
    """Where it is shown how transfers stand."""

    def show(self, lines: bytes, /) -> None:
        """Show lines, as `chatservice.grammar.textformat` makes them."""

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float, /) -> None:
        """Show how the transfers stand at `now` (seconds), and how many more wait their turn."""


class OtherRoom(Exception):
    """A transfer goes on once one is in its room, and not before. It keeps its `claim`."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(claim)
        self.claim = claim


class Carriage:
    """`count` tells how many transfers there are, with those that wait their turn."""

    def __init__(
        self, reactor: Any, server: Server, screen: Display, count: Callable[[], int]
    ) -> None:
        self.reactor = reactor
        self.ask = server.ask
        self._server = server
        self._screen = screen
        self._count = count
        self._under_way: list[Progress] = []
        self._ticking = LoopingCall(self._show_status)
        self._ticking.clock = reactor

    def in_thread(self, work: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Do something that waits for the disk."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work, *args)

    async def read_in_thread(self, read: Callable[..., T], *args: Any) -> T:
        """Do something that reads long. Its last argument is a list, in which something is put
        when it shall end early."""
        stopped: list[bool] = []
        try:
            return await self.in_thread(read, *args, stopped)
        except CancelledError:
            stopped.append(True)
            raise

    async def carry(self, make: Callable[[], Any], progress: Progress, done: int) -> Any:
        """Let a carrier that `make` makes move what is behind the first `done` bytes, and show how
        far it is. Return its result. Raises `Refusal`, and `Lost` if its connection breaks."""
        progress.begin(done, self.reactor.seconds())
        self._under_way.append(progress)
        if not self._ticking.running:
            self._ticking.start(STATUS_SECONDS)
        carrier = None
        try:
            carrier = await self._server.connect(make)
            return await carrier.begin()
        except CancelledError:
            if carrier is not None:
                carrier.stop()
            raise
        finally:
            self._under_way.remove(progress)
            self._show_status()
            if not self._under_way:
                self._ticking.stop()

    # -- what is shown ---------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """Show a sentence."""
        self._screen.show(textformat.event(Notice(names.clean(text))))

    def tell_going_on(self, it: Progress, done: int) -> None:
        """Show that a transfer goes on behind the first `done` bytes."""
        percent = 100 * done // it.size if it.size else 0
        self.tell(f"going on with {it.name} ({percent}% of {textformat.size(it.size)})")

    def refuse(self, sentence: str) -> None:
        """Show a sentence about something that is not done."""
        self._screen.show(textformat.refusal(Refusal(Code.INCOMPLETE, names.clean(sentence))))

    def _show_status(self) -> None:
        """Show those under way, and how many wait."""
        waiting = self._count() - len(self._under_way)
        self._screen.show_transfers(tuple(self._under_way), waiting, self.reactor.seconds())
