"""A user's session at a server, over as many connections as it takes.

When a connection breaks, the session reconnects, with growing delays. It logs in again, rejoins
every room behind the last position that was received there, and repeats each unacknowledged text
with its key. So no entry is shown twice or missed, and no text is stored twice or lost. Other
requests wait for the new connection.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from time import time
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from chatservice import names, replies
from chatservice.client.clientstate import INBOX, ClientState, Incoming, RoomState, Unread
from chatservice.client.condition import Condition
from chatservice.client.connectors import WARNING
from chatservice.client.jsonconnection import BadReply, Dismissed, JsonConnection, Lost, ServerPush
from chatservice.client.privatetalk import RECALLED_ENTRIES
from chatservice.client.severalservers import Connects
from chatservice.entries import Entry
from chatservice.errors import Code, Refusal
from chatservice.events import FINAL_ENDS, Event, Moderated, Notice, PutOut
from chatservice.grammar import textformat
from chatservice.grammar.commandtypes import Request
from chatservice.grammar.jsonclient import LogEntry
from chatservice.grammar.textparser import with_say_hint

FIRST_DELAY, LONGEST_DELAY, DELAY_GROWTH = 0.5, 30.0, 1.6
"""Seconds before a reconnect. A short break is over at once. After a long one, each user asks the
server at most twice a minute."""

NAME_TAKEN_SECONDS = 300.0
"""Seconds for which refusals of `_TRY_LATER` are tried again. The server may still hold the name
for the old connection."""

OLD_MESSAGE_SECONDS = 60.0
"""A private message that is older on arrival is shown with its time."""

MAX_UNACKNOWLEDGED = 256
"""Texts that may be sent before the first of them is acknowledged."""

_REMOVING = frozenset({"kick", "ban"})
"""The commands of moderators that remove a user from a room."""

_TRY_LATER = frozenset({Code.NAME_TAKEN, Code.SLOW_DOWN, Code.TOO_MANY})
"""Refusals of a reconnect that may be over in a moment."""


_MAX_ROOMS = 100_000
"""The longest list of rooms that is fetched."""

_KEPT_ROOMS = 200
"""Kept rooms that are joined at the start: as many as a server keeps for one user."""

_RECALLED_SECONDS = 7 * 86400.0
"""Partners of private talk within so long are there from the start."""

_HISTORY_PAGE = 100
"""Entries fetched at once, to find where a rewound log is unchanged."""


def reconnect_delays(chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Return the seconds to wait before each attempt, for ever. They grow, and vary so that clients
    do not return all at once. `chance` gives numbers from 0 to 1."""
    delay = FIRST_DELAY
    while True:
        yield delay * (0.75 + chance() / 2)
        delay = min(delay * DELAY_GROWTH, LONGEST_DELAY)


class SessionListener:
    """The receiver of what happens during a session. Replies go to the caller that asked. A method
    does nothing where a listener does not override it."""

    def incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event."""

    def answered(self, reply: replies.Reply) -> None:
        """Show the reply to a text that was sent."""

    def refused(self, refusal: Refusal, key: str | None = None) -> None:
        """Show a refusal that no caller waits for; with a `key`, that of a text."""

    def said(self, key: str, request: Request) -> None:
        """Note that a text (`say`, `me` or `msg`) is about to be sent."""

    def stored(self, key: str, position: int) -> None:
        """Note that the text with `key` is stored, at that position of its log."""

    def rooms_changed(self) -> None:
        """Note that a room has more or less unread, or became the current one."""

    def removed_from_room(self, room: str, why: Refusal, told: bool) -> None:
        """Note that the user was removed from a room. `told` is True if `why` was shown already."""

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """Note that the log of a room has other entries behind position `after`, up to `newest`: an
        operator restored an earlier state."""

    def dismissed(self, why: Lost) -> None:
        """Note that the session has ended for good, and why."""


class ClientRooms:
    """The rooms that the user of one session is in."""

    def __init__(self, session: "ClientSession") -> None:
        self._session = session
        self._state = session.state
        self._passwords: dict[str, str | None] = {}
        self._joined_at: dict[str, int] = {}  # in milliseconds since 1970
        self._has_joined = False

    async def join(self, command: str, room: str | None, password: str | None) -> replies.Joined:
        """Join another room, by the command `join` or `create`, and make it the current one. Raises
        `Refusal`."""
        state = self._state
        joined: replies.Joined = await self._session.ask(command, room=room, password=password)
        if joined.room in state.rooms and joined.room != state.current_room:
            return joined  # by another of its names; the caller switches to it
        state.room_joined(joined)
        self._passwords[joined.room] = password
        self._joined_at.setdefault(joined.room, round(time() * 1000))
        self._has_joined = True
        return joined

    async def join_kept(self) -> None:
        """Join the rooms that a registered user keeps, with their unread counts. The current room
        stays the current one. Rooms that cannot be joined now are left out. The partners of the
        last days are there, too. Raises `Lost`."""
        try:
            kept: replies.UnreadList = await self._session.ask("unread")
            past = await self._session.ask("history", room=INBOX, limit=RECALLED_ENTRIES)
            self._state.private.recall(past.entries, round((time() - _RECALLED_SECONDS) * 1000))
        except Refusal:  # a guest, or an older server
            return
        for it in kept.rooms[:_KEPT_ROOMS]:
            known = self._state.find(it.room)
            if it.room == INBOX:
                continue
            with suppress(Refusal):
                if known is None:
                    joined = await self._session.ask("join", room=it.room)
                    self._joined_at.setdefault(joined.room, round(time() * 1000))
                    known = self._state.room_kept(joined)
                known.count_kept(it, self._state.here)

    async def learn_members(self, room: str) -> None:
        """Ask for the members of a joined room, also those who are away."""
        with suppress(Refusal, Lost):
            found: replies.MemberList = await self._session.ask("who", room=room)
            self._joined_room(room).members = tuple(it.name for it in found.members)

    async def list_all(self) -> tuple[replies.RoomInfo, ...]:
        """Return all rooms of the server, page by page. Raises `Refusal`."""
        found: list[replies.RoomInfo] = []
        page: replies.RoomList = await self._session.ask("rooms")
        found += page.rooms
        while page.more and page.rooms and len(found) < _MAX_ROOMS:
            page = await self._session.ask("rooms", after=found[-1].number)
            new = [room for room in page.rooms if room.number > found[-1].number]
            if not new:
                break
            found += new
        return tuple(found)

    async def leave(self, room: str, keep: bool = False) -> None:
        """Leave a room; with `keep`, a registered user stays a member. Raises `Refusal`."""
        found = self._joined_room(room)
        with suppress(Refusal):  # the user is not in it any more
            await self._session.ask("leave", room=found.room, keep=keep or None)
        self._state.room_left(found.room)

    async def switch(self, room: str) -> Unread:
        """Make another joined room the current one, or show the talk with a partner (`@` and their
        name), and return what is unread there. Raises `Refusal`."""
        if room.startswith("@"):
            return self._state.talk_with(room[1:])
        found = self._joined_room(room)
        if not found.complete and self._session.connected:
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
        joined: replies.Joined = await self._session.ask_now(
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
                    self._session.log_rewound(name, position, joined.seq)
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
        asked = {"room": room.room, "after": room.position - 1, "limit": 1, "annotations": True}
        try:
            found = await self._session.ask_now("history", **asked)
        except Refusal:  # only members may read it; nothing is taken in before `resume`
            password = self._passwords.get(room.room)
            await self._session.ask_now("join", room=room.room, password=password)
            found = await self._session.ask_now("history", **asked)
        return any(room.differs(*each) for each in found.entries)

    async def _last_common_position(self, room: RoomState) -> int:
        """Return the position of the last entry that was seen and is still in the log, or 0."""
        before: int | None = None
        joined_at = self._joined_at.get(room.room, 0)
        while True:
            found = await self._session.ask_now(
                "history", room=room.room, before=before, limit=_HISTORY_PAGE, annotations=True
            )
            for position, entry in reversed(found.entries):
                if room.has_seen(position, entry, joined_at):
                    return int(position)
            if not found.entries or found.entries[0][0] == before:
                return 0
            before = found.entries[0][0]

    async def fall_back(self) -> Unread | None:
        """Make another room the current one if there is none, and return what is unread there. The
        talk with a partner stays in view. For programs, and before the first room, do nothing.
        Raises `Refusal` and `Lost`."""
        state = self._state
        if state.current_room or state.echo or not self._has_joined:
            return None
        if state.previous_room is None:
            joined = await self._session.ask("join", room=names.LOBBY)
            partner = state.partner
            state.room_joined(joined)
            unread = state.switch(names.LOBBY)
        else:
            partner = state.partner
            unread = await self.switch(state.previous_room)
        if partner:
            state.talk_with(partner)
        return unread


class ClientSession:
    """A user's session at the server of a `connector`. With `echo`, for programs, the listener gets
    own texts too, and the entries of all rooms. With `all_rooms`, it gets those of all rooms."""

    def __init__(
        self,
        reactor: Any,
        connector: Connects,
        listener: SessionListener,
        echo: bool = False,
        all_rooms: bool = False,
    ) -> None:
        self.state = ClientState(echo, all_rooms)
        self.rooms = ClientRooms(self)
        self.connected = False
        self._reactor = reactor
        self.connect = connector.connect
        self._listener = listener
        self._connection: JsonConnection | None = None
        self._reconnecting: Deferred[None] | None = None
        self._longest_outage: float | None = None
        self._closing = False
        self._end_reason = Lost("You are leaving.")
        self._password: str | None = None
        self._ignored: set[str] = set()
        self._changed = Condition()

    # -- connections -----------------------------------------------------------------------------

    async def open_connection(self) -> None:
        """Connect. Raises `Lost`, and `Refusal` for an untrusted server."""
        make = lambda: JsonConnection(self._reactor, self._pushed)  # noqa: E731
        connection = await self.connect(make)
        self._connection = connection
        connection.closed.addCallback(lambda _: self._connection_closed(connection))

    def _connection_closed(self, connection: JsonConnection) -> None:
        if self._connection is not connection:
            return
        self._connection = None
        self.state.connection_lost()
        if self.connected and not self._closing:
            self.connected = False
            self._tell("Connection lost; trying again.")
            self._reconnecting = Deferred.fromCoroutine(self._reconnect())
            self._reconnecting.addErrback(lambda failure: failure.trap(CancelledError) and None)
            self._limit_outage(self._reconnecting)

    def end_after_outage(self, seconds: float) -> None:
        """From now on, end the session once it has been without a connection for so long."""
        self._longest_outage = seconds
        if self._reconnecting is not None:
            self._limit_outage(self._reconnecting)

    def _limit_outage(self, outage: "Deferred[None]") -> None:
        def check() -> None:
            if self._reconnecting is outage and not self.connected and not self._closing:
                self._dismiss(Lost("The server does not come back."))

        if self._longest_outage is not None:
            self._reactor.callLater(self._longest_outage, check)

    async def _reconnect(self) -> None:
        began = self._reactor.seconds()
        for delay in reconnect_delays():
            await deferLater(self._reactor, delay)
            try:
                await self._resume()
                return
            except Lost:
                self._hang_up()
            except Refusal as refusal:
                self._hang_up()
                late = self._reactor.seconds() - began > NAME_TAKEN_SECONDS
                if refusal.code not in _TRY_LATER or late:
                    self._dismiss(Dismissed(refusal.sentence))
                    return

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.transport is not None:
            connection.transport.abortConnection()

    async def _resume(self) -> None:
        """Connect, log in, and restore what the old connection had."""
        state = self.state
        await self.open_connection()
        await self._hello(state.name, self._password, state.inbox_position)
        self._tell("Connected again.")
        if self.state.away_text:
            await self.ask_now("away", text=self.state.away_text)
        for user in tuple(self._ignored):
            await self.ask_now("ignore", user=user)
        for room, refusal in await self.rooms.rejoin_all():
            self._listener.removed_from_room(room, refusal, False)
        self.connected = True
        for key, request in tuple(state.unacknowledged.items()):
            self._send(key, request)
        self._changed.notify_all()
        await self._fall_back()

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """Tell that the log of a room has other entries behind position `after`, up to `newest`."""
        self._tell(
            f"{WARNING}the log of {room} was put back to an earlier state; all that is new behind "
            f"#{after} follows."
        )
        self._listener.log_rewound(room, after, newest)

    def _removed_from_room(self, room: str, why: Refusal, told: bool) -> None:
        """Leave a room from which the user was removed. `told` is True if that was shown."""
        if room in self.state.rooms:
            self.state.room_left(room)
            self._listener.removed_from_room(room, why, told)
            falling = Deferred.fromCoroutine(self._fall_back())
            falling.addErrback(lambda failure: failure.trap(Lost, Refusal) and None)

    async def _fall_back(self) -> None:
        """Make another room the current one if there is none."""
        unread = await self.rooms.fall_back()
        if unread is not None:
            self._listener.rooms_changed()
            self._tell(f"You are in {unread.room} now.")
            self._show(list(unread.items))

    async def close(self, farewell: str | None = None) -> None:
        """End the session. If there is a connection, wait until the server has stored all texts."""
        self._closing = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self.connected:
            with suppress(Lost, Refusal):  # the session has ended anyway
                await self.ask_now("quit", text=farewell)
        self._hang_up()
        self._changed.notify_all()

    # -- the user --------------------------------------------------------------------------------

    async def log_in(self, name: str, password: str | None = None) -> replies.Welcome:
        """Log in for the first time. From then on the session reconnects by itself. Raises
        `Refusal`, and `Lost` if the server cannot be reached."""
        if self._connection is None:
            await self.open_connection()
        welcome = await self._hello(name, password, None)
        self.connected = True
        return welcome

    async def _hello(self, name: str, password: str | None, after: int | None) -> replies.Welcome:
        """Send `hello`. A token takes the name over from all other connections. Only a guest sends
        one, because a registered user may have several."""
        state = self.state
        token = None if state.registered else state.token or None
        welcome: replies.Welcome = await self.ask_now(
            "hello", name=name, password=password, token=token, after=after
        )
        self._logged_in(name, welcome, password)
        if state.all_rooms:
            with suppress(Refusal):  # the server may be older than the request
                await self.ask_now("typing", show=True)
        if state.registered and welcome.inbox < (after or 0):
            self._tell(
                f"{WARNING}your inbox was put back to an earlier state; something that was sent to "
                "you meanwhile may not be shown."
            )
        return welcome

    def _logged_in(self, name: str, welcome: replies.Welcome, password: str | None) -> None:
        """Take a welcome. Files are saved in a folder of the user's name, so a server that gives
        another name than was asked for is refused. Raises `BadReply`."""
        if names.key(welcome.name) != names.key(name):
            raise BadReply
        self.state.logged_in(welcome)
        self._password = password if welcome.registered else None

    # -- requests --------------------------------------------------------------------------------

    async def ask(self, name: str, /, **args: Any) -> Any:
        """Send a request and return the reply. Without a connection, wait for one; if it breaks
        before the reply, ask again. Raises `Refusal`, and `Lost` once the session is closing.

        A name, a password, or other state of the user that the request changes is noted, for the
        next connection.
        """
        while True:
            await self._changed.wait_for(lambda: self.connected or self._closing)
            if self._closing:
                raise self._end_reason
            with suppress(Lost):
                reply = await self.ask_now(name, **args)
                self._note(name, args, reply)
                return reply

    def _note(self, name: str, args: Mapping[str, Any], reply: Any) -> None:
        match name:
            case "nick" | "login":
                self._logged_in(args["name"], reply, args.get("password"))
            case "register":
                self._password = args["password"]
                self.state.registered = True
            case "password" if self._password == args["old"]:  # else it is a token
                self._password = args["new"]
            case "away":
                self.state.away_text = args.get("text") or ""
            case "ignore":
                self._ignored ^= {names.key(args["user"])}

    async def ask_now(self, name: str, /, **args: Any) -> Any:
        """Send a request on the present connection. Raises `Refusal` and `Lost`."""
        if self._connection is None:
            raise Lost("There is no connection.")
        return await self._connection.ask(name, **args)

    # -- talk ------------------------------------------------------------------------------------

    async def say(self, request: Request) -> None:
        """Send a text (`say`, `me` or `msg`), and again until it is stored or refused. Wait only
        while too much is unacknowledged."""
        key, keyed = self.state.say(request)
        self._listener.said(key, keyed)
        if self.connected:
            self._send(key, keyed)
        unacknowledged = self.state.unacknowledged
        await self._changed.wait_for(lambda: len(unacknowledged) < MAX_UNACKNOWLEDGED)

    async def all_acknowledged(self) -> None:
        """Wait until every text is stored or refused."""
        await self._changed.wait_for(lambda: not self.state.unacknowledged)

    def _send(self, key: str, request: Request) -> None:
        asking = Deferred.fromCoroutine(self.ask_now(request.command.name, **request.args))
        asking.addCallbacks(self._stored, self._not_stored, (key,), errbackArgs=(key,))

    def _stored(self, reply: replies.Stored | replies.PrivateSent, key: str) -> None:
        own = reply.copy if isinstance(reply, replies.PrivateSent) else reply.seq
        released = self.state.stored(key, own)
        self._listener.stored(key, reply.seq)
        self._show(released)
        self._listener.answered(reply)
        self._changed.notify_all()

    def _not_stored(self, failure: Failure, key: str) -> None:
        if failure.check(Lost):
            return  # it is sent again
        failure.trap(Refusal)
        refusal: Any = failure.value
        request = self.state.unacknowledged[key]
        self._show(self.state.refused(key))
        self._listener.refused(with_say_hint(refusal, request.bare), key)
        self._changed.notify_all()
        if refusal.code is Code.NOT_IN_ROOM:
            room = self.state.find(request.args.get("room", ""))
            self._removed_from_room(room.room if room is not None else "", refusal, True)

    # -- entries and events ----------------------------------------------------------------------

    def _pushed(self, pushed: ServerPush) -> None:
        if isinstance(pushed, LogEntry):
            self._entry_pushed(*pushed)
        elif isinstance(pushed, Refusal):
            self._listener.refused(pushed)
        elif isinstance(pushed, Notice) and pushed.end in FINAL_ENDS:
            self._dismiss(Dismissed(pushed.text))
        elif isinstance(pushed, PutOut):
            why = _removal_reason(textformat.event(pushed))
            self._removed_from_room(pushed.room, why, False)
        else:
            self._event_pushed(pushed)

    def _entry_pushed(self, position: int, entry: Entry, log: str) -> None:
        late = log == INBOX and time() - entry.time / 1000 > OLD_MESSAGE_SECONDS
        room = self.state.rooms.get(log)
        before = room.unread if room is not None else 0
        released = self.state.entry_received(position, entry, log, late)
        if room is not None and room.unread != before:
            self._listener.rooms_changed()
        self._show(released)

    def _event_pushed(self, event: Event) -> None:
        released = self.state.event_received(event)
        self._show(released)
        if not released:  # it may change the rows beside the talk: who is away, what was read
            self._listener.rooms_changed()
        if isinstance(event, Moderated) and self._removes_me(event):
            why = _removal_reason(textformat.event(event), f"You were put out of {event.room}: ")
            self._removed_from_room(event.room, why, told=bool(released))

    def _dismiss(self, why: Lost) -> None:
        """End the session for good."""
        self.connected = False
        self._closing = True
        self._end_reason = why
        self._listener.dismissed(why)

    def _removes_me(self, event: Moderated) -> bool:
        """Return whether a moderator's command removed this user. One that removes users from the
        lobby ends their connections, and a notice tells that."""
        elsewhere = event.room != names.LOBBY
        is_me = names.key(event.user) == names.key(self.state.name)
        return (elsewhere and event.what in _REMOVING and is_me) or event.what == "remove"

    def _show(self, released: list[Incoming]) -> None:
        for incoming in released:
            self._listener.incoming(incoming)

    def _tell(self, text: str) -> None:
        self._listener.incoming(Incoming(Notice(text)))


def _removal_reason(line: bytes, prefix: str = "") -> Refusal:
    """Return the refusal for a removed user, made of the line that tells it to people."""
    why = line.decode().removeprefix("* ").rstrip("\n.")
    return Refusal(Code.NOT_IN_ROOM, f"{prefix}{why}.")
