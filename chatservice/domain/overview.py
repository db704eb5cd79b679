"""The operator's view of the server: status, users, accounts, backups."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from functools import partial
from operator import itemgetter
from typing import Protocol, TypeVar

from chatservice import __version__, names, replies
from chatservice.domain.log import EventBatch
from chatservice.domain.model import Room, Session, User
from chatservice.domain.ports.account_ports import Account
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.rules import Access
from chatservice.domain.sparing import Sparing
from chatservice.domain.users import Users
from chatservice.errors import Code, Refusal
from chatservice.events import Notice

T = TypeVar("T")

Predicate = Callable[[T], bool]

RESERVES = 10
"""The disk is full when this part of `Limits.free_bytes` is left: uploads alone never get there,
and talk soon cannot be stored."""

AccountItem = tuple[str, Account]
"""An account and its key."""


class ConnectionStats(Protocol):
    """The figures of the connections."""

    def by_kind(self) -> Sequence[replies.CountInfo]:
        """Return their number by kind."""

    def refused(self) -> Sequence[replies.CountInfo]:
        """Return the number of refusals since the start, by code."""

    def waiting(self) -> Sequence[replies.CountInfo]:
        """Return the number of waiting items, by kind."""


class NoConnections:
    """`ConnectionStats` of a server without connections."""

    def by_kind(self) -> Sequence[replies.CountInfo]:
        """Return nothing."""
        return ()

    refused = waiting = by_kind


class Overview:
    """Answers the operator's questions. `seconds` tells the time on a clock that never goes
    back."""

    def __init__(self, services: Services, rooms: Rooms, users: Users) -> None:
        self.connections: ConnectionStats = NoConnections()
        self._engine, self._publisher = services.engine, services.publisher
        self._limits, self._report = services.limits, services.report
        self._seconds, self._since = services.seconds, services.seconds()
        self._rooms, self._users = rooms, users
        self._kinds = Sparing(self._count_kinds, services.seconds)
        self._numbers = Sparing(self._count_users, services.seconds)

    def _count_kinds(self) -> tuple[replies.CountInfo, ...]:
        return tuple(self.connections.by_kind())

    def _count_users(self) -> tuple[int, int]:
        """Return the number of users whom others see, and of the guests among them."""
        users = self._here()
        return len(users), sum(1 for user in users if not user.registered)

    async def status(self) -> replies.ServerStatus:
        """Return the status of the server."""
        if self._engine.maintenance is None:
            raise _none()
        figures = await self._engine.maintenance.stats()
        users, guests = self._numbers()
        return replies.ServerStatus(
            version=__version__,
            uptime=int(self._seconds() - self._since),
            connections=self._kinds(),
            users=users,
            guests=guests,
            accounts=figures.accounts,
            rooms=len(self._rooms.by_key),
            entries=figures.entries,
            files=figures.files,
            disk=tuple(figures.disk),
            waiting=(
                replies.CountInfo("entries to store", self._publisher.waiting),
                *figures.waiting,
                *self.connections.waiting(),
            ),
            refused=tuple(self.connections.refused()),
        )

    async def cluster(self) -> replies.ClusterStatus:
        """Return the state of the cluster. Raises `Refusal` (unknown-command) if there is none."""
        if self._engine.others is None:
            told = "This server runs alone; --engine makes it a node of a cluster."
            raise Refusal(Code.UNKNOWN_COMMAND, told)
        return await self._engine.others.status()

    async def trouble(self) -> str | None:
        """Return a sentence that says why the server cannot store what is said, or None."""
        commits = self._publisher.commits.trouble()
        if commits is not None or self._engine.maintenance is None:
            return commits
        free = await self._engine.maintenance.free()
        if free is not None and free * RESERVES < self._limits.free_bytes:
            return "The disk is full."
        return None

    async def backup(self, session: Session, dir: str) -> replies.BackupMade:
        """Make a backup, unless the session ends meanwhile."""
        if self._engine.maintenance is None:
            raise _none()
        if not dir.startswith("/"):
            raise Refusal(Code.BAD_ARGUMENT, "Give the whole path, from / on.")
        by, shown = session.require_user().name, names.one_line(dir)

        def tell(text: str) -> None:
            session.peer.tell(EventBatch((Notice(f"backup: {text}"),)))

        self._report("{by} begins a backup at {place}", by=by, place=shown)
        made = await self._engine.maintenance.backup(dir, tell, lambda: not session.ended)
        self._report("{by} made a backup at {place}", by=by, place=shown)
        return replies.BackupMade(
            shown, made.files, made.bytes, made.key, made.unread, tuple(made.left_out)
        )

    def _here(self) -> list[User]:
        """Return the users whom others see here. The operator does not count for asking."""
        return [user for user in self._users.by_key.values() if user.visible]

    def users(self, filter: str = "", after: str = "") -> replies.UserList:
        """Return a page of the users present that fit a filter, behind a name."""
        found = _filtered(self._here(), filter, _USERS, lambda user: user.key)
        page, more = _page(found, after, lambda user: user.key, self._limits.listed)
        rows = tuple(
            replies.UserInfo(
                name=user.name,
                registered=user.registered,
                rooms=tuple(room.name for room in user.rooms),
                origins=tuple(dict.fromkeys(each.peer.origin for each in user.sessions)),
                away=user.away,
            )
            for user in page
        )
        return replies.UserList(rows, more)

    async def accounts(self, filter: str = "", after: str = "") -> replies.AccountList:
        """Return a page of the accounts that fit a filter, behind a name."""
        tokens = await self._engine.accounts.token_counts()
        kinds: Mapping[str, Predicate[AccountItem]] = {
            "here": lambda it: bool(self._connections(it[0])),
            "gone": lambda it: not self._connections(it[0]),
            "operator": lambda it: it[1].operator,
            "token": lambda it: it[0] in tokens,
        }
        key: Callable[[AccountItem], str] = itemgetter(0)
        all_ = await self._engine.accounts.accounts()
        behind, own = names.key(after), names.OPERATOR_KEY
        following = (it for it in all_.items() if it[0] > behind and it[0] != own)
        found = _filtered(following, filter, kinds, key)
        page, more = _page(found, after, key, self._limits.listed)
        rows = tuple(
            replies.AccountInfo(it.name, it.operator, self._connections(key), tokens.get(key, 0))
            for key, it in page
        )
        return replies.AccountList(rows, more)

    def _connections(self, key: str) -> int:
        user = self._users.by_key.get(key)
        return len(user.sessions) if user is not None and user.registered else 0


def filter_rooms(rooms: Iterable[Room], filter_: str) -> Iterable[Room]:
    """Return the rooms that fit a filter. Raises `Refusal` (bad-argument)."""
    return _filtered(rooms, filter_, _ROOMS, lambda room: names.key(room.name))


_ROOMS: Mapping[str, Predicate[Room]] = {
    **{it.value: partial(lambda it, room: room.access is it, it) for it in Access},
    "locked": lambda room: room.password is not None,
    "empty": lambda room: not room.sessions,
    "used": lambda room: bool(room.sessions),
}

_USERS: Mapping[str, Predicate[User]] = {
    "guest": lambda user: not user.registered,
    "registered": lambda user: user.registered,
    "away": lambda user: bool(user.away),
}


def _none() -> Refusal:
    return Refusal(Code.SERVER_ERROR, "This server's storage cannot do that.")


PATTERNS = 2
"""Patterns in one filter: each is compared with thousands of names."""


def _filtered(
    found: Iterable[T], words: str, kinds: Mapping[str, Predicate[T]], key: Callable[[T], str]
) -> list[T]:
    """Return the items that fit all `words`: kinds, or patterns of a name (`key`). Repeated words
    count once. Raises `Refusal` (bad-argument)."""
    patterns = 0
    for word in dict.fromkeys(words.split()):
        if word in kinds:
            found = filter(kinds[word], found)
            continue
        if word.count("*") not in (1, 2) or len(word) > names.NAME_CHARACTERS + 2:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "A filter is {kinds}, or a name with a * in it, such as al*.",
                kinds=", ".join(kinds),
            )
        patterns += 1
        if patterns > PATTERNS:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "A filter has at most {patterns} names with a * in them; leave some out.",
                patterns=PATTERNS,
            )
        pattern = translate(names.key(word).replace("[", "[[]").replace("?", "[?]"))
        fits = re.compile(pattern).fullmatch
        found = filter(partial(lambda fits, it: fits(key(it)) is not None, fits), found)
    return list(found)


def _page(
    found: Iterable[T], after: str, key: Callable[[T], str], most: int
) -> tuple[list[T], int]:
    """Return a page of the items behind a name, and the number of those that follow."""
    behind = names.key(after)
    rest = sorted((it for it in found if key(it) > behind), key=key)
    return rest[:most], max(len(rest) - most, 0)
