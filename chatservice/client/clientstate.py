"""The state of a client: its rooms, read positions and unacknowledged texts. No I/O, no clock."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple
from uuid import uuid4

from chatservice import names
from chatservice.entries import Entry, Kind
from chatservice.events import Event, Notice
from chatservice.grammar.commands import Request
from chatservice.replies import Joined, Welcome

_SIGN = r"[\w.-]"
"""A character of a name."""


@lru_cache(maxsize=64)
def mention_pattern(name: str) -> re.Pattern[str]:
    """Return the pattern that finds `name` as a word of its own, in any case.

    A full stop or a dash after it does not belong to the word, unless a letter follows.
    """
    return re.compile(rf"(?<!{_SIGN}){re.escape(name)}(?!{_SIGN}*\w)", re.IGNORECASE)


def is_mentioned(name: str, text: str) -> bool:
    """Return whether `text` mentions `name`. An empty name is never mentioned."""
    return bool(name) and mention_pattern(name).search(text) is not None


UNREAD_KEPT = 500
"""Unread entries of one room that are kept in memory: more than a screen or two, and at 8 KiB each
no more than 4 MB. What is more is read again from the server when it is wanted."""

REMEMBERED_ENTRIES = 256
"""Entries of one room of which it is remembered when they were, and whose: enough to find where a
log that was put back to an earlier state is still the same."""

_TALK_KINDS = frozenset({Kind.MESSAGE, Kind.ACTION})


class Incoming(NamedTuple):
    """Something to show: an entry of the log called `log` (a room, or `@`), or an event.

    `late` says that it happened before one came, so that its time and `position` belong to it.
    """

    item: Entry | Event
    log: str = ""
    position: int = 0
    late: bool = False


class Unread(NamedTuple):
    """What came in `room` behind position `after` while another room was the current one.

    `unread` tells how many entries of others that is, `mentioned` whether one's name is in one of
    them. `news` is all of it, oldest first; but where it was too much to keep, `whole` is False,
    `news` is empty, and all of it comes by itself, as what happens does.
    """

    room: str
    after: int
    unread: int
    mentioned: bool
    items: tuple[Incoming, ...]
    complete: bool


class RoomState:
    """One's place in the room that was `joined`. `position` is that of the last entry that was
    shown, or kept until it is; what lies behind it has to come yet."""

    def __init__(self, joined: Joined) -> None:
        self.room = joined.room
        self.number = joined.number
        self.position = joined.seq
        self.unread = 0
        self.mentioned = False
        self.read_position = joined.seq
        self.complete = True
        self._unread_items: list[Incoming] = []
        self._late_until = joined.seq
        self._own_positions: set[int] = set()
        self._held_back: deque[Incoming] = deque()
        self._disconnected = False
        self._in_background = False
        self._remembered: dict[int, tuple[int, str]] = {}

    # -- is it the same log? ---------------------------------------------------------------------

    def remember(self, position: int, entry: Entry) -> None:
        """Remember an entry that is in the log."""
        self._remembered[position] = entry.time, entry.who
        if len(self._remembered) > REMEMBERED_ENTRIES:
            del self._remembered[next(iter(self._remembered))]

    @property
    def remembers_last(self) -> bool:
        """True if the entry at `position` is remembered."""
        return self.position in self._remembered

    def differs(self, position: int, entry: Entry) -> bool:
        """Return whether an entry is certainly another one than was seen at that position."""
        noted = self._remembered.get(position)
        return noted is not None and noted != (entry.time, entry.who)

    def has_seen(self, position: int, entry: Entry, came: int) -> bool:
        """Return whether an entry was in the log before it was put back: it is remembered, or lies
        before all that is, and is older than that. `came` is when one came, in milliseconds since
        1970, for a log of which nothing is remembered."""
        if position in self._remembered:
            return not self.differs(position, entry)
        if not self._remembered:
            return entry.time <= came
        first = min(self._remembered)
        return position < first and entry.time <= self._remembered[first][0]

    def rewind(self, after: int) -> None:
        """The log is as it was up to position `after`, and another one behind that."""
        self._remembered = {at: it for at, it in self._remembered.items() if at <= after}
        self._own_positions = {at for at in self._own_positions if at <= after}
        self.read_position = min(self.read_position, after)

    # -- coming back -----------------------------------------------------------------------------

    def resume(self, joined: Joined, after: int) -> None:
        """One is in the room again, and what lies behind position `after` comes first. A log that
        became shorter, because an earlier state of it was put back, is read from its end."""
        self._held_back.clear()
        self._disconnected = False
        self.position = min(after, joined.seq)
        self.read_position = min(self.read_position, self.position)
        self._late_until = joined.seq
        self._own_positions = {at for at in self._own_positions if at <= joined.seq}

    def connection_lost(self) -> None:
        """The connection is gone, and what comes is passed over until the room is `resumed`. What
        was held back was not shown, and will come again."""
        self._held_back.clear()
        self._disconnected = True

    # -- what comes ------------------------------------------------------------------------------

    def mark_own(self, position: int) -> None:
        """The entry at `position` was said from here."""
        self._own_positions.add(position)

    def receive(self, news: Incoming) -> None:
        """Take in what came: an event, or an entry that is passed over if it is not new."""
        entry = news.item
        if isinstance(entry, Entry):
            if self._disconnected or news.position <= self._last_received:
                return
            self.remember(news.position, entry)
            news = news._replace(late=news.late or news.position <= self._late_until)
            if entry.kind == Kind.ERASED and entry.text.isdecimal():
                self._erase(int(entry.text))
        self._held_back.append(news)

    def _erase(self, position: int) -> None:
        """Keep nothing of what was erased and was not shown yet."""
        for news in (self._held_back, self._unread_items):
            for at, each in enumerate(news):
                if isinstance(each.item, Entry) and each.position == position:
                    news[at] = each._replace(item=Entry(Kind.GONE, each.item.time, each.item.who))

    @property
    def _last_received(self) -> int:
        held = (news.position for news in reversed(self._held_back) if isinstance(news.item, Entry))
        return next(held, self.position)

    def release(self, undecided: Callable[[Entry], bool], echo: bool) -> list[Incoming]:
        """Return what can be shown, in its order, up to the first entry of which it is `undecided`
        whether it was said from here. What was is left out, unless one wants the `echo`."""
        ready = []
        while self._held_back:
            news = self._held_back[0]
            entry = news.item
            if (
                isinstance(entry, Entry)
                and news.position not in self._own_positions
                and undecided(entry)
            ):
                break
            self._held_back.popleft()
            if not isinstance(entry, Entry) or self._pass(news) or echo:
                ready.append(news)
        return ready

    def _pass(self, news: Incoming) -> bool:
        """Move on behind an entry. Return whether somebody else said it, or oneself elsewhere."""
        self.position = news.position
        mine = news.position in self._own_positions
        again = (
            self.read_position if self._in_background else self.position
        )  # it may be read anew from there
        self._own_positions = {position for position in self._own_positions if position > again}
        return not mine

    # -- while another room is the current one ---------------------------------------------------

    def keep_unread(self, news: list[Incoming], name: str) -> None:
        """Keep entries until this room is the current one, as somebody called `name`; count those
        of others."""
        entries = [(each, each.item) for each in news if isinstance(each.item, Entry)]
        for each, entry in entries:
            self._unread_items.append(each)
            if names.key(entry.who) != names.key(name):
                self.unread += 1
                self.mentioned = self.mentioned or mentions(entry, name)
        if not self.complete or len(self._unread_items) > UNREAD_KEPT:
            self.complete = False
            self._unread_items.clear()

    def to_background(self) -> None:
        """Another room is the current one from now on."""
        self.read_position = self.position
        self._in_background = True

    def to_foreground(self) -> Unread:
        """This is the current room from now on. Return what is unread; where that is not `whole`,
        one stands before it again, and it has to come anew."""
        kept = tuple(each._replace(late=True) for each in self._unread_items)
        unread = Unread(
            self.room, self.read_position, self.unread, self.mentioned, kept, self.complete
        )
        if not self.complete:
            self.position = self.read_position
        self._unread_items.clear()
        self.unread, self.mentioned, self.complete = 0, False, True
        self._in_background = False
        return unread


def mentions(entry: Entry, name: str) -> bool:
    """Return whether somebody said `name`, as a word of its own and in whatever case."""
    return entry.kind in _TALK_KINDS and is_mentioned(name, entry.text)


INBOX = "@"
"""What the log of one's inbox is called."""

_KINDS = {"say": Kind.MESSAGE, "me": Kind.ACTION}


class ClientState:
    """One user's place in the chat. Methods that take something in return what to show now.

    `echo` is for a program: it is shown its own talk too, and what comes in every room.
    """

    def __init__(self, echo: bool = False) -> None:
        self.name = ""
        self.token = ""
        self.registered = False
        self.current_room = ""
        self.rooms: dict[str, RoomState] = {}
        self.inbox_position = 0
        self.unacknowledged: dict[str, Request] = {}
        self.echo = echo
        self._recent: list[str] = []

    # -- where one is ----------------------------------------------------------------------------

    def signed_in(self, welcome: Welcome) -> None:
        """One has a name, or another one."""
        self.name = welcome.name
        self.token = welcome.token
        self.registered = welcome.registered
        self.inbox_position = welcome.inbox

    @property
    def room_position(self) -> int:
        """How far one has read in the current room."""
        return self.rooms[self.current_room].position

    def find(self, room: str) -> RoomState | None:
        """Return the cursor in a room that one is in, by its name or its number."""
        if room in self.rooms:
            return self.rooms[room]
        for it in self.rooms.values():
            if names.key(it.room) == names.key(room) or str(it.number) == room:
                return it
        return None

    def room_joined(self, joined: Joined) -> None:
        """One is in that room now, and it is the current one."""
        if joined.room not in self.rooms:  # else one goes on reading where one was
            self.rooms[joined.room] = RoomState(joined)
        self._make_current(joined.room)

    def room_resumed(self, joined: Joined, after: int) -> None:
        """One is in a room again, and what lies behind position `after` will come first."""
        self.rooms[joined.room].resume(joined, after)

    def room_left(self, room: str) -> None:
        """One is in that room no more. If it was the current one, none is."""
        self.rooms.pop(room, None)
        self._recent = [each for each in self._recent if each != room]
        if self.current_room == room:
            self.current_room = ""

    @property
    def previous_room(self) -> str | None:
        """The room that was the current one last, of those that one is in."""
        return self._recent[-1] if self._recent else None

    def switch(self, room: str) -> Unread:
        """Make another room the current one. Return what is unread there; where that is not
        `whole`, one has to resume the room behind its `after`."""
        if room != self.current_room:
            self._make_current(room)
        return self.rooms[room].to_foreground()

    def _make_current(self, room: str) -> None:
        if self.current_room in self.rooms and room != self.current_room:
            self.rooms[self.current_room].to_background()
        self.current_room = room
        self._recent = [each for each in self._recent if each != room] + [room]

    def connection_lost(self) -> None:
        """The connection is gone. What was held back was not shown, and will come again."""
        for cursor in self.rooms.values():
            cursor.connection_lost()

    # -- what one says ---------------------------------------------------------------------------

    def say(self, request: Request) -> tuple[str, Request]:
        """Take `say`, `me` or `msg`. Return its key, and the request with it."""
        key = request.args.get("key") or uuid4().hex
        keyed = replace(request, args={**request.args, "key": key})
        self.unacknowledged[key] = keyed
        return key, keyed

    def stored(self, key: str, position: int) -> list[Incoming]:
        """The text with `key` is stored at `position`."""
        cursor = self._room_of(key)
        if cursor is None:
            return []
        cursor.mark_own(position)
        return self._release(cursor)

    def refused(self, key: str) -> list[Incoming]:
        """What was said with `key` is not stored, and never will be."""
        cursor = self._room_of(key)
        return self._release(cursor) if cursor is not None else []

    def _room_of(self, key: str) -> RoomState | None:
        request = self.unacknowledged.pop(key, None)
        room = request.args.get("room") if request is not None else None
        return self.find(room) if room is not None else None

    # -- what happens ----------------------------------------------------------------------------

    def entry_received(
        self, position: int, entry: Entry, log: str, late: bool = False
    ) -> list[Incoming]:
        """Take in an entry of a log. `late` says that it is old, if its position does not."""
        news = Incoming(entry, log, position, late)
        if log == INBOX:
            if position <= self.inbox_position:
                return []
            self.inbox_position = position
            return [news]
        return self._receive(news)

    def event_received(self, event: Event) -> list[Incoming]:
        """Take in an event."""
        return (
            [Incoming(event)]
            if isinstance(event, Notice)
            else self._receive(Incoming(event, event.room))
        )

    def _receive(self, news: Incoming) -> list[Incoming]:
        cursor = self.rooms.get(news.log)
        if cursor is None:  # it is on its way from a room that one has left
            return []
        cursor.receive(news)
        return self._release(cursor)

    def _release(self, cursor: RoomState) -> list[Incoming]:
        """Return what can be shown of a room, in its order, without what one said oneself."""
        ready = cursor.release(lambda entry: self._may_be_own(cursor, entry), self.echo)
        if self.echo or cursor.room == self.current_room:
            return ready
        cursor.keep_unread(ready, self.name)
        return []

    def _may_be_own(self, cursor: RoomState, entry: Entry) -> bool:
        if self.echo or names.key(entry.who) != names.key(self.name):
            return False
        return any(
            _KINDS.get(request.command.name) == entry.kind
            and names.clean(request.args["text"]) == entry.text
            and self.find(request.args["room"]) is cursor
            for request in self.unacknowledged.values()
        )
