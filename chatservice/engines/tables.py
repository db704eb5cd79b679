"""The durable side of rooms and accounts: all that a further engine has to write about them."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from chatservice.domain.ports.account_ports import Account, Token
from chatservice.domain.ports.engine_ports import Change
from chatservice.domain.ports.member_ports import Membership, ReadPositions
from chatservice.domain.ports.push_ports import PushSubscription
from chatservice.domain.ports.room_ports import ModerationRecord, RoomRow, RulesChanged


class PushTables(Protocol):
    """Makes durable what is decided about subscriptions to push messages."""

    def load_pushes(self) -> Iterable[PushSubscription]:
        """Return all subscriptions to push messages."""

    def add_push(self, subscription: PushSubscription, gone: Sequence[str]) -> None:
        """Add a subscription, in the place of one with its endpoint; drop those with the endpoints
        `gone`."""

    def drop_push(self, endpoint: str) -> None:
        """Drop a subscription."""


class Tables(PushTables, Protocol):
    """Makes durable what the registries have decided, each change as a whole or not at all.

    The registries load everything once. After that they call all methods where the engine stores,
    in the order in which the changes are to be made. A method raises an error if nothing is stored.
    """

    last_number: int
    """The last number that was given to a room or an account's inbox. `load_rooms` finds it, and
    the registries count it."""

    def load_rooms(self) -> Iterable[RoomRow]:
        """Return all rooms, by number."""

    def load_accounts(self) -> Iterable[Account]:
        """Return all accounts."""

    def load_tokens(self) -> Mapping[str, Token]:
        """Return all tokens, by their SHA-256."""

    def load_codes(self) -> Iterable[str]:
        """Return the SHA-256 of all invitation codes."""

    def add_room(self, row: RoomRow, time: int) -> None:
        """Add a room, its rules, and its log, which has its number."""

    def change_room(self, row: RoomRow, record: ModerationRecord | None) -> None:
        """Store the settings of a room, and add an action to its record."""

    def retire_room(self, row: RoomRow) -> None:
        """Store a room's settings and new name. Its rules, its members and the tokens for it alone
        go."""

    def remove_room(self, room: int) -> None:
        """Forget a room, its rules, record and members, and the tokens for it alone."""

    def change_rules(self, change: RulesChanged) -> None:
        """Add rules that last to a room, drop others, and add an action to its record. A ban of an
        account ends its membership."""

    def add_record(self, room: int, record: ModerationRecord | None) -> None:
        """Add an action, if there is one, to a room's record."""

    def records(self, room: int, limit: int) -> Sequence[ModerationRecord]:
        """Return the last actions of a room's record, oldest first."""

    def add_account(
        self, key: str, account: Account, inbox: int | None, guest: str, code: str | None
    ) -> int:
        """Add an account with its inbox, and use up a code. The guest's `inbox` becomes the
        account's, and so does all that is stored of `guest` (`User.id`). From here on, drafts for
        the old inbox go to the new one. Return the last position of the inbox."""

    def inbox_known(self, inbox: int) -> None:
        """Note that nothing more is given to a guest's inbox, by the number of then."""

    def change_account(self, key: str, account: Account, alone: bool = False) -> None:
        """Store an account's name, password and rank, and whether it `shows_seen`; with `alone`,
        revoke all its tokens. With another password, the subscriptions without a token end, and
        with `alone` all."""

    def note_seen(self, times: Mapping[str, int]) -> None:
        """Store when users were here last, by the keys of their accounts, if it is later."""

    def delete_account(self, key: str, account: Account, mark: str) -> None:
        """Forget an account, its tokens, subscriptions, memberships, and rules in rooms; its files
        become `mark`'s."""

    def add_token(self, sha256: str, token: Token) -> None:
        """Add a token."""

    def revoke(self, sha256: str) -> None:
        """Revoke a token, and end its subscriptions."""

    def add_member(self, member: Membership, most: int) -> bool:
        """Add a membership, unless it is there already, or its account or room is not. Return
        whether it is new. Raises `Refusal` (too-many) if the account has `most`."""

    def drop_member(self, account: str, room: int) -> None:
        """Drop a membership."""

    def members_of_account(self, account: str) -> Sequence[Membership]:
        """Return the memberships of an account, by the numbers of the rooms."""

    def members_of_room(self, room: int, after: str, limit: int) -> tuple[Sequence[str], int]:
        """Return the keys of the first members behind `after`, and how many follow these."""

    def mark_read(self, positions: ReadPositions) -> None:
        """Store read positions of memberships and of inboxes."""

    def add_code(self, sha256: str, who: str, time: int) -> None:
        """Add an invitation code."""

    def drop_code(self, sha256: str) -> None:
        """Drop an invitation code."""


class Superseded(Exception):
    """Nothing is stored: another node has stored something since this was decided."""


Effects = Mapping[str, Callable[..., None]]
"""The effects in memory of what is stored, by the names of the methods of `Tables`. They get what
the method returned, and its arguments; it may be another node that has called it."""


class Decides(Protocol):
    """A registry that decides about one change after another."""

    deciding: DeferredLock


_D = TypeVar("_D", bound=Decides)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def decided(
    method: Callable[Concatenate[_D, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_D, _P], Coroutine[Any, Any, _T]]:
    """Decorate a method that checks a change and stores it: no other runs meanwhile, and it runs
    again where another node has stored something first."""

    @wraps(method)
    async def run(self: _D, *args: _P.args, **named: _P.kwargs) -> _T:
        async with self.deciding:
            while True:
                with suppress(Superseded):
                    return await method(self, *args, **named)

    return run  # type: ignore[return-value]  # as a method it has the same arguments


class Storage(NamedTuple):
    """An engine as the registries need it.

    `store(name, *args)` runs a method of the `tables`, by its name, where the engine stores, and
    then its effect (`Registry.stored`); it may raise `Superseded` instead. `look` runs one that
    only reads, behind what was stored before. `tell` takes changes for the follower. `unused` gets
    the number of a log that is to be emptied, `forget_files` the folder of a removed room, whose
    files go.
    """

    tables: Tables
    store: Callable[..., "Deferred[Any]"]
    tell: Callable[[Change], None]
    unused: Callable[[int], None]
    forget_files: Callable[[str], Awaitable[None]]
    look: Callable[..., "Deferred[Any]"]
