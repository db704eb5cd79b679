"""The library for a bot's author: a client of a server, without a person.

Whatever takes time returns a Deferred, which can be awaited in a coroutine as well. Each fails with
`Refusal` where the server refuses (its `code` is for programs, its `sentence` for people), and with
`Lost` where it cannot be reached, or one has left. A connection that breaks is made again, and all
goes on where it was: nothing is said twice, and nothing that is followed is left out.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import time
from typing import Any, TypeVar
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import names, replies
from chatservice.client.connection import Dismissed, Lost
from chatservice.client.conversation import INBOX
from chatservice.client.cursor import News
from chatservice.client.doors import Door, Open, unreachable
from chatservice.client.following import AHEAD, Follower, each
from chatservice.client.known import Known, fingerprint, place_of
from chatservice.client.moving import Moving
from chatservice.client.session import WARNING, Session
from chatservice.client.tls import Secure
from chatservice.client.unfinished import state_folder
from chatservice.entries import Entry
from chatservice.errors import Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import COMMANDS, Request

T = TypeVar("T")

Shown = Callable[[str], None]
"""Takes a text for a person: a sentence, or lines that tell how transfers stand."""


def connect(
    name: str,
    host: str = "localhost",
    port: int = 5555,
    *,
    password: str | None = None,
    tls: bool = False,
    trust: str | None = None,
    told: Shown = lambda sentence: None,
    progress: Shown = lambda lines: None,
    reactor: Any = None,
) -> "Deferred[Client]":
    """Connect to a server, and be `name` there.

    `password` is that of a registered name, or a token. With `tls` the certificate must be one that
    an authority vouches for, or that was seen there first; `trust` is the SHA-256 fingerprint that
    it must have. `told` gets what a person might want to know, such as that the connection broke;
    `progress` how transfers stand. `reactor` is Twisted's, if none is given.
    """
    if reactor is None:
        from twisted.internet import reactor
    say = lambda sentence: told(names.clean(sentence))  # noqa: E731
    door: Door = Open(reactor, host, port)
    known = Known(state_folder())
    if tls or trust is not None:
        trusted = fingerprint(trust) if trust is not None else None
        door = Secure(reactor, host, port, known, trusted, say)
    elif (warning := known.warning(place_of(host, port))) is not None:
        say(WARNING + warning)
    client = Client(reactor, door, say, progress)
    return Deferred.fromCoroutine(_enter(client, host, port, name, password))


async def _enter(
    client: "Client", host: str, port: int, name: str, password: str | None
) -> "Client":
    try:
        await client.session.open()
    except Lost as lost:
        raise unreachable(host, port, lost) from None
    try:
        await client.session.enter(names.user(name), password)
    except BaseException:
        await client.close()
        raise
    return client


class Client:
    """A stay at a server; `connect` makes one. It is the listener of its `session`.

    A room is joined when it is used first; `join` does so with a password.
    """

    def __init__(self, reactor: Any, door: Door, told: Shown, progress: Shown) -> None:
        self.session = Session(reactor, door, self, time, echo=True)
        self._told = told
        self._here = self.session.conversation
        self._joining: dict[str, list[Deferred[str]]] = {}
        self._said: dict[str, list[Deferred[int]]] = defaultdict(list)
        self._followers: dict[str, list[Follower]] = defaultdict(list)
        self._moving = Moving(reactor, self.session, told, progress)

    @property
    def name(self) -> str:
        """Who one is."""
        return self._here.name

    # -- talk ------------------------------------------------------------------------------------

    def say(self, room: str, text: str, key: str | None = None) -> "Deferred[int]":
        """Say a text, of one line or several. The result is its position, once it is stored. What
        is said again with the same `key` within a day is not said twice."""
        return self._in_room(room, lambda it: self._post("say", key, room=it, text=text))

    def me(self, room: str, text: str, key: str | None = None) -> "Deferred[int]":
        """Show what one does: `~ bot waves`. The result is as that of `say`."""
        return self._in_room(room, lambda it: self._post("me", key, room=it, text=text))

    def msg(self, user: str, text: str, key: str | None = None) -> "Deferred[int]":
        """Write to a user privately. The result is the position in their inbox."""
        return Deferred.fromCoroutine(self._post("msg", key, to=user, text=text))

    async def _post(self, command: str, key: str | None, **args: str) -> int:
        key, done = key or uuid4().hex, Deferred[int]()
        self._said[key].append(done)
        await self.session.say(Request(COMMANDS[command], {**args, "key": key}))
        return await done

    # -- reading ---------------------------------------------------------------------------------

    def follow(self, room: str, after: int | None = None) -> Follower:
        """Return an asynchronous iterator over the entries of a room, each with its position: those
        behind position `after`, then what comes; without it, only what comes. `@` is one's inbox,
        of which only what comes is there. It raises `Refusal` where one is not let in, or is put
        out."""
        follower = Follower(None if room == INBOX else lambda behind: self._page(room, behind))
        opening = Deferred.fromCoroutine(self._open(follower, room, after))
        opening.addErrback(lambda failure: follower.end(failure.value))
        return follower

    async def _open(self, follower: Follower, room: str, after: int | None) -> None:
        if room == INBOX:
            position = newest = self._here.inbox_position
        else:
            room = await self._entered(room)
            newest = self._here.cursors[room].position
            if after is not None and after > newest:
                self._told(
                    f"{WARNING}the log of {room} ends at #{newest}, before #{after}: it was put "
                    "back to an earlier state. All that is kept of it follows."
                )
                after = 0
            position = newest if after is None else after
        self._followers[room].append(follower)  # with nothing waited for since `newest` was read
        follower.opened(position, newest)
        if room != INBOX:
            await self._see_the_last(room)

    async def _page(self, room: str, after: int) -> replies.History:
        found = await self.session.ask("history", room=room, after=after, limit=AHEAD)
        page: replies.History = found
        return page

    async def _see_the_last(self, room: str) -> None:
        """Remember the last entry of a room, by which it is seen whether its log is the same after
        a broken connection."""
        found = await self.session.ask("history", room=room, limit=1)
        cursor = self._here.cursors.get(room)
        for position, entry in found.entries:
            if cursor is not None and position <= cursor.position:
                cursor.note(position, entry)

    def each(
        self, room: str, call: Callable[[int, Entry], Any], after: int | None = None
    ) -> "Deferred[None]":
        """Follow a room by calling `call` with each position and entry; the next one when its
        result, which may be a Deferred or a coroutine, is there. The Deferred fails with what it
        raised, or when one cannot come back to the server; to cancel it ends the following."""
        follower = self.follow(room, after)
        following = each(follower, call)
        following.addBoth(lambda result: self._unfollow(follower, result))
        return following

    def _unfollow(self, follower: Follower, result: T) -> T:
        for followers in self._followers.values():
            if follower in followers:
                followers.remove(follower)
        return result

    def rooms(self) -> "Deferred[tuple[replies.RoomInfo, ...]]":
        """Return the rooms that there are."""
        return Deferred.fromCoroutine(self.session.rooms.all())

    def who(self, room: str) -> "Deferred[tuple[replies.Member, ...]]":
        """Return who is in a room."""
        return Deferred.fromCoroutine(self._field("users", "who", room=room))

    def files(self, room: str) -> "Deferred[tuple[replies.FileInfo, ...]]":
        """Return what is on the shelf of a room; `@` is one's own."""
        return Deferred.fromCoroutine(self._field("files", "files", room=room))

    async def _field(self, field: str, command: str, /, **args: Any) -> Any:
        return getattr(await self.session.ask(command, **args), field)

    def ask(self, command: str, /, **args: Any) -> "Deferred[Any]":
        """Ask for anything else that docs/protocol.md lists, with the fields that stand there. The
        result is an object of `chatservice.replies`, with the fields of the answer."""
        return Deferred.fromCoroutine(self.session.ask(command, **args))

    # -- files -----------------------------------------------------------------------------------

    def put(
        self, path: str | os.PathLike[str], room: str | None = None, to: str | None = None
    ) -> "Deferred[None]":
        """Send the file at `path` to a room, or `to` one user. What an earlier attempt had sent of
        it is not sent again."""
        if (room is None) == (to is None):
            raise TypeError("a file is for a room, or for a user")
        return self._moving.begin(self._put(Path(path), room, to))

    async def _put(self, path: Path, room: str | None, to: str | None) -> None:
        where = await self._entered(room) if room is not None else ""
        await self._moving.send(path, where, to)

    def get(self, room: str, name: str, folder: str | os.PathLike[str] = ".") -> "Deferred[Path]":
        """Fetch a file of the shelf of a room (`@`: one's own) into `folder`, and check it. The
        result is where it is: under another name, if one of that name was there already."""
        return self._moving.begin(self._moving.fetch(Path(folder), room, name))

    # -- rooms -----------------------------------------------------------------------------------

    def join(self, room: str, password: str | None = None) -> "Deferred[str]":
        """Be in a room, given by its name or its number. The result is its name."""
        return Deferred.fromCoroutine(self._entered(room, password))

    def leave(self, room: str) -> "Deferred[None]":
        """Be in a room no more."""
        return Deferred.fromCoroutine(self.session.rooms.leave(room))

    def _in_room(self, room: str, work: Callable[[str], Coroutine[Any, Any, T]]) -> "Deferred[T]":
        async def there() -> T:
            return await work(await self._entered(room))

        return Deferred.fromCoroutine(there())

    async def _entered(self, room: str, password: str | None = None) -> str:
        """Be in a room, and return its name. Who comes first is first to go on."""
        cursor = self._here.find(room)
        if cursor is not None:
            return cursor.room
        key, mine = names.key(room), Deferred[str]()
        first = key not in self._joining
        self._joining.setdefault(key, []).append(mine)
        if first:
            joining = Deferred.fromCoroutine(self.session.rooms.join("join", room, password))
            joining.addBoth(lambda result: self._came(key, result))
        return await mine

    def _came(self, key: str, result: replies.Joined | Failure) -> None:
        for waiting in self._joining.pop(key):
            if isinstance(result, Failure):
                waiting.errback(result)
            else:
                waiting.callback(result.room)

    def close(self) -> "Deferred[None]":
        """Leave, once what was said is stored. Transfers are ended, and so is following."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self.session.connected:
            await self.session.acknowledged()
        self._moving.stop()
        await self.session.close()
        self._end(None)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- what comes ------------------------------------------------------------------------------

    def news(self, news: News) -> None:
        """Hand an entry on to those who follow its log."""
        if isinstance(news.it, Entry):
            for follower in tuple(self._followers[news.log]):
                follower.tell(news.position, news.it)
        elif isinstance(news.it, Notice):
            self._told(news.it.text)

    def put_out(self, room: str, why: Refusal, told: bool) -> None:
        """Tell those who follow the room that nothing more comes."""
        for follower in self._followers.pop(room, []):
            follower.end(why)

    def put_back(self, room: str, after: int, newest: int) -> None:
        """Let those who follow the room read it from there."""
        for follower in self._followers[room]:
            follower.put_back(after, newest)

    def said(self, key: str, request: Request) -> None:
        """It is waited for already."""

    def stored(self, key: str, position: int) -> None:
        """Tell who said something where it is."""
        for done in self._said.pop(key, []):
            done.callback(position)

    def refused(self, refusal: Refusal, key: str | None = None) -> None:
        """Tell who said something that it is not stored."""
        waiting = self._said.pop(key, []) if key is not None else []
        for done in waiting:
            done.errback(refusal)
        if not waiting:
            self._told(refusal.sentence)

    def answered(self, it: replies.Reply) -> None:
        """Who said something has got its position."""

    def unread(self, room: str) -> None:
        """Nothing is kept unread for a program."""

    def ended(self, sentence: str) -> None:
        """Let nobody wait: one cannot come back."""
        Deferred.fromCoroutine(self.session.close())
        self._end(Dismissed(sentence))

    def _end(self, why: Lost | None) -> None:
        said, self._said = self._said, defaultdict(list)
        for done in (done for waiting in said.values() for done in waiting):
            done.errback(why or Lost("You have left."))
        for follower in (it for followers in self._followers.values() for it in followers):
            follower.end(why)
