"""A user's session at a server, over as many connections as it takes."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from chatservice import names, replies
from chatservice.client.clientrooms import ClientRooms
from chatservice.client.clientstate import INBOX, ClientState, Incoming, Unread
from chatservice.client.connectors import Connector
from chatservice.client.jsonconnection import BadAnswer, Dismissed, JsonConnection, Lost, ServerPush
from chatservice.errors import Code, Refusal
from chatservice.events import FINAL_ENDS, Moderated, Notice, PutOut
from chatservice.grammar import textformat
from chatservice.grammar.commands import Request
from chatservice.grammar.jsonclient import LogEntry
from chatservice.grammar.textparser import with_say_hint

FIRST_DELAY, LONGEST_DELAY, DELAY_GROWTH = 0.5, 30.0, 1.6
"""In seconds. A short break is over at once; and a server that comes back after a long one, with
all its users, is asked no more than twice a minute by each."""


def reconnect_delays(chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Return how long to wait before each attempt, for ever: longer and longer, and not quite
    regular, so that not everybody comes back at once. `chance` gives numbers from 0 to 1."""
    pause = FIRST_DELAY
    while True:
        yield pause * (0.75 + chance() / 2)
        pause = min(pause * DELAY_GROWTH, LONGEST_DELAY)


class SessionListener(Protocol):
    """Who is told what comes of itself. What one asks for is answered to who asks."""

    def incoming(self, news: Incoming) -> None:
        """Something is to be shown."""

    def answered(self, it: replies.Reply) -> None:
        """Something that was said has an answer worth showing."""

    def refused(self, refusal: Refusal, key: str | None = None) -> None:
        """Something that nobody waits for was refused; with a `key`, what was said with it."""

    def said(self, key: str, request: Request) -> None:
        """Something is said: `say`, `me` or `msg`. While there is no connection it waits."""

    def stored(self, key: str, position: int) -> None:
        """The text with `key` is stored, at that position of its log."""

    def unread_changed(self, room: str) -> None:
        """How much is unread in a room has changed, or which room is the current one."""

    def removed_from_room(self, room: str, why: Refusal, told: bool) -> None:
        """One is in a room no more, and did not leave it. `told` says that `why` was shown already,
        in this form or another."""

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """The log of a room is as it was up to position `after`, and another one behind that, up to
        `newest`: an operator has put back an earlier state of it."""

    def dismissed(self, sentence: str) -> None:
        """One cannot come back, for the reason that `sentence` tells."""


NAME_TAKEN_SECONDS = 300.0
"""So long it is tried to come back while the server refuses that for now (`_LATER`): it may not
have noticed yet that the old connection is gone, and the name is taken."""

OLD_MESSAGE_SECONDS = 60.0
"""A private message that is older when it comes is shown with its time."""

MAX_UNACKNOWLEDGED = 256
"""How much may be said ahead of its acknowledgement."""

WARNING = "Warning: "
"""The beginning of a sentence that a script tells, too, where nobody looks on."""

_REMOVING = frozenset({"kick", "ban"})
"""What somebody is put out of a room by."""

_TRY_LATER = frozenset({Code.NAME_TAKEN, Code.SLOW_DOWN, Code.TOO_MANY})
"""Refusals of who comes back that may be over in a moment."""


class ClientSession:
    """A user's stay at the server behind a `door`. `wall` tells seconds since 1970. `echo` is for a
    program: it is told its own talk too, and what comes in every room that it is in."""

    def __init__(
        self,
        reactor: Any,
        door: Connector,
        listener: SessionListener,
        wall: Callable[[], float],
        echo: bool = False,
    ) -> None:
        self.state = ClientState(echo)
        self.rooms = ClientRooms(self)
        self.connected = False
        self._reactor = reactor
        self.connect = door.connect
        self._listener = listener
        self.wall_clock = wall
        self._connection: JsonConnection | None = None
        self._reconnecting: Deferred[None] | None = None
        self._closing = False
        self._end_reason = Lost("You are leaving.")
        self._password: str | None = None
        self._ignored: set[str] = set()
        self._away_text = ""
        self._waiting_for_connection: list[Deferred[None]] = []
        self._waiting_for_acknowledgement: list[tuple[int, Deferred[None]]] = []

    # -- connections -----------------------------------------------------------------------------

    async def open_connection(self) -> None:
        """Connect. Raises `Lost`, and `Refusal` where the server is not the one it was."""
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
            self._reconnecting.addErrback(self._cannot_reconnect)

    async def _reconnect(self) -> None:
        began = self._reactor.seconds()
        for pause in reconnect_delays():
            await deferLater(self._reactor, pause)
            try:
                await self._resume()
                return
            except Lost:
                self._hang_up()
            except Refusal as refusal:
                self._hang_up()
                late = self._reactor.seconds() - began > NAME_TAKEN_SECONDS
                if refusal.code not in _TRY_LATER or late:
                    raise

    def _cannot_reconnect(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._dismiss(_refusal_of(failure).sentence)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.transport is not None:
            connection.transport.abortConnection()

    async def _resume(self) -> None:
        """Be again who one was, where one was."""
        here = self.state
        await self.open_connection()
        await self._hello(here.name, self._password, here.inbox_position)
        self._tell("Connected again.")
        if self._away_text:
            await self.ask_now("away", text=self._away_text)
        for user in tuple(self._ignored):
            await self.ask_now("ignore", user=user)
        for room, refusal in await self.rooms.rejoin_all():
            self._listener.removed_from_room(room, refusal, False)
        self.connected = True
        for key, request in tuple(here.unacknowledged.items()):
            self._send(key, request)
        self._resume_waiting()
        await self._fall_back()

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """The log of a room is as it was up to position `after`, and another one behind that, up to
        `newest`: say so, before that comes."""
        self._tell(
            f"{WARNING}the log of {room} was put back to an earlier state; all that is new behind "
            f"#{after} follows."
        )
        self._listener.log_rewound(room, after, newest)

    def _removed_from_room(self, room: str, why: Refusal, told: bool) -> None:
        """Somebody has put one out of a room; `told` says that this was shown already."""
        if room in self.state.rooms:
            self.state.room_left(room)
            self._listener.removed_from_room(room, why, told)
            falling = Deferred.fromCoroutine(self._fall_back())
            falling.addErrback(lambda failure: failure.trap(Lost, Refusal) and None)

    async def _fall_back(self) -> None:
        """Be in another room, if the current one is none any more."""
        unread = await self.rooms.fall_back()
        if unread is not None:
            self._listener.unread_changed(unread.room)
            self._tell(f"You are in {unread.room} now.")
            self._show(list(unread.items))

    def _resume_waiting(self) -> None:
        """Let those go on who waited for the connection, or for the end."""
        waiting, self._waiting_for_connection = self._waiting_for_connection, []
        for each in waiting:
            each.callback(None)

    async def close(self, farewell: str | None = None) -> None:
        """Leave. If there is a connection, that is once the server has stored what was said."""
        self._closing = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self.connected:
            with suppress(Lost, Refusal):  # one is gone, one way or another
                await self.ask_now("quit", text=farewell)
        self._hang_up()
        self._resume_waiting()

    # -- who one is ------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str | None = None) -> replies.Welcome:
        """Say who one is, for the first time. From then on one comes back when it is needed.

        Raises `Refusal`, and `Lost` where the server cannot be reached.
        """
        if self._connection is None:
            await self.open_connection()
        welcome = await self._hello(name, password, None)
        self.connected = True
        return welcome

    async def _hello(self, name: str, password: str | None, after: int | None) -> replies.Welcome:
        """Say who one is. A token takes the name over from all its other connections, which is
        right for a guest, who has but one; a registered name may be in several places."""
        here = self.state
        token = None if here.registered else here.token or None
        welcome: replies.Welcome = await self.ask_now(
            "hello", name=name, password=password, token=token, after=after
        )
        self._signed_in(name, welcome, password)
        if here.registered and welcome.inbox < (after or 0):
            self._tell(
                f"{WARNING}your inbox was put back to an earlier state; something that was sent to "
                "you meanwhile may not be shown."
            )
        return welcome

    def _signed_in(self, name: str, welcome: replies.Welcome, password: str | None) -> None:
        """Be who one wanted to be. Files are saved in a folder of that name, so it is never another
        one that a server likes better. Raises `Refusal`."""
        if names.key(welcome.name) != names.key(name):
            raise BadAnswer
        self.state.signed_in(welcome)
        self._password = password if welcome.registered else None

    async def change_name(self, name: str, password: str | None = None) -> replies.Welcome:
        """Take another name, with a password if it is a registered one."""
        await self.all_acknowledged()
        if password is None:
            welcome = await self.ask("nick", name=name)
        else:
            welcome = await self.ask("login", name=name, password=password)
        self._signed_in(name, welcome, password)
        return welcome  # type: ignore[no-any-return]

    async def register(self, password: str, code: str | None = None) -> replies.Reply:
        """Keep one's name, with a password, and a code where one is needed."""
        done: replies.Reply = await self.ask("register", password=password, code=code)
        self._password = password
        self.state.registered = True
        return done

    async def change_password(self, old: str, new: str) -> replies.Reply:
        """Have another password."""
        done: replies.Reply = await self.ask("password", old=old, new=new)
        if self._password == old:  # and not a token
            self._password = new
        return done

    async def set_away(self, text: str | None) -> replies.Reply:
        """Say why one is away, or that one is back."""
        done: replies.Reply = await self.ask("away", text=text)
        self._away_text = text or ""
        return done

    async def toggle_ignored(self, user: str) -> replies.Reply:
        """Hide what a user says, or show it again."""
        done: replies.Reply = await self.ask("ignore", user=user)
        self._ignored ^= {names.key(user)}
        return done

    # -- asking ----------------------------------------------------------------------------------

    async def ask(self, name: str, /, **args: Any) -> Any:
        """Ask for something and return the answer. Raises `Refusal`.

        While there is no connection it waits for one; and it asks again, where the connection broke
        before the answer came. Raises `Lost` only when one is leaving.
        """
        while not self._closing:
            if not self.connected:
                waiting: Deferred[None] = Deferred()
                self._waiting_for_connection.append(waiting)
                await waiting
                continue
            try:
                return await self.ask_now(name, **args)
            except Lost:
                continue
        raise self._end_reason

    async def ask_now(self, name: str, /, **args: Any) -> Any:
        """Ask for something on the connection that there is. Raises `Refusal`, and `Lost`."""
        if self._connection is None:
            raise Lost("There is no connection.")
        return await self._connection.ask(name, **args)

    # -- rooms -----------------------------------------------------------------------------------

    async def switch(self, room: str) -> Unread:
        """Make another room the current one, of those that one is in, given by its name or its
        number. Return what is unread there. Raises `Refusal`."""
        return await self.rooms.switch(room)

    def unread_count(self, room: str) -> int:
        """Return how many entries of others are unread in a room."""
        cursor = self.state.rooms.get(room)
        return cursor.unread if cursor is not None else 0

    # -- talk ------------------------------------------------------------------------------------

    async def say(self, request: Request) -> None:
        """Say something: `say`, `me` or `msg`. It will be stored, whatever becomes of connections.

        It returns at once, unless very much is unacknowledged.
        """
        key, keyed = self.state.say(request)
        self._listener.said(key, keyed)
        if self.connected:
            self._send(key, keyed)
        await self._fewer_unacknowledged(MAX_UNACKNOWLEDGED)

    def all_acknowledged(self) -> "Deferred[None]":
        """Return a Deferred that is called back once all that was said is stored, or refused."""
        return self._fewer_unacknowledged(1)

    def _fewer_unacknowledged(self, count: int) -> "Deferred[None]":
        done: Deferred[None] = Deferred()
        self._waiting_for_acknowledgement.append((count, done))
        self._check_acknowledged()
        return done

    def _check_acknowledged(self) -> None:
        left = len(self.state.unacknowledged)
        for count, done in [pair for pair in self._waiting_for_acknowledgement if left < pair[0]]:
            self._waiting_for_acknowledgement.remove((count, done))
            done.callback(None)

    def _send(self, key: str, request: Request) -> None:
        asking = Deferred.fromCoroutine(self.ask_now(request.command.name, **request.args))
        asking.addCallbacks(self._stored, self._not_stored, (key,), errbackArgs=(key,))

    def _stored(self, it: replies.Stored | replies.PrivateSent, key: str) -> None:
        after = self.state.stored(key, it.seq)
        self._listener.stored(key, it.seq)
        self._show(after)
        self._listener.answered(it)
        self._check_acknowledged()

    def _not_stored(self, failure: Failure, key: str) -> None:
        if failure.check(Lost):
            return  # it will be said again
        refusal, request = _refusal_of(failure), self.state.unacknowledged[key]
        self._show(self.state.refused(key))
        self._listener.refused(with_say_hint(refusal, request.bare), key)
        self._check_acknowledged()
        if refusal.code is Code.NOT_IN_ROOM:
            cursor = self.state.find(request.args.get("room", ""))
            self._removed_from_room(cursor.room if cursor is not None else "", refusal, True)

    # -- what happens ----------------------------------------------------------------------------

    def _pushed(self, it: ServerPush) -> None:
        """Take in what the server tells without being asked."""
        self._show(self._items_of(it))

    def _items_of(self, it: ServerPush) -> list[Incoming]:
        if isinstance(it, LogEntry):
            position, entry, log = it
            late = log == INBOX and self.wall_clock() - entry.time / 1000 > OLD_MESSAGE_SECONDS
            before = self.unread_count(log)
            news = self.state.entry_received(position, entry, log, late)
            if self.unread_count(log) != before:
                self._listener.unread_changed(log)
            return news
        if isinstance(it, Refusal):
            self._listener.refused(it)
            return []
        if isinstance(it, Notice) and it.end in FINAL_ENDS:
            self._dismiss(it.text)
            return []
        if isinstance(it, PutOut):
            self._removed_from_room(it.room, _removal_reason(textformat.event(it)), False)
            return []
        news = self.state.event_received(it)
        if isinstance(it, Moderated) and self._removes_me(it):
            self._show(news)
            why = _removal_reason(textformat.event(it), f"You were put out of {it.room}: ")
            self._removed_from_room(it.room, why, told=bool(news))
            return []
        return news

    def _dismiss(self, why: str) -> None:
        """The server does not want one back."""
        self.connected = False
        self._closing = True
        self._end_reason = Dismissed(why)
        self._listener.dismissed(why)

    def _removes_me(self, event: Moderated) -> bool:
        """Return whether one is not in a room any more because of what was done there. Out of the
        lobby is off the server, which ends the connection and says so."""
        elsewhere = event.room != names.LOBBY
        to_me = elsewhere and event.what in _REMOVING and self._is_own_name(event.user)
        return to_me or event.what == "remove"

    def _is_own_name(self, user: str) -> bool:
        return names.key(user) == names.key(self.state.name)

    def _show(self, news: list[Incoming]) -> None:
        for each in news:
            self._listener.incoming(each)

    def _tell(self, text: str) -> None:
        self._listener.incoming(Incoming(Notice(text)))


def _removal_reason(line: bytes, before: str = "") -> Refusal:
    """Return why one is not in a room any more, of the line that tells it to people, with words
    `before` it."""
    why = line.decode().removeprefix("* ").rstrip("\n.")
    return Refusal(Code.NOT_IN_ROOM, f"{before}{why}.")


def _refusal_of(failure: Failure) -> Refusal:
    """Return the refusal in a failure. Raises what is none."""
    failure.trap(Refusal)
    assert isinstance(failure.value, Refusal)
    return failure.value
