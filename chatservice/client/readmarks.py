"""Telling the server how far a registered user has read, seldom enough to cost nothing."""

from typing import Any

from twisted.internet.defer import Deferred

from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import INBOX
from chatservice.client.jsonconnection import Lost
from chatservice.errors import Refusal

READ_SECONDS = 2.0
"""Seconds from an entry that is seen to the request: in a busy room, one request for many."""


class ReadMarks:
    """The positions up to which the user has seen each room of a session."""

    def __init__(self, reactor: Any, session: ClientSession) -> None:
        self._reactor = reactor
        self._session = session
        self._seen: dict[str, int] = {}
        self._timer: Any = None

    def seen(self, room: str, position: int) -> None:
        """Note that the user has seen a room up to a position. The server is told soon."""
        if not self._session.state.registered or position <= 0:
            return
        self._seen[room] = max(position, self._seen.get(room, 0))
        if self._timer is None:
            self._timer = self._reactor.callLater(READ_SECONDS, self._send)

    def _send(self) -> None:
        self._timer = None
        seen, self._seen = self._seen, {}
        if not self._session.connected:
            return  # they are unread there, and shown again
        for room, position in seen.items():
            self._ask("read", room, position)

    def _ask(self, command: str, room: str, position: int) -> None:
        asking = Deferred.fromCoroutine(
            self._session.ask_now(command, room=room, position=position)
        )
        # The room may be gone, or the server older than the request.
        asking.addErrback(lambda failure: failure.trap(Lost, Refusal) and None)

    def close(self) -> None:
        """Tell what the server does not know yet. Private talk counts as read when it is delivered,
        so what the user has not seen of it becomes unread again."""
        if self._timer is not None:
            self._timer.cancel()
            self._send()
        state = self._session.state
        if state.registered and state.private.first_unread:
            self._ask("unread", INBOX, state.private.first_unread)
