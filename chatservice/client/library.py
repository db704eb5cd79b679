"""The library for authors of bots: a client of a server, without a person."""

import os
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from time import time
from typing import Any, TypeVar
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import names, replies
from chatservice.client.clientsession import WARNING, ClientSession
from chatservice.client.clientstate import INBOX, Incoming
from chatservice.client.connectors import (
    Connector,
    KnownServers,
    PlainConnector,
    TlsConnector,
    fingerprint,
    server_address,
    unreachable,
)
from chatservice.client.jsonconnection import Dismissed, Lost
from chatservice.client.transferjournal import state_folder
from chatservice.client.transferqueue import BotTransfers
from chatservice.entries import Entry
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import COMMANDS, Request
from chatservice.replies import History

BUFFERED_ENTRIES = 1000
"""Entries held in memory for a program that is slower than the room. What is more is read from the
server once it has dealt with those."""

BUFFERED_CHARACTERS = 16 << 20
"""The most that is held of a log that cannot be read from the server again: texts, and
`ENTRY_CHARACTERS` for each. A program that is so far behind is told that it is."""

ENTRY_CHARACTERS = 256
"""An entry in memory without its text, roughly."""

FetchPage = Callable[[int], Awaitable[History]]
"""Returns the first entries behind a position, `AHEAD` of them, or says that there are more."""


class Follower:
    """An asynchronous iterator over the entries of a log, each with its position: in their order
    and once, from when it is `opened`. What is not in memory comes from `page`. Where there is
    none, `HELD_CHARACTERS` of what is told are held. What is beyond ends it with `Refusal`
    (slow-down), once what is held was taken. `position` is that of the entry that was taken last.
    """

    def __init__(self, page: FetchPage | None) -> None:
        self.position = 0
        self._fetch_page = page
        self._newest = 0
        self._buffer: deque[tuple[int, Entry]] = deque()
        self._buffered_characters = 0
        self._must_fetch = False
        self._waiting: Deferred[None] | None = None
        self._rewinds = 0
        self._is_ended = False
        self._end_reason: BaseException | None = None

    def start(self, position: int, newest: int) -> None:
        """Begin behind `position`, in a log whose last one is `newest` so far."""
        self.position, self._newest = position, newest
        self._must_fetch = self._fetch_page is not None and newest > position
        self._wake()

    def rewind(self, position: int, newest: int) -> None:
        """The log is as it was up to `position`, and another one behind that, up to `newest`. What
        of the other one was told and not taken is gone."""
        self._buffer.clear()
        self._buffered_characters = 0
        self._rewinds += 1
        self.start(min(self.position, position), newest)

    def add(self, position: int, entry: Entry) -> None:
        """Something new is in the log."""
        if self._is_ended:
            return
        self._newest = max(self._newest, position)
        if self._fetch_page is not None and len(self._buffer) >= BUFFERED_ENTRIES:
            self._must_fetch = True
        if self._fetch_page is None:
            self._buffered_characters += _size(entry)
            if self._buffered_characters > BUFFERED_CHARACTERS:
                self.end(Refusal(Code.SLOW_DOWN, TOO_FAR_BEHIND))
                return
        if not self._must_fetch:
            self._buffer.append((position, entry))
        self._wake()

    def end(self, why: BaseException | None = None) -> None:
        """Nothing more will come. When all that is there was taken, `why` is raised; without it the
        iterator is exhausted."""
        if not self._is_ended:
            self._is_ended, self._end_reason = True, why
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def __aiter__(self) -> "Follower":
        return self

    async def __anext__(self) -> tuple[int, Entry]:
        """Return the next entry and its position."""
        while True:
            while self._buffer:
                position, entry = self._buffer.popleft()
                self._buffered_characters -= _size(entry) if self._fetch_page is None else 0
                if position > self.position:
                    self.position = position
                    return position, entry
            if self._is_ended:
                raise self._end_reason or StopAsyncIteration
            if self._must_fetch and self._fetch_page is not None:
                await self._fetch(self._fetch_page)
            else:
                self._waiting = Deferred()
                await self._waiting

    async def _fetch(self, page: FetchPage) -> None:
        """Read on from the server, until there is nothing that was not seen."""
        asked_at, put_back = self._newest, self._rewinds
        found = await page(self.position)
        if put_back != self._rewinds:  # it was asked for behind a position of the log before
            return
        entries = found.entries
        self._buffer.extend(entries)
        last = entries[-1][0] if entries else self.position
        if last >= self._newest:
            self._must_fetch = False
        elif len(entries) < BUFFERED_ENTRIES and not found.more and self._newest == asked_at:
            self._must_fetch = False  # what was there then is not kept any more


TOO_FAR_BEHIND = (
    f"More came than is held for a program that is slow ({BUFFERED_CHARACTERS >> 20} million "
    "characters): what came then is left out. Follow again, and take entries faster."
)


def _size(entry: Entry) -> int:
    return len(entry.text) + ENTRY_CHARACTERS


def call_for_each(follower: Follower, call: Callable[[int, Entry], Any]) -> "Deferred[None]":
    """Call `call` with each position and entry that comes, the next one when its result, which may
    be awaitable, is there. The Deferred fails with what it raised, or when nothing more can come;
    to cancel it ends that."""
    return Deferred.fromCoroutine(_call_for_each(follower, call))


async def _call_for_each(follower: Follower, call: Callable[[int, Entry], Any]) -> None:
    async for position, entry in follower:
        result = call(position, entry)
        if isinstance(result, Awaitable):
            await result


T = TypeVar("T")

TextCallback = Callable[[str], None]
"""Takes a text for a person: a sentence, or lines that tell how transfers stand."""


def connect(
    name: str,
    host: str = "localhost",
    port: int = 5555,
    *,
    password: str | None = None,
    tls: bool = False,
    trust: str | None = None,
    told: TextCallback = lambda sentence: None,
    progress: TextCallback = lambda lines: None,
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
    door: Connector = PlainConnector(reactor, host, port)
    known = KnownServers(state_folder())
    if tls or trust is not None:
        trusted = fingerprint(trust) if trust is not None else None
        door = TlsConnector(reactor, host, port, known, trusted, say)
    elif (warning := known.warning(server_address(host, port))) is not None:
        say(WARNING + warning)
    client = Client(reactor, door, say, progress)
    return Deferred.fromCoroutine(_sign_in(client, host, port, name, password))


async def _sign_in(
    client: "Client", host: str, port: int, name: str, password: str | None
) -> "Client":
    try:
        await client.session.open_connection()
    except Lost as lost:
        raise unreachable(host, port, lost) from None
    try:
        await client.session.sign_in(names.user(name), password)
    except BaseException:
        await client.close()
        raise
    return client


class Client:
    """A stay at a server; `connect` makes one. It is the listener of its `session`.

    A room is joined when it is used first; `join` does so with a password.
    """

    def __init__(
        self, reactor: Any, door: Connector, told: TextCallback, progress: TextCallback
    ) -> None:
        self.session = ClientSession(reactor, door, self, time, echo=True)
        self._told = told
        self._state = self.session.state
        self._joining: dict[str, list[Deferred[str]]] = {}
        self._acknowledgements: dict[str, list[Deferred[int]]] = defaultdict(list)
        self._followers: dict[str, list[Follower]] = defaultdict(list)
        self._transfers = BotTransfers(reactor, self.session, told, progress)

    @property
    def name(self) -> str:
        """Who one is."""
        return self._state.name

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
        self._acknowledgements[key].append(done)
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
            position = newest = self._state.inbox_position
        else:
            room = await self._ensure_joined(room)
            newest = self._state.rooms[room].position
            if after is not None and after > newest:
                self._told(
                    f"{WARNING}the log of {room} ends at #{newest}, before #{after}: it was put "
                    "back to an earlier state. All that is kept of it follows."
                )
                after = 0
            position = newest if after is None else after
        self._followers[room].append(follower)  # with nothing waited for since `newest` was read
        follower.start(position, newest)
        if room != INBOX:
            await self._remember_last_entry(room)

    async def _page(self, room: str, after: int) -> replies.History:
        found = await self.session.ask("history", room=room, after=after, limit=BUFFERED_ENTRIES)
        page: replies.History = found
        return page

    async def _remember_last_entry(self, room: str) -> None:
        """Remember the last entry of a room, by which it is seen whether its log is the same after
        a broken connection."""
        found = await self.session.ask("history", room=room, limit=1)
        cursor = self._state.rooms.get(room)
        for position, entry in found.entries:
            if cursor is not None and position <= cursor.position:
                cursor.remember(position, entry)

    def each(
        self, room: str, call: Callable[[int, Entry], Any], after: int | None = None
    ) -> "Deferred[None]":
        """Follow a room by calling `call` with each position and entry; the next one when its
        result, which may be a Deferred or a coroutine, is there. The Deferred fails with what it
        raised, or when one cannot come back to the server; to cancel it ends the following."""
        follower = self.follow(room, after)
        following = call_for_each(follower, call)
        following.addBoth(lambda result: self._unfollow(follower, result))
        return following

    def _unfollow(self, follower: Follower, result: T) -> T:
        for followers in self._followers.values():
            if follower in followers:
                followers.remove(follower)
        return result

    def rooms(self) -> "Deferred[tuple[replies.RoomInfo, ...]]":
        """Return the rooms that there are."""
        return Deferred.fromCoroutine(self.session.rooms.list_all())

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
        return self._transfers.begin(self._put(Path(path), room, to))

    async def _put(self, path: Path, room: str | None, to: str | None) -> None:
        where = await self._ensure_joined(room) if room is not None else ""
        await self._transfers.send(path, where, to)

    def get(self, room: str, name: str, folder: str | os.PathLike[str] = ".") -> "Deferred[Path]":
        """Fetch a file of the shelf of a room (`@`: one's own) into `folder`, and check it. The
        result is where it is: under another name, if one of that name was there already."""
        return self._transfers.begin(self._transfers.fetch(Path(folder), room, name))

    # -- rooms -----------------------------------------------------------------------------------

    def join(self, room: str, password: str | None = None) -> "Deferred[str]":
        """Be in a room, given by its name or its number. The result is its name."""
        return Deferred.fromCoroutine(self._ensure_joined(room, password))

    def leave(self, room: str) -> "Deferred[None]":
        """Be in a room no more."""
        return Deferred.fromCoroutine(self.session.rooms.leave(room))

    def _in_room(self, room: str, work: Callable[[str], Coroutine[Any, Any, T]]) -> "Deferred[T]":
        async def there() -> T:
            return await work(await self._ensure_joined(room))

        return Deferred.fromCoroutine(there())

    async def _ensure_joined(self, room: str, password: str | None = None) -> str:
        """Be in a room, and return its name. Who comes first is first to go on."""
        cursor = self._state.find(room)
        if cursor is not None:
            return cursor.room
        key, mine = names.key(room), Deferred[str]()
        first = key not in self._joining
        self._joining.setdefault(key, []).append(mine)
        if first:
            joining = Deferred.fromCoroutine(self.session.rooms.join("join", room, password))
            joining.addBoth(lambda result: self._join_done(key, result))
        return await mine

    def _join_done(self, key: str, result: replies.Joined | Failure) -> None:
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
            await self.session.all_acknowledged()
        self._transfers.stop()
        await self.session.close()
        self._end(None)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- what comes ------------------------------------------------------------------------------

    def incoming(self, news: Incoming) -> None:
        """Hand an entry on to those who follow its log."""
        if isinstance(news.item, Entry):
            for follower in tuple(self._followers[news.log]):
                follower.add(news.position, news.item)
        elif isinstance(news.item, Notice):
            self._told(news.item.text)

    def removed_from_room(self, room: str, why: Refusal, told: bool) -> None:
        """Tell those who follow the room that nothing more comes."""
        for follower in self._followers.pop(room, []):
            follower.end(why)

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """Let those who follow the room read it from there."""
        for follower in self._followers[room]:
            follower.rewind(after, newest)

    def said(self, key: str, request: Request) -> None:
        """It is waited for already."""

    def stored(self, key: str, position: int) -> None:
        """Tell who said something where it is."""
        for done in self._acknowledgements.pop(key, []):
            done.callback(position)

    def refused(self, refusal: Refusal, key: str | None = None) -> None:
        """Tell who said something that it is not stored."""
        waiting = self._acknowledgements.pop(key, []) if key is not None else []
        for done in waiting:
            done.errback(refusal)
        if not waiting:
            self._told(refusal.sentence)

    def answered(self, it: replies.Reply) -> None:
        """Who said something has got its position."""

    def unread_changed(self, room: str) -> None:
        """Nothing is kept unread for a program."""

    def dismissed(self, sentence: str) -> None:
        """Let nobody wait: one cannot come back."""
        Deferred.fromCoroutine(self.session.close())
        self._end(Dismissed(sentence))

    def _end(self, why: Lost | None) -> None:
        said, self._acknowledgements = self._acknowledgements, defaultdict(list)
        for done in (done for waiting in said.values() for done in waiting):
            done.errback(why or Lost("You have left."))
        for follower in (it for followers in self._followers.values() for it in followers):
            follower.end(why)
