"""The rooms of a client session: joining, leaving, switching, and rejoining after a reconnect."""

from collections.abc import Awaitable
from contextlib import suppress
from time import time
from typing import Any, Protocol

from chatservice import names, replies
from chatservice.client.clientstate import ClientState, RoomState, Unread
from chatservice.client.jsonconnection import Lost
from chatservice.errors import Code, Refusal

_MAX_ROOMS = 100_000
"""The longest list of rooms that is fetched."""

_HISTORY_PAGE = 100
"""Entries fetched at once, to find where a rewound log is unchanged."""


class RoomsOwner(Protocol):
    """The session, as `ClientRooms` needs it."""

    state: ClientState
    connected: bool

    def ask(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Send a request, once there is a connection. Raises `Refusal`."""

    def ask_now(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Send a request on the present connection. Raises `Refusal` and `Lost`."""

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """Tell that the log of a room has other entries behind position `after`, up to `newest`."""


class ClientRooms:
    """The rooms that the user of one session is in."""

    def __init__(self, owner: RoomsOwner) -> None:
        self._owner = owner
        self._state = owner.state
        self._passwords: dict[str, str | None] = {}
        self._joined_at: dict[str, int] = {}  # in milliseconds since 1970
        self._has_joined = False

    async def join(
        self, command: str, room: str | None, password: str | None, after: int | None = None
    ) -> replies.Joined:
        """Join another room, by the command `join` or `create`, and make it the current one. With
        `after`, the entries behind that position come first. Raises `Refusal`."""
        state = self._state
        more = {} if after is None else {"after": after}
        joined: replies.Joined = await self._owner.ask(
            command, room=room, password=password, **more
        )
        if joined.room in state.rooms and joined.room != state.current_room and after is None:
            return joined  # by another of its names; the caller switches to it
        state.room_joined(joined)
        if after is not None:
            state.room_resumed(joined, after)
        self._passwords[joined.room] = password
        self._joined_at.setdefault(joined.room, round(time() * 1000))
        self._has_joined = True
        return joined

    async def list_all(self) -> tuple[replies.RoomInfo, ...]:
        """Return all rooms of the server, page by page. Raises `Refusal`."""
        found: list[replies.RoomInfo] = []
        page: replies.RoomList = await self._owner.ask("rooms")
        found += page.rooms
        while page.more and page.rooms and len(found) < _MAX_ROOMS:
            page = await self._owner.ask("rooms", after=found[-1].number)
            new = [room for room in page.rooms if room.number > found[-1].number]
            if not new:
                break
            found += new
        return tuple(found)

    async def move(self, command: str, room: str | None, password: str | None) -> replies.Joined:
        """Join another room, by `join` or `create`, and leave the current one. Raises `Refusal`."""
        left = self._state.current_room
        joined = await self.join(command, room, password)
        if left in self._state.rooms and left != joined.room:
            await self.leave(left)
        return joined

    async def leave(self, room: str) -> None:
        """Leave a room. Raises `Refusal`."""
        found = self._joined_room(room)
        with suppress(Refusal):  # the user is not in it any more
            await self._owner.ask("leave", room=found.room)
        self._state.room_left(found.room)

    async def switch(self, room: str) -> Unread:
        """Make another joined room the current one, and return what is unread there. Raises
        `Refusal`."""
        found = self._joined_room(room)
        if not found.complete and self._owner.connected:
            with suppress(Lost):  # the next connection resumes it from there
                after = found.read_position
                joined = await self._rejoin(found.room, after)
                unread = self._state.switch(self._joined_room(found.room).room)
                self._state.room_resumed(joined, after)
                return unread
        return self._state.switch(found.room)

    def _joined_room(self, room: str) -> RoomState:
        found = self._state.find(room)
        if found is None:
            raise Refusal(Code.NOT_IN_ROOM, f"You are not in {names.clean(room)}; join it first.")
        return found

    async def _rejoin(self, room: str, after: int) -> replies.Joined:
        joined: replies.Joined = await self._owner.ask_now(
            "join", room=room, password=self._passwords.get(room), after=after
        )
        return joined

    # -- after a reconnect -----------------------------------------------------------------------

    async def rejoin_all(self) -> list[tuple[str, Refusal]]:
        """Join all rooms again, the current one first. Return those that refused, each with its
        refusal. Raises `Lost`."""
        refused = []
        for room in sorted(self._state.rooms, key=lambda room: room != self._state.current_room):
            try:
                await self._resume_room(room)
            except Refusal as refusal:
                self._state.room_left(room)
                refused.append((room, refusal))
        return refused

    async def _resume_room(self, name: str) -> None:
        room = self._state.rooms.get(name)
        while room is not None:
            after = room.position
            position, joined = await self._rejoin_after_last_seen(room)
            room = self._state.rooms.get(name)
            if room is not None and room.position == after:  # else the user switched meanwhile
                if position < after:
                    self._owner.log_rewound(name, position, joined.seq)
                    room.rewind(position)
                self._state.room_resumed(joined, position)
                return

    async def _rejoin_after_last_seen(self, room: RoomState) -> tuple[int, replies.Joined]:
        """Join a room behind the last entry that was seen. Return its position, and the reply.

        An operator may have restored an earlier state of the log, which has grown since. So the
        entry at that position is compared with the one that was seen. If it is another, the last
        entry that both logs share counts.
        """
        after = room.position
        if room.remembers_last and await self._last_seen_differs(room):
            after = await self._last_common_position(room)
        joined = await self._rejoin(room.room, after)
        if joined.seq < after:
            after = await self._last_common_position(room)
            joined = await self._rejoin(room.room, after)
        return after, joined

    async def _last_seen_differs(self, room: RoomState) -> bool:
        asked = {"room": room.room, "after": room.position - 1, "limit": 1}
        try:
            found = await self._owner.ask_now("history", **asked)
        except Refusal:  # only members may read it; nothing is taken in before `resume`
            password = self._passwords.get(room.room)
            await self._owner.ask_now("join", room=room.room, password=password)
            found = await self._owner.ask_now("history", **asked)
        return any(room.differs(*each) for each in found.entries)

    async def _last_common_position(self, room: RoomState) -> int:
        """Return the position of the last entry that was seen and is still in the log, or 0."""
        before: int | None = None
        joined_at = self._joined_at.get(room.room, 0)
        while True:
            found = await self._owner.ask_now(
                "history", room=room.room, before=before, limit=_HISTORY_PAGE
            )
            for position, entry in reversed(found.entries):
                if room.has_seen(position, entry, joined_at):
                    return int(position)
            if not found.entries or found.entries[0][0] == before:
                return 0
            before = found.entries[0][0]

    async def fall_back(self) -> Unread | None:
        """Make another room the current one if there is none, and return what is unread there. For
        programs, and before the first room, do nothing. Raises `Refusal` and `Lost`."""
        state = self._state
        if state.current_room or state.echo or not self._has_joined:
            return None
        if state.previous_room is None:
            state.room_joined(await self._owner.ask("join", room=names.LOBBY))
            return state.switch(names.LOBBY)
        return await self.switch(state.previous_room)
