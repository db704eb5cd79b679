"""The table of commands. All formats, dispatch, `/help`, clients and docs/protocol.md use it."""

import difflib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from chatservice.grammar.commandtypes import Command, Format
from chatservice.grammar.table.account_commands import ACCOUNT_COMMANDS
from chatservice.grammar.table.annotation_commands import ANNOTATION_COMMANDS
from chatservice.grammar.table.file_commands import FILE_COMMANDS
from chatservice.grammar.table.moderation_commands import MODERATION_COMMANDS
from chatservice.grammar.table.operator_commands import OPERATOR_COMMANDS
from chatservice.grammar.table.room_commands import ROOM_COMMANDS
from chatservice.grammar.table.talk_commands import TALK_COMMANDS

_ROWS = (
    *ROOM_COMMANDS,
    *TALK_COMMANDS,
    *FILE_COMMANDS,
    *ANNOTATION_COMMANDS,
    *MODERATION_COMMANDS,
    *OPERATOR_COMMANDS,
    *ACCOUNT_COMMANDS,
)

COMMANDS: Mapping[str, Command] = MappingProxyType({row.name: row for row in _ROWS})
"""Every command, by name."""

SAY = COMMANDS["say"]

MayUse = Callable[[Command], bool]
"""Returns whether the user may use a command now."""


def closest_command(name: str, format_: Format, may: MayUse) -> str | None:
    """Return the name of the command closest to `name` that the user may use; None if none is
    close."""
    known = [row.name for row in _ROWS if row.formats & format_]
    near = difflib.get_close_matches(name.casefold()[:32], known, n=len(known), cutoff=0.6)
    return next((it for it in near if may(COMMANDS[it])), None)


def without_slashes(help_: str) -> str:
    """Return a description with its commands in quotation marks, for formats without slash
    commands: `its position, as "history" shows it`."""
    return _SLASHED.sub(r'"\1"', help_.replace("/help /", "/help "))


_SLASHED = re.compile(rf"(?<![\w/.])/((?:help )?(?:{'|'.join(COMMANDS)}))\b")
