"""Tickets that are redeemed at any node of a cluster.

A code names the node that made it, which keeps the ticket. Another node that is shown the code asks
that node to redeem it, so a code is used up everywhere at once. The ticket goes over as plain
values. The node that was shown the code checks the right again, and moves the bytes. When a node is
gone, so are its tickets.
"""

from chatservice import names
from chatservice.domain.model import GUEST_PREFIX, User, account_folder, is_guest_id
from chatservice.domain.ports.node_ports import TicketData, TicketRequest
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.tickets import (
    AnyTicket,
    Destination,
    DownloadTicket,
    Tickets,
    UploadTicket,
    not_good,
)
from chatservice.domain.users import Users
from chatservice.entries import FileCondition
from chatservice.errors import Refusal


class NodeTickets:
    """The codes of this node's tickets, and those of other nodes that are shown here."""

    def __init__(self, services: Services, rooms: Rooms, users: Users) -> None:
        self._elsewhere = services.elsewhere
        self._port = services.elsewhere.port
        self._here = Tickets(services.limits, self._port.node if self._port is not None else "")
        self._valid = services.rights.tickets
        self._logs, self._seconds = services.engine.logs, services.seconds
        self._rooms, self._users = rooms, users

    def issue(self, ticket: DownloadTicket | UploadTicket) -> str:
        """Return a code for a ticket (`Tickets.issue`)."""
        return self._here.issue(ticket, self._seconds(), ticket.user.id)

    async def redeem(
        self, code: str, class_: type[AnyTicket], address: str, stays: bool
    ) -> AnyTicket:
        """Return the ticket of a code (`Tickets.redeem`). Raises `Refusal` (bad-ticket;
        no-such-user if its user or recipient is gone)."""
        node = code.partition("-")[0]
        if self._port is None or node == self._port.node:
            return self._here.redeem(code, class_, self._seconds(), address, stays)
        upload = class_ is UploadTicket
        found = await self._port.redeem(node, TicketRequest(code, upload, address, stays))
        if found is None:
            raise not_good()
        ticket = await (self._upload(found) if upload else self._download(found))
        assert isinstance(ticket, class_)
        return self._valid.add(ticket)

    def redeem_for_node(self, request: TicketRequest) -> TicketData | None:
        """Redeem a code for another node, to which it was shown (`Follower.redeem`)."""
        code, upload, address, stays = request
        now, redeem = self._seconds(), self._here.redeem
        ticket: DownloadTicket | UploadTicket
        try:
            if upload:
                ticket = redeem(code, UploadTicket, now, address)
            else:
                ticket = redeem(code, DownloadTicket, now, address, stays)
        except Refusal:
            return None
        return _plain(ticket) if self._valid.is_valid(ticket) else None

    # -- tickets of other nodes ------------------------------------------------------------------

    async def _download(self, data: TicketData) -> DownloadTicket:
        file = data.folder, data.name, data.version, data.sha256 or ""
        return DownloadTicket(*file, await self._user(data), data.address, data.session, data.token)

    async def _upload(self, data: TicketData) -> UploadTicket:
        condition = None
        if data.condition is not None:
            some = [frozenset(it) if it is not None else None for it in data.condition]
            condition = FileCondition(*some)
        return UploadTicket(
            *(await self._destination(data), data.name, data.size, data.sha256),
            *(await self._user(data), None, data.key),
            *(data.address, data.session, data.token),
            condition=condition,
        )

    async def _destination(self, data: TicketData) -> Destination:
        if data.to is not None:
            whom, inbox = await self._users.find_recipient(data.to)
            theirs = whom.folder if isinstance(whom, User) else account_folder(names.key(whom.name))
            if theirs == data.folder:  # a guest's name may be another one's by now
                return Destination(theirs, inbox, whom.name, whom)
        else:
            room = self._rooms.by_folder(data.folder)
            if room is not None:
                return Destination(data.folder, room.log, room.name)
        raise not_good()

    async def _user(self, data: TicketData) -> User:
        """Return the user of a ticket, who may be at another node, or gone."""
        user = self._users.by_key.get(names.key(data.user_name))
        if user is not None and user.id == data.user:
            return user
        user = self._elsewhere.by_id.get(data.user)
        if not is_guest_id(data.user):
            _, inbox = await self._users.find_recipient(data.user_name)
            if user is None:
                return User(data.user_name, inbox, 0)
            user.inbox = inbox
        elif user is None:
            return User(data.user_name, None, int(data.user.removeprefix(GUEST_PREFIX)))
        elif user.inbox is None:
            self._users.inbox(user, await self._logs.last(-user.guest_number))
        return user


def _plain(ticket: DownloadTicket | UploadTicket) -> TicketData:
    """Return a ticket as plain values."""
    user = ticket.user
    data = TicketData(
        *(user.id, user.name, ticket.folder, ticket.name, ticket.sha256),
        address=ticket.address,
        session=ticket.session,
        token=ticket.token,
    )
    if isinstance(ticket, DownloadTicket):
        return data._replace(version=ticket.version)
    to, condition = ticket.destination, ticket.condition
    return data._replace(
        size=ticket.size,
        to=to.name if to.recipient is not None else None,
        key=ticket.key,
        condition=condition and [sorted(it) if it is not None else None for it in condition],
    )
