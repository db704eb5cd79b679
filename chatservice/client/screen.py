"""What a front end is: somewhere to show things, and somewhere that lines come from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from chatservice import replies
from chatservice.client.around import SessionView
from chatservice.client.cursor import News, Unread
from chatservice.client.progress import Progress
from chatservice.grammar.commands import Request


class InputEnded(Exception):
    """No further line will come."""


class RoomStatus(NamedTuple):
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
    can_ask: bool
    write_error: str | None
    key_help: tuple[str, ...]

    def start(self, interrupted: Callable[[], None]) -> None:
        """Begin to take lines. `interrupted` is called for who wants to leave at once."""

    def attach(self, around: SessionView) -> None:
        """One has come to a server: what there is `around` can be asked for, and shown."""

    def show(self, lines: bytes) -> None:
        """Show lines, as `chatservice.grammar.textformat` makes them."""

    def show_item(self, news: News) -> None:
        """Show something that happened."""

    def show_reply(self, it: replies.Reply) -> None:
        """Show an answer to what one asked for."""

    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line; a `hidden` one is not seen while it is typed. With `hold`, the
        question stays until the next one, or `unask`. What is no text is refused there and then.
        Raises `InputEnded`."""

    def end_question(self) -> None:
        """A question that was held is dealt with. What was typed behind its answer is dropped: it
        may be the same password once more, which is no talk."""

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show how the transfers stand at `now` (seconds), and how many more wait their turn."""

    def show_rooms(self, standings: Sequence[RoomStatus]) -> None:
        """Show which rooms one is in, in the order in which one came there."""

    def show_unread(self, unread: Unread) -> None:
        """Another room is the current one. What is unread there will be shown next."""

    def show_pending(self, key: str, request: Request, connected: bool) -> None:
        """Something is said with `key`. Without a connection it waits for one."""

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """The text with `key` is stored at a position, or refused."""

    async def close(self) -> None:
        """Give the terminal back as it was."""
