"""The row of IRC in the sniffing table, and the handlers of its commands."""

import re

from chatservice.domain.chat import Chat
from chatservice.net.connection import Connection
from chatservice.net.sniff import LineRow
from chatservice.protocols.irc.capabilities import CAPABILITY_HANDLERS
from chatservice.protocols.irc.channelmodes import MODE_HANDLERS
from chatservice.protocols.irc.channels import CHANNEL_HANDLERS
from chatservice.protocols.irc.chathistory import HISTORY_HANDLERS
from chatservice.protocols.irc.ircannotations import ANNOTATION_MESSAGES
from chatservice.protocols.irc.ircmarkers import MARKER_HANDLERS, tell_moved
from chatservice.protocols.irc.ircmonitor import MONITOR_HANDLERS
from chatservice.protocols.irc.ircmultiline import MULTILINE_HANDLERS
from chatservice.protocols.irc.ircoperators import OPERATOR_HANDLERS
from chatservice.protocols.irc.ircqueries import QUERY_HANDLERS
from chatservice.protocols.irc.ircservices import SERVICE_HANDLERS
from chatservice.protocols.irc.ircsession import IrcSession, irc_refusal
from chatservice.protocols.irc.irctalk import TALK_HANDLERS, say_all
from chatservice.protocols.irc.registration import REGISTRATION_HANDLERS, PendingRegistration

NAME = "IRC"
"""The name of its row."""

_FIRST_LINE = re.compile(rb"(?:CAP|NICK|PASS) +\S|USER +\S+ +\S+ +\S+ +\S")
_REQUEST = re.compile(rb"[ \t][A-Za-z][A-Za-z0-9+.-]*/[0-9]+(?:\.[0-9]+)?[ \t]*$")


def is_irc(line: bytes) -> bool:
    """Return whether a connection that begins with this line is an IRC client's: CAP, NICK, PASS or
    USER, in capitals. No name has a space. `USER` of FTP and POP3 has one parameter (RFC 959,
    RFC 1939), and a line of HTTP ends with its version."""
    return _FIRST_LINE.match(line) is not None and _REQUEST.search(line) is None


class IrcClientSession(IrcSession):
    """A session that has all commands, and begins with its registration."""

    __slots__ = ()

    handlers = {
        **REGISTRATION_HANDLERS,
        **CAPABILITY_HANDLERS,
        **CHANNEL_HANDLERS,
        **MODE_HANDLERS,
        **TALK_HANDLERS,
        **QUERY_HANDLERS,
        **OPERATOR_HANDLERS,
        **SERVICE_HANDLERS,
        **HISTORY_HANDLERS,
        **MARKER_HANDLERS,
        **ANNOTATION_MESSAGES,
        **MONITOR_HANDLERS,
        **MULTILINE_HANDLERS,
    }

    def lines(self, lines: bytes) -> bool:
        """Take several lines at once, if all of them are plain talk in one channel."""
        return self.registering is None and say_all(self, lines)

    def read_moved(self, room: str, position: int) -> None:
        """Another client has moved a read position."""
        tell_moved(self, room, position)

    def __init__(self, connection: Connection, chat: Chat) -> None:
        super().__init__(connection, chat)
        self.registering = PendingRegistration()


ROW = LineRow(NAME, IrcClientSession, irc_refusal, is_irc)
