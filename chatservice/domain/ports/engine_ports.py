"""The engine as a whole: its parts, its follower, and its maintenance."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from chatservice.domain.ports.account_ports import (
    AccountChanged,
    AccountStore,
    Authenticator,
    GuestRegistered,
    NameClaims,
    PasswordChanged,
    PasswordHasher,
    TokenRevoked,
)
from chatservice.domain.ports.file_ports import FileStore
from chatservice.domain.ports.log_ports import BlockReplaced, LogStore
from chatservice.domain.ports.member_ports import MemberChanged, MemberStore, ReadChanged
from chatservice.domain.ports.node_ports import (
    OtherNodes,
    TicketData,
    TicketRequest,
    UserState,
)
from chatservice.domain.ports.push_ports import PushChanged, PushStore
from chatservice.domain.ports.room_ports import (
    RoomChanged,
    RoomRemoved,
    RoomRetired,
    RoomRow,
    RoomStore,
    RulesChanged,
    TopicChanged,
)
from chatservice.entries import Run
from chatservice.errors import Code, Refusal
from chatservice.replies import CountInfo


def not_stored() -> Refusal:
    """Return the refusal for a failure to store."""
    return Refusal(
        Code.NOT_STORED, "The server could not store that, so nobody was shown it; try again later."
    )


class StorageStats(NamedTuple):
    """An engine's figures: numbers of `accounts`, `entries` and `files`; bytes on the `disk`, by
    use; and numbers of `waiting` jobs."""

    accounts: int
    entries: int
    files: int
    disk: Sequence[CountInfo]
    waiting: Sequence[CountInfo]


@dataclass(slots=True)
class BackupSummary:
    """The content of a backup: shared files, bytes in all, and whether it has a `key` for TLS.
    `unread` files could not be read; `left_out` names some of them."""

    files: int = 0
    bytes: int = 0
    key: bool = False
    unread: int = 0
    left_out: list[str] = field(default_factory=list)


class Maintenance(Protocol):
    """Backups and figures, for operators."""

    def backup(
        self, to: str, tell: Callable[[str], None], wanted: Callable[[], bool]
    ) -> Awaitable[BackupSummary]:
        """Make a consistent copy of all data at a place that the engine understands, and verify it.
        `tell` is called with the progress; the backup ends if it is no longer `wanted`.

        Raises `Refusal` (bad-argument, too-many, disk-full, not-stored, cancelled), and leaves
        nothing then.
        """

    def stats(self) -> Awaitable[StorageStats]:
        """Return the figures."""

    def free(self) -> Awaitable[int | None]:
        """Return the bytes that are free: on the disk of the database, or on that of the files, if
        it has fewer. None without a disk."""


Change = (
    RoomRow
    | RoomChanged
    | RoomRetired
    | RoomRemoved
    | RulesChanged
    | TopicChanged
    | BlockReplaced
    | AccountChanged
    | PasswordChanged
    | TokenRevoked
    | MemberChanged
    | ReadChanged
    | GuestRegistered
    | PushChanged
)


class Follower(Protocol):
    """Receives what the engine tells the domain, in the order of commits, in the reactor's
    thread."""

    def changed(self, change: Change) -> None:
        """Apply a change that is durable, whichever node made it."""

    def appended(self, runs: Mapping[int, Sequence[tuple[int, Run]]]) -> None:
        """Show what another node has appended: all runs of one batch, with their first positions,
        by the numbers of the logs. So a block is the same on all nodes, and `BlockReplaced` finds
        it. This node's own runs are the answer of `LogStore.append` instead."""

    def ended(self, positions: Mapping[int, int]) -> None:
        """Forget what is no longer kept: up to a position each, by the numbers of the logs."""

    def refusing(self, why: Refusal | None) -> None:
        """Refuse what would have to be stored, and tell everybody why: the engine waits for too
        long. None ends that."""

    def here(self) -> Sequence[UserState]:
        """Return all users of this node whom others see."""

    def present(self, node: str, states: Sequence[UserState], whole: bool = False) -> None:
        """Take over the states of users at another node. If they are the `whole`, all others there
        are gone."""

    def typing(self, room: int, name: str) -> None:
        """Show that a user at another node is typing in a room, by its number."""

    def redeem(self, request: TicketRequest) -> TicketData | None:
        """Redeem the code of a ticket of this node for another node; None if it is not good."""


class Engine(Protocol):
    """Everything that lasts, and all that nodes of one server decide together.

    A change is told to the follower before its own call answers. So the domain finds its state
    changed when it goes on, and never changes that state itself.
    """

    @property
    def logs(self) -> LogStore:
        """The logs."""

    @property
    def rooms(self) -> RoomStore:
        """The rooms."""

    @property
    def accounts(self) -> AccountStore:
        """The registered users."""

    @property
    def members(self) -> MemberStore:
        """The rooms that registered users keep."""

    @property
    def pushes(self) -> PushStore:
        """The subscriptions to push messages."""

    @property
    def claims(self) -> NameClaims:
        """The names that are in use."""

    @property
    def hasher(self) -> PasswordHasher:
        """The hashes of passwords."""

    @property
    def authenticator(self) -> Authenticator:
        """The check of passwords."""

    @property
    def files(self) -> FileStore:
        """The shared files."""

    @property
    def others(self) -> OtherNodes | None:
        """The other nodes; None where there cannot be any."""

    @property
    def maintenance(self) -> Maintenance | None:
        """Backups and figures; None where the server cannot be looked after from here."""

    def start(self) -> Awaitable[None]:
        """Make everything ready. Nothing else is asked before it answers, and no connection is
        accepted. Raises `Refusal`, with a sentence for the operator."""

    def follow(self, follower: Follower) -> Awaitable[None]:
        """Tell a follower every room (`RoomRow`), every operator (`AccountChanged`) and every
        subscription (`PushChanged`) there is, then answer; and from then on each change, without a
        gap. There is one follower."""

    def stopping(self) -> Awaitable[None]:
        """End soon what takes long (a backup); answer when it has ended."""

    def stop(self) -> Awaitable[None]:
        """Store what was accepted, and let go of everything."""
