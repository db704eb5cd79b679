"""How far one has read in a room, and what came behind that. No I/O, no clock."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from chatservice import names
from chatservice.client.mentions import is_mentioned
from chatservice.entries import Entry, Kind
from chatservice.events import Event
from chatservice.replies import Joined

UNREAD_KEPT = 500
"""Unread entries of one room that are kept in memory: more than a screen or two, and at 8 KiB each
no more than 4 MB. What is more is read again from the server when it is wanted."""

TRAIL = 256
"""Entries of one room of which it is remembered when they were, and whose: enough to find where a
log that was put back to an earlier state is still the same."""

_SAID = frozenset({Kind.MESSAGE, Kind.ACTION})


class News(NamedTuple):
    """Something to show: an entry of the log called `log` (a room, or `@`), or an event.

    `late` says that it happened before one came, so that its time and `position` belong to it.
    """

    it: Entry | Event
    log: str = ""
    position: int = 0
    late: bool = False


class Unread(NamedTuple):
    """What came in `room` behind position `after` while another room was the current one.

    `unread` tells how many entries of others that is, `mentioned` whether one's name is in one of
    them. `news` is all of it, oldest first; but where it was too much to keep, `whole` is False,
    `news` is empty, and all of it comes by itself, as what happens does.
    """

    room: str
    after: int
    unread: int
    mentioned: bool
    news: tuple[News, ...]
    whole: bool


class Cursor:
    """One's place in the room that was `joined`. `position` is that of the last entry that was
    shown, or kept until it is; what lies behind it has to come yet."""

    def __init__(self, joined: Joined) -> None:
        self.room = joined.room
        self.number = joined.number
        self.position = joined.seq
        self.unread = 0
        self.mentioned = False
        self.read = joined.seq
        self.whole = True
        self._kept: list[News] = []
        self._late_until = joined.seq
        self._mine: set[int] = set()
        self._held: deque[News] = deque()
        self._broken = False
        self._aside = False
        self._trail: dict[int, tuple[int, str]] = {}

    # -- is it the same log? ---------------------------------------------------------------------

    def note(self, position: int, entry: Entry) -> None:
        """Remember an entry that is in the log."""
        self._trail[position] = entry.time, entry.who
        if len(self._trail) > TRAIL:
            del self._trail[next(iter(self._trail))]

    @property
    def is_noted(self) -> bool:
        """True if the entry at `position` is remembered."""
        return self.position in self._trail

    def differs(self, position: int, entry: Entry) -> bool:
        """Return whether an entry is certainly another one than was seen at that position."""
        noted = self._trail.get(position)
        return noted is not None and noted != (entry.time, entry.who)

    def has_seen(self, position: int, entry: Entry, came: int) -> bool:
        """Return whether an entry was in the log before it was put back: it is remembered, or lies
        before all that is, and is older than that. `came` is when one came, in milliseconds since
        1970, for a log of which nothing is remembered."""
        if position in self._trail:
            return not self.differs(position, entry)
        if not self._trail:
            return entry.time <= came
        first = min(self._trail)
        return position < first and entry.time <= self._trail[first][0]

    def put_back(self, after: int) -> None:
        """The log is as it was up to position `after`, and another one behind that."""
        self._trail = {at: it for at, it in self._trail.items() if at <= after}
        self._mine = {at for at in self._mine if at <= after}
        self.read = min(self.read, after)

    # -- coming back -----------------------------------------------------------------------------

    def resumed(self, joined: Joined, after: int) -> None:
        """One is in the room again, and what lies behind position `after` comes first. A log that
        became shorter, because an earlier state of it was put back, is read from its end."""
        self._held.clear()
        self._broken = False
        self.position = min(after, joined.seq)
        self.read = min(self.read, self.position)
        self._late_until = joined.seq
        self._mine = {at for at in self._mine if at <= joined.seq}

    def broke(self) -> None:
        """The connection is gone, and what comes is passed over until the room is `resumed`. What
        was held back was not shown, and will come again."""
        self._held.clear()
        self._broken = True

    # -- what comes ------------------------------------------------------------------------------

    def is_mine(self, position: int) -> None:
        """The entry at `position` was said from here."""
        self._mine.add(position)

    def take(self, news: News) -> None:
        """Take in what came: an event, or an entry that is passed over if it is not new."""
        entry = news.it
        if isinstance(entry, Entry):
            if self._broken or news.position <= self._taken:
                return
            self.note(news.position, entry)
            news = news._replace(late=news.late or news.position <= self._late_until)
            if entry.kind == Kind.ERASED and entry.text.isdecimal():
                self._erase(int(entry.text))
        self._held.append(news)

    def _erase(self, position: int) -> None:
        """Keep nothing of what was erased and was not shown yet."""
        for news in (self._held, self._kept):
            for at, each in enumerate(news):
                if isinstance(each.it, Entry) and each.position == position:
                    news[at] = each._replace(it=Entry(Kind.GONE, each.it.time, each.it.who))

    @property
    def _taken(self) -> int:
        held = (news.position for news in reversed(self._held) if isinstance(news.it, Entry))
        return next(held, self.position)

    def release(self, undecided: Callable[[Entry], bool], echo: bool) -> list[News]:
        """Return what can be shown, in its order, up to the first entry of which it is `undecided`
        whether it was said from here. What was is left out, unless one wants the `echo`."""
        ready = []
        while self._held:
            news = self._held[0]
            entry = news.it
            if isinstance(entry, Entry) and news.position not in self._mine and undecided(entry):
                break
            self._held.popleft()
            if not isinstance(entry, Entry) or self._pass(news) or echo:
                ready.append(news)
        return ready

    def _pass(self, news: News) -> bool:
        """Move on behind an entry. Return whether somebody else said it, or oneself elsewhere."""
        self.position = news.position
        mine = news.position in self._mine
        again = self.read if self._aside else self.position  # it may be read anew from there
        self._mine = {position for position in self._mine if position > again}
        return not mine

    # -- while another room is the current one ---------------------------------------------------

    def keep(self, news: list[News], name: str) -> None:
        """Keep entries until this room is the current one, as somebody called `name`; count those
        of others."""
        entries = [(each, each.it) for each in news if isinstance(each.it, Entry)]
        for each, entry in entries:
            self._kept.append(each)
            if names.key(entry.who) != names.key(name):
                self.unread += 1
                self.mentioned = self.mentioned or mentions(entry, name)
        if not self.whole or len(self._kept) > UNREAD_KEPT:
            self.whole = False
            self._kept.clear()

    def turn_away(self) -> None:
        """Another room is the current one from now on."""
        self.read = self.position
        self._aside = True

    def turn_to(self) -> Unread:
        """This is the current room from now on. Return what is unread; where that is not `whole`,
        one stands before it again, and it has to come anew."""
        kept = tuple(each._replace(late=True) for each in self._kept)
        unread = Unread(self.room, self.read, self.unread, self.mentioned, kept, self.whole)
        if not self.whole:
            self.position = self.read
        self._kept.clear()
        self.unread, self.mentioned, self.whole = 0, False, True
        self._aside = False
        return unread


def mentions(entry: Entry, name: str) -> bool:
    """Return whether somebody said `name`, as a word of its own and in whatever case."""
    return entry.kind in _SAID and is_mentioned(name, entry.text)
