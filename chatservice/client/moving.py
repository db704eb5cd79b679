"""Files both ways for a program: what it asks for, as often as it asks, and nothing by itself."""

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from chatservice.client.carriage import Carriage, Server
from chatservice.client.downloads import Downloads
from chatservice.client.progress import Progress
from chatservice.client.unfinished import Claim, Transfer
from chatservice.client.uploads import Uploads
from chatservice.errors import Code, Refusal

T = TypeVar("T")


class Moving:
    """The transfers of a program. `told` takes sentences for a person, `progress` lines that tell
    how the transfers stand."""

    def __init__(
        self,
        reactor: Any,
        server: Server,
        told: Callable[[str], None],
        progress: Callable[[str], None],
    ) -> None:
        self._jobs: set[Deferred[Any]] = set()
        carriage = Carriage(reactor, server, _Display(told, progress), lambda: 0)
        self._uploads = Uploads(carriage, _NotRemembered(), lambda: ("", ""))
        self._downloads = Downloads(carriage, _NotRemembered(), lambda: ("", ""))

    async def send(self, path: Path, room: str, to: str | None) -> None:
        """Send the file at `path` to a room, or to one user only. Raises `Refusal`, and `Lost`."""
        await self._uploads.send(path, room, to)

    async def fetch(self, folder: Path, room: str, name: str) -> Path:
        """Receive a file of a room's shelf (`@`: one's own) into `folder`, and return where it is.
        Raises `Refusal`, and `Lost`."""
        place = await self._downloads.fetch(folder, room, name, or_inbox=False)
        if place is None:
            raise Refusal(Code.TOO_MANY, f"{name} is on its way already; wait for it.")
        return place

    def begin(self, work: Coroutine[Any, Any, T]) -> "Deferred[T]":
        """Do something that ends when `stop` is called."""
        job = Deferred.fromCoroutine(work)
        self._jobs.add(job)
        job.addBoth(lambda result: self._ended(job, result))
        return job

    def _ended(self, job: "Deferred[T]", result: Any) -> Any:
        self._jobs.discard(job)
        return result

    def stop(self) -> None:
        """End what is under way. What came of it is found when it is asked for again."""
        for job in tuple(self._jobs):
            job.cancel()


class _Display:
    """What transfers tell, without the marks that lines on a screen have."""

    def __init__(self, told: Callable[[str], None], progress: Callable[[str], None]) -> None:
        self._told = told
        self._progress = progress

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Tell how the transfers stand: a line for each."""
        self._progress("\n".join(it.line(now) for it in under_way))

    def show(self, lines: bytes) -> None:
        """Tell sentences, one a line."""
        for line in lines.decode().splitlines():
            self._told(line.removeprefix("* ").removeprefix("! "))


class _NotRemembered:
    """No transfer goes on by itself: what was begun goes on when it is asked for again."""

    def remember(self, it: Transfer) -> Claim:
        """Return the right to carry it."""
        return Claim(it)
