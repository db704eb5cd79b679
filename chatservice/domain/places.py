"""Where one can be, and who one is: rooms, users, sessions."""

import secrets
from collections.abc import Iterable

from chatservice import names
from chatservice.domain.log import Cursor, Log, Reader
from chatservice.errors import Code, Refusal


class Room:
    """A log to talk in, and a shelf."""

    def __init__(self, log: Log, topic: str, password: str | None) -> None:
        self.number = log.id
        self.name = log.name
        self.topic = topic
        self.password = password
        self.log = log
        self.sessions: dict[Session, Cursor] = {}

    @property
    def shelf(self) -> str:
        """Where its files are kept."""
        return "" if self.name == names.LOBBY else self.name

    def users(self) -> Iterable["User"]:
        """Who is here, each once, in the order in which they came."""
        return dict.fromkeys(s.user for s in self.sessions if s.user is not None)


class User:
    """A name: a guest's for as long as they are connected, or a registered one's for good."""

    def __init__(self, name: str, inbox: Log, registered: bool) -> None:
        self.name = name
        self.key = names.key(name)
        self.inbox = inbox
        self.registered = registered
        self.away = ""
        self.sessions: set[Session] = set()

    @property
    def shelf(self) -> str:
        """Where files meant for them are kept."""
        return inbox_shelf(self.key, self.inbox.id)


def inbox_shelf(key: str, inbox: int) -> str:
    """The shelf of an inbox: a registered user's by name, a guest's by their inbox's number."""
    return f".inboxes/{key}" if inbox > 0 else f".guests/{-inbox}"


class Session:
    """One connection of one user, from the address `origin`.

    `token` is what it proves itself with when it comes back on another connection. `echo` says
    whether it sees its own entries too. `here` is the room that a person is in; a program is in as
    many as it likes, and `here` in none.
    """

    def __init__(self, reader: Reader, echo: bool, origin: str) -> None:
        self.reader = reader
        self.origin = origin
        self.echo = echo
        self.token = secrets.token_urlsafe(18)
        self.user: User | None = None
        self.gone = False
        self.here: Room | None = None
        self.inbox: Cursor | None = None
        self.rooms: dict[Room, Cursor] = {}
        self.ignored: set[str] = set()

    def needs_user(self) -> User:
        """Return the user. Raises `Refusal` (name-needed) if there is none yet."""
        if self.user is None:
            raise Refusal(Code.NAME_NEEDED, "Say who you are first; type a name.")
        return self.user

    def needs_room(self, room: Room) -> Cursor:
        """Return the cursor in a room. Raises `Refusal` (not-in-room) if it is not in it."""
        cursor = self.rooms.get(room)
        if cursor is None:
            raise Refusal(Code.NOT_IN_ROOM, f"You are not in {room.name}; join it first.")
        return cursor

    def wake(self) -> None:
        """Let the reader look at all that it reads."""
        inbox = () if self.inbox is None else (self.inbox,)
        self.reader.wake((*inbox, *self.rooms.values()))
