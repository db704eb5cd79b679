"""The commands of moderators and owners of rooms, and those that show what they did."""

from functools import partial

from chatservice import replies
from chatservice.grammar.commandtypes import Arg, ArgType, Command, Right
from chatservice.grammar.table.rowparts import IN_ROOM, REASON, USER, for_moderators, for_readers

_TIME = Arg("time", "for how long; for good if none is given", ArgType.TIME, True)
_for_owners = partial(Command, needs=Right.OWN, changes=True)

MODERATION_COMMANDS = (
    for_moderators(
        "kick",
        "puts a user out of the room; in the lobby, off the server",
        (IN_ROOM, USER, REASON),
    ),
    for_moderators(
        "ban",
        "keeps a user, or an address or a range of them, out of the room",
        (IN_ROOM, Arg("user", "the user, or a range as 10.1.0.0/16"), _TIME, REASON),
    ),
    for_moderators(
        "unban", "ends a ban", (IN_ROOM, Arg("user", "the user or range, as /rules shows it"))
    ),
    for_moderators(
        "mute", "keeps a user from speaking in the room", (IN_ROOM, USER, _TIME, REASON)
    ),
    for_moderators("unmute", "lets a muted user speak again", (IN_ROOM, USER)),
    for_moderators("freeze", "lets only moderators speak in the room", (IN_ROOM,)),
    for_moderators("unfreeze", "lets everybody in it speak again", (IN_ROOM,)),
    for_moderators(
        "slow",
        "sets the time between two messages of a user; 0 ends slow mode",
        (IN_ROOM, Arg("seconds", "from one message to the next; at most 3600", ArgType.NUMBER)),
    ),
    for_moderators("invite", "lets a user in without a password, and tells them", (IN_ROOM, USER)),
    for_moderators("uninvite", "takes an invitation back", (IN_ROOM, USER)),
    _for_owners("op", "makes a user a moderator of the room", (IN_ROOM, USER)),
    _for_owners("deop", "makes a moderator a user again", (IN_ROOM, USER)),
    _for_owners(
        "owner", "gives the room to a registered user", (IN_ROOM, USER), password_only=True
    ),
    _for_owners(
        "access",
        "sets who may join: everybody (public, or hidden from /rooms) or invited users; and a "
        "password",
        (
            IN_ROOM,
            Arg("access", "public, hidden or invited", choices=("public", "hidden", "invited")),
            Arg("password", "the password to join; none if it is left out", optional=True),
        ),
    ),
    _for_owners(
        "close",
        "closes the room: everybody is put out, and all in it is kept; /access opens it again",
        (IN_ROOM,),
    ),
    for_readers(
        "rules",
        "shows the room's owner, moderators and rules",
        (IN_ROOM,),
        reply=replies.RoomRules,
    ),
    Command(
        "record",
        "shows what moderators did in the room",
        (IN_ROOM, Arg("limit", "at most so many (20; never more than 100)", ArgType.NUMBER, True)),
        reply=replies.ModerationLog,
        needs=Right.MODERATE,
    ),
)
