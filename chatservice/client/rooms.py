"""The rooms that one is in during a stay: coming, leaving, switching, and coming back to them."""

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol

from chatservice import names, replies
from chatservice.client.connection import Lost
from chatservice.client.conversation import Conversation
from chatservice.client.cursor import Cursor, Unread
from chatservice.errors import Code, Refusal

_MOST = 100_000
"""Rooms that are asked for, however many a server says there are."""


_LOOK_BACK = 100
"""Entries asked for at once, to find where a log is the same as it was."""


class Stay(Protocol):
    """What rooms need of a session."""

    conversation: Conversation
    connected: bool

    def ask(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Ask for something. While there is no connection it waits for one. Raises `Refusal`."""

    def ask_now(self, name: str, /, **args: Any) -> Awaitable[Any]:
        """Ask for something on the connection that there is. Raises `Refusal`, and `Lost`."""

    def wall(self) -> float:
        """Return the time, in seconds since 1970."""

    def put_back(self, room: str, after: int, newest: int) -> None:
        """The log of a room is as it was up to position `after`, and another one behind that, up to
        `newest`."""

    def acknowledged(self) -> Awaitable[None]:
        """Wait until all that was said is stored, or refused."""


class Rooms:
    """The rooms of one `stay`."""

    def __init__(self, stay: Stay) -> None:
        self._stay = stay
        self._here = stay.conversation
        self._passwords: dict[str, str | None] = {}
        self._came: dict[str, int] = {}  # when, in milliseconds since 1970
        self._somewhere = False

    async def join(
        self, command: str, room: str | None, password: str | None, after: int | None = None
    ) -> replies.Joined:
        """Be in a further room, by `join` or `create`, and make it the current one; with `after`,
        what lies behind that position comes first. Raises `Refusal`."""
        more = {} if after is None else {"after": after}
        joined: replies.Joined = await self._stay.ask(command, room=room, password=password, **more)
        if joined.room in self._here.cursors and joined.room != self._here.room and after is None:
            return joined  # by another of its names: who asked turns to it
        self._here.joined(joined)
        if after is not None:
            self._here.resumed(joined, after)
        self._passwords[joined.room] = password
        self._came.setdefault(joined.room, round(self._stay.wall() * 1000))
        self._somewhere = True
        return joined

    async def all(self) -> tuple[replies.RoomInfo, ...]:
        """Return the rooms that the server has, which it tells in parts. Raises `Refusal`."""
        found: list[replies.RoomInfo] = []
        part: replies.RoomList = await self._stay.ask("rooms")
        found += part.rooms
        while part.more and part.rooms and len(found) < _MOST:
            part = await self._stay.ask("rooms", after=found[-1].number)
            new = [room for room in part.rooms if room.number > found[-1].number]
            if not new:
                break
            found += new
        return tuple(found)

    async def move(self, command: str, room: str | None, password: str | None) -> replies.Joined:
        """Go to another room, by `join` or `create`, and leave the one where one was. Raises
        `Refusal`."""
        await self._stay.acknowledged()
        left = self._here.room
        joined = await self.join(command, room, password)
        if left in self._here.cursors and left != joined.room:
            await self.leave(left)
        return joined

    async def leave(self, room: str) -> None:
        """Leave a room. Raises `Refusal`."""
        cursor = self._found(room)
        with suppress(Refusal):  # one was put out, or a connection made since never was there
            await self._stay.ask("leave", room=cursor.room)
        self._here.left(cursor.room)

    async def switch(self, room: str) -> Unread:
        """Make another room the current one, of those that one is in. Return what is unread there.
        Raises `Refusal`."""
        cursor = self._found(room)
        if not cursor.whole and self._stay.connected:
            with suppress(Lost):  # then it is read from there once one is back
                after = cursor.read
                joined = await self._join_again(cursor.room, after)
                unread = self._here.switch(self._found(cursor.room).room)
                self._here.resumed(joined, after)
                return unread
        return self._here.switch(cursor.room)

    def _found(self, room: str) -> Cursor:
        cursor = self._here.find(room)
        if cursor is None:
            raise Refusal(Code.NOT_IN_ROOM, f"You are not in {names.clean(room)}; join it first.")
        return cursor

    async def _join_again(self, room: str, after: int) -> replies.Joined:
        joined: replies.Joined = await self._stay.ask_now(
            "join", room=room, password=self._passwords.get(room), after=after
        )
        return joined

    # -- after a broken connection ---------------------------------------------------------------

    async def resume(self) -> list[tuple[str, Refusal]]:
        """Be in all rooms again, the current one first. Return those in which one is not, and why.
        Raises `Lost`."""
        refused = []
        for room in sorted(self._here.cursors, key=lambda room: room != self._here.room):
            try:
                await self._resume(room)
            except Refusal as refusal:
                self._here.left(room)
                refused.append((room, refusal))
        return refused

    async def _resume(self, room: str) -> None:
        cursor = self._here.cursors.get(room)
        while cursor is not None:
            after = cursor.position
            position, joined = await self._join_where_it_was(cursor)
            cursor = self._here.cursors.get(room)
            if cursor is not None and cursor.position == after:
                if position < after:
                    self._stay.put_back(cursor.room, position, joined.seq)
                    cursor.put_back(position)
                self._here.resumed(joined, position)
                return  # else one switched to it meanwhile, and reads on from elsewhere

    async def _join_where_it_was(self, cursor: Cursor) -> tuple[int, replies.Joined]:
        """Join a room behind the last entry that was seen there. Return its position, and the
        answer.

        An operator may have put back an earlier state of the log, which has grown since. So the
        entry at that position is compared with the one that was seen: where it is another, what
        was seen ends before it.
        """
        after = cursor.position
        if cursor.is_noted and await self._is_other(cursor):
            after = await self._seen_up_to(cursor)
        joined = await self._join_again(cursor.room, after)
        if joined.seq < after:
            after = await self._seen_up_to(cursor)
            joined = await self._join_again(cursor.room, after)
        return after, joined

    async def _is_other(self, cursor: Cursor) -> bool:
        after = cursor.position - 1
        try:
            found = await self._stay.ask_now("history", room=cursor.room, after=after, limit=1)
        except Refusal:  # one has to be there to look; nothing that comes is taken in yet
            password = self._passwords.get(cursor.room)
            await self._stay.ask_now("join", room=cursor.room, password=password)
            found = await self._stay.ask_now("history", room=cursor.room, after=after, limit=1)
        return any(cursor.differs(*each) for each in found.entries)

    async def _seen_up_to(self, cursor: Cursor) -> int:
        """Return the position of the last entry that was seen, and is there still."""
        before: int | None = None
        while True:
            found = await self._stay.ask_now(
                "history", room=cursor.room, before=before, limit=_LOOK_BACK
            )
            for position, entry in reversed(found.entries):
                if cursor.has_seen(position, entry, self._came.get(cursor.room, 0)):
                    return int(position)
            if not found.entries or found.entries[0][0] == before:
                return 0
            before = found.entries[0][0]

    async def fall_back(self) -> Unread | None:
        """Make another room the current one, if none is. Return what is unread there; None if that
        was not necessary, as it never is for a program. Raises `Refusal`, and `Lost`."""
        if self._here.room or self._here.echo or not self._somewhere:
            return None
        if self._here.latest is None:
            self._here.joined(await self._stay.ask("join", room=names.LOBBY))
            return self._here.switch(names.LOBBY)
        return await self.switch(self._here.latest)
