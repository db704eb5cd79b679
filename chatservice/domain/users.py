"""The users present: guests and registered ones, their names, sessions and inboxes."""

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from weakref import WeakValueDictionary

from chatservice import events, names, replies
from chatservice.confusables import skeletons
from chatservice.domain import tokens
from chatservice.domain.ignoring import UNTOLD
from chatservice.domain.log import Cursor, EventBatch, Log
from chatservice.domain.model import KeptRooms, Room, Session, User
from chatservice.domain.ports.account_ports import Account, GuestRegistered
from chatservice.domain.rights import ROLE_RIGHTS
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.watching import Watching
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason, Event, LeaveReason
from chatservice.grammar.commandtypes import Right

_RESERVED = frozenset(names.key(name) for name in names.RESERVED)
_RESERVED_SKELETONS = frozenset(look for name in names.RESERVED for look in skeletons(name))


class Registration(StrEnum):
    """The ways to register a name."""

    OPEN = "open"
    INVITED = "invited"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """The policy of the server: may guests come, and how do users register? Operators may always
    create accounts."""

    guests: bool = True
    registration: Registration = Registration.OPEN


@dataclass(slots=True)
class _Login:
    """A login under way: a session is to get the user `name`, with that `account`, or as a guest.

    `token` is the resume token that was given, and `former` the session that it is for. `own_token`
    is the digest of an account's token that was given as the password. Of the inbox, the entries
    behind `after` are sent. `kept` are the rooms that the account keeps.
    """

    session: Session
    name: str
    key: str
    account: Account | None = None
    token: str | None = None
    after: int | None = None
    former: Session | None = None
    own_token: str | None = None
    only: Room | None = None
    kept: KeptRooms | None = None


class Users:
    """All users who are here, in `by_key` (`names.key`). `deleting` has the keys of accounts that
    are being deleted. The functions in `on_gone` are called with a registered user whom nobody sees
    here any more."""

    def __init__(self, services: Services, rooms: Rooms, policy: RegistrationPolicy) -> None:
        self.by_key: dict[str, User] = {}
        self.deleting: set[str] = set()
        self._engine = engine = services.engine
        self._accounts, self._claims = engine.accounts, engine.claims
        self._cache, self._limits = services.cache, services.limits
        self._rights, self._throttle = services.rights, services.throttle
        self._now, self._report = services.now, services.report
        self._rooms, self._policy = rooms, policy
        self._members, self._reading = services.members, services.reading
        self.elsewhere = services.elsewhere
        self._inboxes: WeakValueDictionary[int, Log] = WeakValueDictionary()
        self._ignoring: dict[str, set[Session]] = {}
        self._asking: dict[str, Session] = {}
        self._operator_inbox: Log | None = None
        self.on_gone: list[Callable[[User], None]] = []
        self.watching = Watching()

    async def enter(
        self,
        session: Session,
        name: str,
        password: str | None = None,
        token: str | None = None,
        after: int | None = None,
        identity: str | None = None,
    ) -> replies.Welcome:
        """Give a session its user: a guest with a free name, or a registered user.

        A resume `token` takes over another session of that user, whose connection broke unnoticed.
        With `after`, the inbox is read from that position. A session that has a user changes it,
        and stays in its rooms. An account's token replaces its password, and so does an `identity`:
        a key of the account's that the protocol has verified (`chatservice.domain.tokens`).
        """
        name = names.user(name)
        key = names.key(name)
        self.check_admitted(session, key)
        _check_reserved(name)
        if session.user is not None and session.user.key in _RESERVED:
            raise Refusal(
                Code.NOT_ALLOWED, "Here you are the operator; come in elsewhere to be somebody."
            )
        account = await self._accounts.account(key)
        login = _Login(session, name, key, account, token, after)
        login.former = self._session_to_resume(key, token)
        if login.former is not None:
            login.own_token = self._rights.tokens.get(login.former)
        else:
            login.own_token = await self._account_token(key, password, identity)
            if login.own_token is None and password is None:
                self._check_guest_name(name, account)
            elif login.own_token is None and password is not None:
                login.account = await self._authenticated(login, password)
        if session.user is not None and session.user.key == key:
            return await self._without_token(login, session.user)
        inbox = await self._account_inbox(login.account) if login.account is not None else None
        login.kept = await self._members.load(key) if login.account is not None else None
        login.only = only = await self._recheck_credentials(login)
        if only is not None and any(room is not only for room in session.rooms):
            raise Refusal(
                Code.NOT_ALLOWED,
                "That token is for the room {only} only; begin a connection with it.",
                only=only.name,
            )
        if token is not None and login.account is None:  # the same guest goes on so
            session.adopt_token(token)
        if login.account is None:  # another connection may have come first: the newest wins
            login.former = self._session_to_resume(key, token)
        user = await self._claim_name(login, inbox)
        welcome = self._complete(login, user)
        if login.former is not None:
            sentence = "You came in again on another connection; this one ends."
            login.former.peer.end(sentence, EndReason.REPLACED)
            self.leave(login.former)  # at once: it may take long until it reads that
        return welcome

    async def _without_token(self, login: _Login, user: User) -> replies.Welcome:
        """Let a session that came in with a token have all rights of its user, who has given their
        password now. Raises `Refusal` (name-taken) unless it is so."""
        session, account = login.session, login.account
        is_token = login.own_token is not None or login.former is not None
        if session not in self._rights.tokens or account is None or is_token:
            raise Refusal(Code.NAME_TAKEN, "You are {user} already.", user=user.name)
        await self._recheck_credentials(login)
        self._recheck_login(login, user)
        self._rights.tokens.pop(session, None)
        session.only_room = None
        inbox = user.inbox
        if session.inbox is None and inbox is not None and session.traits.visible:
            session.inbox = Cursor(inbox, session, account.read_position)
        position = session.inbox.position if session.inbox is not None else 0
        return self._welcome(session, user, position)

    async def name_of_token(self, token: str) -> str:
        """Return the name of the account that has a token. Raises `Refusal` (wrong-password)."""
        known = await self._accounts.token(tokens.digest(token))
        account = await self._accounts.account(known.account) if known is not None else None
        if account is None or not token.startswith(tokens.TOKEN_PREFIX):
            raise Refusal(Code.WRONG_PASSWORD, "That token is not good; make a new one.")
        return account.name

    def follow_inbox(self, session: Session, after: int | None, last: int) -> None:
        """Let a session that is not visible read its user's inbox: the entries after a position, or
        the `last` ones, and then new ones. Raises `Refusal` (not-allowed)."""
        if not self._rights.token_covers(session, None):
            raise Refusal(Code.NOT_ALLOWED, "Your token is for one room only; follow that room.")
        inbox = self.inbox(session.require_user())
        position = max(inbox.last - last, 0) if after is None else after
        session.inbox = Cursor(inbox, session, position)

    def check_admitted(self, session: Session, key: str) -> None:
        """Raise `Refusal` if nobody may come in by the name with that key: it, or the address, is
        banned from the server (banned), or it is a deleted account's (name-taken)."""
        self._check_not_deleted(key)
        if self._rooms.lobby.rules:
            self._rights.check_admitted(key, session.peer.address, self._rooms.lobby)

    def _check_not_deleted(self, key: str) -> None:
        """Raise `Refusal` (name-taken) for the name of a deleted account, or of one that is being
        deleted."""
        if key in self.deleting or names.is_deleted(key):
            raise Refusal(Code.NAME_TAKEN, "That account was deleted; take another name.")

    def _check_guest_name(self, name: str, account: Account | None) -> None:
        """Raise `Refusal` (password-needed) if a name is not enough to come in."""
        if not self._policy.guests:  # and nobody is told which names there are
            told = "Only registered users may enter here: `login {name} PASSWORD`."
        elif account is not None:
            name = account.name
            told = (
                "{name} is a registered name; `login {name} PASSWORD` if it is yours, or take "
                "another one."
            )
        else:
            return
        raise Refusal(Code.PASSWORD_NEEDED, told, name=name)

    async def _account_token(
        self, key: str, password: str | None, identity: str | None
    ) -> str | None:
        """Return the digest of an account's token, given as the password, or its key; else None."""
        is_token = password is not None and password.startswith(tokens.TOKEN_PREFIX)
        kept = tokens.digest(password) if password is not None and is_token else identity
        token = await self._accounts.token(kept) if kept is not None else None
        return kept if token is not None and token.account == key else None

    async def _authenticated(self, login: _Login, password: str) -> Account:
        """Return the account of a name with this password; create it if another checker knows the
        name. Raises `Refusal` (wrong-password, no-such-user)."""
        name, account = login.name, login.account
        vouched = partial(self._engine.authenticator.vouched, name, names.password(password))
        found = await self._throttle.attempt(vouched, login.key, login.session)
        if found is not None:
            return account or await self._account_without_password(found)
        if account is not None and self._policy.guests:
            name = account.name
        elif self._policy.guests and not self._engine.authenticator.elsewhere:
            raise Refusal(
                Code.NO_SUCH_USER,
                "{name} is not registered; give the name alone to be its guest.",
                name=name,
            )
        raise Refusal(Code.WRONG_PASSWORD, "That is not {name}'s password; try again.", name=name)

    async def _account_without_password(self, name: str) -> Account:
        """Return a new account without a password."""
        try:
            return await self._accounts.register(name, "", None, self._now())
        except Refusal:
            account = await self._accounts.account(names.key(name))
            if account is None:
                raise
            return account  # another connection has made it meanwhile

    async def _recheck_credentials(self, login: _Login) -> Room | None:
        """Raise `Refusal` (wrong-password) if the password or token has become invalid meanwhile.
        Return the only room of the token, if it has one."""
        found = None
        if login.own_token is not None:
            found = await self._accounts.token(login.own_token)
        good = login.own_token is None or found is not None
        if login.former is not None:
            good = good and self._session_to_resume(login.key, login.token) is not None
        elif login.account is not None and login.own_token is None:
            now = await self._accounts.account(login.key)
            good = now is not None and now.password == login.account.password
        if not good:
            raise Refusal(Code.WRONG_PASSWORD, "That was changed just now; try again.")
        number = found.room if found is not None else None
        return self._rooms.find(str(number)) if number is not None else None

    def _complete(self, login: _Login, user: User) -> replies.Welcome:
        try:
            self._recheck_login(login, user)
        except Refusal:
            self._drop_if_unused(user)
            raise
        position = self._attach(login, user)
        if login.own_token is not None:
            self._rights.tokens[login.session] = login.own_token
        return self._welcome(login.session, user, position)

    def _recheck_login(self, login: _Login, user: User) -> None:
        """Raise `Refusal` (name-needed, banned, not-allowed) if a session may not come in as that
        user any more, or not into the only room of its token."""
        if login.session.ended:
            raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        self.check_admitted(login.session, user.key)
        if login.only is not None:
            self._rights.check_user_may_enter(user, login.only, login.session.peer.address)

    async def enter_as_operator(self, session: Session) -> replies.Welcome:
        """Make a session of the admin socket the operator's."""
        key = names.OPERATOR_KEY
        account = await self._accounts.account(key)
        account = account or await self._account_without_password(names.OPERATOR)
        login = _Login(session, names.OPERATOR, key, account)
        self._operator_inbox = await self._account_inbox(account)
        return self._complete(login, await self._claim_name(login, self._operator_inbox))

    def _session_to_resume(self, key: str, token: str | None) -> Session | None:
        """Return the session of that user that has the resume token, or None."""
        held = self.by_key.get(key)
        if held is None or token is None:
            return None
        for session in held.sessions:
            if hmac.compare_digest(token.encode(), session.resume_token.encode()):
                return session
        return None

    async def _claim_name(self, login: _Login, inbox: Log | None) -> User:
        """Return the user of a name that the asker may have, making one if nobody has it."""
        name, key, account = login.name, login.key, login.account
        held = self.by_key.get(key)
        if held is None and account is not None:
            await self._claims.claim_account(key)
            held = self.by_key.get(key)  # another session of theirs may have come meanwhile
        if held is not None:
            if not (held.registered or login.former is not None):
                raise Refusal(Code.NAME_TAKEN, "{name} is taken; type another name.", name=name)
            return held
        if account is not None:
            user = User(account.name, inbox, 0)
            user.kept = login.kept
        else:
            _check_new(name)
            own = login.session.user.key if login.session.user is not None else None
            secret = login.session.guest_secret
            user = User(name, None, await self._claims.claim_guest(name, secret, own))
        self.by_key[key] = user
        return user

    def inbox(self, user: User, last: int = 0) -> Log:
        """Return a user's inbox. A guest gets one with the first private message, behind `last`."""
        if user.inbox is None:
            user.inbox = Log(-user.guest_number, "@", last, self._cache)
            self._inboxes[user.inbox.id] = user.inbox
            for session in user.sessions:
                session.inbox = Cursor(user.inbox, session)
        return user.inbox

    async def _account_inbox(self, account: Account) -> Log:
        """Return the one `Log` of an account's inbox, so that everybody extends and reads it."""
        log = self._inboxes.get(account.inbox)
        if log is None:
            last = await self._engine.logs.last(account.inbox)
            log = Log(account.inbox, "@", last, self._cache)
            log = self._inboxes.setdefault(account.inbox, log)
            log.saves_read_position = True
        return log

    def _attach(self, login: _Login, user: User) -> int:
        """Give a session its user, and maybe its only room. Return its position in the inbox."""
        session, after, account = login.session, login.after, login.account
        former = session.user
        if former is not None:
            for room in session.rooms:
                if session.traits.visible:
                    self._rooms.show_new_name(room, user, former, former.name, session)
                self._rooms.slow_mode.carry_over(room, former, user)
            for ignoring in tuple(self._ignoring.get(former.key, ())):
                self._ignore(ignoring, user.key)
            self._report("{old} is now called {new}", old=former.name, new=user.name)
            if login.only is None:
                user.real_name = user.real_name or former.real_name
            self._detach(session)
        else:
            self._report(
                "{user} connected from {origin}", user=user.name, origin=session.peer.origin
            )
        session.user, session.only_room = user, login.only
        was_here = user.visible
        user.sessions = (*user.sessions, session)
        self.elsewhere.note(user)
        if user.visible and not was_here and user.key not in self.elsewhere.by_key:
            self.watching.came(user)
        self._rooms.put_out_banned(user)
        for room in session.rooms:
            self._members.entered(session, room)
        if user.inbox is None or not self._rights.token_covers(session, None):
            return 0
        if after is None and account is not None:
            after = account.read_position
        if session.traits.visible:  # single requests are not reading
            session.inbox = Cursor(user.inbox, session, after)
        return user.inbox.last if session.inbox is None else session.inbox.position

    def leave(self, session: Session, farewell: str = "", put_out: bool = False) -> None:
        """End a session: it leaves its rooms, maybe `put_out`, and gives its user back."""
        session.ended = True
        for key in session.ignored:
            self._stop_ignoring(session, key)
        if session.user is None:
            return
        if session.traits.visible:  # single requests are one line of the log
            self._report(
                "{user} left, from {origin}", user=session.user.name, origin=session.peer.origin
            )
        stays = any(it.traits.visible for it in session.user.sessions if it is not session)
        reason = LeaveReason.LEFT if stays else LeaveReason.QUIT
        reason = LeaveReason.OUT if put_out else reason
        self._rooms.leave_all(session, names.phrase(farewell[: names.PHRASE_CHARACTERS]), reason)
        self._detach(session)

    def _detach(self, session: Session) -> None:
        """Take its user from a session. A guest without a session is gone."""
        for room in session.rooms:
            self._reading.left(room.sessions[session])
        user, session.user = session.user, None
        if user is None:
            return
        if session.inbox is not None:
            session.inbox.close()
            session.inbox = None
        user.sessions = tuple(each for each in user.sessions if each is not session)
        self.elsewhere.note(user)
        if session.traits.visible and not user.visible:
            if user.key not in self.elsewhere.by_key:
                self.watching.gone(user.key, user.name)
            for call in self.on_gone if user.registered else ():
                call(user)
        self._rights.tokens.pop(session, None)
        self._drop_if_unused(user)

    def _drop_if_unused(self, user: User) -> None:
        if user.sessions:
            return
        del self.by_key[user.key]
        self._claims.release(user.name)
        if not user.registered:
            self._engine.files.forget(user.folder)
            if user.inbox is not None:  # else nothing was ever sent to them
                self._engine.logs.drop_inbox(user.inbox.id)

    def guest_registered(self, change: GuestRegistered) -> None:
        """Let a guest who is here be the user of their new account."""
        user = self.by_key.get(names.key(change.account.name))
        if user is not None and user.id == change.guest:
            user.guest_number = 0
            self.elsewhere.note_gone(change.guest)
            self.elsewhere.note(user)
            self._members.registered(user)
            if user.inbox is not None:
                user.inbox.id = change.account.inbox
                user.inbox.saves_read_position = True
                self._inboxes[user.inbox.id] = user.inbox
            for room in user.rooms:
                shown = room.names_shown.get(user, user.name)
                self._rooms.announce(room, events.UserRegistered(room.name, shown))
            self.watching.registered(user)

    def account_changed(self, key: str, account: Account) -> None:
        """Write the name of a user who is here as their account does."""
        user = self.by_key.get(key)
        if user is not None and user.registered and user.name != account.name:
            self._rename(user, account.name, self.asker(account.name))

    def rank_ended(self, key: str) -> None:
        """Put a user who is not an operator any more out of rooms that are closed to others."""
        user = self.by_key.get(key)
        if user is not None and user.registered:
            self._rooms.put_out_banned(user)

    @contextmanager
    def asking(self, session: Session, new: str) -> Iterator[None]:
        """Note which session asks the engine for a `new` password hash or name of an account."""
        self._asking[new] = session
        try:
            yield
        finally:
            self._asking.pop(new, None)

    def asker(self, new: str) -> Session | None:
        """Return the session that is asking for a password hash or a name; None if another node
        does."""
        return self._asking.get(new)

    def log_by_id(self, number: int, first: int | None = None) -> Log | None:
        """Return a room's log or a user's inbox, or None if it is not in memory. A guest who is
        here gets an inbox if its next entry, `first`, is named."""
        room = self._rooms.by_number.get(number)
        log = room.log if room is not None else self._inboxes.get(number)
        if log is None and number < 0 and first is not None:
            user = next((it for it in self.by_key.values() if it.guest_number == -number), None)
            log = self.inbox(user, first - 1) if user is not None else None
        return log

    def find(self, name: str) -> User | None:
        """Return the user of a name who is here, or else at another node."""
        key = names.key(name[: names.LINE_BYTES])
        return self.by_key.get(key) or self.elsewhere.by_key.get(key)

    def end(self, session: Session, sentence: str, why: EndReason = EndReason.REVOKED) -> None:
        """End a session at once, with a sentence; nothing more is done for it."""
        given = session.resume_token
        self._rights.tickets.revoke(lambda right: right.session == given)
        session.peer.end(sentence, why)
        self.leave(session, put_out=why is EndReason.PUT_OUT)

    # -- another name ----------------------------------------------------------------------------

    async def rename(self, session: Session, name: str) -> replies.Welcome:
        """Give a session's user another name. A guest stays the same user. A registered user
        becomes a guest, unless only the case of the name changes.

        Raises `Refusal` (bad-name, name-taken, password-needed, not-allowed, banned).
        """
        user, name = session.require_user(), names.user(name)
        key = names.key(name)
        if user.key in _RESERVED or (user.registered and key != user.key):
            return await self.enter(session, name)
        if name == user.name:
            raise Refusal(Code.NAME_TAKEN, "You are {name} already.", name=name)
        if user.registered:
            with self.asking(session, name):
                await self._accounts.rename(key, name)  # this calls `account_changed`
            if session.user is not user:  # while it was waited for
                raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        else:
            await self._claim_new_name(session, user, name)
            self._rename(user, name, session)
        await self._engine.files.rename(user.id, name)
        position = session.inbox.position if session.inbox is not None else 0
        return self._welcome(session, user, position)

    def _rename(self, user: User, name: str, session: Session | None) -> None:
        """Give a user another name, and show it to all but the session that asked for it."""
        former, was = user.name, user.key
        del self.by_key[was]
        user.rename(name)
        self.by_key[user.key] = user
        self.elsewhere.note(user)
        for room in user.rooms:
            self._rooms.show_new_name(room, user, user, former, session)
        self._rooms.put_out_banned(user)
        if user.key != was:
            self.watching.gone(was, former)
            self.watching.came(user)
            self._claims.release(former)
            self._move_ignored(was, user.key)
        self._report("{old} is now called {new}", old=former, new=name)

    async def _claim_new_name(self, session: Session, user: User, name: str) -> None:
        """Claim another name for a guest. Raises `Refusal` if it is not free."""
        key, was = names.key(name), user.key
        if key != was:
            self.check_admitted(session, key)
            _check_reserved(name)
            self._check_guest_name(name, await self._accounts.account(key))
            _check_new(name)
        await self._claims.rename_guest(user.name, name)
        try:  # things may have changed while it was waited for
            if session.user is not user:
                raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
            if key != was:
                self.check_admitted(session, key)
        except Refusal:
            if key != was:
                self._claims.release(name)
            raise

    def _welcome(self, session: Session, user: User, position: int) -> replies.Welcome:
        token = (
            session.resume_token if session.traits.resumable else ""
        )  # a person has no use for one
        return replies.Welcome(user.name, user.registered, token, position)

    def toggle_ignored(self, session: Session, name: str) -> bool:
        """Make a session ignore a user, also under later names; or hear them again, if it ignores
        them. Return whether it hears them. Raises `Refusal` (too-many)."""
        key = names.key(name)
        if key in session.ignored:
            self._stop_ignoring(session, key)
            return True
        if len(session.ignored) >= self._limits.ignored:
            raise Refusal(
                Code.TOO_MANY,
                "You ignore {limit} users already; hear one of them again.",
                limit=self._limits.ignored,
            )
        self._ignore(session, key)
        return False

    def _ignore(self, session: Session, key: str) -> None:
        session.ignored |= {key}
        self._ignoring.setdefault(key, set()).add(session)

    def _stop_ignoring(self, session: Session, key: str) -> None:
        session.ignored -= {key}
        ignoring = self._ignoring.get(key, set())
        ignoring.discard(session)
        if not ignoring:
            self._ignoring.pop(key, None)

    def _move_ignored(self, was: str, key: str) -> None:
        """Move the ignoring of a name to the user's new name."""
        for session in tuple(self._ignoring.get(was, ())):
            self._stop_ignoring(session, was)
            self._ignore(session, key)

    # -- accounts --------------------------------------------------------------------------------

    async def check_free(self, name: str) -> None:
        """Raise `Refusal` (name-taken, already-registered) if a name is not free to register."""
        key = names.key(name)
        self._check_not_deleted(key)
        if await self._accounts.account(key) is not None and key not in _RESERVED:
            raise Refusal(
                Code.ALREADY_REGISTERED, "{name} is registered already; `login`.", name=name
            )
        _check_new(name)
        await self._claims.check_free(name)

    async def sign_up(
        self, session: Session, name: str, hashed: str, code: str | None
    ) -> replies.Welcome:
        """Create an account, and make a session its user's."""
        self.check_admitted(session, names.key(name))
        await self.check_free(name)
        if session.ended:  # nobody would know
            raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        login = _Login(session, name, names.key(name))
        user = await self._claim_name(login, None)
        try:
            await self.register_guest(user, hashed, code)
        finally:
            if not user.registered:
                self._drop_if_unused(user)
        login.account = await self._accounts.account(user.key)
        return self._complete(login, user)

    async def register_guest(self, user: User, hashed: str, code: str | None) -> None:
        """Create the account of a guest, who keeps the inbox."""
        if self.by_key.get(user.key) is not user:
            raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        if user.registered:
            raise Refusal(Code.ALREADY_REGISTERED, "{user} is registered already.", user=user.name)
        guest_folder = user.folder
        inbox = self.inbox(user)
        await self._accounts.register(user.name, hashed, inbox.id, self._now(), code, user.id)
        await self._engine.files.move(guest_folder, user.folder, user.id)
        for room in dict.fromkeys(room for session in user.sessions for room in session.rooms):
            with suppress(Refusal):  # they stay in it, and keep it when they come again
                await self._members.keep(user, room)
        self._report("{user} registered", user=user.name)

    async def find_recipient(self, name: str) -> tuple[User | Account, Log]:
        """Return the user or account of a name, and the inbox. Raises `Refusal` (no-such-user)."""
        key = names.key(name[: names.LINE_BYTES])
        user = self.by_key.get(key)
        if user is not None:
            return user, self.inbox(user)
        account = await self._accounts.account(key)
        if account is not None:
            return account, await self._account_inbox(account)
        guest = self.elsewhere.by_key.get(key)
        if guest is None or guest.registered:
            shown = name if len(name) <= names.NAME_CHARACTERS else "that"
            raise Refusal(
                Code.NO_SUCH_USER,
                "Nobody called {shown} is here, nor registered; `who` lists who is here.",
                shown=shown,
            )
        if guest.inbox is not None:
            return guest, guest.inbox
        return guest, self.inbox(guest, await self._engine.logs.last(-guest.guest_number))

    def broadcast(self, event: Event) -> int:
        """Show an event to every session, and return their number."""
        sessions = [session for user in self.by_key.values() for session in user.sessions]
        for session in sessions:
            session.peer.tell(EventBatch((event,)))
        return len(sessions)

    def set_away(self, session: Session, reason: str) -> None:
        """Set a session's user away, for a reason, or back if it is empty. The user's rooms are
        told; a text that a room may not be shown is left out."""
        user, before = session.require_user(), session.require_user().away
        user.away = names.phrase(reason)
        self.elsewhere.note(user)
        for room in user.rooms if user.away != before else ():
            show_away(self._rooms, user, room, session)
        if user.away != before:
            self.watching.away(user)

    def away_reason_in(self, user: User, room: Room, session: Session) -> str:
        """Return why a user in a room is away, for a session that asks; just "away" if they may not
        speak there, or the session ignores them."""
        if not user.away:
            return ""
        speaks = Right.SPEAK in ROLE_RIGHTS[self._rights.role(user, room)]
        return user.away if speaks and user.key not in session.ignored else UNTOLD

    def away_reason(self, name: str) -> str:
        """Return why a user is away, or empty."""
        user = self.find(name)
        return "not here now" if user is None or not user.visible else user.away


def show_away(rooms: Rooms, user: User, room: Room, but: Session | None = None) -> None:
    """Show those in a room, except one, that a user is away or back."""
    shown = not user.away or rooms.slow_mode.may_show(user, room)
    name = room.names_shown.get(user, user.name)
    event = events.UserAway(room.name, name, user.away if shown else UNTOLD)
    rooms.announce(room, event, but)


def _check_reserved(name: str) -> None:
    """Raise `Refusal` (name-taken) for a reserved name."""
    if names.key(name) in _RESERVED:
        raise Refusal(
            Code.NAME_TAKEN, "{name} speaks for the server; type another name.", name=name
        )


def _check_new(name: str) -> None:
    """Raise `Refusal` (bad-name, name-taken) for what no new user may be called."""
    names.check_new_user(name)
    if not skeletons(name).isdisjoint(_RESERVED_SKELETONS):
        raise Refusal(
            Code.NAME_TAKEN, "{name} looks like a name that is taken; type another name.", name=name
        )
