"""Completion by Tab: commands and their arguments, users, rooms, files and paths."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from enum import Enum, auto
from typing import NamedTuple

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from twisted.internet.defer import Deferred

from chatservice import names
from chatservice.client.clientsession import ClientSession
from chatservice.client.jsonconnection import Lost
from chatservice.client.owncommands import OwnCommand, own_command
from chatservice.errors import Refusal
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Command, Format
from chatservice.grammar.help import ALL, TOPICS
from chatservice.grammar.textformat import quoted_name

OWN_TOPICS = ("keys",)
"""Topics that `/help` has only in this client."""

_PATHS = ("./", "../", "~", "/")


class WordKind(Enum):
    """The kind of word that Tab completes."""

    COMMAND = auto()
    HELP_TOPIC = auto()
    USER = auto()
    ADDRESSEE = auto()
    ROOM = auto()
    FILE = auto()
    PATH = auto()
    CHOICE = auto()


class CompletionTarget(NamedTuple):
    """The word to complete: its kind, its beginning, and the `choices` if there are only a few."""

    kind: WordKind
    beginning: str
    choices: tuple[str, ...] = ()


_KIND_OF_ARGUMENT = {
    "room": WordKind.ROOM,
    "user": WordKind.USER,
    "to": WordKind.USER,
    "command": WordKind.HELP_TOPIC,
}
"""The kinds of the arguments in the table of commands, by their names."""


def completion_target(line: str) -> CompletionTarget | None:
    """Return the word to complete at the end of `line`; None if nothing completes it."""
    if line.startswith("/"):
        return _target_of_command(line)
    found = _target_of_bare_words(line)
    if found is not None:
        return found
    if line.startswith(_PATHS):
        return CompletionTarget(WordKind.PATH, line)
    return _target_of_talk(line)


def _target_of_command(line: str) -> CompletionTarget | None:
    word, space, rest = line[1:].partition(" ")
    if not space:
        if any(name.startswith(word.casefold()) for name in COMMANDS):
            return CompletionTarget(WordKind.COMMAND, word)
        return CompletionTarget(WordKind.PATH, line)
    command = COMMANDS.get(word.casefold())
    if command is None:
        return CompletionTarget(WordKind.PATH, line)
    return _target_of_path(rest) if command.name == "put" else _target_of_arguments(command, rest)


def _target_of_arguments(command: Command, rest: str) -> CompletionTarget | None:
    """Return the target for the last word of `rest`, the arguments of a command."""
    for arg in command.arguments(Format.TEXT):
        if arg.type is ArgType.FLAG:
            continue
        if arg.type.greedy:
            is_file = arg.type is ArgType.FILE
            return CompletionTarget(WordKind.FILE, rest) if is_file else _target_of_talk(rest)
        word, space, after = rest.lstrip(" ").partition(" ")
        if not space and arg.type in (ArgType.INBOX, ArgType.PLACES):
            if word.startswith("@"):
                return CompletionTarget(WordKind.USER, word[1:])
            continue
        if not space and arg.choices:
            return CompletionTarget(WordKind.CHOICE, word, arg.choices)
        if not space:
            kind = _KIND_OF_ARGUMENT.get(arg.name)
            return CompletionTarget(kind, word) if kind is not None else None
        if arg.type.pattern.fullmatch(word):
            rest = after
    return None


def _target_of_bare_words(line: str) -> CompletionTarget | None:
    """Return the target for a command without its slash, as in `join l`."""
    for first in ("-file ", "transfer "):
        if line.startswith(first):
            return _target_of_path(line.removeprefix(first))
    if line.startswith("@") and " " not in line:
        return CompletionTarget(WordKind.USER, line[1:])
    for command in COMMANDS.values():
        for also in command.aliases:
            fixed, _, arguments = also.shape.partition(" ")
            if arguments.strip("[]").isupper() and line.startswith(f"{fixed} "):
                return _target_of_arguments(command, line.removeprefix(f"{fixed} "))
    return None


def _target_of_path(rest: str) -> CompletionTarget:
    path, space, user = rest.rpartition(" @")
    if space and path and " " not in user:
        return CompletionTarget(WordKind.USER, user)
    return CompletionTarget(WordKind.PATH, rest)


def _target_of_talk(line: str) -> CompletionTarget | None:
    before, _, word = line.rpartition(" ")
    if not word:
        return None
    if word.startswith("@"):
        return CompletionTarget(WordKind.USER, word[1:])
    return CompletionTarget(WordKind.USER if before else WordKind.ADDRESSEE, word)


class TabCompleter(Completer):
    """A completer that asks the `session`, which is None before the login."""

    def __init__(self) -> None:
        self.session: ClientSession | None = None
        self.own: Mapping[str, OwnCommand] = {}
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """Return nothing: `get_completions_async` does the work."""
        return ()

    async def get_completions_async(
        self, document: Document, event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Yield the completions of the word before the cursor."""
        own = own_command(document.text_before_cursor)
        if own is not None and own[0] in self.own and " " in document.text_before_cursor:
            name, rest = own[0], document.text_before_cursor.partition(" ")[2].lstrip(" ")
            before, _, word = rest.rpartition(" ")
            for choice in self.own[name].complete(before.split()):
                if choice.startswith(word):
                    yield Completion(f"{choice} ", -len(word), display=choice)
            return
        target = completion_target(document.text_before_cursor)
        if target is None:
            return
        if target.kind is WordKind.PATH:
            path = Document(target.beginning)
            for found in self._paths.get_completions(path, event):
                yield found
            return
        for word in map(names.clean, await self._words(target)):
            if names.key(word).startswith(names.key(target.beginning)):
                end = ": " if target.kind is WordKind.ADDRESSEE else " "
                yield Completion(word + end, -len(target.beginning), display=word)

    async def _words(self, target: CompletionTarget) -> list[str]:
        match target.kind:
            case WordKind.COMMAND | WordKind.HELP_TOPIC:
                own = {*OWN_TOPICS, *TOPICS, ALL} if target.kind is WordKind.HELP_TOPIC else set()
                own |= set(self.own)
                rows = {name for name, row in COMMANDS.items() if row.formats & Format.TEXT}
                if not target.beginning:
                    rows -= {*TOPICS["moderation"], *TOPICS["server"]}
                return sorted(rows | own)
            case WordKind.CHOICE:
                return list(target.choices)
        session = self.session
        if session is None or not session.connected:
            return []
        asking = Deferred.fromCoroutine(_words_of_server(session, target))
        asking.addErrback(lambda failure: failure.trap(Refusal, Lost) and [])
        found: list[str] = await asking.asFuture(asyncio.get_running_loop())
        return found


async def _words_of_server(session: ClientSession, target: CompletionTarget) -> list[str]:
    """Return the names that the server knows. Raises `Refusal` and `Lost`."""
    here = session.state.current_room
    match target.kind:
        case WordKind.ROOM:
            return [room.room for room in await session.rooms.list_all()]
        case WordKind.FILE:
            room, slash, _ = target.beginning.partition("/")
            files = await session.ask("files", room=room if slash else here)
            before = f"{room}/" if slash else ""
            return [quoted_name(before + file.name) for file in files.files]
    mine = names.key(session.state.name)
    users = (user.name for user in (await session.ask("who", room=here)).users)
    return [user for user in users if names.key(user) != mine]
