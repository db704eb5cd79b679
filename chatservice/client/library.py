"""The library for authors of bots: a client of a server, without a person.

Methods that take time return a Deferred, which a coroutine may await. It fails with `Refusal` if
the server refuses (`code` is for programs, `sentence` for people), and with `Lost` if the server
cannot be reached or the client is closed. The client reconnects by itself: no text is stored
twice, and no entry of a followed log is missed.
"""

import os
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import names, replies
from chatservice.client.clientsession import ClientSession, SessionListener
from chatservice.client.clientstate import INBOX, Incoming
from chatservice.client.condition import Condition
from chatservice.client.connectors import WARNING
from chatservice.client.filetransfers import ClientTransfers
from chatservice.client.jsonconnection import Lost
from chatservice.client.severalservers import Connects, connector_to
from chatservice.client.transferconnection import Progress
from chatservice.client.transferjournal import state_folder
from chatservice.entries import COPY_KINDS, Entry
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request
from chatservice.replies import History

BUFFERED_ENTRIES = 1000
"""Entries in memory for a program that is slower than the room. Further ones are read from the
server when the program has taken these."""

BUFFERED_CHARACTERS = 16 << 20
"""The buffer for a log that cannot be read again: characters of texts, and `ENTRY_CHARACTERS` for
each entry. A program that is further behind gets a refusal."""

ENTRY_CHARACTERS = 256
"""The approximate memory of an entry without its text."""

TOO_FAR_BEHIND = (
    f"More than {BUFFERED_CHARACTERS >> 20} million characters were waiting for this program, so "
    "later entries are left out. Follow again, and take entries faster."
)

P = ParamSpec("P")
T = TypeVar("T")

FetchPage = Callable[[int], Awaitable[History]]
"""Returns the first entries behind a position, of all kinds."""

TextCallback = Callable[[str], None]
"""Takes a text for people: a sentence, or lines about the progress of transfers."""


def _started(method: Callable[P, Coroutine[Any, Any, T]]) -> "Callable[P, Deferred[T]]":
    """Make a coroutine function start at once, and return a Deferred."""

    @wraps(method)
    def start(*args: P.args, **kwargs: P.kwargs) -> "Deferred[T]":
        return Deferred.fromCoroutine(method(*args, **kwargs))

    return start


@_started
async def connect(
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
) -> "Client":
    """Connect to a server, and log in as `name`. Of several servers that are one chat, `host` has
    all, `HOST:PORT,HOST:PORT`: the client goes on at another one when it has to.

    `password` is that of a registered name, or a token. With `tls`, the certificate must be from a
    trusted authority, or the one seen there first; `trust` is the SHA-256 fingerprint that it must
    have. `told` gets sentences for people, for example that the connection broke; `progress` gets a
    line for each transfer. `reactor` is Twisted's by default.
    """
    if reactor is None:
        from twisted.internet import reactor
    tell = lambda sentence: told(names.clean(sentence))  # noqa: E731
    connector = connector_to(reactor, host, port, tls, trust, state_folder(), tell)
    client = Client(reactor, connector, tell, progress)
    try:
        await client.session.log_in(names.user(name), password)
    except BaseException:
        await client.close()
        raise
    return client


class Client(SessionListener):
    """A client of a server; `connect` makes it. It is the listener of its `session`.

    It joins a room when the room is used first; `join` does so with a password.
    """

    def __init__(
        self, reactor: Any, connector: Connects, told: TextCallback, progress: TextCallback
    ) -> None:
        self.session = ClientSession(reactor, connector, self, echo=True)
        self._told = told
        self._state = self.session.state
        self._joining: dict[str, list[Deferred[str]]] = {}
        self._acknowledgements: dict[str, list[Deferred[int]]] = defaultdict(list)
        self._followers: dict[str, list[LogFollower]] = defaultdict(list)
        self._progress = progress
        self._transfers = ClientTransfers(reactor, self.session, told, self._show_progress)

    @property
    def name(self) -> str:
        """The name of the user."""
        return self._state.name

    # -- talk ------------------------------------------------------------------------------------

    @_started
    async def say(self, room: str, text: str, key: str | None = None) -> int:
        """Say a text of one or several lines. The result is its position, once it is stored. A text
        with the same `key` within a day is stored once."""
        return await self._post("say", key, room=await self._ensure_joined(room), text=text)

    @_started
    async def me(self, room: str, text: str, key: str | None = None) -> int:
        """Say an action: `~ bot waves`. The result is that of `say`."""
        return await self._post("me", key, room=await self._ensure_joined(room), text=text)

    @_started
    async def msg(self, user: str, text: str, key: str | None = None) -> int:
        """Send a private text to a user. The result is its position in their inbox."""
        return await self._post("msg", key, to=user, text=text)

    async def _post(self, command: str, key: str | None, **args: str) -> int:
        key, done = key or uuid4().hex, Deferred[int]()
        self._acknowledgements[key].append(done)
        await self.session.say(Request(COMMANDS[command], {**args, "key": key}))
        return await done

    # -- reading ---------------------------------------------------------------------------------

    def follow(self, room: str, after: int | None = None, sent: bool = False) -> "LogFollower":
        """Return an asynchronous iterator over pairs of position and entry of a room: those behind
        position `after`, then new ones; without it, only new ones. `@` is the inbox, of which only
        new ones come, and with `sent` also the copies of what the user sent to others. It raises
        `Refusal` if the user may not join, or is removed."""
        page = None if room == INBOX else lambda behind: self._page(room, behind)
        follower = LogFollower(page, sent)
        self._open(follower, room, after).addErrback(lambda failure: follower.end(failure.value))
        return follower

    @_started
    async def _open(self, follower: "LogFollower", room: str, after: int | None) -> None:
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
        self._followers[room].append(follower)  # no await since `newest` was read
        follower.start(position, newest)
        if room != INBOX:
            await self._remember_last_entry(room)

    async def _page(self, room: str, after: int) -> History:
        page: History = await self.session.ask(
            "history", room=room, after=after, limit=BUFFERED_ENTRIES, annotations=True
        )
        return page

    async def _remember_last_entry(self, room: str) -> None:
        """Remember the last entry of a room: a reconnect compares it."""
        found = await self.session.ask("history", room=room, limit=1, annotations=True)
        state = self._state.rooms.get(room)
        for position, entry in found.entries:
            if state is not None and position <= state.position:
                state.remember(position, entry)

    @_started
    async def each(
        self, room: str, call: Callable[[int, Entry], Any], after: int | None = None
    ) -> None:
        """Follow a room by calling `call` with each position and entry, one after another. `call`
        may return a Deferred or a coroutine. The result fails with what it raised, or if the client
        cannot reconnect. Cancel it to stop following."""
        follower = self.follow(room, after)
        try:
            async for position, entry in follower:
                result = call(position, entry)
                if isinstance(result, Awaitable):
                    await result
        finally:
            for followers in self._followers.values():
                if follower in followers:
                    followers.remove(follower)

    @_started
    async def rooms(self) -> tuple[replies.RoomInfo, ...]:
        """Return all rooms of the server."""
        return await self.session.rooms.list_all()

    @_started
    async def who(self, room: str) -> tuple[replies.Member, ...]:
        """Return the users in a room."""
        return (await self.session.ask("who", room=room)).users  # type: ignore[no-any-return]

    @_started
    async def unread(self) -> tuple[replies.UnreadInfo, ...]:
        """Return what is unread in the rooms that the user keeps, and in the inbox (`@`). For
        registered users."""
        return (await self.session.ask("unread")).rooms  # type: ignore[no-any-return]

    @_started
    async def mark_read(self, room: str, position: int) -> int:
        """Say that the user has read a room, or the inbox (`@`), up to a position. The result is
        the read position."""
        reply = await self.session.ask("read", room=room, position=position)
        return reply.position  # type: ignore[no-any-return]

    @_started
    async def files(self, room: str) -> tuple[replies.FileInfo, ...]:
        """Return the files of a room; `@` means those of the user."""
        return (await self.session.ask("files", room=room)).files  # type: ignore[no-any-return]

    @_started
    async def ask(self, command: str, /, **args: Any) -> Any:
        """Send any other command of docs/protocol.md, with its fields. The result is an object of
        `chatservice.replies`, with the fields of the reply."""
        return await self.session.ask(command, **args)

    # -- files -----------------------------------------------------------------------------------

    def put(
        self, path: str | os.PathLike[str], room: str | None = None, to: str | None = None
    ) -> "Deferred[None]":
        """Send the file at `path` to a room, or `to` one user. Bytes that an earlier attempt sent
        are not sent again."""
        if (room is None) == (to is None):
            raise TypeError("a file is for a room, or for a user")
        return self._transfers.start(self._put(Path(path), room, to))

    def _show_progress(self, running: Sequence[Progress], now: float) -> None:
        self._progress("\n".join(it.line(now) for it in running))

    async def _put(self, path: Path, room: str | None, to: str | None) -> None:
        target = await self._ensure_joined(room) if room is not None else ""
        await self._transfers.uploads.send(path, target, to)

    def get(self, room: str, name: str, folder: str | os.PathLike[str] = ".") -> "Deferred[Path]":
        """Save a file of a room (`@`: of the user) in `folder`, and check it. The result is its
        path, which has another name if that one was taken."""
        return self._transfers.start(self._get(room, name, Path(folder)))

    async def _get(self, room: str, name: str, folder: Path) -> Path:
        path = await self._transfers.downloads.fetch(folder, room, name)
        if path is None:
            raise Refusal(Code.TOO_MANY, f"{name} is on its way already; wait for it.")
        return path

    # -- rooms -----------------------------------------------------------------------------------

    @_started
    async def join(self, room: str, password: str | None = None) -> str:
        """Join a room, given by its name or its number. The result is its name."""
        return await self._ensure_joined(room, password)

    @_started
    async def leave(self, room: str, keep: bool = False) -> None:
        """Leave a room; with `keep`, a registered user stays a member."""
        await self.session.rooms.leave(room, keep)

    async def _ensure_joined(self, room: str, password: str | None = None) -> str:
        """Join a room if needed, and return its name. Callers go on in the order of their calls."""
        found = self._state.find(room)
        if found is not None:
            return found.room
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

    @_started
    async def close(self) -> None:
        """Leave the server, once all texts are stored. Transfers and followers end."""
        if self.session.connected:
            await self.session.all_acknowledged()
        self._transfers.stop()
        await self.session.close()
        self._end(None)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:  # the interpreter is ending: nothing can be awaited any more
            await self.close()

    # -- the session's listener ------------------------------------------------------------------

    def incoming(self, incoming: Incoming) -> None:
        """Give an entry to the followers of its log."""
        if isinstance(incoming.item, Entry):
            for follower in tuple(self._followers[incoming.log]):
                if follower.sent or incoming.item.kind not in COPY_KINDS.values():
                    follower.add(incoming.position, incoming.item)
        elif isinstance(incoming.item, Notice):
            self._told(incoming.item.text)

    def removed_from_room(self, room: str, why: Refusal, told: bool) -> None:
        """End the followers of a room."""
        for follower in self._followers.pop(room, []):
            follower.end(why)

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """Let the followers of a room read it from there."""
        for follower in self._followers[room]:
            follower.rewind(after, newest)

    def stored(self, key: str, position: int) -> None:
        """Give the position of a text to its callers."""
        for done in self._acknowledgements.pop(key, []):
            done.callback(position)

    def refused(self, refusal: Refusal, key: str | None = None) -> None:
        """Give the refusal of a text to its callers; tell any other."""
        waiting = self._acknowledgements.pop(key, []) if key is not None else []
        for done in waiting:
            done.errback(refusal)
        if not waiting:
            self._told(refusal.sentence)

    def dismissed(self, why: Lost) -> None:
        """End the client: it cannot reconnect."""
        Deferred.fromCoroutine(self.session.close())
        self._end(why)

    def _end(self, why: Lost | None) -> None:
        waiting, self._acknowledgements = self._acknowledgements, defaultdict(list)
        for done in (done for each in waiting.values() for done in each):
            done.errback(why or Lost("You have left."))
        for follower in (it for followers in self._followers.values() for it in followers):
            follower.end(why)


class LogFollower:
    """An asynchronous iterator over pairs of position and entry of a log: from `start` on, in order
    and each once. `position` is that of the last entry that was taken. Copies of what the user sent
    are only for one with `sent`.

    Entries that are not in memory come from `fetch_page`. Without it, entries of at most
    `BUFFERED_CHARACTERS` are kept; if there are more, the iterator raises `Refusal` (slow-down)
    after those.
    """

    def __init__(self, fetch_page: FetchPage | None, sent: bool = False) -> None:
        self.position = 0
        self.sent = sent
        self._fetch_page = fetch_page
        self._newest = 0
        self._buffer: deque[tuple[int, Entry]] = deque()
        self._buffered_characters = 0
        self._must_fetch = False
        self._changed = Condition()
        self._rewinds = 0
        self._is_ended = False
        self._end_reason: BaseException | None = None

    def start(self, position: int, newest: int) -> None:
        """Begin behind `position`, in a log that ends at `newest` so far."""
        self.position, self._newest = position, newest
        self._must_fetch = self._fetch_page is not None and newest > position
        self._changed.notify_all()

    def rewind(self, position: int, newest: int) -> None:
        """Drop the entries behind `position`: the log has others there, up to `newest`."""
        self._buffer.clear()
        self._buffered_characters = 0
        self._rewinds += 1
        self.start(min(self.position, position), newest)

    def add(self, position: int, entry: Entry) -> None:
        """Add a new entry of the log."""
        if self._is_ended:
            return
        self._newest = max(self._newest, position)
        if self._fetch_page is None:
            self._buffered_characters += _size(entry)
            if self._buffered_characters > BUFFERED_CHARACTERS:
                self.end(Refusal(Code.SLOW_DOWN, TOO_FAR_BEHIND))
                return
        elif len(self._buffer) >= BUFFERED_ENTRIES:
            self._must_fetch = True
        if not self._must_fetch:
            self._buffer.append((position, entry))
        self._changed.notify_all()

    def end(self, why: BaseException | None = None) -> None:
        """End the iterator after the entries in memory. It raises `why`, if that is given."""
        if not self._is_ended:
            self._is_ended, self._end_reason = True, why
        self._changed.notify_all()

    def __aiter__(self) -> "LogFollower":
        return self

    async def __anext__(self) -> tuple[int, Entry]:
        """Return the position and the entry that come next."""
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
                await self._changed.wait_for(
                    lambda: bool(self._buffer) or self._is_ended or self._must_fetch
                )

    async def _fetch(self, fetch_page: FetchPage) -> None:
        """Fetch the next page from the server, and note whether there is more."""
        newest, rewinds = self._newest, self._rewinds
        page = await fetch_page(self.position)
        if rewinds != self._rewinds:  # the page is from the log before
            return
        self._buffer.extend(page.entries)
        last = page.entries[-1][0] if page.entries else self.position
        if last >= self._newest:
            self._must_fetch = False
        elif not page.entries and not page.more and self._newest == newest:
            self._must_fetch = False  # the last ones are an ignored user's, or are no longer kept


def _size(entry: Entry) -> int:
    return len(entry.text) + ENTRY_CHARACTERS
