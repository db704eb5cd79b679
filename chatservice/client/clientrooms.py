"""The rooms that one is in during a stay: coming, leaving, switching, and coming back to them."""

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol

from chatservice import names, replies
from chatservice.client.clientstate import ClientState, RoomState, Unread
from chatservice.client.jsonconnection import Lost
from chatservice.errors import Code, Refusal

_MAX_ROOMS = 100_000
"""Rooms that are asked for, however many a server says there are."""


_HISTORY_PAGE = 100
"""Entries asked for at once, to find where a log is the same as it was."""


class RoomsOwner(Protocol):
    """What rooms need of a session."""

    state: ClientState
    connected: bool

    def ask(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Ask for something. While there is no connection it waits for one. Raises `Refusal`."""

    def ask_now(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Ask for something on the connection that there is. Raises `Refusal`, and `Lost`."""

    def wall_clock(self) -> float:
        """Return the time, in seconds since 1970."""

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """The log of a room is as it was up to position `after`, and another one behind that, up to
        `newest`."""

    def all_acknowledged(self) -> Awaitable[None]:
        """Wait until all that was said is stored, or refused."""


class ClientRooms:
    """The rooms of one `stay`."""

    def __init__(self, stay: RoomsOwner) -> None:
        self._owner = stay
        self._state = stay.state
        self._passwords: dict[str, str | None] = {}
        self._joined_at: dict[str, int] = {}  # when, in milliseconds since 1970
        self._has_joined = False

    async def join(
        self, command: str, room: str | None, password: str | None, after: int | None = None
    ) -> replies.Joined:
        """Be in a further room, by `join` or `create`, and make it the current one; with `after`,
        what lies behind that position comes first. Raises `Refusal`."""
        more = {} if after is None else {"after": after}
        joined: replies.Joined = await self._owner.ask(
            command, room=room, password=password, **more
        )
        if (
            joined.room in self._state.rooms
            and joined.room != self._state.current_room
            and after is None
        ):
            return joined  # by another of its names: who asked turns to it
        self._state.room_joined(joined)
        if after is not None:
            self._state.room_resumed(joined, after)
        self._passwords[joined.room] = password
        self._joined_at.setdefault(joined.room, round(self._owner.wall_clock() * 1000))
        self._has_joined = True
        return joined

    async def list_all(self) -> tuple[replies.RoomInfo, ...]:
        """Return the rooms that the server has, which it tells in parts. Raises `Refusal`."""
        found: list[replies.RoomInfo] = []
        part: replies.RoomList = await self._owner.ask("rooms")
        found += part.rooms
        while part.more and part.rooms and len(found) < _MAX_ROOMS:
            part = await self._owner.ask("rooms", after=found[-1].number)
            new = [room for room in part.rooms if room.number > found[-1].number]
            if not new:
                break
            found += new
        return tuple(found)

    async def move(self, command: str, room: str | None, password: str | None) -> replies.Joined:
        """Go to another room, by `join` or `create`, and leave the one where one was. Raises
        `Refusal`."""
        await self._owner.all_acknowledged()
        left = self._state.current_room
        joined = await self.join(command, room, password)
        if left in self._state.rooms and left != joined.room:
            await self.leave(left)
        return joined

    async def leave(self, room: str) -> None:
        """Leave a room. Raises `Refusal`."""
        cursor = self._joined_room(room)
        with suppress(Refusal):  # one was put out, or a connection made since never was there
            await self._owner.ask("leave", room=cursor.room)
        self._state.room_left(cursor.room)

    async def switch(self, room: str) -> Unread:
        """Make another room the current one, of those that one is in. Return what is unread there.
        Raises `Refusal`."""
        cursor = self._joined_room(room)
        if not cursor.complete and self._owner.connected:
            with suppress(Lost):  # then it is read from there once one is back
                after = cursor.read_position
                joined = await self._rejoin(cursor.room, after)
                unread = self._state.switch(self._joined_room(cursor.room).room)
                self._state.room_resumed(joined, after)
                return unread
        return self._state.switch(cursor.room)

    def _joined_room(self, room: str) -> RoomState:
        cursor = self._state.find(room)
        if cursor is None:
            raise Refusal(Code.NOT_IN_ROOM, f"You are not in {names.clean(room)}; join it first.")
        return cursor

    async def _rejoin(self, room: str, after: int) -> replies.Joined:
        joined: replies.Joined = await self._owner.ask_now(
            "join", room=room, password=self._passwords.get(room), after=after
        )
        return joined

    # -- after a broken connection ---------------------------------------------------------------

    async def rejoin_all(self) -> list[tuple[str, Refusal]]:
        """Be in all rooms again, the current one first. Return those in which one is not, and why.
        Raises `Lost`."""
        refused = []
        for room in sorted(self._state.rooms, key=lambda room: room != self._state.current_room):
            try:
                await self._resume_room(room)
            except Refusal as refusal:
                self._state.room_left(room)
                refused.append((room, refusal))
        return refused

    async def _resume_room(self, room: str) -> None:
        cursor = self._state.rooms.get(room)
        while cursor is not None:
            after = cursor.position
            position, joined = await self._rejoin_after_last_seen(cursor)
            cursor = self._state.rooms.get(room)
            if cursor is not None and cursor.position == after:
                if position < after:
                    self._owner.log_rewound(cursor.room, position, joined.seq)
                    cursor.rewind(position)
                self._state.room_resumed(joined, position)
                return  # else one switched to it meanwhile, and reads on from elsewhere

    async def _rejoin_after_last_seen(self, cursor: RoomState) -> tuple[int, replies.Joined]:
        """Join a room behind the last entry that was seen there. Return its position, and the
        answer.

        An operator may have put back an earlier state of the log, which has grown since. So the
        entry at that position is compared with the one that was seen: where it is another, what
        was seen ends before it.
        """
        after = cursor.position
        if cursor.remembers_last and await self._last_seen_differs(cursor):
            after = await self._last_common_position(cursor)
        joined = await self._rejoin(cursor.room, after)
        if joined.seq < after:
            after = await self._last_common_position(cursor)
            joined = await self._rejoin(cursor.room, after)
        return after, joined

    async def _last_seen_differs(self, cursor: RoomState) -> bool:
        after = cursor.position - 1
        try:
            found = await self._owner.ask_now("history", room=cursor.room, after=after, limit=1)
        except Refusal:  # one has to be there to look; nothing that comes is taken in yet
            password = self._passwords.get(cursor.room)
            await self._owner.ask_now("join", room=cursor.room, password=password)
            found = await self._owner.ask_now("history", room=cursor.room, after=after, limit=1)
        return any(cursor.differs(*each) for each in found.entries)

    async def _last_common_position(self, cursor: RoomState) -> int:
        """Return the position of the last entry that was seen, and is there still."""
        before: int | None = None
        while True:
            found = await self._owner.ask_now(
                "history", room=cursor.room, before=before, limit=_HISTORY_PAGE
            )
            for position, entry in reversed(found.entries):
                if cursor.has_seen(position, entry, self._joined_at.get(cursor.room, 0)):
                    return int(position)
            if not found.entries or found.entries[0][0] == before:
                return 0
            before = found.entries[0][0]

    async def fall_back(self) -> Unread | None:
        """Make another room the current one, if none is. Return what is unread there; None if that
        was not necessary, as it never is for a program. Raises `Refusal`, and `Lost`."""
        if self._state.current_room or self._state.echo or not self._has_joined:
            return None
        if self._state.previous_room is None:
            self._state.room_joined(await self._owner.ask("join", room=names.LOBBY))
            return self._state.switch(names.LOBBY)
        return await self.switch(self._state.previous_room)
