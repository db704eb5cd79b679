"""The commands of coming and going: to the server and to rooms; and to see who is there."""

from functools import partial

from chatservice import replies
from chatservice.grammar.commandtypes import Alias, Arg, ArgType, Command, Format, Rate, Right
from chatservice.grammar.table.rowparts import (
    AFTER,
    ANY_ROOM,
    IN_ROOM,
    TEXTS,
    creating,
    everywhere,
    for_readers,
)

_moving = partial(everywhere, rates=(Rate.COMMANDS, Rate.JOINS))

ROOM_COMMANDS = (
    Command(
        "hello",
        "logs in; comes first",
        (
            Arg("name", "the user's name"),
            Arg("password", "the password of a registered name, or a token", optional=True),
            Arg("token", "from an earlier `hello`, to take over its session", optional=True),
            Arg("after", "inbox: the entries after this position", ArgType.NUMBER, True),
        ),
        reply=replies.Welcome,
        needs=Right.NOTHING,
        formats=Format.JSON,
        rates=(Rate.COMMANDS, Rate.JOINS),
    ),
    _moving(
        "join",
        "joins a room, by name or by number",
        (
            Arg("room", "its name or number"),
            Arg("password", "its password, if it has one", optional=True),
            Arg(
                "after",
                "send the entries after this position first",
                ArgType.NUMBER,
                True,
                Format.JSON,
            ),
        ),
        (Alias("join [ROOM]"), Alias("-goto ROOM")),
        reply=replies.Joined,
    ),
    creating(
        "create",
        "creates a room and joins it",
        (
            Arg("room", "its name; the server picks one if none is given", optional=True),
            Arg("password", "the password to join it", optional=True),
        ),
        (Alias("create [ROOM]"), Alias("NEW [ROOM]")),
        reply=replies.Created,
    ),
    _moving(
        "leave",
        "leaves a room for good; in text, you are in the lobby then",
        (
            ANY_ROOM,
            Arg("keep", "true to stay a member, and come back", ArgType.FLAG, True, Format.JSON),
            Arg("text", "a last word to those who stay", ArgType.REST, True, Format.JSON),
        ),
    ),
    _moving(
        "exit",
        "goes back to the lobby, and keeps the room; in the lobby, ends the connection",
        aliases=(Alias("exit"),),
        formats=Format.TEXT,
    ),
    Command(
        "rooms",
        "lists the rooms; see /help /rooms",
        (
            Arg("after", "list only rooms with higher numbers", ArgType.POSITION, True),
            Arg(
                "filter",
                "list only rooms that fit all these words: public, hidden, invited, closed, "
                "locked, empty, used; or a name with * in it, as dev-*",
                ArgType.REST,
                True,
            ),
        ),
        reply=replies.RoomList,
    ),
    for_readers(
        "who",
        "lists the users in a room, and its members",
        (ANY_ROOM, AFTER),
        reply=replies.MemberList,
    ),
    for_readers(
        "topic",
        "shows or sets the room's topic",
        (IN_ROOM, Arg("text", "the new topic", ArgType.REST, True, needs=Right.SPEAK)),
        reply=replies.Topic,
        rates=TEXTS,
        changes=True,
    ),
)
