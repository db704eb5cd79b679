"""Where one is, what was shown, and what was said but not acknowledged. No I/O, no clock.

One may be in several rooms, each with a cursor of its own; one of them is the current one. What
comes is shown in its order and once, or, in a room that is not the current one, kept: a new
connection asks for what lies behind the cursors, and behind `inbox_position`.

A session sees its own talk too, and need not be shown it again. Whose an entry is, only the
acknowledgement tells (by its position), and that may come before the entry or after it. So an entry
that could be one's own is held back, and all that came behind it in its room, until there is
nothing unacknowledged that it could be.
"""

from dataclasses import replace
from uuid import uuid4

from chatservice import names
from chatservice.client.cursor import Cursor, News, Unread
from chatservice.entries import Entry, Kind
from chatservice.events import Event, Notice
from chatservice.grammar.commands import Request
from chatservice.replies import Joined, Welcome

INBOX = "@"
"""What the log of one's inbox is called."""

_KINDS = {"say": Kind.MESSAGE, "me": Kind.ACTION}


class Conversation:
    """One user's place in the chat. Methods that take something in return what to show now.

    `echo` is for a program: it is shown its own talk too, and what comes in every room.
    """

    def __init__(self, echo: bool = False) -> None:
        self.name = ""
        self.token = ""
        self.registered = False
        self.room = ""
        self.cursors: dict[str, Cursor] = {}
        self.inbox_position = 0
        self.unacknowledged: dict[str, Request] = {}
        self.echo = echo
        self._recent: list[str] = []

    # -- where one is ----------------------------------------------------------------------------

    def entered(self, welcome: Welcome) -> None:
        """One has a name, or another one."""
        self.name = welcome.name
        self.token = welcome.token
        self.registered = welcome.registered
        self.inbox_position = welcome.inbox

    @property
    def room_position(self) -> int:
        """How far one has read in the current room."""
        return self.cursors[self.room].position

    def find(self, room: str) -> Cursor | None:
        """Return the cursor in a room that one is in, by its name or its number."""
        if room in self.cursors:
            return self.cursors[room]
        for it in self.cursors.values():
            if names.key(it.room) == names.key(room) or str(it.number) == room:
                return it
        return None

    def joined(self, joined: Joined) -> None:
        """One is in that room now, and it is the current one."""
        if joined.room not in self.cursors:  # else one goes on reading where one was
            self.cursors[joined.room] = Cursor(joined)
        self._turn_to(joined.room)

    def resumed(self, joined: Joined, after: int) -> None:
        """One is in a room again, and what lies behind position `after` will come first."""
        self.cursors[joined.room].resumed(joined, after)

    def left(self, room: str) -> None:
        """One is in that room no more. If it was the current one, none is."""
        self.cursors.pop(room, None)
        self._recent = [each for each in self._recent if each != room]
        if self.room == room:
            self.room = ""

    @property
    def latest(self) -> str | None:
        """The room that was the current one last, of those that one is in."""
        return self._recent[-1] if self._recent else None

    def switch(self, room: str) -> Unread:
        """Make another room the current one. Return what is unread there; where that is not
        `whole`, one has to resume the room behind its `after`."""
        if room != self.room:
            self._turn_to(room)
        return self.cursors[room].turn_to()

    def _turn_to(self, room: str) -> None:
        if self.room in self.cursors and room != self.room:
            self.cursors[self.room].turn_away()
        self.room = room
        self._recent = [each for each in self._recent if each != room] + [room]

    def broke(self) -> None:
        """The connection is gone. What was held back was not shown, and will come again."""
        for cursor in self.cursors.values():
            cursor.broke()

    # -- what one says ---------------------------------------------------------------------------

    def say(self, request: Request) -> tuple[str, Request]:
        """Take `say`, `me` or `msg`. Return its key, and the request with it."""
        key = request.args.get("key") or uuid4().hex
        keyed = replace(request, args={**request.args, "key": key})
        self.unacknowledged[key] = keyed
        return key, keyed

    def stored(self, key: str, position: int) -> list[News]:
        """The text with `key` is stored at `position`."""
        cursor = self._spoken_in(key)
        if cursor is None:
            return []
        cursor.is_mine(position)
        return self._release(cursor)

    def refused(self, key: str) -> list[News]:
        """What was said with `key` is not stored, and never will be."""
        cursor = self._spoken_in(key)
        return self._release(cursor) if cursor is not None else []

    def _spoken_in(self, key: str) -> Cursor | None:
        request = self.unacknowledged.pop(key, None)
        room = request.args.get("room") if request is not None else None
        return self.find(room) if room is not None else None

    # -- what happens ----------------------------------------------------------------------------

    def came(self, position: int, entry: Entry, log: str, late: bool = False) -> list[News]:
        """Take in an entry of a log. `late` says that it is old, if its position does not."""
        news = News(entry, log, position, late)
        if log == INBOX:
            if position <= self.inbox_position:
                return []
            self.inbox_position = position
            return [news]
        return self._take(news)

    def happened(self, event: Event) -> list[News]:
        """Take in an event."""
        return [News(event)] if isinstance(event, Notice) else self._take(News(event, event.room))

    def _take(self, news: News) -> list[News]:
        cursor = self.cursors.get(news.log)
        if cursor is None:  # it is on its way from a room that one has left
            return []
        cursor.take(news)
        return self._release(cursor)

    def _release(self, cursor: Cursor) -> list[News]:
        """Return what can be shown of a room, in its order, without what one said oneself."""
        ready = cursor.release(lambda entry: self._undecided(cursor, entry), self.echo)
        if self.echo or cursor.room == self.room:
            return ready
        cursor.keep(ready, self.name)
        return []

    def _undecided(self, cursor: Cursor, entry: Entry) -> bool:
        if self.echo or names.key(entry.who) != names.key(self.name):
            return False
        return any(
            _KINDS.get(request.command.name) == entry.kind
            and names.clean(request.args["text"]) == entry.text
            and self.find(request.args["room"]) is cursor
            for request in self.unacknowledged.values()
        )
