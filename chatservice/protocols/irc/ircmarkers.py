"""MARKREAD: how far a user has read, on all their clients
(https://ircv3.net/specs/extensions/read-marker)."""

from twisted.internet.defer import Deferred

from chatservice import names, replies
from chatservice.domain.model import Room
from chatservice.errors import Refusal
from chatservice.grammar.irc import IrcMessage, render
from chatservice.grammar.ircformat import CHANNEL, SERVER, channel, parse_time, sentence
from chatservice.grammar.jsonlines import time as rfc3339
from chatservice.protocols.irc.ircsession import IrcSession


async def markread(it: IrcSession, message: IrcMessage) -> None:
    """Run `MARKREAD`: tell the read position in a channel, or move it forward to a time."""
    target, asked = message.param(0), message.param(1)
    if not target:
        it.count()
        it.fail("MARKREAD", "NEED_MORE_PARAMS", "Name a channel or a user.")
        return
    if not target.startswith(CHANNEL):
        it.count()  # an inbox has one read position for all who write to it
        it.reply("MARKREAD", target[:64], "*")
        return
    kind, _, value = asked.partition("=")
    time = parse_time(value) if kind == "timestamp" else None
    if asked and time is None:
        it.count()
        it.fail("MARKREAD", "INVALID_PARAMS", target[:64], "Give timestamp=2026-11-30T12:00:00Z.")
        return
    try:
        room = it.room(target)
        if time is not None:
            it.check("history", room=room.name)
            position = await it.chat.history.position_before(room.log, time + 1)
            moved: replies.ReadMark = await it.ask("read", room=room.name, position=position)
            it.put(await _line(it, room, moved.position))
        else:
            it.count()
            it.put(await _line(it, room, read_position(it, room)))
    except Refusal as refusal:
        it.connection.factory.count(refusal)
        it.fail("MARKREAD", "INVALID_PARAMS", target[:64], sentence(refusal.sentence))


def read_position(it: IrcSession, room: Room) -> int:
    """Return the read position of the user in a room, or 0."""
    kept = it.user.kept
    found = kept.rooms.get(room.number) if kept is not None else None
    return found.read if found is not None else 0


async def _line(it: IrcSession, room: Room, position: int) -> str:
    """Return the message that tells a read position by the time of its entry."""
    time = await it.chat.history.time_at(room.log, position)
    told = "*" if time is None else f"timestamp={rfc3339(time)}"
    return render(SERVER, "MARKREAD", channel(room.name), told)


async def show_marker(it: IrcSession, room: Room) -> None:
    """Tell the read position in a room that the client comes into."""
    it.put(await _line(it, room, read_position(it, room)))


def tell_moved(it: IrcSession, name: str, position: int) -> None:
    """Tell the client that another one has moved a read position."""
    room = it.chat.rooms.by_key.get(names.key(name))
    if room is None:
        return

    def write(line: str) -> None:
        it.later("", lambda: it.put(line))

    Deferred.fromCoroutine(_line(it, room, position)).addCallbacks(write, lambda _: None)


MARKER_HANDLERS = {"MARKREAD": markread}
