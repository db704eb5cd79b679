"""What a front end is: somewhere to show things, and somewhere that lines come from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from chatservice import answers
from chatservice.client.around import Around
from chatservice.client.cursor import News, Unread
from chatservice.client.progress import Progress
from chatservice.grammar.commands import Request


class InputEnded(Exception):
    """No further line will come."""


class Standing(NamedTuple):
    """How one stands in a room: whether it is the current one, how many entries of others are
    `unread`, and whether one is `mentioned` in them."""

    room: str
    current: bool
    unread: int
    mentioned: bool


class Screen(Protocol):
    """A front end. `interactive` says that a person sits at it, who sees how transfers stand, and
    `asks` that somebody there can be asked; `keys` are lines that tell what keys do there.
    `unwritable` is why nothing can be shown any more, if so it is."""

    interactive: bool
    asks: bool
    unwritable: str | None
    keys: tuple[str, ...]

    def start(self, interrupted: Callable[[], None]) -> None:
        """Begin to take lines. `interrupted` is called for who wants to leave at once."""

    def attend(self, around: Around) -> None:
        """One has come to a server: what there is `around` can be asked for, and shown."""

    def show(self, lines: bytes) -> None:
        """Show lines, as `chatservice.grammar.textformat` makes them."""

    def news(self, news: News) -> None:
        """Show something that happened."""

    def answer(self, it: answers.Reply) -> None:
        """Show an answer to what one asked for."""

    async def line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line; a `hidden` one is not seen while it is typed. With `hold`, the
        question stays until the next one, or `unask`. What is no text is refused there and then.
        Raises `InputEnded`."""

    def unask(self) -> None:
        """A question that was held is dealt with. What was typed behind its answer is dropped: it
        may be the same password once more, which is no talk."""

    def status(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show how the transfers stand at `now` (seconds), and how many more wait their turn."""

    def rooms(self, standings: Sequence[Standing]) -> None:
        """Show which rooms one is in, in the order in which one came there."""

    def switched(self, unread: Unread) -> None:
        """Another room is the current one. What is unread there will be shown next."""

    def said(self, key: str, request: Request, connected: bool) -> None:
        """Something is said with `key`. Without a connection it waits for one."""

    def settled(self, key: str, stored: bool, position: int = 0) -> None:
        """The text with `key` is stored at a position, or refused."""

    async def close(self) -> None:
        """Give the terminal back as it was."""
