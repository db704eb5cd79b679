"""Typed lines are remembered from one run to the next."""

import pytest

from chatservice.client.lineeditor import LINES_REMEMBERED, InputHistory
from chatservice.client.typedlines import masked, may_be_remembered


def remembered(place):
    """Return what a new run of the client remembers, the newest first."""
    return list(InputHistory(place).load_history_strings())


def test_typed_lines_are_there_in_the_next_run(tmp_path):
    """Lines keep their order, also those of several lines. Only their owner can read the file."""
    place = tmp_path / "state" / "typed"
    before = InputHistory(place)
    for line in ("one", "/say two\nlines", "drei: äöü"):
        before.append_string(line)
    assert remembered(place) == ["drei: äöü", "/say two\nlines", "one"]
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700


def test_each_room_has_its_own_lines(tmp_path):
    """Lines of other rooms are left out; those of no room are in all of them."""
    place = tmp_path / "typed"
    InputHistory(place).append_string("anywhere")
    InputHistory(place, "lab").append_string("in the lab")
    InputHistory(place, "lobby").append_string("in the lobby")
    with place.open("ab") as file:
        file.write(b'{"room": 3, "line": "x"}\n{"line": "y"}\n[]\n')
    assert list(InputHistory(place, "lab").load_history_strings()) == ["in the lab", "anywhere"]
    assert remembered(place) == ["in the lobby", "in the lab", "anywhere"]


def test_it_does_not_grow_for_ever(tmp_path):
    """A start shortens the file to the newest lines."""
    place = tmp_path / "typed"
    before = InputHistory(place)
    for n in range(2 * LINES_REMEMBERED + 1):
        before.append_string(f"line {n}")
    assert remembered(place)[0] == f"line {2 * LINES_REMEMBERED}"
    assert len(remembered(place)) == len(place.read_bytes().splitlines()) == LINES_REMEMBERED
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_read_as_far_as_it_can_be(tmp_path):
    """Damaged lines are skipped. If nothing can be written, lines are remembered in memory."""
    place = tmp_path / "typed"
    place.write_bytes(b'"one"\n\xff\xfe\n{"a": 1}\n"tw')
    assert remembered(place) == ["one"]
    nowhere = InputHistory(tmp_path / "typed" / "below a file")
    nowhere.append_string("two")
    assert nowhere.get_strings() == ["two"]


@pytest.mark.parametrize(
    "line",
    [
        *("/login anna sesame", "/LOGIN anna sesame", "/register sesame", "/signup anna sesame"),
        *("/password old new", "/join vault sesame", "/create vault sesame", "/logn anna sesame"),
        *("/account anna sesame", "/reset anna sesame", "/access public sesame"),
    ],
)
def test_lines_that_may_hold_a_password_are_not_remembered(tmp_path, line):
    """This holds for every form of the commands, and also with a typing error."""
    history = InputHistory(tmp_path / "typed")
    history.append_string(line)
    assert not (tmp_path / "typed").exists()
    assert history.get_strings() == []


@pytest.mark.parametrize(
    "line", ["hello", "/join lab", "/create lab", "/login anna", "/msg bob hi", "/access hidden"]
)
def test_commands_without_a_password_are_remembered(line):
    """Commands that ask for their password are remembered, too."""
    assert may_be_remembered(line)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/login anna sesame", "/login anna ***"),
        ("/password pass word", "/password *** ***"),
        ("/password word word", "/password *** ***"),
        ("/create a a", "/create a ***"),
        ("/join lab", "/join lab"),
        ("a password", "a password"),
    ],
)
def test_passwords_do_not_stay_on_the_screen(line, shown):
    """Stars replace typed passwords."""
    assert masked(line) == shown
