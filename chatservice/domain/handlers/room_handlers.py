"""Commands about rooms, talk and history."""

from collections.abc import Collection, Mapping
from functools import partial
from heapq import nsmallest
from itertools import islice

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.ignoring import heard_entries
from chatservice.domain.model import NOT_IN_ROOM, Room, Session
from chatservice.domain.overview import filter_rooms
from chatservice.domain.paging import page
from chatservice.domain.rules import Access
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar.commandtypes import Right
from chatservice.grammar.help import TOPICS, help_lines, overview


def joined(
    chat: Chat, room: Room, session: Session, reply: type[replies.Joined] = replies.Joined
) -> replies.Joined:
    """Return the reply to a session that has joined a room."""
    users, most = room.users(), chat.limits.joined_users
    first = islice(users, most + 1)
    others = [user.name for user in first if user is not session.user][:most]
    more = len(users) - len(others) - (session.user in users)
    how, last, kept = (room.name, room.number, room.topic), room.log.last, None
    if session.user is not None and session.user.kept is not None:
        kept = session.user.kept.rooms.get(room.number)
    return reply(*how, tuple(others), last, more, min(kept.read, last) if kept else last)


async def _join(chat: Chat, session: Session, args: Arguments) -> replies.Joined:
    room = await chat.rooms.join(session, args["room"], args.get("password"), args.get("after"))
    return joined(chat, room, session)


async def _create(chat: Chat, session: Session, args: Arguments) -> replies.Joined:
    user = session.require_user()
    chat.rooms.check_room_count(session)
    chat.members.check_count(user)
    room = await chat.rooms.create(args.get("room"), args.get("password"), user)
    await chat.rooms.join(session, room.name)
    return joined(chat, room, session, replies.Created)


async def _leave(chat: Chat, session: Session, args: Arguments) -> replies.Reply:
    room, here = chat.rooms.resolve(session, args.get("room")), session.current_room
    await chat.rooms.leave(session, room, args.get("keep", False))
    if here is None:
        return replies.Done()
    if here is session.current_room:
        return replies.Done(Message("You keep {room} no longer.", room=room.name))
    here = session.current_room
    return joined(chat, here, session) if here is not None else replies.Done()


def _rooms(chat: Chat, session: Session, args: Arguments) -> replies.RoomList:
    user = session.require_user()
    yours: list[Room] = []
    others: list[Room] = []
    for room in filter_rooms(chat.rooms.after_number(args.get("after", 0)), args.get("filter", "")):
        if room.access is Access.PUBLIC or chat.rights.may_see(session, room):
            (yours if user.keeps(room) else others).append(room)
    if "after" in args:  # they were on the first page
        yours.clear()
    size = lambda it: _ROOM_BYTES + len(it.topic.encode())  # noqa: E731
    shown = page((*yours, *others), size, chat.limits.listed, chat.limits.listed_bytes)
    if len(shown) <= len(yours):  # the next page follows the last of the others
        shown = (*yours, *others[:1])
    rows = [
        replies.RoomInfo(
            room=room.name,
            number=room.number,
            topic=room.topic,
            users=len(room.users()),
            locked=bool(room.password),
            access=room.access,
            member=room in yours,
        )
        for room in shown
    ]
    return replies.RoomList(tuple(rows), len(yours) + len(others) - len(shown))


_ROOM_BYTES = 120
"""The bytes of a room in the reply, about, beside its topic."""


async def _who(chat: Chat, session: Session, args: Arguments) -> replies.MemberList:
    room = chat.rooms.resolve(session, args.get("room"))
    after = names.key(args.get("after", "")[: names.LINE_BYTES])
    members = await chat.members.page(room, after, chat.limits.who_users)
    seen = {name: await chat.presence.last_seen(names.key(name)) for name in members.names}
    room.log.send_events()  # show departures first
    users = room.users()
    here = {user.key for user in users if user.registered}
    rows_ = (replies.RoomMember(name, names.key(name) in here, seen[name]) for name in seen)
    following = [user for user in users if user.key > after] if after else users
    first = nsmallest(chat.limits.who_users, following, key=lambda user: user.key)
    away, idle = chat.users.away_reason_in, chat.presence.idle_seconds
    rows = (replies.Member(it.name, away(it, room, session), idle(it)) for it in first)
    shown = page(
        rows,
        lambda it: 4 * len(it.name + it.away) + 40,
        chat.limits.who_users,
        chat.limits.answer_bytes,
    )
    more = len(following) - len(shown)
    return replies.MemberList(room.name, shown, len(users), more, tuple(rows_), members.following)


async def _topic(chat: Chat, session: Session, args: Arguments) -> replies.Topic:
    room = chat.rooms.resolve(session, args.get("room"))
    if "text" in args:
        await chat.set_topic(session, room, args["text"])
    return replies.Topic(room.name, room.topic)


async def _msg(chat: Chat, session: Session, args: Arguments) -> replies.PrivateSent:
    kind = Kind.NOTICE if args.get("notice") else Kind.PRIVATE
    seq, copy = await chat.send_private(session, args["to"], args["text"], args.get("key"), kind)
    return replies.PrivateSent(seq, args["to"], chat.users.away_reason(args["to"]), copy)


def _away(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    chat.users.set_away(session, args.get("text", ""))
    return replies.Done("You are away." if session.require_user().away else "You are back.")


def _typing(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    if not args:
        raise Refusal(Code.BAD_ARGUMENT, 'Name the "room", or say whether to "show" who types.')
    if "show" in args:
        chat.typing.show(session, args["show"])
    if "room" in args:
        chat.typing.tell(session, chat.rooms.resolve(session, args["room"]))
    return replies.Done()


def _ignore(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    name = names.user(args["user"])
    if chat.users.toggle_ignored(session, name):
        return replies.Done(f"You hear {name} again.")
    return replies.Done(
        Message("You do not hear {name} any more; `ignore {name}` again to hear them.", name=name)
    )


async def _history(chat: Chat, session: Session, args: Arguments) -> replies.History:
    after, before = args.get("after"), args.get("before")
    limit = args.get("limit", 20 if after is None else chat.limits.history_entries)
    place = args.get("room")
    if place is not None and place.startswith("@"):
        name, log = place, chat.users.inbox(session.require_user())
        with_ = names.key(place[1 : names.LINE_BYTES])
    else:
        room = chat.rooms.resolve(session, place)
        name, log, with_ = room.name, room.log, ""
    all_ = args.get("annotations", False)
    wanted = partial(_is_listed, session.ignored, with_, all_)
    entries, more = await chat.history(log, after, before, limit, wanted, not all_)
    # If none of a long page is heard, there has to be one to go on from.
    shown = heard_entries(entries, session.ignored) or tuple(entries)
    return replies.History(name, shown, more)


def _is_listed(ignored: Collection[str], other: str, annotations: bool, entry: Entry) -> bool:
    """Return whether an entry is listed: of no `ignored` user; an annotation only if `annotations`;
    and with the key of a user, `other`, only what is from or to them."""
    if entry.is_annotation and not annotations:
        return False
    if ignored and names.key(entry.who) in ignored:
        return False
    return not other or names.key(entry.to or entry.who) == other


async def _unread(chat: Chat, session: Session, args: Arguments) -> replies.Reply:
    asked, position = args.get("room"), args.get("position")
    chat.reading.catch_up(session.require_user())
    if position is not None:
        mark = await _marked(chat, session, asked, max(position, 1) - 1, back=True)
        asked = mark.room
    elif asked not in (None, "@") and not session.traits.many_rooms:
        return await _unread_entries(chat, session, chat.rooms.resolve(session, asked))
    if asked == "@":
        return await chat.unread.of(session, (), inbox=True)
    if asked is not None:
        return await chat.unread.of(session, (_kept_room(chat, session, asked),), inbox=False)
    kept = chat.members.kept_by(session.require_user(), chat.rooms.by_number)
    rooms = [it for it in kept if chat.rights.token_covers(session, it)]
    return await chat.unread.of(session, rooms, chat.rights.token_covers(session, None))


async def _unread_entries(chat: Chat, session: Session, room: Room) -> replies.History:
    """Return the first unread entries of a room, which are read then."""
    chat.rights.check_in_room(session, room, Right.READ)
    kept = _kept_room(chat, session, room.name)
    read = chat.reading.position(session, kept)
    last, limit = room.log.last, chat.limits.unread_shown
    entries, more = await chat.history(room.log, read, None, limit)
    chat.rights.check_in_room(session, room, Right.READ)
    if session.require_user().keeps(room):
        is_part = entries and (more or len(entries) == limit)
        chat.reading.mark(session, room, entries[-1][0] if is_part else last)
    return replies.History(room.name, heard_entries(entries, session.ignored), more)


def _kept_room(chat: Chat, session: Session, name: str) -> Room:
    """Return a room that a session's user keeps. Raises `Refusal` (no-such-room, not-in-room)."""
    room = chat.rooms.resolve(session, name)
    if not session.require_user().keeps(room):
        raise Refusal(Code.NOT_IN_ROOM, NOT_IN_ROOM, room=room.name)
    return room


async def _marked(
    chat: Chat, session: Session, name: str | None, position: int, back: bool = False
) -> replies.ReadMark:
    if name == "@":
        return replies.ReadMark("@", await chat.reading.mark_inbox(session, position, back))
    if name is None:
        name = chat.rooms.resolve(session, None).name
    room = _kept_room(chat, session, name)
    return replies.ReadMark(room.name, chat.reading.mark(session, room, position, back))


def _skip(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    cursor = session.require_cursor(room)
    position, last = cursor.position, room.log.last
    cursor.advance(last)
    if position == last:
        return replies.Done("You are up to date.")
    return replies.Done(
        Message(
            "You are up to date now; `history #{position}` shows what you skipped.",
            position=position,
        )
    )


def _help(chat: Chat, session: Session, args: Arguments) -> replies.Help:
    about = args.get("command")
    may = partial(chat.may_use, session)
    if about is None and not session.traits.many_rooms:
        return replies.Help(overview(may, session.user is not None))
    lines = help_lines(about, may)
    if not lines and about is not None and about.casefold() in TOPICS:
        sentence = "You may use none of those commands here; `help` lists others."
        raise Refusal(Code.NOT_ALLOWED, sentence)
    if not lines:
        raise Refusal(
            Code.UNKNOWN_COMMAND, "There is no such command; `help` lists those there are."
        )
    return replies.Help(lines)


ROOM_HANDLERS: Mapping[str, Handler] = {
    "join": _join,
    "create": _create,
    "leave": _leave,
    "rooms": _rooms,
    "who": _who,
    "topic": _topic,
    "msg": _msg,
    "away": _away,
    "seen": lambda chat, session, args: chat.presence.seen(
        session, args.get("user"), args.get("show")
    ),
    "ignore": _ignore,
    "typing": _typing,
    "history": _history,
    "search": lambda chat, session, args: chat.searching.search(
        *(session, args["text"], args.get("room"), args.get("before"), args.get("limit", 20))
    ),
    "unread": _unread,
    "read": lambda chat, session, args: _marked(chat, session, args["room"], args["position"]),
    "skip": _skip,
    "nick": lambda chat, session, args: chat.users.rename(session, **args),
    "help": _help,
}
