"""MARKREAD: how far a user has read, on all their clients
(https://ircv3.net/specs/extensions/read-marker).

Of a channel, that is the read position of the room. An inbox has one for all who write to it, and
it moves with what is shown. So that of talk with one user is kept in memory once a client has told
it, for as long as one of the user's clients is here; else it is that of the inbox.
"""

from twisted.internet.defer import Deferred

from chatservice import names, replies
from chatservice.domain.log import Log
from chatservice.domain.model import Room
from chatservice.errors import Refusal
from chatservice.grammar.irc import IrcMessage, render
from chatservice.grammar.ircformat import CHANNEL, SERVER, Caps, channel, parse_time, sentence
from chatservice.grammar.jsonlines import time as rfc3339
from chatservice.protocols.irc.ircplaces import irc_sessions, note_place
from chatservice.protocols.irc.ircsession import IrcSession

_INBOX = "@"

MOST_PARTNERS = 50
"""Users with whom private talk is told to be read: more than anybody talks with in a day."""


async def markread(it: IrcSession, message: IrcMessage) -> None:
    """Run `MARKREAD`: tell the read position in a channel, or in talk with a user; or move it
    forward to a time."""
    target, asked = message.param(0), message.param(1)
    if not target:
        it.count()
        it.fail("MARKREAD", "NEED_MORE_PARAMS", "Name a channel or a user.")
        return
    kind, _, value = asked.partition("=")
    time = parse_time(value) if kind == "timestamp" else None
    if asked and time is None:
        it.count()
        it.fail("MARKREAD", "INVALID_PARAMS", target[:64], "Give timestamp=2026-11-30T12:00:00Z.")
        return
    try:
        if target.startswith(CHANNEL):
            await _of_room(it, it.room(target), time)
        else:
            await _of_partner(it, it.named(names.user, target), time)
    except Refusal as refusal:
        it.connection.factory.count(refusal)
        it.fail("MARKREAD", "INVALID_PARAMS", target[:64], sentence(refusal.sentence))


async def _of_room(it: IrcSession, room: Room, time: int | None) -> None:
    if time is None:
        it.count()
        position = read_position(it, room)
    else:
        it.check("history", room=room.name)
        note_place(it, room.name)
        found = await it.chat.history.position_before(room.log, time + 1)
        moved: replies.ReadMark = await it.ask("read", room=room.name, position=found)
        position = moved.position
    it.put(await _line(it, channel(room.name), room.log, position))


async def _of_partner(it: IrcSession, name: str, time: int | None) -> None:
    log, key = it.chat.users.inbox(it.user), names.key(name)
    kept = it.user.kept
    reply: replies.ReadMark = await it.ask("read", room=_INBOX, position=0)
    told = kept.partners if kept is not None else {}
    position = told.get(key, reply.position)
    if time is not None and kept is not None:
        note_place(it, _INBOX + name)
        found = await it.chat.history.position_before(log, time + 1)
        before, position = told.get(key, 0), max(found, told.get(key, 0))
        others = [each for each in told.items() if each[0] != key]
        kept.partners = dict([*others[1 - MOST_PARTNERS :], (key, position)])
        if position > before:
            _tell_others(it, _INBOX + name, position)
    it.put(await _line(it, name, log, position))


def _tell_others(it: IrcSession, place: str, position: int) -> None:
    """Tell the user's other IRC clients of a read position in talk with one user."""
    for other in irc_sessions(it.user):
        if other is not it:
            other.read_moved(place, position)


def read_position(it: IrcSession, room: Room) -> int:
    """Return the read position of the user in a room, or 0."""
    kept = it.user.kept
    found = kept.rooms.get(room.number) if kept is not None else None
    return found.read if found is not None else 0


async def _line(it: IrcSession, target: str, log: Log, position: int) -> str:
    """Return the message that tells a read position by the time of its entry."""
    time = await it.chat.history.time_at(log, position)
    told = "*" if time is None else f"timestamp={rfc3339(time)}"
    return render(SERVER, "MARKREAD", target, told)


async def show_marker(it: IrcSession, room: Room) -> None:
    """Tell the read position in a room that the client comes into."""
    it.put(await _line(it, channel(room.name), room.log, read_position(it, room)))


def tell_moved(it: IrcSession, name: str, position: int) -> None:
    """Tell the client that another one has moved a read position: in a room, or in talk with one
    user (`@` and the name). What is read of the whole inbox is not told."""
    if name == _INBOX or not it.has(Caps.READ_MARKER):
        return
    if name.startswith(_INBOX):
        target, log = name[1:], it.chat.users.inbox(it.user)
    else:
        room = it.chat.rooms.by_key.get(names.key(name))
        if room is None:
            return
        target, log = channel(room.name), room.log

    def write(line: str) -> None:
        it.later("", lambda: it.put(line))

    line = _line(it, target, log, position)
    Deferred.fromCoroutine(line).addCallbacks(write, lambda _: None)


MARKER_HANDLERS = {"MARKREAD": markread}
