"""Real names, which clients of IRC give beside nicks: setting one, and who is shown it."""

from collections.abc import Iterator

from chatservice.domain.log import EventBatch
from chatservice.domain.model import Session, User
from chatservice.domain.rooms import Rooms
from chatservice.domain.users import Users
from chatservice.events import UserRealName


class RealNames:
    """Sets the real names of users, and shows new ones to the sessions that ask for such."""

    def __init__(self, rooms: Rooms, users: Users) -> None:
        self._rooms, self._users = rooms, users

    def set(self, session: Session, text: str) -> None:
        """Give a session's user the real name `text` (`names.real_name`), and show it to others.
        The name itself is none."""
        user = session.require_user()
        real_name = text if text != user.name else ""
        if real_name != user.real_name:
            user.real_name = real_name
            self._users.elsewhere.note(user)
            self.show(user, self._users.elsewhere.by_id.get(user.id), session)

    def show(self, user: User, also: User | None, but: Session | None = None) -> None:
        """Show a user's new real name, once, to the user's own sessions, those that share a room,
        and those that watch the user; except one. `also` is the same user at other nodes, or at
        this one, if they are there."""
        batch = EventBatch((UserRealName(user.name, user.real_name or user.name),))
        told = dict.fromkeys(self._concerned(user, also))
        for session in told:
            wanted = session.traits.sees_real_names and session is not but
            if wanted and user.key not in session.ignored:
                session.peer.tell(batch)
        self._users.watching.real_name(user, told)

    def _concerned(self, user: User, also: User | None) -> Iterator[Session]:
        """Iterate over the user's sessions, and those in rooms that may be shown a text of theirs:
        a real name can be a message."""
        users = (user, also) if also is not None else (user,)
        for it in users:
            yield from it.sessions
        present = {room: it for it in users for room in it.rooms}
        for room, speaker in present.items():
            if self._rooms.slow_mode.may_show(speaker, room):
                room.log.send_events()  # that the user has come in is told first
                yield from room.sessions
