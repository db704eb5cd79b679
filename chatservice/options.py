"""The options of `twistd chat`."""

import re

from twisted.python import usage

from chatservice import names
from chatservice.errors import Refusal


class Options(usage.Options):
    """`twistd chat`. After parsing, `ports`, `listen` and `rooms` are lists, `data`, `files` and
    `interface` strings, `keep-seconds` and `keep-bytes` numbers, or None for no bound."""

    synopsis = "[options]"
    longdesc = "A chat and file-sharing server for anything that opens a TCP connection."
    optParameters = [
        ["interface", "i", "", "The address to listen on; all of them, if none is given."],
        ["data", "d", "chat-data", "The directory that holds everything."],
        ["files", "f", None, "The directory of the shared files [default: SharedFiles in --data]."],
    ]
    optFlags = [
        ["slash-only", None, "Take only what begins with a slash for a command: 'bye' is talk."],
    ]
    compData = usage.Completions(
        optActions={"data": usage.CompleteDirs(), "files": usage.CompleteDirs()}
    )

    def __init__(self) -> None:
        super().__init__()
        self["ports"], self["listen"], self["rooms"] = [], [], []
        self["keep-seconds"] = self["keep-bytes"] = None

    def opt_port(self, port: str) -> None:
        """A TCP port to listen on; may be repeated [default: 5555]."""
        if not port.isdecimal() or int(port) > 65535:
            raise usage.UsageError(f"--port takes a number from 0 to 65535, not {port}.")
        self["ports"].append(int(port))

    def opt_listen(self, endpoint: str) -> None:
        """A Twisted endpoint string to listen on, such as unix:/run/chat.sock; may be repeated."""
        self["listen"].append(endpoint)

    def opt_room(self, name: str) -> None:
        """A room that is to exist; may be repeated."""
        try:
            self["rooms"].append(names.room(name))
        except Refusal as refusal:
            raise usage.UsageError(f"--room {name}: {refusal.sentence}") from None

    def opt_keep(self, bound: str) -> None:
        """How long what was said is kept, as 90d, or how much of it, as 20GB; may be given once of
        each [default: all, for ever]."""
        match = re.fullmatch(r"([1-9][0-9]{0,8})(?:([hdwy])|([MGT])B)", bound)
        if match is None:
            raise usage.UsageError(
                f"--keep takes a time, such as 90d, or a size, such as 20GB, not {bound}."
            )
        if match[2]:
            self["keep-seconds"] = int(match[1]) * _SECONDS[match[2]]
        else:
            self["keep-bytes"] = int(match[1]) * _BYTES[match[3]]

    opt_k = opt_keep
    opt_p = opt_port
    opt_l = opt_listen
    opt_r = opt_room

    def postOptions(self) -> None:
        """Listen on port 5555 where nothing is said of it."""
        if not self["ports"] and not self["listen"]:
            self["ports"].append(5555)


_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}
_BYTES = {"M": 10**6, "G": 10**9, "T": 10**12}
