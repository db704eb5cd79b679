"""The lists beside the talk: the rooms at its left, the users who are here at its right."""

from prompt_toolkit.output import ColorDepth

from chatservice import names
from chatservice.client.clientstate import ClientState, RoomState
from chatservice.client.privatetalk import Partner
from chatservice.client.rendering import name_style
from chatservice.client.wrapping import Span, isolated, shortened, width

LINE = Span("class:border", "│")
"""The line beside a list."""


def visible_part(count: int, here: int, height: int) -> range:
    """Return the rows of a list of `count` rows that `height` rows show, with the row `here`."""
    first = min(max(here - height // 2, 0), max(count - height, 0))
    return range(first, min(first + height, count))


def room_rows(state: ClientState, columns: int, height: int) -> list[list[Span]]:
    """Return the rows of the list of rooms and partners."""
    rooms = state.places
    here = next((at for at, it in enumerate(rooms) if it.room == state.here), 0)
    part = visible_part(len(rooms), here, height)
    return [_room_row(rooms[at], at + 1, at == here, columns) for at in part]


def _room_row(room: RoomState | Partner, number: int, here: bool, columns: int) -> list[Span]:
    count = f"{room.unread}{'!' if room.mentioned else ''}" if room.unread else ""
    key = f"{number:>2} " if number < 100 else "   "
    left = columns - 2 - len(key) - (len(count) + 1 if count else 0)
    style = "class:here" if here else "class:unread" if room.unread else "class:room"
    row = [Span("class:time", key), Span(style, _fitted(room.room, left))]
    if count:
        mark = "class:mention" if room.mentioned else "class:unread"
        row += [Span("", " "), Span(f"class:count {mark}", count)]
    return [*row, LINE, Span("", " ")]


def user_rows(
    room: RoomState, own: str, columns: int, height: int, depth: ColorDepth
) -> list[list[Span]]:
    """Return the rows of the list of users: their number, and as many names as fit. Members who are
    not here follow, dimmed."""
    present = room.present
    users = present.with_own(own)
    count = present.more + len(users)
    shown = users if count <= height - 1 else users[: max(height - 2, 0)]
    rows = [_aside(f"{count} here", "class:time", columns)]
    for user in shown:
        away = present.is_away(user)
        rows.append(_aside(user, "class:time" if away else name_style(user, depth), columns))
    if count > len(shown):
        rows.append(_aside(f"and {count - len(shown)} more", "class:time", columns))
    here = {names.key(user) for user in users}
    absent = [it for it in room.members if names.key(it) not in here]
    if absent and not present.more:
        told = ("", f"{len(absent)} not here", *absent)
        rows += [_aside(it, "class:time", columns) for it in told]
    return rows[:height]


def _aside(text: str, style: str, columns: int) -> list[Span]:
    return [LINE, Span("", " "), Span(style, _fitted(text, columns - 2))]


def _fitted(text: str, columns: int) -> str:
    """Return a text that takes just so many columns."""
    short = shortened(names.clean(text), max(columns, 1))
    return isolated(short) + " " * max(columns - width(short), 0)
