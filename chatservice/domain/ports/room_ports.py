"""The port to the rooms, their rules and their records; and the changes that it tells."""

from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chatservice.domain.model import is_guest_id
from chatservice.domain.rules import Access, Rule, RuleKind


@dataclass(frozen=True, slots=True)
class RoomRow:
    """A stored room. `last` is its log's last position, `password` a hash or None."""

    number: int
    name: str
    topic: str
    password: str | None
    last: int
    access: Access = Access.PUBLIC
    frozen: bool = False
    slow: int = 0
    rules: Sequence[Rule] = ()


class ModerationRecord(NamedTuple):
    """An action of a moderator, `who`: the command `what`, for `whom`, for how long (`term`), and
    `why`.

    `time` is in milliseconds since 1970. It puts out the user with the `User.id` `put_out`. Of a
    stored one, all text is in `what`.
    """

    time: int
    who: str
    what: str
    whom: str = ""
    why: str = ""
    term: str = ""
    put_out: str = ""

    @property
    def terms(self) -> str:
        """For how long, and why."""
        return ": ".join(filter(None, (self.term, self.why)))

    @property
    def text(self) -> str:
        """All that is stored of it, beside `time` and `who`."""
        return " ".join(filter(None, (self.what, self.whom, self.terms)))


class RoomBounds(NamedTuple):
    """Limits for a new room: the numbers of all rooms, and of those that no registered user owns;
    None means no limit. `numbered` allows a name made of another room's number (room12)."""

    rooms: int | None = None
    unowned: int | None = None
    numbered: bool = True


class RoomStore(Protocol):
    """Rooms, their rules and their records."""

    def exclusive(self, room: int) -> AbstractAsyncContextManager[None]:
        """Lock a room for one task at a time, on all nodes.

        When the lock is entered, this node's follower has been told every change of the room and
        its rules that an earlier holder made, on any node. While it is held, nobody else's
        `configure`, `change_rules`, `retire` or `remove` of the room is stored. If that can no
        longer be kept (the node has lost the others, or the lock), these refuse (not-stored). Other
        rooms, talk, and changes of accounts are not held up. A lock ends with its node.
        """

    def create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        bounds: RoomBounds = RoomBounds(),  # noqa: B008 - it cannot be changed
    ) -> Awaitable[RoomRow]:
        """Make a room, which belongs to the registered user `owner`, or to nobody.

        Without a `name` it is called after its number (`names.numbered`). A name is given once, and
        no two names of rooms look alike (`confusables.skeletons`): of two that are made at once,
        on any nodes, one is refused, and the last place within `bounds` is given once. A number is
        never given again, and no room has the number of another room's name.

        Tells the follower a `RoomRow`. Raises `Refusal`: room-exists; bad-argument where there are
        as many rooms as may be; too-many where nobody owns as many as may be.
        """

    def remove(self, room: int) -> Awaitable[None]:
        """Forget a room: its rules, its record, the tokens for it alone, its log and its files.
        The name can be given again once this answers. Tells the follower `RoomRemoved`."""

    def retire(self, room: int, name: str) -> Awaitable[None]:
        """Close a room under another name; its rules and the tokens for it alone are gone. Tells
        the follower `RoomRetired`."""

    def configure(self, change: "RoomChanged") -> Awaitable[None]:
        """Store a room's settings, and a record of that; tell the follower of them."""

    def change_rules(self, change: "RulesChanged") -> Awaitable[None]:
        """Add rules to a room, drop others, and keep a record of that, all at once. The rules of
        guests (`is_guest_id`) are told, and not stored. Tells the follower, also of a record alone.
        """

    def add_record(self, room: int, deed: ModerationRecord) -> Awaitable[None]:
        """Record an action of a moderator. Nobody is told."""

    def records(self, room: int, limit: int) -> Awaitable[Sequence[ModerationRecord]]:
        """Return the last actions of moderators, oldest first."""


class RoomChanged(NamedTuple):
    """The settings of a room, as they are now, and the action that changed them."""

    number: int
    password: str | None
    access: Access
    frozen: bool
    slow: int
    record: ModerationRecord | None = None


class RoomRetired(NamedTuple):
    """A room is closed under another name; it has no rules any more."""

    number: int
    name: str


class RoomRemoved(NamedTuple):
    """A room is gone, with all that was in it."""

    number: int


class RulesChanged(NamedTuple):
    """Rules of a room that hold from now on, rules that hold no longer, and the action that changed
    them; a kick changes none."""

    room: int
    added: Sequence[Rule] = ()
    dropped: Sequence[Rule] = ()
    record: ModerationRecord | None = None

    @property
    def lasting(self) -> Sequence[Rule]:
        """The new rules that are stored: those of guests are not."""
        return [rule for rule in self.added if not is_guest_id(rule.subject)]

    @property
    def banned(self) -> frozenset[str]:
        """The users (`User.id`) that the new rules ban by name."""
        return frozenset(rule.subject for rule in self.added if rule.kind is RuleKind.BANNED)


class TopicChanged(NamedTuple):
    """The topic of a room."""

    room: int
    topic: str
