"""`chatctl`: tells a running server one thing, through the operator's door.

What stands on its command line is typed as in the chat, without the slash; it is asked in JSON, so
that it is known whether it was granted.
"""

import argparse
import getpass
import json
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chatservice import door
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonlines, shown, typed
from chatservice.grammar.commands import COMMANDS, Arg, Dialect, Request, Secret

_EPILOG = """commands, for instance:
  chatctl reset alice            a new password, made up by the server
  chatctl reset alice -          a new password, which is asked for
  chatctl account alice          registers a name
  chatctl code                   an invitation code
  chatctl operator alice         lets a registered name run the server
  chatctl broadcast We restart in five minutes.
  chatctl help                   all there are"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says. Return 0, or 1 if it was refused."""
    parser = argparse.ArgumentParser(
        "chatctl",
        description="Tells a chat server that runs on this machine what to do.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", default="chat-data", help="the server's data directory")
    parser.add_argument("--room", help="the room that is meant, where there may be several")
    parser.add_argument("command", help="the command, as in the chat, without its slash")
    parser.add_argument("argument", nargs=argparse.REMAINDER, help="what stands behind it")
    options = parser.parse_args(argv)
    try:
        request = _request([options.command, *options.argument], options.room)
        sys.stdout.buffer.write(_asked(Path(options.data), request))
    except Refusal as refusal:
        print(f"chatctl: {refusal.sentence}", file=sys.stderr)
        return 1
    return 0


def _request(words: Sequence[str], room: str | None) -> Request:
    """Return what the command line asks for; passwords that are missing are asked for here."""
    line = "/" + " ".join(words).removeprefix("/")
    request = typed.parse(line, asks=True)
    if request is None or not request.command.dialect & Dialect.JSON:
        raise Refusal(Code.UNKNOWN_COMMAND, f"{words[0]} is for people in the chat only.")
    args = {**({"room": room} if room is not None else {}), **request.args}
    for arg in request.command.args:
        if _is_secret(arg) and args.get(arg.name, "" if arg.secret else None) in ("", "-"):
            args[arg.name] = _password(arg)
        elif arg.name == "room" and "room" not in args and not arg.is_optional(Dialect.JSON):
            raise Refusal(Code.BAD_ARGUMENT, "Say in which room: chatctl --room ROOM ...")
    return Request(COMMANDS[request.command.name], args)


def _is_secret(arg: Arg) -> bool:
    return arg.secret is not None or arg.name == "password"


def _password(arg: Arg) -> str:
    """Ask for a password, twice for a new one; without a terminal, read it from a line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    found = getpass.getpass(f"{arg.name.capitalize()}: ")
    if arg.secret is not Secret.KNOWN and found != getpass.getpass("Once more: "):
        raise Refusal(Code.WRONG_PASSWORD, "The two differ, so nothing was done.")
    return found


def _asked(data: Path, request: Request) -> bytes:
    """Ask the server, and return its answer, as a person sees it."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(door.address(data))
            connection.sendall(jsonlines.asking(Request(request.command, request.args, 1)))
            answer = next(it for it in _objects(connection) if it.get("id") == 1)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise Refusal(
            Code.SERVER_ERROR,
            f"No server is running on {data}; start it, or name its directory with --data.",
        ) from None
    except PermissionError:
        raise Refusal(
            Code.NOT_ALLOWED,
            f"You may not use {data / door.NAME}; be the user that the server runs as.",
        ) from None
    except (OSError, StopIteration) as error:
        raise Refusal(
            Code.SERVER_ERROR, f"The server at {data} did not answer ({error or 'it has ended'})."
        ) from None
    if answer["event"] == "error":
        raise Refusal(answer["code"], answer["message"])
    return shown.answer(jsonlines.answer_of(request.command.answer, answer))


def _objects(connection: socket.socket) -> Iterator[dict[str, Any]]:
    with connection.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"{"):  # a slow start may have been greeted
                yield json.loads(line)


def run() -> None:
    """What the command `chatctl` runs."""
    sys.exit(main())


if __name__ == "__main__":
    run()
