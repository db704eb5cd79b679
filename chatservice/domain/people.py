"""Who one is: a guest while connected, or registered for good."""

import hmac
from collections.abc import Callable
from weakref import WeakValueDictionary

from chatservice import answers, events, limits, names
from chatservice.domain.log import Cursor, Log, News, Tails
from chatservice.domain.places import Session, User
from chatservice.domain.ports import Account, Engine
from chatservice.domain.rooms import Report, Rooms
from chatservice.errors import Code, Refusal
from chatservice.events import Event


class People:
    """Every user who is here, in `by_key` (`names.key`)."""

    def __init__(
        self,
        engine: Engine,
        rooms: Rooms,
        tails: Tails,
        now: Callable[[], int],
        report: Report,
    ) -> None:
        self.by_key: dict[str, User] = {}
        self._engine = engine
        self._rooms = rooms
        self._tails = tails
        self._now = now
        self._report = report
        self._inboxes: WeakValueDictionary[int, Log] = WeakValueDictionary()
        self._guests = 0

    async def enter(
        self,
        session: Session,
        name: str,
        password: str | None = None,
        token: str | None = None,
        after: int | None = None,
    ) -> answers.Welcome:
        """Give a session its user: a guest of a free name, or a registered one.

        A `token` that `enter` gave to another session of that user takes its place: its connection
        broke and nobody noticed yet. With `after`, the inbox is read from there. A session that has
        a user already becomes the other one and stays in its rooms.
        """
        name = names.user(name)
        key = names.key(name)
        self._rooms.admit(session, key)
        account = await self._engine.store.account(key)
        former = self._session_of(key, token)
        if account is not None and former is None:
            await self._check_account(account, password)
        if account is None and password is not None:
            raise Refusal(
                Code.NO_SUCH_USER, f"{name} is not registered; give the name alone to be its guest."
            )
        if session.user is not None and session.user.key == key:
            raise Refusal(Code.NAME_TAKEN, f"You are {session.user.name} already.")
        user = await self._user(key, name, account, former)
        if former is not None:
            former.reader.end("You came in again on another connection; this one ends.")
            self._rooms.leave_all(former)
        if session.gone:  # while it was waited for
            self._let_go(user)
            raise Refusal(Code.NAME_NEEDED, "The connection is gone.")
        position = self._become(session, user, account, after)
        token = session.token if session.echo else ""  # a person has no use for one
        return answers.Welcome(user.name, user.registered, token, position)

    def _session_of(self, key: str, token: str | None) -> Session | None:
        """Return the session of the user with that key to which that token was given."""
        held = self.by_key.get(key)
        if held is None or token is None:
            return None
        for session in held.sessions:
            if hmac.compare_digest(token.encode(), session.token.encode()):
                return session
        return None

    async def _check_account(self, account: Account, password: str | None) -> None:
        if password is None:
            raise Refusal(
                Code.PASSWORD_NEEDED,
                f"{account.name} is a registered name; /login {account.name} PASSWORD if it is "
                "yours, or take another one.",
            )
        if not await self._engine.passwords.fits(account.password, password):
            raise Refusal(Code.WRONG_PASSWORD, f"That is not {account.name}'s password; try again.")

    async def _user(
        self, key: str, name: str, account: Account | None, former: Session | None
    ) -> User:
        """Return the user of a name that the asker may have, making one if nobody has it."""
        inbox = await self._kept(account) if account is not None else None
        held = self.by_key.get(key)
        if held is None and await self._engine.names.claim(key):
            if account is None:
                self._guests += 1
                held = User(name, None, self._guests)
            else:
                held = User(account.name, inbox, 0)
            self.by_key[held.key] = held
            return held
        if held is None or not (held.registered or former is not None):
            raise Refusal(Code.NAME_TAKEN, f"{name} is taken; type another name.")
        return held

    def _inbox(self, user: User) -> Log:
        """Return a user's inbox. A guest has none until somebody writes to them."""
        if user.inbox is None:
            user.inbox = Log(-user.guest, "@", 0, self._tails)
            for session in user.sessions:
                session.inbox = Cursor(user.inbox, session)
        return user.inbox

    async def _kept(self, account: Account) -> Log:
        """Return the one `Log` of an account's inbox, so that everybody extends and reads it."""
        log = self._inboxes.get(account.inbox)
        if log is None:
            last = await self._engine.store.last(account.inbox)
            log = Log(account.inbox, "@", last, self._tails)
            log = self._inboxes.setdefault(account.inbox, log)
            log.kept = True
        return log

    def _become(
        self, session: Session, user: User, account: Account | None, after: int | None
    ) -> int:
        """Make a session that user's. Return where it begins to read the inbox."""
        former = session.user
        if former is not None:
            for room in session.rooms:
                event = events.Renamed(room.name, former.name, user.name)
                self._rooms.tell(room, event, but=session)
            self._report("{old} is now called {new}", old=former.name, new=user.name)
            self._release(session)
        else:
            self._report(
                "{user} connected from {origin}", user=user.name, origin=session.reader.origin
            )
        session.user = user
        user.sessions = (*user.sessions, session)
        if user.inbox is None:
            return 0
        if after is None and account is not None:
            after = account.shown
        session.inbox = Cursor(user.inbox, session, after)
        return session.inbox.position

    def depart(self, session: Session, farewell: str = "") -> None:
        """End a session: it leaves its rooms and gives its user back."""
        session.gone = True
        if session.user is None:
            return
        self._report(
            "{user} left, from {origin}", user=session.user.name, origin=session.reader.origin
        )
        self._rooms.leave_all(session, names.phrase(farewell[: limits.PHRASE_CHARACTERS]))
        self._release(session)

    def _release(self, session: Session) -> None:
        """Take the session's user from it; a guest without a session is gone."""
        user, session.user = session.user, None
        if user is None:
            return
        if session.inbox is not None:
            session.inbox.close()
            session.inbox = None
        user.sessions = tuple(each for each in user.sessions if each is not session)
        self._let_go(user)

    def _let_go(self, user: User) -> None:
        if user.sessions:
            return
        del self.by_key[user.key]
        self._engine.names.release(user.key)
        if not user.registered:
            self._engine.shelves.forget(user.shelf)
            if user.inbox is not None:  # else nothing was ever sent to them
                self._engine.store.forget(user.inbox.id)

    async def register(self, session: Session, password: str) -> None:
        """Keep the name of a guest for them, and what is in their inbox."""
        user = session.needs_user()
        hashed = await self._engine.passwords.hash(names.password(password))
        if user.registered:
            raise Refusal(Code.ALREADY_REGISTERED, f"{user.name} is registered already.")
        guest_shelf = user.shelf
        inbox = self._inbox(user)
        account = await self._engine.store.register(user.name, hashed, inbox, self._now())
        user.guest = 0
        inbox.kept = True
        self._inboxes[account.inbox] = inbox
        await self._engine.shelves.move(guest_shelf, user.shelf)
        self._report("{user} registered", user=user.name)

    async def addressee(self, name: str) -> tuple[User | Account, Log]:
        """Return whom that name means, and their inbox."""
        key = names.key(name[: limits.LINE_BYTES])
        user = self.by_key.get(key)
        if user is not None:
            return user, self._inbox(user)
        account = await self._engine.store.account(key)
        if account is None:
            shown = name if len(name) <= limits.NAME_CHARACTERS else "that"
            raise Refusal(
                Code.NO_SUCH_USER,
                f"Nobody called {shown} is here, nor registered; /who lists who is here.",
            )
        return account, await self._kept(account)

    def tell_all(self, event: Event) -> int:
        """Show an event to every session there is, and return how many there are."""
        sessions = [session for user in self.by_key.values() for session in user.sessions]
        for session in sessions:
            session.reader.tell(News((event,)))
        return len(sessions)

    def away(self, name: str) -> str:
        """Return why a user is away; empty if they are here."""
        user = self.by_key.get(names.key(name))
        return "not here now" if user is None else user.away
