"""Keeping order: who may be in a room, who may speak there, and what was said there."""

from collections.abc import Mapping

from chatservice import names, replies
from chatservice.domain.chat import Chat
from chatservice.domain.handlers.handler import Answer, Arguments, Handler, awaited
from chatservice.domain.model import Room, Session, is_guest_id
from chatservice.domain.moderation import no_entry
from chatservice.domain.rights import Role
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import COMMANDS, Request, Right, parse_duration


async def _kick(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    await chat.moderation.kick(session, room, _user(args), _reason(args))
    return replies.Done()


async def _ban(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    until = _until(chat, args)
    told = await chat.moderation.ban(session, room, args["user"], until, _reason(args))
    return replies.Done(told)


async def _mute(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    until = _until(chat, args)
    await chat.moderation.mute(session, room, _user(args), until, _reason(args))
    return replies.Done()


def _user(args: Arguments) -> str:
    """Whom it is for: users are called with an `@` before their name, too."""
    return str(args["user"]).removeprefix("@")


def _reason(args: Arguments) -> str:
    return names.phrase(args.get("text", ""))


def _until(chat: Chat, args: Arguments) -> int:
    """When a time that begins now is over, in milliseconds since 1970; 0 if none was given."""
    time = args.get("time")
    return chat.now() + 1000 * parse_duration(time) if time is not None else 0


def _undoing(what: RuleKind) -> Handler:
    async def undo(chat: Chat, session: Session, args: Arguments) -> replies.Done:
        room = chat.rooms.resolve(session, args.get("room"))
        await chat.moderation.lift(session, room, what, args["user"])
        return replies.Done()

    return undo


def _promoting(what: RuleKind) -> Handler:
    async def promote(chat: Chat, session: Session, args: Arguments) -> replies.Done:
        room = chat.rooms.resolve(session, args.get("room"))
        await chat.moderation.promote(session, room, _user(args), what)
        return replies.Done()

    return promote


async def _invite(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    await chat.moderation.invite(session, room, _user(args))
    return replies.Done()


async def _freeze(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    await chat.moderation.configure(session, room, "freeze", frozen=True)
    return replies.Done()


async def _unfreeze(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    await chat.moderation.configure(session, room, "unfreeze", frozen=False)
    return replies.Done()


async def _slow(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room, every = chat.rooms.resolve(session, args.get("room")), args["seconds"]
    if every > chat.limits.slow_seconds:
        raise Refusal(
            Code.BAD_ARGUMENT,
            "At most {limit} seconds; `freeze` ends all talk.",
            limit=chat.limits.slow_seconds,
        )
    await chat.moderation.configure(session, room, f"slow {every}", slow=every)
    return replies.Done()


async def _access(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room, password = chat.rooms.resolve(session, args.get("room")), args.get("password")
    if args["access"] not in (Access.PUBLIC, Access.HIDDEN, Access.INVITED):
        raise Refusal(Code.BAD_ARGUMENT, "A room is public, hidden or invited; say which.")
    access = Access(args["access"])
    hashed = (
        await chat.rooms.hash_password(password, session.user) if password is not None else None
    )
    chat.rights.check_in_room(session, room, Right.OWN)  # that took a while
    did = f"access {access}" + (" with a password" if hashed else "")
    await chat.moderation.configure(session, room, did, access=access, password=hashed)
    return replies.Done()


async def _close(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room = chat.rooms.resolve(session, args.get("room"))
    await chat.moderation.configure(session, room, "close", access=Access.CLOSED)
    return replies.Done(f"{room.name} is closed.")


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
"""Characters of what was erased that are told: enough to know it by, in one line of a terminal."""


def _rules(chat: Chat, session: Session, args: Arguments) -> replies.RoomRules:
    room, now = chat.rooms.resolve(session, args.get("room")), chat.now()
    guests = {user.id: user.name for user in chat.users.by_key.values() if user.guest_number}
    moderates = chat.rights.role(session.require_user(), room) >= Role.MODERATOR
    shown = [
        replies.RuleInfo(
            *(
                it.kind,
                names.one_line(whom),
                (it.until - now + 999) // 1000 if it.until else None,
                it.by,
            )
        )
        for it in room.rules.all(now)
        if moderates or it.kind in (RuleKind.OWNER, RuleKind.MODERATOR)
        for whom in [guests.get(it.subject, it.subject)]
        if not (is_guest_id(whom) or _is_told_by_name(room, it, whom, now))
    ]
    shown.sort(key=lambda it: (list(RuleKind).index(RuleKind(it.what)), it.user))
    how = (room.access, room.password is not None, room.frozen, room.slow)
    return replies.RoomRules(room.name, *how, tuple(shown))


def _is_told_by_name(room: Room, rule: Rule, name: str, now: int) -> bool:
    """Return whether a rule of a guest's is there once more, under the name that they have."""
    key = names.key(name)
    return rule.subject != key and room.rules.find(rule.kind, key, now) is not None


async def _record(chat: Chat, session: Session, args: Arguments) -> replies.ModerationLog:
    room = chat.rooms.resolve(session, args.get("room"))
    deeds = await chat.moderation.records(
        room, min(args.get("limit", 20), chat.limits.record_deeds)
    )
    told = (replies.ModerationInfo(time, who, names.one_line(did)) for time, who, did in deeds)
    return replies.ModerationLog(room.name, tuple(told))


def _broadcast(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    by, text = session.require_user().name, names.phrase(args["text"], needed=True)
    told = chat.users.broadcast(Notice(f"{by} tells all: {text}"))
    return replies.Done("1 connection was told." if told == 1 else f"{told} connections were told.")


def _locked(name: str, action: Handler) -> Handler:
    """Return a command's action that changes a room while nobody else does, and only if the one
    whose turn it is then still may."""

    async def change(chat: Chat, session: Session, args: Arguments) -> Answer:
        room = chat.rooms.resolve(session, args.get("room"))
        async with chat.rooms.exclusive(room):
            there = {**args, "room": room.name}  # where one is may be another room by now
            chat.check(session, Request(COMMANDS[name], there))
            return await awaited(action(chat, session, there))

    return change


_CHANGES: Mapping[str, Handler] = {
    "kick": _kick,
    "ban": _ban,
    "unban": _undoing(RuleKind.BANNED),
    "mute": _mute,
    "unmute": _undoing(RuleKind.MUTED),
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "slow": _slow,
    "invite": _invite,
    "uninvite": _undoing(RuleKind.INVITED),
    "op": _promoting(RuleKind.MODERATOR),
    "deop": _undoing(RuleKind.MODERATOR),
    "owner": _promoting(RuleKind.OWNER),
    "access": _access,
    "close": _close,
}
"""Commands that change a room."""

MODERATION_HANDLERS: Mapping[str, Handler] = {
    **{name: _locked(name, action) for name, action in _CHANGES.items()},
    "erase": _erase,
    "rules": _rules,
    "record": _record,
    "broadcast": _broadcast,
}
