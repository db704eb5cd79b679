"""Noticing that a server stays away."""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall

from chatservice.client.session import Session

ALONE_SECONDS = 60.0
"""How long who has only to be done with something waits for a server that is not there."""

_LOOKS = 4


class Absence:
    """Calls `noticed` when a session had no connection for `ALONE_SECONDS`, from `watch` on."""

    def __init__(self, reactor: Any, session: Session, noticed: Callable[[], None]) -> None:
        self._session = session
        self._noticed = noticed
        self._alone = 0
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def watch(self) -> None:
        """Begin to look."""
        self._looking.start(ALONE_SECONDS / _LOOKS)

    def stop(self) -> None:
        """Look no more."""
        self._looking.stop()

    def _look(self) -> None:
        self._alone = 0 if self._session.connected else self._alone + 1
        if self._alone > _LOOKS:
            self._alone = 0
            self._noticed()
