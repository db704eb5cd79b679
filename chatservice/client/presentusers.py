"""The users who are in a room now, as its events tell."""

from collections.abc import Iterable

from chatservice import names
from chatservice.events import Event, UserAway, UserJoined, UserLeft, UserRenamed

MOST_PRESENT = 1000
"""Users of a room whose names are kept: far more than any screen has rows."""


class PresentUsers:
    """The users in a room: those named by the reply to `join`, and `more` that it left out."""

    def __init__(self, users: Iterable[str] = (), more: int = 0) -> None:
        self.more = more
        self._names: dict[str, str] = {}
        self._away: set[str] = set()
        for user in users:
            self._add(user)

    @property
    def count(self) -> int:
        """The number of users."""
        return len(self._names) + self.more

    @property
    def users(self) -> list[str]:
        """The known names, sorted without regard to case."""
        return [name for _, name in sorted(self._names.items())]

    def with_own(self, own: str) -> list[str]:
        """Return the known names and the user's own."""
        if not own or names.key(own) in self._names:
            return self.users
        return sorted([*self.users, own], key=names.key)

    def is_away(self, user: str) -> bool:
        """Return whether a user is away."""
        return names.key(user) in self._away

    def apply(self, event: Event) -> None:
        """Take an event of the room."""
        match event:
            case UserJoined(who=who):
                self._add(who)
            case UserLeft(who=who):
                self._remove(who)
            case UserRenamed(who=who, name=name):
                self._remove(who)
                self._add(name)
            case UserAway(who=who, text=text) if names.key(who) in self._names:
                (self._away.add if text else self._away.discard)(names.key(who))

    def _add(self, user: str) -> None:
        if names.key(user) in self._names:
            return
        if len(self._names) < MOST_PRESENT:
            self._names[names.key(user)] = user
        else:
            self.more += 1

    def _remove(self, user: str) -> None:
        self._away.discard(names.key(user))
        if self._names.pop(names.key(user), None) is None and self.more:
            self.more -= 1
