"""The texts of `/help`: an overview, a topic's commands, or all about one command."""

from collections.abc import Mapping
from types import MappingProxyType

from chatservice.grammar.commands import COMMANDS, MayUse
from chatservice.grammar.commandtypes import ArgType, Command, Format, Right

TOPICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "talking": (
            *("say", "me", "msg", "reply", "edit", "react", "erase", "pins", "away", "seen"),
            *("ignore", "topic", "history", "search", "unread", "skip", "help", "quit"),
        ),
        "rooms": ("rooms", "join", "create", "leave", "exit", "who", "rules"),
        "files": ("files", "link", "get", "put", "versions", "remove", "transfers", "cancel"),
        "names": (
            *("nick", "register", "signup", "login", "password", "token", "tokens", "revoke"),
        ),
        "moderation": tuple(
            name for name, row in COMMANDS.items() if row.needs in (Right.MODERATE, Right.OWN)
        ),
        "server": tuple(
            name
            for name, row in COMMANDS.items()
            if row.needs in (Right.OPERATE, Right.ADMIN_SOCKET)
        ),
    }
)
"""The topics, with their commands. Each command of the text format is in one of them."""

ALL = "all"
"""The topic of all commands."""

_FIRST = ("rooms", "join", "create", "who", "msg", "history", "files", "link", "register", "quit")
_BEFORE_LOGIN = ("signup", "login", "quit")


def overview(may: MayUse, named: bool) -> tuple[str, ...]:
    """Return the lines of `/help` alone: the first commands to know, and how to learn of others.

    `may` filters the commands. `named` is False before the login.
    """
    rows = [COMMANDS[name] for name in (_FIRST if named else _BEFORE_LOGIN)]
    lines = [_line(row) for row in rows if may(row)]
    if not named:
        return ("Type your name to come in.", *lines)
    topics = [it for it, of in TOPICS.items() if any(may(COMMANDS[name]) for name in of)]
    return (
        *lines,
        f"/help TOPIC - tells more: {', '.join(topics)}, {ALL}",
        "/help COMMAND - explains one of them",
    )


def told_commands(about: str | None = None, may: MayUse = lambda _: True) -> tuple[str, ...]:
    """Return the names of the commands of the JSON format that `help_lines` tells of."""
    topic = None if about is None else about.casefold()
    rows = [*COMMANDS.values()]
    if topic is None or topic == ALL:
        rows = [row for row in rows if may(row)]
    elif topic in TOPICS:
        rows = [row for name in TOPICS[topic] if may(row := COMMANDS[name])]
    else:
        rows = [row for row in rows if row.name == topic.removeprefix("/")]
    return tuple(row.name for row in rows if row.formats & Format.JSON)


def help_lines(about: str | None = None, may: MayUse = lambda _: True) -> tuple[str, ...]:
    """Return all about the command `about`, or a line for each command of the topic `about`.

    None stands for all commands. Commands of a topic are filtered by `may`. The result is empty
    if there is neither a command nor a topic of that name.
    """
    topic = None if about is None else about.casefold()
    if topic in (None, ALL):
        return tuple(
            _line(row) for row in COMMANDS.values() if row.formats & Format.TEXT and may(row)
        )
    if topic in TOPICS:
        return tuple(_line(COMMANDS[name]) for name in TOPICS[topic] if may(COMMANDS[name]))
    row = COMMANDS.get(topic.removeprefix("/"))
    if row is None or not row.formats & Format.TEXT:
        return ()
    args = [arg for arg in row.arguments(Format.TEXT) if arg.type is not ArgType.FLAG]
    lines = [_line(row), *(f"  {arg.usage} - {arg.help}" for arg in args)]
    if row.aliases:
        lines.append("  also: " + ", ".join(alias.shape for alias in row.aliases))
    return tuple(lines)


def _line(row: Command) -> str:
    return f"{row.usage} - {row.help}"
