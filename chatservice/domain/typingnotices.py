"""Notices that a user is typing, for sessions that ask for them. Nothing of it is stored."""

from dataclasses import replace

from chatservice import names
from chatservice.domain.log import EventBatch
from chatservice.domain.model import Room, Session
from chatservice.domain.rooms import Services
from chatservice.events import UserTyping


class TypingNotices:
    """Shows to sessions in a room who is typing there."""

    def __init__(self, services: Services) -> None:
        self._rights, self._limits = services.rights, services.limits
        self._seconds = services.seconds
        self._others = services.engine.others
        self._told: dict[tuple[str, int], float] = {}

    def show(self, session: Session, shown: bool) -> None:
        """Show a session from now on who is typing, or no longer."""
        session.traits = replace(session.traits, sees_typing=shown)

    def tell(self, session: Session, room: Room) -> None:
        """Tell a room that a session's user is typing there; nobody, if the room was told just
        before. Raises `Refusal` unless they may speak there."""
        self._rights.check_speak(session, room)
        user, now = session.require_user(), self._seconds()
        since = now - self._limits.typing_seconds
        key = user.id, room.number
        if self._told.get(key, since) > since:
            return
        if len(self._told) >= self._limits.typing_users:
            self._told = {it: at for it, at in self._told.items() if at > since}
        if len(self._told) >= self._limits.typing_users:
            return
        self._told[key] = now
        self.show_typing(room, user.name)
        if self._others is not None:
            self._others.tell_typing(room.number, user.name)

    def show_typing(self, room: Room, name: str) -> None:
        """Show to the sessions in a room that a user is typing there."""
        batch, key = EventBatch((UserTyping(room.name, name),)), names.key(name)
        for other in tuple(room.sessions):
            own = other.user is not None and other.user.key == key
            if other.traits.sees_typing and not own and key not in other.ignored:
                other.peer.tell(batch)
