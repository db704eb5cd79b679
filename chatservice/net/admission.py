"""Admission: limits of connections, in all and by address.

`AdmissionFactory` asks before anything is made for a connection. Behind a proxy the address is
known only later, from the first bytes on; then the connection is counted anew (`move`).
"""

import resource
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.domain.addresses import limit_key
from chatservice.domain.ratelimit import TokenBucket
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from chatservice.net.sniff import Row

LOG_SECONDS = 60.0
"""Seconds between two lines of the log about refused connections: a flood must not fill the log."""

OWN_DESCRIPTORS = 40
"""Descriptors that the server has open besides: databases, their logs, ports, threads, folders."""

FORGET_AFTER = 1000
"""Addresses of which nothing need be known any more, before they are looked through."""


class AddressRecord:
    """An address: its connections now, and their rate."""

    __slots__ = ("arrivals", "here", "logged_at", "turned_away")

    def __init__(self) -> None:
        self.here = 0
        self.arrivals = TokenBucket()
        self.turned_away = 0  # turned away since `logged_at`
        self.logged_at = -LOG_SECONDS

    def is_forgettable(self, now: float) -> bool:
        """Return whether the record says nothing any more."""
        return not self.here and self.arrivals.is_full(now) and self.logged_at + LOG_SECONDS <= now


class Admission:
    """Counts connections, in all and by the key of their address (`addresses.limit_key`); an empty
    key has no limit of its own. `turned_away` counts refused ones since the start. `seconds` tells
    the time, `report` takes a line for the operator, and `make_room` ends an idle connection, if
    there is one."""

    def __init__(
        self,
        seconds: Callable[[], float],
        report: Callable[..., None],
        make_room: Callable[[], bool],
        limits: Limits,
    ) -> None:
        self._limits = limits
        self.here = 0
        self.turned_away = 0
        self._seconds = seconds
        self._report = report
        self._make_room = make_room
        self._neighbours: dict[str, AddressRecord] = {}
        self._look_at = FORGET_AFTER
        self._all = AddressRecord()

    def key(self, host: str) -> str:
        """Return the key of a host's address, or "" if it has no limits."""
        return limit_key(host, self._limits.trusted)

    def add(self, address: str) -> None:
        """Count a connection of an address. Raises `Refusal` (too-many, slow-down)."""
        if address:
            self._arrive(address)
        most = max_connections(self._limits)
        if self.here >= most and not self._make_room():
            if address:
                self._leave(address)
            self._turn_away("", self._all)
            raise Refusal(
                Code.TOO_MANY,
                "The server has {most} connections, and no more; come back later.",
                most=most,
            )
        self.here += 1

    def move(self, before: str, address: str) -> None:
        """Count a connection at its real address. Raises `Refusal` (too-many, slow-down), and then
        it is counted at none."""
        if before:
            self._leave(before)
        if address:
            self._arrive(address)

    def remove(self, address: str) -> None:
        """A connection of an address is gone."""
        self.here -= 1
        if address:
            self._leave(address)

    def _arrive(self, address: str) -> None:
        now = self._seconds()
        neighbour = self._neighbours.get(address)
        if neighbour is None:
            self._forget(now)
            neighbour = self._neighbours[address] = AddressRecord()
        most = min(self._limits.connections_an_address, max_connections(self._limits) // 2)
        if neighbour.here >= most:
            self._turn_away(address, neighbour)
            raise Refusal(
                Code.TOO_MANY,
                "{most} connections are here from your address, and no more may be; close one.",
                most=most,
            )
        pace = self._limits.arrivals_per_second, self._limits.arrivals_burst
        if neighbour.arrivals.left(now, *pace) < 1:
            self._turn_away(address, neighbour)
            raise Refusal(
                Code.SLOW_DOWN, "Your address connects too often; try again in a few seconds."
            )
        neighbour.arrivals.take(now, *pace)
        neighbour.here += 1

    def _leave(self, address: str) -> None:
        neighbour = self._neighbours.get(address)
        if neighbour is not None:
            neighbour.here -= 1

    def _turn_away(self, address: str, neighbour: AddressRecord) -> None:
        now = self._seconds()
        self.turned_away += 1
        neighbour.turned_away += 1
        if neighbour.logged_at + LOG_SECONDS <= now:
            whom = f"from {address} " if address else ""
            self._report(
                "connections {whom}are turned away ({here} are here, {away} were turned away since "
                "this was last said)",
                whom=whom,
                here=neighbour.here if address else self.here,
                away=neighbour.turned_away,
            )
            neighbour.logged_at, neighbour.turned_away = now, 0

    def _forget(self, now: float) -> None:
        if len(self._neighbours) >= self._look_at:
            kept = {a: it for a, it in self._neighbours.items() if not it.is_forgettable(now)}
            self._neighbours = kept
            self._look_at = 2 * len(kept) + FORGET_AFTER


def max_connections(limits: Limits) -> int:
    """Return the largest number of connections."""
    descriptors = _descriptors()
    if limits.connections:
        return min(limits.connections, descriptors * 7 // 8)
    return descriptors * 3 // 4


def max_open_files(limits: Limits) -> int:
    """Return the largest number of transfers. Each has a file, and a second descriptor of its
    socket; they get what connections and database leave."""
    others = max_connections(limits) + limits.rejected + OWN_DESCRIPTORS
    return max(_descriptors() - others, 16) // 2


def _descriptors() -> int:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if most > 0 else 1 << 20  # it is -1 where there is no bound


@implementer(IHalfCloseableProtocol)
class RejectedConnection(Protocol):
    """A connection that is turned away in the words of its own protocol.

    It waits a moment for its first line, and then answers what has come: without any, a person. If
    that may begin another protocol's prefix, or may be a browser's, the connection ends without a
    word; and at once if `Limits.rejected` wait.
    """

    transport: Any
    _first = b""
    _answered = False

    def __init__(self, entrance: "AdmissionFactory", refusal: Refusal) -> None:
        self._entrance = entrance
        self._refusal = refusal

    def connectionMade(self) -> None:
        """Wait for the first bytes."""
        factory = self._entrance.factory
        self._entrance.rejecting += 1
        if self._entrance.rejecting > factory.limits.rejected:
            self.transport.abortConnection()
        seconds = min(factory.greeting_delay(self.transport), factory.limits.first_byte_seconds)
        self._timer = factory.reactor.callLater(seconds, self._read_once_more)

    def dataReceived(self, data: bytes) -> None:
        """Answer as soon as the protocol is known."""
        factory = self._entrance.factory
        if not self._answered:
            self._first += data
            row = factory.table.row_of(self._first, factory.limits.line_bytes)
            if row is not None:
                self._answer(row)

    def _answer(self, row: Row) -> None:
        self._answered = True
        self._entrance.factory.note_first(self.transport, row, self._first)
        self.transport.write(row.refusal(self._refusal, self._first))
        self.transport.loseConnection()

    def _read_once_more(self) -> None:
        """Bytes may have come while the process stood still; they are read before the answer."""
        self._timer = self._entrance.factory.reactor.callLater(0, self._too_late)

    def _too_late(self) -> None:
        table = self._entrance.factory.table
        if self._first:
            is_unknown = table.needs_more(self._first)
        else:
            is_unknown = self._entrance.is_silent(self.transport)
        if self._answered or is_unknown:
            self.transport.abortConnection()
        else:
            self._answer(table.row_of_line(self._first))

    def readConnectionLost(self) -> None:
        """Answer at once: the client sends no more."""
        if not self._answered:
            self._too_late()

    def writeConnectionLost(self) -> None:
        """Do nothing: the connection ends as a whole."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._entrance.rejecting -= 1
        if self._timer.active():
            self._timer.cancel()


class AdmissionFactory(Factory):
    """Passes admitted connections on to a `chatservice.protocols.factory.ChatFactory`. Each is
    counted until `Admission.remove`. `rejecting` counts those that are turned away now. Silent
    connections of a port without `greets` are not greeted."""

    noisy = False

    def __init__(self, factory: Any, greets: bool = True) -> None:
        self.factory = factory
        self.greets = greets
        self.rejecting = 0

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the protocol of an admitted connection, or a `RejectedConnection`."""
        admission = self.factory.admission
        try:
            admission.add(admission.key(getattr(addr, "host", None) or ""))
        except Refusal as refusal:
            return RejectedConnection(self, refusal)
        connection = self.factory.buildProtocol(addr)
        if not self.greets:
            connection.port_greets = False
        return connection

    def is_silent(self, transport: Any) -> bool:
        """Return whether a client that sends nothing is told nothing."""
        return not self.greets or bool(self.factory.may_be_browser(transport))
