"""The options of `chat-client`."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chatservice.client.known import fingerprint

T = TypeVar("T")

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([kmgt]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

_END = """\
What is left out is asked for: the name, the host (localhost) and the port (5555), and then which
room to go to. A script, which gives NAME and whose input is a pipe, is asked nothing: it gets what
stands in parentheses, and the lobby.

Each line that you type is said to the room. /help lists the commands. The path of a file, on a line
of its own or behind -file, transfer or /put, sends the file to the room; with @USER behind it, to
that user only. Ctrl+C or Ctrl+D ends.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. None is what it does not say; `accept` is in bytes."""

    name: str | None
    host: str | None
    port: int | None
    room: str | None
    downloads: str | None
    accept: int
    tls: bool = False
    trust: str | None = None
    bell: bool = False


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a command line. Ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="chat-client",
        description="Talk and share files with those on a chat server.",
        epilog=_END,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="your name")
    parser.add_argument("host", metavar="HOST", nargs="?", help="where the server is")
    parser.add_argument("port", metavar="PORT", nargs="?", type=_port, help="its port")
    parser.add_argument("--room", metavar="ROOM", help="the room to go to, by name or number")
    parser.add_argument(
        "--downloads", metavar="DIR", help="where to save files [default: a folder named after you]"
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
    given = vars(parser.parse_args(arguments))
    return Options(**given | {"tls": given["tls"] or given["trust"] is not None})


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
    return _said(port, text)


def _size(text: str) -> int:
    return _said(size, text)


def _fingerprint(text: str) -> str:
    return _said(fingerprint, text)


def _said(convert: Callable[[str], T], text: str) -> T:
    try:
        return convert(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
