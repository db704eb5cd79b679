"""The parts of the full screen: their columns, for the size of the terminal."""

from typing import NamedTuple

WIDE = 100
"""Columns from which lists are shown by themselves: 80 stay for the talk."""

ROOMS_COLUMNS, USERS_COLUMNS = 20, 17
"""Columns of the lists, each with the line beside it."""

_LEAST_TALK = 40
"""Columns that stay for the talk, or there is no list."""

_LEAST_ROWS = 8
"""Rows of a terminal with a title."""

LISTS = ("auto", "both", "rooms", "people", "none")
"""The lists that the user can choose to see; `auto`: both on a wide terminal."""


class Panes(NamedTuple):
    """The columns of the list of rooms at the left, of the talk, and of the list of users at the
    right; with `title`, the first row has the room's name and topic."""

    rooms: int
    talk: int
    users: int
    title: bool


def panes(columns: int, rows: int, lists: str) -> Panes:
    """Return the parts of a screen of this size, with the lists that the user wants (`LISTS`)."""
    wide = columns >= WIDE
    rooms = ROOMS_COLUMNS if lists in ("both", "rooms") or (lists == "auto" and wide) else 0
    users = USERS_COLUMNS if lists in ("both", "people") or (lists == "auto" and wide) else 0
    if columns - rooms - users < _LEAST_TALK:
        users = 0
    if columns - rooms < _LEAST_TALK:
        rooms = 0
    return Panes(rooms, max(columns - rooms - users, 1), users, rows >= _LEAST_ROWS)
