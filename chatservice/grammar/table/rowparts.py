"""The arguments and the kinds of rows that several groups of commands use."""

from functools import partial

from chatservice.grammar.commandtypes import Arg, ArgType, Command, Format, Rate, Right

IN_ROOM = Arg("room", "the room", formats=Format.JSON)
"""The room of a command that means the current room in the text format."""
ANY_ROOM = Arg(
    "room",
    "the room; in text, the current one if none is named",
    optional=True,
    json_optional=False,
)
USER = Arg("user", "the user")
REASON = Arg("text", "the reason", ArgType.REST, True)
TEXT = Arg("text", "the text", ArgType.REST)
AFTER = Arg("after", "list only names after this one", optional=True, formats=Format.JSON)
KEY = Arg(
    "key",
    "chosen by the client; a request repeated with the same key is done once",
    optional=True,
    formats=Format.JSON,
)
ACCOUNT = Arg("name", "the registered name")
TEXTS = (Rate.COMMANDS, Rate.LINES)

for_readers = partial(Command, needs=Right.READ)
for_speakers = partial(Command, needs=Right.SPEAK, changes=True)
for_moderators = partial(Command, needs=Right.MODERATE, changes=True)
everywhere = partial(Command, room_token=True)
creating = partial(Command, rates=(Rate.COMMANDS, Rate.JOINS, Rate.CREATIONS))
