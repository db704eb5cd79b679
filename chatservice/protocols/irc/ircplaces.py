"""The place where a user of IRC is: what they have come into or spoken to last. A file that they
upload by HTTP goes there (`chatservice.protocols.web.filehost`)."""

from collections.abc import Iterator

from chatservice.domain.model import User
from chatservice.protocols.irc.ircsession import IrcSession


def note_place(it: IrcSession, place: str) -> None:
    """Note that the user is in a room, or talks with one user (`@` and the name)."""
    it.place = place


def irc_sessions(user: User) -> Iterator[IrcSession]:
    """Iterate over the sessions of a user's IRC clients. The subscription of one whose connection
    is gone has no reader any more."""
    for session in user.sessions:
        found = getattr(session.peer, "reader", None)
        if isinstance(found, IrcSession):
            yield found


def last_place(user: User) -> str:
    """Return the last place of a user, on that of their IRC clients which was active last; empty if
    there is none."""
    placed = [it for it in irc_sessions(user) if it.place]
    return max(placed, key=lambda it: it.session.active).place if placed else ""
