"""`chatctl`: the operator's command line. It sends one request to a running server through the
admin socket.

Users type commands as in the chat, without the slash. The request is JSON, whose answer tells
whether it was granted.
"""

import difflib
import errno
import getpass
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from chatservice import __version__, export, names, replies
from chatservice.adminsocket import AdminClient, Fields
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonclient, jsonlines, textformat, textparser
from chatservice.grammar.commands import (
    COMMANDS,
    Arg,
    Command,
    Format,
    PasswordKind,
    Request,
    Right,
)

DONE, REFUSED, USAGE, UNWRITABLE, INTERRUPTED = 0, 1, 2, 74, 130
"""Exit statuses. 74 is EX_IOERR of BSD's sysexits.h."""

MEANINGS = {
    DONE: "done",
    REFUSED: "refused, or no server answers",
    USAGE: "the command line is wrong",
    UNWRITABLE: "standard output cannot be written",
    INTERRUPTED: "interrupted; the command may have been done all the same",
}

SECONDS = 30.0
"""A server that says nothing for so long is given up: longer than the longest wait for a
password's hash, where many come at once."""

PAGE = 1000
"""Entries that are asked for at a time, for an export: as many as the server gives."""

LINE_BYTES = 1 << 16
"""Of the longest line that is read as a password."""

DESCRIPTION = (
    "Sends a command to the chat server on this machine, and prints the answer. Everybody who can "
    "open the socket `operator` in the server's data directory is an operator."
)

LOCAL = {
    "export ROOM": "writes the history of a room to standard output, as --md or --json",
    "restore DIR": "makes a new data directory (--data) from a backup; needs no server",
}
"""The commands that are not in the table, with what they do."""

OPTIONS = {
    "--data DIR": "the server's data directory (chat-data)",
    "--room ROOM": "the room that a command is about",
    "--json": "print the answer as a JSON object; export: an object a line",
    "--md": "export: as Markdown (the default)",
    "--files DIR": "restore: the folder for shared files, if not in the data directory",
    "--timeout SECONDS": f"the longest wait for an answer ({SECONDS:g})",
    "--version": "print the version",
    "--help": "print this help, or that of a command",
}

EXAMPLES = {
    "chatctl reset alice": "gives alice a new password that the server generates",
    "chatctl reset alice -": "asks for the new password",
    "chatctl --room lab kick eve": "removes eve from the room lab",
    "chatctl broadcast We restart in five minutes.": "sends a notice to everybody",
    "chatctl backup /var/backups/chat-monday": "makes a backup while the server runs",
    "chatctl --data new restore /var/backups/chat-monday": "makes a data directory from it",
    "chatctl export lab --json >lab.jsonl": "writes the history of lab to a file",
}

_ALONE = frozenset(
    {
        *("hello", "signup", "login", "nick", "register", "quit", "join", "leave", "away"),
        *("ignore", "skip", "transfers", "cancel", "put", "get", "link", "help"),
    }
)
"""Commands that mean a connection that stays, or a file that follows: for people in the chat."""

_OF_PRESENCE = frozenset({Right.PRESENCE, Right.SPEAK, Right.ACCOUNT})


class OutputError(Exception):
    """The standard output does not take what is to be shown; it says why."""


class UsageError(Exception):
    """The command line makes no sense; it says why in a sentence."""


@dataclass
class CommandLine:
    """A command line: its `words` without its options."""

    words: list[str] = field(default_factory=list)
    data: Path = Path("chat-data")
    room: str | None = None
    files: Path | None = None
    seconds: float = SECONDS
    flags: set[str] = field(default_factory=set)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit status (`MEANINGS`)."""
    try:
        line = _parsed(sys.argv[1:] if argv is None else argv)
        _run(line)
    except UsageError as wrong:
        _complain(f"{wrong} chatctl --help tells more.")
        return USAGE
    except Refusal as refusal:
        _complain(_own_words(refusal.sentence))
        return REFUSED
    except OutputError as wrong:
        _complain(str(wrong))
        return UNWRITABLE
    except KeyboardInterrupt:
        _complain("Interrupted; it may be done all the same.")
        return INTERRUPTED
    return DONE


# -- the command line ------------------------------------------------------------------------------


def commands() -> dict[str, Command]:
    """Return the commands of the table that can be given here, by their names."""
    return {
        row.name: row
        for row in COMMANDS.values()
        if row.formats is Format.BOTH and row.name not in _ALONE and row.needs not in _OF_PRESENCE
    }


def _parsed(argv: Sequence[str]) -> CommandLine:
    """Take the options out of a command line.

    They may stand anywhere, but in a text that is to be told.
    """
    line, rest = CommandLine(), list(argv)
    for word in rest:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{names.one_line(word)} is not UTF-8; write it so.") from None
    while rest:
        word = rest.pop(0)
        if word == "--":
            line.words += rest
            break
        if not word.startswith("--") or _in_text(line.words):
            line.words.append(word)
            continue
        name, equals, value = word.partition("=")
        if name in _FLAGS:
            if equals:
                raise UsageError(f"{name} takes no value.")
            line.flags.add(name)
        elif name in _TAKING:
            if not equals:
                if not rest:
                    raise UsageError(f"{name} needs a value.")
                value = rest.pop(0)
            _TAKING[name](line, value)
        else:
            raise UsageError(
                f"There is no option {_short(name)}{_nearest(name, [*_FLAGS, *_TAKING])}."
            )
    return line


def _in_text(words: Sequence[str]) -> bool:
    """Return whether the text of a command has begun that takes all that follows."""
    command = commands().get(words[0].removeprefix("/")) if words else None
    args = [*command.arguments(Format.TEXT)] if command is not None else []
    greedy = next((at for at, arg in enumerate(args) if arg.name == "text"), len(args))
    return greedy < len(args) and len(words) > 1 + greedy


def _set_data(line: CommandLine, value: str) -> None:
    line.data = Path(value)


def _set_room(line: CommandLine, value: str) -> None:
    line.room = value


def _set_files(line: CommandLine, value: str) -> None:
    line.files = Path(value)


def _set_seconds(line: CommandLine, value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) or not float(value):
        raise UsageError("--timeout takes a number of seconds, such as 30.")
    line.seconds = float(value)


_FLAGS = frozenset({"--json", "--md", "--help", "--version"})
_TAKING: Mapping[str, Callable[[CommandLine, str], None]] = {
    "--data": _set_data,
    "--room": _set_room,
    "--files": _set_files,
    "--timeout": _set_seconds,
}


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word[:40], known, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


# -- what is done ----------------------------------------------------------------------------------


def _run(line: CommandLine) -> None:
    _check_output()
    if "--version" in line.flags:
        _show(f"chatctl {__version__}\n".encode())
    elif "--help" in line.flags or line.words[:1] == ["help"]:
        about = [it for it in line.words if it != "help"]
        _show(_help(about[0] if about else None).encode())
    elif not line.words:
        raise UsageError("Name a command.")
    elif line.words[0] == "export":
        _export(line)
    elif line.words[0] == "restore":
        _restore(line)
    else:
        _check_flags(line, "--json")
        _ask(line, _request(line))


def _check_flags(line: CommandLine, *good: str) -> None:
    """Raise `Usage` for options that mean nothing for a command."""
    given = {*line.flags, *(["--files"] if line.files is not None else [])}
    for flag in sorted(given.difference(good)):
        raise UsageError(f"{flag} means nothing for {_short(line.words[0])}.")


def _export(line: CommandLine) -> None:
    """Write all that was said in a room, a page after another."""
    _check_flags(line, "--json", "--md")
    rooms = [*line.words[1:], *([line.room] if line.room is not None else [])]
    if len(rooms) != 1:
        raise UsageError("Name one room: chatctl export ROOM.")
    if line.flags >= {"--json", "--md"}:
        raise UsageError("Take --json or --md, and not both.")
    history = COMMANDS["history"]
    render = export.json_lines if "--json" in line.flags else export.MarkdownExport().encode
    after = 0
    with AdminClient(line.data, line.seconds, _tell) as server:

        def ask(**args: int) -> replies.History:
            request = Request(history, {"room": rooms[0], **args})
            made = _answer(history, server.request(request))
            assert isinstance(made, replies.History)
            return made

        newest = ask(limit=1).entries
        last = newest[-1][0] if newest else 0  # what is said from now on is not in it
        while True:
            made = ask(after=after, before=last + 1, limit=PAGE)
            _show(render(made))
            if not made.entries:
                return
            after = made.entries[-1][0]


def _restore(line: CommandLine) -> None:
    """Make a data directory of a backup. No server is asked: there is none yet."""
    _check_flags(line, "--files")
    if len(line.words) != 2 or line.room is not None:
        raise UsageError("Name one backup: chatctl --data DIR restore BACKUP.")
    from chatservice.engines.sqlite.restore import restore  # what else needs a database?

    made = restore(Path(line.words[1]), line.data, line.files, _tell)
    files = "1 file" if made.files == 1 else f"{made.files} files"
    _show(
        f"* {names.one_line(str(line.data))} has the database, {files}, "
        f"{textformat.size(made.bytes)}; all of it was read again.\n".encode()
    )


def _ask(line: CommandLine, request: Request) -> None:
    """Ask the server, and show its answer."""
    with AdminClient(line.data, line.seconds, _tell) as server:
        for found in _pages(server, request):
            made = _answer(request.command, found)
            try:
                _show(_as_json(found) if "--json" in line.flags else textformat.reply(made))
            except OutputError as wrong:
                raise OutputError(_unseen(server, made, str(wrong))) from None


def _pages(server: AdminClient, request: Request) -> Iterator[Fields]:
    """Yield the answer to a request; and, where not all fitted into it, the ones behind it, as if
    all had."""
    of = _PAGED.get(request.command.name)
    while True:
        found = server.request(request)
        rows = found.get(of) if of is not None else None
        if not (
            rows and isinstance(rows, list) and found.get("more") and isinstance(rows[-1], dict)
        ):
            yield found
            return
        yield {**found, "more": 0}
        request = Request(request.command, {**request.args, "after": rows[-1]["name"]})


_PAGED = {"users": "users", "accounts": "accounts", "files": "files"}
"""The lists that come in pieces, with the field that has the rows of each."""


def _answer(command: Command, found: Fields) -> replies.Reply:
    """Return an answer of what came. Raises `Refusal` if it is none: of another version's server,
    or of another program."""
    try:
        made: replies.Reply = jsonclient.parse_reply(command.reply, found)
    except jsonclient.MalformedMessage:
        raise Refusal(
            Code.SERVER_ERROR,
            "The server's answer cannot be understood; use the chatctl of the server's version.",
        ) from None
    return made


def _as_json(found: Fields) -> bytes:
    """Return an answer without what only belongs to the connection."""
    return jsonlines.line({key: it for key, it in found.items() if key not in ("event", "id")})


def _unseen(server: AdminClient, made: replies.Reply, why: str) -> str:
    """Do what is to be done about a secret that nobody has seen, and return what became of it."""
    if isinstance(made, replies.InvitationCode):
        server.request(Request(COMMANDS["uncode"], {"code": made.code}))
        return f"{why} The code is taken back."
    if isinstance(made, replies.NewPassword) and made.password:
        return (
            f"{why} {made.name} has a password that nobody knows; chatctl reset {made.name} makes "
            "another one."
        )
    return f"{why} What was asked for is done."


def _request(line: CommandLine) -> Request:
    """Return what the command line asks for; passwords that are missing are asked for here."""
    name = line.words[0].removeprefix("/").casefold()
    if name == "who" and len(line.words) == 1 and line.room is None:
        name = "users"
    if name not in commands():
        if name in COMMANDS:
            raise Refusal(Code.UNKNOWN_COMMAND, f"{name} is for people in the chat only.")
        known = [*commands(), "export", "restore"]
        hint = _nearest(name, known) or "; chatctl help lists those there are."
        raise Refusal(Code.UNKNOWN_COMMAND, f"There is no command {_short(name)}{hint}")
    text = " ".join([name, *line.words[1:]])
    request = textparser.parse(f"/{text}", may_prompt=True)
    assert request is not None
    args = {**({"room": line.room} if line.room is not None else {}), **request.args}
    for arg in request.command.args:
        if _is_secret(arg) and args.get(arg.name, "" if arg.secret else None) in ("", "-"):
            args[arg.name] = _password(arg)
        elif arg.name == "dir" and arg.name in args:
            args["dir"] = os.path.abspath(args["dir"])  # the server is in another directory
        elif arg.name == "room" and "room" not in args and not arg.is_optional(Format.JSON):
            raise Refusal(Code.BAD_ARGUMENT, "Say in which room: chatctl --room ROOM ...")
    if line.room is not None and not any(it.name == "room" for it in request.command.args):
        raise UsageError(f"{name} is about no room, so leave --room out.")
    return Request(COMMANDS[request.command.name], args)


def _is_secret(arg: Arg) -> bool:
    return arg.secret is not None or arg.name == "password"


def _password(arg: Arg) -> str:
    """Ask for a password, twice for a new one; without a terminal, read it from a line."""
    try:
        if sys.stdin is not None and sys.stdin.isatty():
            found = getpass.getpass(f"{arg.name.capitalize()}: ")
            if arg.secret is not PasswordKind.CURRENT and found != getpass.getpass("Once more: "):
                raise Refusal(Code.WRONG_PASSWORD, "The two differ, so nothing was done.")
        else:
            data = sys.stdin.buffer.readline(LINE_BYTES) if sys.stdin is not None else b""
            found = data.decode().rstrip("\r\n")
    except (EOFError, OSError):
        found = ""
    except UnicodeDecodeError:
        raise Refusal(
            Code.BAD_ARGUMENT, f"The {arg.name} on the standard input is not UTF-8; write it so."
        ) from None
    if not found:
        raise Refusal(Code.BAD_ARGUMENT, f"No {arg.name} was given, so nothing was done.")
    return found


# -- what is shown ---------------------------------------------------------------------------------


def _own_words(sentence: str) -> str:
    """Return a sentence of the server with its commands as `chatctl` takes them."""
    return _SLASHED.sub(r"chatctl \1", sentence.replace("/help /", "/help "))


_SLASHED = re.compile(rf"(?<![\w/.])/({'|'.join(COMMANDS)})\b")


def _complain(sentence: str) -> None:
    """Say on the standard error what is wrong, if that can be written to."""
    sentence = names.one_line(names.shorten(sentence, _SENTENCE))
    _write(2, f"chatctl: {sentence}\n".encode())


_SENTENCE = 1000
"""So many characters has the longest sentence; a path that it names may be longer."""


def _tell(text: str) -> None:
    """Show how far something is, to a person."""
    if os.isatty(2):
        _write(2, f"chatctl: {names.one_line(text)}\n".encode())


def _check_output() -> None:
    """Raise `Unwritable` where there is no standard output: nothing is asked then."""
    try:
        os.fstat(1)
    except OSError:
        raise OutputError("There is no standard output, so nothing was done.") from None


def _show(data: bytes) -> None:
    """Write to the standard output. Raises `Unwritable`."""
    why = _write(1, data)
    if why is not None:
        raise OutputError(f"The standard output cannot be written to ({why}).")


def _write(descriptor: int, data: bytes) -> str | None:
    """Write all of it. Return why that cannot be done, or None."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError as error:
            return os.strerror(error.errno or errno.EIO)
    return None


def _help(about: str | None) -> str:
    """Return what `chatctl help` shows: all, or what one command takes."""
    return "".join(f"{line}\n" for line in (_overview() if about is None else _about(about)))


def _overview() -> Iterator[str]:
    yield "chatctl [OPTIONS] COMMAND [ARGUMENT ...]"
    yield ""
    yield from textwrap.wrap(DESCRIPTION, 80)
    for title, rows in (
        ("Options", OPTIONS),
        ("Commands", listed_commands()),
        ("Examples", EXAMPLES),
        ("Exit status", {str(it): of for it, of in MEANINGS.items()}),
    ):
        yield ""
        yield f"{title}:"
        for term, meaning in rows.items():
            yield from _listed(term, meaning)


def listed_commands() -> dict[str, str]:
    """Return how each command is given, with what it does."""
    return {usage(row): _own_words(row.help) for row in commands().values()} | LOCAL


def _listed(term: str, meaning: str) -> Iterator[str]:
    """Yield lines with a term on the left and what it means on the right."""
    lines = textwrap.wrap(meaning, 46)
    if len(term) > 29:
        yield f"  {term}"
        term = ""
    for text in lines:
        yield f"  {term:<30}{text}"
        term = ""


def usage(command: Command) -> str:
    """Return how a command is given here: `reset NAME [PASSWORD]`."""
    return command.usage.removeprefix("/").replace(" @USER", " USER")


def _about(name: str) -> Iterator[str]:
    for term, meaning in LOCAL.items():
        if term.split()[0] == name:
            yield f"chatctl {term}"
            yield from textwrap.wrap(f"{meaning[0].upper()}{meaning[1:]}.", 80)
            return
    command = commands().get(name.removeprefix("/").casefold())
    if command is None:
        raise Refusal(
            Code.UNKNOWN_COMMAND,
            f"There is no command {_short(name)}{_nearest(name, list(commands()))}.",
        )
    of_room = any(it.name == "room" and not it.formats & Format.TEXT for it in command.args)
    yield f"chatctl {'--room ROOM ' if of_room else ''}{usage(command)}"
    about = _own_words(command.help)
    yield from textwrap.wrap(f"{about[0].upper()}{about[1:]}.", 80)
    for arg in command.arguments(Format.TEXT):
        if arg.help:
            yield from _listed(arg.usage, _own_words(arg.help))


def run() -> NoReturn:
    """What the command `chatctl` runs."""
    sys.exit(main())


if __name__ == "__main__":
    run()
