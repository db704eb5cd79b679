"""Commands of coming and going: to the server and to rooms; and to see who is there."""

from collections.abc import Awaitable, Mapping
from heapq import nsmallest
from itertools import islice

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.model import Room, Session
from chatservice.domain.overview import filter_rooms
from chatservice.domain.paging import page
from chatservice.domain.rules import Access
from chatservice.errors import Code, Message, Refusal


async def entered(
    chat: Chat, session: Session, entering: Awaitable[replies.Welcome]
) -> replies.Welcome:
    """Put a session that is always in one room into the lobby, or into the only room that it may
    be in, unless it is in one."""
    welcome = await entering
    if not session.traits.many_rooms and session.current_room is None:
        chat.rooms.put_in(session, session.only_room or chat.rooms.lobby)
    return welcome


async def _hello(chat: Chat, session: Session, args: Arguments) -> replies.Welcome:
    if session.traits.admin:
        return await entered(chat, session, chat.users.enter_as_operator(session))
    if session.user is not None:
        raise Refusal(
            Code.BAD_ARGUMENT, "You are {user}; `nick` changes that.", user=session.user.name
        )
    return await entered(chat, session, chat.users.enter(session, **args))


def joined(
    chat: Chat, room: Room, session: Session, reply: type[replies.Joined] = replies.Joined
) -> replies.Joined:
    """Return the reply to a session that has joined a room."""
    others, user, read = room.users(), session.user, room.log.last
    if user is not None:
        others.pop(user, None)
        if user.kept is not None and room.number in user.kept.rooms:
            read = min(user.kept.rooms[room.number].read, read)
    shown = tuple([it.name for it in islice(others, chat.limits.joined_users)])
    more = len(others) - len(shown)
    return reply(room.name, room.number, room.topic, shown, room.log.last, more, read)


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
    await chat.rooms.leave(session, room, args.get("keep", False), args.get("text", ""))
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


ROOM_HANDLERS: Mapping[str, Handler] = {
    "hello": _hello,
    "join": _join,
    "create": _create,
    "leave": _leave,
    "rooms": _rooms,
    "who": _who,
    "topic": _topic,
}
