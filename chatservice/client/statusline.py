"""The rows around the line of input: pending texts above it, transfers and rooms below it."""

from collections.abc import Sequence

from chatservice import names
from chatservice.client.rendering import RowRenderer
from chatservice.client.screen import RoomStatus
from chatservice.client.transferconnection import Progress
from chatservice.client.wrapping import Fragments, isolated, shortened, width
from chatservice.entries import Kind
from chatservice.grammar.commands import Request

MOST_SHOWN = 3
"""How much of it is seen at once."""

PROMPT = "> "
"""What stands before a line that is typed."""

_KINDS = {"say": Kind.MESSAGE, "me": Kind.ACTION, "msg": Kind.PRIVATE}


class PendingTexts:
    """What one said, in its order, until it is stored. `renderer` makes the rows."""

    def __init__(self, renderer: RowRenderer) -> None:
        self._renderer = renderer
        self._texts: dict[str, Request] = {}

    def add(self, key: str, request: Request) -> None:
        """Something was said, with a key."""
        self._texts[key] = request

    def room(self, key: str) -> str | None:
        """Return the room that something is said in with `key`; None for what is said to one."""
        request = self._texts.get(key)
        return request.args.get("room") if request is not None else None

    def resolve(self, key: str, stored: bool) -> Fragments:
        """Return the rows of what was said with `key`: as others see it, or as it was typed if it
        is not `stored`. It waits no longer."""
        request = self._texts.pop(key, None)
        if request is None:
            return []
        if not stored:
            return self._renderer.echo(PROMPT, _as_typed(request))
        kind = _KINDS[request.command.name]
        return self._renderer.own(request.args["text"], kind, request.args.get("to"))

    def rows(self, typed: list[str]) -> Fragments:
        """Return the rows that show what waits, and behind it the lines that were `typed` and are
        not obeyed yet."""
        waiting = [request.args["text"] for request in self._texts.values()] + typed
        rows = Fragments()
        for text in waiting[:MOST_SHOWN]:
            rows += self._renderer.pending_text(text)
        if len(waiting) > MOST_SHOWN:
            rows += self._renderer.pending_text(f"and {len(waiting) - MOST_SHOWN} more")
        return rows


def _as_typed(request: Request) -> str:
    """Return what says that, as it can be typed again."""
    text: str = request.args["text"]
    match request.command.name:
        case "me":
            return f"/me {text}"
        case "msg":
            return f"@{request.args['to']} {text}"
    return text


MOST_BARS = 4
"""Rows that transfers take at most."""

_NAME_COLUMNS = 16
"""Columns for a name, at most, so that there is room for others."""


def transfer_rows(
    under_way: Sequence[Progress], waiting: int, now: float, columns: int
) -> Fragments:
    """Return a row for each transfer, and how many more there are."""
    shown = under_way[:MOST_BARS]
    rows = Fragments()
    longest = max((width(it.name) for it in shown), default=0)
    for it in shown:
        line = it.line(now, columns, min(longest, columns // 3))
        rows += [("class:bar", names.clean(line)), ("", "\n")]
    more = waiting + len(under_way) - len(shown)
    if more > 0 and rows:
        rows += [("class:bar", f"{more} more"), ("", "\n")]
    return rows


def room_row(
    name: str, connected: bool, standings: Sequence[RoomStatus], columns: int
) -> Fragments:
    """Return a row that says who one is, whether the server is there, and how one stands in each
    room, with the keys to turn to it by.

    With too few columns for all, the keys are left out, and then rooms with nothing new.
    """
    row: Fragments = [("class:room", _short(name) + " ")]
    if not connected:
        row.append(("class:refusal", "offline, trying again "))
    left = columns - sum(width(text) for _, text in row)
    bare = [_label(it) for it in standings]
    labels = [_key(number) + label for number, label in enumerate(bare, 1)]
    if sum(width(label) + 1 for label in labels) > left:
        labels = bare
    kept = set()
    for at in sorted(range(len(labels)), key=lambda at: _weight(standings[at])):
        if width(labels[at]) < left:
            left -= width(labels[at]) + 1
            kept.add(at)
    for at in sorted(kept):
        row += [(_style(standings[at]), labels[at]), ("", " ")]
    return row


def _key(number: int) -> str:
    """Return the keys to turn to a room by, which only the first nine have."""
    return f"Alt+{number} " if number < 10 else ""


def _label(it: RoomStatus) -> str:
    unread = f"({it.unread}{'!' if it.mentioned else ''})" if it.unread else ""
    return f"{_short(it.room)}{unread}"


def _weight(it: RoomStatus) -> tuple[bool, bool, bool]:
    return not it.current, not it.mentioned, not it.unread


def _style(it: RoomStatus) -> str:
    if it.current:
        return "class:here"
    return "class:unread" if it.unread else "class:room"


def _short(name: str) -> str:
    return isolated(shortened(names.clean(name), _NAME_COLUMNS))
