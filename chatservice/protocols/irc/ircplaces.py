"""The place where a user of IRC is: what they have come into or spoken to last. A file that they
upload by HTTP goes there (`chatservice.protocols.web.filehost`)."""

from chatservice.domain.model import User
from chatservice.protocols.irc.ircdelivery import IrcSubscription
from chatservice.protocols.irc.ircsession import IrcSession


def note_place(it: IrcSession, place: str) -> None:
    """Note that the user is in a room, or talks with one user (`@` and the name)."""
    it.place = it.chat.now(), place


def last_place(user: User) -> str:
    """Return the last place of a user, on any of their IRC clients; empty if there is none."""
    peers = (session.peer for session in user.sessions)
    readers = (peer.reader for peer in peers if isinstance(peer, IrcSubscription))
    return max((it.place for it in readers if isinstance(it, IrcSession)), default=(0, ""))[1]
