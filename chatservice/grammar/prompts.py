"""What a person is asked for a command that lacks a password: so it need not be seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import Format, PasswordKind, Request

REPEAT = "Type it once more:"
PASSWORDS_DIFFER = Refusal(Code.WRONG_PASSWORD, "The two differ; nothing was done.")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked for an argument: `hidden` where it is not to be seen, and `twice` where nobody
    could see a slip either."""

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
"""By command and argument; what stands in braces is another argument of the request."""


def prompts_for(request: Request, by_invitation: bool) -> Iterator[Prompt]:
    """Tell what is to be asked for a request that lacks passwords."""
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
    """Return the refusal of a request that lacks what `asked` asks for, where nobody is asked."""
    command = request.command
    usage = next(arg.usage for arg in command.args if arg.name == asked.arg)
    return Refusal(
        Code.BAD_ARGUMENT, "{usage} is missing: {usage2}", usage=usage, usage2=command.usage
    )


def without_current_passwords(request: Request) -> Request:
    """Return a request without the passwords that one has: one of them was wrong."""
    known = {arg.name for arg in request.command.args if arg.secret is PasswordKind.CURRENT}
    kept = {name: value for name, value in request.args.items() if name not in known}
    return Request(request.command, kept)


def with_give_up_hint(text: str) -> str:
    """Return a question as it is asked again: it says how to give up."""
    return text if ", or nothing" in text else f"{text.removesuffix(':')}, or nothing to give up:"


def code_prompt() -> Prompt:
    """Return the question for an invitation code."""
    return Prompt("code", "Type your invitation code:", hidden=False)


def room_prompt(room: str) -> Prompt:
    """Return what is asked of who comes into a room that has a password."""
    return Prompt("password", f"{room} has a password; type it:")
