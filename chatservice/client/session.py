"""One stay at a server, over as many connections as that takes.

When a connection breaks, another one is made, after pauses that grow. It says who one is, goes
back to every room, behind the last position that was taken in there, and repeats what was said but
not acknowledged, with the keys it was said with. So nothing is shown twice or left out, and nothing
is said twice or lost. Whatever else is asked meanwhile waits until one is back.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from chatservice import names, replies
from chatservice.client.connection import ChatConnection, Dismissed, Happening, Lost, Strange
from chatservice.client.conversation import INBOX, Conversation
from chatservice.client.cursor import News, Unread
from chatservice.client.doors import Door
from chatservice.client.listener import Listener
from chatservice.client.pauses import pauses
from chatservice.client.rooms import Rooms
from chatservice.errors import Code, Refusal
from chatservice.events import FINAL_ENDS, Moderated, Notice, PutOut
from chatservice.grammar import textformat
from chatservice.grammar.commands import Request
from chatservice.grammar.jsonclient import LogEntry
from chatservice.grammar.textparser import with_say_hint

TAKEN_SECONDS = 300.0
"""So long it is tried to come back while the server refuses that for now (`_LATER`): it may not
have noticed yet that the old connection is gone, and the name is taken."""

OLD_SECONDS = 60.0
"""A private message that is older when it comes is shown with its time."""

UNACKNOWLEDGED = 256
"""How much may be said ahead of its acknowledgement."""

WARNING = "Warning: "
"""The beginning of a sentence that a script tells, too, where nobody looks on."""

_PUT_OUT = frozenset({"kick", "ban"})
"""What somebody is put out of a room by."""

_LATER = frozenset({Code.NAME_TAKEN, Code.SLOW_DOWN, Code.TOO_MANY})
"""Refusals of who comes back that may be over in a moment."""


class Session:
    """A user's stay at the server behind a `door`. `wall` tells seconds since 1970. `echo` is for a
    program: it is told its own talk too, and what comes in every room that it is in."""

    def __init__(
        self,
        reactor: Any,
        door: Door,
        listener: Listener,
        wall: Callable[[], float],
        echo: bool = False,
    ) -> None:
        self.conversation = Conversation(echo)
        self.rooms = Rooms(self)
        self.connected = False
        self._reactor = reactor
        self.connect = door.connect
        self._listener = listener
        self.wall = wall
        self._connection: ChatConnection | None = None
        self._returning: Deferred[None] | None = None
        self._leaving = False
        self._over = Lost("You are leaving.")
        self._password: str | None = None
        self._ignored: set[str] = set()
        self._away = ""
        self._offline: list[Deferred[None]] = []
        self._fewer: list[tuple[int, Deferred[None]]] = []

    # -- connections -----------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect. Raises `Lost`, and `Refusal` where the server is not the one it was."""
        make = lambda: ChatConnection(self._reactor, self._happened)  # noqa: E731
        connection = await self.connect(make)
        self._connection = connection
        connection.gone.addCallback(lambda _: self._gone(connection))

    def _gone(self, connection: ChatConnection) -> None:
        if self._connection is not connection:
            return
        self._connection = None
        self.conversation.broke()
        if self.connected and not self._leaving:
            self.connected = False
            self._tell("Connection lost; trying again.")
            self._returning = Deferred.fromCoroutine(self._come_back())
            self._returning.addErrback(self._cannot_come_back)

    async def _come_back(self) -> None:
        began = self._reactor.seconds()
        for pause in pauses():
            await deferLater(self._reactor, pause)
            try:
                await self._resume()
                return
            except Lost:
                self._hang_up()
            except Refusal as refusal:
                self._hang_up()
                late = self._reactor.seconds() - began > TAKEN_SECONDS
                if refusal.code not in _LATER or late:
                    raise

    def _cannot_come_back(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._end_for_good(_refusal(failure).sentence)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.transport is not None:
            connection.transport.abortConnection()

    async def _resume(self) -> None:
        """Be again who one was, where one was."""
        here = self.conversation
        await self.open()
        await self._hello(here.name, self._password, here.inbox_position)
        self._tell("Connected again.")
        if self._away:
            await self.ask_now("away", text=self._away)
        for user in tuple(self._ignored):
            await self.ask_now("ignore", user=user)
        for room, refusal in await self.rooms.resume():
            self._listener.put_out(room, refusal, False)
        self.connected = True
        for key, request in tuple(here.unacknowledged.items()):
            self._send(key, request)
        self._let_go()
        await self._fall_back()

    def put_back(self, room: str, after: int, newest: int) -> None:
        """The log of a room is as it was up to position `after`, and another one behind that, up to
        `newest`: say so, before that comes."""
        self._tell(
            f"{WARNING}the log of {room} was put back to an earlier state; all that is new behind "
            f"#{after} follows."
        )
        self._listener.put_back(room, after, newest)

    def _put_out(self, room: str, why: Refusal, told: bool) -> None:
        """Somebody has put one out of a room; `told` says that this was shown already."""
        if room in self.conversation.cursors:
            self.conversation.left(room)
            self._listener.put_out(room, why, told)
            falling = Deferred.fromCoroutine(self._fall_back())
            falling.addErrback(lambda failure: failure.trap(Lost, Refusal) and None)

    async def _fall_back(self) -> None:
        """Be in another room, if the current one is none any more."""
        unread = await self.rooms.fall_back()
        if unread is not None:
            self._listener.unread(unread.room)
            self._tell(f"You are in {unread.room} now.")
            self._show(list(unread.news))

    def _let_go(self) -> None:
        """Let those go on who waited for the connection, or for the end."""
        waiting, self._offline = self._offline, []
        for each in waiting:
            each.callback(None)

    async def close(self, farewell: str | None = None) -> None:
        """Leave. If there is a connection, that is once the server has stored what was said."""
        self._leaving = True
        if self._returning is not None:
            self._returning.cancel()
        if self.connected:
            with suppress(Lost, Refusal):  # one is gone, one way or another
                await self.ask_now("quit", text=farewell)
        self._hang_up()
        self._let_go()

    # -- who one is ------------------------------------------------------------------------------

    async def enter(self, name: str, password: str | None = None) -> replies.Welcome:
        """Say who one is, for the first time. From then on one comes back when it is needed.

        Raises `Refusal`, and `Lost` where the server cannot be reached.
        """
        if self._connection is None:
            await self.open()
        welcome = await self._hello(name, password, None)
        self.connected = True
        return welcome

    async def _hello(self, name: str, password: str | None, after: int | None) -> replies.Welcome:
        """Say who one is. A token takes the name over from all its other connections, which is
        right for a guest, who has but one; a registered name may be in several places."""
        here = self.conversation
        token = None if here.registered else here.token or None
        welcome: replies.Welcome = await self.ask_now(
            "hello", name=name, password=password, token=token, after=after
        )
        self._became(name, welcome, password)
        if here.registered and welcome.inbox < (after or 0):
            self._tell(
                f"{WARNING}your inbox was put back to an earlier state; something that was sent to "
                "you meanwhile may not be shown."
            )
        return welcome

    def _became(self, name: str, welcome: replies.Welcome, password: str | None) -> None:
        """Be who one wanted to be. Files are saved in a folder of that name, so it is never another
        one that a server likes better. Raises `Refusal`."""
        if names.key(welcome.name) != names.key(name):
            raise Strange
        self.conversation.entered(welcome)
        self._password = password if welcome.registered else None

    async def become(self, name: str, password: str | None = None) -> replies.Welcome:
        """Take another name, with a password if it is a registered one."""
        await self.acknowledged()
        if password is None:
            welcome = await self.ask("nick", name=name)
        else:
            welcome = await self.ask("login", name=name, password=password)
        self._became(name, welcome, password)
        return welcome  # type: ignore[no-any-return]

    async def register(self, password: str, code: str | None = None) -> replies.Reply:
        """Keep one's name, with a password, and a code where one is needed."""
        done: replies.Reply = await self.ask("register", password=password, code=code)
        self._password = password
        self.conversation.registered = True
        return done

    async def change_password(self, old: str, new: str) -> replies.Reply:
        """Have another password."""
        done: replies.Reply = await self.ask("password", old=old, new=new)
        if self._password == old:  # and not a token
            self._password = new
        return done

    async def away(self, text: str | None) -> replies.Reply:
        """Say why one is away, or that one is back."""
        done: replies.Reply = await self.ask("away", text=text)
        self._away = text or ""
        return done

    async def ignore(self, user: str) -> replies.Reply:
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
        while not self._leaving:
            if not self.connected:
                waiting: Deferred[None] = Deferred()
                self._offline.append(waiting)
                await waiting
                continue
            try:
                return await self.ask_now(name, **args)
            except Lost:
                continue
        raise self._over

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

    def unread(self, room: str) -> int:
        """Return how many entries of others are unread in a room."""
        cursor = self.conversation.cursors.get(room)
        return cursor.unread if cursor is not None else 0

    # -- talk ------------------------------------------------------------------------------------

    async def say(self, request: Request) -> None:
        """Say something: `say`, `me` or `msg`. It will be stored, whatever becomes of connections.

        It returns at once, unless very much is unacknowledged.
        """
        key, keyed = self.conversation.say(request)
        self._listener.said(key, keyed)
        if self.connected:
            self._send(key, keyed)
        await self._until_fewer_than(UNACKNOWLEDGED)

    def acknowledged(self) -> "Deferred[None]":
        """Return a Deferred that is called back once all that was said is stored, or refused."""
        return self._until_fewer_than(1)

    def _until_fewer_than(self, count: int) -> "Deferred[None]":
        done: Deferred[None] = Deferred()
        self._fewer.append((count, done))
        self._count()
        return done

    def _count(self) -> None:
        left = len(self.conversation.unacknowledged)
        for count, done in [pair for pair in self._fewer if left < pair[0]]:
            self._fewer.remove((count, done))
            done.callback(None)

    def _send(self, key: str, request: Request) -> None:
        asking = Deferred.fromCoroutine(self.ask_now(request.command.name, **request.args))
        asking.addCallbacks(self._stored, self._not_stored, (key,), errbackArgs=(key,))

    def _stored(self, it: replies.Stored | replies.PrivateSent, key: str) -> None:
        after = self.conversation.stored(key, it.seq)
        self._listener.stored(key, it.seq)
        self._show(after)
        self._listener.answered(it)
        self._count()

    def _not_stored(self, failure: Failure, key: str) -> None:
        if failure.check(Lost):
            return  # it will be said again
        refusal, request = _refusal(failure), self.conversation.unacknowledged[key]
        self._show(self.conversation.refused(key))
        self._listener.refused(with_say_hint(refusal, request.bare), key)
        self._count()
        if refusal.code is Code.NOT_IN_ROOM:
            cursor = self.conversation.find(request.args.get("room", ""))
            self._put_out(cursor.room if cursor is not None else "", refusal, True)

    # -- what happens ----------------------------------------------------------------------------

    def _happened(self, it: Happening) -> None:
        """Take in what the server tells without being asked."""
        self._show(self._news_of(it))

    def _news_of(self, it: Happening) -> list[News]:
        if isinstance(it, LogEntry):
            position, entry, log = it
            late = log == INBOX and self.wall() - entry.time / 1000 > OLD_SECONDS
            before = self.unread(log)
            news = self.conversation.came(position, entry, log, late)
            if self.unread(log) != before:
                self._listener.unread(log)
            return news
        if isinstance(it, Refusal):
            self._listener.refused(it)
            return []
        if isinstance(it, Notice) and it.end in FINAL_ENDS:
            self._end_for_good(it.text)
            return []
        if isinstance(it, PutOut):
            self._put_out(it.room, _out(textformat.event(it)), False)
            return []
        news = self.conversation.happened(it)
        if isinstance(it, Moderated) and self._puts_out(it):
            self._show(news)
            why = _out(textformat.event(it), f"You were put out of {it.room}: ")
            self._put_out(it.room, why, told=bool(news))
            return []
        return news

    def _end_for_good(self, why: str) -> None:
        """The server does not want one back."""
        self.connected = False
        self._leaving = True
        self._over = Dismissed(why)
        self._listener.ended(why)

    def _puts_out(self, event: Moderated) -> bool:
        """Return whether one is not in a room any more because of what was done there. Out of the
        lobby is off the server, which ends the connection and says so."""
        elsewhere = event.room != names.LOBBY
        to_me = elsewhere and event.what in _PUT_OUT and self._is_me(event.user)
        return to_me or event.what == "remove"

    def _is_me(self, user: str) -> bool:
        return names.key(user) == names.key(self.conversation.name)

    def _show(self, news: list[News]) -> None:
        for each in news:
            self._listener.news(each)

    def _tell(self, text: str) -> None:
        self._listener.news(News(Notice(text)))


def _out(line: bytes, before: str = "") -> Refusal:
    """Return why one is not in a room any more, of the line that tells it to people, with words
    `before` it."""
    why = line.decode().removeprefix("* ").rstrip("\n.")
    return Refusal(Code.NOT_IN_ROOM, f"{before}{why}.")


def _refusal(failure: Failure) -> Refusal:
    """Return the refusal in a failure. Raises what is none."""
    failure.trap(Refusal)
    assert isinstance(failure.value, Refusal)
    return failure.value
