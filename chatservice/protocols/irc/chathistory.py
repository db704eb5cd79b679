"""CHATHISTORY: the past in pages, by ids and by times
(https://ircv3.net/specs/extensions/chathistory)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chatservice import names, replies
from chatservice.domain.log import Log
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar.irc import IrcMessage, render
from chatservice.grammar.ircformat import (
    CHANNEL,
    SERVER,
    Caps,
    channel,
    encode_run,
    parse_message_id,
    parse_time,
    sentence,
)
from chatservice.grammar.jsonlines import time as rfc3339
from chatservice.protocols.irc.ircanswers import in_batch
from chatservice.protocols.irc.ircsession import IrcSession

_INBOX = "@"

_REACTIONS = frozenset({Kind.REACTION, Kind.REACTION_REMOVED})


class TargetLog(NamedTuple):
    """The log of a target: `room` is its name for the command `history`, and `log_name` that of
    its ids."""

    target: str
    room: str
    log: Log
    log_name: str


class _Fault(Exception):
    """A failure of the specification: its code, and what it is about. `counted`: the request that
    is at fault has been counted already."""

    def __init__(self, code: str, told: str, *about: str, counted: bool = False) -> None:
        self.code, self.told, self.about, self.counted = code, told, about, counted
        super().__init__(told)


def find_place(it: IrcSession, target: str) -> TargetLog:
    """Return the log of a channel or of private talk. Raises `Refusal` (no-such-room)."""
    if target.startswith(CHANNEL):
        room = it.room(target)
        return TargetLog(channel(room.name), room.name, room.log, room.name)
    name = it.named(names.user, target)
    return TargetLog(name, f"{_INBOX}{name}", it.chat.users.inbox(it.user), _INBOX)


async def _position(it: IrcSession, place: TargetLog, text: str, behind: bool) -> int:
    """Return the position of an id or a time. Between two entries there is none: then it is that of
    the one before, or with `behind` that of the one behind."""
    kind, _, value = text.partition("=")
    if kind == "msgid":
        found = parse_message_id(value)
        if found is None or found[0] != place.log_name:
            raise _Fault("INVALID_MSGREFTYPE", "There is no such id here.", text[:64])
        return found[1]
    time = parse_time(value) if kind == "timestamp" else None
    if time is None:
        told = "Give msgid=ID, or timestamp=2026-11-30T12:00:00.000Z."
        raise _Fault("INVALID_PARAMS", told, text[:64])
    after = await it.chat.history.position_before(place.log, time + (not behind))
    return after + 1 if behind else after


async def chathistory(it: IrcSession, message: IrcMessage) -> None:
    """Run `CHATHISTORY`."""
    verb = message.param(0).upper()
    try:
        if verb == "TARGETS":
            await _targets(it, message)
        elif verb in _VERBS:
            if len(message.params) < (5 if verb == "BETWEEN" else 4):
                raise _Fault("NEED_MORE_PARAMS", f"{verb} needs a target, a place and a number.")
            await _page(it, verb, message)
        else:
            raise _Fault("UNKNOWN_COMMAND", "There is no such part of CHATHISTORY.")
    except _Fault as fault:
        if not fault.counted:
            it.count()
        it.fail("CHATHISTORY", fault.code, verb[:32] or "*", *fault.about, fault.told)


_VERBS = frozenset({"LATEST", "BEFORE", "AFTER", "AROUND", "BETWEEN"})


async def _page(it: IrcSession, verb: str, message: IrcMessage) -> None:
    target, words = message.param(1), message.params[2:]
    limit = _limit(it, words[-1])
    try:
        place = find_place(it, target)
        rows = await _rows(it, verb, place, words[:-1], limit)
    except Refusal as refusal:
        it.connection.factory.count(refusal)
        told = sentence(refusal.sentence)
        code = _CODES.get(refusal.code, "MESSAGE_ERROR")
        raise _Fault(code, told, target[:64], counted=True) from None
    show(it, place, rows)


_CODES: Mapping[Code, str] = {
    Code.NO_SUCH_ROOM: "INVALID_TARGET",
    Code.BAD_NAME: "INVALID_TARGET",
    Code.NOT_IN_ROOM: "INVALID_TARGET",
    Code.NOT_ALLOWED: "INVALID_TARGET",
    Code.BANNED: "INVALID_TARGET",
}


def _limit(it: IrcSession, text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or not int(text):
        raise _Fault("INVALID_PARAMS", "Give a number of messages.", text[:64])
    return min(int(text), it.chat.limits.history_entries)


Rows = list[tuple[int, Entry]]


async def _rows(
    it: IrcSession, verb: str, place: TargetLog, words: tuple[str, ...], limit: int
) -> Rows:
    """Return the entries that are asked for, oldest first."""
    if verb == "LATEST":
        least = 0 if words[0] == "*" else await _position(it, place, words[0], False)
        return await _back(it, place, limit, None, least)
    at = await _position(it, place, words[0], verb in ("BEFORE", "AROUND"))
    if verb == "BEFORE":
        return await _back(it, place, limit, at, 0)
    if verb == "AFTER":
        return await _on(it, place, limit, at, None)
    if verb == "AROUND":
        before = await _back(it, place, limit // 2, at, 0)
        return [*before, *await _on(it, place, limit - len(before), at - 1, None)]
    to = await _position(it, place, words[1], False)
    if at <= to:
        to = await _position(it, place, words[1], True)
        return await _on(it, place, limit, at, to)
    at = await _position(it, place, words[0], True)
    return await _back(it, place, limit, at, to)


async def _back(
    it: IrcSession, place: TargetLog, limit: int, before: int | None, least: int
) -> Rows:
    """Return the last entries before a position, and behind `least`: all of them, however many
    replies that takes, because a client takes fewer for the beginning."""
    found: Rows = []
    while len(found) < limit:
        more = await it.ask(
            "history",
            room=place.room,
            before=before,
            limit=limit - len(found),
            annotations=_annotations(it),
        )
        rows = [row for row in more.entries if row[0] > least]
        found = [*_shown(it, rows), *found]
        if not more.more or len(rows) < len(more.entries) or not rows:
            break
        before = more.entries[0][0]
    return found


async def _on(it: IrcSession, place: TargetLog, limit: int, after: int, before: int | None) -> Rows:
    """Return the first entries behind a position."""
    found: Rows = []
    while len(found) < limit:
        more: replies.History = await it.ask(
            "history",
            room=place.room,
            after=max(after, 0),
            before=before,
            limit=limit - len(found),
            annotations=_annotations(it),
        )
        found += _shown(it, more.entries)
        if not more.more or not more.entries:
            break
        after = more.entries[-1][0]
    return found


def _annotations(it: IrcSession) -> bool:
    """Return whether the client is shown edits and reactions as what came then."""
    return it.has(Caps.EVENT_PLAYBACK)


def _shown(it: IrcSession, rows: Iterable[tuple[int, Entry]]) -> Rows:
    tagged = it.has(Caps.MESSAGE_TAGS)
    return [row for row in rows if tagged or row[1].kind not in _REACTIONS]


def show(it: IrcSession, place: TargetLog, rows: Rows) -> None:
    """Answer with entries, as a batch."""
    batched = it.has(Caps.BATCH)
    if batched:
        it.reply("BATCH", "+history", "chathistory", place.target)
    past = not it.has(Caps.EVENT_PLAYBACK)
    style = it.style.of_entries()
    if place.log_name == _INBOX:
        style = style.of_inbox(it.user.registered)
    for position, entry in rows:
        data = encode_run(style, it.nick, past, position, entry.as_run(), place.log_name)
        for line in data.decode().split("\r\n")[:-1]:
            it.put(in_batch(line, "history") if batched else line)
    if batched:
        it.reply("BATCH", "-history")


# -- which conversations there are -----------------------------------------------------------------


async def _targets(it: IrcSession, message: IrcMessage) -> None:
    """Show the channels and users with whom something was said between two times, the last time
    first."""
    if len(message.params) < 4:
        raise _Fault("NEED_MORE_PARAMS", "TARGETS needs two times and a number.")
    times = [_time(word) for word in message.params[1:3]]
    limit = _limit(it, message.param(3))
    found: dict[str, int] = {}
    for room in it.session.rooms:
        reply = await it.ask("history", room=room.name, limit=1)
        if reply.entries:
            found[channel(room.name)] = reply.entries[-1][1].time
    for target, time in (await _partners(it, min(times))).items():
        found[target] = time
    rows = [(time, target) for target, time in found.items() if min(times) < time < max(times)]
    rows.sort(reverse=times[0] > times[1])
    if it.has(Caps.BATCH):
        it.reply("BATCH", "+targets", "draft/chathistory-targets")
    for time, target in rows[:limit]:
        line = render(SERVER, "CHATHISTORY", "TARGETS", target, rfc3339(time))
        it.put(f"@batch=targets {line}" if it.has(Caps.BATCH) else line)
    if it.has(Caps.BATCH):
        it.reply("BATCH", "-targets")


async def _partners(it: IrcSession, since: int) -> dict[str, int]:
    """Return the users with whom something was said after a time (milliseconds since 1970), each
    with the time of the last entry. At most `MOST_PAGES` pages of the inbox are read."""
    found: dict[str, int] = {}
    before: int | None = None
    for _ in range(MOST_PAGES):
        limit = it.chat.limits.history_entries
        page: replies.History = await it.ask("history", room=_INBOX, before=before, limit=limit)
        for _, entry in reversed(page.entries):
            if entry.kind != Kind.GONE:  # of which it is not known with whom it was
                found.setdefault(entry.to or entry.who, entry.time)
        is_last = len(page.entries) < limit and not page.more
        if is_last or not page.entries or page.entries[0][1].time <= since:
            break
        before = page.entries[0][0]
    return found


MOST_PAGES = 10
"""Pages of the inbox in which partners are looked for: with 1000 entries each, 10,000."""


def _time(word: str) -> int:
    kind, _, value = word.partition("=")
    time = parse_time(value) if kind == "timestamp" else None
    if time is None:
        raise _Fault("INVALID_PARAMS", "Give timestamp=2026-11-30T12:00:00.000Z.", word[:64])
    return time


HISTORY_HANDLERS = {"CHATHISTORY": chathistory}
