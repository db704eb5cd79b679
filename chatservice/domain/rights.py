"""Rights: decides whether a session may make a request.

A command needs rights (`chatservice.grammar.table`). A user has a role in each room, by its
rules and by being there, and the table here says which rights a role has.
"""

from collections.abc import Callable, Collection, Mapping
from enum import IntEnum
from typing import Any

from chatservice import names
from chatservice.domain.log import Cursor
from chatservice.domain.model import Room, Session, User
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.domain.tickets import DownloadTicket, UploadTicket, ValidTickets
from chatservice.domain.tokens import is_key
from chatservice.entries import Entry
from chatservice.errors import NOT_IN_ROOM, Code, Refusal
from chatservice.grammar.commandtypes import Command, Request, Right


class Role(IntEnum):
    """A user's role in a room. Moderators act on users with lower roles only."""

    STRANGER = 0
    BANNED = 1
    OUTSIDER = 2
    VISITOR = 3
    LISTENER = 4
    SPEAKER = 5
    MODERATOR = 6
    OWNER = 7
    OPERATOR = 8


_ANYBODY = frozenset({Right.NOTHING})
_NAMED = _ANYBODY | {Right.NAME}
_READING = _NAMED | {Right.READ}
_LISTENING = _READING | {Right.PRESENCE}
_SPEAKING = _LISTENING | {Right.SPEAK}
_MODERATING = _SPEAKING | {Right.MODERATE}
_OWNING = _MODERATING | {Right.OWN}

ROLE_RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.STRANGER: _ANYBODY,
    Role.BANNED: _NAMED,
    Role.OUTSIDER: _NAMED,
    Role.VISITOR: _READING,
    Role.LISTENER: _LISTENING,
    Role.SPEAKER: _SPEAKING,
    Role.MODERATOR: _MODERATING,
    Role.OWNER: _OWNING,
    Role.OPERATOR: _OWNING | {Right.OPERATE, Right.ADMIN_SOCKET},
}
"""The table. Only the operator of the admin socket has `Right.ADMIN_SOCKET`: it is for what
reaches beyond the chat, into the machine. That operator never logs in, so they alone lack
`Right.ACCOUNT`, which every registered user has in any role. Moderators need not be in the room,
but to speak, and for `Right.PRESENCE`, they must be in it like everybody."""

ROOM_RIGHTS = frozenset({Right.READ, Right.PRESENCE, Right.SPEAK, Right.MODERATE, Right.OWN})
"""The rights that depend on the room."""


def rights_for(command: Command, args: Mapping[str, Any]) -> Collection[Right]:
    """Return the rights that a command needs with these arguments."""
    needs: tuple[Right, ...] = (command.needs,)
    if further := command.needing_rights():
        needs += tuple(arg.needs for arg in further if arg.name in args)
    return needs


class Rights:
    """Decides who may do what. `now` tells the time in milliseconds since 1970.

    `operators` has the keys (`names.key`) of the operators' names, `tokens` the digests of the
    tokens with which sessions came in, and `tickets` the valid tickets.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self.operators = {names.OPERATOR_KEY}
        self.tokens: dict[Session, str] = {}
        self.tickets = ValidTickets()
        self._now = now

    def check(self, session: Session, request: Request, find: Callable[[], Room]) -> None:
        """Raise `Refusal` (name-needed, not-allowed, not-in-room, banned) if a session may not make
        a request. `find` returns the request's room."""
        command, args = request.command, request.args
        if session in self.tokens:
            self._check_token(session, request, find)
        for need in rights_for(command, args):
            if need is Right.NOTHING:
                continue
            user = session.require_user()
            in_room = need in ROOM_RIGHTS and "to" not in args
            if in_room and not command.is_elsewhere(args.get("room")):
                self.check_in_room(session, find(), need)
            else:
                self._need_of_server(user, need, command)

    def _check_token(self, session: Session, request: Request, find: Callable[[], Room]) -> None:
        """Raise `Refusal` (not-allowed) if a session's token does not allow a request. A token for
        one room does not tell which other rooms exist."""
        command, args = request.command, request.args
        if command.password_only and not is_key(self.tokens[session]):
            raise Refusal(
                Code.NOT_ALLOWED, "A token is not good for that; log in with your password."
            )
        only = session.only_room
        if only is None:
            return
        in_room = command.needs in ROOM_RIGHTS
        fits = in_room or command.room_token or command.needs is Right.NOTHING
        if fits and (in_room or "room" in args):
            try:
                fits = find() is only and "to" not in args
            except Refusal:
                fits = False
        if not fits:
            raise Refusal(
                Code.NOT_ALLOWED,
                "Your token is for the room {only} only, and `{command}` is not; use one "
                "without a room.",
                only=only.name,
                command=command.name,
            )
        if command.name == "leave" and not session.traits.many_rooms:
            raise Refusal(
                Code.NOT_ALLOWED,
                "Your token is for the room {only} only; `quit` ends the connection.",
                only=only.name,
            )

    def token_covers(self, session: Session, room: Room | None) -> bool:
        """Return whether a session's token, if it has one, allows a room; None stands for the
        user's inbox and own files."""
        return session.only_room is None or session.only_room is room

    def may_read(self, session: Session, room: Room) -> bool:
        """Return whether a session may read a room and download its files."""
        role = self.role(session.require_user(), room)
        return self.token_covers(session, room) and Right.READ in ROLE_RIGHTS[role]

    def check_operator(self, session: Session) -> None:
        """Raise `Refusal` (name-needed, not-allowed) unless a session's user is still an
        operator."""
        if not self.is_operator(session.require_user()):
            raise Refusal(Code.NOT_ALLOWED, "You are no longer an operator; nothing was done.")

    def _need_of_server(self, user: User, need: Right, command: Command) -> None:
        local = user.key == names.OPERATOR_KEY
        if need is Right.ACCOUNT and not user.registered:
            told = "`{command}` is for registered names; `register` first."
        elif need is Right.ACCOUNT and local:
            told = "`{command}` needs an account; log in with its name on another connection."
        elif need is Right.ADMIN_SOCKET and not local:
            told = "`{command}` works on the server's machine only: chatctl {command}."
        elif need is Right.OPERATE and not self.is_operator(user):
            told = "Only operators may use `{command}`; ask one of them."
        else:
            return
        raise Refusal(Code.NOT_ALLOWED, told, command=command.name)

    def check_in_room(self, session: Session, room: Room, need: Right) -> None:
        """Raise `Refusal` unless a session has a right in a room. One that is not visible need not
        come in, if its user could do so without a password."""
        user = session.require_user()
        role = self.role(user, room)
        if need in (Right.PRESENCE, Right.SPEAK) and role > Role.BANNED:
            if session.traits.visible or not self.needs_no_password(session, room):
                session.require_cursor(room)
            role = self._role_inside(user, session.peer.address, room)
        if need not in ROLE_RIGHTS[role]:
            raise self._refusal(user, room, role, need)

    def check_speak(self, session: Session, room: Room) -> Cursor:
        """Return a session's cursor in a room. Raises `Refusal` unless it may speak there."""
        cursor = session.require_cursor(room)
        if room.rules or room.frozen:  # else everybody in it may
            self.check_in_room(session, room, Right.SPEAK)
        return cursor

    def owns_entry(
        self, session: Session, room: Room, position: int, entry: Entry, created: int | None
    ) -> bool:
        """Return whether an entry is a session's user's own: the last one of the session, also of a
        guest's; or one said under their registered name since the account was `created`
        (milliseconds since 1970; None without one). Before, it was a guest's."""
        user, cursor = session.require_user(), room.sessions.get(session)
        if cursor is not None and cursor.last_said == position:
            return True
        theirs = user.registered and names.key(entry.who) == user.key
        return theirs and created is not None and entry.time >= created

    def is_operator(self, user: User) -> bool:
        """Return whether a user is an operator."""
        return user.registered and user.key in self.operators

    def role(self, user: User, room: Room) -> Role:
        """Return a user's role in a room."""
        rank = self.standing_role(user, room)
        if rank is not None:
            return rank
        if not (room.rules or room.frozen or not room.is_open):  # as nearly all rooms are
            return Role.SPEAKER if room.has_user(user) else Role.VISITOR
        if self.find_ban(user, room) is not None:
            return Role.BANNED
        if not room.has_user(user):
            return Role.OUTSIDER if not room.is_open else Role.VISITOR
        muted = self.restriction(RuleKind.MUTED, user, room)
        return Role.LISTENER if room.frozen or muted else Role.SPEAKER

    def standing_role(self, user: User, room: Room) -> Role | None:
        """Return the role that a user has in a room even while elsewhere, or None."""
        if self.is_operator(user):
            return Role.OPERATOR
        if not room.rules:
            return None
        for what, role in _STANDING_ROLES.items():
            if room.rules.find(what, user.id, self._now()):
                return role
        return None

    def moderators(self, users: Collection[User], room: Room) -> set[User]:
        """Return those of some users whose standing role in a room is that of a moderator, or a
        higher one: of many at once, faster than by `standing_role`."""
        rules = room.rules.all(self._now()) if room.rules else ()
        ids = {it.subject for it in rules if it.kind in _STANDING_ROLES}
        return {it for it in users if self.is_operator(it) or (ids and it.id in ids)}

    def moderates(self, key: str, room: Room) -> bool:
        """Return whether an account, by its key, moderates a room, or owns it, or runs the
        server."""
        now = self._now()
        found = (room.rules.find(what, key, now) for what in _STANDING_ROLES)
        return key in self.operators or any(found)

    def restriction(self, what: RuleKind, user: User, room: Room) -> Rule | None:
        """Return a user's mute or ban in a room, or None. It is for the name, too, so a guest does
        not get rid of it by coming again."""
        now = self._now()
        return room.rules.find(what, user.id, now) or room.rules.find(what, user.key, now)

    def find_ban(self, user: User, room: Room, address: str = "") -> Any:
        """Return a user's ban from a room, or None. It may be for `address`, or for that of any of
        the user's connections."""
        if not room.rules:
            return None
        for at in {address, *(session.peer.address for session in user.sessions)}:
            found = room.rules.find_ban(user.key, at, self._now())
            if found is not None:
                return found
        return self.restriction(RuleKind.BANNED, user, room)

    def check_outranks(self, session: Session, room: Room, whom: User | str) -> None:
        """Raise `Refusal` (not-allowed) unless a session's role is above that of a user (or name's
        key)."""
        user = session.require_user()
        if isinstance(whom, str):
            theirs = Role.OPERATOR if whom in self.operators else Role.VISITOR
            for what, role in _STANDING_ROLES.items():
                if room.rules.find(what, whom, self._now()):
                    theirs = max(theirs, role)
        else:
            theirs = self.standing_role(whom, room) or Role.VISITOR
        if theirs >= self.role(user, room):
            shown = whom if isinstance(whom, str) else whom.name
            raise Refusal(
                Code.NOT_ALLOWED,
                "{shown} is {role} here; you may do that only to users with a lower role than "
                "yours.",
                shown=shown,
                role=_ROLE_NAMES[theirs],
            )

    def needs_no_password(self, session: Session, room: Room) -> bool:
        """Return whether a session may enter a room without a password: inside it already, or with
        a token for that room alone, because its maker was in the room."""
        user = session.require_user()
        return (
            room.password is None
            or session in room.sessions
            or session.only_room is room
            or self.standing_role(user, room) is not None
            or self.is_invited(user, room)
        )

    def check_enter(self, session: Session, room: Room) -> None:
        """Raise `Refusal` (banned, not-allowed) unless a session may enter a room, passwords
        aside."""
        user = session.require_user()
        if session in room.sessions:
            return
        if session.only_room not in (None, room):
            raise Refusal(
                Code.NOT_ALLOWED,
                "Your token is for the room {only} only.",
                only=session.only_room.name,
            )
        self.check_user_may_enter(user, room)

    def check_user_may_enter(self, user: User, room: Room, address: str = "") -> None:
        """The same, for a user. One who is not present yet comes from an `address`."""
        if self.standing_role(user, room) is not None:
            return
        rule = self.find_ban(user, room, address)
        if rule is not None:
            raise _banned(room, rule.until)
        if room.access is Access.CLOSED:
            raise Refusal(
                Code.NOT_ALLOWED, "{room} is closed; `rooms` lists those there are.", room=room.name
            )
        if room.access is Access.INVITED and not self.is_invited(user, room):
            raise Refusal(
                Code.NOT_ALLOWED,
                "Only invited users may enter {room}; ask one of its moderators.",
                room=room.name,
            )

    def recheck_ticket(
        self, right: DownloadTicket | UploadTicket, room: Room | None, lobby: Room
    ) -> None:
        """Raise `Refusal` (not-allowed, banned) if a ticket, for a room or a user, is no longer
        due. A user who has left the room keeps it, as long as they may enter again."""
        rule = self.find_ban(right.user, lobby, right.address)
        if rule is not None and not self.is_operator(right.user):
            raise _banned(lobby, rule.until)
        if room is not None:
            self._recheck_in_room(right, room)
        if not self.tickets.is_valid(right):
            raise Refusal(
                Code.NOT_ALLOWED, "You were put out since you asked for that; ask for it again."
            )

    def _recheck_in_room(self, right: DownloadTicket | UploadTicket, room: Room) -> None:
        user = right.user
        need = Right.SPEAK if isinstance(right, UploadTicket) else Right.READ
        role = self._role_inside(user, right.address, room)
        if need not in ROLE_RIGHTS[role]:
            raise self._refusal(user, room, role, need)

    def _role_inside(self, user: User, address: str, room: Room) -> Role:
        """Return the role that a user has in a room, or would have inside. Raises `Refusal`
        (banned, not-allowed) if they may not enter, passwords aside."""
        role = self.role(user, room)
        if role in (Role.OUTSIDER, Role.VISITOR):
            self.check_user_may_enter(user, room, address)
            muted = room.rules and self.restriction(RuleKind.MUTED, user, room)
            role = Role.LISTENER if room.frozen or muted else Role.SPEAKER
        return role

    def check_admitted(self, key: str, address: str, lobby: Room) -> None:
        """Raise `Refusal` (banned) if a name's key, or an address, is banned from the server."""
        rule = lobby.rules.find_ban(key, address, self._now())
        if rule is not None and key not in self.operators:
            raise _banned(lobby, rule.until)

    def is_invited(self, user: User, room: Room) -> bool:
        """Return whether a user is invited to a room."""
        return room.rules.find(RuleKind.INVITED, user.id, self._now()) is not None

    def may_see(self, session: Session, room: Room) -> bool:
        """Return whether a session is shown that a room exists."""
        user = session.user
        if user is None or room.access is Access.PUBLIC or session in room.sessions:
            return room.access is Access.PUBLIC or session in room.sessions
        return self.standing_role(user, room) is not None or self.is_invited(user, room)

    def _refusal(self, user: User, room: Room, role: Role, need: Right) -> Refusal:
        if role is Role.BANNED:
            rule = self.find_ban(user, room)
            return _banned(room, rule.until if rule is not None else 0)
        if need in (Right.MODERATE, Right.OWN):
            who = "moderators" if need is Right.MODERATE else "the owner"
            told = "Only {who} of {room} may do that; `rules` lists them."
            return Refusal(Code.NOT_ALLOWED, told, who=who, room=room.name)
        if role is Role.LISTENER and not room.frozen:
            told = "You are muted in {room}; ask a moderator (`rules` lists them)."
        elif role is Role.LISTENER:
            told = "Only moderators may speak in {room} now; wait until they end that."
        else:
            return Refusal(Code.NOT_IN_ROOM, NOT_IN_ROOM, room=room.name)
        return Refusal(Code.NOT_ALLOWED, told, room=room.name)


_STANDING_ROLES: Mapping[RuleKind, Role] = {
    RuleKind.OWNER: Role.OWNER,
    RuleKind.MODERATOR: Role.MODERATOR,
}

_ROLE_NAMES: Mapping[Role, str] = {
    Role.VISITOR: "like everybody",
    Role.MODERATOR: "a moderator",
    Role.OWNER: "the owner",
    Role.OPERATOR: "an operator",
}


def _banned(room: Room, until: int) -> Refusal:
    place = "this server" if room.name == names.LOBBY else room.name
    if until:
        return Refusal(Code.BANNED, "You are banned from {place}; come back later.", place=place)
    return Refusal(
        Code.BANNED,
        "You are banned from {place}; only its moderators can change that.",
        place=place,
    )
