"""Notifications of a mention or a private message: by the terminal, and by a program."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence

from chatservice import names
from chatservice.errors import Code, Refusal

TEXT_CHARACTERS = 200
"""Characters of a notification: desktops show no more."""

BELL = "\a"


def notification(how: str, title: str, text: str, knows_osc: bool) -> str:
    """Return the sequence that makes a terminal notify: the bell, OSC 9 or OSC 777, as the
    preference `notify` says. A terminal that does not know those rings its bell."""
    if how == "none":
        return ""
    if how == "bell" or not knows_osc:
        return BELL
    title, text = (names.one_line(it)[:TEXT_CHARACTERS] for it in (title, text))
    if how == "osc9":
        return f"\x1b]9;{title}: {text}\x1b\\"
    return f"\x1b]777;notify;{title.replace(';', ',')};{text.replace(';', ',')}\x1b\\"


class CommandNotifier:
    """Runs a program for each notification, but only one at a time: others are left out."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def notify(self, command: str, title: str, text: str) -> str | None:
        """Run `command` with two arguments more. Return the reason if it cannot be run.

        No shell reads them, and both begin with a letter or a digit, so they are no options.
        """
        if not command or (self._running is not None and self._running.poll() is None):
            return None
        short = (names.one_line(it)[:TEXT_CHARACTERS] for it in (title, text))
        try:
            self._running = _started([*shlex.split(command), *short])
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or str(error)
        return None


def check_program(command: str) -> None:
    """Check that there is the program of a command. Raises `Refusal`."""
    try:
        program = shlex.split(command)[0]
    except (ValueError, IndexError):
        raise Refusal(Code.BAD_ARGUMENT, "A quotation mark has no second one.") from None
    if shutil.which(program) is None:
        raise Refusal(Code.BAD_ARGUMENT, f"There is no program {program}; give its path.")


def _started(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        arguments, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )
