"""The session of an IRC client: lines in, answers out. The commands are in the other modules."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from inspect import isawaitable
from typing import Any, ClassVar

from twisted.internet.interfaces import ISSLTransport

from chatservice import events, names
from chatservice.domain.addresses import normalize
from chatservice.domain.chat import Chat
from chatservice.domain.dispatch import count_request, dispatch
from chatservice.domain.model import Room, Session, SessionTraits, User
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason
from chatservice.grammar import irc
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request
from chatservice.grammar.irc import IrcMessage, render
from chatservice.grammar.ircformat import (
    CHANNEL,
    SERVER,
    Caps,
    IrcStyle,
    channel,
    sentence,
    source,
)
from chatservice.grammar.ircnumerics import Numeric, Purpose
from chatservice.net.connection import Connection
from chatservice.protocols.irc.ircanswers import LABEL_BYTES, SHOWN, Answer, AnsweringSession
from chatservice.protocols.irc.ircdelivery import IrcFormat, IrcSubscription, format_for

IRC_CLIENT = SessionTraits(
    sees_own_entries=False,
    many_rooms=True,
    resumable=False,
    carries_files=False,
    reads_as_shown=True,
    sees_invitations=True,
    sees_unread=True,
)
"""An IRC client is in many rooms, as a program is; its user reads what it shows, as a person. Its
own entries are echoed by the session, which knows their labels (`talk`)."""

NO_CAPS: frozenset[str] = frozenset()


Handler = Callable[["IrcSession", IrcMessage], Awaitable[None] | None]
"""Runs a command, now or later. It may raise `Refusal`."""


class IrcSession(AnsweringSession):
    """A session of an IRC client.

    `handlers` has those of the commands. `registering` is the state before the registration is
    complete (`registration`), or None. `monitored` are the users whom it watches: their names,
    by keys (`ircmonitor`). `place` is where the user was last (`ircplaces`).
    `open_text` is a text of several lines that it has begun (`ircmultiline`).
    """

    kind = "IRC"
    takes_telnet = False
    format = format_for(IrcStyle())
    traits = IRC_CLIENT
    handlers: ClassVar[Mapping[str, Handler]] = {}

    __slots__ = ("monitored", "open_text", "place", "registering", "sasl")

    def __init__(self, connection: Connection, chat: Chat) -> None:
        self.caps = NO_CAPS
        self.registering: Any = None
        self.monitored: Mapping[str, str] = _NOBODY
        self.sasl: str | None = None
        self.place = ""
        self.open_text: Any = None
        self._answer = None
        super().__init__(connection, chat)

    def _begin(self) -> None:
        """Write entries and events once the client is registered (`begin`)."""
        subscription = self._subscription
        assert isinstance(subscription, IrcSubscription)
        subscription.reader = self
        self.use(self.caps)

    def _subscribe(self, connection: Connection, chat: Chat) -> IrcSubscription:
        reactor = connection.factory.reactor
        return IrcSubscription(connection.transport, self.format, chat, reactor)

    def begin(self) -> None:
        """Write entries and events from now on: the client is registered."""
        self.registering = None
        self._subscription.start()

    def _note_full(self) -> None:
        """While the client does not read, its requests are not read either. Before it is
        registered, the transport's own bound is enough."""
        if self.registering is None:
            super()._note_full()

    # -- what handlers use -----------------------------------------------------------------------

    @property
    def chat(self) -> Chat:
        """The chat."""
        return self._chat

    @property
    def connection(self) -> Connection:
        """The connection."""
        return self._connection

    @property
    def session(self) -> Session:
        """The session, as the domain knows it."""
        return self._session

    @property
    def user(self) -> User:
        """The user. Raises `Refusal` (name-needed) if there is none."""
        return self._session.require_user()

    @property
    def web(self) -> str:
        """The address of this server for HTTP: that which the operator has named, or else as the
        client reaches it, without a slash at its end. It is empty on a unix socket."""
        public: str = self._connection.factory.public_url
        return public or self._own_web()

    def _own_web(self) -> str:
        transport: Any = self._connection.transport
        host = transport.getHost()
        port = getattr(host, "port", None)
        if port is None:
            return ""
        known = self._connection.factory.host_names
        name = known[0] if known else normalize(host.host)
        shown = f"[{name}]" if ":" in name else name or "127.0.0.1"
        return f"http{'s' * ISSLTransport.providedBy(transport)}://{shown}:{port}"

    @property
    def transport_security(self) -> str:
        """The value of `sts` (https://ircv3.net/specs/extensions/sts): over TLS, for how long
        clients shall use nothing else, and in plain, the port for that. It is empty if the operator
        does not ask for it."""
        transport: Any = self._connection.transport
        seconds = self._connection.factory.sts_seconds
        if not seconds or getattr(transport.getHost(), "port", None) is None:
            return ""
        if ISSLTransport.providedBy(transport):
            return f"duration={seconds}"
        return f"port={transport.getHost().port}"

    def use(self, caps: frozenset[str]) -> None:
        """Encode for these capabilities from now on. A client that asks for the past itself is not
        shown what is unread, and one that tells what is read has not read what it is shown."""
        self.caps, self._session.traits = _agreed(caps, self._session.traits)
        self._subscription.format = self._format_for(self.style)

    @property
    def style(self) -> IrcStyle:
        """The look of lines for the client."""
        return IrcStyle(self.caps, self.web, self._chat.presence.is_bot)

    def _format_for(self, style: IrcStyle) -> IrcFormat:
        """Return the encoders of a style."""
        return format_for(style)

    async def ask(self, command: str, **args: Any) -> Any:
        """Dispatch a request, and return its reply. Arguments that are None are left out. Raises
        `Refusal`."""
        given = {name: value for name, value in args.items() if value is not None}
        result = dispatch(self._chat, self._session, Request(COMMANDS[command], given))
        return await result if isawaitable(result) else result

    def check(self, command: str, **args: Any) -> None:
        """Count what stands for a request, and raise `Refusal` if it may not be made."""
        self.count()
        self._chat.check(self._session, Request(COMMANDS[command], args))

    def count(self) -> None:
        """Count a line that asks the chat for nothing."""
        count_request(self._chat, self._session)

    def named(self, parse: Callable[[str], str], text: str) -> str:
        """Return a name as `parse` makes it (`names.user`, `names.room`). A line with a bad one
        asks the chat for nothing, so it is counted. Raises `Refusal` (bad-name)."""
        try:
            return parse(text)
        except Refusal:
            self.count()
            raise

    def room(self, name: str) -> Room:
        """Return the room of a channel. Without one the line asks the chat for nothing, so it is
        counted. Raises `Refusal` (no-such-room)."""
        room = self.find_room(name)
        if room is None or not self._chat.rights.may_see(self._session, room):
            self.count()
            shown = name if len(name) <= 64 else "of that name"
            raise Refusal(Code.NO_SUCH_ROOM, "There is no channel {shown}.", shown=shown)
        return room

    def find_room(self, name: str) -> Room | None:
        """Return the room of a channel, seen or not, or None. Numbers of rooms are no channels."""
        if not name.startswith(CHANNEL):
            return None
        found = self._chat.rooms.by_key.get(names.key(name[1:]))
        return found if found is not None and not found.log.removed else None

    # -- lines -----------------------------------------------------------------------------------

    def line(self, line: bytes) -> None:
        """Take a line: one message."""
        if not line.strip():
            self.count()
            return
        try:
            message = irc.parse(line)
        except Refusal as refusal:
            self.count()
            self.refuse(refusal)
            return
        label = message.tags.get("label", "") if self.has(Caps.LABELED_RESPONSE) else ""
        self._answer = Answer(label[:LABEL_BYTES])
        try:
            result = self._run(message)
        except BaseException:
            self._answer = None
            raise
        if result is None:
            self._finish()
        else:
            flow, refuse = self._connection.flow, partial(self._refuse_late, message)
            flow.when_answered(result, self._finish, refuse)

    def _run(self, message: IrcMessage) -> Awaitable[None] | None:
        handler = self.handlers.get(message.command)
        try:
            if self.registering is not None and message.command not in EARLY:
                self.count()
                self.numeric(Numeric.NOTREGISTERED, "Register with NICK and USER first.")
                return None
            if handler is None:
                self.count()
                shown = message.command[:SHOWN]
                self.numeric(Numeric.UNKNOWNCOMMAND, shown, "There is no such command.")
                return None
            return handler(self, message)
        except Refusal as refusal:
            self._refuse(message, refusal)
            return None

    def _refuse(self, message: IrcMessage, refusal: Refusal) -> None:
        self.refused(refusal, Purpose.OTHER, message.param(0)[:SHOWN], message.command)

    def _refuse_late(self, message: IrcMessage, refusal: Refusal) -> None:
        self._refuse(message, refusal)
        self._finish()

    def encode_refusal(self, refusal: Refusal, id_: Any) -> bytes:
        """Word the refusal of a line that is no message."""
        return refusal_line(refusal, self.nick, self.has(Caps.STANDARD_REPLIES))

    def answer(self, request: Request, it: Any) -> None:
        """Do nothing: handlers answer."""

    # -- what is told to this client alone -------------------------------------------------------

    def personal(self, event: events.Event) -> bytes:
        """Render an event that tells its reader about themselves."""
        if isinstance(event, events.PutOut):
            where = channel(event.room)
            if event.what == "leave":
                line = render(source(self.nick), "PART", where)
            else:
                by = SERVER if event.who == SERVER else source(event.who)
                line = render(by, "KICK", where, self.nick, event.text or event.what)
            return f"{line}\r\n".encode()
        if isinstance(event, events.ReadMoved) and self.has(Caps.READ_MARKER):
            self.read_moved(event.room, event.position)
        return b""

    def read_moved(self, room: str, position: int) -> None:
        """Another client has moved a read position."""

    def lost(self) -> None:
        """The connection is gone."""
        for key in self.monitored:
            self._chat.users.watching.stop(self._session, key)
        self.monitored = _NOBODY
        super().lost()
        # Objects that refer to themselves in a circle are found by the garbage collector only, and
        # all others wait for that.
        subscription = self._subscription
        assert isinstance(subscription, IrcSubscription)
        subscription.forget()
        subscription.format = self.format

    # -- the end ---------------------------------------------------------------------------------

    def quit(self, sentence_: str) -> None:
        """End the connection, with a word to the client."""
        self.put(render("", "ERROR", sentence_))
        self._finish()
        self._connection.dismiss()

    def end(self, sentence: str, why: EndReason) -> None:
        """Show `sentence`, then end the connection."""
        self._finish()
        if self._session.user is None or self.registering is not None:
            self._write(f"{render('', 'ERROR', sentence)}\r\n".encode())
        super().end(sentence, why)


@lru_cache(maxsize=256)
def _agreed(caps: frozenset[str], traits: SessionTraits) -> tuple[frozenset[str], SessionTraits]:
    """Return capabilities, and the traits of a session that has agreed on them: the same objects
    for all such sessions."""
    changed = replace(
        traits,
        reads_as_shown=Caps.READ_MARKER not in caps,
        sees_unread=Caps.CHATHISTORY not in caps,
        sees_typing=Caps.MESSAGE_TAGS in caps,
        sees_real_names=Caps.SETNAME in caps,
    )
    return caps, changed


MONITORED = 100
"""Users that a client watches."""

_NOBODY: Mapping[str, str] = {}

EARLY = frozenset(
    {"NICK", "USER", "PASS", "CAP", "AUTHENTICATE", "REGISTER", "PING", "PONG", "QUIT"}
)
"""The commands of a client that is not registered yet."""


def refusal_line(refusal: Refusal, nick: str, standard: bool) -> bytes:
    """Encode the refusal of a line that is no message, or of a connection."""
    told = sentence(refusal.sentence)
    if refusal.code is Code.TOO_LONG:
        line = render(SERVER, Numeric.INPUTTOOLONG, nick, told)
    elif not standard:
        line = render(SERVER, "NOTICE", nick, told)
    else:
        utf8 = refusal.sentence.template == irc.NOT_UTF8
        code = "INVALID_UTF8" if utf8 else refusal.code.upper().replace("-", "_")
        line = render(SERVER, "FAIL", "*", code, told)
    return f"{line}\r\n".encode()


def irc_refusal(refusal: Refusal, begun: bytes) -> bytes:
    """Encode the refusal of a connection that has `begun` with these bytes."""
    return f"{render('', 'ERROR', sentence(refusal.sentence))}\r\n".encode()
