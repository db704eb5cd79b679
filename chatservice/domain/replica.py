"""The domain's state as the engine says it is: the port `Follower`.

All state that outlasts a connection changes here and nowhere else, for this node's own changes as
well as for those of others.
"""

from collections.abc import Mapping, Sequence

from chatservice import names
from chatservice.domain.accounts import Accounts
from chatservice.domain.moderation import Moderation
from chatservice.domain.nodetickets import NodeTickets
from chatservice.domain.ports.account_ports import (
    Account,
    AccountChanged,
    GuestRegistered,
    PasswordChanged,
    TokenRevoked,
)
from chatservice.domain.ports.engine_ports import Change
from chatservice.domain.ports.log_ports import BlockReplaced
from chatservice.domain.ports.member_ports import MemberChanged, ReadChanged
from chatservice.domain.ports.push_ports import PushChanged
from chatservice.domain.ports.room_ports import (
    RoomChanged,
    RoomRemoved,
    RoomRetired,
    RoomRow,
    RulesChanged,
    TopicChanged,
)
from chatservice.domain.pushing import Pushing
from chatservice.domain.remotearrivals import RemoteArrivals
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.rules import OF_ACCOUNTS
from chatservice.domain.typingnotices import TypingNotices
from chatservice.domain.users import Users
from chatservice.entries import Kind, Run
from chatservice.errors import Refusal
from chatservice.events import Notice


class Replica:
    """Applies an engine's changes to the rooms, users, rights and logs in memory."""

    def __init__(
        self,
        services: Services,
        rooms: Rooms,
        users: Users,
        accounts: Accounts,
        moderation: Moderation,
        typing: TypingNotices,
        pushing: Pushing,
        tickets: NodeTickets,
    ) -> None:
        self._rooms = rooms
        self._users = users
        self._accounts = accounts
        self._moderation = moderation
        self._pushing = pushing
        self._rights = services.rights
        self._cache = services.cache
        self._publisher = services.publisher
        self._members, self._reading = services.members, services.reading
        self._arrivals = RemoteArrivals(services, rooms, users)
        self.here, self.present = self._arrivals.here, self._arrivals.present
        self.redeem = tickets.redeem_for_node
        self._typing = typing

    def appended(self, runs: Mapping[int, Sequence[tuple[int, Run]]]) -> None:
        """Show what other nodes have stored, by the numbers of the logs."""
        for number, new in runs.items():
            log = self._users.log_by_id(number, new[0][0])
            if log is not None:
                self._publisher.show_appended(log, new)
            topics = [run.texts[-1] for _, run in new if run.kind is Kind.TOPIC]
            if topics:
                self._set_topic(number, topics[-1])
        self._pushing.appended(runs)

    def ended(self, positions: Mapping[int, int]) -> None:
        """Forget the entries that are no longer kept."""
        self._cache.drop_expired(positions)
        for number, position in positions.items():
            log = self._users.log_by_id(number)
            if log is not None:
                log.end(position)

    def typing(self, room: int, name: str) -> None:
        """Show that a user at another node is typing in a room."""
        found = self._rooms.by_number.get(room)
        if found is not None:
            self._typing.show_typing(found, name)

    def refusing(self, why: Refusal | None) -> None:
        """Refuse what would have to be stored, and tell everybody so."""
        self._publisher.refuse(why)
        told = why.sentence if why is not None else "What you say is stored again."
        self._users.broadcast(Notice(told))

    def changed(self, change: Change) -> None:
        """Apply a change."""
        match change:
            case RoomRow():
                self._rooms.add(change)
            case RoomChanged():
                self._moderation.configured(change)
            case RoomRetired(number, name):
                self._rooms.close_for_good(number, name)
            case RoomRemoved(number):
                self._rooms.drop(number)
            case RulesChanged():
                self._moderation.rules_changed(change)
            case TopicChanged(number, topic):
                self._set_topic(number, topic)
            case BlockReplaced(number, block, changed):
                log = self._users.log_by_id(number)
                if log is not None:
                    log.replace(block, changed)
                if number in self._rooms.by_number:  # the author may have another name now
                    self._rooms.by_number[number].topic_setter = None
            case AccountChanged(key, account):
                self._change_account(key, account)
            case PasswordChanged():
                self._accounts.password_changed(change)
            case TokenRevoked(sha256):
                self._accounts.token_revoked(sha256)
            case MemberChanged(account, number):
                user, room = self._users.by_key.get(account), self._rooms.by_number.get(number)
                self._members.changed(change, user, room)
            case ReadChanged():
                self._tell_read(change)
            case PushChanged():
                self._pushing.changed(change)
            case GuestRegistered():
                self._users.guest_registered(change)

    def _tell_read(self, change: ReadChanged) -> None:
        """Tell users who are here of read positions that another node has moved."""
        for key, number, position in self._reading.moved(change):
            user, room = self._users.by_key.get(key), self._rooms.by_number.get(number)
            if user is not None and room is not None:
                self._reading.tell(user, room.name, position)

    def _set_topic(self, number: int, topic: str) -> None:
        room = self._rooms.by_number.get(number)
        if room is not None:
            room.topic, room.topic_setter = topic, None

    def _change_account(self, key: str, account: Account | None) -> None:
        if account is not None and account.operator:
            self._rights.operators.add(key)
        elif key in self._rights.operators and key != names.OPERATOR_KEY:
            self._rights.operators.discard(key)
            self._users.rank_ended(key)
        if account is not None:
            self._users.account_changed(key, account)
            return
        self._accounts.deleted(key)
        self._members.ended(key)
        for room in self._rooms.by_key.values():
            for kind in OF_ACCOUNTS:
                room.rules.remove(kind, key)
