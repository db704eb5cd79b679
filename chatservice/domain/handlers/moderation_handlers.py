"""Commands of moderators and owners of rooms, and those that show what they did."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.model import Room, Session, is_guest_id
from chatservice.domain.rights import Role
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request, Right
from chatservice.grammar.durations import parse_duration


@dataclass(frozen=True, slots=True)
class _Change:
    """A command that changes a room, with its arguments."""

    chat: Chat
    session: Session
    room: Room
    args: Arguments

    @property
    def by(self) -> tuple[Session, Room]:
        """The first arguments of the methods that do it."""
        return self.session, self.room

    @property
    def user(self) -> str:
        """The user's name, which may be given with an `@` before it."""
        return str(self.args["user"]).removeprefix("@")

    @property
    def why(self) -> str:
        """The reason."""
        return names.phrase(self.args.get("text", ""))

    @property
    def until(self) -> int:
        """The end of a time that begins now, in milliseconds since 1970; 0 if none is given."""
        time = self.args.get("time")
        return self.chat.now() + 1000 * parse_duration(time) if time is not None else 0


def _slow(it: _Change) -> Awaitable[None]:
    every, limit = it.args["seconds"], it.chat.limits.slow_seconds
    if every > limit:
        raise Refusal(
            Code.BAD_ARGUMENT, "At most {limit} seconds; `freeze` ends all talk.", limit=limit
        )
    return it.chat.moderation.configure(*it.by, f"slow {every}", slow=every)


async def _access(it: _Change) -> None:
    if it.args["access"] not in (Access.PUBLIC, Access.HIDDEN, Access.INVITED):
        raise Refusal(Code.BAD_ARGUMENT, "A room is public, hidden or invited; say which.")
    access, password, hashed = Access(it.args["access"]), it.args.get("password"), None
    if password is not None:
        hashed = await it.chat.rooms.hash_password(password, it.session.user)
    it.chat.rights.check_in_room(*it.by, Right.OWN)  # that took a while
    did = f"access {access}" + (" with a password" if hashed else "")
    await it.chat.moderation.configure(*it.by, did, access=access, password=hashed)


async def _close(it: _Change) -> str:
    await it.chat.moderation.configure(*it.by, "close", access=Access.CLOSED, password=None)
    return f"{it.room.name} is closed."


def _rules(chat: Chat, session: Session, args: Arguments) -> replies.RoomRules:
    room, now = chat.rooms.resolve(session, args.get("room")), chat.now()
    present = (*chat.users.elsewhere.by_key.values(), *chat.users.by_key.values())
    guests = {user.id: user.name for user in present if user.guest_number}
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


_CHANGES: Mapping[str, Callable[[_Change], Awaitable[object]]] = {
    "kick": lambda it: it.chat.moderation.kick(*it.by, it.user, it.why),
    "ban": lambda it: it.chat.moderation.ban(*it.by, it.args["user"], it.until, it.why),
    "unban": lambda it: it.chat.moderation.lift(*it.by, RuleKind.BANNED, it.args["user"]),
    "mute": lambda it: it.chat.moderation.mute(*it.by, it.user, it.until, it.why),
    "unmute": lambda it: it.chat.moderation.lift(*it.by, RuleKind.MUTED, it.args["user"]),
    "freeze": lambda it: it.chat.moderation.configure(*it.by, "freeze", frozen=True),
    "unfreeze": lambda it: it.chat.moderation.configure(*it.by, "unfreeze", frozen=False),
    "slow": _slow,
    "invite": lambda it: it.chat.moderation.invite(*it.by, it.user),
    "uninvite": lambda it: it.chat.moderation.lift(*it.by, RuleKind.INVITED, it.args["user"]),
    "op": lambda it: it.chat.moderation.promote(*it.by, it.user, RuleKind.MODERATOR),
    "deop": lambda it: it.chat.moderation.lift(*it.by, RuleKind.MODERATOR, it.args["user"]),
    "owner": lambda it: it.chat.moderation.promote(*it.by, it.user, RuleKind.OWNER),
    "access": _access,
    "close": _close,
}
"""Commands that change a room. A string that they return is the text of the reply."""


def _locked(name: str) -> Handler:
    """Return a handler that locks the room, and checks the right again under the lock."""

    async def handle(chat: Chat, session: Session, args: Arguments) -> replies.Done:
        room = chat.rooms.resolve(session, args.get("room"))
        async with chat.rooms.exclusive(room):
            # The session may be in another room by now.
            chat.check(session, Request(COMMANDS[name], {**args, "room": room.name}))
            text = await _CHANGES[name](_Change(chat, session, room, args))
            return replies.Done(text) if isinstance(text, str) else replies.Done()

    return handle


MODERATION_HANDLERS: Mapping[str, Handler] = {
    **{name: _locked(name) for name in _CHANGES},
    "rules": _rules,
    "record": _record,
}
