"""Who is told what comes during a stay at a server."""

from typing import Protocol

from chatservice import replies
from chatservice.client.cursor import News
from chatservice.errors import Refusal
from chatservice.grammar.commands import Request


class Listener(Protocol):
    """Who is told what comes of itself. What one asks for is answered to who asks."""

    def news(self, news: News) -> None:
        """Something is to be shown."""

    def answered(self, it: replies.Reply) -> None:
        """Something that was said has an answer worth showing."""

    def refused(self, refusal: Refusal, key: str | None = None) -> None:
        """Something that nobody waits for was refused; with a `key`, what was said with it."""

    def said(self, key: str, request: Request) -> None:
        """Something is said: `say`, `me` or `msg`. While there is no connection it waits."""

    def stored(self, key: str, position: int) -> None:
        """The text with `key` is stored, at that position of its log."""

    def unread(self, room: str) -> None:
        """How much is unread in a room has changed, or which room is the current one."""

    def put_out(self, room: str, why: Refusal, told: bool) -> None:
        """One is in a room no more, and did not leave it. `told` says that `why` was shown already,
        in this form or another."""

    def put_back(self, room: str, after: int, newest: int) -> None:
        """The log of a room is as it was up to position `after`, and another one behind that, up to
        `newest`: an operator has put back an earlier state of it."""

    def ended(self, sentence: str) -> None:
        """One cannot come back, for the reason that `sentence` tells."""
