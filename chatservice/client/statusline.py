"""The rows around the line of input: pending texts above it, transfers and rooms below it."""

from collections.abc import Sequence

from chatservice import names
from chatservice.client.clientstate import ClientState, RoomState
from chatservice.client.privatetalk import Partner
from chatservice.client.rendering import RowRenderer
from chatservice.client.transferconnection import Progress
from chatservice.client.wrapping import Fragments, isolated, shortened, width
from chatservice.entries import Kind
from chatservice.grammar.commandtypes import Request

TEXTS_SHOWN = 3
"""Most pending texts that are visible at once."""

PROMPT = "> "
"""The prompt of the line of input."""


class PendingTexts:
    """The user's texts that are not stored yet, in their order."""

    def __init__(self, renderer: RowRenderer) -> None:
        self._renderer = renderer
        self._texts: dict[str, Request] = {}

    def add(self, key: str, request: Request) -> None:
        """Add a text, identified by `key`."""
        self._texts[key] = request

    def room(self, key: str) -> str | None:
        """Return the room of a text; None for a private message."""
        request = self._texts.get(key)
        return request.args.get("room") if request is not None else None

    def resolve(self, key: str, stored: bool) -> Fragments:
        """Remove a text. Return its rows: as others see it, or as typed if it is not `stored`."""
        request = self.take(key)
        return self.shown(request, stored) if request is not None else []

    def take(self, key: str) -> Request | None:
        """Remove a text and return its request; None if there is none."""
        return self._texts.pop(key, None)

    def shown(self, request: Request, stored: bool) -> Fragments:
        """Return the rows of a text: as others see it, or as typed if it is not `stored`."""
        if not stored:
            return self._renderer.echo(PROMPT, _as_typed(request))
        args = request.args
        kind = Kind.ACTION if "action" in args else request.command.talk or Kind.PRIVATE
        return self._renderer.own(args["text"], kind, args.get("to"), args.get("about", 0))

    def rows(self, typed: list[str]) -> Fragments:
        """Return the rows of the pending texts, followed by the `typed` lines not yet run."""
        waiting = [request.args["text"] for request in self._texts.values()] + typed
        rows = Fragments()
        for text in waiting[:TEXTS_SHOWN]:
            rows += self._renderer.pending_text(text)
        if len(waiting) > TEXTS_SHOWN:
            rows += self._renderer.pending_text(f"and {len(waiting) - TEXTS_SHOWN} more")
        return rows


def _as_typed(request: Request) -> str:
    """Return the line that a request was typed as."""
    text: str = request.args["text"]
    match request.command.name:
        case "me":
            return f"/me {text}"
        case "msg":
            action = "/me " if "action" in request.args else ""
            return f"@{request.args['to']} {action}{text}"
    about = request.args.get("about")
    return f"/reply #{about} {text}" if about else text


TRANSFERS_SHOWN = 4
"""Most transfers that are visible at once."""

_NAME_COLUMNS = 16
"""Most columns of a name."""


def transfer_rows(
    under_way: Sequence[Progress], waiting: int, now: float, columns: int
) -> Fragments:
    """Return a row for each transfer, and one with the number of those not shown."""
    shown = under_way[:TRANSFERS_SHOWN]
    rows = Fragments()
    longest = max((width(it.name) for it in shown), default=0)
    for it in shown:
        line = it.line(now, columns, min(longest, columns // 3))
        rows += [("class:bar", names.clean(line)), ("", "\n")]
    more = waiting + len(under_way) - len(shown)
    if more > 0 and rows:
        rows += [("class:bar", f"{more} more"), ("", "\n")]
    return rows


def room_row(state: ClientState, connected: bool, columns: int, listed: bool = True) -> Fragments:
    """Return the row with the user's name, the connection's state and, if they are to be `listed`,
    the rooms with their keys.

    With too few columns, it lacks the keys, and then rooms without unread entries.
    """
    away = " (away) " if state.away_text else " "
    row: Fragments = [("class:room", _short(state.name) + away)]
    if not connected:
        row.append(("class:refusal", "offline, trying again "))
    left = columns - sum(width(text) for _, text in row)
    rooms, here = state.places if listed else [], state.here
    labels = [_label(it) for it in rooms]
    keyed = [f"Alt+{n} {label}" if n < 10 else label for n, label in enumerate(labels, 1)]
    if sum(width(label) + 1 for label in keyed) <= left:
        labels = keyed
    order = {at: (it.room != here, not it.mentioned, not it.unread) for at, it in enumerate(rooms)}
    kept = set()
    for at in sorted(order, key=lambda at: order[at]):
        if width(labels[at]) < left:
            left -= width(labels[at]) + 1
            kept.add(at)
    for at in sorted(kept):
        style = "class:unread" if rooms[at].unread else "class:room"
        row += [("class:here" if rooms[at].room == here else style, labels[at]), ("", " ")]
    return row


def _label(room: RoomState | Partner) -> str:
    unread = f"({room.unread}{'!' if room.mentioned else ''})" if room.unread else ""
    return f"{_short(room.room)}{unread}"


def _short(name: str) -> str:
    return isolated(shortened(names.clean(name), _NAME_COLUMNS))
