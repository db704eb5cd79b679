"""Users at other nodes of a cluster, as the other nodes tell of them; and this node's, for them."""

from collections.abc import Callable, Collection, Mapping, Sequence

from chatservice.domain.model import GUEST_PREFIX, Room, User, is_guest_id
from chatservice.domain.ports.node_ports import OtherNodes, UserState

GATHER_SECONDS = 0.05
"""The time in which changes of this node's users are gathered for the others."""


class RemoteUser(User):
    """A user at other nodes. `nodes` has their state at each of these; `all_rooms` are the rooms of
    this server, by their numbers."""

    __slots__ = ("all_rooms", "nodes")

    def __init__(self, id_: str, name: str, all_rooms: Mapping[int, Room]) -> None:
        guest = int(id_.removeprefix(GUEST_PREFIX)) if is_guest_id(id_) else 0
        super().__init__(name, None, guest)
        self.nodes: dict[str, UserState] = {}
        self.all_rooms = all_rooms

    @property
    def visible(self) -> bool:
        """True until the user is gone."""
        return bool(self.nodes)

    @property
    def has_left(self) -> bool:
        """True for a guest who has left, for good."""
        return bool(self.guest_number) and not self.nodes

    @property
    def bot(self) -> bool:
        """True if the user has said at one of these nodes that it is a program."""
        return any(it.bot for it in self.nodes.values())

    @property
    def room_numbers(self) -> Collection[int]:
        """The numbers of the rooms that the user is in, each once."""
        return dict.fromkeys(number for it in self.nodes.values() for number in it.rooms)

    @property
    def rooms(self) -> Collection[Room]:
        """The rooms that the user is in, each once."""
        rooms = self.all_rooms
        return [rooms[number] for number in self.room_numbers if number in rooms]

    def nodes_in(self, room: Room | None) -> int:
        """Return at how many nodes the user is in a room; without a room, at how many at all."""
        states = self.nodes.values()
        return sum(room is None or room.number in it.rooms for it in states)


class Elsewhere:
    """The users at other nodes, in `by_key` (`names.key`) and `by_id` (`User.id`); without other
    nodes (`port`), there are none. What changes of this node's users is told together with other
    changes of the next moment (`soon`)."""

    def __init__(
        self, port: OtherNodes | None, soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self.by_key: dict[str, RemoteUser] = {}
        self.by_id: dict[str, RemoteUser] = {}
        self.rooms: Mapping[int, Room] = {}
        self.port = port
        self._soon = soon
        self._in_rooms: dict[int, dict[str, User]] = {}
        self._changed: dict[str, User | None] = {}

    # -- this node's users -----------------------------------------------------------------------

    def note(self, user: User) -> None:
        """Note that something of a user of this node has changed."""
        self._note(user.id, user)

    def note_gone(self, id_: str) -> None:
        """Note that a user of this node has another `User.id`."""
        self._note(id_, None)

    def _note(self, id_: str, user: User | None) -> None:
        if self.port is None:
            return
        if not self._changed:
            self._soon(self._tell)
        self._changed[id_] = user

    def _tell(self) -> None:
        changed, self._changed = self._changed, {}
        assert self.port is not None
        self.port.tell([state_of(user, id_) for id_, user in changed.items()])

    # -- those of others -------------------------------------------------------------------------

    def in_room(self, number: int) -> Mapping[str, User]:
        """Return those in a room, by their keys, now and later."""
        return self._in_rooms.setdefault(number, {}) if self.port is not None else _NOBODY

    def forget_room(self, number: int) -> None:
        """Forget those in a room that is gone."""
        self._in_rooms.pop(number, None)

    def at(self, node: str) -> Sequence[str]:
        """Return the `User.id`s of the users at a node."""
        return [id_ for id_, user in self.by_id.items() if node in user.nodes]

    def set(self, node: str, state: UserState) -> None:
        """Take over the state of a user at a node."""
        user = self.by_id.get(state.id)
        if user is None:
            if not state.name:
                return
            user = self.by_id[state.id] = RemoteUser(state.id, state.name, self.rooms)
        for number in user.room_numbers:
            self._in_rooms.get(number, {}).pop(user.key, None)
        if self.by_key.get(user.key) is user:
            del self.by_key[user.key]
        if state.name:
            known = user.nodes.get(node)
            if state.real_name != (known.real_name if known is not None else ""):
                user.real_name = state.real_name  # the last one said, at whichever node
            user.nodes[node] = state
            user.rename(state.name)
        else:
            user.nodes.pop(node, None)
        if not user.nodes:
            del self.by_id[state.id]
            return
        user.away = next((it.away for it in user.nodes.values() if it.away), "")
        self.by_key[user.key] = user
        for number in user.room_numbers:
            self._in_rooms.setdefault(number, {})[user.key] = user


_NOBODY: Mapping[str, User] = {}


def state_of(user: User | None, id_: str) -> UserState:
    """Return the state of a user at this node, who is gone if they have another id by now."""
    if user is None or user.id != id_ or not user.visible:
        return UserState(id_, "")
    rooms = [it.number for it in user.rooms]
    return UserState(id_, user.name, user.away, rooms, user.bot, user.real_name)
