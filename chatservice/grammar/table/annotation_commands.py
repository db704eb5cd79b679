"""The commands about entries that are there: edits, reactions, pins; and erasing."""

from chatservice import replies
from chatservice.grammar.commandtypes import Arg, ArgType, Command, Right
from chatservice.grammar.table.rowparts import (
    IN_ROOM,
    KEY,
    TEXTS,
    for_moderators,
    for_readers,
    for_speakers,
)

_ENTRY = Arg("position", "its position, as /history shows it", ArgType.POSITION)

ANNOTATION_COMMANDS = (
    for_speakers(
        "edit",
        "gives what you said last, or your entry #POSITION, another text",
        (
            IN_ROOM,
            Arg("position", "its position, as /history shows it", ArgType.POSITION, True),
            Arg("text", "the new text", ArgType.REST),
            KEY,
        ),
        reply=replies.Annotated,
        rates=TEXTS,
    ),
    for_speakers(
        "react",
        "reacts to entry #POSITION with an emoji or a word; again: takes that back",
        (
            IN_ROOM,
            _ENTRY,
            Arg("word", "an emoji, or a word of at most 40 bytes"),
            KEY,
        ),
        reply=replies.Annotated,
        rates=TEXTS,
    ),
    for_moderators("pin", "pins entry #POSITION", (IN_ROOM, _ENTRY, KEY), reply=replies.Annotated),
    for_moderators(
        "unpin",
        "takes the pin off entry #POSITION",
        (IN_ROOM, _ENTRY, KEY),
        reply=replies.Annotated,
    ),
    for_readers("pins", "shows the pinned entries", (IN_ROOM,), reply=replies.PinList),
    Command(
        "edits",
        "shows the former texts of entry #POSITION",
        (IN_ROOM, _ENTRY),
        reply=replies.EditList,
        needs=Right.MODERATE,
    ),
    for_readers(
        "erase",
        "erases what you said last, or entry #POSITION; moderators erase anybody's; @: your inbox",
        (
            Arg(
                "room",
                "the room; `@` is your inbox",
                ArgType.INBOX,
                optional=True,
                json_optional=False,
            ),
            Arg("position", "its position, as /history shows it", ArgType.POSITION, True),
        ),
        reply=replies.Erased,
        changes=True,
        elsewhere=r"@\S*",
    ),
)
