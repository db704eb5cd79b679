"""Where one is, what was shown, and what was said but not acknowledged. No I/O, no clock.

What comes is shown in its order and once: `room_position` and `inbox_position` are how far that has
got, and a new connection asks for what lies behind them.

A session sees its own talk too, and need not be shown it again. Whose an entry is, only the
acknowledgement tells (by its position), and that may come before the entry or after it. So an entry
that could be one's own is held back, and all that came behind it, until there is nothing
unacknowledged that it could be.
"""

from collections import deque
from typing import NamedTuple
from uuid import uuid4

from chatservice import names
from chatservice.answers import Joined, Welcome
from chatservice.entries import Entry, Kind
from chatservice.events import Event, Notice
from chatservice.grammar.commands import Request

INBOX = "@"
"""What the log of one's inbox is called."""

_KINDS = {"say": Kind.MESSAGE, "me": Kind.ACTION}


class News(NamedTuple):
    """Something to show: an entry of the log called `log` (a room, or `@`), or an event.

    `late` says that it happened before one came, so that its time and `position` belong to it.
    """

    it: Entry | Event
    log: str = ""
    position: int = 0
    late: bool = False


class Conversation:
    """One user's place in the chat. Methods that take something in return what to show now."""

    def __init__(self) -> None:
        self.name = ""
        self.token = ""
        self.registered = False
        self.room = ""
        self.room_position = 0
        self.inbox_position = 0
        self.unacknowledged: dict[str, Request] = {}
        self._late_until = 0
        self._mine: set[int] = set()
        self._held: deque[News] = deque()

    # -- where one is ----------------------------------------------------------------------------

    def entered(self, welcome: Welcome) -> None:
        """One has a name, or another one."""
        self.name = welcome.name
        self.token = welcome.token
        self.registered = welcome.registered
        self.inbox_position = welcome.inbox

    def joined(self, joined: Joined, after: int | None = None) -> None:
        """One is in that room now; with `after`, what lies behind that position will come first."""
        if after is None and joined.room == self.room:
            return  # one was there already, and goes on reading where one was
        same, self.room = joined.room == self.room, joined.room
        self.room_position = joined.seq if after is None else min(after, joined.seq)
        self._late_until = joined.seq
        self._mine = {at for at in self._mine if same and at <= joined.seq}
        self._held = deque(news for news in self._held if self._concerns(news))

    def broke(self) -> None:
        """The connection is gone. What was held back was not shown, and will come again."""
        self._held.clear()

    # -- what one says ---------------------------------------------------------------------------

    def say(self, request: Request) -> tuple[str, Request]:
        """Take `say`, `me` or `msg`. Return its key, and the request with it."""
        key = uuid4().hex
        keyed = Request(request.command, {**request.args, "key": key})
        self.unacknowledged[key] = keyed
        return key, keyed

    def stored(self, key: str, position: int) -> list[News]:
        """What was said with `key` is stored at `position`."""
        request = self.unacknowledged.pop(key, None)
        if request is not None and request.args.get("room") == self.room:
            self._mine.add(position)
        return self._release()

    def refused(self, key: str) -> list[News]:
        """What was said with `key` is not stored, and never will be."""
        self.unacknowledged.pop(key, None)
        return self._release()

    # -- what happens ----------------------------------------------------------------------------

    def came(self, position: int, entry: Entry, log: str, late: bool = False) -> list[News]:
        """Take in an entry of a log. `late` says that it is old, if its position does not."""
        shown = self.inbox_position if log == INBOX else self.room_position
        if position > shown:
            late = late or (log == self.room and position <= self._late_until)
            self._hold(News(entry, log, position, late))
        return self._release()

    def happened(self, event: Event) -> list[News]:
        """Take in an event."""
        self._hold(News(event, "" if isinstance(event, Notice) else event.room))
        return self._release()

    def _hold(self, news: News) -> None:
        if self._concerns(news):
            self._held.append(news)

    def _concerns(self, news: News) -> bool:
        return news.log in ("", INBOX, self.room)

    def _release(self) -> list[News]:
        """Return what can be shown, in its order, leaving out what one said oneself."""
        ready = []
        while self._held and not self._undecided(self._held[0]):
            news = self._held.popleft()
            if not isinstance(news.it, Entry) or not self._pass(news):
                ready.append(news)
        return ready

    def _pass(self, news: News) -> bool:
        """Move on behind an entry. Return whether one said it oneself."""
        if news.log == INBOX:
            self.inbox_position = news.position
            return False
        self.room_position = news.position
        mine = news.position in self._mine
        self._mine = {position for position in self._mine if position > news.position}
        return mine

    def _undecided(self, news: News) -> bool:
        entry = news.it
        if news.log != self.room or not isinstance(entry, Entry) or news.position in self._mine:
            return False
        if names.key(entry.who) != names.key(self.name):
            return False
        return any(self._could_be(request, entry) for request in self.unacknowledged.values())

    def _could_be(self, request: Request, entry: Entry) -> bool:
        return (
            _KINDS.get(request.command.name) == entry.kind
            and request.args["room"] == self.room
            and names.clean(request.args["text"]) == entry.text
        )
