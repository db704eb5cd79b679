"""Bare IRC clients: a socket, and the lines of the specification."""

from base64 import b64encode

from chatservice.grammar.irc import IrcMessage, parse_tags
from tests.servers import RawClient, Server


class IrcClient(RawClient):
    """A connection that speaks IRC, registered as `name` if one is given, after it has asked for
    `caps`."""

    def __init__(self, server: Server, name: str = "", caps: str = "", secret: str = "") -> None:
        super().__init__(server.port)
        self.nick = name
        if caps or secret:
            self.send("CAP LS 302")
        if name:
            self.send(f"NICK {name}", f"USER {name} 0 * :{name}")
        if secret:
            caps = f"{caps} sasl".strip()
        if caps:
            self.send(f"CAP REQ :{caps}")
        if secret:
            self.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(name, secret)}")
        if caps:
            self.send("CAP END")
        if name:
            self.until("422")

    def send(self, *lines: str | bytes) -> None:
        """Send lines, each with CR LF."""
        encoded = (it.encode() if isinstance(it, str) else it for it in lines)
        self.send_raw(b"".join(it + b"\r\n" for it in encoded))

    def message(self) -> IrcMessage:
        """Wait for a message. Its source is a tag without a name."""
        line = self.line()
        assert line.endswith("\r"), line
        tags, line = {}, line[:-1]
        if line.startswith("@"):
            told, _, line = line[1:].partition(" ")
            tags = parse_tags(told)
        if line.startswith(":"):
            tags[""], _, line = line[1:].partition(" ")
        head, colon, last = f" {line}".partition(" :")
        command, *params = head.split()
        return IrcMessage(command, (*params, *([last] if colon else [])), tags)

    def until(self, command: str, *params: str) -> IrcMessage:
        """Wait for a message with that command, which has these parameters in a row."""
        while True:
            found = self.message()
            rows = (found.params[at : at + len(params)] for at in range(len(found.params) + 1))
            if found.command == command and params in rows:
                return found

    def settled(self) -> list[IrcMessage]:
        """Return all messages that come before the answer to a PING."""
        self.send("PING now")
        found = []
        while (it := self.message()).command != "PONG" or it.params[-1] != "now":
            found.append(it)
        return found


def plain(name: str, secret: str) -> str:
    """Return the response of SASL PLAIN (RFC 4616)."""
    return b64encode(f"\0{name}\0{secret}".encode()).decode()
