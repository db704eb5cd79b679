"""The interface of a front end: it shows things, and lines come from it."""

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
    """What a front end may ask about a stay at a server. Lists are empty where the server refuses
    to tell. `switch` is called with the room to turn to."""

    def __init__(self, session: ClientSession, switch: Callable[[str], None]) -> None:
        self.switch = switch
        self._session = session

    @property
    def name(self) -> str:
        """Who one is; empty before one is anybody."""
        return self._session.state.name

    @property
    def connected(self) -> bool:
        """Whether the server is there."""
        return self._session.connected

    async def users(self) -> list[str]:
        """Return who is in the room."""
        members = await self._told("who", room=self._session.state.current_room)
        return [user.name for user in members.users] if members is not None else []

    async def rooms(self) -> list[str]:
        """Return the rooms there are."""
        with suppress(Refusal, Lost):
            return [room.room for room in await self._session.rooms.list_all()]
        return []

    async def files(self, shelf: str | None) -> list[str]:
        """Return the files of a shelf (`@`: one's own); of the room's if none is named."""
        room = shelf if shelf is not None else self._session.state.current_room
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
    """How one stands in a room: whether it is the current one, how many entries of others are
    `unread`, and whether one is `mentioned` in them."""

    room: str
    current: bool
    unread: int
    mentioned: bool


class Screen(Protocol):
    """A front end. `interactive` says that a person sits at it, who sees how transfers stand, and
    `asks` that somebody there can be asked; `keys` are lines that tell what keys do there.
    `unwritable` is why nothing can be shown any more, if so it is."""

    interactive: bool
    can_ask: bool
    write_error: str | None
    key_help: tuple[str, ...]

    def start(self, interrupted: Callable[[], None]) -> None:
        """Begin to take lines. `interrupted` is called for who wants to leave at once."""

    def attach(self, session: SessionView) -> None:
        """One has come to a server: what there is `around` can be asked for, and shown."""

    def show(self, lines: bytes) -> None:
        """Show lines, as `chatservice.grammar.textformat` makes them."""

    def show_item(self, news: Incoming) -> None:
        """Show something that happened."""

    def show_reply(self, it: replies.Reply) -> None:
        """Show an answer to what one asked for."""

    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line; a `hidden` one is not seen while it is typed. With `hold`, the
        question stays until the next one, or `unask`. What is no text is refused there and then.
        Raises `InputEnded`."""

    def end_question(self) -> None:
        """A question that was held is dealt with. What was typed behind its answer is dropped: it
        may be the same password once more, which is no talk."""

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show how the transfers stand at `now` (seconds), and how many more wait their turn."""

    def show_rooms(self, rooms: Sequence[RoomStatus]) -> None:
        """Show which rooms one is in, in the order in which one came there."""

    def show_unread(self, unread: Unread) -> None:
        """Another room is the current one. What is unread there will be shown next."""

    def show_pending(self, key: str, request: Request, connected: bool) -> None:
        """Something is said with `key`. Without a connection it waits for one."""

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """The text with `key` is stored at a position, or refused."""

    async def close(self) -> None:
        """Give the terminal back as it was."""
