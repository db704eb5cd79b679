"""What Tab makes of the beginning of a word: commands, what belongs behind them, users, paths."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from enum import Enum, auto
from typing import Any, NamedTuple

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from twisted.internet.defer import Deferred

from chatservice import names
from chatservice.client.screen import SessionView
from chatservice.grammar.commands import ALL, COMMANDS, TOPICS, Arg, ArgType, Command, Format
from chatservice.grammar.textformat import quoted_name

OWN_COMMANDS = ("keys",)
"""What `/help` explains here and nowhere else."""

_PATHS = ("./", "../", "~", "/")


class WordKind(Enum):
    """What sort of thing a word is the beginning of."""

    COMMAND = auto()
    HELP_TOPIC = auto()
    USER = auto()
    ADDRESSEE = auto()
    ROOM = auto()
    FILE = auto()
    PATH = auto()
    CHOICE = auto()


class CompletionTarget(NamedTuple):
    """What could complete a line: of which sort, and how much of it is there; `choices`, where only
    a few words make sense."""

    sort: WordKind
    beginning: str
    choices: tuple[str, ...] = ()


_KIND_OF_ARGUMENT = {
    "room": WordKind.ROOM,
    "user": WordKind.USER,
    "to": WordKind.USER,
    "command": WordKind.HELP_TOPIC,
}
"""What the words are that the table of commands calls so."""


def completion_target(line: str) -> CompletionTarget | None:
    """Return what could complete a line that was typed so far; None where nothing could."""
    if line.startswith("/"):
        return _of_command(line)
    found = _of_bare_words(line)
    if found is not None:
        return found
    if line.startswith(_PATHS):
        return CompletionTarget(WordKind.PATH, line)
    return _of_talk(line)


def _of_command(line: str) -> CompletionTarget | None:
    word, space, rest = line[1:].partition(" ")
    if not space:
        if any(name.startswith(word.casefold()) for name in COMMANDS):
            return CompletionTarget(WordKind.COMMAND, word)
        return CompletionTarget(WordKind.PATH, line)
    command = COMMANDS.get(word.casefold())
    if command is None:
        return CompletionTarget(WordKind.PATH, line)
    return _of_path(rest) if command.name == "put" else _of_arguments(command, rest)


def _of_arguments(command: Command, rest: str) -> CompletionTarget | None:
    """Return what the last word of `rest` is, behind the name of a command."""
    for arg in command.arguments(Format.TEXT):
        if arg.type is ArgType.FLAG:
            continue
        if arg.type.greedy:
            return (
                CompletionTarget(WordKind.FILE, rest)
                if arg.type is ArgType.FILE
                else _of_talk(rest)
            )
        word, space, after = rest.lstrip(" ").partition(" ")
        if not space:
            return _of_argument(arg, word)
        if arg.type.pattern.fullmatch(word):
            rest = after
    return None


def _of_argument(arg: Arg, word: str) -> CompletionTarget | None:
    if arg.choices:
        return CompletionTarget(WordKind.CHOICE, word, arg.choices)
    sort = _KIND_OF_ARGUMENT.get(arg.name)
    return CompletionTarget(sort, word) if sort is not None else None


def _of_bare_words(line: str) -> CompletionTarget | None:
    """Return what could complete a command that is called without its slash: `join l`."""
    for first in ("-file ", "transfer "):
        if line.startswith(first):
            return _of_path(line.removeprefix(first))
    if line.startswith("@") and " " not in line:
        return CompletionTarget(WordKind.USER, line[1:])
    for command in COMMANDS.values():
        for also in command.aliases:
            fixed, _, arguments = also.shape.partition(" ")
            if arguments.strip("[]").isupper() and line.startswith(f"{fixed} "):
                return _of_arguments(command, line.removeprefix(f"{fixed} "))
    return None


def _of_path(rest: str) -> CompletionTarget:
    path, space, user = rest.rpartition(" @")
    if space and path and " " not in user:
        return CompletionTarget(WordKind.USER, user)
    return CompletionTarget(WordKind.PATH, rest)


def _of_talk(line: str) -> CompletionTarget | None:
    before, _, word = line.rpartition(" ")
    if not word:
        return None
    if word.startswith("@"):
        return CompletionTarget(WordKind.USER, word[1:])
    return CompletionTarget(WordKind.USER if before else WordKind.ADDRESSEE, word)


class TabCompleter(Completer):
    """Completes with what there is `around`: None before one has come to a server."""

    def __init__(self) -> None:
        self.session: SessionView | None = None
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """What takes its time is completed by `get_completions_async`."""
        return ()

    async def get_completions_async(
        self, document: Document, event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Return what could stand in the place of the word before the cursor."""
        it = completion_target(document.text_before_cursor)
        if it is None:
            return
        if it.sort is WordKind.PATH:
            path = Document(it.beginning)
            for found in self._paths.get_completions(path, event):
                yield found
            return
        for word in map(names.clean, await self._words(it)):
            if names.key(word).startswith(names.key(it.beginning)):
                end = ": " if it.sort is WordKind.ADDRESSEE else " "
                yield Completion(word + end, -len(it.beginning), display=word)

    async def _words(self, it: CompletionTarget) -> list[str]:
        match it.sort:
            case WordKind.COMMAND | WordKind.HELP_TOPIC:
                own = {*OWN_COMMANDS, *TOPICS, ALL} if it.sort is WordKind.HELP_TOPIC else set()
                rows = [name for name, row in COMMANDS.items() if row.formats & Format.TEXT]
                return sorted({*rows, *own})
            case WordKind.CHOICE:
                return list(it.choices)
        session = self.session
        if session is None or not session.connected:
            return []
        match it.sort:
            case WordKind.ROOM:
                return await _answer(session.rooms())
            case WordKind.FILE:
                shelf, slash, _ = it.beginning.partition("/")
                files = await _answer(session.files(shelf if slash else None))
                before = f"{shelf}/" if slash else ""
                return [quoted_name(before + name) for name in files]
        mine = names.key(session.name)
        return [user for user in await _answer(session.users()) if names.key(user) != mine]


async def _answer(asking: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Wait for an answer of the server's in a coroutine of asyncio's."""
    loop = asyncio.get_running_loop()
    found: list[str] = await Deferred.fromCoroutine(asking).asFuture(loop)
    return found
