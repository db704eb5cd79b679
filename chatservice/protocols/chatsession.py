"""The common part of sessions of all formats: requests to the domain, and their answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from functools import partial
from inspect import isawaitable
from typing import Any, ClassVar, cast

from twisted.internet.defer import Deferred

from chatservice.domain.chat import Chat
from chatservice.domain.dispatch import count_request, dispatch
from chatservice.domain.model import Session, SessionTraits, User
from chatservice.domain.ports import OnStored
from chatservice.errors import Refusal
from chatservice.events import EndReason
from chatservice.grammar.commands import COMMANDS, Request
from chatservice.net.delivery import EntryFormat, Subscription
from chatservice.protocols.chatprotocol import ChatProtocol

HELLO = COMMANDS["hello"]


class ChatSession(ABC):
    """A `chatservice.protocols.chatprotocol.ProtocolSession` with a user.

    A format's own session parses lines, calls `request`, and encodes answers (`answer`) and
    refusals (`refuse_request`).
    """

    format: ClassVar[EntryFormat]
    traits: ClassVar[SessionTraits]
    kind: str

    __slots__ = ("_connection", "_session")

    def __init__(self, connection: ChatProtocol, chat: Chat) -> None:
        self._connection = connection
        subscription = Subscription(connection.transport, self.format, chat)
        traits = self.traits
        if connection.factory.is_admin:  # a program there gives single commands
            traits = traits._replace(admin=True, visible=not traits.many_rooms)
        self._session = Session(subscription, traits, connection.flow)

    @property
    def _subscription(self) -> Subscription:
        return cast(Subscription, self._session.peer)

    @property
    def _chat(self) -> Chat:
        chat: Chat = self._connection.factory.chat
        return chat

    # -- requests --------------------------------------------------------------------------------

    def request(
        self,
        request: Request,
        on_stored: OnStored | None = None,
        refuse: Callable[[Refusal], None] | None = None,
    ) -> None:
        """Dispatch a request. On the admin socket, a `hello` goes before the first one."""
        refuse = refuse or partial(self.refuse_request, request)
        if self._session.user is None and self._session.traits.admin:
            again = partial(self.request, request, on_stored, refuse)
            welcome = partial(self._welcome_operator, again)
            self._dispatch(Request(HELLO, {}), None, welcome, refuse)
        else:
            self._dispatch(request, on_stored, partial(self.answer, request), refuse)

    def _welcome_operator(self, then: Callable[[], None], answer: Any) -> None:
        then()

    def _dispatch(
        self,
        request: Request,
        on_stored: OnStored | None,
        answer: Callable[[Any], None],
        refuse: Callable[[Refusal], None],
    ) -> None:
        try:
            result = dispatch(self._chat, self._session, request, on_stored)
            if result is None:
                self._connection.factory.timeslices.note_talk()
            else:
                self._connection.flow.when_answered(result, answer, refuse)
        except Refusal as refusal:
            refuse(refusal)

    @abstractmethod
    def answer(self, request: Request, it: Any) -> None:
        """Encode the answer to a request."""

    @abstractmethod
    def refuse_request(self, request: Request, refusal: Refusal) -> None:
        """Encode the refusal of a request."""

    @abstractmethod
    def refuse(self, refusal: Refusal) -> None:
        """Encode a refusal that belongs to no request."""

    def refuse_line(self, line: bytes, refusal: Refusal) -> None:
        """Count a line that is no request, and refuse it."""
        count_request(self._chat, self._session)
        self.refuse(refusal)

    def lines(self, lines: bytes) -> bool:
        """Take requests one at a time."""
        return False

    def _write(self, data: bytes) -> None:
        if self._connection.connected:
            self._connection.transport.write(data)
            self._note_full()

    def _note_full(self) -> None:
        """While the client does not read, its requests are not read either."""
        flow = self._connection.flow
        if self._subscription.full and "full" not in flow.reasons:
            flow.pause_reading("full")
            self._subscription.when_ready(partial(flow.resume_reading, "full"))

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
