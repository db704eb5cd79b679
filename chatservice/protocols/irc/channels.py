"""Channels: coming, going, topics, lists; and what their moderators do."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from chatservice import names, replies
from chatservice.domain.model import Room, User
from chatservice.domain.rights import Role
from chatservice.errors import Code, Refusal
from chatservice.grammar.irc import LINE_BYTES, IrcMessage
from chatservice.grammar.ircformat import CHANNEL, SERVER, Caps, channel, join_line, source
from chatservice.grammar.ircnumerics import Numeric, Purpose
from chatservice.protocols.irc.ircmarkers import show_marker
from chatservice.protocols.irc.ircplaces import note_place
from chatservice.protocols.irc.ircsession import IrcSession


async def join(it: IrcSession, message: IrcMessage) -> None:
    """Run `JOIN`: come into channels, or make those that are not there. `JOIN 0` leaves all."""
    wanted = message.param(0)
    if not wanted:
        it.count()
        if message.params:  # irssi sends `JOIN :` with its first lines
            it.numeric(Numeric.NOSUCHCHANNEL, "*", "Name a channel: JOIN #lab.")
        else:
            _more_needed(it, "JOIN", "Name a channel: JOIN #lab.")
        return
    if wanted == "0":
        for room in it.session.rooms:
            await _leave(it, room.name, "")
        return
    keys = message.param(1).split(",")
    for at, name in enumerate(wanted.split(",")):
        key = keys[at] if at < len(keys) and keys[at] else None
        try:
            await _join(it, name, key)
        except Refusal as refusal:
            it.refused(refusal, Purpose.ENTER, name[:64], "JOIN")


async def _join(it: IrcSession, name: str, key: str | None) -> None:
    if not name.startswith(CHANNEL):
        it.count()
        it.numeric(Numeric.NOSUCHCHANNEL, name[:64], "A channel begins with #.")
        return
    room = it.find_room(name)
    if room is not None and room in it.session.rooms:
        it.count()
        note_place(it, room.name)
        return
    if room is None:
        wanted = it.named(names.room, name[1:])
        if key is not None and len(key) > names.PASSWORD_CHARACTERS:
            it.count()
            it.numeric(Numeric.INVALIDKEY, channel(wanted), "That key is too long.")
            return
        try:
            await entered(it, await it.ask("create", room=wanted, password=key))
            note_place(it, wanted)
            return
        except Refusal as refusal:
            room = it.find_room(name)
            if refusal.code is not Code.ROOM_EXISTS or room is None:
                raise  # else somebody has made it meanwhile
    await entered(it, await it.ask("join", room=room.name, password=key))
    note_place(it, room.name)


async def entered(it: IrcSession, reply: replies.Joined) -> None:
    """Show a channel that the client has come into, and then what is unread there."""
    user = it.user
    it.put(join_line(it.caps, user.name, reply.room, user.registered, user.real_name))
    room = it.find_room(channel(reply.room))
    if room is not None:
        if it.has(Caps.READ_MARKER):
            it.flush()  # nothing of the room may come before the client knows that it is there
            await show_marker(it, room)
        if room.topic:
            await _show_topic(it, room, room.topic)
        show_names(it, room)
    it.flush()
    it.session.wake()


async def _show_topic(it: IrcSession, room: Room, topic: str) -> None:
    """Show a topic, and who set it when, as far as that is known."""
    setter = await it.chat.history.topic_setter(room)
    it.numeric(Numeric.TOPIC, channel(room.name), topic)
    if setter.who:
        seconds = str(setter.time // 1000)
        it.numeric(Numeric.TOPICWHOTIME, channel(room.name), setter.who, seconds)


async def enter_kept(it: IrcSession) -> None:
    """Come into the rooms that a registered user keeps."""
    if it.session.user is None or not it.user.registered:
        return
    for room in it.chat.members.kept_by(it.user, it.chat.rooms.by_number):
        if not it.chat.rights.token_covers(it.session, room) or room in it.session.rooms:
            continue
        try:
            await entered(it, await it.ask("join", room=room.name))
        except Refusal as refusal:
            it.refused(refusal, Purpose.ENTER, channel(room.name), "JOIN")


async def come_back(it: IrcSession) -> None:
    """Show a client that has logged in after its registration what waits for its user: private
    messages, and the rooms that they keep."""
    it.flush()
    it.session.wake()
    await enter_kept(it)


async def part(it: IrcSession, message: IrcMessage) -> None:
    """Run `PART`: leave channels for good."""
    if not message.param(0):
        it.count()
        _more_needed(it, "PART", "Name a channel: PART #lab.")
        return
    for name in message.param(0).split(","):
        try:
            await _leave(it, it.room(name).name, message.param(1))
        except Refusal as refusal:
            it.refused(refusal, Purpose.ACT, name[:64], "PART")


async def _leave(it: IrcSession, room: str, why: str) -> None:
    await it.ask("leave", room=room, text=why or None)
    it.own("PART", channel(room), *filter(None, (why,)))


# -- who is there ----------------------------------------------------------------------------------


def prefix(it: IrcSession, room: Room, user: User) -> str:
    """Return the sign of a user's role in a room: `@` for those who moderate it."""
    role = it.chat.rights.standing_role(user, room)
    return "@" if role is not None and role >= Role.MODERATOR else ""


def show_names(it: IrcSession, room: Room) -> None:
    """Show the users of a room."""
    where, users = channel(room.name), room.users()
    moderators, former = it.chat.rights.moderators(users, room), room.names_shown
    names_ = [former.get(user, user.name) for user in users] if former else [u.name for u in users]
    words = map(source, names_) if it.has(Caps.USERHOST_IN_NAMES) else names_
    marked = (f"@{it}" if user in moderators else it for user, it in zip(users, words, strict=True))
    start = f"{'=' if room.is_open else '@'} {where}"
    for line in _filled(marked, LINE_BYTES - 80 - len(where.encode())):
        it.put(f":{SERVER} {Numeric.NAMREPLY} {it.nick} {start} :{line}")
    it.numeric(Numeric.ENDOFNAMES, where, "is all.")


def _filled(words: Iterable[str], most: int) -> Iterator[str]:
    """Iterate over lines of words, of at most `most` bytes each."""
    line, size = list[str](), 0
    for word in words:
        wide = (len(word) if word.isascii() else len(word.encode())) + 1
        if line and size + wide > most:
            yield " ".join(line)
            line, size = [], 0
        line.append(word)
        size += wide
    if line:
        yield " ".join(line)


def names_(it: IrcSession, message: IrcMessage) -> None:
    """Run `NAMES`. Of a channel that one may not look into, nobody is shown."""
    if not message.param(0):
        it.count()
        it.numeric(Numeric.ENDOFNAMES, "*", "Name a channel.")
        return
    for name in message.param(0).split(","):
        room = _readable(it, name)
        if room is not None:
            room.log.send_events()  # departures come first
            show_names(it, room)
        else:
            it.numeric(Numeric.ENDOFNAMES, name[:64], "is all.")


def _readable(it: IrcSession, name: str) -> Room | None:
    """Return the room of a channel that the user may look into, or None."""
    with suppress(Refusal):
        room = it.room(name)
        it.check("who", room=room.name)
        return room
    return None


async def list_(it: IrcSession, message: IrcMessage) -> None:
    """Run `LIST`: the rooms that the user may see, or those named; `>N` and `<N` are bounds of the
    number of users, and a name may have `*` in it."""
    asked = [word for word in message.param(0).split(",") if word]
    it.numeric(Numeric.LISTSTART, "Channel", "Users  Topic")
    after: int | None = None
    more = True
    while more:
        reply: replies.RoomList = await it.ask("rooms", after=after)
        for row in reply.rooms:
            if _is_asked(row, asked):
                it.numeric(Numeric.LIST, channel(row.room), str(row.users), row.topic)
        after = max((row.number for row in reply.rooms if not row.member), default=None)
        more = bool(reply.more) and after is not None
    it.numeric(Numeric.LISTEND, "This is all.")


def _is_asked(row: replies.RoomInfo, words: list[str]) -> bool:
    """Return whether `LIST` with these words (ELIST=MU) shows a room: it has one of the names, if
    there are some, and fits all the bounds of users."""
    bounds = [word for word in words if _is_bound(word)]
    named = [word for word in words if not _is_bound(word)]
    fits = all(_is_within(row.users, word) for word in bounds)
    return fits and (not named or any(_has_name(row, word) for word in named))


def _is_bound(word: str) -> bool:
    return word[0] in "<>" and word[1:].isdecimal() and len(word) < 10


def _is_within(users: int, bound: str) -> bool:
    return users < int(bound[1:]) if bound[0] == "<" else users > int(bound[1:])


def _has_name(row: replies.RoomInfo, word: str) -> bool:
    """Return whether a room has a name, in which `*` stands for any text."""
    pattern = names.key(word.removeprefix(CHANNEL))
    if "*" not in pattern:
        return names.key(row.room) == pattern
    return _matches(names.key(row.room), pattern.split("*"))


def _matches(text: str, parts: list[str]) -> bool:
    """Return whether a text has these parts in a row: the first at its beginning, the last at its
    end."""
    if not (text.startswith(parts[0]) and text.endswith(parts[-1])):
        return False
    at = 0
    for one in parts:
        at = text.find(one, at)
        if at < 0:
            return False
        at += len(one)
    return True


# -- topics, and moderation ------------------------------------------------------------------------


async def topic(it: IrcSession, message: IrcMessage) -> None:
    """Run `TOPIC`: show a channel's topic, or set it."""
    name = message.param(0)
    if not name:
        it.count()
        _more_needed(it, "TOPIC", "Name a channel: TOPIC #lab.")
        return
    try:
        room = it.room(name)
        text = message.params[1] if len(message.params) > 1 else None
        reply: replies.Topic = await it.ask("topic", room=room.name, text=text)
    except Refusal as refusal:
        it.refused(refusal, Purpose.ACT, name[:64], "TOPIC")
        return
    if text is not None:
        it.own("TOPIC", channel(room.name), reply.text)
    elif reply.text:
        await _show_topic(it, room, reply.text)
    else:
        it.numeric(Numeric.NOTOPIC, channel(room.name), "No topic is set.")


async def kick(it: IrcSession, message: IrcMessage) -> None:
    """Run `KICK`: put a user out of a channel; from #lobby, off the server."""
    if len(message.params) < 2:
        it.count()
        _more_needed(it, "KICK", "Name a channel and a user: KICK #lab bob.")
        return
    where = message.param(0)
    for name in message.param(1).split(","):
        room, user = it.find_room(where), it.chat.users.find(name)
        if room in it.session.rooms and user is not None and not room.has_user(user):
            it.count()
            it.numeric(Numeric.USERNOTINCHANNEL, user.name, where[:64], "That user is not there.")
        else:
            await act(it, "kick", where, user=name, text=message.param(2) or None)


async def invite(it: IrcSession, message: IrcMessage) -> None:
    """Run `INVITE`."""
    name, where = message.param(0), message.param(1)
    if not where:
        it.count()
        _more_needed(it, "INVITE", "Name a user and a channel: INVITE bob #lab.")
    elif _is_in(it, name, where):
        it.count()
        it.numeric(Numeric.USERONCHANNEL, name, where, "That user is there already.")
    elif await act(it, "invite", where, user=name):
        it.numeric(Numeric.INVITING, name, where)


def _is_in(it: IrcSession, name: str, where: str) -> bool:
    """Return whether the client is in a channel, and sees a user there."""
    room, user = it.find_room(where), it.chat.users.find(name)
    return room in it.session.rooms and user is not None and user in room.users()


async def act(it: IrcSession, command: str, where: str, **args: Any) -> bool:
    """Do what moderators do in a channel. Return whether it was granted."""
    try:
        room = it.room(where)
        await it.ask(command, room=room.name, **args)
        room.log.send_events()  # the client waits for what it asked for
    except Refusal as refusal:
        nobody = refusal.code is Code.NO_SUCH_USER and "user" in args
        target = str(args["user"]) if nobody else where
        it.refused(refusal, Purpose.ACT, target[:64], command.upper())
        return False
    return True


def _more_needed(it: IrcSession, command: str, sentence: str) -> None:
    it.numeric(Numeric.NEEDMOREPARAMS, command, sentence)


CHANNEL_HANDLERS = {
    "JOIN": join,
    "PART": part,
    "NAMES": names_,
    "LIST": list_,
    "TOPIC": topic,
    "KICK": kick,
    "INVITE": invite,
}
