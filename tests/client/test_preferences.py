"""The preferences of a user (`/set`): they are remembered, and bad values are refused."""

import json

import pytest

from chatservice.client.panes import LISTS
from chatservice.client.preferences import CHOICES, Preferences, from_fields, told, told_one
from chatservice.client.settings import RememberedServer, Settings
from chatservice.errors import Refusal

HOME = RememberedServer("localhost", 5555, "otto")


def test_preferences_are_remembered_beside_the_servers(tmp_path):
    """Neither of the two takes the other's place in the file."""
    settings = Settings(tmp_path)
    assert settings.preferences() == Preferences()
    settings.remember(HOME)
    chosen = Preferences().changed("theme", "dark").changed("notify-command", "notify-send")
    settings.remember_preferences(chosen)
    settings.remember(HOME)
    assert settings.preferences() == chosen
    assert settings.servers() == [HOME]


def test_only_what_differs_is_in_the_file(tmp_path):
    """A usual value may become another one in a later version."""
    settings = Settings(tmp_path)
    settings.remember_preferences(Preferences().changed("mouse", "off"))
    assert json.loads(settings.path.read_text())["preferences"] == {"mouse": "off"}


@pytest.mark.parametrize(
    "preferences", [3, [], {"theme": "pink"}, {"theme": 3}, {"hook": "x" * 2000}, {"colors": "red"}]
)
def test_preferences_that_cannot_be_understood(tmp_path, preferences):
    """A sentence names the file, which stays as it is; servers are still known."""
    settings = Settings(tmp_path)
    settings.path.write_text(json.dumps({"servers": [], "preferences": preferences}))
    before = settings.path.read_bytes()
    with pytest.raises(Refusal, match=r"settings\.json cannot be understood"):
        settings.preferences()
    assert settings.servers() == []
    assert settings.path.read_bytes() == before


def test_preferences_of_a_newer_version_are_left_out():
    """A client that is older than its settings file works."""
    assert from_fields({"theme": "dark", "taste": "sweet"}) == Preferences(theme="dark")


@pytest.mark.parametrize("name", [*CHOICES, "color.mention"])
def test_each_preference_refuses_what_is_no_value(name):
    """The sentence names the values, or says that there are too many characters."""
    with pytest.raises(Refusal, match=name):
        Preferences().changed(name, "x" * 2000)
    assert f"{name} " in told_one(Preferences(), name)


def test_an_unknown_preference():
    """The sentence names those that there are."""
    with pytest.raises(Refusal, match="There is no setting colour; there are theme"):
        Preferences().changed("colour", "red")


def test_the_look_of_a_part():
    """It is chosen and taken away by itself, and listed while it is chosen."""
    chosen = Preferences().changed("color.time", "red").changed("color.mention", "#ffaf00 bold")
    assert any(line.startswith("color.mention #ffaf00 bold: ") for line in told(chosen))
    assert chosen.changed("color.time", "").as_fields() == {"colors": {"mention": "#ffaf00 bold"}}
    with pytest.raises(Refusal, match="There is no part taste; there are time"):
        chosen.changed("color.taste", "red")


def test_all_preferences_are_listed():
    """Each has its value, its help and its values."""
    lines = told(Preferences(lists="none"))
    assert len(lines) == len(CHOICES) + 1
    assert (
        f"lists none: lists beside the talk; auto: both on a wide terminal ({', '.join(LISTS)})"
        in lines
    )
