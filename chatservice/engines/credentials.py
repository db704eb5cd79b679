"""Checkers of names and passwords: our own accounts, and those that the operator plugs in.

Both are checkers of twisted.cred, so each can be used with any of its portals.
"""

from collections.abc import Sequence
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from chatservice import names
from chatservice.domain.ports.account_ports import AccountStore, PasswordHasher
from chatservice.errors import Refusal


@implementer(ICredentialsChecker)
class AccountChecker:
    """Knows the accounts that have a password here. Tokens are no passwords: what they are good for
    cannot be told in an avatar's name."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, accounts: AccountStore, passwords: PasswordHasher) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._nobodys: str | None = None

    def requestAvatarId(self, credentials: Any) -> "Deferred[bytes | tuple[()]]":
        """Answer with the name, as its owner writes it."""
        name, password = credentials.username.decode(), credentials.password.decode()
        return Deferred.fromCoroutine(self._check(name, password))

    async def _check(self, name: str, password: str) -> bytes | tuple[()]:
        account = await self._accounts.account(names.key(name))
        kept = account.password if account is not None else ""
        if not kept:  # as slow as where there is one, so that nobody can tell
            if self._nobodys is None:
                self._nobodys = await self._passwords.hash("nobody's")
            kept = self._nobodys
            account = None
        if not await self._passwords.fits(kept, password) or account is None:
            raise UnauthorizedLogin()
        return account.name.encode()


class Checkers:
    """The port `Authenticator`: our own accounts, and checkers of the operator's.

    A name that has a password here is asked for here. About all others the operator's are asked,
    one after the other.
    """

    def __init__(
        self, own: AccountChecker, accounts: AccountStore, others: Sequence[Any] = ()
    ) -> None:
        self._own = own
        self._accounts = accounts
        self._others = [it for it in others if IUsernamePassword in it.credentialInterfaces]

    @property
    def elsewhere(self) -> bool:
        return bool(self._others)

    async def vouched(self, name: str, password: str) -> str | None:
        account = await self._accounts.account(names.key(name))
        if account is not None:
            name = account.name
        own = account is not None and account.password
        checkers = [self._own] if own or not self._others else self._others
        for checker in checkers:
            credentials = UsernamePassword(name.encode(), password.encode(errors="replace"))
            try:
                avatar = await maybeDeferred(checker.requestAvatarId, credentials)
            except UnauthorizedLogin:
                continue
            return _written(avatar, name)
        return None


def _written(avatar: Any, name: str) -> str:
    """Return how a checker writes a name, if its answer is that."""
    text = avatar.decode(errors="replace") if isinstance(avatar, bytes) else str(avatar)
    try:
        return names.user(text) if names.key(text) == names.key(name) else name
    except Refusal:
        return name
