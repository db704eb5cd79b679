"""What a front end is: somewhere to show lines, and somewhere that lines come from."""

from collections.abc import Callable
from typing import Protocol


class InputEnded(Exception):
    """No further line will come."""


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

    async def close(self) -> None:
        """Give the terminal back as it was."""
