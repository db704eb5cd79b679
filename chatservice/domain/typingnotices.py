"""Notices that a user is typing, for sessions that ask for them. Nothing of it is stored."""

from dataclasses import replace

from chatservice.domain.log import EventBatch
from chatservice.domain.model import Room, Session
from chatservice.domain.rooms import Services
from chatservice.events import UserTyping


class TypingNotices:
    """Shows to sessions in a room who is typing there."""

    def __init__(self, services: Services) -> None:
        self._rights, self._limits = services.rights, services.limits
        self._seconds = services.seconds
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
        batch = EventBatch((UserTyping(room.name, user.name),))
        for other in tuple(room.sessions):
            ignores = user.key in other.ignored
            if other.traits.sees_typing and other.user is not user and not ignores:
                other.peer.tell(batch)
