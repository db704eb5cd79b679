"""Arrivals and departures at other nodes of a cluster, shown to the users of this one."""

from collections.abc import Iterable, Sequence

from chatservice import events, names
from chatservice.domain.elsewhere import RemoteUser, state_of
from chatservice.domain.model import User
from chatservice.domain.ports.node_ports import UserState
from chatservice.domain.realnames import RealNames
from chatservice.domain.rooms import Rooms, Services, arrival
from chatservice.domain.users import Users, show_away
from chatservice.events import LeaveReason

_Places = dict[tuple[int, str], RemoteUser]
"""Users in rooms, by the numbers of the rooms and the keys of their names."""


class RemoteArrivals:
    """Takes over the states of users at other nodes, and announces what has changed."""

    def __init__(self, services: Services, rooms: Rooms, users: Users) -> None:
        self._elsewhere, self._rights = services.elsewhere, services.rights
        self._rooms, self._users = rooms, users
        self._real_names = RealNames(rooms, users)

    def here(self) -> Sequence[UserState]:
        """Return the states of this node's users."""
        return [state_of(it, it.id) for it in self._users.by_key.values() if it.visible]

    def present(self, node: str, states: Sequence[UserState], whole: bool = False) -> None:
        """Take over states of users at a node (`Follower.present`)."""
        if whole:
            there = {it.id for it in states}
            gone = [UserState(id_, "") for id_ in self._elsewhere.at(node) if id_ not in there]
            states = [*states, *gone]
        by_id = self._elsewhere.by_id
        before = {it.id: by_id[it.id] for it in states if it.id in by_id}
        had = {id_: (it.name, it.key, it.away) for id_, it in before.items()}
        called = {id_: it.real_name for id_, it in before.items()}
        were = _places(before.values())
        for state in states:
            self._elsewhere.set(node, state)
        after = {it.id: by_id[it.id] for it in states if it.id in by_id}
        are = _places(after.values())
        for id_, (name, key, away) in had.items():
            user = after.get(id_)
            if user is not None:
                self._show_changes(user, name, key, away, were, are)
        self._tell_watchers({key: name for name, key, _ in had.values()}, after.values())
        for (number, key), user in were.items():
            if (number, key) not in are:
                self._left(number, user, user.name if user.key == key else key)
        for number, key in are.keys() - were.keys():
            self._joined(number, are[number, key])
        for id_, user in after.items():
            if user.real_name != called.get(id_, ""):
                self._has_real_name(user, id_ in called)

    def _show_changes(
        self, user: RemoteUser, name: str, key: str, away: str, were: _Places, are: _Places
    ) -> None:
        """Show that a user has another name, or is away or back, where they were and are."""
        for room in user.rooms:
            if (room.number, key) not in were:
                continue
            if user.name != name:
                self._rooms.show_new_name(room, user, user, name, None)
                were.pop((room.number, key))
                are.pop((room.number, user.key))
            if user.away != away:
                show_away(self._rooms, user, room)

    def _has_real_name(self, user: RemoteUser, was_known: bool) -> None:
        """Let a user who is here, too, have the real name said at another node; and show it. Of one
        who was not known before, it is told as they come in."""
        local = self._users.by_key.get(user.key)
        if local is not None and local.id == user.id:
            local.real_name = user.real_name
            self._real_names.show(user, local)
        elif was_known:
            self._real_names.show(user, None)

    def _tell_watchers(self, had: dict[str, str], after: Iterable[RemoteUser]) -> None:
        here = self._users.by_key
        for key, name in had.items():
            local = here.get(key)
            if key not in self._elsewhere.by_key and not (local is not None and local.visible):
                self._users.watching.gone(key, name)
        for user in after:
            local = here.get(user.key)
            if user.key not in had and not (local is not None and local.visible):
                self._users.watching.came(user)

    def _joined(self, number: int, user: RemoteUser) -> None:
        room = self._rooms.by_number.get(number)
        if room is not None and not self._is_here(number, user.key):
            for event in arrival(self._rights, room, user):
                self._rooms.announce(room, event)

    def _left(self, number: int, user: RemoteUser, name: str) -> None:
        room = self._rooms.by_number.get(number)
        if room is None or self._is_here(number, names.key(name)):
            return
        name = room.names_shown.pop(user, name)
        reason = LeaveReason.LEFT if user.nodes else LeaveReason.QUIT
        self._rooms.announce(room, events.UserLeft(room.name, name, "", reason))

    def _is_here(self, number: int, key: str) -> bool:
        """Return whether others see the user of a name in a room, at this node."""
        user: User | None = self._users.by_key.get(key)
        return user is not None and self._rooms.by_number[number].shows_here(user)


def _places(users: Iterable[RemoteUser]) -> _Places:
    return {(number, user.key): user for user in users for number in user.room_numbers}
