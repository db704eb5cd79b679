"""The answer to `help` over HTTP: the paths of commands, and their fields."""

from collections.abc import Iterable, Iterator

from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Arg, Format
from chatservice.grammar.webroutes import API, READING


def lines(commands: Iterable[str]) -> tuple[str, ...]:
    """Return a line for each of the commands, which are of the JSON format; all about it, if there
    is one only."""
    names = tuple(commands)
    told = [_line(name) for name in names]
    if len(names) == 1:
        told += [f"  {_usage(arg)} - {arg.help}" for arg in _fields(names[0]) if arg.help]
    return tuple(told)


def _line(name: str) -> str:
    method = "GET" if name in READING else "POST"
    fields = "".join(f" {_usage(arg)}" for arg in _fields(name))
    return f"{method} {API}/do/{name}{fields} - {COMMANDS[name].help}"


def _fields(name: str) -> Iterator[Arg]:
    return iter(COMMANDS[name].arguments(Format.JSON))


def _usage(arg: Arg) -> str:
    """Return the name of a field, in brackets if it may be left out."""
    return f"[{arg.name}]" if arg.is_optional(Format.JSON) else arg.name
