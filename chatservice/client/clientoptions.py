"""The options of `chat-client`, its exit statuses, and completion scripts for shells."""

import argparse
import errno
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, TypeVar

from chatservice import __version__
from chatservice.client.clientpasswords import PasswordFileError
from chatservice.client.connectors import UntrustedServer, fingerprint
from chatservice.client.jsonconnection import BadReply, Dismissed, Lost, NotAChatServer
from chatservice.client.partialdownload import CannotSave
from chatservice.client.severalservers import names_ports
from chatservice.client.system import complain, output_error
from chatservice.errors import Code, Refusal

T = TypeVar("T")

PROGRAM = "chat-client"

DEFAULT_HOST, DEFAULT_PORT = "localhost", 5555


class ExitStatus(IntEnum):
    """An exit status of `chat-client`, with its `meaning`. Those from 64 on are as in BSD's
    sysexits.h."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitStatus":
        """Make a member of its value, and its meaning in words."""
        it = int.__new__(cls, value)
        it._value_ = value
        it.meaning = meaning
        return it

    DONE = 0, "done"
    REFUSED = 1, "the server refused, or put the user out for good"
    USAGE = 2, "the command line is wrong"
    DATA = 65, "standard input has text that cannot be said"
    NO_INPUT = 66, "the file to send, or the one with the password, cannot be read"
    UNAVAILABLE = 69, "the server cannot be reached, or stays away for more than a minute"
    SOFTWARE = 70, "an error in the program"
    CANNOT_CREATE = 73, "a file cannot be written here"
    UNWRITABLE = 74, "standard output cannot be written"
    PROTOCOL = 76, "not a chat server, or not the same one as before"
    NO_PERMISSION = 77, "a password is missing or wrong"
    CONFIG = 78, "the settings cannot be understood"
    INTERRUPTED = 130, "interrupted before it was done"


_OF_CODE = {
    Code.PASSWORD_NEEDED: ExitStatus.NO_PERMISSION,
    Code.WRONG_PASSWORD: ExitStatus.NO_PERMISSION,
}


def status_of(error: Refusal | Lost) -> ExitStatus:
    """Return the exit status for an error."""
    if isinstance(error, NotAChatServer | BadReply | UntrustedServer):
        return ExitStatus.PROTOCOL
    if isinstance(error, Dismissed):
        return ExitStatus.REFUSED
    if isinstance(error, Lost):
        return ExitStatus.UNAVAILABLE
    if isinstance(error, CannotSave):
        return ExitStatus.CANNOT_CREATE
    if isinstance(error, PasswordFileError):
        return ExitStatus.NO_INPUT
    return _OF_CODE.get(error.code, ExitStatus.REFUSED)


def status_of_output(error: str | None, status: ExitStatus = ExitStatus.DONE) -> ExitStatus:
    """Return the exit status. If the standard output cannot be written, say so."""
    if error is None:
        return status
    complain(output_error(error))
    return ExitStatus.UNWRITABLE


SHELLS = ("bash", "fish", "zsh")

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([kmgt]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

_END = """\
The client asks for missing arguments: the name, the host (localhost), the port (5555), and a room.
In a script, with NAME given and a pipe as input, it does not ask. It uses the defaults in
parentheses and the lobby.

Each line that you type is said in the room. /help lists the commands. The path of a file, on a line
of its own or after -file, transfer or /put, sends the file to the room; with @USER after it, to
that user only. Ctrl+C or Ctrl+D ends.

On a terminal the client remembers your last server and name, but never a password. Later it uses
them for missing arguments, also with the options for scripts. These options use the lobby unless
--room names another room. man chat-client lists the exit statuses.
"""


def port(text: str) -> int:
    """Return `text` as a port. Raises `ValueError`, whose text is a sentence."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError("A port is a number from 1 to 65535; type one.")
    return int(text)


def size(text: str) -> int:
    """Return a size as people write it, in bytes: `25M` is 25 million. Raises `ValueError`, whose
    text is a sentence."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("A size is a number, with k, M, G or T behind it if you like: 25M.")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _position(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError("A position is a number, as --follow shows it: 1812.")
    return int(text)


def _argument(convert: Callable[[str], T]) -> Callable[[str], T]:
    """Return a type for `argparse`, made of a function whose `ValueError` is a sentence."""

    def converted(text: str) -> T:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def _option(group: str = "", only_with: tuple[str, ...] = (), **how: Any) -> Any:
    """Return a field of `ClientOptions`: its group in the help, the actions that it is valid with
    (none stands for all), and how `argparse` adds it."""
    default = how.pop("default", False if "action" in how else None)
    return field(default=default, metadata={"group": group, "only_with": only_with, "how": how})


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The options of a command line. A missing one is None; `accept` is in bytes. At most one of
    the actions is set. Without one, the user talks."""

    name: str | None = _option(metavar="NAME", nargs="?", help="your name")
    host: str | None = _option(
        metavar="HOST",
        nargs="?",
        help="the server's name or address; several that are one chat: HOST:PORT,HOST:PORT",
    )
    port: int | None = _option(
        metavar="PORT", nargs="?", type=_argument(port), help="the server's port"
    )
    room: str | None = _option(metavar="ROOM", help="the room to join, by name or number")
    downloads: str | None = _option(
        metavar="DIR",
        help="the folder for downloads [default: one named after you; with --get, this folder]",
    )
    accept: int = _option(
        default=25 * 10**6,
        metavar="SIZE",
        type=_argument(size),
        help="save files that others share, up to this size each: 500k, 25M, 1G; 0 saves none "
        "[default: 25M]",
    )
    tls: bool = _option(
        action="store_true",
        help="use TLS; the client remembers a certificate that is not from a trusted authority, "
        "and refuses any other one later",
    )
    trust: str | None = _option(
        metavar="FINGERPRINT",
        type=_argument(fingerprint),
        help="the SHA-256 fingerprint of the server's certificate, in place of the remembered one; "
        "implies --tls",
    )
    bell: bool = _option(
        action="store_true",
        help="ring the terminal's bell when somebody mentions you or writes to you",
    )
    inline: bool = _option(
        action="store_true",
        help="write below what the terminal shows, and do not take the whole of it; the terminal's "
        "own scrollback keeps the talk",
    )
    password_file: str | None = _option(
        metavar="FILE",
        help="read your password, or a token, from the first line of FILE; without this option the "
        "client uses the variable CHAT_PASSWORD, or asks",
    )
    ask: bool = _option(
        action="store_true", help="ask for name and server, even if they are remembered"
    )
    completion: str | None = _option(
        choices=SHELLS,
        help="print a script that makes this shell complete the options, and end",
    )
    say: str | None = _option("action", metavar="TEXT", help="say TEXT; - says standard input")
    put: str | None = _option("action", metavar="FILE", help="send a file")
    get: str | None = _option(
        "action", metavar="NAME", help="save a file of the room and print its path"
    )
    follow: bool = _option(
        "action", action="store_true", help="print the events of the room as they come"
    )
    who: bool = _option("action", action="store_true", help="print the users in the room")
    rooms: bool = _option("action", action="store_true", help="print the rooms")
    to: str | None = _option(
        "with", ("say", "put"), metavar="USER", help="with --say and --put: only to this user"
    )
    after: int | None = _option(
        "with",
        ("follow",),
        metavar="POSITION",
        type=_argument(_position),
        help="with --follow: first the entries after this position",
    )
    json: bool = _option(
        "with",
        ("follow", "who", "rooms"),
        action="store_true",
        help="with --follow, --who, --rooms: an object a line",
    )

    @property
    def action(self) -> str | None:
        """The name of the action that is set, or None."""
        actions = (it.name for it in fields(self) if it.metadata["group"] == "action")
        return next((it for it in actions if getattr(self, it) not in (None, False)), None)


class _Parser(argparse.ArgumentParser):
    """A parser that ends with `UNWRITABLE` if its help cannot be written."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        try:
            if file is None:  # it was closed when Python began
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            file.write(message)
            file.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # Python flushes the rest there
            self.exit(ExitStatus.UNWRITABLE, f"{self.prog}: {output_error(str(error.strerror))}\n")


def parse(arguments: Sequence[str] | None = None) -> ClientOptions:
    """Return the options of a command line. Ends the program if the command line is wrong."""
    parser = make_parser()
    given = vars(parser.parse_args(arguments))
    if given["port"] is None and given["host"] is not None and names_ports(given["host"]):
        given["port"] = DEFAULT_PORT  # it is not asked for
    options = ClientOptions(**given | {"tls": given["tls"] or given["trust"] is not None})
    for it in fields(ClientOptions):
        fitting = it.metadata["only_with"]
        if fitting and given[it.name] != it.default and options.action not in fitting:
            parser.error(f"--{it.name} belongs to {' or '.join(f'--{each}' for each in fitting)}")
    return options


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, made of the fields of `ClientOptions`."""
    parser = _Parser(
        prog=PROGRAM,
        description="Talk and share files with others on a chat server.",
        epilog=_END,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    actions = parser.add_argument_group("in scripts, one of these actions")
    groups: dict[str, Any] = {"": parser, "with": actions}
    groups["action"] = actions.add_mutually_exclusive_group()
    for it in fields(ClientOptions):
        how = it.metadata["how"]
        flag = it.name if "nargs" in how else f"--{it.name.replace('_', '-')}"
        groups[it.metadata["group"]].add_argument(flag, default=it.default, **how)
    return parser


# -- completion in shells ------------------------------------------------------------------------

_VALUES = {"FILE": "file", "DIR": "folder"}
"""The meanings of the values of options, by their placeholders."""

_ZSH = {
    "flag": "",
    "choice": ":{dest}:({choices})",
    "file": ":{metavar}:_files",
    "folder": ":{metavar}:_files -/",
    "text": ":{metavar}:",
}
_FISH = {
    "flag": "",
    "choice": "-x -a '{choices}' ",
    "file": "-r -F ",
    "folder": "-x -a '(__fish_complete_directories)' ",
    "text": "-x ",
}
"""The values of options, as the scripts for zsh and fish complete them."""


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a `shell` (`bash`, `fish` or `zsh`), made from the parser's options."""
    make = {"bash": _bash, "fish": _fish, "zsh": _zsh}[shell]
    return make([action for action in parser._actions if action.option_strings])


def _kind(action: argparse.Action) -> str:
    """Return what completes the value of an option; `flag` for one without a value."""
    if action.choices:
        return "choice"
    return "flag" if action.nargs == 0 else _VALUES.get(str(action.metavar), "text")


def _long(action: argparse.Action) -> str:
    return action.option_strings[-1]


def _help(action: argparse.Action) -> str:
    """Return the first part of an option's help."""
    return (action.help or "").partition(";")[0].partition(" [")[0]


def _value(templates: Mapping[str, str], action: argparse.Action) -> str:
    choices = " ".join(action.choices or ())
    template = templates[_kind(action)]
    return template.format(dest=action.dest, metavar=action.metavar, choices=choices)


def _bash(options: list[argparse.Action]) -> str:
    def of(kind: str) -> str:
        return "|".join(_long(it) for it in options if _kind(it) == kind)

    chosen = "".join(
        f"    {_long(it)}) words='{' '.join(it.choices)}' ;;\n" for it in options if it.choices
    )
    words = " ".join(word for it in options for word in it.option_strings)
    return f"""\
# {PROGRAM}: completion for bash
_chat_client() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=''
  case ${{COMP_WORDS[COMP_CWORD-1]}} in
    {of("file")})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return ;;
    {of("folder")})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      return ;;
{chosen}    {of("text")}) ;;
    *) [[ $word == -* ]] && words='{words}' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -F _chat_client {PROGRAM}
"""


def _zsh(options: list[argparse.Action]) -> str:
    lines = "".join(f"    {_zsh_option(it)} \\\n" for it in options)
    return f"""\
#compdef {PROGRAM}
_chat_client() {{
  _arguments \\
{lines}    '1:NAME:' '2:HOST:_hosts' '3:PORT:'
}}
compdef _chat_client {PROGRAM}
"""


def _zsh_option(action: argparse.Action) -> str:
    told = _help(action).replace("[", "(").replace("]", ")").replace(":", " -")
    return shlex.quote(f"{_long(action)}[{told}]{_value(_ZSH, action)}")


def _fish(options: list[argparse.Action]) -> str:
    lines = "".join(f"complete -c {PROGRAM} {_fish_option(it)}\n" for it in options)
    return f"# {PROGRAM}: completion for fish\ncomplete -c {PROGRAM} -f\n{lines}"


def _fish_option(action: argparse.Action) -> str:
    short = "".join(f"-s {it[1:]} " for it in action.option_strings if not it.startswith("--"))
    value = _value(_FISH, action)
    return f"{short}-l {_long(action)[2:]} {value}-d {shlex.quote(_help(action))}"
