"""What a front end is: somewhere to show lines, and somewhere that lines come from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from chatservice.client.cursor import Unread
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
    """A front end. `interactive` says that a person sits at it, who sees how transfers stand."""

    interactive: bool

    def start(self, interrupted: Callable[[], None]) -> None:
        """Begin to take lines. `interrupted` is called for who wants to leave at once."""

    def show(self, lines: bytes) -> None:
        """Show lines, as `chatservice.grammar.shown` makes them."""

    async def line(self, prompt: str = "", hidden: bool = False) -> str:
        """Return the next line; a `hidden` one is not seen while it is typed. What is no text is
        refused there and then. Raises `InputEnded`."""

    def status(self, text: str) -> None:
        """Show how the transfers stand; nothing for an empty text."""

    def rooms(self, standings: Sequence[Standing]) -> None:
        """Show which rooms one is in, in the order in which one came there."""

    def switched(self, unread: Unread) -> None:
        """Another room is the current one. What is unread there will be shown next."""

    def said(self, key: str, request: Request, connected: bool) -> None:
        """Something is said, and stands on the screen. Without a connection it waits for one."""

    def settled(self, key: str, stored: bool) -> None:
        """What was said with `key` is stored, or refused."""

    async def close(self) -> None:
        """Give the terminal back as it was."""
