"""The encoder of IRC: entries and events to messages, made once for each set of capabilities.

A room is a channel: `lab` is `#lab`. Only what is the same for all readers is encoded here. Three
things differ: private messages, whose target is the reader's nick; who quits or is renamed, which a
reader is told once, however many rooms they share; and what tells a reader about themselves.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple

from chatservice import events
from chatservice.entries import Entry, Kind, Run
from chatservice.errors import NAME_NEEDED, Message, Sentences
from chatservice.grammar.irc import LINE_BYTES, cut, render, render_tags, with_tag
from chatservice.grammar.ircnumerics import Numeric
from chatservice.grammar.irctexts import pieces, split_text
from chatservice.grammar.jsonlines import time as rfc3339
from chatservice.grammar.textformat import duration, size, stamp
from chatservice.grammar.webroutes import file_path
from chatservice.names import one_line

SERVER = "server"
"""The source of the server's own messages. It is a reserved name, so no user looks like it."""

USER_AT_HOST = "~u@chat"
"""The user and host of everybody: a client's own ones are nobody's business here."""

CHANNEL = "#"
"""The sign before a room's name."""


class IrcCapability:
    """The names of the capabilities (https://ircv3.net/irc/) that a client may ask for."""

    ACCOUNT_NOTIFY = "account-notify"
    ACCOUNT_TAG = "account-tag"
    AWAY_NOTIFY = "away-notify"
    BATCH = "batch"
    CAP_NOTIFY = "cap-notify"
    CHATHISTORY = "draft/chathistory"
    ECHO_MESSAGE = "echo-message"
    EVENT_PLAYBACK = "draft/event-playback"
    EXTENDED_MONITOR = "extended-monitor"
    EXTENDED_JOIN = "extended-join"
    INVITE_NOTIFY = "invite-notify"
    LABELED_RESPONSE = "labeled-response"
    MESSAGE_REDACTION = "draft/message-redaction"
    MESSAGE_TAGS = "message-tags"
    MULTILINE = "draft/multiline"
    MULTI_PREFIX = "multi-prefix"
    READ_MARKER = "draft/read-marker"
    REGISTRATION = "draft/account-registration"
    SASL = "sasl"
    SERVER_TIME = "server-time"
    SETNAME = "setname"
    STANDARD_REPLIES = "standard-replies"
    USERHOST_IN_NAMES = "userhost-in-names"


Caps = IrcCapability

OF_ENTRIES = frozenset(
    {
        *(Caps.ACCOUNT_TAG, Caps.BATCH, Caps.MESSAGE_REDACTION, Caps.MESSAGE_TAGS),
        *(Caps.MULTILINE, Caps.SERVER_TIME),
    }
)
"""The capabilities that may change how an entry is encoded."""

BOT_MODE = "B"
"""The user mode of bots, and their flag in WHO (https://ircv3.net/specs/extensions/bot-mode)."""

BOT_TAG = "bot"
"""The tag of what a bot sends (https://ircv3.net/specs/extensions/bot-mode)."""

CONCAT = "draft/multiline-concat"
"""The tag of a line that goes on the one before it."""


def entry_caps(caps: frozenset[str]) -> frozenset[str]:
    """Return those of the capabilities that change how an entry is encoded."""
    caps &= OF_ENTRIES
    if {Caps.BATCH, Caps.MULTILINE} <= caps:
        return caps
    return caps - {Caps.BATCH, Caps.MULTILINE}


OF_EVENTS = frozenset(
    {
        *(Caps.ACCOUNT_NOTIFY, Caps.AWAY_NOTIFY, Caps.EXTENDED_JOIN, Caps.EXTENDED_MONITOR),
        *(Caps.INVITE_NOTIFY, Caps.MESSAGE_TAGS),
    }
)
"""The capabilities that change how an event is encoded."""

SENTENCES: Sentences = {NAME_NEEDED: "Register with NICK and USER first."}
"""The sentences that IRC has of its own."""


COMMANDS: Mapping[str, str] = {
    "create": "/join",
    "join {name}": "/join #{name}",
    "join {room} PASSWORD": "/join #{room} PASSWORD",
    "leave": "/part",
    "login": "/msg NickServ IDENTIFY PASSWORD",
    "login {name} PASSWORD": "/msg NickServ IDENTIFY {name} PASSWORD",
    "nick": "/nick",
    "quit": "/quit",
    "register": "/msg NickServ REGISTER PASSWORD",
    "rooms": "/list",
    "rules": "/names",
    "who": "/who",
}
"""The commands in sentences, and what users of IRC clients type for them."""


def sentence(text: str) -> str:
    """Return a sentence in one line, with its commands as users of IRC type them. Those that IRC
    does not have stand in quotation marks."""
    return one_line(text.worded(_typed, SENTENCES) if isinstance(text, Message) else text)


def _typed(command: str) -> str:
    return COMMANDS.get(command) or f'"{command}"'


def source(name: str) -> str:
    """Return the source of a user's messages."""
    return f"{name}!{USER_AT_HOST}"


def channel(room: str) -> str:
    """Return the channel of a room."""
    return CHANNEL + room


def message_id(log: str, position: int) -> str:
    """Return the id of an entry (https://ircv3.net/specs/extensions/message-ids): its log and its
    position."""
    return f"{log}-{position}"


def parse_message_id(text: str) -> tuple[str, int] | None:
    """Return the log and the position of an entry by its id, or None."""
    log, dash, position = text.rpartition("-")
    if not dash or not (position.isascii() and position.isdecimal()) or len(position) > 18:
        return None
    return log, int(position)


def parse_time(text: str) -> int | None:
    """Return the milliseconds since 1970 of a time as `server-time` has it, or None."""
    try:
        moment = datetime.fromisoformat(text[:_TIME])
        return round(moment.timestamp() * 1000) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


_TIME = 40
"""Characters of a time: more than any form of ISO 8601 has."""


# -- entries -------------------------------------------------------------------------------------


class _Line(NamedTuple):
    """A message about an entry: its `command`, and its `text` behind the target. `tags` are those
    of this entry alone."""

    command: str
    text: str
    tags: tuple[tuple[str, str], ...] = ()


def _no_bots(name: str) -> bool:
    return False


class IrcStyle(NamedTuple):
    """The look of lines for a client: its capabilities, `caps`; with the address of the server's
    HTTP, `web`, a shared file has a link. `is_bot` returns whether the user of a name is a bot."""

    caps: frozenset[str] = frozenset()
    web: str = ""
    is_bot: Callable[[str], bool] = _no_bots

    def of_entries(self) -> "IrcStyle":
        """Return the style with only what changes how an entry is encoded."""
        return self._replace(caps=entry_caps(self.caps))

    def of_inbox(self, registered: bool) -> "IrcStyle":
        """Return the style for an inbox. Only a `registered` user can fetch a file from it by HTTP,
        which takes a password, so only they get links."""
        return self if registered else self._replace(web="")

    def of_events(self) -> "IrcStyle":
        """Return the style with only what changes how an event is encoded."""
        return self._replace(caps=self.caps & OF_EVENTS, web="")


def encode_run(style: IrcStyle, target: str, past: bool, first: int, it: Run, log: str) -> bytes:
    """Encode a run of entries of a `log` (`IrcStyle.of_entries`). `target` is the nick of an
    inbox's reader. Entries of the `past` begin with their time if no tag tells it."""
    to = _target(it, log, target)
    head = f":{it.who}!{USER_AT_HOST} "
    if it.kind == Kind.MESSAGE and not (it.about or past or "\n" in "".join(it.texts)):
        start = f"{head}PRIVMSG {to} :"
        if 4 * max(map(len, it.texts)) <= LINE_BYTES - len(start.encode()):
            return _plain(style, start, first, it, log)
    return "".join(
        f"{tags}{head}{line}\r\n"
        for position, entry in it.entries(first)
        for tags, line in _lines(style, to, past, position, entry, log, len(head.encode()))
    ).encode()


def _target(it: Run, log: str, reader: str) -> str:
    if log != "@":
        return channel(log)
    return it.to or reader


def _plain(style: IrcStyle, start: str, first: int, it: Run, log: str) -> bytes:
    """Encode short texts of one line each. What they share is made once."""
    shared = render_tags(_shared_tags(style, it.time, it.who, it.registered))[1:]
    if Caps.MESSAGE_TAGS not in style.caps:
        start = f"@{shared}{start}" if shared else start
        lines = f"\r\n{start}".join(it.texts)
        return f"{start}{lines}\r\n".encode()
    shared = f";{shared}{start}" if shared else f" {start}"
    return "".join(
        f"@msgid={log}-{position}{shared}{text}\r\n"
        for position, text in enumerate(it.texts, first)
    ).encode()


def _shared_tags(
    style: IrcStyle, time: int, who: str, registered: bool
) -> Iterator[tuple[str, str]]:
    """Iterate over the tags that all entries of a run have."""
    if Caps.SERVER_TIME in style.caps:
        yield "time", rfc3339(time)
    if registered and Caps.ACCOUNT_TAG in style.caps:
        yield "account", who
    if Caps.MESSAGE_TAGS in style.caps and style.is_bot(who):
        yield BOT_TAG, ""


def _lines(
    style: IrcStyle, to: str, past: bool, position: int, it: Entry, log: str, head: int
) -> Iterator[tuple[str, str]]:
    """Iterate over the messages of an entry, each with its tags before it. The first one has the
    entry's id."""
    caps = style.caps
    tagged = Caps.MESSAGE_TAGS in caps
    tags = list(_shared_tags(style, it.time, it.who, it.registered))
    more = render_tags(tags)
    if tagged:
        tags.insert(0, ("msgid", message_id(log, position)))
    before = ""
    if past and Caps.SERVER_TIME not in caps:
        before = stamp(it.time, position)
    redacts = Caps.MESSAGE_REDACTION in caps and not past
    for at, line in enumerate(_of_entry(it, log, tagged, style.web)):
        if redacts and it.kind == Kind.ERASED:
            yield render_tags(tags), f"REDACT {to} {message_id(log, int(it.text))}"
            continue
        if line.command == "TOPIC" and not past:
            yield render_tags(tags), cut(f"TOPIC {to} :{line.text}", LINE_BYTES - head)
            continue
        if line.command == "TAGMSG":
            yield render_tags([*tags, *line.tags]), render("", "TAGMSG", to)
            continue
        own = render_tags([*tags, *(line.tags if tagged else ())]) if not at else more
        if Caps.MULTILINE in caps and line.command in ("PRIVMSG", "NOTICE"):
            yield from _in_batch(own, position, line, before, to, head)
        else:
            yield from _said(own, more, line, before, to, head)


def _in_batch(
    own: str, position: int, line: _Line, before: str, to: str, head: int
) -> Iterator[tuple[str, str]]:
    """Iterate over the messages of a text: one, or a batch of them, each of which tells if it goes
    on the one before it (https://ircv3.net/specs/extensions/multiline)."""
    start = f"{line.command} {to} :"
    most = LINE_BYTES - head - len(start.encode())
    rows = [list(pieces(row, most)) for row in (before + line.text).split("\n")]
    if len(rows) == len(rows[0]) == 1:
        yield own, f"{start}{rows[0][0]}"
        return
    yield own, f"BATCH +{position} {Caps.MULTILINE} {to}"
    for row in rows:
        for at, piece in enumerate(row):
            concat = f";{CONCAT}" if at else ""
            yield f"@batch={position}{concat} ", f"{start}{piece}"
    yield "", f"BATCH -{position}"


def _said(
    own: str, more: str, line: _Line, before: str, to: str, head: int
) -> Iterator[tuple[str, str]]:
    """Iterate over the messages of a text, which is split where it is too long for one."""
    is_action = line.command == "ACTION"
    command = _CARRIERS.get(line.command, line.command)
    start = f"{command} {to} :"
    around = len("\x01ACTION \x01") if is_action else 0
    most = LINE_BYTES - head - len(start.encode()) - around
    for piece in split_text(before + line.text, most):
        yield own, f"{start}\x01ACTION {piece}\x01" if is_action else f"{start}{piece}"
        own = more


_CARRIERS: Mapping[str, str] = {"ACTION": "PRIVMSG", "TOPIC": "NOTICE"}
"""The messages that carry actions, and topics of the past."""


def _of_entry(it: Entry, log: str, tagged: bool, web: str) -> Iterator[_Line]:
    """Iterate over the messages of an entry, without their source and target."""
    reply = (("+draft/reply", message_id(log, it.about)),) if it.about else ()
    if it.kind in _TALK:
        text = it.text
        if it.quote is not None and not tagged:
            text = f"{it.quote.who}: {text}"
        yield _Line(_TALK[it.kind], text, reply)
    elif it.kind == Kind.EDIT:
        yield _Line("PRIVMSG", f"* {it.text}", reply)
    elif it.kind == Kind.TOPIC:
        yield _Line("TOPIC", it.text)
    elif it.kind == Kind.REACTION and tagged:
        yield _Line("TAGMSG", "", (("+draft/react", it.text), *reply))
    elif it.kind == Kind.REACTION_REMOVED and tagged:
        yield _Line("TAGMSG", "", (("+draft/unreact", it.text), *reply))
    elif it.file is not None:
        version = f", version {it.file.version}" if it.file.version > 1 else ""
        shared = f"{it.file.name} ({size(it.file.size)}{version})"
        where = "sent you" if log == "@" and it.kind != Kind.SENT_FILE else "shared"
        link = f": {web}{file_path(log, it.file.name)}" if web and it.kind == Kind.FILE else ""
        yield _Line("NOTICE", f"* {where} {shared}{link}")
    elif it.kind in _DONE and not (it.kind == Kind.GONE and it.about):
        of = f'#{it.about} "{it.quote.text}"' if it.quote is not None else f"#{it.about}"
        yield _Line("NOTICE", _DONE[it.kind].format(it.text, of))


_TALK: Mapping[str, str] = {
    Kind.MESSAGE: "PRIVMSG",
    Kind.PRIVATE: "PRIVMSG",
    Kind.SENT: "PRIVMSG",
    Kind.ACTION: "ACTION",
    Kind.SENT_ACTION: "ACTION",
    Kind.NOTICE: "NOTICE",
    Kind.SENT_NOTICE: "NOTICE",
}

_DONE: Mapping[str, str] = {
    Kind.REACTION: "* reacted with {0} to {1}",
    Kind.REACTION_REMOVED: "* took {0} off {1}",
    Kind.PINNED: "* pinned {1}",
    Kind.UNPINNED: "* took the pin off {1}",
    Kind.REMOVED: "* removed the file {0}",
    Kind.ERASED: "* erased #{0}",
    Kind.GONE: "* (this was erased)",
}
"""Notices that stand for what IRC has no message for. No program answers a notice."""


# -- events --------------------------------------------------------------------------------------


def encode_event(style: IrcStyle, it: events.Event) -> bytes:
    """Encode an event (`IrcStyle.of_events`); empty for one that such clients are not told."""
    lines = event_lines(style.caps, it)
    who = getattr(it, "who", "")
    if who and Caps.MESSAGE_TAGS in style.caps and style.is_bot(who):
        by_user = f":{source(who)} "
        lines = [with_tag(line, BOT_TAG) if by_user in line else line for line in lines]
    return b"".join(f"{line}\r\n".encode() for line in lines)


def event_lines(caps: Collection[str], it: events.Event) -> Iterable[str]:
    """Return the messages of an event."""
    match it:
        case events.UserAway(room="") | events.UserRegistered(room="") if (
            Caps.EXTENDED_MONITOR not in caps
        ):
            return []
        case events.UserRealName(watched=True) if Caps.EXTENDED_MONITOR not in caps:
            return []
        case events.UserRealName(who=who, text=text):
            return [render(source(who), "SETNAME", text)]
        case events.UserJoined(room=room, who=who, registered=registered, real_name=real_name):
            came = [join_line(caps, who, room, registered, real_name)]
            return (
                [*came, render(SERVER, "MODE", channel(room), "+o", who)] if it.moderator else came
            )
        case events.UserLeft(reason=events.LeaveReason.OUT, room=room, who=who, by=by, text=why):
            return [render(source(by) if by else SERVER, "KICK", channel(room), who, why or "out")]
        case events.UserLeft(reason=events.LeaveReason.QUIT, who=who, text=last):
            return [render(source(who), "QUIT", last)]
        case events.UserLeft(room=room, who=who, text=last):
            return [render(source(who), "PART", channel(room), *filter(None, (last,)))]
        case events.UserRenamed(who=who, name=name):
            return [render(source(who), "NICK", name)]
        case events.UserAway(who=who, text=text) if Caps.AWAY_NOTIFY in caps:
            return [render(source(who), "AWAY", *filter(None, (text,)))]
        case events.UserRegistered(who=who) if Caps.ACCOUNT_NOTIFY in caps:
            return [render(source(who), "ACCOUNT", who)]
        case events.UserTyping(room=room, who=who) if Caps.MESSAGE_TAGS in caps:
            return ["@+typing=active " + render(source(who), "TAGMSG", channel(room))]
        case events.UserWatched(who=who, here=True):
            return [render(SERVER, Numeric.MONONLINE, "*", source(who))]
        case events.UserWatched(who=who):
            return [render(SERVER, Numeric.MONOFFLINE, "*", who)]
        case events.Invited(room=room, who=who, user=user):
            return [render(source(who), "INVITE", user, channel(room))]
        case events.Moderated():
            return _moderated(caps, it)
        case events.Notice(text=text, end=end) if end:
            return [render("", "ERROR", sentence(text))]
        case events.Notice(text=text):
            return [render(SERVER, "NOTICE", "*", sentence(text))]
    return []


def join_line(caps: Collection[str], who: str, room: str, registered: bool, real_name: str) -> str:
    """Return the message of a user who comes into a room. An empty real name is the nick."""
    account = who if registered else "*"
    more = (account, real_name or who) if Caps.EXTENDED_JOIN in caps else ()
    return render(source(who), "JOIN", channel(room), *more)


def _moderated(caps: Collection[str], it: events.Moderated) -> Iterable[str]:
    """Return what a moderator did, as changes of modes. A user who is put out is told of when they
    leave."""
    where, by = channel(it.room), source(it.who)
    if it.what == "invite":
        return [render(by, "INVITE", it.user, where)] if Caps.INVITE_NOTIFY in caps else []
    if it.what == "access":
        return [render(by, "MODE", where, *access_modes(*it.text.partition(" ")[::2]))]
    if it.what == "slow":
        every = duration(int(it.text)) if it.text.isdecimal() and int(it.text[:9]) else "any time"
        return [render(by, "NOTICE", where, f"* lets everybody speak once in {every}")]
    if it.what in _MODES:
        mode, mask = _MODES[it.what]
        return [render(by, "MODE", where, mode, *filter(None, (mask(it.user),)))]
    return []


def access_modes(access: str, more: str) -> tuple[str, ...]:
    """Return the modes of a room's `access`; `more` tells of a password."""
    on, off = list[str](), list[str]()
    for mode, is_on in (("i", access == "invited"), ("s", access != "public"), ("k", bool(more))):
        (on if is_on else off).append(mode)
    modes = (f"+{''.join(on)}" if on else "") + (f"-{''.join(off)}" if off else "")
    return (modes, *("*" for mode in (*on, *off) if mode == "k"))


def ban_mask(whom: str) -> str:
    """Return the mask of a ban of a user, or of a range of addresses."""
    return f"*!*@{whom}" if "/" in whom else f"{whom}!*@*"


_MODES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "op": ("+o", str),
    "deop": ("-o", str),
    "owner": ("+o", str),
    "ban": ("+b", ban_mask),
    "unban": ("-b", ban_mask),
    "mute": ("+b", lambda user: f"m:{ban_mask(user)}"),
    "unmute": ("-b", lambda user: f"m:{ban_mask(user)}"),
    "freeze": ("+m", lambda user: ""),
    "unfreeze": ("-m", lambda user: ""),
    "close": ("+is", lambda user: ""),
}


Encode = Callable[[int, Run, str], bytes]
Encoders = tuple[Encode, Encode]
"""The encoders of live entries and of those of the past."""


def room_encoders(style: IrcStyle) -> Encoders:
    """Return the encoders of rooms' entries: the same objects for equal styles, so that a block
    keeps their bytes once."""
    return _encoders(style.of_entries())


@lru_cache(maxsize=64)
def _encoders(style: IrcStyle) -> Encoders:
    return partial(encode_run, style, "", False), partial(encode_run, style, "", True)


def event_encoder(style: IrcStyle) -> Callable[[events.Event], bytes]:
    """Return the encoder of events, one for equal styles."""
    return _event_encoder(style.of_events())


@lru_cache(maxsize=64)
def _event_encoder(style: IrcStyle) -> Callable[[events.Event], bytes]:
    return partial(encode_event, style)
