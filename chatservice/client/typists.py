"""Those who are typing: others, each for a few seconds; and the user, which others are told."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from chatservice.client.clientsession import ClientSession
from chatservice.client.jsonconnection import Lost
from chatservice.errors import Refusal

SHOWN_SECONDS = 6.0
"""Seconds for which somebody is shown as typing: those who go on tell it every `TOLD_SECONDS`."""

TOLD_SECONDS = 4.0
"""Seconds between two notices for a room. A server drops those that come within three."""

MOST_TYPING = 100
"""Users of whom it is remembered that they type."""


class Typists:
    """Those who are typing in the rooms of a session. `changed` is called when these may differ."""

    def __init__(self, reactor: Any, session: ClientSession, changed: Callable[[], object]) -> None:
        self._reactor = reactor
        self._session = session
        self._changed = changed
        self._until: dict[tuple[str, str], float] = {}
        self._told: tuple[str, float] = "", 0.0

    def heard(self, room: str, user: str) -> None:
        """Note that a user is typing in a room."""
        now = self._reactor.seconds()
        self._until = {it: until for it, until in self._until.items() if until > now}
        if len(self._until) < MOST_TYPING:
            self._until[room, user] = now + SHOWN_SECONDS
            self._reactor.callLater(SHOWN_SECONDS, self._changed)

    def said(self, room: str, user: str) -> None:
        """Note that a user has said something in a room, and so types no more."""
        self._until.pop((room, user), None)

    def text(self, room: str) -> str:
        """Return who is typing in a room: `bob and carl are typing`; mostly nothing."""
        now = self._reactor.seconds()
        users = [who for (at, who), until in self._until.items() if at == room and until > now]
        if len(users) > 2:
            return f"{len(users)} are typing"
        return f"{' and '.join(users)} {'are' if len(users) > 1 else 'is'} typing" if users else ""

    def typed(self, room: str) -> None:
        """Tell a room that the user is typing, unless it was told just before."""
        now = self._reactor.seconds()
        known, last = self._told
        if self._session.connected and (known != room or now > last + TOLD_SECONDS):
            self._told = room, now
            asking = Deferred.fromCoroutine(self._session.ask_now("typing", room=room))
            # One may not speak there, or the server is older than the request.
            asking.addErrback(lambda failure: failure.trap(Lost, Refusal) and None)
