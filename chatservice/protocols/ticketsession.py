"""Connections that transfer one file for a ticket: `GET TICKET [OFFSET]`, `PUT TICKET [OFFSET]`.

So transfers and talk do not wait for each other. A first line of another protocol is refused here,
too: a web page can make a browser send lines to any port, and none of them may become a name or
talk.
"""

import re

from chatservice.domain.chat import Chat
from chatservice.domain.model import User
from chatservice.domain.ports.file_ports import FileReader
from chatservice.domain.tickets import DownloadTicket, UploadTicket
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason
from chatservice.grammar import textformat
from chatservice.net import outlet
from chatservice.net.connection import Connection, ProtocolSession
from chatservice.net.transfer import receive_file, send_file

FIRST_LINE = re.compile(rb"(GET|PUT) (\S+)(?: ([0-9]{1,18}))?")

_NAMED = re.compile(
    rb"\s*(?:"
    rb"(?i:GET|PUT|HEAD|POST|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI|SOURCE)[ \t]"
    rb"|(?:EHLO|HELO|LHLO|MAIL|RCPT|USER|PASS|NICK|CAP|AUTH|PROXY|[0-9A-Za-z]+ LOGIN)[ \t]"
    rb"|(?:CONNECT|STOMP)$|@RSYNCD:|HELLO [0-9]"
    rb"|SSH-[0-9.]+-|\*[0-9]+$)"
)
"""Beginnings of other protocols: HTTP (RFC 9110, 9.3; RFC 5789; RFC 9113, 3.4), also without a
version as HTTP/0.9 has it; SMTP and LMTP (RFC 5321, RFC 2033), FTP, POP3, IRC and IMAP; what
proxies send first; SSH (RFC 4253, 4.2), whose greeting would make a name; STOMP, whose further
lines have a password; rsync; and Redis."""

_VERSIONED = re.compile(rb"[ \t][A-Za-z][A-Za-z0-9+.-]*/[0-9]+(?:\.[0-9]+)?[ \t]*$")
"""The end of a request line, whatever its method: ` HTTP/1.1` (RFC 9112, 3), and likewise RTSP and
SIP (RFC 7826, RFC 3261)."""


def is_foreign(line: bytes, most: int) -> bool:
    """Return whether a first line, or the beginning of one that is too long, has a ticket or
    belongs to another protocol. No name, command or JSON object looks so."""
    if _NAMED.match(line) or _VERSIONED.search(line):
        return True
    return not line.lstrip().startswith(b"{") and (len(line) > most or b"\0" in line)


class TicketSession(ProtocolSession):
    """A session with one line, and then bytes."""

    kind = "file transfers"

    def __init__(self, connection: Connection, chat: Chat) -> None:
        self._connection = connection
        self._chat = chat
        self._begun = False

    def line(self, line: bytes) -> None:
        """Take the first line, which is the only one."""
        match = FIRST_LINE.fullmatch(line)
        if match is None or self._begun:
            raise Refusal(Code.BAD_LINE, _NO_TICKET)
        self._begun = True
        self._connection.logged_in()
        verb, ticket, offset = match[1], match[2].decode("ascii", "replace"), int(match[3] or 0)
        if verb == b"GET":
            self._get(ticket, offset)
        else:
            self._put(ticket, offset)

    def _get(self, code: str, offset: int) -> None:
        def send(found: tuple[User, FileReader]) -> None:
            sent = self._connection.dismiss
            send_file(self._connection, self._chat, *found, offset, None, sent)

        self._connection.flow.when_answered(self._open(code), send, self.refuse)

    async def _open(self, code: str) -> tuple[User, FileReader]:
        right = await self._chat.files.redeem(code, DownloadTicket, self._address)
        return right.user, await self._chat.files.open_for_ticket(right)

    def _put(self, code: str, offset: int) -> None:
        connection, refuse = self._connection, self.refuse

        def receive(upload: UploadTicket) -> None:
            receive_file(
                connection, self._chat, upload, offset, self._kept, refuse, refuse, alone=True
            )

        redeeming = self._chat.files.redeem(code, UploadTicket, self._address)
        connection.flow.when_answered(redeeming, receive, refuse)

    @property
    def _address(self) -> str:
        return outlet.address(self._connection.transport)

    def _kept(self, mark: FileMark) -> None:
        self._connection.transport.write(textformat.file_line(mark, mark.size))
        self._connection.dismiss()

    def refuse(self, refusal: Refusal) -> None:
        """Write why the file does not move, and end."""
        self._connection.factory.count(refusal)
        self._connection.transport.write(textformat.refusal(refusal))
        self._connection.dismiss()

    def end(self, sentence: str, why: EndReason) -> None:
        """End the connection without a word."""
        self._connection.transport.abortConnection()


_NO_TICKET = "That is no name, ticket or request of HTTP; GET TICKET [OFFSET] fetches a file."
