"""The factory of connections, and the state that they share."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from chatservice.domain.chat import Chat
from chatservice.domain.model import Room, User
from chatservice.domain.ports.file_ports import FileStore
from chatservice.errors import Code, Refusal
from chatservice.events import EndReason
from chatservice.grammar import textformat
from chatservice.limits import Limits
from chatservice.net import outlet, tls
from chatservice.net.admission import Admission
from chatservice.net.browsers import BrowserAddresses, is_head_of_browser
from chatservice.net.reactorlag import ReactorLag
from chatservice.net.sniff import LineRow, Row, SniffTable
from chatservice.net.timeouts import IdleEviction, LoginTimeout
from chatservice.net.timeslice import TimeSlices
from chatservice.protocols.chatprotocol import ChatProtocol
from chatservice.protocols.irc import ircdoor
from chatservice.protocols.jsonsession import JsonSession, json_refusal
from chatservice.protocols.textsession import TextSession, text_notice, text_refusal
from chatservice.protocols.ticketsession import TicketSession, is_foreign
from chatservice.protocols.web import site as web
from chatservice.protocols.web.branding import Branding
from chatservice.replies import CountInfo

log = Logger()

TROUBLE = frozenset(
    {
        *(Code.TOO_LONG, Code.TOO_FAST, Code.TOO_LARGE, Code.OVER_QUOTA, Code.DISK_FULL),
        *(Code.TOO_MANY, Code.SLOW_DOWN, Code.TOO_SLOW, Code.NOT_STORED, Code.SERVER_ERROR),
    }
)
"""Refusals that tell an operator of a limit that was reached, or of trouble."""


class ChatFactory(Factory):
    """Makes a `ChatProtocol` for each connection.

    `chat` is set before the first connection is made. `is_admin` is true for the connections of
    operators, on the admin socket. `bare_words` lets commands work without their slash (`join
    lab`, `bye`). `more_rows` are those of further protocols. In the table they stand behind
    TLS, and before tickets, whose row refuses what looks like another protocol. `host_names`
    are those that browsers may use for this server, `public_url` is the address by which they
    reach it, without a slash at its end, if the operator has named one, and `metrics_from` the
    addresses and networks that may see the metrics; none stand for this machine. `branding` is
    what the page looks like. `sts_seconds` is how long IRC clients shall use nothing but TLS,
    if the operator asks for that. `reload` reads the configuration file again.
    """

    noisy = False
    protocol = ChatProtocol
    is_admin = False
    sts_seconds = 0
    reload: Callable[[], None] = staticmethod(lambda: None)
    greeting = textformat.GREETING
    name_needed = textformat.EMPTY_NAME

    chat: Chat

    def __init__(
        self,
        reactor: Any,
        bare_words: bool = True,
        limits: Limits | None = None,
        more_rows: Sequence[Row] = (),
        host_names: Sequence[str] = (),
        public_url: str = "",
        metrics_from: Sequence[str] = (),
        branding: Branding | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.reactor = reactor
        self.connections: set[ChatProtocol] = set()
        self.login_timeout = LoginTimeout(reactor, self.limits)
        self.timeslices = TimeSlices(reactor, self.limits)
        self.idle = IdleEviction(
            reactor, self.connections, lambda: self.chat.files.transfers.users(), self.limits
        )
        self.admission = Admission(reactor.seconds, log.info, self._make_room, self.limits)
        self.browsers = BrowserAddresses(reactor.seconds)
        self.bare_words = bare_words
        self.host_names = host_names
        self.public_url = public_url
        self.metrics_from = tuple(metrics_from)
        self.branding = branding or Branding()
        self.lag = ReactorLag(reactor)
        self._takes_tls = self._only_tls = False
        self.more_rows = more_rows
        self.table = SniffTable(
            (
                tls.row(self),
                *more_rows,
                web.row(self),
                web.row_of_other_methods(),
                ircdoor.ROW,
                LineRow("tickets", TicketSession, text_refusal, self._is_foreign),
                LineRow("JSON", JsonSession, json_refusal, _is_object),
                LineRow("text", TextSession, text_refusal, notice=text_notice),
            )
        )
        self._emptied: Deferred[None] | None = None
        self._refused: Counter[Code] = Counter()

    def count(self, refusal: Refusal) -> None:
        """Count a refusal, if a limit or an error in the server is its reason."""
        if refusal.code in TROUBLE:
            self._refused[refusal.code] += 1

    def refused(self) -> list[CountInfo]:
        """Return the refusals since the start, with their numbers."""
        away = [CountInfo("connections turned away", self.admission.turned_away)]
        return [*(CountInfo(code, count) for code, count in self._refused.most_common()), *away]

    def refused_by_code(self) -> Mapping[str, int]:
        """Return the numbers of refusals since the start, those too that are 0."""
        return {str(code): self._refused[code] for code in sorted(TROUBLE)}

    def waiting(self) -> list[CountInfo]:
        """Return the work that waits here."""
        return [CountInfo("connections that wait for their turn", len(self.timeslices))]

    def by_kind(self) -> list[CountInfo]:
        """Count the connections by the kind of their session."""
        kinds = Counter(_kind(each) for each in self.connections)
        return [CountInfo(kind, count) for kind, count in sorted(kinds.items())]

    @property
    def rooms(self) -> dict[str, Room]:
        """Every room, by its key (`names.key`)."""
        return self.chat.rooms.by_key

    @property
    def users(self) -> dict[str, User]:
        """Every connected user, by key."""
        return self.chat.users.by_key

    @property
    def shared_files(self) -> FileStore:
        """The store of the shared files."""
        return self.chat.files.store

    def buildProtocol(self, addr: IAddress | None) -> ChatProtocol:
        """Make a connection's protocol."""
        connection = ChatProtocol()
        connection.factory = self
        if address := self.admission.key(getattr(addr, "host", None) or ""):
            connection.counted_address = address
        return connection

    def use_certificate(self, certificate: tls.Certificate, only_tls: bool) -> None:
        """Take TLS too, with this certificate; or, with `only_tls`, nothing else, except on unix
        sockets."""
        self._takes_tls, self._only_tls = True, only_tls
        row = tls.row(self, certificate)
        self.table = self.table.replaced(row)

    def greeting_delay(self, transport: Any) -> float:
        """Return the seconds after which a silent connection without TLS is a person's."""
        limits = self.limits
        if self._only_tls and outlet.address(transport):
            return limits.handshake_seconds
        return limits.greeting_seconds + (limits.first_byte_seconds if self._takes_tls else 0)

    def may_be_browser(self, transport: Any) -> bool:
        """Return whether a silent connection may be one that a browser has opened ahead. Within TLS
        the handshake tells that (ALPN, RFC 7301); else the address does."""
        if isinstance(transport, tls.TlsTransport):
            return transport.negotiatedProtocol == tls.HTTP
        return self.browsers.knows(outlet.address(transport))

    def note_first(self, transport: Any, row: Row, first: bytes) -> None:
        """Remember the address of a connection whose first bytes are a browser's."""
        if row.name == web.NAME and is_head_of_browser(first):
            self.browsers.note(outlet.address(transport))

    def check_secure(self, transport: Any, row: Row) -> None:
        """Raise `Refusal` (tls-needed) for a connection that must begin TLS and has another row."""
        plain = not ISSLTransport.providedBy(transport) and row.name != tls.NAME
        if self._only_tls and plain and outlet.address(transport):
            sentence = "Only TLS is spoken here: chat-client --tls, or openssl s_client -quiet."
            raise Refusal(Code.TLS_NEEDED, sentence)

    def recount(self, connection: ChatProtocol) -> None:
        """Count a connection at its real address, which is known now. Raises `Refusal`."""
        counted = connection.outer or connection
        address = self.admission.key(outlet.address(connection.transport))
        if address != counted.counted_address:
            before, counted.counted_address = counted.counted_address, ""
            self.admission.move(before, address)
            counted.counted_address = address

    def _is_foreign(self, line: bytes) -> bool:
        return is_foreign(line, self.limits.line_bytes)

    def _make_room(self) -> bool:
        return self.idle.evict_one("The server is full, and you were idle: come back later.")

    def admin_factory(self) -> "AdminFactory":
        """Return the factory of connections on the admin socket."""
        return AdminFactory(self)

    def when_empty(self, seconds: float) -> "Deferred[None]":
        """Answer when every connection is gone; after `seconds`, abort the last ones."""
        if not self.connections:
            return succeed(None)
        emptied: Deferred[None] = Deferred()
        cutting = self.reactor.callLater(seconds, self._cut)
        emptied.addBoth(lambda _: cutting.cancel() if cutting.active() else None)
        self._emptied = emptied
        return emptied

    def _cut(self) -> None:
        for connection in tuple(self.connections):
            connection.transport.abortConnection()

    def add_connection(self, connection: ChatProtocol) -> None:
        """Add a new connection; its login timeout starts."""
        self.connections.add(connection)
        self.login_timeout.add(connection)

    def remove_connection(self, connection: ChatProtocol) -> None:
        """Remove a connection that is gone."""
        self.login_timeout.remove(connection)
        if connection.outer is None:
            self.admission.remove(connection.counted_address)
        self.forget(connection)

    def forget(self, connection: ChatProtocol) -> None:
        """Remove a connection from the set."""
        self.connections.discard(connection)
        if not self.connections and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def farewell(self, sentence: str) -> None:
        """Tell everybody that the server stops, and end their connections."""
        for connection in tuple(self.connections):
            connection.end(sentence, EndReason.STOPPING)


def _kind(connection: ChatProtocol) -> str:
    """Return the kind of a connection's session, for the operator."""
    if connection.factory.is_admin:
        return "through the admin socket"
    return connection.kind


def _is_object(line: bytes) -> bool:
    return line.lstrip().startswith(b"{")


class AdminFactory(ChatFactory):
    """Makes a `ChatProtocol` for each connection on the admin socket. `house` keeps its
    connections."""

    is_admin = True
    greeting = textformat.OPERATOR_GREETING
    name_needed = b""

    def __init__(self, house: ChatFactory) -> None:
        rows = house.more_rows
        super().__init__(house.reactor, house.bare_words, house.limits, more_rows=rows)
        self.chat = house.chat
        self.connections = house.connections
        self.login_timeout, self.timeslices, self.idle = (
            house.login_timeout,
            house.timeslices,
            house.idle,
        )
        self.lag, self.admission, self.metrics_from = (
            house.lag,
            house.admission,
            house.metrics_from,
        )
        self._refused = house._refused
        self._house = house

    def add_connection(self, connection: ChatProtocol) -> None:
        """Add a connection, whose user is known."""
        self.connections.add(connection)

    def remove_connection(self, connection: ChatProtocol) -> None:
        """Remove a connection that has ended."""
        self._house.forget(connection)
