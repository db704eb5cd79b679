"""Commands of talk, beside talk itself: to be seen, and to read what was said."""

from collections.abc import Collection, Mapping
from functools import partial

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.history import Part
from chatservice.domain.ignoring import heard_entries
from chatservice.domain.model import Room, Session
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Message, Refusal


async def _msg(chat: Chat, session: Session, args: Arguments) -> replies.PrivateSent:
    kind = Kind.ACTION if args.get("action") else Kind.PRIVATE
    kind = Kind.NOTICE if args.get("notice") else kind
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
        name, log = names.conversation(place), chat.users.inbox(session.require_user())
        with_ = names.key(name[1:])
    else:
        room = chat.rooms.resolve(session, place)
        name, log, with_ = room.name, room.log, ""
    all_ = args.get("annotations", False)
    wanted = partial(_is_listed, session.ignored, with_, all_)
    part = Part(after, before, limit, wanted)
    entries, more = await chat.history.page(log, part, with_states=not all_)
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
        room = chat.rooms.resolve(session, asked)
        entries, more = await chat.unread.first(session, room)
        return replies.History(room.name, heard_entries(entries, session.ignored), more)
    if asked == "@":
        return await chat.unread.of(session, (), inbox=True)
    if asked is not None:
        return await chat.unread.of(session, (_kept_room(chat, session, asked),), inbox=False)
    kept = chat.members.kept_by(session.require_user(), chat.rooms.by_number)
    rooms = [it for it in kept if chat.rights.token_covers(session, it)]
    return await chat.unread.of(session, rooms, chat.rights.token_covers(session, None))


def _kept_room(chat: Chat, session: Session, name: str) -> Room:
    """Return a room that a session's user keeps. Raises `Refusal` (no-such-room, not-in-room)."""
    room = chat.rooms.resolve(session, name)
    chat.members.check_keeps(session.require_user(), room)
    return room


async def _marked(
    chat: Chat, session: Session, name: str | None, position: int, back: bool = False
) -> replies.ReadMark:
    if name == "@":
        return replies.ReadMark("@", await chat.reading.mark_inbox(session, position, back))
    if name is None:
        name = chat.rooms.resolve(session, None).name
    room = _kept_room(chat, session, name)
    chat.members.keep_of_guest(session.require_user(), room, min(position, room.log.last))
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


TALK_HANDLERS: Mapping[str, Handler] = {
    "msg": _msg,
    "seen": lambda chat, session, args: chat.presence.seen(
        session, args.get("user"), args.get("show")
    ),
    "away": _away,
    "typing": _typing,
    "ignore": _ignore,
    "history": _history,
    "search": lambda chat, session, args: chat.searching.search(
        *(session, args["text"], args.get("room"), args.get("before"), args.get("limit", 20))
    ),
    "unread": _unread,
    "read": lambda chat, session, args: _marked(chat, session, args["room"], args["position"]),
    "skip": _skip,
}
