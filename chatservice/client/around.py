"""What there is around somebody at a terminal: what it shows beside the talk, and completes words
with."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chatservice.client.connection import Lost
from chatservice.client.session import Session
from chatservice.errors import Refusal


class SessionView:
    """What a front end may ask about a stay at a server. Lists are empty where the server refuses
    to tell. `switch` is called with the room to turn to."""

    def __init__(self, session: Session, switch: Callable[[str], None]) -> None:
        self.switch = switch
        self._session = session

    @property
    def name(self) -> str:
        """Who one is; empty before one is anybody."""
        return self._session.conversation.name

    @property
    def connected(self) -> bool:
        """Whether the server is there."""
        return self._session.connected

    async def users(self) -> list[str]:
        """Return who is in the room."""
        members = await self._told("who", room=self._session.conversation.room)
        return [user.name for user in members.users] if members is not None else []

    async def rooms(self) -> list[str]:
        """Return the rooms there are."""
        with suppress(Refusal, Lost):
            return [room.room for room in await self._session.rooms.all()]
        return []

    async def files(self, shelf: str | None) -> list[str]:
        """Return the files of a shelf (`@`: one's own); of the room's if none is named."""
        room = shelf if shelf is not None else self._session.conversation.room
        files = await self._told("files", room=room)
        return [file.name for file in files.files] if files is not None else []

    async def _told(self, name: str, **args: Any) -> Any:
        try:
            return await self._session.ask(name, **args)
        except (Refusal, Lost):
            return None
