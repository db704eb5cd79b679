"""What stands below the line of input: the transfers under way, and the rooms one is in."""

from collections.abc import Sequence

from chatservice import names
from chatservice.client.progress import Progress
from chatservice.client.screen import RoomStatus
from chatservice.client.wrapping import Fragments, isolated, shortened, width

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
