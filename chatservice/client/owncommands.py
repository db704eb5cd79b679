"""The commands that the client has of its own: `/set`, and on a full screen `/go`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class OwnCommand(NamedTuple):
    """A command of the client: its line of help, and `run(rest)`, which gets what is typed behind
    its name, and may raise `Refusal`. `complete(words)` returns the words that may follow."""

    help: str
    complete: Callable[[list[str]], Sequence[str]]
    run: Callable[[str], None]


OWN_COMMANDS = ("set", "go")
"""Their names, which hold no password, so their lines may be remembered."""


def own_command(line: str) -> tuple[str, str] | None:
    """Return the name and the rest of a line with one of them; None for any other line."""
    word, _, rest = line.strip(" ").partition(" ")
    name = word[1:].casefold()
    return (name, rest.strip(" ")) if word[:1] == "/" and name in OWN_COMMANDS else None
