"""Accounts: made by whom they are for or by an operator, their passwords, tokens, and who runs the
server."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from chatservice import names, replies
from chatservice.domain import tokens
from chatservice.domain.loginthrottle import LoginThrottle
from chatservice.domain.model import Room, Session, account_folder
from chatservice.domain.policy import Registration, RegistrationPolicy
from chatservice.domain.ports import Account, Engine, Token
from chatservice.domain.publisher import Publisher
from chatservice.domain.rights import Rights
from chatservice.domain.rooms import Report, Rooms
from chatservice.domain.users import Users
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason


class Accounts:
    """What is done with accounts. Whether one may is asked before (`chatservice.domain.rights`).

    `now` tells the time in milliseconds since 1970, `report` takes a line for the operator, in
    which there is never a password, a token or a code.
    """

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        rooms: Rooms,
        users: Users,
        rights: Rights,
        now: Callable[[], int],
        report: Report,
        policy: RegistrationPolicy,
        throttle: LoginThrottle,
    ) -> None:
        self._store = engine.accounts
        self._logs = engine.logs
        self._publisher = publisher
        self._files = engine.files
        self._throttle = throttle
        self._authenticator = engine.authenticator
        self._rooms = rooms
        self._users = users
        self._rights = rights
        self._now = now
        self._report = report
        self._policy = policy

    @property
    def needs_invitation(self) -> bool:
        """Whether one registers with a code."""
        return self._policy.registration is Registration.INVITED

    # -- making them -----------------------------------------------------------------------------

    def check_registration(self, session: Session, command: str) -> None:
        """Raise `Refusal` if no password would let the session `register` or `signup`."""
        user = session.user
        if command == "register" and user is not None and user.registered:
            raise Refusal(Code.ALREADY_REGISTERED, "{user} is registered already.", user=user.name)
        if command == "signup" and user is not None:
            raise Refusal(
                Code.BAD_ARGUMENT, "You are {user}; `register` keeps that name.", user=user.name
            )
        if command in ("register", "signup") and self._policy.registration is Registration.CLOSED:
            raise Refusal(
                Code.NOT_ALLOWED, "Nobody registers by themselves here; ask who runs the server."
            )

    async def register(self, session: Session, password: str, code: str | None) -> None:
        """Keep the name of a guest for them, and what is in their inbox."""
        user = session.require_user()
        self.check_registration(session, "register")
        used = await self._code(code)
        hashed = await self._throttle.hash(names.password(password), session)
        await self._users.register_guest(user, hashed, used)

    async def sign_up(
        self, session: Session, name: str, password: str, code: str | None
    ) -> replies.Welcome:
        """Register a name for a session that has none yet."""
        self.check_registration(session, "signup")
        self._users.check_admitted(session, names.key(names.user(name)))
        used = await self._code(code)
        await self._users.check_free(names.user(name))
        hashed = await self._throttle.hash(names.password(password), session)
        return await self._users.sign_up(session, names.user(name), hashed, used)

    async def _code(self, code: str | None) -> str | None:
        """Return what is kept of a code, where one is needed to register."""
        if self._policy.registration is Registration.OPEN:
            if code is not None:
                raise Refusal(
                    Code.BAD_ARGUMENT,
                    "That is one word too many; a password is one, and no code is needed here.",
                )
            return None
        used = tokens.digest(code or "")
        if not await self._store.code(used):
            raise Refusal(
                Code.BAD_CODE,
                "One registers by invitation here; put a code that is good behind the password.",
            )
        return used

    async def create(
        self, session: Session, name: str, password: str | None
    ) -> replies.NewPassword:
        """Register a name for somebody else."""
        name, made = names.user(name), password or tokens.new_password()
        await self._users.check_free(name)
        hashed = await self._throttle.hash(names.password(made), session)
        self._rights.check_operator(session)
        by = session.require_user().name
        account = await self._users.create_account(name, hashed)
        self._report("{by} registered {user}", by=by, user=account.name)
        return replies.NewPassword(account.name, "" if password else made)

    async def create_code(self, session: Session) -> str:
        """Return a new code, with which one person can register."""
        code, by = tokens.new_code(), session.require_user().name
        await self._store.add_code(tokens.digest(code), by, self._now())
        self._report("{by} made an invitation code", by=by)
        return code

    async def revoke_code(self, session: Session, code: str) -> None:
        """Let a code be good no more. Raises `Refusal` (bad-code) for one that is not."""
        by = session.require_user().name
        if not await self._store.drop_code(tokens.digest(code)):
            raise Refusal(Code.BAD_CODE, "That code is not good, or not any more; nothing is done.")
        self._report("{by} took an invitation code back", by=by)

    async def delete(self, session: Session, name: str, erase: bool) -> tuple[str, str]:
        """Delete an account: nobody comes in by it any more, and what waited for it is gone. What
        it said and shared stays under a mark, or is erased. Return the name, and the mark.

        It is done in steps, and the account itself goes last: one that is interrupted half-way can
        be asked for again.
        """
        account = await self._account(name)
        key, mark = names.key(account.name), names.deleted_name(account.inbox)
        by = session.require_user()
        if by.key == key:
            raise Refusal(Code.NOT_ALLOWED, "You cannot delete yourself; ask another operator.")
        if key in self._users.deleting:
            raise Refusal(
                Code.TOO_MANY, "{account} is being deleted already.", account=account.name
            )
        self._users.deleting.add(key)
        try:
            self._end_sessions(key)
            await self._publisher.settled()
            await self._reassign_past(mark, key, erase)
            await self._store.delete(key, mark)
        finally:
            self._users.deleting.discard(key)
        await self._files.forget(account_folder(key))
        self._report(
            "{by} deleted the account {user}: it is {mark}",
            by=by.name,
            user=account.name,
            mark=mark,
        )
        return account.name, mark

    def _end_sessions(self, key: str) -> None:
        """End the sessions of an account that is being deleted, and what they were given."""
        user = self._users.by_key.get(key)
        for each in user.sessions if user is not None else ():
            sentence = "Your account was deleted by who runs the server."
            self._users.end(each, sentence, EndReason.REVOKED)
        self._rights.tickets.revoke_account(key)

    async def _reassign_past(self, mark: str, key: str, erase: bool) -> None:
        """Let what an account said be `mark`'s; with `erase`, let it be gone, and its files too."""
        if erase:
            for shelf, file in await self._files.shared(key):
                with suppress(Refusal):  # it is gone already
                    await self._files.remove(shelf, file, None, key)
        reached: int | None = 0
        while reached is not None:
            reached = await self._logs.reassign(key, mark, erase, reached)

    # -- passwords -------------------------------------------------------------------------------

    async def change_password(self, session: Session, old: str, new: str) -> None:
        """Change one's own, and end one's other sessions that came in with it."""
        user = session.require_user()
        names.password(new)
        account = await self._account(user.name)
        if not account.password:
            raise Refusal(
                Code.NOT_ALLOWED, "Your password is not kept here; change it where it is."
            )
        vouched = partial(self._authenticator.vouched, user.name, old)
        if await self._throttle.attempt(vouched, user.key, session) is None:
            raise Refusal(Code.WRONG_PASSWORD, "That is not the password that you have; try again.")
        hashed = await self._throttle.hash(new, session)
        session.require_user()
        # Another connection, or an operator, may have changed it meanwhile.
        if not await self._store.set_password(user.key, hashed, before=account.password):
            raise Refusal(Code.WRONG_PASSWORD, "Your password was changed just now; try again.")
        for each in user.sessions:
            if each is not session and each not in self._rights.tokens:
                self._users.end(each, "Your password was changed; come in with the new one.")
        mine, key = session.resume_token, user.key
        self._rights.tickets.revoke(
            lambda right: right.user.key == key and not right.token and right.session != mine
        )
        self._report("{user} changed their password", user=user.name)

    async def reset_password(
        self, session: Session, name: str, password: str | None
    ) -> replies.NewPassword:
        """Give an account another password. Nobody has any other way in after that: its tokens are
        good no more, and its sessions end, but for the one that asks."""
        account = await self._account(name)
        made = password or tokens.new_password()
        key = names.key(account.name)
        hashed = await self._throttle.hash(names.password(made), session)
        self._rights.check_operator(session)
        await self._account(name)  # it may be gone by now
        by = session.require_user().name  # whose connection may be gone when it is done
        await self._store.set_password(key, hashed, alone=True)
        user = self._users.by_key.get(key)
        for each in user.sessions if user is not None else ():
            if each is not session:
                self._users.end(each, "Your password was changed by who runs the server.")
        self._rights.tickets.revoke_account(key)
        self._report("{by} reset the password of {user}", by=by, user=account.name)
        return replies.NewPassword(account.name, "" if password else made)

    async def _account(self, name: str) -> Account:
        key = names.key(names.user(name))
        account = await self._store.account(key)
        if account is None or key == names.key(names.OPERATOR):
            raise Refusal(
                Code.NO_SUCH_USER, "{name} is not a registered name.", name=names.user(name)
            )
        return account

    # -- tokens ----------------------------------------------------------------------------------

    async def create_token(
        self, session: Session, label: str, where: str | None
    ) -> replies.NewToken:
        """Make a token, for one room if that is named."""
        user, label = session.require_user(), names.label(label)
        room = self._room(session, where) if where is not None else None
        made = tokens.new_token()
        number = room.number if room is not None else None
        await self._store.add_token(
            tokens.digest(made), Token(user.key, label, number, self._now())
        )
        self._report("{user} made the token {label}", user=user.name, label=label)
        return replies.NewToken(label, made, room.name if room is not None else None)

    def _room(self, session: Session, name: str) -> Room:
        """Return a room that the session may be in: with the token no password is needed."""
        room = self._rooms.resolve(session, name)
        self._rights.check_enter(session, room)
        user = session.require_user()
        if not room.is_open and self._rights.standing_role(user, room) is None:
            session.require_cursor(room)
        return room

    async def list_tokens(self, session: Session) -> tuple[replies.TokenInfo, ...]:
        """Return the tokens of one's own."""
        found = await self._store.tokens(session.require_user().key)
        return tuple(
            replies.TokenInfo(
                it.label,
                self._rooms.find(str(it.room)).name if it.room is not None else None,
                it.time,
            )
            for it in found
        )

    async def revoke_token(self, session: Session, label: str) -> int:
        """End a token, and the sessions that came in with it. Return how many those are."""
        user = session.require_user()
        sha256 = await self._store.revoke(user.key, label)
        ended = self._users.end_token_sessions(sha256)
        self._report("{user} revoked the token {label}", user=user.name, label=label)
        return ended

    # -- who runs the server ---------------------------------------------------------------------

    async def set_operator(self, session: Session, name: str, yes: bool) -> str:
        """Let an account run the server, or no longer. Return its name."""
        account = await self._account(name)
        key, by = names.key(account.name), session.require_user().name
        await self._store.set_operator(key, yes)
        did = "an operator" if yes else "no operator any more"
        self._report("{by} made {user} {did}", by=by, user=account.name, did=did)
        return account.name

    async def operators(self) -> tuple[str, ...]:
        """Return the registered names that run the server."""
        return tuple(await self._store.operators())
