"""Keeping order: who may be in a room, who may speak there, and what was said there."""

from collections.abc import Mapping

from chatservice import answers, limits, names
from chatservice.domain.actions.kinds import Action, Args, awaited
from chatservice.domain.chat import Chat
from chatservice.domain.moderation import no_entry
from chatservice.domain.places import Room, Session, is_guests
from chatservice.domain.rights import Role
from chatservice.domain.rules import Access, Rule, What
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import COMMANDS, Request, Right, seconds


async def _kick(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.kick(session, room, _user(args), _reason(args))
    return answers.Done()


async def _ban(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    until = _until(chat, args)
    told = await chat.moderation.ban(session, room, args["user"], until, _reason(args))
    return answers.Done(told)


async def _mute(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    until = _until(chat, args)
    await chat.moderation.mute(session, room, _user(args), until, _reason(args))
    return answers.Done()


def _user(args: Args) -> str:
    """Whom it is for: users are called with an `@` before their name, too."""
    return str(args["user"]).removeprefix("@")


def _reason(args: Args) -> str:
    return names.phrase(args.get("text", ""))


def _until(chat: Chat, args: Args) -> int:
    """When a time that begins now is over, in milliseconds since 1970; 0 if none was given."""
    time = args.get("time")
    return chat.now() + 1000 * seconds(time) if time is not None else 0


def _undoing(what: What) -> Action:
    async def undo(chat: Chat, session: Session, args: Args) -> answers.Done:
        room = chat.rooms.of(session, args.get("room"))
        await chat.moderation.undo(session, room, what, args["user"])
        return answers.Done()

    return undo


def _promoting(what: What) -> Action:
    async def promote(chat: Chat, session: Session, args: Args) -> answers.Done:
        room = chat.rooms.of(session, args.get("room"))
        await chat.moderation.promote(session, room, _user(args), what)
        return answers.Done()

    return promote


async def _invite(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.invite(session, room, _user(args))
    return answers.Done()


async def _freeze(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.set(session, room, "freeze", frozen=True)
    return answers.Done()


async def _unfreeze(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.set(session, room, "unfreeze", frozen=False)
    return answers.Done()


async def _slow(chat: Chat, session: Session, args: Args) -> answers.Done:
    room, every = chat.rooms.of(session, args.get("room")), args["seconds"]
    if every > limits.SLOW_SECONDS:
        raise Refusal(
            Code.BAD_ARGUMENT, f"At most {limits.SLOW_SECONDS} seconds; /freeze ends all talk."
        )
    await chat.moderation.set(session, room, f"slow {every}", slow=every)
    return answers.Done()


async def _access(chat: Chat, session: Session, args: Args) -> answers.Done:
    room, password = chat.rooms.of(session, args.get("room")), args.get("password")
    if args["access"] not in (Access.PUBLIC, Access.HIDDEN, Access.INVITED):
        raise Refusal(Code.BAD_ARGUMENT, "A room is public, hidden or invited; say which.")
    access = Access(args["access"])
    hashed = await chat.rooms.hashed(password, session.user) if password is not None else None
    chat.rights.need(session, room, Right.OWN)  # that took a while
    did = f"access {access}" + (" with a password" if hashed else "")
    await chat.moderation.set(session, room, did, access=access, password=hashed)
    return answers.Done()


async def _close(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.set(session, room, "close", access=Access.CLOSED)
    return answers.Done(f"{room.name} is closed.")


async def _erase(chat: Chat, session: Session, args: Args) -> answers.Erased:
    room, position = chat.rooms.of(session, args.get("room")), args.get("position")
    if position is None:
        position = chat.last_said(session, room)
    found, _ = await chat.history(room, position - 1, position + 1, 1)
    if not found or found[0][0] != position:
        raise no_entry(position)
    entry = found[0][1]
    await chat.moderation.erase(session, room, position, entry)
    was = entry.file.name if entry.file is not None else names.one_line(entry.text)
    was = was if len(was) <= _ERASED else f"{was[:_ERASED]}..."
    return answers.Erased(f"#{position} is erased: {was}", position)


_ERASED = 60
"""Characters of what was erased that are told: enough to know it by, in one line of a terminal."""


def _rules(chat: Chat, session: Session, args: Args) -> answers.RoomRules:
    room, now = chat.rooms.of(session, args.get("room")), chat.now()
    guests = {user.id: user.name for user in chat.people.by_key.values() if user.guest}
    moderates = chat.rights.role(session.needs_user(), room) >= Role.MODERATOR
    shown = [
        answers.RuleInfo(
            *(
                it.what,
                names.one_line(whom),
                (it.until - now + 999) // 1000 if it.until else None,
                it.who,
            )
        )
        for it in room.rules.all(now)
        if moderates or it.what in (What.OWNER, What.MODERATOR)
        for whom in [guests.get(it.whom, it.whom)]
        if not (is_guests(whom) or _is_told_by_name(room, it, whom, now))
    ]
    shown.sort(key=lambda it: (list(What).index(What(it.what)), it.user))
    how = (room.access, room.password is not None, room.frozen, room.slow)
    return answers.RoomRules(room.name, *how, tuple(shown))


def _is_told_by_name(room: Room, rule: Rule, name: str, now: int) -> bool:
    """Return whether a rule of a guest's is there once more, under the name that they have."""
    key = names.key(name)
    return rule.whom != key and room.rules.find(rule.what, key, now) is not None


async def _record(chat: Chat, session: Session, args: Args) -> answers.Record:
    room = chat.rooms.of(session, args.get("room"))
    deeds = await chat.moderation.record(room, min(args.get("limit", 20), limits.RECORD_DEEDS))
    told = (answers.DeedInfo(time, who, names.one_line(did)) for time, who, did in deeds)
    return answers.Record(room.name, tuple(told))


def _broadcast(chat: Chat, session: Session, args: Args) -> answers.Done:
    by, text = session.needs_user().name, names.phrase(args["text"], needed=True)
    told = chat.people.tell_all(Notice(f"{by} tells all: {text}"))
    return answers.Done("1 connection was told." if told == 1 else f"{told} connections were told.")


def _alone(name: str, action: Action) -> Action:
    """Return a command's action that changes a room while nobody else does, and only if the one
    whose turn it is then still may."""

    async def change(chat: Chat, session: Session, args: Args) -> answers.Answer:
        room = chat.rooms.of(session, args.get("room"))
        async with chat.rooms.alone(room):
            there = {**args, "room": room.name}  # where one is may be another room by now
            chat.permit(session, Request(COMMANDS[name], there))
            return await awaited(action(chat, session, there))

    return change


_CHANGES: Mapping[str, Action] = {
    "kick": _kick,
    "ban": _ban,
    "unban": _undoing(What.BANNED),
    "mute": _mute,
    "unmute": _undoing(What.MUTED),
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "slow": _slow,
    "invite": _invite,
    "uninvite": _undoing(What.INVITED),
    "op": _promoting(What.MODERATOR),
    "deop": _undoing(What.MODERATOR),
    "owner": _promoting(What.OWNER),
    "access": _access,
    "close": _close,
}
"""Commands that change a room."""

ORDERING: Mapping[str, Action] = {
    **{name: _alone(name, action) for name, action in _CHANGES.items()},
    "erase": _erase,
    "rules": _rules,
    "record": _record,
    "broadcast": _broadcast,
}
