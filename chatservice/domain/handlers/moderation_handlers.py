"""Moderation commands: who may be in a room, who may speak there, and what was said."""

from collections.abc import Awaitable, Callable, Mapping

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.model import Room, Session, is_guest_id
from chatservice.domain.moderation import no_entry
from chatservice.domain.rights import Role
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import COMMANDS, Request, Right, parse_duration

_RoomChange = Callable[[Chat, Session, Room, Arguments], Awaitable[object]]
"""Changes a room. A string that it returns is the text of the reply."""


def _kick(chat: Chat, session: Session, room: Room, args: Arguments) -> Awaitable[object]:
    return chat.moderation.kick(session, room, _user(args), _reason(args))


def _ban(chat: Chat, session: Session, room: Room, args: Arguments) -> Awaitable[str]:
    return chat.moderation.ban(session, room, args["user"], _until(chat, args), _reason(args))


def _mute(chat: Chat, session: Session, room: Room, args: Arguments) -> Awaitable[None]:
    return chat.moderation.mute(session, room, _user(args), _until(chat, args), _reason(args))


def _user(args: Arguments) -> str:
    """Return the user's name, which may have an `@` before it."""
    return str(args["user"]).removeprefix("@")


def _reason(args: Arguments) -> str:
    return names.phrase(args.get("text", ""))


def _until(chat: Chat, args: Arguments) -> int:
    """Return the end of a time that begins now, in milliseconds since 1970; 0 if none is given."""
    time = args.get("time")
    return chat.now() + 1000 * parse_duration(time) if time is not None else 0


def _lifting(kind: RuleKind) -> _RoomChange:
    return lambda chat, session, room, args: chat.moderation.lift(session, room, kind, args["user"])


def _promoting(kind: RuleKind) -> _RoomChange:
    return lambda chat, session, room, args: chat.moderation.promote(
        session, room, _user(args), kind
    )


def _freezing(command: str, frozen: bool) -> _RoomChange:
    return lambda chat, session, room, _: chat.moderation.configure(
        session, room, command, frozen=frozen
    )


def _invite(chat: Chat, session: Session, room: Room, args: Arguments) -> Awaitable[None]:
    return chat.moderation.invite(session, room, _user(args))


def _slow(chat: Chat, session: Session, room: Room, args: Arguments) -> Awaitable[None]:
    every, limit = args["seconds"], chat.limits.slow_seconds
    if every > limit:
        raise Refusal(
            Code.BAD_ARGUMENT, "At most {limit} seconds; `freeze` ends all talk.", limit=limit
        )
    return chat.moderation.configure(session, room, f"slow {every}", slow=every)


async def _access(chat: Chat, session: Session, room: Room, args: Arguments) -> None:
    if args["access"] not in (Access.PUBLIC, Access.HIDDEN, Access.INVITED):
        raise Refusal(Code.BAD_ARGUMENT, "A room is public, hidden or invited; say which.")
    access, password, hashed = Access(args["access"]), args.get("password"), None
    if password is not None:
        hashed = await chat.rooms.hash_password(password, session.user)
    chat.rights.check_in_room(session, room, Right.OWN)  # that took a while
    did = f"access {access}" + (" with a password" if hashed else "")
    await chat.moderation.configure(session, room, did, access=access, password=hashed)


async def _close(chat: Chat, session: Session, room: Room, args: Arguments) -> str:
    await chat.moderation.configure(session, room, "close", access=Access.CLOSED)
    return f"{room.name} is closed."


async def _erase(chat: Chat, session: Session, args: Arguments) -> replies.Erased:
    room, position = chat.rooms.resolve(session, args.get("room")), args.get("position")
    if position is None:
        position = chat.last_said(session, room)
    found, _ = await chat.history(room, position - 1, position + 1, 1)
    if not found or found[0][0] != position:
        raise no_entry(position)
    entry = found[0][1]
    await chat.moderation.erase(session, room, position, entry)
    was = entry.file.name if entry.file is not None else names.one_line(entry.text)
    was = was if len(was) <= _ERASED else f"{was[:_ERASED]}..."
    return replies.Erased(f"#{position} is erased: {was}", position)


_ERASED = 60
"""Characters shown of an erased entry: one line of a terminal."""


def _rules(chat: Chat, session: Session, args: Arguments) -> replies.RoomRules:
    room, now = chat.rooms.resolve(session, args.get("room")), chat.now()
    guests = {user.id: user.name for user in chat.users.by_key.values() if user.guest_number}
    moderates = chat.rights.role(session.require_user(), room) >= Role.MODERATOR
    shown = [
        replies.RuleInfo(it.kind, names.one_line(whom), _seconds_left(it, now), it.by)
        for it in room.rules.all(now)
        if moderates or it.kind in (RuleKind.OWNER, RuleKind.MODERATOR)
        for whom in [guests.get(it.subject, it.subject)]
        if not (is_guest_id(whom) or _is_told_by_name(room, it, whom, now))
    ]
    shown.sort(key=lambda it: (list(RuleKind).index(RuleKind(it.what)), it.user))
    how = (room.access, room.password is not None, room.frozen, room.slow)
    return replies.RoomRules(room.name, *how, tuple(shown))


def _seconds_left(rule: Rule, now: int) -> int | None:
    return (rule.until - now + 999) // 1000 if rule.until else None


def _is_told_by_name(room: Room, rule: Rule, name: str, now: int) -> bool:
    """Return whether a guest's rule exists for their present name, too."""
    key = names.key(name)
    return rule.subject != key and room.rules.find(rule.kind, key, now) is not None


async def _record(chat: Chat, session: Session, args: Arguments) -> replies.ModerationLog:
    room = chat.rooms.resolve(session, args.get("room"))
    deeds = await chat.moderation.records(
        room, min(args.get("limit", 20), chat.limits.record_deeds)
    )
    told = (replies.ModerationInfo(it.time, it.who, names.one_line(it.text)) for it in deeds)
    return replies.ModerationLog(room.name, tuple(told))


def _broadcast(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    by, text = session.require_user().name, names.phrase(args["text"], needed=True)
    told = chat.users.broadcast(Notice(f"{by} tells all: {text}"))
    return replies.Done("1 connection was told." if told == 1 else f"{told} connections were told.")


def _locked(name: str, change: _RoomChange) -> Handler:
    """Return a handler that locks the room, and checks the right again under the lock."""

    async def handle(chat: Chat, session: Session, args: Arguments) -> replies.Done:
        room = chat.rooms.resolve(session, args.get("room"))
        async with chat.rooms.exclusive(room):
            # The session may be in another room by now.
            chat.check(session, Request(COMMANDS[name], {**args, "room": room.name}))
            text = await change(chat, session, room, args)
            return replies.Done(text) if isinstance(text, str) else replies.Done()

    return handle


_CHANGES: Mapping[str, _RoomChange] = {
    "kick": _kick,
    "ban": _ban,
    "unban": _lifting(RuleKind.BANNED),
    "mute": _mute,
    "unmute": _lifting(RuleKind.MUTED),
    "freeze": _freezing("freeze", True),
    "unfreeze": _freezing("unfreeze", False),
    "slow": _slow,
    "invite": _invite,
    "uninvite": _lifting(RuleKind.INVITED),
    "op": _promoting(RuleKind.MODERATOR),
    "deop": _lifting(RuleKind.MODERATOR),
    "owner": _promoting(RuleKind.OWNER),
    "access": _access,
    "close": _close,
}
"""Commands that change a room."""

MODERATION_HANDLERS: Mapping[str, Handler] = {
    **{name: _locked(name, change) for name, change in _CHANGES.items()},
    "erase": _erase,
    "rules": _rules,
    "record": _record,
    "broadcast": _broadcast,
}
