"""The commands of talk: to say something, to be seen, and to read what was said."""

from dataclasses import replace
from functools import partial

from chatservice import replies
from chatservice.entries import Kind
from chatservice.grammar.commandtypes import Alias, Arg, ArgType, Command, Format, Rate, Right
from chatservice.grammar.table.rowparts import (
    IN_ROOM,
    KEY,
    REASON,
    TEXT,
    TEXTS,
    USER,
    everywhere,
    for_readers,
    for_speakers,
)

_ROOM_OR_INBOX = Arg(
    "room",
    "the room; `@` is your inbox, and `@USER` what is between you and that user in it",
    ArgType.INBOX,
    optional=True,
    json_optional=False,
)
"""In the text format, the current room if it is left out."""
_PLACE_TO_SEARCH = replace(
    _ROOM_OR_INBOX,
    help="the room; all rooms that you may read (in JSON, `*`), your inbox (`@`), or what is "
    "between you and a user in it (`@USER`)",
    type=ArgType.PLACES,
)
_ABOUT = Arg(
    "about", "the position of the entry that this replies to", ArgType.NUMBER, True, Format.JSON
)
_NOTICE = Arg("notice", "true for a text that no program answers", ArgType.FLAG, True, Format.JSON)
_ACTION = Arg("action", "true for a text that tells what you do", ArgType.FLAG, True, Format.JSON)
_for_present = partial(Command, needs=Right.PRESENCE)
_talk = partial(for_speakers, reply=replies.Stored, rates=(Rate.LINES,))

TALK_COMMANDS = (
    _talk(
        "say",
        "says a line, which may begin with a slash",
        (IN_ROOM, TEXT, _NOTICE, KEY, _ABOUT),
        talk=Kind.MESSAGE,
    ),
    _talk(
        "reply",
        "replies to entry #ABOUT; /history shows the positions",
        (Arg("about", "the position of the entry", ArgType.POSITION), TEXT),
        talk=Kind.MESSAGE,
        formats=Format.TEXT,
    ),
    _talk(
        "me",
        "says what you do: ~ alice waves",
        (IN_ROOM, Arg("text", "what you do", ArgType.REST), KEY),
        talk=Kind.ACTION,
    ),
    Command(
        "msg",
        "writes to one user; a registered user may be away",
        (Arg("to", "the user"), TEXT, _NOTICE, _ACTION, KEY),
        (Alias("@TO TEXT"), Alias("-pr TO TEXT")),
        reply=replies.PrivateSent,
        rates=TEXTS,
    ),
    Command(
        "seen",
        "tells if a user is here, or when they last were; off hides that of you",
        (
            Arg(
                "show",
                "off: others do not see when you were here last; on: they do",
                ArgType.SWITCH,
                True,
                needs=Right.ACCOUNT,
                choices=("on", "off"),
            ),
            Arg("user", "the user, or @ and the user; you, if none is named", optional=True),
        ),
        reply=replies.Seen,
    ),
    Command("away", "sets you away, with a reason; without one, you are back", (REASON,)),
    Command(
        "typing",
        "tells a room that you are typing, or asks to be told who is",
        (
            Arg("room", "the room in which you are typing", optional=True, needs=Right.SPEAK),
            Arg("show", "whether this connection is told who is typing", ArgType.FLAG, True),
        ),
        formats=Format.JSON,
        room_token=True,
    ),
    everywhere("ignore", "hides what a user says from this connection; again: shows it", (USER,)),
    for_readers(
        "history",
        "shows what was said, here or with @USER",
        (
            _ROOM_OR_INBOX,
            Arg("after", "show the first entries after this position", ArgType.POSITION, True),
            Arg(
                "before",
                "show the last entries before this position",
                ArgType.NUMBER,
                True,
                Format.JSON,
            ),
            Arg("limit", "at most so many (20; never more than 1000)", ArgType.NUMBER, True),
            Arg(
                "annotations",
                "true: all entries, as `join` with `after` gives them",
                ArgType.FLAG,
                True,
                Format.JSON,
            ),
        ),
        reply=replies.History,
        elsewhere=r"@\S*",
    ),
    for_readers(
        "search",
        'finds entries here, in all rooms or your inbox, by words, "in a row", or begin*',
        (
            _PLACE_TO_SEARCH,
            Arg(
                "text",
                "the words, in any case; and from:USER, in:ROOM, has:file, before: or after: with "
                "a date, or a time such as 7d",
                ArgType.REST,
            ),
            Arg("before", "show entries before this position", ArgType.NUMBER, True, Format.JSON),
            Arg(
                "limit",
                "at most so many (20; never more than 100)",
                ArgType.NUMBER,
                True,
                Format.JSON,
            ),
        ),
        reply=replies.SearchMatches,
        elsewhere=r"\*|@\S*",
    ),
    Command(
        "unread",
        "lists the rooms with unread entries, or shows those of ROOM; #POSITION makes it unread",
        (
            Arg(
                "position",
                "the first entry here that is to be unread again",
                ArgType.POSITION,
                True,
            ),
            Arg("room", "only this room; `@` is the inbox", optional=True),
        ),
        reply=replies.UnreadList,
        room_token=True,
    ),
    Command(
        "read",
        "moves the read position in a room that you keep forward",
        (
            Arg("room", "the room; `@` is the inbox"),
            Arg("position", "the last entry that was read", ArgType.POSITION),
        ),
        reply=replies.ReadMark,
        formats=Format.JSON,
        room_token=True,
        changes=True,
    ),
    _for_present("skip", "jumps to the newest entry, if you are far behind", (IN_ROOM,)),
)
