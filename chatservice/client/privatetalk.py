"""Private talk: the users with whom one talks alone, and what is unread of it. No I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chatservice import names
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request

MOST_PARTNERS = 50
"""Partners that are kept: more than anybody talks with in a day, however many write."""

PARTNERS_RECALLED = 10
"""Partners of an earlier run that are there from the start."""

RECALLED_ENTRIES = 100
"""Entries at the end of the inbox in which they are looked for."""


@dataclass(slots=True, eq=False)
class Partner:
    """A user with whom one talks alone. `unread` counts what they wrote while the view of another
    room or partner was shown. `first` is the position of the first of it in the inbox, or 0."""

    name: str
    unread: int = 0
    first: int = 0

    @property
    def room(self) -> str:
        """The name of the view."""
        return f"@{self.name}"

    @property
    def mentioned(self) -> bool:
        """True if something is unread: all of it is for the user."""
        return self.unread > 0


def partner_of(entry: Entry) -> str:
    """Return the user at the other side of an entry of the inbox."""
    return entry.to or entry.who


_WITHOUT_PARTNER = frozenset({Kind.ERASED, Kind.GONE})
"""Kinds of entries of the inbox that do not tell with whom one talked."""


class PrivateTalk:
    """The partners, in the order in which they came. `current` is the one whose view is shown."""

    def __init__(self) -> None:
        self.current: Partner | None = None
        self._partners: dict[str, Partner] = {}

    @property
    def partners(self) -> Sequence[Partner]:
        """All partners."""
        return tuple(self._partners.values())

    @property
    def first_unread(self) -> int:
        """The position of the first unread entry in the inbox, or 0."""
        return min((it.first for it in self.partners if it.first), default=0)

    def of(self, name: str) -> Partner:
        """Return the partner of a name, who is made when first asked for. Above the bound, the one
        who came first goes, of those without anything unread if there are such."""
        found = self._partners.get(names.key(name))
        if found is None:
            found = self._partners[names.key(name)] = Partner(name)
            if len(self._partners) > MOST_PARTNERS:
                others = [it for it in self.partners if it is not found and it is not self.current]
                self.close(min(others, key=lambda it: it.mentioned))
        return found

    def take(self, position: int, entry: Entry, own: str) -> None:
        """Take an entry of the inbox of the user called `own`."""
        if entry.kind in _WITHOUT_PARTNER:
            return
        partner = self.of(partner_of(entry))
        if partner is not self.current and names.key(entry.who) != names.key(own):
            partner.unread += 1
            partner.first = partner.first or position

    def recall(self, entries: Sequence[tuple[int, Entry]], since: int) -> None:
        """Take the partners of the end of the inbox, if an entry is not older than `since`
        (milliseconds since 1970)."""
        past = [it for _, it in reversed(entries) if it.kind not in _WITHOUT_PARTNER]
        found = [partner_of(it) for it in past if it.time >= since]
        for name in list(dict.fromkeys(found))[:PARTNERS_RECALLED]:
            self.of(name)

    def turn_to(self, name: str) -> tuple[int, int]:
        """Show the view of a partner. Return how much is unread, and its first position, or 0."""
        self.current = it = self.of(name)
        unread, it.unread = it.unread, 0
        first, it.first = it.first, 0
        return unread, first

    def close(self, partner: Partner) -> None:
        """Forget a partner, until something is written again. The server keeps the talk."""
        self._partners.pop(names.key(partner.name), None)


_OF_THE_INBOX = frozenset({"erase", "files", "get", "link", "remove", "unread", "versions"})
"""Commands that are about the user's own inbox or files there, and not about a room."""

_OF_THE_TALK = frozenset({"history", "search"})

_OF_ANY_VIEW = frozenset({"create", "exit", "join", "leave"})


def directed(request: Request, partner: str) -> Request:
    """Return a request as it is meant in the view of a partner: talk goes to them alone. Raises
    `Refusal` (not-in-room) for what is done in a room."""
    command, given = request.command, request.args
    if command.name in ("say", "me"):
        args = {"to": partner, "text": given["text"]}
        if command.name == "me":
            args["action"] = True
        return replace(request, command=COMMANDS["msg"], args=args)
    is_list = command.name == "unread" and "position" not in given
    in_room = command.name == "reply" or any(it.name == "room" for it in command.args)
    if not in_room or is_list or command.name in _OF_ANY_VIEW or "room" in given:
        return request
    if command.name in _OF_THE_TALK:
        return replace(request, args={**given, "room": f"@{partner}"})
    if command.name in _OF_THE_INBOX:
        return replace(request, args={**given, "room": "@"})
    raise Refusal(
        Code.NOT_IN_ROOM,
        "Not done: here you talk with {partner} alone; go to a room for that.",
        partner=partner,
    )
