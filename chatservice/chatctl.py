"""`chatctl`: the operator's command line, which sends requests to the admin socket of a server.

A command is typed as in the chat, without its slash. It is sent as JSON, so that `chatctl` knows
whether it was granted. `export` and `restore` are done here.
"""

import difflib
import getpass
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from chatservice import __version__, export, names, replies
from chatservice.adminsocket import AdminClient, Fields
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonclient, jsonlines, textformat, textparser
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Arg, Command, Format, PasswordKind, Request, Right
from chatservice.output import write_all

DONE, REFUSED, USAGE, UNWRITABLE, INTERRUPTED = 0, 1, 2, 74, 130
"""Exit statuses. 74 is EX_IOERR of BSD's sysexits.h."""

MEANINGS = {
    DONE: "done",
    REFUSED: "refused, or no server answers",
    USAGE: "the command line is wrong",
    UNWRITABLE: "standard output cannot be written",
    INTERRUPTED: "interrupted; the command may have been done all the same",
}

TIMEOUT_SECONDS = 30.0
"""Silence after which a server is given up: more than the longest queue for password hashes."""

PAGE_ENTRIES = 1000
"""Entries in each request of an export: the most that the server gives."""

PASSWORD_BYTES = 1 << 16
"""The longest line that is read as a password."""

SENTENCE_CHARACTERS = 1000
"""The longest error message, which may quote a long path."""

DESCRIPTION = (
    "Sends a command to the chat server on this machine, and prints the answer. Everybody who can "
    "open the socket `operator` in the server's data directory is an operator."
)

LOCAL = {
    "export ROOM": "writes the history of a room to standard output, as --md or --json",
    "restore DIR": "makes a new data directory (--data) from a backup; needs no server",
}
"""The commands that are done here, with their descriptions."""

OPTIONS = {
    "--data DIR": "the server's data directory (chat-data)",
    "--room ROOM": "the room that a command is about",
    "--json": "print the answer as a JSON object; export: an object a line",
    "--md": "export: as Markdown (the default)",
    "--files DIR": "restore: the folder for shared files, if not in the data directory",
    "--timeout SECONDS": f"the longest wait for an answer ({TIMEOUT_SECONDS:g})",
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

_CHAT_ONLY = frozenset(
    {
        *("hello", "signup", "login", "nick", "register", "quit", "join", "leave", "away"),
        *("ignore", "transfers", "cancel", "get", "link", "help"),
    }
)
"""Commands that need a connection that stays, or that a file follows."""

_CHAT_RIGHTS = frozenset({Right.PRESENCE, Right.SPEAK, Right.ACCOUNT})

_PAGED = frozenset({"users", "accounts", "files"})
"""Commands with replies in pages. The rows are in a field of the same name."""


class OutputError(Exception):
    """The standard output cannot be written to. The message says why."""


class UsageError(Exception):
    """The command line is wrong. The message says why in a sentence."""


@dataclass
class CommandLine:
    """A parsed command line: its `words`, the values of options, and the `flags` given."""

    words: list[str] = field(default_factory=list)
    data: Path = Path("chat-data")
    room: str | None = None
    files: Path | None = None
    timeout: float = TIMEOUT_SECONDS
    flags: set[str] = field(default_factory=set)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, and return the exit status (`MEANINGS`)."""
    try:
        _run(_parse(sys.argv[1:] if argv is None else argv))
    except UsageError as error:
        return _failed(USAGE, f"{error} chatctl --help tells more.")
    except Refusal as refusal:
        return _failed(REFUSED, _own_commands(refusal.sentence))
    except OutputError as error:
        return _failed(UNWRITABLE, str(error))
    except KeyboardInterrupt:
        return _failed(INTERRUPTED, "Interrupted; it may be done all the same.")
    return DONE


# -- the command line ------------------------------------------------------------------------------


def commands() -> dict[str, Command]:
    """Return the commands of the table that can be used here, by name."""
    return {
        row.name: row
        for row in COMMANDS.values()
        if row.formats is Format.BOTH
        and row.name not in _CHAT_ONLY
        and row.needs not in _CHAT_RIGHTS
    }


def _parse(argv: Sequence[str]) -> CommandLine:
    """Parse a command line. Options may stand anywhere, but not inside a text."""
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
        elif name in _VALUES:
            if not equals and not rest:
                raise UsageError(f"{name} needs a value.")
            setattr(line, name[2:], _VALUES[name](value if equals else rest.pop(0)))
        else:
            hint = _nearest(name, [*_FLAGS, *_VALUES])
            raise UsageError(f"There is no option {_short(name)}{hint}.")
    return line


def _in_text(words: Sequence[str]) -> bool:
    """Return whether the words end inside the text of a command, which takes all words."""
    command = commands().get(words[0].removeprefix("/")) if words else None
    args = [arg.name for arg in command.arguments(Format.TEXT)] if command is not None else []
    return "text" in args and len(words) > 1 + args.index("text")


def _timeout(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) or not float(value):
        raise UsageError("--timeout takes a number of seconds, such as 30.")
    return float(value)


_FLAGS = frozenset(it for it in OPTIONS if " " not in it)
_VALUES: Mapping[str, Callable[[str], Any]] = {
    "--data": Path,
    "--room": str,
    "--files": Path,
    "--timeout": _timeout,
}
"""Options with a value: each sets the field of its name."""


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word[:40], known, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _check_flags(line: CommandLine, *good: str) -> None:
    """Raise `UsageError` for options that the command does not take."""
    given = {*line.flags, *(["--files"] if line.files is not None else [])}
    for flag in sorted(given.difference(good)):
        raise UsageError(f"{flag} means nothing for {_short(line.words[0])}.")


# -- commands --------------------------------------------------------------------------------------


def _run(line: CommandLine) -> None:
    _check_output()
    if "--version" in line.flags:
        _show(f"chatctl {__version__}\n".encode())
    elif "--help" in line.flags or line.words[:1] == ["help"]:
        about = [it for it in line.words if it != "help"]
        _show("".join(f"{it}\n" for it in (_about(about[0]) if about else _overview())).encode())
    elif not line.words:
        raise UsageError("Name a command.")
    elif line.words[0] == "export":
        _export(line)
    elif line.words[0] == "restore":
        _restore(line)
    else:
        _check_flags(line, "--json")
        _send(line, _request(line))


def _export(line: CommandLine) -> None:
    """Write the history of a room, page by page."""
    _check_flags(line, "--json", "--md")
    rooms = [*line.words[1:], *([line.room] if line.room is not None else [])]
    if len(rooms) != 1:
        raise UsageError("Name one room: chatctl export ROOM.")
    if line.flags >= {"--json", "--md"}:
        raise UsageError("Take --json or --md, and not both.")
    encode = export.json_lines if "--json" in line.flags else export.MarkdownExport().encode
    history = COMMANDS["history"]
    with AdminClient(line.data, line.timeout, _show_progress) as server:

        def page(**args: int) -> replies.History:
            found = server.request(Request(history, {"room": rooms[0], **args}))
            reply = _parse_reply(history, found)
            assert isinstance(reply, replies.History)
            return reply

        newest = page(limit=1).entries
        after, end = 0, newest[-1][0] + 1 if newest else 1  # later entries are left out
        while True:
            reply = page(after=after, before=end, limit=PAGE_ENTRIES)
            _show(encode(reply))
            if not reply.entries:
                return
            after = reply.entries[-1][0]


def _restore(line: CommandLine) -> None:
    """Make a data directory from a backup, without a server."""
    _check_flags(line, "--files")
    if len(line.words) != 2 or line.room is not None:
        raise UsageError("Name one backup: chatctl --data DIR restore BACKUP.")
    from chatservice.engines.sqlite.backup import restore  # only this needs a database

    made = restore(Path(line.words[1]), line.data, line.files, _show_progress)
    files = textformat.counted(made.files, "file")
    _show(
        f"* {names.one_line(str(line.data))} has the database, {files}, "
        f"{textformat.size(made.bytes)}; the copy was checked.\n".encode()
    )


def _send(line: CommandLine, request: Request) -> None:
    """Send a request, and show the reply."""
    with AdminClient(line.data, line.timeout, _show_progress) as server:
        for found in _pages(server, request):
            reply = _parse_reply(request.command, found)
            try:
                _show(_as_json(found) if "--json" in line.flags else textformat.reply(reply))
            except OutputError as error:
                raise OutputError(_undo_secret(server, reply, str(error))) from None


def _pages(server: AdminClient, request: Request) -> Iterator[Fields]:
    """Yield the reply to a request, and the pages that follow it, as if each were complete."""
    name = request.command.name
    while True:
        found = server.request(request)
        rows = found.get(name) if name in _PAGED else None
        if not (
            rows and isinstance(rows, list) and found.get("more") and isinstance(rows[-1], dict)
        ):
            yield found
            return
        yield {**found, "more": 0}
        request = Request(request.command, {**request.args, "after": rows[-1]["name"]})


def _parse_reply(command: Command, found: Fields) -> replies.Reply:
    """Parse a reply. Raises `Refusal` if it is malformed: of another version or program."""
    try:
        reply: replies.Reply = jsonclient.parse_reply(command.reply, found)
    except jsonclient.MalformedMessage:
        raise Refusal(
            Code.SERVER_ERROR,
            "The server's answer cannot be understood; use the chatctl of the server's version.",
        ) from None
    return reply


def _as_json(found: Fields) -> bytes:
    """Encode a reply without the fields that belong to the connection."""
    return jsonlines.line({key: it for key, it in found.items() if key not in ("event", "id")})


def _undo_secret(server: AdminClient, reply: replies.Reply, why: str) -> str:
    """Revoke a secret that could not be shown, and return what became of the command."""
    if isinstance(reply, replies.InvitationCode):
        server.request(Request(COMMANDS["uncode"], {"code": reply.code}))
        return f"{why} The code is taken back."
    if isinstance(reply, replies.NewPassword) and reply.password:
        return (
            f"{why} {reply.name} has a password that nobody knows; chatctl reset {reply.name} "
            "makes another one."
        )
    return f"{why} What was asked for is done."


def _request(line: CommandLine) -> Request:
    """Return the request of a command line. Asks for passwords that are missing."""
    name = line.words[0].removeprefix("/").casefold()
    if name == "who" and len(line.words) == 1 and line.room is None:
        name = "users"
    if name not in commands():
        if name in COMMANDS:
            raise Refusal(Code.UNKNOWN_COMMAND, f"{name} is for people in the chat only.")
        known = [*commands(), "export", "restore"]
        hint = _nearest(name, known) or "; chatctl help lists those there are."
        raise Refusal(Code.UNKNOWN_COMMAND, f"There is no command {_short(name)}{hint}")
    request = textparser.parse(" ".join([f"/{name}", *line.words[1:]]), may_prompt=True)
    assert request is not None
    args = {**({"room": line.room} if line.room is not None else {}), **request.args}
    for arg in request.command.args:
        if arg.private and args.get(arg.name, "" if arg.secret else None) in ("", "-"):
            args[arg.name] = _ask_password(arg)
        elif arg.name == "dir" and arg.name in args:
            args["dir"] = os.path.abspath(args["dir"])  # the server's own directory is another
        elif arg.name == "room" and "room" not in args and not arg.is_optional(Format.JSON):
            raise Refusal(Code.BAD_ARGUMENT, "Say in which room: chatctl --room ROOM ...")
    if line.room is not None and not any(it.name == "room" for it in request.command.args):
        raise UsageError(f"{name} is about no room, so leave --room out.")
    return Request(COMMANDS[request.command.name], args)


def _ask_password(arg: Arg) -> str:
    """Prompt for a password, twice for a new one. Without a terminal, read a line."""
    try:
        if sys.stdin is not None and sys.stdin.isatty():
            found = getpass.getpass(f"{arg.name.capitalize()}: ")
            if arg.secret is not PasswordKind.CURRENT and found != getpass.getpass("Once more: "):
                raise Refusal(Code.WRONG_PASSWORD, "The two differ, so nothing was done.")
        else:
            data = sys.stdin.buffer.readline(PASSWORD_BYTES) if sys.stdin is not None else b""
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


# -- output ----------------------------------------------------------------------------------------


def _own_commands(sentence: str) -> str:
    """Return a sentence of the server's with commands as they are typed here."""
    sentence = _QUOTED.sub(r"chatctl \1", sentence.replace("/help /", "/help "))
    return _SLASHED.sub(r"chatctl \1", sentence)


_QUOTED = re.compile(rf'"((?:{"|".join(COMMANDS)})(?: [^"]*)?)"')
_SLASHED = re.compile(rf"(?<![\w/.])/({'|'.join(COMMANDS)})\b")


def _failed(status: int, sentence: str) -> int:
    """Write an error message to the standard error, if possible. Return `status`."""
    sentence = names.one_line(names.shorten(sentence, SENTENCE_CHARACTERS))
    write_all(2, f"chatctl: {sentence}\n".encode())
    return status


def _show_progress(text: str) -> None:
    """Show progress, if a person watches."""
    if os.isatty(2):
        write_all(2, f"chatctl: {names.one_line(text)}\n".encode())


def _check_output() -> None:
    """Raise `OutputError` if there is no standard output. Then nothing is done."""
    try:
        os.fstat(1)
    except OSError:
        raise OutputError("There is no standard output, so nothing was done.") from None


def _show(data: bytes) -> None:
    """Write to the standard output. Raises `OutputError`."""
    why = write_all(1, data)
    if why is not None:
        raise OutputError(f"The standard output cannot be written to ({why}).")


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
            yield from _row(term, meaning)


def _about(name: str) -> Iterator[str]:
    """Yield the help of one command. Raises `Refusal` if there is none of that name."""
    for term, meaning in LOCAL.items():
        if term.split()[0] == name:
            yield f"chatctl {term}"
            yield from _sentence(meaning)
            return
    command = commands().get(name.removeprefix("/").casefold())
    if command is None:
        raise Refusal(
            Code.UNKNOWN_COMMAND,
            f"There is no command {_short(name)}{_nearest(name, list(commands()))}.",
        )
    takes_room = any(it.name == "room" and not it.formats & Format.TEXT for it in command.args)
    yield f"chatctl {'--room ROOM ' if takes_room else ''}{usage(command)}"
    yield from _sentence(_own_commands(command.help))
    for arg in command.arguments(Format.TEXT):
        if arg.help:
            yield from _row(arg.usage, _own_commands(arg.help))


def listed_commands() -> dict[str, str]:
    """Return the usage of each command, with its description."""
    return {usage(row): _own_commands(row.help) for row in commands().values()} | LOCAL


def usage(command: Command) -> str:
    """Return the usage of a command here: `reset NAME [PASSWORD]`."""
    return command.usage.removeprefix("/").replace(" @USER", " USER")


def _row(term: str, meaning: str) -> Iterator[str]:
    """Yield lines with a term on the left and its meaning on the right."""
    if len(term) > 29:
        yield f"  {term}"
        term = ""
    for text in textwrap.wrap(meaning, 46):
        yield f"  {term:<30}{text}"
        term = ""


def _sentence(text: str) -> list[str]:
    return textwrap.wrap(f"{text[0].upper()}{text[1:]}.", 80)


def run() -> NoReturn:
    """Run the program `chatctl`."""
    sys.exit(main())


if __name__ == "__main__":
    run()
