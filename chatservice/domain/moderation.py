"""Moderation of rooms: kick, ban, mute, invite, promote, erase, and the room's settings.

The caller checks that the session has the right (`chatservice.domain.rights`); this module checks
that its role outranks the other user's, and gives the change and its record to the engine. When the
engine says that it is stored, on every node, the action is announced and carried out.
"""

import re
import unicodedata
from collections.abc import Awaitable, Sequence
from typing import Any

from chatservice import events, names
from chatservice.domain.addresses import parse_network
from chatservice.domain.log import EventBatch
from chatservice.domain.model import Room, Session, User, is_guest_id
from chatservice.domain.ports.log_ports import Draft, no_entry
from chatservice.domain.ports.room_ports import ModerationRecord, RoomChanged, RulesChanged
from chatservice.domain.rights import Role
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.rules import Access, Rule, RuleKind, normalize_range
from chatservice.domain.users import Users
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar.commandtypes import Right
from chatservice.grammar.textformat import duration

_UNDONE = {
    RuleKind.BANNED: "unban",
    RuleKind.MUTED: "unmute",
    RuleKind.MODERATOR: "deop",
    RuleKind.INVITED: "uninvite",
}
_DONE = {
    RuleKind.BANNED: "ban",
    RuleKind.MUTED: "mute",
    RuleKind.MODERATOR: "op",
    RuleKind.OWNER: "owner",
}


class Moderation:
    """The actions of moderators, owners and operators. `now` tells the time in milliseconds since
    1970."""

    def __init__(self, services: Services, rooms: Rooms, users: Users) -> None:
        engine = services.engine
        self._store, self._accounts, self._logs = engine.rooms, engine.accounts, engine.logs
        self._publisher, self._rights = services.publisher, services.rights
        self._members = services.members
        self._limits, self._now, self._report = services.limits, services.now, services.report
        self._rooms, self._users = rooms, users

    # -- who -------------------------------------------------------------------------------------

    async def kick(self, session: Session, room: Room, name: str, why: str) -> int:
        """Put a user out of a room, or, from the lobby, off the server. Return the number of their
        connections there; those at another node count as one."""
        user = self._user_here(name)
        self._rights.check_outranks(session, room, user)
        remote = self._users.elsewhere.by_id.get(user.id)
        connections = len(self._sessions_in(user, room))
        if remote is not None:
            connections += remote.nodes_in(None if room is self._rooms.lobby else room)
        if not connections:
            raise Refusal(
                Code.NO_SUCH_USER,
                "{user} is not in {room}; `who` lists it.",
                user=user.name,
                room=room.name,
            )
        record = self._record(session, "kick", user.name, why)._replace(put_out=user.id)
        await self._store.change_rules(RulesChanged(room.number, record=record))
        return connections

    def _sessions_in(self, user: User, room: Room) -> Sequence[Session]:
        """Return a user's sessions in a room; the lobby stands for the whole server."""
        if room is self._rooms.lobby:
            return user.sessions
        return [each for each in user.sessions if each in room.sessions]

    def _put_out(self, by: str, room: Room, user: User, what: str, why: str) -> None:
        room.log.send_events()  # they are to see it too
        there = self._sessions_in(user, room)
        self._revoke_tickets(user.id, room)
        for each in there:
            if room is self._rooms.lobby or (each.only_room is room and not each.traits.many_rooms):
                place = "this server" if room is self._rooms.lobby else room.name
                sentence = f"{by} has put you off {place}" + (f": {why}" if why else ".")
                self._users.end(each, sentence, events.EndReason.PUT_OUT)
            else:
                self._rooms.put_out(each, room, by=by, why=why)
                each.peer.tell(EventBatch((events.PutOut(room.name, by, what, why),)))
                each.wake()

    def _revoke_tickets(self, user: str, room: Room) -> None:
        """Revoke a user's tickets for a room; the lobby stands for the whole server."""
        self._rights.tickets.revoke_user(user, None if room is self._rooms.lobby else room.folder)

    def _user_here(self, name: str) -> User:
        user = self._users.find(name)
        if user is None:
            shown = name if len(name) <= names.NAME_CHARACTERS else "that"
            raise Refusal(
                Code.NO_SUCH_USER,
                "Nobody called {shown} is here; `who` lists who is here.",
                shown=shown,
            )
        return user

    async def ban(self, session: Session, room: Room, whom: str, until: int, why: str) -> str:
        """Ban a user, or a range of addresses, from a room. Return a sentence for the moderator.

        A text that is an address is taken for one; `@` before it says that it is a name. A text
        that only looks like an address is refused (bad-argument), unless it is somebody's name.
        """
        whom = unicodedata.normalize("NFKC", whom).strip()
        if parse_network(whom) is not None:
            range_ = normalize_range(whom)
            await self._restrict(session, room, RuleKind.BANNED, range_, range_, until, why)
            told = "{range} is kept out of {room}."
            if names.key(whom) in self._users.by_key:
                told += " `ban @{whom}` is for the user."
            return Message(told, range=range_, room=room.name, whom=whom)
        if _LIKE_ADDRESS.fullmatch(whom) and names.key(whom) not in self._users.by_key:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "{whom} is no address, as 10.1.0.1 or 10.1.0.0/16 is; `ban @{whom}` is for a user.",
                whom=whom,
            )
        whom = whom.removeprefix("@")
        key, name = await self._check_outranks(session, room, whom)
        user = self._users.find(key)
        there = user.sessions if user is not None else ()
        addresses = ", ".join(sorted({each.peer.address or "here" for each in there}))
        await self._restrict(session, room, RuleKind.BANNED, key, name, until, why)
        if user is None or (user.registered and not there):
            return f"{name} is kept out of {room.name}."
        addresses = addresses or "another node"
        guest = "" if user.registered else " A guest can take another name; ban the address, too."
        return f"{name} is kept out of {room.name}; they come from {addresses}.{guest}"

    async def mute(self, session: Session, room: Room, whom: str, until: int, why: str) -> None:
        """Forbid a user to speak in a room."""
        key, name = await self._check_outranks(session, room, whom)
        await self._restrict(session, room, RuleKind.MUTED, key, name, until, why)

    async def _check_outranks(self, session: Session, room: Room, whom: str) -> tuple[str, str]:
        """Return the key and name of a user. Raises `Refusal` unless the session outranks them."""
        name = names.user(whom)
        user = self._users.find(name)
        self._rights.check_outranks(session, room, user if user is not None else names.key(name))
        return names.key(name), user.name if user is not None else name

    async def _restrict(
        self,
        session: Session,
        room: Room,
        what: RuleKind,
        whom: str,
        name: str,
        until: int,
        why: str,
    ) -> None:
        record = self._record(session, _DONE[what], name, why)
        if until:
            record = record._replace(term=f"for {duration((until - record.time) / 1000)}")
        rule = Rule(what, whom, until, record.who, record.time)
        user = self._users.find(whom)
        held = [rule]
        if user is not None and user.guest_number:  # who is to have it under any other name, too
            held.append(rule._replace(subject=user.id, name_key=whom))
        await self._change_rules(room, record, held)

    async def _change_rules(
        self,
        room: Room,
        record: ModerationRecord | None,
        add: Sequence[Rule],
        drop: Sequence[Rule] = (),
    ) -> None:
        """Let rules hold in a room, and others no longer. Raises `Refusal` (too-many,
        not-stored)."""
        over = [*drop, *room.rules.expired(self._now())]
        if add and len(room.rules) - len(over) >= self._limits.rules:
            here = {user.id for user in self._users.by_key.values()}
            here |= self._users.elsewhere.by_id.keys()
            over += [
                it for it in room.rules.all(0) if is_guest_id(it.subject) and it.subject not in here
            ]
        if add and len(room.rules) - len(over) >= self._limits.rules:
            raise Refusal(
                Code.TOO_MANY,
                "{room} has {limit} rules already; `rules` lists them.",
                room=room.name,
                limit=self._limits.rules,
            )
        await self._store.change_rules(RulesChanged(room.number, add, over, record))

    async def lift(self, session: Session, room: Room, what: RuleKind, whom: str) -> None:
        """Lift a ban, or another rule of that kind."""
        now = self._now()
        range_ = parse_network(whom) if what is RuleKind.BANNED else None
        if range_ is not None and (rule := room.rules.find_range(range_, now)):
            await self._remove_rules(session, room, [rule], str(range_))
            return
        key = names.key(whom.removeprefix("@")[: names.LINE_BYTES])
        user = self._users.find(key)
        by_id = room.rules.find(what, user.id, now) if user is not None else None
        found = [it for it in (by_id, room.rules.find(what, key, now)) if it is not None]
        if not found:
            raise Refusal(
                Code.NO_SUCH_USER, "There is nothing of the kind; `rules` lists what holds here."
            )
        keys = {it.name_key or it.subject for it in found}  # a guest may have had another name then
        lift = [
            it
            for it in room.rules.all(now)
            if it.kind is what and (it in found or it.subject in keys or it.name_key in keys)
        ]
        await self._remove_rules(session, room, lift, user.name if user is not None else key)

    async def _remove_rules(
        self, session: Session, room: Room, rules: Sequence[Rule], name: str
    ) -> None:
        record = self._record(session, _UNDONE[rules[0].kind], name)
        await self._change_rules(room, record, [], rules)

    # -- in charge -------------------------------------------------------------------------------

    async def promote(self, session: Session, room: Room, whom: str, what: RuleKind) -> None:
        """Make a user a moderator, or the owner in the place of the former one."""
        now, by = self._now(), session.require_user()
        subject, former = names.key(names.user(whom)), list[Rule]()
        user = self._users.find(subject)
        if user is None or user.registered:
            account, _ = await self._users.find_recipient(whom)
            name = account.name
            if what is RuleKind.OWNER:
                former = [it for it in room.rules.all(now) if it.kind is what]
        elif what is RuleKind.OWNER:
            raise Refusal(
                Code.NOT_ALLOWED,
                "{user} is a guest, and only a registered user can own a room; ask them to "
                "`register`.",
                user=user.name,
            )
        else:
            name, subject = user.name, user.id
        record = ModerationRecord(now, by.name, _DONE[what], name)
        await self._change_rules(room, record, [Rule(what, subject, 0, by.name, now)], former)

    async def carry_over(self, user: User, guest: str) -> None:
        """Carry a guest's rules over to the account that they have registered."""
        now = self._now()
        for room in tuple(self._rooms.by_key.values()):
            if guest in room.last_spoke:
                room.last_spoke[user.id] = room.last_spoke.pop(guest)
            found = [room.rules.find(what, guest, now) for what in RuleKind] if room.rules else []
            drop = [it for it in found if it is not None]
            if drop:
                kept = [it._replace(subject=user.id, name_key="") for it in drop]
                await self._change_rules(room, None, kept, drop)

    # -- the room --------------------------------------------------------------------------------

    async def invite(self, session: Session, room: Room, whom: str) -> None:
        """Invite a user to a room: they need no password, and get a message."""
        now, by = self._now(), session.require_user()
        whom_, inbox = await self._users.find_recipient(whom)
        record = ModerationRecord(now, by.name, "invite", whom_.name)
        await self._change_rules(room, record, [Rule(RuleKind.INVITED, whom_.id, 0, by.name, now)])
        text = f"You are invited to {room.name}; join it when you like."
        await self._publisher.record_and_wait(Draft(inbox, by.run(Kind.PRIVATE, now, (text,))))

    async def configure(self, session: Session, room: Room, did: str, **changes: Any) -> None:
        """Change a room's settings: `password`, `access`, `frozen`, `slow`. `did` is the command,
        for the record."""
        new = {name: getattr(room, name) for name in _SETTINGS} | changes
        opens = (new["access"], new["password"]) == _OPEN
        if room is self._rooms.lobby and "access" in changes and not opens:
            raise Refusal(Code.NOT_ALLOWED, "The lobby is where all begin; it stays open.")
        what, _, how = did.partition(" ")
        record = self._record(session, what, why=how)
        await self._store.configure(RoomChanged(room.number, **new, record=record))

    # -- what the engine says (`chatservice.domain.replica`) -------------------------------------

    def configured(self, change: RoomChanged) -> None:
        """Give a room its new settings."""
        room = self._rooms.by_number.get(change.number)
        if room is None:
            return
        is_new = (room.access, room.password) != (change.access, change.password)
        room.password, room.access = change.password, change.access
        if is_new:
            if change.record is not None:
                self._put_out_unseen(room, change.record.who)
            # Users outside must come in under the new terms.
            self._rights.tickets.revoke(
                lambda right: right.folder == room.folder and not room.has_user(right.user)
            )
        room.frozen, room.slow = change.frozen, change.slow
        self._announce(room, change.record)
        if change.record is not None and room.access is Access.CLOSED:
            for user in tuple(room.users(unseen=True)):
                if self._rights.standing_role(user, room) is None:
                    self._put_out(change.record.who, room, user, "close", "it is closed")
                    self._rooms.put_out_banned(user)

    def _put_out_unseen(self, room: Room, by: str) -> None:
        """Put out those whom others do not see in a room, and who may not come in again: a
        moderator, who makes it closed to others, cannot see that they are there."""
        for session in () if room.is_open else tuple(room.sessions):
            user = session.user
            if user is None or session.traits.visible or room.shows(user):
                continue
            if self._rights.standing_role(user, room) or self._rights.is_invited(user, room):
                continue
            self._rooms.put_out(session, room, by=by)
            session.peer.tell(EventBatch((events.PutOut(room.name, by, "access"),)))

    def rules_changed(self, change: RulesChanged) -> None:
        """Apply the rules of a room, and put out whoever was kicked or banned."""
        room, record = self._rooms.by_number.get(change.room), change.record
        if room is None:
            return
        self._rooms.change_rules(room, change.added, change.dropped)
        self._announce(room, record)
        if record is not None and record.what == "invite":
            self._tell_invited(room, record)
        bans = change.banned
        for key in bans:
            self._members.ended(key, room.number)
        if record is None or not (bans or record.put_out):
            return
        if record.put_out:  # they may be at another node, and have a transfer here
            self._revoke_tickets(record.put_out, room)
        server = room is self._rooms.lobby
        everybody = self._users.by_key.values() if server else room.users(unseen=True)
        for user in tuple(everybody):
            named = user.id == record.put_out or not bans.isdisjoint((user.id, user.key))
            if named or (bans and self._rights.role(user, room) is Role.BANNED):
                self._put_out(record.who, room, user, record.what, record.why)

    def _tell_invited(self, room: Room, record: ModerationRecord) -> None:
        """Tell a user's sessions that do not hear it in the room that the user is invited there."""
        user = self._users.find(record.whom)
        for each in user.sessions if user is not None else ():
            wants = each.traits.sees_invitations and each not in room.sessions
            if wants and names.key(record.who) not in each.ignored:
                invited = events.Invited(room.name, record.who, record.whom)
                each.peer.tell(EventBatch((invited,)))

    def _announce(self, room: Room, record: ModerationRecord | None) -> None:
        """Announce an action in a room, and report it to the operator."""
        if record is not None:
            it = record
            event = events.Moderated(room.name, it.who, it.what, it.whom, it.terms)
            self._rooms.announce(room, event)
            self._report("{user} in {room}: {did}", user=it.who, room=room.name, did=it.text)

    # -- what was said ---------------------------------------------------------------------------

    async def erase(self, session: Session, room: Room, position: int, entry: Entry) -> None:
        """Erase an entry of the user's own, or of a user with a lower role.

        Raises `Refusal` (not-allowed, no-such-entry, not-stored).
        """
        account = await self._accounts.account(session.require_user().key)
        self._rights.check_in_room(session, room, Right.READ)
        user = session.require_user()
        created = account.created if account is not None else None
        own = self._rights.owns_entry(session, room, position, entry, created)
        if not own:
            if self._rights.role(user, room) < Role.MODERATOR:
                raise Refusal(
                    Code.NOT_ALLOWED,
                    "You can erase what you said last, or under your registered name; ask a "
                    "moderator of {room} for more (`rules` lists them).",
                    room=room.name,
                )
            key = names.key(entry.who)
            self._rights.check_outranks(session, room, self._users.find(key) or key)
        if entry.kind in (Kind.GONE, Kind.ERASED):
            raise Refusal(
                Code.NO_SUCH_ENTRY, "There is nothing to erase at #{position}.", position=position
            )
        if not await self._logs.erase(room.log.id, position):
            raise no_entry(position)
        if room.topic == entry.text and entry.kind == Kind.TOPIC:
            await self._publisher.record_and_wait(
                Draft(room.log, user.run(Kind.TOPIC, self._now()))
            )
        run = user.run(Kind.ERASED, self._now(), (str(position),))
        await self._publisher.record_and_wait(Draft(room.log, run))
        if not own:
            record = ModerationRecord(self._now(), user.name, f"erase #{position}, of {entry.who}")
            await self._store.add_record(room.number, record)
            self._report("{user} in {room}: {did}", user=user.name, room=room.name, did=record.what)

    async def erase_private(self, session: Session, position: int) -> Entry:
        """Erase an entry of the inbox of a session's user, and return what it was. The other user
        of a private message keeps their copy. Raises `Refusal` (no-such-entry, not-stored).

        A session of a person who types is not shown that entry: the answer says it. One in many
        rooms finds the erased text by it, and by the partner of that talk."""
        user = session.require_user()
        inbox = self._users.inbox(user)
        found = (await self._logs.entries_at(inbox.id, (position,))).get(position)
        is_gone = found is None or found.kind in (Kind.GONE, Kind.ERASED)
        if found is None or is_gone or session.require_user() is not user:
            raise no_entry(position)
        if not await self._logs.erase(inbox.id, position):
            raise no_entry(position)
        run = user.run(Kind.ERASED, self._now(), (str(position),))
        run = run._replace(to=found.to or found.who)
        author = None if session.traits.many_rooms else session.author_cursor(inbox)
        await self._publisher.record_and_wait(Draft(inbox, run, author))
        return found

    # -- on record -------------------------------------------------------------------------------

    def records(self, room: Room, limit: int) -> Awaitable[Sequence[ModerationRecord]]:
        """Return the last actions of moderators in a room, oldest first."""
        return self._store.records(room.number, limit)

    def _record(
        self, session: Session, what: str, whom: str = "", why: str = ""
    ) -> ModerationRecord:
        """Return the record of what a moderator does now."""
        return ModerationRecord(self._now(), session.require_user().name, what, whom, why)


_SETTINGS = ("password", "access", "frozen", "slow")
_OPEN = (Access.PUBLIC, None)

_LIKE_ADDRESS = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x)?[0-9a-f]+)+", re.IGNORECASE)
"""Texts that some programs take for an IPv4 address: too short, octal or hexadecimal."""
