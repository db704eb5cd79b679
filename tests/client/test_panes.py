"""The parts of a full screen, for any size of the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.output import ColorDepth

from chatservice.client.clientstate import ClientState, RoomState
from chatservice.client.panes import LISTS, panes
from chatservice.client.presentusers import MOST_PRESENT, PresentUsers
from chatservice.client.sidelists import room_rows, user_rows, visible_part
from chatservice.client.wrapping import width
from chatservice.events import UserAway, UserJoined, UserLeft, UserRenamed
from chatservice.replies import Joined


def texts(rows):
    """Return rows without their styles."""
    return ["".join(span.text for span in row) for row in rows]


@given(st.integers(1, 400), st.integers(1, 100), st.sampled_from(LISTS))
def test_the_parts_fill_the_screen(columns, rows, lists):
    """Talk has at least forty columns, or the whole terminal."""
    it = panes(columns, rows, lists)
    assert it.rooms + it.talk + it.users == columns
    assert it.talk >= min(40, columns)


@pytest.mark.parametrize(
    ("columns", "lists", "there"),
    [
        (40, "auto", (False, False)),
        (80, "auto", (False, False)),
        (200, "auto", (True, True)),
        (80, "both", (True, True)),
        (60, "both", (True, False)),
        (40, "both", (False, False)),
        (200, "people", (False, True)),
        (200, "none", (False, False)),
    ],
)
def test_lists_are_where_there_is_room_for_them(columns, lists, there):
    """They are shown by themselves on wide terminals only; who asks for them gets what fits."""
    it = panes(columns, 24, lists)
    assert (it.rooms > 0, it.users > 0) == there


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 60))
def test_the_current_room_is_always_in_the_list(count, here, height):
    """A list that is too long is moved."""
    here = min(here, max(count - 1, 0))
    part = visible_part(count, here, height)
    assert len(part) == min(count, height)
    assert count == 0 or here in part


def test_the_list_of_rooms_counts_what_is_unread():
    """It marks mentions, and every row has the same width, also with wide letters."""
    state = ClientState()
    for room in ("lobby", "lab", "你好你好你好你好你好你好"):
        state.room_joined(Joined(room, 1, "", (), 0))
    state.rooms["lobby"].unread, state.rooms["lab"].unread = 12, 3
    state.rooms["lab"].mentioned = True
    rows = texts(room_rows(state, 20, 10))
    assert rows[0] == " 1 lobby        12│ "
    assert rows[1] == " 2 lab          3!│ "
    assert {width(row) for row in rows} == {20}


def test_the_list_of_users_says_how_many_there_are():
    """One's own name is in it; names that do not fit are counted. Members who are not here follow,
    if all who are here are known."""
    room = RoomState(Joined("lab", 1, "", ("bob", "carl", "Dora"), 0, 5))
    room.members = ("anna", "BOB", "eve")
    for height, seen in (
        (10, ["anna", "bob", "carl", "Dora", "and 5 more"]),
        (4, ["anna", "bob", "and 7 more"]),
        (1, []),
    ):
        rows = texts(user_rows(room, "anna", 17, height, ColorDepth.DEPTH_8_BIT))
        assert [row.strip("│ ") for row in rows] == ["9 here", *seen]
    room.present = PresentUsers(["bob"])
    rows = user_rows(room, "anna", 17, 10, ColorDepth.DEPTH_8_BIT)
    told = ["2 here", "anna", "bob", "", "1 not here", "eve"]
    assert [row.strip("│ ") for row in texts(rows)] == told
    assert rows[-1][-1].style == "class:time"


def test_events_tell_who_is_here():
    """Users come, go, are away and take other names."""
    present = PresentUsers(["bob"])
    for event in (
        UserJoined("lab", "carl"),
        UserJoined("lab", "carl"),
        UserAway("lab", "bob", "lunch"),
        UserRenamed("lab", "carl", "carla"),
    ):
        present.apply(event)
    assert present.users == ["bob", "carla"]
    assert present.is_away("bob")
    present.apply(UserAway("lab", "bob", ""))
    assert not present.is_away("bob")
    present.apply(UserLeft("lab", "bob"))
    present.apply(UserLeft("lab", "nobody"))
    assert (present.users, present.count) == (["carla"], 1)


def test_a_crowd_is_counted_and_not_kept():
    """Of ten thousand users, a bounded number of names is in memory."""
    present = PresentUsers()
    for number in range(10_000):
        present.apply(UserJoined("lab", f"user{number}"))
    assert present.count == 10_000
    assert len(present.users) == MOST_PRESENT
    for number in range(10_000):
        present.apply(UserLeft("lab", f"user{number}"))
    assert present.count == 0
