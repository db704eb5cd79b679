"""Presence: who is here, idle or away, and when registered users were here last."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import StrEnum
from typing import Any

from chatservice import names, replies
from chatservice.domain.ignoring import UNTOLD
from chatservice.domain.model import Session, User
from chatservice.domain.ports.account_ports import Account
from chatservice.domain.rooms import Services
from chatservice.domain.users import Users
from chatservice.errors import Refusal


class State(StrEnum):
    """The state of a user."""

    HERE = "here"
    IDLE = "idle"
    AWAY = "away"
    GONE = "gone"


class Presence:
    """Tells of users whether they are here. `run` starts a coroutine, without waiting for it.

    The time of a registered user's last session is stored when that ends, together with those of
    others who leave in the same moment.
    """

    def __init__(
        self, services: Services, users: Users, run: Callable[[Coroutine[Any, Any, Any]], None]
    ) -> None:
        self._accounts, self._limits = services.engine.accounts, services.limits
        self._now, self._soon, self._run = services.now, services.call_soon, run
        self._users = users
        self._left: dict[str, int] = {}
        users.on_gone.append(self._gone)

    def is_bot(self, name: str) -> bool:
        """Return whether the user of a name is here, and has said that it is a program."""
        user = self._users.find(name)
        return user is not None and user.bot

    def idle_seconds(self, user: User) -> int:
        """Return for how many seconds a user has asked for nothing and said nothing, on any
        connection; 0 for less than `Limits.presence_seconds`."""
        if not user.sessions:  # at another node, which does not tell
            return 0
        active = max((it.active for it in user.sessions if it.traits.visible), default=0)
        idle = (self._now() - active) // 1000
        return idle if idle >= self._limits.presence_seconds else 0

    async def last_seen(self, key: str) -> int | None:
        """Return when the registered user with a key (`names.key`) was here last, in milliseconds
        since 1970; None if it is not known, or not shown, or if they are here now."""
        account, user = await self._accounts.account(key), self._users.find(key)
        is_here = account is None or (user is not None and user.visible)
        return None if is_here or account is None else self._last_seen(account)

    def _last_seen(self, account: Account) -> int | None:
        """Return when a registered user was here last, in milliseconds since 1970; None if it is
        not known, or not shown."""
        time = self._left.get(account.id, account.seen)
        return time if time and account.shows_seen else None

    async def seen(
        self, session: Session, name: str | None = None, show: bool | None = None
    ) -> replies.Seen:
        """Return the state of a user; without a name, of the session's own. With `show`, set first
        whether others see when that one was here last. Raises `Refusal` (no-such-user)."""
        user = session.require_user()
        if show is not None:
            await self._accounts.show_seen(user.key, show)
        name = (name or user.name).removeprefix("@")
        whom, _ = await self._users.find_recipient(name)
        own = await self._accounts.account(user.key) if whom.id == user.id else None
        shown = own.shows_seen if own is not None else None
        if not (isinstance(whom, User) and whom.visible):
            whom = self._users.elsewhere.by_key.get(names.key(whom.name), whom)
        if not (isinstance(whom, User) and whom.visible):
            account = whom if isinstance(whom, Account) else await self._accounts.account(whom.key)
            time = self._last_seen(account) if account is not None else None
            return replies.Seen(whom.name, State.GONE, time=time, shown=shown)
        if whom.away:
            text = UNTOLD if whom.key in session.ignored else whom.away
            return replies.Seen(whom.name, State.AWAY, text=text, shown=shown)
        idle = self.idle_seconds(whom)
        return replies.Seen(whom.name, State.IDLE if idle else State.HERE, idle, shown=shown)

    def _gone(self, user: User) -> None:
        """Note that a registered user is not here any more."""
        if not self._left:
            self._soon(lambda: self._run(self.save()))
        self._left[user.key] = self._now()

    async def save(self) -> None:
        """Store when those users were here last who have left since the last time."""
        left, self._left = self._left, {}
        if left:
            with suppress(Refusal):  # on a full disk, the times of before stay
                await self._accounts.note_seen(left)

    async def save_all(self) -> None:
        """The same, for those who are still here as well: the server stops."""
        here = [it.key for it in self._users.by_key.values() if it.registered and it.visible]
        self._left |= dict.fromkeys(here, self._now())
        await self.save()
