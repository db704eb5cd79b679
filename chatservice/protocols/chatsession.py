"""The common part of sessions of all formats: requests to the domain, and their answers."""

from abc import abstractmethod
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from inspect import isawaitable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from chatservice import replies
from chatservice.domain.chat import Chat
from chatservice.domain.dispatch import count_request, dispatch
from chatservice.domain.model import PauseReason, Session, SessionTraits, User
from chatservice.errors import Refusal
from chatservice.events import EndReason
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Command, Request
from chatservice.net.connection import Connection, ProtocolSession
from chatservice.net.delivery import EntryFormat, Subscription

HELLO = COMMANDS["hello"]
_ENTER = Request(HELLO, {})


class ChatSession(ProtocolSession):
    """A session with a user.

    A format's own session parses lines (`line`) and gives them to `request`. It writes answers
    (`answer`), and encodes refusals (`encode_refusal`). Around that, this class does what all owe:
    it starts the subscription, ends the login timeout after a welcome, shows what is unread after a
    welcome or in a room, counts refusals, and ends the connection after `quit`.
    """

    format: ClassVar[EntryFormat]
    traits: ClassVar[SessionTraits]

    __slots__ = ("_connection", "_session")

    def __init__(self, connection: Connection, chat: Chat) -> None:
        self._connection = connection
        subscription = self._subscribe(connection, chat)
        traits = self._own_traits()
        if connection.factory.is_admin:  # a program there gives single commands
            traits = replace(traits, admin=True, visible=not traits.many_rooms)
        self._session = Session(subscription, traits, connection.flow)
        self._begin()

    def _subscribe(self, connection: Connection, chat: Chat) -> Subscription:
        """Return the subscription, which does not write yet."""
        reactor = connection.factory.reactor
        return Subscription(connection.transport, self.format, chat, reactor)

    def _own_traits(self) -> SessionTraits:
        """Return how this session takes part, if that is not for its format to say."""
        return self.traits

    def _begin(self) -> None:
        """Write entries and events from now on."""
        self._subscription.start()

    @property
    def _subscription(self) -> Subscription:
        peer: Any = self._session.peer
        assert isinstance(peer, Subscription)
        return peer

    @property
    def _chat(self) -> Chat:
        chat: Chat = self._connection.factory.chat
        return chat

    def _may_use(self, command: Command) -> bool:
        """Return whether to suggest a command. On the admin socket, only the first request makes
        the user known."""
        session = self._session
        unknown = session.traits.admin and session.user is None
        return unknown or self._chat.may_use(session, command)

    # -- what a format does ----------------------------------------------------------------------

    @abstractmethod
    def answer(self, request: Request, it: Any) -> None:
        """Write the answer to a request."""

    @abstractmethod
    def encode_refusal(self, refusal: Refusal, id_: Any) -> bytes:
        """Encode the refusal of the request with an id; that is None for requests without one, and
        for lines that are no requests."""

    def encode_stored(self, position: int, id_: Any) -> bytes:
        """Encode that a request's talk is stored, at a position, in a format that says so."""
        return b""

    # -- requests --------------------------------------------------------------------------------

    def request(self, request: Request, refuse: Callable[[Refusal], None] | None = None) -> None:
        """Dispatch a request. On the admin socket, a `hello` goes before the first one."""
        refuse = refuse or partial(self.refuse_request, request)
        session, flow = self._session, self._connection.flow
        try:
            if session.user is None and session.traits.admin:
                entering = dispatch(self._chat, session, _ENTER)
                flow.when_answered(entering, partial(self._entered, request, refuse), refuse)
                return
            stored = partial(self.stored, id_=request.id)
            result = dispatch(self._chat, session, request, stored)
            if result is None:
                self._connection.factory.timeslices.note_talk()
            else:
                flow.when_answered(result, partial(self._give_answer, request), refuse)
        except Refusal as refusal:
            refuse(refusal)

    def _entered(self, then: Request, refuse: Callable[[Refusal], None], welcome: Any) -> None:
        """Go on as the operator. A program there, which gives single commands, is not welcomed."""
        if self._session.traits.visible:
            self._give_answer(_ENTER, welcome)
        self.request(then, refuse)

    def _give_answer(self, request: Request, it: Any) -> None:
        if isinstance(it, replies.Welcome):
            self._connection.logged_in()
        self.answer(request, it)
        if isinstance(it, (replies.Joined, replies.Welcome)):
            self._session.wake()
        elif request.command.name == "quit":
            self._connection.dismiss()

    def stored(self, result: int | Exception, id_: Any = None) -> None:
        """Acknowledge talk that is stored, at the position `result`, or refuse it."""
        if isinstance(result, Refusal):
            self.refuse(result, id_)
        elif isinstance(result, int) and (data := self.encode_stored(result, id_)):
            self._write_soon(data)

    def refuse_request(self, request: Request, refusal: Refusal) -> None:
        """Refuse a request."""
        self.refuse(refusal, request.id)

    def refuse(self, refusal: Refusal, id_: Any = None) -> None:
        """Count a refusal, and write it."""
        self._connection.factory.count(refusal)
        self._write(self.encode_refusal(refusal, id_))

    def refuse_line(self, line: bytes, refusal: Refusal) -> None:
        """Count a line that is no request, and refuse it."""
        count_request(self._chat, self._session)
        self.refuse(refusal)

    def _write(self, data: bytes) -> None:
        if self._connection.connected:
            self._connection.transport.write(data)
            self._note_full()

    def _write_soon(self, data: bytes) -> None:
        """Write with what else comes in this turn of the reactor."""
        if self._connection.connected:
            self._connection.transport.writeSequence((data,))
            self._note_full()

    def _note_full(self) -> None:
        """While the client does not read, its requests are not read either."""
        flow = self._connection.flow
        if self._subscription.full and PauseReason.FULL not in flow.reasons:
            flow.pause_reading(PauseReason.FULL)
            self._subscription.when_writable(partial(flow.resume_reading, PauseReason.FULL))

    # -- the end ---------------------------------------------------------------------------------

    async def ended(self) -> None:
        """Leave once all talk is stored: the input has ended."""
        await self._quit()
        self.stop()

    async def _quit(self) -> None:
        done = dispatch(self._chat, self._session, Request(COMMANDS["quit"], {}))
        if isawaitable(done):
            await done

    def stop(self) -> None:
        """Write nothing more."""
        self._subscription.stop()

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether it is a guest's, and the guest is not `busy`."""
        return self._session.may_be_evicted(busy)

    def end(self, sentence: str, why: EndReason) -> None:
        """Show `sentence`, and the reason, then end the connection."""
        self._subscription.end(sentence, why)

    def lost(self) -> None:
        """The connection is gone."""
        self._subscription.stopProducing()
        self._session.ended = True
        self._connection.factory.timeslices.run(lambda: Deferred.fromCoroutine(self._quit()))
