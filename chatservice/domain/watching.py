"""Watching: sessions that are told when single users come and go, whatever rooms these are in."""

from collections.abc import Container

from chatservice.domain.ignoring import UNTOLD
from chatservice.domain.log import EventBatch
from chatservice.domain.model import Session, User
from chatservice.events import UserAway, UserRealName, UserRegistered, UserWatched


class Watching:
    """Tells sessions of the users whom they watch, by the keys of their names (`names.key`)."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Session]] = {}

    def watch(self, session: Session, key: str) -> None:
        """Tell a session of a user from now on."""
        self._watchers.setdefault(key, set()).add(session)

    def stop(self, session: Session, key: str) -> None:
        """Tell a session of a user no more."""
        watchers = self._watchers.get(key)
        if watchers is not None:
            watchers.discard(session)
            if not watchers:
                del self._watchers[key]

    def came(self, user: User) -> None:
        """Tell that a user is here."""
        self._tell(user.key, user.name, True)

    def gone(self, key: str, name: str) -> None:
        """Tell that nobody of that name is here any more."""
        self._tell(key, name, False)

    def away(self, user: User) -> None:
        """Tell that a user is away or back, where no room in common tells it."""
        for session in self._strangers(user):
            text = UNTOLD if user.away and user.key in session.ignored else user.away
            session.peer.tell(EventBatch((UserAway("", user.name, text),)))

    def real_name(self, user: User, told: Container[Session]) -> None:
        """Tell the sessions that ask for such that a user has another real name, where no room in
        common tells it, but not those that are `told` already."""
        batch = EventBatch((UserRealName(user.name, user.real_name or user.name, watched=True),))
        for session in self._strangers(user):
            wanted = session.traits.sees_real_names and session not in told
            if wanted and user.key not in session.ignored:
                session.peer.tell(batch)

    def registered(self, user: User) -> None:
        """Tell that a guest has registered, where no room in common tells it."""
        for session in self._strangers(user):
            session.peer.tell(EventBatch((UserRegistered("", user.name),)))

    def _strangers(self, user: User) -> list[Session]:
        """Return the watchers of a user who are in none of the user's rooms."""
        watchers, rooms = self._watchers.get(user.key), user.rooms
        return [it for it in watchers or () if not any(room in rooms for room in it.rooms)]

    def _tell(self, key: str, name: str, is_here: bool) -> None:
        watchers = self._watchers.get(key)
        if watchers is not None:
            batch = EventBatch((UserWatched(name, is_here),))
            for session in tuple(watchers):
                session.peer.tell(batch)
