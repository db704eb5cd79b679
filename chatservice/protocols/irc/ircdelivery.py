"""Delivery to an IRC client: what differs from reader to reader is left out, or made for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol

from chatservice import events
from chatservice.domain.log import Encoder, EventBatch, Log
from chatservice.domain.model import Session
from chatservice.grammar import ircformat
from chatservice.grammar.ircformat import IrcStyle
from chatservice.net.delivery import EntryFormat, Subscription

Encoders = tuple[Encoder, Encoder]
"""The encoders of live entries and of those of the past."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IrcFormat(EntryFormat):
    """A format of IRC: `inbox` returns the encoders of an inbox, whose messages name their reader,
    for a nick, which is maybe registered."""

    inbox: Callable[[str, bool], Encoders]


def format_for(style: IrcStyle) -> IrcFormat:
    """Return the format of a style: the same object for equal ones."""
    return _format(style._replace(caps=style.caps & (ircformat.OF_ENTRIES | ircformat.OF_EVENTS)))


@lru_cache(maxsize=256)
def _format(style: IrcStyle) -> IrcFormat:
    live, past = ircformat.room_encoders(style)
    inbox = partial(_inbox, style.of_entries())
    return IrcFormat(live, past, ircformat.event_encoder(style), inbox=inbox)


def _inbox(style: IrcStyle, nick: str, registered: bool) -> Encoders:
    style, encode = style.of_inbox(registered), ircformat.encode_run
    return partial(encode, style, nick, False), partial(encode, style, nick, True)


class Reader(Protocol):
    """The reader of a subscription: its `session`, and the messages of events for it alone."""

    @property
    def session(self) -> Session:
        """The session."""

    def personal(self, event: events.Event) -> bytes:
        """Render an event that tells its reader about themselves."""


_PERSONAL = (events.UserLeft, events.UserRenamed, events.PutOut, events.ReadMoved)


class IrcSubscription(Subscription):
    """A subscription of an IRC session. Of a user who quits, or has another name, its client is
    told once, however many rooms they share.

    Rooms gather their events, so when this is told in one of them, the same may still wait in
    others. There it is `_told` already.
    """

    __slots__ = ("_told", "reader")

    reader: Reader
    format: IrcFormat

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._told: tuple[events.Event, ...] = ()

    def forget(self) -> None:
        """Forget the reader, whose session is over."""
        del self.reader

    def _encoders(self, log: Log) -> Encoders:
        user = self.reader.session.user
        if log.name == "@" and user is not None:
            return self.format.inbox(user.name, user.registered)
        return super()._encoders(log)

    def tell(self, news: EventBatch) -> None:
        """Show events, unless the transport is full."""
        if self.full or self._ended:
            return
        if news.encoded(_is_personal):
            data = b"".join(self._encode(event) for event in news.events)
        else:
            data = news.encoded(self.format.event)
        if data:
            self._outlet.write(data)

    def _encode(self, event: events.Event) -> bytes:
        match event:
            case events.UserLeft(reason=events.LeaveReason.QUIT) | events.UserRenamed():
                for at, told in enumerate(self._told):
                    if told is event:
                        self._told = (*self._told[:at], *self._told[at + 1 :])
                        return b""
                self._note_told(event)
            case events.PutOut() | events.ReadMoved():
                return self.reader.personal(event)
        return self.format.event(event)

    def _note_told(self, event: events.UserLeft | events.UserRenamed) -> None:
        """Note the events of other rooms that tell the same. Those of rooms that the session leaves
        meanwhile never come, so only the last ones are kept."""
        rooms = self.reader.session.rooms
        if len(rooms) > 1:
            others = (room.log.departure(event.who) for room in rooms)
            told = [it for it in others if it is not None and type(it) is type(event)]
            self._told = (*self._told, *told)[-_TOLD:]


_TOLD = 256
"""Events that are kept in mind, of one moment."""


def _is_personal(event: events.Event) -> bytes:
    """Return a byte if an event is not told to all its readers in the same way."""
    if isinstance(event, events.UserLeft):
        return b"1" if event.reason == events.LeaveReason.QUIT else b""
    return b"1" if isinstance(event, _PERSONAL) else b""
