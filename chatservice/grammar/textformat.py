"""The encoder of the text format: entries, events and replies to lines for people.

The server's own lines begin with `* `, refusals with `! `, files' bytes with `= `, replayed history
with `[`. No name begins with these (`chatservice.names`), so no user can forge such a line.
"""

import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from chatservice import events, replies
from chatservice.entries import Entry, FileMark, Kind, ReactionCount, Run
from chatservice.errors import NAME_NEEDED, Code, Message, Refusal, Sentences
from chatservice.grammar.commandtypes import ALL_ROOMS
from chatservice.names import one_line

_NEEDS_QUOTES = re.compile(r'^[ "]| $| [#+]?[0-9]+$')

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """Return a number of bytes in words, in powers of 1000 (IEC 80000-13): `1.5 MB`."""
    if count == 1:
        return "1 byte"
    value, unit = float(count), 0
    while value >= 999.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def counted(count: int, what: str) -> str:
    """Return a number of things in words: `1 file`, `2 files`."""
    return f"{count} {what}" + ("" if count == 1 else "s")


def run(first: int, it: Run, log: str) -> bytes:
    """Encode a run of entries. `log` is the room's name, or `@` for an inbox."""
    if it.kind not in _TALK:
        return _lines(_news(it, log))
    if it.about:
        return _lines(line for _, entry in it.entries(first) for line in _said(entry, log))
    return _prefixed(_prefix(it, log), it.texts)


def replayed(first: int, it: Run, log: str) -> bytes:
    """Encode a run of past entries: each line begins with its time and position."""
    return _lines(line for pair in it.entries(first) for line in replayed_entry(*pair, log))


Fetch = Callable[[str, str], str]
"""Tells how to get a file, by the log of its entry and its name."""


def replayed_entry(
    position: int, it: Entry, log: str, room: str = "", fetch: Fetch | None = None
) -> list[str]:
    """Return the lines of a past entry. With a `room`, it is among those of other rooms. `fetch`
    tells how to get a file, where that is not `/get`."""
    stamped = stamp(it.time, position, room)
    lines = _said(it, log) if it.kind in _TALK else _news(it.as_run(), log, fetch)
    if told := state_text(it):
        lines.append(f"* {told}")
    return [stamped + line for line in lines]


def state_text(it: Entry) -> str:
    """Return what stands below an entry of the history: `pinned, +1 2 (alice, bob)`; mostly
    nothing."""
    if it.state is None:
        return ""
    told = ["pinned"] if it.state.pinned else []
    return ", ".join([*told, *map(_reactions, it.state.reactions)])


def _reactions(it: ReactionCount) -> str:
    left = it.total - len(it.names)
    more = f" and {left} more" if left and it.names else ""
    return f"{it.word} {it.total}" + (f" ({', '.join(it.names)}{more})" if it.names else "")


def _said(it: Entry, log: str) -> list[str]:
    """Return the lines of an entry that is talk. The first one tells what it is about."""
    alone, (long, short) = it.as_run(), notes(it)
    first, *more = it.text.split("\n")
    prefix = _prefix(alone, log, short)
    return [_prefix(alone, log, long) + first, *(prefix + line for line in more)]


def notes(it: Entry) -> tuple[str, str]:
    """Return what stands behind the name of the user who said it: ` (to bob #7 "hello", edited)`;
    and the same for its second and later lines, without a quote. Both are empty for most entries.
    """
    if it.kind == Kind.EDIT:
        return (f" (edited #{it.about})",) * 2
    told, short = [], []
    if it.about:
        short.append(f"to #{it.about}")
        told.append(f'to {it.quote.who} #{it.about} "{it.quote.text}"' if it.quote else short[0])
    if it.state is not None and it.state.edit:
        told.append("edited")
    return _in_brackets(told), _in_brackets(short)


def _in_brackets(notes_: Sequence[str]) -> str:
    return f" ({', '.join(notes_)})" if notes_ else ""


_TALK: Mapping[str, str] = {
    Kind.MESSAGE: "{}: ",
    Kind.PRIVATE: "{} -> you: ",
    Kind.ACTION: "~ {} ",
    Kind.NOTICE: "-{}- ",
    Kind.EDIT: "{}: ",
    Kind.SENT: "{} -> {}: ",
    Kind.SENT_ACTION: "~ {} -> {}: ",
    Kind.SENT_NOTICE: "-{} -> {}- ",
}
"""The prefix of each line of talk. That of a sent message begins with the sender's own name, which
nobody else has."""


_PRIVATE_TALK: Mapping[str, str] = {Kind.ACTION: "~ {} -> you: ", Kind.NOTICE: "-{} -> you- "}
"""The prefixes of kinds that rooms have, too, in an inbox."""


def _prefix(it: Run, log: str, notes_: str = "") -> str:
    forms = _PRIVATE_TALK if log == "@" and it.kind in _PRIVATE_TALK else _TALK
    form = forms[it.kind]
    return form.format(it.who + notes_, it.to)


def _prefixed(prefix: str, texts: Sequence[str]) -> bytes:
    """Put `prefix` before each line of each text, so that no line looks like another user's."""
    start = "\n" + prefix
    lines = start.join(texts)
    if lines.count("\n") >= len(texts):  # a text of several lines: programs can say such
        lines = "\n".join(texts).replace("\n", start)
    return f"{prefix}{lines}\n".encode()


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _typed_get(log: str, name: str) -> str:
    return f"/get {quoted_name(('@/' if log == '@' else '') + name)}"


def _news(it: Run, log: str, fetch: Fetch | None = None) -> list[str]:
    """Return the lines of an entry that is no talk."""
    if it.file is not None:
        did = "sent you" if log == "@" else "shared"
        version = f", version #{it.file.version}" if it.file.version > 1 else ""
        file = f"{it.file.name} ({size(it.file.size)}{version})"
        if it.kind == Kind.SENT_FILE:  # the sender has no copy of the file to get
            return [f"* {it.who} sent {it.to} {file}"]
        return [f"* {it.who} {did} {file}: {(fetch or _typed_get)(log, it.file.name)}"]
    if it.kind in _ANNOTATED:
        of = f'#{it.about} "{it.quote.text}"' if it.quote is not None else f"#{it.about}"
        return [_ANNOTATED[it.kind].format(it.who, text, of) for text in it.texts]
    if it.kind == Kind.GONE and it.about:
        return []  # an edit, which was erased with the entry that it is about
    return [line for text in it.texts for line in _action(it.kind, it.who, text).split("\n")]


_ANNOTATED: Mapping[str, str] = {
    Kind.REACTION: "* {}: {} on {}",
    Kind.REACTION_REMOVED: "* {}: {} taken off {}",
    Kind.PINNED: "* {0} pinned {2}",
    Kind.UNPINNED: "* {0} took the pin off {2}",
}


def _action(kind: str, who: str, text: str) -> str:
    if kind == Kind.TOPIC:
        return f"* {who} set the topic: {text}" if text else f"* {who} removed the topic"
    if kind == Kind.REMOVED:
        return f"* {who} removed the file {text}"
    if kind == Kind.ERASED:
        return f"* {who} erased #{text}"
    if kind == Kind.GONE:
        return f"* what {who} said was erased"
    return "* " + f"{who}: {text}".replace("\n", "\n* ")


def quoted_name(name: str) -> str:
    """Return a file's name as an argument of `/get`: in quotes if it needs them."""
    return f'"{name}"' if _NEEDS_QUOTES.search(name) else name


@lru_cache(maxsize=256)  # everybody in the room is told the same
def event(it: events.Event) -> bytes:
    """Encode an event. People are not told who is away, which `/who` and `/msg` show, nor who
    types or registers, nor what they have read."""
    match it:
        case events.UserAway() | events.UserTyping() | events.ReadMoved() | events.UserWatched():
            return b""
        case events.UserRegistered() | events.UserRealName():
            return b""
        case events.UserJoined(who=who):
            text = f"{who} came in"
        case events.UserLeft(who=who, reason=events.LeaveReason.OUT):
            text = f"{who} was put out"
        case events.UserLeft(who=who, text=last):
            text = f"{who} left" + (f" ({last})" if last else "")
        case events.UserRenamed(who=who, name=name):
            text = f"{who} is now called {name}"
        case events.Moderated(who=who, what=what, user=user, text=why):
            text = f"{who} {_moderated(what, user, why)}"
        case events.PutOut(room=room, what="leave"):
            text = f"You are out of {room}: you left it on another connection"
        case events.PutOut(room=room, who=who, text=why):
            text = f"You are out of {room}, because of {who}" + (f": {why}" if why else "")
        case events.Notice(text=told):
            text = sentence(told)
    return f"* {text}\n".encode()


def _moderated(what: str, user: str, why: str) -> str:
    """Return what a moderator did, in words. A newer server may send actions unknown here."""
    if what == "slow" and why.isdecimal() and len(why) <= _SLOW_DIGITS:
        return _SLOW.format(duration(int(why))) if int(why) else "lets everybody speak at any time"
    if what == "access":
        access, _, more = why.partition(" ")
        return " ".join(filter(None, (_ACCESS_SET.get(access, f"made the room {access}"), more)))
    did = _MODERATED[what].format(user=user) if what in _MODERATED else f"{what} {user}".rstrip()
    return f"{did} {why}" if why.startswith("for ") else ": ".join(filter(None, (did, why)))


_MODERATED = {
    "kick": "put {user} out",
    "ban": "banned {user}",
    "unban": "lets {user} in again",
    "mute": "muted {user}",
    "unmute": "lets {user} speak again",
    "freeze": "lets only moderators speak",
    "unfreeze": "lets everybody speak again",
    "invite": "invited {user}",
    "uninvite": "withdrew the invitation of {user}",
    "op": "made {user} a moderator",
    "deop": "ended the moderator rights of {user}",
    "owner": "gave the room to {user}",
    "close": "closed the room",
    "remove": "removed the room",
}
_SLOW_DIGITS = 9
"""The most digits of a number of seconds. `int` refuses thousands of digits."""
_SLOW = "lets everybody speak once in {}"
_ACCESS_SET = {
    "public": "opened the room to everybody",
    "hidden": "hid the room",
    "invited": "lets in only invited users",
}


def skip_offer(log: str, behind: int) -> bytes:
    """Encode the offer to skip the `behind` entries of a log that a reader has not read."""
    return f"* You are {behind} entries behind in {log}; /skip jumps to the present.\n".encode()


def earlier_offer(it: replies.Joined, shown: int) -> bytes:
    """Encode the offer to show what is unread in a room before the entries that follow, of which
    there are `shown`."""
    told = f"{it.seq - it.read} entries are unread, of which the last {shown} follow"
    return f"* {told}; /history #{it.read} shows the first.\n".encode()


SENTENCES: Sentences = {NAME_NEEDED: "Type your name first."}
"""The sentences that the text format has of its own."""


def sentence(text: str) -> str:
    """Return a sentence with its commands as they are typed: `/join lab`."""
    return text.worded("/{}", SENTENCES) if isinstance(text, Message) else text


def refusal(it: Refusal) -> bytes:
    """Encode a refusal. Text of the user's in it is made safe here."""
    return f"! {one_line(sentence(it.sentence))}\n".encode()


def file_line(mark: FileMark, length: int) -> bytes:
    """Encode the line that announces `length` bytes of a file, or confirms an upload."""
    return f"= {length} {mark.sha256} {mark.name}\n".encode()


def fetch_instructions(
    it: replies.GetTicket, host: str, port: int | str, tls: bool, seconds: float | None = None
) -> bytes:
    """Encode how to fetch a file from another terminal.

    The indented lines can be pasted into a shell. With `tls`, the file is fetched over TLS. The
    ticket is valid for `seconds`; clients do not know for how long.
    """
    name = shlex.quote(it.name if not it.name.startswith("-") else f"./{it.name}")
    within = f"within {round(seconds / 60)} minutes, " if seconds is not None else ""
    get = f"echo GET {it.ticket}"
    if tls:
        bracketed = f"[{host}]" if ":" in host else host
        ways = (
            f"  {get} | openssl s_client -quiet -connect {bracketed}:{port} > {name}\n"
            f"* or, where there is ncat and no openssl:\n"
            f"  {get} | ncat --ssl {host} {port} > {name}\n"
        )
    else:
        ways = (
            f"  {get} | nc {host} {port} > {name}\n"
            f"* or, where there is bash and no nc:\n"
            f"  exec 3<>/dev/tcp/{host}/{port}; {get} >&3; cat <&3 > {name}; exec 3>&-\n"
        )
    return (
        f"* {it.name} ({size(it.size)}), once, {within}from another terminal:\n"
        f"{ways}"
        f"* To check what came:\n"
        f"  echo {it.sha256}'  '{name} | sha256sum -c\n"
    ).encode()


def inline_instructions(args: Mapping[str, Any]) -> bytes:
    """Encode how to get a file's bytes on this connection. `args` are those of the `get`."""
    prefix = f"{args['room']}/" if "room" in args else ""
    version = f" #{args['version']}" if "version" in args else ""
    path = quoted_name(f"{prefix}{args['name']}")
    return f"* To have its bytes here all the same: /get {path}{version} 0\n".encode()


def stamp(time: int, position: int, room: str = "") -> str:
    """Return the prefix of a past entry: `[2026-11-21 03:40:54Z #1812] `. With a `room`, the entry
    is among those of other rooms: `[2026-11-21 03:40:54Z lab #1812] `."""
    place = f"{room} #{position}" if room else f"#{position}"
    return f"[{_second(time // 1000)}Z {place}] "


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def reply(it: replies.Reply) -> bytes:
    """Return an answer as lines; nothing for one that only programs need."""
    lines = _REPLIES[type(it)](it)
    return "".join(f"{line}\n" for line in lines).encode()


def _joined(it: replies.Joined) -> list[str]:
    others = _names(it.users, it.more)
    lines = [f"* You are in {it.room}" + (f" with {others}." if others else ", alone for now.")]
    if it.topic:
        lines.append(f"* Topic: {it.topic}")
    if it.seq:
        lines.append("* /history shows what was said before.")
    return lines


def _made(it: replies.Created) -> list[str]:
    number = f"* It is room number {it.number}: join {it.number} leads here, too."
    first, *more = _joined(it)
    return [first, number, *more]


def _names(users: Sequence[str], further: int, most: int = 20) -> str:
    left = max(len(users) - most, 0) + further
    more = f" and {left} more" if left else ""
    return ", ".join(users[:most]) + more


def _rooms(it: replies.RoomList) -> list[str]:
    lines = ["* Rooms:"]
    for room in it.rooms:
        about = f" - {room.topic}" if room.topic else ""
        lock = f", {_ACCESS[room.access]}" if room.access in _ACCESS else ""
        lock += ", with a password" if room.locked else ""
        yours = ", yours" if room.member else ""
        lines.append(f"* {room.number:>3} {room.room} ({room.users} here{lock}){yours}{about}")
    if it.more:
        lines.append(f"* and {it.more} more: /rooms #{it.rooms[-1].number} lists them")
    return lines


_ACCESS = {"hidden": "hidden", "invited": "by invitation", "closed": "closed"}


def _rules(it: replies.RoomRules) -> list[str]:
    how = [_ACCESS.get(it.access, "open to everybody")]
    how += ["with a password"] if it.locked else []
    how += ["only moderators speak"] if it.frozen else []
    how += [f"one message every {duration(it.slow)}"] if it.slow else []
    lines = [f"* {it.room}: {', '.join(how)}"]
    for one in it.rules:
        left = f", {duration(one.left)} left" if one.left is not None else ""
        lines.append(f"* {one.user}: {one.what}, by {one.who}{left}")
    return lines


def _record(it: replies.ModerationLog) -> list[str]:
    lines = [f"* {_second(one.time // 1000)}Z {one.who}: {one.did}" for one in it.deeds]
    return lines or [f"* No moderator has acted in {it.room}"]


def _members(it: replies.MemberList) -> list[str]:
    more = f" and {it.more} more" if it.more else ""
    count = it.count or len(it.users)  # older servers do not tell it
    lines = [f"* {count} in {it.room}: {', '.join(map(_member, it.users))}{more}"]
    lines += [f"* {m.name} is away: {m.away}" for m in it.users if m.away]
    absent = [_absent(m) for m in it.members if not m.here]
    if absent or it.more_members:
        further = f" and {it.more_members} more members" if it.more_members else ""
        lines.append(f"* Members who are not here: {', '.join(absent)}{further}")
    return lines


def _absent(it: replies.RoomMember) -> str:
    return it.name if it.time is None else f"{it.name} (seen {_minute(it.time)})"


def _minute(time: int) -> str:
    """Return a time in milliseconds since 1970 to the minute: `2026-11-21 04:50Z`."""
    return f"{_second(time // 1000)[:-3]}Z"


def _unread(it: replies.UnreadList) -> list[str]:
    return [unread_line(one) for one in it.rooms if one.unread] or ["* Nothing is unread."]


def unread_line(it: replies.UnreadInfo) -> str:
    """Return what is unread in a room, in words: `* lab: 12 unread, 1 for you`, or `about 12000`
    of a count that may be too high."""
    place = "your inbox" if it.room == "@" else it.room
    mentions = f"{MENTIONS_SHOWN}+" if it.mentions > MENTIONS_SHOWN else str(it.mentions)
    unread = f"{'' if it.exact else 'about '}{it.unread} unread"
    return f"* {place}: {unread}" + (f", {mentions} for you" if it.mentions else "")


MENTIONS_SHOWN = 99
"""The greatest number of mentions that is shown as it is."""


def _member(it: replies.Member) -> str:
    idle = f" (idle {duration(it.idle)})" if it.idle and not it.away else ""
    return it.name + idle


def _seen(it: replies.Seen) -> list[str]:
    states = {
        "here": f"{it.user} is here.",
        "idle": f"{it.user} is here, and idle for {duration(it.idle)}.",
        "away": f"{it.user} is away: {it.text}",
    }
    gone = f"{it.user} is not here."
    if it.time is not None:
        gone = f"{it.user} was here last on {_minute(it.time)}."
    lines = [f"* {states.get(it.state, gone)}"]
    if it.shown is not None:
        does, other = ("see", "off") if it.shown else ("do not see", "on")
        lines.append(f"* Others {does} when you were here last; /seen {other} changes that.")
    return lines


def _history(it: replies.History) -> list[str]:
    more = [MORE_HISTORY] if it.entries and it.more else []
    return (_entries(it) or [f"* Nothing there in {it.room}"]) + more


def _entries(it: replies.History) -> list[str]:
    rows = zip(it.entries, it.logs, strict=True)
    named = it.room == ALL_ROOMS
    return [line for row, log in rows for line in replayed_entry(*row, log, log if named else "")]


MORE_HISTORY = (
    "* The rest is too long for one answer; /history #POSITION shows what follows a position."
)

INDEX_PENDING = "* The newest entries are not indexed yet; search again soon."


def _matches(it: replies.SearchMatches) -> list[str]:
    place = _PLACES.get(it.room[:1], it.room)
    lines = _entries(it) or [f"* Nothing in {place} has all these words"]
    return [*lines, INDEX_PENDING] if it.pending else lines


def _pins(it: replies.PinList) -> list[str]:
    return _entries(it) or [f"* Nothing is pinned in {it.room}"]


_PLACES = {"@": "your inbox", ALL_ROOMS: "any room that you may read"}


def _files(it: replies.FileList) -> list[str]:
    place, prefix = ("of your own", "@/") if it.room == "@" else (f"in {it.room}", "")
    lines = [f"* {counted(it.count, 'file')} {place}, {size(it.bytes)}"]
    for file in it.files:
        giver = f", from {file.who}" if file.who else ""
        version = f", version #{file.version}" if file.version > 1 else ""
        lines.append(f"* {prefix}{file.name} ({size(file.size)}{giver}{version})")
    return lines + _and_more(it.more)


def _versions(it: replies.VersionList) -> list[str]:
    older = [f"* and {it.more} older ones"] if it.more else []
    return older + [
        f"* #{one.version} {one.name} ({size(one.size)}"
        + (f", from {one.who}" if one.who else "")
        + f", {_second(one.time // 1000)}Z): /get {quoted_name(one.name)} #{one.version}"
        for one in it.files
    ]


def _transfer(it: replies.TransferInfo) -> str:
    percent = 100 * it.done // it.size if it.size else 100
    far = f"{percent}%, {size(it.done)} of {size(it.size)}"
    if it.stopped:
        again = f"/put {quoted_name(it.name)} {it.size} {it.sha256} +{it.done}"
        return f"* {it.name} stopped at {far}; go on with {again}"
    way = "coming" if it.up else "going"
    left = f", {duration(it.left)} left" if it.left is not None else ""
    return f"* {it.name} is {way}: {far}, {size(it.rate)}/s{left}"


def duration(seconds: float) -> str:
    """Return a time in words: `45 s`, `3 min`, `2 h 5 min`."""
    whole = math.ceil(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _made_token(it: replies.NewToken) -> list[str]:
    where = f", in {it.room} alone" if it.room is not None else ""
    return [
        f"* {it.label}: {it.token}",
        f"* It is good in place of your password{where}, and shown only now; "
        f"/revoke {it.label} ends it.",
    ]


def _tokens(it: replies.TokenList) -> list[str]:
    return [
        f"* {one.label}, made {_second(one.time // 1000)}Z"
        + (f", in {one.room} alone" if one.room is not None else "")
        for one in it.tokens
    ] or ["* You have no tokens."]


def _backup(it: replies.BackupMade) -> list[str]:
    key = ", the key for TLS" if it.key else ""
    lines = [
        f"* The backup is in {it.dir}: the database{key}, {counted(it.files, 'file')}, "
        f"{size(it.bytes)}; the copy was checked."
    ]
    if it.unread:
        more = ", and others" if it.unread > len(it.left_out) else ""
        lines.append(f"* {it.unread} could not be read: {', '.join(it.left_out)}{more}")
    return lines


def _status(it: replies.ServerStatus) -> list[str]:
    connections = sum(one.count for one in it.connections)
    kinds = _counted(it.connections)
    bytes_ = {one.what: size(one.count) for one in it.disk}
    return [
        f"* chatservice {it.version}, up {duration(it.uptime)}",
        f"* Connections: {connections}" + (f" ({kinds})" if kinds else ""),
        f"* Users: {it.users} here, {it.guests} of them guests; {it.accounts} registered",
        f"* Rooms: {it.rooms}; entries kept: {it.entries}; files: {it.files}",
        "* Disk: " + ", ".join(f"{what} {of}" for what, of in bytes_.items()),
        f"* Waiting: {_counted(it.waiting) or 'nothing'}",
        f"* Refused since the start: {_counted(it.refused) or 'nothing'}",
    ]


def _cluster(it: replies.ClusterStatus) -> list[str]:
    able = "can be written to" if it.quorum else "CANNOT be written to: most servers are missing"
    lines = [
        f"* The log at {it.servers}: messages {it.first} to {it.last}; it {able}",
        f"* Snapshot: {_snapshot(it)}",
        f"* Copies of the log that are up to date: {it.current} of {it.copies}",
    ]
    for one in it.nodes:
        behind = f"{counted(one.lag, 'message')} behind" if one.lag else "up to date"
        state = "does not answer" if one.lag < 0 else behind
        lines.append(f"* Node at {one.host}{' (this one)' if one.here else ''}: {state}")
    return lines


def _snapshot(it: replies.ClusterStatus) -> str:
    if not it.snapshot_bytes:
        return "none yet"
    return f"at message {it.snapshot}, {size(it.snapshot_bytes)}"


def _counted(rows: Iterable[replies.CountInfo]) -> str:
    return ", ".join(f"{one.count} {one.what}" for one in rows if one.count)


def _users(it: replies.UserList) -> list[str]:
    lines = []
    for one in it.users:
        guest = "" if one.registered else " (guest)"
        where = ", ".join(one.rooms) or "no room"
        away = f"; away: {one.away}" if one.away else ""
        lines.append(f"* {one.name}{guest}: in {where}; from {', '.join(one.origins)}{away}")
    return (lines or ["* Nobody is here"]) + _and_more(it.more)


def _accounts(it: replies.AccountList) -> list[str]:
    lines = []
    for one in it.accounts:
        about = ["runs the server"] if one.operator else []
        about += [f"{one.connections} here"] if one.connections else []
        about += [f"tokens: {one.tokens}"] if one.tokens else []
        lines.append(f"* {one.name}" + (f" ({', '.join(about)})" if about else ""))
    return (lines or ["* No registered name fits"]) + _and_more(it.more)


def _and_more(count: int) -> list[str]:
    return [f"* and {count} more"] if count else []


_REPLIES: dict[type, Callable[..., list[str]]] = {
    replies.Done: lambda it: [f"* {sentence(it.text)}"] if it.text else [],
    replies.Welcome: lambda it: [f"* You are {it.name}."],
    replies.Stored: lambda it: [],
    replies.Erased: lambda it: [f"* {it.text}"],
    replies.Annotated: lambda it: [f"* {it.text}"],
    replies.PrivateSent: lambda it: (
        [f"* {it.to} is away ({it.away}), and will see it later."] if it.away else []
    ),
    replies.Joined: _joined,
    replies.Created: _made,
    replies.RoomList: _rooms,
    replies.MemberList: _members,
    replies.UnreadList: _unread,
    replies.ReadMark: lambda it: [],
    replies.Seen: _seen,
    replies.RoomRules: _rules,
    replies.ModerationLog: _record,
    replies.Topic: lambda it: [
        f"* Topic of {it.room}: {it.text}" if it.text else f"* {it.room} has no topic"
    ],
    replies.History: _history,
    replies.SearchMatches: _matches,
    replies.EditList: lambda it: _entries(it),
    replies.PinList: _pins,
    replies.FileList: _files,
    replies.VersionList: _versions,
    replies.TransferList: lambda it: (
        [_transfer(one) for one in it.transfers] or ["* You have no transfers."]
    ),
    replies.GetTicket: lambda it: [],
    replies.PutTicket: lambda it: [],
    replies.NewPassword: lambda it: [
        f"* {it.name}'s password is now {it.password}"
        if it.password
        else f"* {it.name} has that password now."
    ],
    replies.NewToken: _made_token,
    replies.TokenList: _tokens,
    replies.InvitationCode: lambda it: [
        f"* {it.code} lets one person register: /register PASSWORD {it.code}"
    ],
    replies.OperatorList: lambda it: [
        f"* The server is run by {', '.join(it.operators)}"
        if it.operators
        else "* No registered name runs the server."
    ],
    replies.BackupMade: _backup,
    replies.ServerStatus: _status,
    replies.ClusterStatus: _cluster,
    replies.UserList: _users,
    replies.AccountList: _accounts,
    replies.Help: lambda it: [f"* {line}" for line in it.lines],
}

GREETING = event(events.Notice("Welcome. Type your name; /help lists the commands."))
OPERATOR_GREETING = event(events.Notice("Welcome, operator. /help lists the commands."))
EMPTY_NAME = refusal(Refusal(Code.BAD_NAME, "A name cannot be empty; type one."))
