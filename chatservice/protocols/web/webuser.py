"""The user of HTTP requests on one connection."""

import secrets
from base64 import b64decode
from dataclasses import replace
from inspect import isawaitable
from typing import Any

from twisted.internet.defer import Deferred

from chatservice import replies
from chatservice.domain.chat import Chat
from chatservice.domain.dispatch import dispatch
from chatservice.domain.log import Cursor, EventBatch
from chatservice.domain.model import Session, SessionTraits
from chatservice.domain.tokens import TOKEN_PREFIX
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request
from chatservice.net import outlet
from chatservice.protocols.web.webconnection import WebConnection

WEB = SessionTraits(
    sees_own_entries=True, many_rooms=True, resumable=False, carries_files=False, visible=False
)
_CARRYING = replace(WEB, carries_files=True)
"""A session of single requests. Its connection carries files where a body is one
(`WebUser.run_for_file`); a call of `get` or `put` gets a ticket."""

MOST_ROOMS = 16
"""Rooms that a session has said something in, before a new one takes its place."""


class LoginFailed(Exception):
    """A name and its password, or a token, were refused, for the reason of `refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class SilentPeer:
    """A `chatservice.domain.log.Peer` that shows nothing: answers are all that its client gets."""

    def __init__(self, connection: WebConnection) -> None:
        self._connection = connection
        # The next request may be that of another user of the same proxy.
        self.origin = outlet.origin(connection.transport)
        self.address = outlet.address(connection.transport)

    def wake(self, cursors: tuple[Cursor, ...]) -> int:
        """Write nothing."""
        return 0

    def tell(self, news: EventBatch) -> None:
        """Do nothing."""

    def end(self, sentence: str, why: EndReason) -> None:
        """End the connection; a request whose body still comes is told why."""
        if not self._connection.channel.call_off(sentence, why):
            self._connection.dismiss()


class WebUser:
    """The user of a connection's requests. Requests of one user that follow each other have one
    session, which others do not see. `room_password` is what the present request gives for a room
    with a password."""

    def __init__(self, connection: WebConnection, chat: Chat) -> None:
        self._connection = connection
        self._chat = chat
        self._known_by: tuple[str, str | None, str] | None = None
        self._made_up = ""
        self.room_password = ""
        self.session: Session | None = None
        self.welcome: replies.Welcome | None = None

    async def enter(self, authorization: str, guest: str | None, peer: Any = None) -> Session:
        """Return the session of a user: of a registered one by the value of a header
        Authorization, or of a guest, who may have said a name. With `peer`, it is one of its own,
        which the caller ends (`end`).

        Raises `LoginFailed`, or the `Refusal` of a guest.
        """
        known_by = authorization, guest, outlet.address(self._connection.transport)
        if peer is None and self.session is not None and self._is_usable(known_by):
            return self.session
        if peer is not None and not authorization:
            self.leave()  # two sessions of a guest cannot have one name
        session = Session(peer or SilentPeer(self._connection), WEB, self._connection.flow)
        try:
            welcome = await self._hello(session, authorization, guest)
        except Refusal as refusal:
            if authorization:
                raise LoginFailed(refusal) from None
            raise
        if peer is None:
            self.leave()
            self.session, self._known_by, self.welcome = session, known_by, welcome
        if not self._connection.connected:
            self.end(session)
            raise ConnectionAbortedError("the client has gone")
        return session

    def _is_usable(self, known_by: tuple[str, str | None, str]) -> bool:
        session = self.session
        return (
            session is not None
            and session.user is not None
            and known_by == self._known_by
            and len(session.rooms) < MOST_ROOMS
            and (any(known_by[:2]) or not self._is_shared)
        )

    @property
    def _is_shared(self) -> bool:
        """True for a connection of a proxy: the next request without a name may be anybody's."""
        return bool(outlet.told_address(self._connection.transport))

    async def _hello(
        self, session: Session, authorization: str, guest: str | None, again: bool = False
    ) -> replies.Welcome:
        """Introduce a session. A made-up name that somebody has is made up `again`, once."""
        if authorization:
            name, password = await self._credentials(authorization)
            if guest is not None:
                raise Refusal(Code.BAD_ARGUMENT, "Give a name, or who you are; not both.")
            fields = {"name": name, "password": password}
        else:
            fields = {"name": guest or self._name()}
        try:
            reply = await self._dispatch(session, Request(COMMANDS["hello"], fields))
        except Refusal as refusal:
            is_ours = not authorization and not guest
            if refusal.code is not Code.NAME_TAKEN or not is_ours or again:
                raise
            self._made_up = ""
            return await self._hello(session, authorization, guest, again=True)
        assert isinstance(reply, replies.Welcome)
        return reply

    def _name(self) -> str:
        """Return a made-up name, the same for all requests of a user."""
        if self._is_shared or not self._made_up:
            self._made_up = f"web-{secrets.token_hex(3)}"
        return self._made_up

    async def _credentials(self, authorization: str) -> tuple[str, str]:
        """Return name and password of a header Authorization (RFC 7617, RFC 6750)."""
        scheme, _, value = authorization.partition(" ")
        value = value.strip()
        if scheme.lower() == "bearer":
            return await self._chat.users.name_of_token(value), value
        if scheme.lower() == "basic":
            try:
                name, colon, password = b64decode(value, validate=True).decode().partition(":")
            except ValueError:
                colon = ""
            if colon and not password and name.startswith(TOKEN_PREFIX):  # curl -u TOKEN:
                return await self._chat.users.name_of_token(name), name
            if colon:
                return name, password
        sentence = "Authorization is Basic, with a name and a password, or Bearer, with a token."
        raise Refusal(Code.WRONG_PASSWORD, sentence)

    async def run(self, session: Session, request: Request) -> Any:
        """Run a request, and return its reply; that of talk once it is stored. Raises `Refusal`.

        A request that only a user in a room may make puts the session into it. A registered user
        keeps a room that is joined or created by the request itself.
        """
        command, room = request.command, request.args.get("room")
        if command.talk:
            return await self._talk(session, request)
        try:
            reply = await self._dispatch(session, request)
        except Refusal as refusal:
            closed = refusal.code is Code.PASSWORD_NEEDED and self.room_password
            if not (closed or refusal.code is Code.NOT_IN_ROOM) or not room or room[0] == "@":
                raise
            await self.visit(session, room)
            reply = await self._dispatch(session, request)
        if isinstance(reply, replies.Joined):
            kept = self._chat.rooms.resolve(session, reply.room)
            await self._chat.members.keep(session.require_user(), kept)
        return reply

    async def visit(self, session: Session, room: str, after: int | None = None) -> None:
        """Put a session into a room, for as long as it lasts. Raises `Refusal`."""
        where: dict[str, Any] = {"room": room} if after is None else {"room": room, "after": after}
        if self.room_password:
            where["password"] = self.room_password
        await self._dispatch(session, Request(COMMANDS["join"], where))

    async def run_without_name(self, request: Request) -> Any:
        """Run a request of somebody who says no name, and return its reply. Raises `Refusal`."""
        session = Session(SilentPeer(self._connection), WEB, self._connection.flow)
        try:
            return await self._dispatch(session, request)
        finally:
            self.end(session)

    async def _dispatch(self, session: Session, request: Request) -> Any:
        answer = dispatch(self._chat, session, request)
        return await answer if isawaitable(answer) else answer

    async def _talk(self, session: Session, request: Request) -> replies.Stored:
        room = self._chat.rooms.resolve(session, request.args.get("room"))
        if room not in session.rooms:
            await self.visit(session, room.name)
        stored: Deferred[Any] = Deferred()
        dispatch(self._chat, session, request, stored.callback)
        position = await stored
        if isinstance(position, Exception):
            raise position
        return replies.Stored(position)

    async def run_for_file(self, session: Session, request: Request) -> Any:
        """Run a `get` or `put` whose file is a body on this connection. Raises `Refusal`."""
        session.traits = _CARRYING
        try:
            return await self.run(session, request)
        finally:
            session.traits = WEB

    def leave(self) -> None:
        """End the session that there is."""
        if self.session is not None:
            self.end(self.session)
            self.session = None

    def end(self, session: Session) -> None:
        """End a session, once what it said is stored."""
        session.ended = True
        leaving = dispatch(self._chat, session, Request(COMMANDS["quit"], {}))
        if isawaitable(leaving):
            self._connection.flow.when_answered(leaving, lambda _: None, lambda _: None)
