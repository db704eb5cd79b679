"""The table of commands as a module of JavaScript, for lines that are typed into the page."""

import json
from typing import Any

from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Arg, ArgType, Command, Format, Right


def module() -> bytes:
    """Return the module. It exports `TYPES`, the types of arguments by name, and `TABLE`, the
    commands by name: their usage, what they do, whether they are about the current room, and the
    arguments that are typed."""
    types = {it.name: _type(it) for it in ArgType}
    table = {it.name: _command(it) for it in COMMANDS.values() if it.formats & Format.JSON}
    lines = (
        f"export const {name} = {json.dumps(value)};\n"
        for name, value in (("TYPES", types), ("TABLE", table))
    )
    return "".join(lines).encode()


def _type(it: ArgType) -> dict[str, Any]:
    return {
        "pattern": it.pattern.pattern,
        "mark": it.mark,
        "greedy": it.greedy,
        "json": it.json_type.__name__,
    }


def _command(it: Command) -> dict[str, Any]:
    typed = [arg for arg in it.arguments(Format.JSON) if arg.formats & Format.TEXT]
    operators = " (operators)" if it.needs is Right.OPERATE else ""
    return {
        "usage": " ".join(arg.usage for arg in typed),
        "help": it.help + operators,
        "here": any(arg.name == "room" and arg not in typed for arg in it.args),
        "args": [_arg(arg) for arg in typed],
    }


def _arg(it: Arg) -> dict[str, Any]:
    return {
        "name": it.name,
        "type": it.type.name,
        "optional": it.optional,
    }
