"""The state of a client: its rooms, read positions and unacknowledged texts. No I/O, no clock.

A client may be in several rooms; one of them is the current one. Each room's entries are shown
once and in order, or kept as unread while another room is the current one. After a broken
connection the client asks for all entries behind each room's position, and its inbox position.

A person's client does not show the person's own texts again. Only the acknowledgement says which
entry is an own one (by its position), and it may arrive after the entry. So an entry that may be
an own one is held back, with everything behind it in its room, until no unacknowledged text
matches it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from uuid import uuid4

from chatservice import names
from chatservice.client.presentusers import PresentUsers
from chatservice.client.privatetalk import Partner, PrivateTalk
from chatservice.entries import Entry, Kind
from chatservice.events import (
    Event,
    Notice,
    ReadMoved,
    UserAway,
    UserRealName,
    UserRegistered,
    UserTyping,
    UserWatched,
)
from chatservice.grammar.commandtypes import Request
from chatservice.replies import Joined, UnreadInfo, Welcome

INBOX = "@"
"""The name of the user's inbox, as a log."""

UNREAD_KEPT = 500
"""Unread entries of a room that are kept in memory: a few screens, at most 4 MB (8 KiB each). If
there are more, they are read from the server again."""

REMEMBERED_ENTRIES = 256
"""Entries of a room whose time and author are remembered. They show where a log that was restored
from a backup still agrees with what was seen."""


class Incoming(NamedTuple):
    """An entry of `log` (a room, or `@`), or an event, to be shown.

    `late` means that it happened before the client joined, so it is shown with time and position.
    """

    item: Entry | Event
    log: str = ""
    position: int = 0
    late: bool = False


class Unread(NamedTuple):
    """The entries behind position `after` that came to `room` while it was in the background.

    `unread` counts the entries of others. `mentioned` is True if one names the user. `items` are
    all of them, oldest first. If there were too many to keep, `complete` is False and `items` is
    empty: they come again from the server.
    """

    room: str
    after: int
    unread: int
    mentioned: bool
    items: tuple[Incoming, ...]
    complete: bool


class RoomState:
    """The state of a client in one room. `position` is that of the last entry that was shown, or
    kept as unread. `members` are registered users who keep the room, as far as they are known."""

    def __init__(self, joined: Joined) -> None:
        self.room = joined.room
        self.number = joined.number
        self.topic = joined.topic
        self.present = PresentUsers(joined.users, joined.more)
        self.members: tuple[str, ...] = ()
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

    # -- is the log still the same? --------------------------------------------------------------

    def remember(self, position: int, entry: Entry) -> None:
        """Remember the time and the author of an entry."""
        self._remembered[position] = entry.time, entry.who
        if len(self._remembered) > REMEMBERED_ENTRIES:
            del self._remembered[next(iter(self._remembered))]

    @property
    def remembers_last(self) -> bool:
        """True if the entry at `position` is remembered."""
        return self.position in self._remembered

    def differs(self, position: int, entry: Entry) -> bool:
        """Return True if another entry was seen at that position."""
        remembered = self._remembered.get(position)
        return remembered is not None and remembered != (entry.time, entry.who)

    def has_seen(self, position: int, entry: Entry, joined_at: int) -> bool:
        """Return whether an entry was in the log before the log was rewound: it is remembered, or
        it is older than all that are. `joined_at` (milliseconds since 1970) decides where nothing
        is remembered."""
        if position in self._remembered:
            return not self.differs(position, entry)
        if not self._remembered:
            return entry.time <= joined_at
        first = min(self._remembered)
        return position < first and entry.time <= self._remembered[first][0]

    def rewind(self, after: int) -> None:
        """Forget what was behind position `after`: the log has other entries there now."""
        self._remembered = {at: it for at, it in self._remembered.items() if at <= after}
        self._own_positions = {at for at in self._own_positions if at <= after}
        self.read_position = min(self.read_position, after)

    # -- connections -----------------------------------------------------------------------------

    def resume(self, joined: Joined, after: int) -> None:
        """Take entries again, those behind position `after` first. A log that is shorter than that
        is read from its end."""
        self._held_back.clear()
        self._disconnected = False
        self.topic = joined.topic
        self.present = PresentUsers(joined.users, joined.more)
        self.position = min(after, joined.seq)
        self.read_position = min(self.read_position, self.position)
        self._late_until = joined.seq
        self._own_positions = {at for at in self._own_positions if at <= joined.seq}

    def connection_lost(self) -> None:
        """Drop what was held back, and what comes until `resume`: all of it comes again."""
        self._held_back.clear()
        self._disconnected = True

    # -- entries ---------------------------------------------------------------------------------

    def mark_own(self, position: int) -> None:
        """Note that this client sent the entry at `position`."""
        self._own_positions.add(position)

    def receive(self, incoming: Incoming) -> None:
        """Take an event, or an entry that is new."""
        entry = incoming.item
        if isinstance(entry, Entry):
            if self._disconnected or incoming.position <= self._last_received:
                return
            self.remember(incoming.position, entry)
            late = incoming.late or incoming.position <= self._late_until
            incoming = incoming._replace(late=late)
            if entry.kind == Kind.ERASED and entry.text.isdecimal():
                self._erase(int(entry.text))
            elif entry.kind == Kind.TOPIC:
                self.topic = entry.text
        self._held_back.append(incoming)

    def _erase(self, position: int) -> None:
        """Remove the text of an erased entry that was not shown yet, with its edits and quotes."""
        for waiting in (self._held_back, self._unread_items):
            for at, each in enumerate(waiting):
                if isinstance(each.item, Entry):
                    item = _without(each.item, each.position, position)
                    waiting[at] = each._replace(item=item)

    @property
    def _last_received(self) -> int:
        held = (each.position for each in reversed(self._held_back) if isinstance(each.item, Entry))
        return next(held, self.position)

    def release(self, may_be_own: Callable[[Entry], bool], echo: bool) -> list[Incoming]:
        """Return what can be shown, in order, up to the first entry that `may_be_own`. Own entries
        are left out unless `echo` is True."""
        ready = []
        while self._held_back:
            incoming = self._held_back[0]
            entry = incoming.item
            if isinstance(entry, Entry):
                if incoming.position not in self._own_positions and may_be_own(entry):
                    break
                own = self._move_past(incoming)
            else:
                own = False
            self._held_back.popleft()
            if echo or not own:
                ready.append(incoming)
        return ready

    def _move_past(self, incoming: Incoming) -> bool:
        """Move `position` past an entry, and return whether this client sent it."""
        self.position = incoming.position
        own = incoming.position in self._own_positions
        # A room in the background may be read again from its read position.
        again_from = self.read_position if self._in_background else self.position
        self._own_positions = {at for at in self._own_positions if at > again_from}
        return own

    # -- while another room is the current one ---------------------------------------------------

    def count_kept(self, it: UnreadInfo, current: str) -> None:
        """Take the server's count of what was unread before this run. Nothing is unread in the
        `current` room."""
        if self.room == current or not it.unread:
            return
        self.read_position = min(it.read, self.position)
        self.unread, self.mentioned = it.unread, it.mentions > 0

    def read_elsewhere(self, position: int) -> None:
        """Note that another session of the user has read up to a position."""
        if position >= self.position:
            self.unread, self.mentioned = 0, False
            self.read_position = self.position

    def count_unread(self, items: list[Incoming], name: str) -> None:
        """Count the entries that are not by the user called `name` as unread."""
        for each in items:
            entry = each.item
            if not isinstance(entry, Entry) or entry.is_annotation:
                continue
            if names.key(entry.who) != names.key(name):
                self.unread += 1
                self.mentioned = self.mentioned or mentions(entry, name)

    def keep_unread(self, items: list[Incoming], name: str) -> None:
        """Keep entries as unread, and count those that are not by the user called `name`."""
        self.count_unread(items, name)
        self._unread_items += [each for each in items if isinstance(each.item, Entry)]
        if not self.complete or len(self._unread_items) > UNREAD_KEPT:
            self.complete = False
            self._unread_items.clear()

    def to_background(self) -> None:
        """Note that another room is the current one."""
        self.read_position = self.position
        self._in_background = True

    def to_foreground(self) -> Unread:
        """Make this the current room, and return what is unread. If that is not `complete`, the
        position goes back to where it begins."""
        items = tuple(each._replace(late=True) for each in self._unread_items)
        after, complete = self.read_position, self.complete
        unread = Unread(self.room, after, self.unread, self.mentioned, items, complete)
        if not complete:
            self.position = after
        self._unread_items.clear()
        self.unread, self.mentioned, self.complete = 0, False, True
        self._in_background = False
        return unread


def _without(entry: Entry, position: int, erased: int) -> Entry:
    """Return the entry at a position without what it says of the erased one."""
    if erased == (entry.about if entry.kind == Kind.EDIT else position):
        about = entry.about if entry.kind == Kind.EDIT else 0
        return Entry(Kind.GONE, entry.time, entry.who, about=about)
    return entry._replace(quote=None) if entry.about == erased else entry


def mentions(entry: Entry, name: str) -> bool:
    """Return whether an entry is talk that contains `name` as a word, in any case."""
    return entry.kind in (Kind.MESSAGE, Kind.ACTION) and names.is_mentioned(name, entry.text)


class ClientState:
    """The state of one user's client. Methods that take something in return what to show now.

    With `echo`, which programs use, own texts are shown too, and all rooms are shown as they come.
    With `all_rooms` alone, the same is shown, and unread entries are only counted, also of the talk
    with each partner in `private`.
    """

    def __init__(self, echo: bool = False, all_rooms: bool = False) -> None:
        self.name = ""
        self.token = ""
        self.registered = False
        self.current_room = ""
        self.rooms: dict[str, RoomState] = {}
        self.private = PrivateTalk()
        self._inbox = RoomState(Joined(INBOX, 0, "", (), 0))
        self.unacknowledged: dict[str, Request] = {}
        self.echo = echo
        self.all_rooms = all_rooms
        self.away_text = ""
        self._recent: list[str] = []

    # -- rooms -----------------------------------------------------------------------------------

    def logged_in(self, welcome: Welcome) -> None:
        """Take the user's name, token and inbox position from the server's welcome."""
        self.name = welcome.name
        self.token = welcome.token
        self.registered = welcome.registered
        self._inbox.resume(Joined(INBOX, 0, "", (), welcome.inbox), welcome.inbox)

    @property
    def inbox_position(self) -> int:
        """The position of the last entry of the inbox that was shown."""
        return self._inbox.position

    @property
    def partner(self) -> str:
        """The user with whom one talks alone now; empty in a room."""
        return self.private.current.name if self.private.current is not None else ""

    @property
    def here(self) -> str:
        """The name of the view: `@` and the partner, or the current room."""
        return f"@{self.partner}" if self.partner else self.current_room

    @property
    def places(self) -> list[RoomState | Partner]:
        """The rooms and the partners, in their order."""
        return [*self.rooms.values(), *self.private.partners]

    def find(self, room: str) -> RoomState | None:
        """Return the state of a joined room, given by its name or its number."""
        if room in self.rooms:
            return self.rooms[room]
        for it in self.rooms.values():
            if names.key(it.room) == names.key(room) or str(it.number) == room:
                return it
        return None

    def room_joined(self, joined: Joined) -> None:
        """Add a room, and make it the current one. A room that is joined already stays as it is."""
        if joined.room not in self.rooms:
            self.rooms[joined.room] = RoomState(joined)
        self._make_current(joined.room)

    def room_kept(self, joined: Joined) -> RoomState:
        """Add a room that is not the current one, and return its state."""
        if joined.room not in self.rooms:
            self.rooms[joined.room] = RoomState(joined)
            self.rooms[joined.room].to_background()
        return self.rooms[joined.room]

    def room_resumed(self, joined: Joined, after: int) -> None:
        """Read a joined room again from behind position `after`."""
        self.rooms[joined.room].resume(joined, after)

    def room_left(self, room: str) -> None:
        """Remove a room. If it was the current one, there is none."""
        self.rooms.pop(room, None)
        self._recent = [each for each in self._recent if each != room]
        if self.current_room == room:
            self.current_room = ""

    @property
    def previous_room(self) -> str | None:
        """The joined room that was the current one last."""
        return self._recent[-1] if self._recent else None

    def switch(self, room: str) -> Unread:
        """Make another room the current one, and return what is unread there. If that is not
        `complete`, the room must be resumed behind its `after`."""
        if room != self.here:
            self._make_current(room)
        return self.rooms[room].to_foreground()

    def talk_with(self, name: str) -> Unread:
        """Show the talk with a user in place of the current room, and return what is unread."""
        self._to_background()
        unread, first = self.private.turn_to(name)
        return Unread(self.here, max(first - 1, 0), unread, unread > 0, (), True)

    def _to_background(self) -> None:
        if self.here in self.rooms:
            self.rooms[self.here].to_background()

    def _make_current(self, room: str) -> None:
        if room != self.here:
            self._to_background()
        self.private.current = None
        self.current_room = room
        self._recent = [each for each in self._recent if each != room] + [room]

    def connection_lost(self) -> None:
        """Drop what was not shown yet: it comes again."""
        for log in (self._inbox, *self.rooms.values()):
            log.connection_lost()

    # -- own texts -------------------------------------------------------------------------------

    def say(self, request: Request) -> tuple[str, Request]:
        """Add a `say`, `me` or `msg` to the unacknowledged texts. Return its key, and the request
        with that key."""
        key = request.args.get("key") or uuid4().hex
        keyed = replace(request, args={**request.args, "key": key})
        self.unacknowledged[key] = keyed
        return key, keyed

    def stored(self, key: str, position: int) -> list[Incoming]:
        """Take the acknowledgement of the text with `key`, stored at `position` of its room. For a
        private one, that is the position of the copy in the user's inbox, or 0."""
        log = self._log_of(key)
        if log is None:
            return []
        log.mark_own(position)
        return self._release(log)

    def refused(self, key: str) -> list[Incoming]:
        """Take the refusal of the text with `key`: it is never stored."""
        log = self._log_of(key)
        return self._release(log) if log is not None else []

    def _log_of(self, key: str) -> RoomState | None:
        request = self.unacknowledged.pop(key, None)
        if request is None:
            return None
        return self._inbox if "to" in request.args else self.find(request.args["room"])

    # -- entries and events ----------------------------------------------------------------------

    def entry_received(
        self, position: int, entry: Entry, log: str, late: bool = False
    ) -> list[Incoming]:
        """Take an entry of a log. `late` marks an old one, if its position does not."""
        return self._receive(Incoming(entry, log, position, late))

    def event_received(self, event: Event) -> list[Incoming]:
        """Take an event."""
        if isinstance(event, Notice):
            return [Incoming(event)]
        if isinstance(event, ReadMoved):
            if self.all_rooms and event.room in self.rooms:
                self.rooms[event.room].read_elsewhere(event.position)
            return []
        if isinstance(event, UserWatched | UserRegistered | UserRealName):  # nobody asked for that
            return []
        if event.room in self.rooms:
            self.rooms[event.room].present.apply(event)
        if isinstance(event, UserTyping) and not self.echo:
            return [Incoming(event, event.room)]
        if isinstance(event, UserAway) and not self.echo:
            if names.key(event.who) == names.key(self.name):
                self.away_text = event.text  # perhaps by another connection
            return []  # people look it up
        return self._receive(Incoming(event, event.room))

    def _receive(self, incoming: Incoming) -> list[Incoming]:
        room = self._inbox if incoming.log == INBOX else self.rooms.get(incoming.log)
        if room is None:  # sent before the client left the room
            return []
        room.receive(incoming)
        return self._release(room)

    def _release(self, room: RoomState) -> list[Incoming]:
        own = self.echo or self.all_rooms
        ready = room.release(lambda entry: self._may_be_own(room, entry), own)
        if room is self._inbox and self.all_rooms:
            for each in ready:
                assert isinstance(each.item, Entry)
                self.private.take(each.position, each.item, self.name)
        if self.echo or room is self._inbox or room.room == self.here:
            return ready
        if self.all_rooms:
            room.count_unread(ready, self.name)
            return ready
        room.keep_unread(ready, self.name)
        return []

    def _may_be_own(self, room: RoomState, entry: Entry) -> bool:
        if self.echo or self.all_rooms or names.key(entry.who) != names.key(self.name):
            return False
        return any(
            names.clean(request.args["text"]) == entry.text
            and self._may_be_entry(request, entry, room)
            for request in self.unacknowledged.values()
        )

    def _may_be_entry(self, request: Request, entry: Entry, log: RoomState) -> bool:
        """Return whether a text may have become an entry of that kind in a log."""
        if "to" in request.args:
            sent = Kind.SENT_ACTION if "action" in request.args else Kind.SENT
            return entry.kind == sent and names.key(request.args["to"]) == names.key(entry.to)
        return request.command.talk is entry.kind and self.find(request.args["room"]) is log
