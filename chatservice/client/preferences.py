"""The preferences of a user (`/set`): the look, the lists, and how to be told of something."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from chatservice.client.panes import LISTS
from chatservice.errors import Code, Refusal

VALUE_CHARACTERS = 1000
"""Longest value: the path of a program, with its arguments."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A preference: its `help`, and its values. Without values, it takes any text."""

    help: str
    values: tuple[str, ...] = ()


CHOICES: Mapping[str, Choice] = {
    "theme": Choice("colours for the background", ("terminal", "dark", "light")),
    "time": Choice("the time before each message", ("24h", "seconds", "12h", "none")),
    "lists": Choice("lists beside the talk; auto: both on a wide terminal", LISTS),
    "mouse": Choice("the wheel scrolls; then Shift selects text", ("on", "off")),
    "folding": Choice("arrivals and departures in one row", ("on", "off")),
    "notify": Choice(
        "how the terminal tells of a mention or a private message",
        ("none", "bell", "osc9", "osc777"),
    ),
    "notify-command": Choice("a program that tells it, too; it gets a title and a text"),
    "hook": Choice("a program that gets all entries as lines of JSON"),
}
"""All preferences, by name."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The values of all preferences. Raises `ValueError` for one that is not a value."""

    theme: str = "terminal"
    time: str = "24h"
    lists: str = "auto"
    mouse: str = "on"
    folding: str = "on"
    notify: str = "none"
    notify_command: str = ""
    hook: str = ""

    def __post_init__(self) -> None:
        for name, choice in CHOICES.items():
            value = getattr(self, _field(name))
            if not isinstance(value, str) or len(value) > VALUE_CHARACTERS:
                raise ValueError(f"{name} is no text, or too long")
            if choice.values and value not in choice.values:
                raise ValueError(f"{name} is one of {', '.join(choice.values)}")

    def get(self, name: str) -> str:
        """Return the value of the preference called `name`."""
        return str(getattr(self, _field(name)))

    def changed(self, name: str, value: str) -> "Preferences":
        """Return preferences with another value. Raises `Refusal`."""
        known(name)
        try:
            return replace(self, **{_field(name): value})
        except ValueError as error:
            raise Refusal(Code.BAD_ARGUMENT, f"{error}; choose one.") from None

    def as_fields(self) -> dict[str, str]:
        """Return what differs from the usual values, for the settings file."""
        usual = Preferences()
        return {
            name: value for name, value in asdict(self).items() if value != getattr(usual, name)
        }


def known(name: str) -> Choice:
    """Return the preference called `name`. Raises `Refusal`."""
    if name not in CHOICES:
        raise Refusal(
            Code.BAD_ARGUMENT, f"There is no setting {name}; there are {', '.join(CHOICES)}."
        )
    return CHOICES[name]


def from_fields(given: Mapping[str, Any]) -> Preferences:
    """Return the preferences of a settings file. Those that this version does not know are left
    out. Raises `ValueError`."""
    names = {it.name for it in fields(Preferences)}
    return Preferences(**{name: value for name, value in given.items() if name in names})


def told(it: Preferences) -> list[str]:
    """Return the lines that list all preferences."""
    return [_line(it, name) for name in CHOICES]


def _line(it: Preferences, name: str) -> str:
    choice = CHOICES[name]
    values = f" ({', '.join(choice.values)})" if choice.values else ""
    return f"{name} {it.get(name) or '-'}: {choice.help}{values}"


def told_one(it: Preferences, name: str) -> str:
    """Return the line about one preference. Raises `Refusal`."""
    known(name)
    return _line(it, name)


def _field(name: str) -> str:
    return name.replace("-", "_")
