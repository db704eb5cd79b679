"""The place where a user of IRC is: what they have come into or spoken to last. A file that they
upload by HTTP goes there (`chatservice.protocols.web.filehost`)."""

from chatservice.domain.model import User
from chatservice.protocols.irc.ircdelivery import IrcSubscription
from chatservice.protocols.irc.ircsession import IrcSession


def note_place(it: IrcSession, place: str) -> None:
    """Note that the user is in a room, or talks with one user (`@` and the name)."""
    it.place = place


def last_place(user: User) -> str:
    """Return the last place of a user, on that of their IRC clients which was active last; empty if
    there is none."""
    peers = (session.peer for session in user.sessions)
    readers = (peer.reader for peer in peers if isinstance(peer, IrcSubscription))
    placed = [it for it in readers if isinstance(it, IrcSession) and it.place]
    return max(placed, key=lambda it: it.session.active).place if placed else ""
