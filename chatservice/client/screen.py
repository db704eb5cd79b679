"""The interface of a front end: it shows what happens, and takes lines from the user."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from chatservice import replies
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import Incoming, Unread
from chatservice.client.jsonconnection import Lost
from chatservice.client.transferconnection import Progress
from chatservice.errors import Refusal
from chatservice.grammar.commands import Request


class SessionView:
    """The session as a front end sees it. `switch(room)` makes a joined room the current one.

    A list is empty if the server refuses to give it.
    """

    def __init__(self, session: ClientSession, switch: Callable[[str], None]) -> None:
        self.switch = switch
        self._session = session

    @property
    def name(self) -> str:
        """The user's name; empty before the login."""
        return self._session.state.name

    @property
    def connected(self) -> bool:
        """True while there is a connection to the server."""
        return self._session.connected

    async def users(self) -> list[str]:
        """Return the names of the users in the current room."""
        members = await self._told("who", room=self._session.state.current_room)
        return [user.name for user in members.users] if members is not None else []

    async def rooms(self) -> list[str]:
        """Return the names of all rooms."""
        with suppress(Refusal, Lost):
            return [room.room for room in await self._session.rooms.list_all()]
        return []

    async def files(self, room: str | None) -> list[str]:
        """Return the names of a room's files (`@`: the user's own; None: the current room's)."""
        room = room if room is not None else self._session.state.current_room
        files = await self._told("files", room=room)
        return [file.name for file in files.files] if files is not None else []

    async def _told(self, name: str, **args: Any) -> Any:
        try:
            return await self._session.ask(name, **args)
        except (Refusal, Lost):
            return None


class InputEnded(Exception):
    """No further line will come."""


class RoomStatus(NamedTuple):
    """A joined room in the status line: `unread` entries of others, and whether one of them
    mentions the user."""

    room: str
    current: bool
    unread: int
    mentioned: bool


class Screen(Protocol):
    """A front end. A method does nothing where a front end does not override it.

    interactive: a user sits at it, sees the state of transfers, and stays in several rooms.
    can_ask: somebody there can answer questions.
    write_error: the reason why nothing can be shown any more, else None.
    key_help: the lines of `/help keys`.
    """

    interactive: bool
    can_ask: bool
    write_error: str | None
    key_help: tuple[str, ...]

    def start(self, interrupted: Callable[[], None]) -> None:
        """Begin to take lines. It calls `interrupted` when the user wants to leave at once."""

    def attach(self, session: SessionView) -> None:
        """Use the session for what is shown beside the talk, and for completion."""
        return

    def show(self, lines: bytes) -> None:
        """Show lines in the text format (`chatservice.grammar.textformat`)."""

    def show_incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event."""

    def show_reply(self, it: replies.Reply) -> None:
        """Show the reply to a command."""

    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line, or with a `prompt` the answer to that question.

        A `hidden` answer is not visible. With `hold`, the question stays until the next one, or
        until `end_question`. Lines that are no text are refused. Raises `InputEnded`.
        """

    def end_question(self) -> None:
        """End a question that was held, and drop lines typed after its answer.

        They may be the same password once more, and must not become talk.
        """

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show the transfers at `now` (seconds), and the number of those that wait."""
        return

    def show_rooms(self, rooms: Sequence[RoomStatus]) -> None:
        """Show the joined rooms, in the order in which they were joined."""
        return

    def show_unread(self, unread: Unread) -> None:
        """Announce the unread entries of the new current room; they follow one by one."""
        return

    def show_pending(self, key: str, request: Request, connected: bool) -> None:
        """Show a text, identified by `key`, that waits to be stored."""
        return

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """Show a pending text as stored at a position, or as refused."""
        return

    async def close(self) -> None:
        """Restore the terminal."""
