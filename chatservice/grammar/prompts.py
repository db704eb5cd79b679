"""Prompts for the passwords that a typed command leaves out, so that they can be typed unseen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chatservice.errors import Code, Refusal
from chatservice.grammar.commandtypes import Format, PasswordKind, Request

REPEAT = "Type it once more:"


def passwords_differ() -> Refusal:
    """Return the refusal of a new password that was not typed twice alike."""
    return Refusal(Code.WRONG_PASSWORD, "The two differ; nothing was done.")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt for an argument. `hidden` input is not shown; a new password is typed `twice`."""

    arg: str
    text: str
    hidden: bool = True
    twice: bool = False


_TEXTS: Mapping[tuple[str, str], str] = {
    ("password", "old"): "Type the password that you have:",
    ("password", "new"): "Type the new one:",
    ("register", "password"): "Type a password to log in with:",
    ("signup", "password"): "Type a password for {name}:",
    ("login", "password"): "Type the password of {name}:",
}
"""Prompts by command and argument; words in braces are other arguments of the request."""


def prompts_for(request: Request, by_invitation: bool) -> Iterator[Prompt]:
    """Yield the prompts for the passwords that a request lacks.

    With `by_invitation`, a new user is prompted for an invitation code too.
    """
    command = request.command
    asks = False
    for arg in command.arguments(Format.TEXT):
        if arg.secret is not None and arg.name not in request.args:
            asks = True
            text = _TEXTS[command.name, arg.name].format_map(request.args)
            yield Prompt(arg.name, text, twice=arg.secret is PasswordKind.NEW)
        elif arg.name == "code" and asks and by_invitation:
            yield code_prompt()


def missing_password(request: Request, asked: Prompt) -> Refusal:
    """Return the refusal of a request that lacks the argument of a prompt."""
    command = request.command
    usage = next(arg.usage for arg in command.args if arg.name == asked.arg)
    return Refusal(
        Code.BAD_ARGUMENT, "{usage} is missing: {usage2}", usage=usage, usage2=command.usage
    )


def without_current_passwords(request: Request) -> Request:
    """Return a request without its current passwords, one of which was wrong."""
    known = {arg.name for arg in request.command.args if arg.secret is PasswordKind.CURRENT}
    kept = {name: value for name, value in request.args.items() if name not in known}
    return Request(request.command, kept)


def with_give_up_hint(text: str) -> str:
    """Return the text of a repeated prompt: it says how to give up."""
    return text if ", or nothing" in text else f"{text.removesuffix(':')}, or nothing to give up:"


def code_prompt() -> Prompt:
    """Return the prompt for an invitation code."""
    return Prompt("code", "Type your invitation code:", hidden=False)


def room_prompt(room: str) -> Prompt:
    """Return the prompt for the password of a room."""
    return Prompt("password", f"{room} has a password; type it:")
