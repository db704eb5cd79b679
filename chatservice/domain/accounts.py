"""Accounts: registration, passwords, tokens, invitation codes, operators, deletion."""

from contextlib import suppress
from functools import partial

from chatservice import names, replies
from chatservice.domain import tokens
from chatservice.domain.model import Room, Session, account_folder
from chatservice.domain.ports.account_ports import Account, PasswordChanged, Token
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.users import Registration, RegistrationPolicy, Users
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason
from chatservice.grammar.textformat import counted


class Accounts:
    """All that is done with accounts. The caller checks rights (`chatservice.domain.rights`).

    `now` tells the time in milliseconds since 1970. `report` never gets a password, token or code.
    """

    def __init__(
        self, services: Services, rooms: Rooms, users: Users, policy: RegistrationPolicy
    ) -> None:
        engine = services.engine
        self._store, self._logs, self._files = engine.accounts, engine.logs, engine.files
        self._authenticator, self._throttle = engine.authenticator, services.throttle
        self._publisher, self._rights = services.publisher, services.rights
        self._now, self._report = services.now, services.report
        self._rooms, self._users, self._policy = rooms, users, policy

    @property
    def takes_everybody(self) -> bool:
        """True if everybody can register who wants to."""
        return self._policy.registration is Registration.OPEN

    @property
    def needs_invitation(self) -> bool:
        """True if registering takes an invitation code."""
        return self._policy.registration is Registration.INVITED

    # -- making them -----------------------------------------------------------------------------

    def check_registration(self, session: Session, command: str) -> None:
        """Raise `Refusal` if a session may not `register` or `signup`, whatever the password."""
        user = session.user
        if command == "register" and user is not None and user.registered:
            raise Refusal(Code.ALREADY_REGISTERED, "{user} is registered already.", user=user.name)
        if command == "signup" and user is not None:
            raise Refusal(
                Code.BAD_ARGUMENT, "You are {user}; `register` keeps that name.", user=user.name
            )
        if command in ("register", "signup") and self._policy.registration is Registration.CLOSED:
            raise Refusal(Code.NOT_ALLOWED, "Only operators register names here; ask one of them.")

    async def register(self, session: Session, password: str, code: str | None = None) -> None:
        """Register a guest's name; their inbox becomes the account's."""
        user = session.require_user()
        self.check_registration(session, "register")
        used = await self._code(code)
        hashed = await self._throttle.hash(names.password(password), session)
        await self._users.register_guest(user, hashed, used)

    async def sign_up(
        self, session: Session, name: str, password: str, code: str | None = None
    ) -> replies.Welcome:
        """Register a name for a session without a user."""
        self.check_registration(session, "signup")
        self._users.check_admitted(session, names.key(names.user(name)))
        used = await self._code(code)
        await self._users.check_free(names.user(name))
        hashed = await self._throttle.hash(names.password(password), session)
        return await self._users.sign_up(session, names.user(name), hashed, used)

    async def _code(self, code: str | None) -> str | None:
        """Return the digest of an invitation code, or None where none is needed. Raises `Refusal`
        (bad-code, bad-argument)."""
        if self._policy.registration is Registration.OPEN:
            if code is not None:
                raise Refusal(
                    Code.BAD_ARGUMENT,
                    "That is one word too many; a password is one, and no code is needed here.",
                )
            return None
        used = tokens.digest(code or "")
        if not await self._store.code(used):
            told = "That code is not good, or not any more; ask for another."
            if code is None:
                told = "Registering takes an invitation code here; put it behind the password."
            raise Refusal(Code.BAD_CODE, told)
        return used

    async def create(
        self, session: Session, name: str, password: str | None = None
    ) -> replies.NewPassword:
        """Create an account for somebody else."""
        name, made = names.user(name), password or tokens.new_password()
        await self._users.check_free(name)
        hashed = await self._throttle.hash(names.password(made), session)
        self._rights.check_operator(session)
        by = session.require_user().name
        account = await self._store.register(name, hashed, None, self._now())
        self._report("{by} registered {user}", by=by, user=account.name)
        return replies.NewPassword(account.name, "" if password else made)

    async def create_code(self, session: Session) -> replies.InvitationCode:
        """Make an invitation code, for one registration."""
        code, by = tokens.new_code(), session.require_user().name
        await self._store.add_code(tokens.digest(code), by, self._now())
        self._report("{by} made an invitation code", by=by)
        return replies.InvitationCode(code)

    async def revoke_code(self, session: Session, code: str) -> replies.Done:
        """Make an invitation code invalid. Raises `Refusal` (bad-code) if it is so already."""
        by = session.require_user().name
        if not await self._store.drop_code(tokens.digest(code)):
            raise Refusal(Code.BAD_CODE, "That code is not good, or not any more; nothing is done.")
        self._report("{by} took an invitation code back", by=by)
        return replies.Done("The code is good no more.")

    async def delete(self, session: Session, name: str, erase: bool) -> tuple[str, str]:
        """Delete an account and its inbox. Its entries and files get a mark for its name, or are
        erased. Return the name and the mark.

        The account itself is deleted last, so an interrupted deletion can be repeated.
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
            self.deleted(key)
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

    def deleted(self, key: str) -> None:
        """End the sessions of an account that is deleted, and revoke its tickets."""
        user = self._users.by_key.get(key)
        for each in user.sessions if user is not None else ():
            sentence = "An operator deleted your account."
            self._users.end(each, sentence, EndReason.REVOKED)
        self._rights.tickets.revoke_account(key)

    async def _reassign_past(self, mark: str, key: str, erase: bool) -> None:
        """Give an account's entries to `mark`; with `erase`, erase them, and its files."""
        if erase:
            for folder, file in await self._files.shared(key):
                with suppress(Refusal):  # it is gone already
                    await self._files.remove(folder, file, None, key)
        reached: int | None = 0
        while reached is not None:
            reached = await self._logs.reassign(key, mark, erase, reached)

    # -- passwords -------------------------------------------------------------------------------

    async def change_password(self, session: Session, old: str, new: str) -> replies.Done:
        """Change the user's password, and end their other sessions that came in with it."""
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
        with self._users.asking(session, hashed):
            changed = await self._store.set_password(user.key, hashed, before=account.password)
        if not changed:
            raise Refusal(Code.WRONG_PASSWORD, "Your password was changed just now; try again.")
        self._report("{user} changed their password", user=user.name)
        return replies.Done("Your password is changed.")

    def password_changed(self, change: PasswordChanged) -> None:
        """End the sessions that came in with the former password, except the one that changed it;
        or, if the account's tokens are revoked too, all others."""
        user, asker = self._users.by_key.get(change.key), self._users.asker(change.password)
        why = "Your password was changed; come in with the new one."
        if change.alone:
            why = "An operator changed your password."
        for each in user.sessions if user is not None else ():
            if each is not asker and (change.alone or each not in self._rights.tokens):
                self._users.end(each, why)
        mine = asker.resume_token if asker is not None and not change.alone else None
        self._rights.tickets.revoke(
            lambda right: (
                (right.user.registered and right.user.key == change.key)
                and (change.alone or not right.token)
                and right.session != mine
            )
        )

    async def reset_password(
        self, session: Session, name: str, password: str | None = None
    ) -> replies.NewPassword:
        """Give an account another password, revoke its tokens, and end its sessions, except the one
        that asks."""
        account = await self._account(name)
        made = password or tokens.new_password()
        key = names.key(account.name)
        hashed = await self._throttle.hash(names.password(made), session)
        self._rights.check_operator(session)
        await self._account(name)  # it may be gone by now
        by = session.require_user().name  # whose connection may be gone when it is done
        with self._users.asking(session, hashed):
            await self._store.set_password(key, hashed, alone=True)
        self._report("{by} reset the password of {user}", by=by, user=account.name)
        return replies.NewPassword(account.name, "" if password else made)

    async def _account(self, name: str) -> Account:
        key = names.key(names.user(name))
        account = await self._store.account(key)
        if account is None or key == names.OPERATOR_KEY:
            raise Refusal(
                Code.NO_SUCH_USER, "{name} is not a registered name.", name=names.user(name)
            )
        return account

    # -- tokens ----------------------------------------------------------------------------------

    async def create_token(
        self, session: Session, label: str, room: str | None = None
    ) -> replies.NewToken:
        """Create a token, for one room if it is named."""
        user, label = session.require_user(), names.label(label)
        only = self._room(session, room) if room is not None else None
        number, name = (only.number, only.name) if only is not None else (None, None)
        made = tokens.new_token()
        token = Token(user.key, label, number, self._now())
        await self._store.add_token(tokens.digest(made), token)
        self._report("{user} made the token {label}", user=user.name, label=label)
        return replies.NewToken(label, made, name)

    async def add_key(self, session: Session, label: str, identity: str) -> None:
        """Let a key that a protocol has verified replace the password of a session's user, until
        its label is revoked. For such protocols; no command calls it. Raises `Refusal`
        (token-exists, too-many)."""
        user, label = session.require_user(), names.label(label)
        await self._store.add_token(identity, Token(user.key, label, None, self._now()))
        self._report("{user} added the key {label}", user=user.name, label=label)

    def _room(self, session: Session, name: str) -> Room:
        """Return a room that the session may be in, because the token needs no password there."""
        room = self._rooms.resolve(session, name)
        self._rights.check_enter(session, room)
        user = session.require_user()
        if not room.is_open and self._rights.standing_role(user, room) is None:
            session.require_cursor(room)
        return room

    async def list_tokens(self, session: Session) -> replies.TokenList:
        """Return the user's tokens."""
        found = await self._store.tokens(session.require_user().key)
        rows = (
            replies.TokenInfo(
                it.label,
                self._rooms.find(str(it.room)).name if it.room is not None else None,
                it.time,
            )
            for it in found
        )
        return replies.TokenList(tuple(rows))

    async def revoke_token(self, session: Session, label: str) -> replies.Done:
        """Revoke a token, and end the sessions that came in with it."""
        user = session.require_user()
        there = [each for each in user.sessions if each in self._rights.tokens]
        await self._store.revoke(user.key, label)
        self._report("{user} revoked the token {label}", user=user.name, label=label)
        ended = counted(sum(each.ended for each in there), "connection")
        return replies.Done(f"{label} is good no more; {ended} ended.")

    def token_revoked(self, sha256: str) -> None:
        """End the sessions that came in with a token, and revoke its tickets."""
        for session, token in tuple(self._rights.tokens.items()):
            if token == sha256:
                self._users.end(session, "The token that you came in with was revoked.")
        self._rights.tickets.revoke(lambda right: right.token == sha256)

    # -- operators -------------------------------------------------------------------------------

    async def set_operator(self, session: Session, name: str, yes: bool) -> replies.Done:
        """Make an account an operator, or no longer one."""
        account = await self._account(name)
        name, by = account.name, session.require_user().name
        await self._store.set_operator(names.key(name), yes)
        did = "an operator" if yes else "no operator any more"
        self._report("{by} made {user} {did}", by=by, user=name, did=did)
        return replies.Done(f"{name} runs the server" + ("." if yes else " no more."))

    async def operators(self) -> replies.OperatorList:
        """Return the names of the operators."""
        return replies.OperatorList(tuple(await self._store.operators()))
