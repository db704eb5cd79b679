"""The preferences of a user (`/set`): the look, the lists, and how to be told of something."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
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
    "typing": Choice("others see that you are typing", ("on", "off")),
    "notify": Choice(
        "how the terminal tells of a mention or a private message",
        ("none", "bell", "osc9", "osc777"),
    ),
    "notify-command": Choice("a program that tells it, too; it gets a title and a text"),
    "hook": Choice("a program that gets all entries as lines of JSON"),
}
"""All preferences with values of their own, by name."""

PROGRAMS = ("notify-command", "hook")
"""Those whose values are programs, with their arguments."""

COLOR = "color."
"""The beginning of the names of preferences for the look of one part."""

PARTS = (
    *("time", "me", "mention", "named", "link", "mark", "unread", "here", "room", "title"),
    *("selected", "border", "server", "refusal", "key", "prompt"),
)
"""The parts of the screen that have a look of their own, beside names: these have many."""

_PART = Choice("such as #ffaf00 bold, red or reverse")

_PART_HELP = f"the look of a part, {_PART.help} ({', '.join(PARTS)})"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The values of all preferences. Raises `ValueError` for one that is not a value."""

    theme: str = "terminal"
    time: str = "24h"
    lists: str = "auto"
    mouse: str = "on"
    folding: str = "on"
    typing: str = "on"
    notify: str = "none"
    notify_command: str = ""
    hook: str = ""
    colors: Mapping[str, str] = field(default_factory=dict)
    """The looks of parts, for those that were chosen."""

    def __post_init__(self) -> None:
        if not isinstance(self.colors, dict):
            raise ValueError("colors is no object")
        for name, choice in (*CHOICES.items(), *((COLOR + part, _PART) for part in self.colors)):
            value = self.get(name)
            if not isinstance(value, str) or len(value) > VALUE_CHARACTERS:
                raise ValueError(f"{name} is no text, or too long")
            if choice.values and value not in choice.values:
                raise ValueError(f"{name} is one of {', '.join(choice.values)}")

    def get(self, name: str) -> str:
        """Return the value of the preference called `name`."""
        if name.startswith(COLOR):
            return self.colors.get(name.removeprefix(COLOR), "")
        value: str = getattr(self, _field(name))
        return value

    def changed(self, name: str, value: str) -> "Preferences":
        """Return preferences with another value. Raises `Refusal`."""
        known(name)
        changed: dict[str, Any] = {_field(name): value}
        if name.startswith(COLOR):
            looks = {**self.colors, name.removeprefix(COLOR): value}
            changed = {"colors": {part: look for part, look in looks.items() if look}}
        try:
            return replace(self, **changed)
        except ValueError as error:
            raise Refusal(Code.BAD_ARGUMENT, f"{error}; choose one.") from None

    def as_fields(self) -> dict[str, Any]:
        """Return what differs from the usual values, for the settings file."""
        usual = Preferences()
        return {
            name: value for name, value in asdict(self).items() if value != getattr(usual, name)
        }


def known(name: str) -> Choice:
    """Return the preference called `name`. Raises `Refusal`."""
    if name.startswith(COLOR):
        part = name.removeprefix(COLOR)
        if part not in PARTS:
            raise Refusal(
                Code.BAD_ARGUMENT, f"There is no part {part or '-'}; there are {', '.join(PARTS)}."
            )
        return _PART
    if name not in CHOICES:
        there = ", ".join([*CHOICES, COLOR + "PART"])
        raise Refusal(Code.BAD_ARGUMENT, f"There is no setting {name}; there are {there}.")
    return CHOICES[name]


def from_fields(given: Mapping[str, Any]) -> Preferences:
    """Return the preferences of a settings file. Those that this version does not know are left
    out. Raises `ValueError`."""
    names = {it.name for it in fields(Preferences)}
    return Preferences(**{name: value for name, value in given.items() if name in names})


def told(it: Preferences) -> list[str]:
    """Return the lines that list all preferences."""
    chosen = [_line(it, COLOR + part) for part in it.colors]
    return [*(_line(it, name) for name in CHOICES), *chosen, f"{COLOR}PART -: {_PART_HELP}"]


def _line(it: Preferences, name: str) -> str:
    choice = known(name)
    values = f" ({', '.join(choice.values)})" if choice.values else ""
    return f"{name} {it.get(name) or '-'}: {choice.help}{values}"


def told_one(it: Preferences, name: str) -> str:
    """Return the line about one preference. Raises `Refusal`."""
    return _line(it, name)


def _field(name: str) -> str:
    return name.replace("-", "_")
