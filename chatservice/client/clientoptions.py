"""The options and the exit statuses of `chat-client`."""

import argparse
import errno
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from chatservice import __version__
from chatservice.client.connectors import UntrustedServer, fingerprint
from chatservice.client.jsonconnection import BadAnswer, Dismissed, Lost, NotAChatServer
from chatservice.client.partialdownload import CannotSave
from chatservice.client.system import output_error
from chatservice.errors import Code, Refusal


class ExitStatus(IntEnum):
    """An exit status."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANNOT_CREATE = 73
    UNWRITABLE = 74
    PROTOCOL = 76
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130


MEANINGS = {
    ExitStatus.DONE: "what was asked for is done",
    ExitStatus.REFUSED: "the server refused it, or one cannot come back to it",
    ExitStatus.USAGE: "the command line makes no sense",
    ExitStatus.DATA: "what came on standard input cannot be said",
    ExitStatus.NO_INPUT: "a file that is to be sent, or the one with the password, cannot be read",
    ExitStatus.UNAVAILABLE: "the server cannot be reached, or does not come back within a minute",
    ExitStatus.SOFTWARE: "an error of the program's own",
    ExitStatus.CANNOT_CREATE: "a file cannot be written here",
    ExitStatus.UNWRITABLE: "the standard output cannot be written",
    ExitStatus.PROTOCOL: "what answers is no chat server, or not the one that it was",
    ExitStatus.NO_PERMISSION: "a password is needed, or wrong",
    ExitStatus.CONFIG: "the settings cannot be understood",
    ExitStatus.INTERRUPTED: "interrupted before it was done",
}

_OF = {
    Code.PASSWORD_NEEDED: ExitStatus.NO_PERMISSION,
    Code.WRONG_PASSWORD: ExitStatus.NO_PERMISSION,
}


def status_of(error: Refusal | Lost) -> ExitStatus:
    """Return the status for what could not be done."""
    if isinstance(error, NotAChatServer | BadAnswer | UntrustedServer):
        return ExitStatus.PROTOCOL
    if isinstance(error, Dismissed):
        return ExitStatus.REFUSED
    if isinstance(error, Lost):
        return ExitStatus.UNAVAILABLE
    if isinstance(error, CannotSave):
        return ExitStatus.CANNOT_CREATE
    return _OF.get(error.code, ExitStatus.REFUSED)


T = TypeVar("T")

ACTIONS = ("say", "put", "get", "follow", "who", "rooms")
"""The options that say what to do instead of talking."""

SHELLS = ("bash", "fish", "zsh")

_ONLY_WITH = {
    "to": ("say", "put"),
    "after": ("follow",),
    "json": ("follow", "who", "rooms"),
}
"""Options that mean something only beside others."""

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([kmgt]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

_END = """\
What is left out is asked for: the name, the host (localhost) and the port (5555), and then which
room to go to. A script, which gives NAME and whose input is a pipe, is asked nothing: it gets what
stands in parentheses, and the lobby.

Each line that you type is said to the room. /help lists the commands. The path of a file, on a line
of its own or behind -file, transfer or /put, sends the file to the room; with @USER behind it, to
that user only. Ctrl+C or Ctrl+D ends.

On a terminal it is remembered where you were last, and as whom, but never a password. There, and
with the options for scripts, what is left out is taken from that. Those mean the lobby unless
--room names another room. The status tells what became of it; man chat-client lists them.
"""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What the command line says. None is what it does not say; `accept` is in bytes.

    At most one of `say`, `put`, `get`, `follow`, `who` and `rooms` is there: what to do instead of
    talking.
    """

    name: str | None
    host: str | None
    port: int | None
    room: str | None
    downloads: str | None
    accept: int
    tls: bool = False
    trust: str | None = None
    bell: bool = False
    ask: bool = False
    password_file: str | None = None
    say: str | None = None
    put: str | None = None
    get: str | None = None
    follow: bool = False
    who: bool = False
    rooms: bool = False
    to: str | None = None
    after: int | None = None
    json: bool = False
    completion: str | None = None

    @property
    def action(self) -> str | None:
        """What to do instead of talking: the name of the option."""
        return next((it for it in ACTIONS if getattr(self, it) not in (None, False)), None)


class _Parser(argparse.ArgumentParser):
    """One whose help ends the program with a status that tells, if it cannot be written."""

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
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # what is left goes there at the end
            self.exit(ExitStatus.UNWRITABLE, f"{self.prog}: {output_error(str(error.strerror))}\n")


def parse(arguments: Sequence[str] | None = None) -> ClientOptions:
    """Return the options of a command line. Ends the program where that makes no sense."""
    parser = make_parser()
    given = vars(parser.parse_args(arguments))
    options = ClientOptions(**given | {"tls": given["tls"] or given["trust"] is not None})
    for name, fitting in _ONLY_WITH.items():
        if getattr(options, name) not in (None, False) and options.action not in fitting:
            parser.error(f"--{name} belongs to {' or '.join(f'--{it}' for it in fitting)}")
    return options


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, which also tells what there is."""
    parser = _Parser(
        prog="chat-client",
        description="Talk and share files with those on a chat server.",
        epilog=_END,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="your name")
    parser.add_argument("host", metavar="HOST", nargs="?", help="where the server is")
    parser.add_argument("port", metavar="PORT", nargs="?", type=_port, help="its port")
    _add_to_talk(parser)
    _add_for_scripts(parser.add_argument_group("in scripts, one of these instead of talking"))
    return parser


def _add_to_talk(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--room", metavar="ROOM", help="the room to go to, by name or number")
    parser.add_argument(
        "--downloads",
        metavar="DIR",
        help="where to save files [default: a folder named after you; with --get, here]",
    )
    parser.add_argument(
        "--accept",
        metavar="SIZE",
        type=_size,
        default="25M",
        help="save what is shared by itself, up to this size: 500k, 25M, 1G; 0 for nothing "
        "[default: %(default)s]",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="talk over TLS; a certificate that no authority vouches for is remembered, and must "
        "be the same ever after",
    )
    parser.add_argument(
        "--trust",
        metavar="FINGERPRINT",
        type=_fingerprint,
        help="the SHA-256 fingerprint that the server's certificate has, in place of the one that "
        "is remembered; with it, --tls needs not be given",
    )
    parser.add_argument(
        "--bell",
        action="store_true",
        help="on a terminal: sound its bell when somebody names you, or writes to you",
    )
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="the first line of FILE is your password, or a token; else it is what the environment "
        "variable CHAT_PASSWORD holds, or what you type when it is asked for",
    )
    parser.add_argument(
        "--ask", action="store_true", help="ask for name and server, also where they are remembered"
    )
    parser.add_argument("--version", action="version", version=f"chat-client {__version__}")
    parser.add_argument(
        "--completion",
        choices=SHELLS,
        help="print what makes that shell complete these options, and end",
    )


def _add_for_scripts(group: Any) -> None:
    one = group.add_mutually_exclusive_group()
    one.add_argument("--say", metavar="TEXT", help="say it; - says what is on standard input")
    one.add_argument("--put", metavar="FILE", help="send a file")
    one.add_argument("--get", metavar="NAME", help="save a file of the shelf; prints where it is")
    one.add_argument(
        "--follow", action="store_true", help="print what is said and done in the room as it comes"
    )
    one.add_argument("--who", action="store_true", help="print who is in the room")
    one.add_argument("--rooms", action="store_true", help="print the rooms that there are")
    group.add_argument("--to", metavar="USER", help="with --say and --put: to that user only")
    group.add_argument(
        "--after",
        metavar="POSITION",
        type=_position,
        help="with --follow: first what came behind that position",
    )
    group.add_argument(
        "--json", action="store_true", help="with --follow, --who, --rooms: an object a line"
    )


def port(text: str) -> int:
    """Return `text` as a port. Raises `ValueError`, whose text is a sentence."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError("A port is a number from 1 to 65535; type one.")
    return int(text)


def size(text: str) -> int:
    """Return a size as people write it, in bytes: `25M` is 25 million. Raises `ValueError`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("A size is a number, with k, M, G or T behind it if you like: 25M.")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _port(text: str) -> int:
    return _argument(port, text)


def _position(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise argparse.ArgumentTypeError("A position is a number, as --follow shows it: 1812.")
    return int(text)


def _size(text: str) -> int:
    return _argument(size, text)


def _fingerprint(text: str) -> str:
    return _argument(fingerprint, text)


def _argument(convert: Callable[[str], T], text: str) -> T:
    try:
        return convert(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


PROGRAM = "chat-client"

_FILES = frozenset({"FILE"})
_FOLDERS = frozenset({"DIR"})


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a `shell` (`bash`, `fish` or `zsh`), made from the parser's options."""
    return _SCRIPTS[shell](list(_options(parser)))


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if action.option_strings)


def _long(action: argparse.Action) -> str:
    return action.option_strings[-1]


def _has_value(action: argparse.Action) -> bool:
    """Return whether a value follows the option."""
    return action.nargs != 0


def _choices(action: argparse.Action) -> str:
    return " ".join(action.choices or ())


def _help(action: argparse.Action) -> str:
    """Return the first part of an option's help."""
    return (action.help or "").partition(";")[0].partition(" [")[0]


def _bash(options: list[argparse.Action]) -> str:
    files = "|".join(_long(it) for it in options if it.metavar in _FILES)
    folders = "|".join(_long(it) for it in options if it.metavar in _FOLDERS)
    chosen = "".join(
        f"    {_long(it)}) words='{_choices(it)}' ;;\n" for it in options if it.choices
    )
    values = "|".join(_long(it) for it in options if _has_value(it) and not it.choices)
    words = " ".join(word for it in options for word in it.option_strings)
    return f"""\
# {PROGRAM}: completion for bash
_chat_client() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=''
  case ${{COMP_WORDS[COMP_CWORD-1]}} in
    {files})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return ;;
    {folders})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      return ;;
{chosen}    {values}) ;;
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
    text = f"{_long(action)}[{told}]"
    if action.choices:
        text += f":{action.dest}:({_choices(action)})"
    elif _has_value(action):
        what = "_files" if action.metavar in _FILES else ""
        text += f":{action.metavar}:{'_files -/' if action.metavar in _FOLDERS else what}"
    return shlex.quote(text)


def _fish(options: list[argparse.Action]) -> str:
    lines = "".join(f"complete -c {PROGRAM} {_fish_option(it)}\n" for it in options)
    return f"# {PROGRAM}: completion for fish\ncomplete -c {PROGRAM} -f\n{lines}"


def _fish_option(action: argparse.Action) -> str:
    parts = ["-s " + it[1:] for it in action.option_strings if not it.startswith("--")]
    parts.append("-l " + _long(action)[2:])
    if action.choices:
        parts.append(f"-x -a {shlex.quote(_choices(action))}")
    elif action.metavar in _FILES:
        parts.append("-r -F")
    elif action.metavar in _FOLDERS:
        parts.append("-x -a '(__fish_complete_directories)'")
    elif _has_value(action):
        parts.append("-x")
    return " ".join([*parts, f"-d {shlex.quote(_help(action))}"])


_SCRIPTS: Mapping[str, Callable[[list[argparse.Action]], str]] = {
    "bash": _bash,
    "fish": _fish,
    "zsh": _zsh,
}
