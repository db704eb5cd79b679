"""What the program's exit status means. Those from 64 on are as in BSD's sysexits.h."""

from enum import IntEnum

from chatservice.client.connection import Dismissed, Lost, NotAChat, Strange
from chatservice.client.saving import Unwritable
from chatservice.client.tls import Distrusted
from chatservice.errors import Code, Refusal


class Status(IntEnum):
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
    Status.DONE: "what was asked for is done",
    Status.REFUSED: "the server refused it, or one cannot come back to it",
    Status.USAGE: "the command line makes no sense",
    Status.DATA: "what came on standard input cannot be said",
    Status.NO_INPUT: "a file that is to be sent, or the one with the password, cannot be read",
    Status.UNAVAILABLE: "the server cannot be reached, or does not come back within a minute",
    Status.SOFTWARE: "an error of the program's own",
    Status.CANNOT_CREATE: "a file cannot be written here",
    Status.UNWRITABLE: "the standard output cannot be written",
    Status.PROTOCOL: "what answers is no chat server, or not the one that it was",
    Status.NO_PERMISSION: "a password is needed, or wrong",
    Status.CONFIG: "the settings cannot be understood",
    Status.INTERRUPTED: "interrupted before it was done",
}

_OF = {
    Code.PASSWORD_NEEDED: Status.NO_PERMISSION,
    Code.WRONG_PASSWORD: Status.NO_PERMISSION,
}


def status_of(error: Refusal | Lost) -> Status:
    """Return the status for what could not be done."""
    if isinstance(error, NotAChat | Strange | Distrusted):
        return Status.PROTOCOL
    if isinstance(error, Dismissed):
        return Status.REFUSED
    if isinstance(error, Lost):
        return Status.UNAVAILABLE
    if isinstance(error, Unwritable):
        return Status.CANNOT_CREATE
    return _OF.get(error.code, Status.REFUSED)
